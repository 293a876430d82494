"""The matrix: every database with every broker and every pool; each cell is a pytest run of its own.

A cell's run starts its own servers on free ports and real worker processes, and ends them. What the machine lacks is
said by the cell's name.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.harness import BROKERS, IMPORT_ROOT, POOLS
from tests.settings.databases import EXIT_NO_SERVER

DATABASES = ("postgres", "mariadb", "sqlite")
NAMES = {
    "postgres": "PostgreSQL",
    "mariadb": "MariaDB",
    "sqlite": "SQLite",
    "redis": "Redis",
    "rabbitmq": "RabbitMQ",
    "filesystem": "embedded",
}
"""What the table calls them; a pool is called what Celery calls it."""
GIVEN = ("TEST_DATABASE_URL", "TEST_MARIADB_URL", "TEST_REDIS_URL", "TEST_AMQP_URL")
"""Variables that name servers which are there already; cells could only share those, so then they run one by one."""
NOT_FOR_CELLS = ("UNDER_FIRE", "EVIDENCE_FILE")
"""Variables of the outer run: a cell is one line of its evidence, whatever the cell's own tests would note."""
AT_ONCE = 3
"""Cells that run beside each other: much of their time is waiting."""
PATIENCE = "5"
"""How many times longer than alone on the machine recovery may take in a cell, which shares it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One database, one broker, one pool."""

    database: str
    """As TEST_DATABASE names it."""
    broker: str
    """As TEST_BROKER names it."""
    pool: str
    """As TEST_POOL names it."""

    def __str__(self) -> str:
        return f"{NAMES[self.database]} x {NAMES[self.broker]} x {self.pool}"

    def env(self) -> dict[str, str]:
        """Return the environment of the cell's run."""
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_FOR_CELLS}
        chosen = {"TEST_DATABASE": self.database, "TEST_BROKER": self.broker, "TEST_POOL": self.pool}
        return {**inherited, **chosen, "TEST_PATIENCE": PATIENCE}


CELLS = tuple(
    Cell(database=database, broker=broker, pool=pool)
    for database, broker, pool in itertools.product(DATABASES, BROKERS, POOLS)
)
PAIRS = tuple(
    Cell(database=DATABASES[row], broker=BROKERS[column], pool=POOLS[(row + column) % len(POOLS)])
    for row, column in itertools.product(range(len(DATABASES)), range(len(BROKERS)))
)
"""The fewest cells in which each two of databases, brokers and pools come up together: a Latin square."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of one cell."""

    passed: int
    """How many tests passed."""
    failed: Sequence[str]
    """The names of those that did not."""
    missing: str
    """Why nothing could be tried, where a server was not to be had; else empty."""
    seconds: float
    """How long it took, with the starts of its servers."""
    said: str
    """The end of what pytest printed."""


class Matrix:
    """Runs cells in the background, a few at a time, in the order given."""

    def __init__(self, cells: Iterable[Cell], selection: Sequence[str], folder: Path) -> None:
        self._selection = list(selection)
        self._folder = folder
        self._running: set[subprocess.Popen[bytes]] = set()
        one_by_one = any(name in os.environ for name in GIVEN)
        self._threads = ThreadPoolExecutor(1 if one_by_one else AT_ONCE)
        self._reports: dict[Cell, Future[Report]] = {cell: self._threads.submit(self._run, cell) for cell in cells}

    def report(self, cell: Cell) -> Report:
        """Wait for a cell's run to end, and return what came of it."""
        return self._reports[cell].result()

    def close(self) -> None:
        """Begin no other cell, and end those that run; they stop their servers."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in list(self._running):
            process.send_signal(signal.SIGTERM)
        self._threads.shutdown()

    def _run(self, cell: Cell) -> Report:
        begun = time.monotonic()
        name = f"{cell.database}-{cell.broker}-{cell.pool}"
        results, printed = self._folder / f"{name}.xml", self._folder / f"{name}.log"
        with printed.open("wb") as output:
            process = subprocess.Popen(
                [*command(results), *self._selection],
                stdout=output, stderr=subprocess.STDOUT, cwd=IMPORT_ROOT, env=cell.env(), start_new_session=True,
            )  # fmt: skip
            self._running.add(process)
            status = process.wait()
            self._running.discard(process)
        return read(results, status, printed.read_text(errors="replace"), round(time.monotonic() - begun, 1))


def command(results: Path) -> list[str]:
    """Return the command that runs the acceptance tests of the very package that this process tests."""
    pytest = [sys.executable, "-m", "pytest", "-c", str(IMPORT_ROOT / "pyproject.toml"), f"--rootdir={IMPORT_ROOT}"]
    pytest += ["-o", f"pythonpath={IMPORT_ROOT}", "--ds=tests.settings.main", "-p", "no:cacheprovider"]
    return [*pytest, f"--junitxml={results}", str(IMPORT_ROOT / "tests" / "acceptance")]


def read(results: Path, status: int, said: str, seconds: float) -> Report:
    """Return the report of a run that ended with `status` and left `results`, if it came that far."""
    cases = list(ET.parse(results).iter("testcase")) if results.exists() else []  # noqa: S314 - pytest has just written it
    failed = sorted({_name(case) for case in cases if _has(case, "failure", "error")})
    skips = [skip.get("message", "") for case in cases if (skip := case.find("skipped")) is not None]
    passed = len({_name(case) for case in cases if not _has(case, "failure", "error", "skipped")} - {*failed})
    missing = ""
    if status == EXIT_NO_SERVER:
        missing = said.strip().rpartition("\n")[2]
    elif status and not failed:
        failed = [f"the run ended with {status}"]
    elif not failed and not passed:
        why = Counter(skip for skip in skips if not skip.startswith("speaks of")).most_common(1)
        missing = why[0][0] if why else "no test concerns it"
    return Report(passed=passed, failed=failed, missing=missing, seconds=seconds, said=said[-5000:])


def _name(case: ET.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _has(case: ET.Element, *tags: str) -> bool:
    return any(case.find(tag) is not None for tag in tags)
