"""What a worker's process can say of itself, as the answer to a message: that it arrived, what works, what is used."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import celery
import django

from insights_recovery.conf import conf
from insights_recovery.extractors import loading
from insights_recovery.hosts import entry_model
from insights_recovery.models import Extraction, Insight, ProcessingAttempt
from insights_recovery.monitoring.examination import examine
from insights_recovery.monitoring.probes import Finding, Probe, ok, warning
from insights_recovery.monitoring.storage import DatabaseProbe

LEAST_FREE_DISK = 0.05
"""Share of the disk below which free space is a warning."""
MOST_MEMORY = 0.5
"""Share of the machine's memory above which one process is a warning."""
MOST_LOAD = 4.0
"""Runnable processes per processor, averaged over a minute, above which the machine is a warning."""


@dataclass(frozen=True, kw_only=True)
class SystemInfoProbe(Probe):
    """On what does this process run?"""

    name: ClassVar[str] = "system_info"
    remedy: ClassVar[str] = "Look at the worker's own log."

    def examine(self) -> Finding:
        """Name the machine, and the versions that a report of a fault needs."""
        return ok(
            f"Python {platform.python_version()} on {platform.system()}.",
            host=socket.gethostname(),
            platform=platform.platform(),
            python=platform.python_version(),
            django=django.get_version(),
            celery=celery.__version__,
        )


@dataclass(frozen=True, kw_only=True)
class FileSystemProbe(Probe):
    """Can this process write a file, and is there room?"""

    name: ClassVar[str] = "file_system"
    remedy: ClassVar[str] = "Free space where TMPDIR points, and let the worker's user write there."

    def examine(self) -> Finding:
        """Write one, and measure the disk it lay on."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"0")
            file.flush()
            usage = shutil.disk_usage(file.name)
        figures = {"free_bytes": usage.free, "total_bytes": usage.total}
        share = usage.free / usage.total if usage.total else 1.0
        if share < LEAST_FREE_DISK:
            return warning(f"Only {share:.1%} of the disk is free.", self.remedy, **figures)
        return ok(f"Files can be written; {share:.0%} of the disk is free.", **figures)


@dataclass(frozen=True, kw_only=True)
class MemoryProbe(Probe):
    """How much memory has this process used at its peak?"""

    name: ClassVar[str] = "memory"
    remedy: ClassVar[str] = "Let children be replaced in time: set CELERY_WORKER_MAX_MEMORY_PER_CHILD."

    def examine(self) -> Finding:
        """Compare the peak with what the machine has."""
        peak, total = _peak_bytes(), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        figures = {"peak_bytes": peak, "total_bytes": total}
        if peak > MOST_MEMORY * total:
            return warning(f"This process has used {peak / total:.0%} of the memory.", self.remedy, **figures)
        return ok(f"This process has used {peak / 2**20:.0f} MiB at its peak.", **figures)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # getrusage(2) counts in kilobytes, but in bytes on macOS.
    return peak if sys.platform == "darwin" else peak * 1024


@dataclass(frozen=True, kw_only=True)
class CpuProbe(Probe):
    """How much has this process computed, and how busy is the machine?"""

    name: ClassVar[str] = "cpu"
    remedy: ClassVar[str] = "Lower the worker's --concurrency, or move something to another machine."

    def examine(self) -> Finding:
        """Measure both."""
        used, processors = resource.getrusage(resource.RUSAGE_SELF), os.cpu_count() or 1
        seconds, load = round(used.ru_utime + used.ru_stime, 3), os.getloadavg()[0] / processors
        figures = {"cpu_seconds": seconds, "load_per_cpu": round(load, 2), "cpus": processors}
        if load > MOST_LOAD:
            return warning(f"{load:.1f} processes wait for each processor.", self.remedy, **figures)
        return ok(f"This process has computed for {seconds:.1f} s; load per processor {load:.2f}.", **figures)


@dataclass(frozen=True, kw_only=True)
class ModelImportsProbe(Probe):
    """Does this process know the models and the extractors that it is to work with?"""

    name: ClassVar[str] = "model_imports"
    remedy: ClassVar[str] = "Run `manage.py check --tag insights_recovery` where the worker runs."

    def examine(self) -> Finding:
        """Look them up, and make the extractors as the work itself does."""
        models = [model._meta.label for model in (entry_model(), Extraction, Insight, ProcessingAttempt)]
        extractors = [f"{extractor.name} {extractor.version}" for extractor in loading.load(conf().extractors)]
        return ok("Models and extractors are there.", models=models, extractors=extractors)


def greeting(task_id: str, worker: str) -> dict[str, Any]:
    """Return who answers and on what it runs: the message arrived, and a child took it."""
    return _diagnosis(task_id, worker, [SystemInfoProbe()])


def health(task_id: str, worker: str) -> dict[str, Any]:
    """Return what the worker's process can reach and do."""
    return _diagnosis(
        task_id,
        worker,
        [
            SystemInfoProbe(),
            DatabaseProbe(),
            FileSystemProbe(),
            MemoryProbe(),
            CpuProbe(),
            ModelImportsProbe(),
        ],
    )


def performance(task_id: str, worker: str) -> dict[str, Any]:
    """Return what the worker's process has used, and how much of the machine that is."""
    return _diagnosis(task_id, worker, [MemoryProbe(), CpuProbe(), FileSystemProbe()])


def _diagnosis(task_id: str, worker: str, probes: Iterable[Probe]) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "worker": worker,
        "pid": os.getpid(),
        "timestamp": datetime.now(UTC).isoformat(),
        **examine(probes).as_dict(),
    }
