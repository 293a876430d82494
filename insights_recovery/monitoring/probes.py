"""What a probe is: one live question about the surroundings, asked in bounded time and answered without raising."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from insights_recovery import scrubbing
from insights_recovery.exceptions import ConfigurationError

AnswerT = TypeVar("AnswerT")


class ProbeStatus(StrEnum):
    """How serious a finding is."""

    OK = "OK"
    """All is well."""
    WARNING = "WARNING"
    """Entries are processed, but somebody should look at it."""
    FAILED = "FAILED"
    """Entries are not processed as they should be until it is put right."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a probe found out."""

    status: ProbeStatus
    """How serious it is."""
    message: str
    """What was found, in one line."""
    remedy: str = ""
    """What to do about it; empty where nothing is to be done."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Figures, where the probe has any."""


def ok(message: str, **details: Any) -> Finding:
    """Return the finding that all is well."""
    return Finding(status=ProbeStatus.OK, message=message, details=details)


def warning(message: str, remedy: str, **details: Any) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(status=ProbeStatus.WARNING, message=message, remedy=remedy, details=details)


def failed(message: str, remedy: str, **details: Any) -> Finding:
    """Return a finding that must be put right."""
    return Finding(status=ProbeStatus.FAILED, message=message, remedy=remedy, details=details)


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The answer of one probe."""

    name: str
    """The probe's name."""
    status: ProbeStatus
    """How serious it is."""
    message: str
    """What was found; without any value of an exception, a text least of all."""
    remedy: str
    """What to do about it; empty where nothing is to be done."""
    duration_ms: float
    """How long it took, in milliseconds."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Figures, where the probe has any."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON, without the name."""
        return {
            "status": str(self.status),
            "message": self.message,
            "remedy": self.remedy,
            "duration_ms": self.duration_ms,
            **self.details,
        }


@dataclass(frozen=True, kw_only=True)
class Probe(ABC):
    """One question; a subclass's fields are its options."""

    name: ClassVar[str]
    """Its name in every report."""
    remedy: ClassVar[str]
    """What to do where the question could not even be asked."""
    fault: ClassVar[str] = "It could not be examined"
    """What it means that the question could not be asked."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Names of the probes that must not have failed for this one to make sense."""

    @abstractmethod
    def examine(self) -> Finding:
        """Ask, and return what was found; it may raise whatever it likes."""

    def run(self) -> ProbeResult:
        """Ask, and return the answer; never an exception."""
        started = time.monotonic()
        try:
            finding = self.examine()
        except TimeoutError:
            finding = failed(f"{self.fault} in time.", self.remedy)
        except Exception as error:  # noqa: BLE001 - the probe's boundary: what is broken raises in its own way
            finding = failed(f"{self.fault}: {scrubbing.report(error).message}.", self._remedy(error))
        return self._result(finding, time.monotonic() - started)

    def blocked_by(self, culprit: str) -> ProbeResult:
        """Return the answer where a probe that this one requires has failed."""
        return self._result(failed(f"Not examined, since '{culprit}' failed.", f"See '{culprit}'."), 0.0)

    def _remedy(self, error: Exception) -> str:
        return "See 'settings'." if isinstance(error, ConfigurationError) else self.remedy

    def _result(self, finding: Finding, seconds: float) -> ProbeResult:
        return ProbeResult(
            name=self.name,
            status=finding.status,
            message=finding.message,
            remedy=finding.remedy,
            duration_ms=round(seconds * 1000, 1),
            details=finding.details,
        )


def within(seconds: float, action: Callable[[], AnswerT]) -> AnswerT:
    """Return what `action` returns on a thread of its own, which is left behind when it takes too long.

    It is the last resort: drivers have waits of their own that no option reaches, such as looking up a name.

    Raises:
        TimeoutError: `action` has not returned after `seconds`.
    """
    answer: Future[AnswerT] = Future()
    threading.Thread(target=_answer, args=(answer, action), name="insights-recovery-probe", daemon=True).start()
    return answer.result(timeout=seconds)


def _answer(answer: Future[AnswerT], action: Callable[[], AnswerT]) -> None:
    try:
        answer.set_result(action())
    except Exception as error:  # noqa: BLE001 - the probe's boundary: the error is raised again where it is waited for
        answer.set_exception(error)
