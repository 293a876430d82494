"""Run pytest on every database that can be had: `python tests/suite.py --name NAME [--host HOST] [pytest arguments]`.

A host is a Django project: each has its settings, and tests of its own (`tests/conftest.py` says which).
It needs no import of its own from the project, and sees to it that pytest finds the *installed* insights_recovery:
pytest runs in a folder of links to everything in the clone except the package.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "insights_recovery"
DATABASES = ("postgres", "sqlite", "mariadb")
"""The worker processes run on the first of them that can be had."""
HOSTS = {
    "main": ("tests.settings.main", DATABASES),
    "second": ("tests.settings.second", DATABASES),
    "example": ("example_project.settings", ("sqlite",)),
}
"""Each host's settings, and the databases that its tests run on."""
ON_SQLITE = ("py312-dj52", "py313-dj52", "py313-dj60")
"""Environments that leave PostgreSQL to others of their Python or Django."""
NO_SERVER = 77
"""See `tests/settings/databases.py`."""
NO_TESTS = 5
"""Pytest's exit status when every test was deselected."""

NOT_EVEN_STARTED = '<testsuite tests="1" errors="1" failures="0" skipped="0"/>'
"""Stands for the report of a run that ended before its first test, lest the totals look green."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What to run, and where."""

    name: str
    """The environment's name, for the reports."""
    host: str
    """One of HOSTS."""
    acceptance: bool
    """Whether tests with worker processes are run too, on one database, and coverage is measured there."""
    reports: Path
    """The folder for junit files and for the record of servers that were used."""
    workspace: Path
    """The folder in which pytest runs."""
    arguments: Sequence[str]
    """Further pytest arguments."""

    def run(self) -> int:
        """Run pytest once per database and return the worst exit status.

        Worker processes run on the first database that can be had, which has the machine to itself, since some of
        these tests measure time. The databases after that share it.
        """
        databases, statuses = self._databases(), list[int]()
        while databases and (not statuses or statuses[-1] == NO_SERVER):
            statuses.append(self._pytest(databases.pop(0), with_workers=self.acceptance))
        if not self._needs_one_only():
            with ThreadPoolExecutor(2 if self.acceptance else 1) as lanes:
                statuses += lanes.map(self._pytest_aside, databases)
        if self.acceptance:
            self._report_coverage()
        return next((status for status in statuses if status not in {0, NO_SERVER, NO_TESTS}), 0)

    def _databases(self) -> list[str]:
        """Return the databases to try, in this order."""
        databases = list(HOSTS[self.host][1])
        if self._needs_one_only() and self.name in ON_SQLITE:
            return ["sqlite"]
        return databases

    def _needs_one_only(self) -> bool:
        """Say whether one database will do, since what differs between them depends neither on Python nor on Django."""
        return self.host == "main" and not self.acceptance

    def _pytest_aside(self, database: str) -> int:
        """Run pytest beside another run, and print what it said when it has ended."""
        said = self.reports / f"{self.name}-{database}.log"
        with said.open("wb") as output:
            status = self._pytest(database, with_workers=False, output=output)
        print(said.read_text(errors="replace"), flush=True)
        return status

    def _pytest(self, database: str, *, with_workers: bool, output: BinaryIO | None = None) -> int:
        print(f"{self.name}: tests on {database}{', with worker processes' * with_workers}", flush=True)
        python = [sys.executable, "-m"]
        if with_workers:
            python += ["coverage", "run", f"--rcfile={ROOT / 'pyproject.toml'}", "-m"]
        command = [*python, "pytest", "-c", str(ROOT / "pyproject.toml"), f"--rootdir={self.workspace}"]
        command += ["-o", f"pythonpath={' '.join(self._import_path())}", "-p", "no:cacheprovider"]
        report = self.reports / f"{self.name}-{database}.xml"
        command += [f"--junitxml={report}", f"--ds={HOSTS[self.host][0]}"]
        command += [*self._selection(database, with_workers), *self.arguments]
        env = {**self._env(database), "TEST_SHARE": self._share(database, with_workers)}
        status = subprocess.run(
            command, cwd=self.workspace, env=env, stdout=output, stderr=output, check=False
        ).returncode
        if status not in {0, NO_SERVER, NO_TESTS} and not report.exists():
            report.write_text(NOT_EVEN_STARTED)
        return status

    def _selection(self, database: str, with_workers: bool) -> list[str]:
        if with_workers:
            return []
        if not self.acceptance:
            return ["-m", "not acceptance and not under_fire"]
        # Worker tests that speak of SQLite run there all the same.
        return ["-m", "not acceptance or sqlite" if database == "sqlite" else "not acceptance"]

    def _share(self, database: str, with_workers: bool) -> str:
        """Return which part of the crash points this run has: what one database had, the next need not have again."""
        if database == "sqlite":
            return "0/1" if with_workers else "1/2"
        return {"postgres": "0/2", "mariadb": "0/6"}[database]

    def _import_path(self) -> list[str]:
        """Return the folders from which a host's modules are imported: the example's are at the top of its project."""
        example = [str(self.workspace / "example_project")] if self.host == "example" else []
        return [*example, str(self.workspace)]

    def _env(self, database: str) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(self._import_path()),
            "EXAMPLE_VAR": str(self.workspace / "var"),
            "TEST_DATABASE": database,
            "TEST_INSTALLED": "1",
            "SERVICES_REPORT": str(self.reports / f"{self.name}-{database}.services"),
            "COVERAGE_FILE": str(self.reports / f".coverage.{self.name}"),
        }

    def _report_coverage(self) -> None:
        """Print the coverage of the run with worker processes, all of them together; it gates nothing."""
        coverage = [sys.executable, "-m", "coverage"]
        for command in (["combine", "--quiet"], ["report", "--skip-covered"]):
            rcfile = f"--rcfile={ROOT / 'pyproject.toml'}"
            subprocess.run([*coverage, *command, rcfile], cwd=ROOT, env=self._env("all"), check=False)


def link_into(workspace: Path) -> None:
    """Fill `workspace` with links to the top of the clone, without the package, its builds and hidden files."""
    for path in ROOT.iterdir():
        if path.name not in {PACKAGE, "build", "dist"} and path.suffix != ".egg-info" and not path.name.startswith("."):
            (workspace / path.name).symlink_to(path)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="here", help="the environment's name, for the reports")
    parser.add_argument("--host", choices=list(HOSTS), default="main", help="which test host")
    options, arguments = parser.parse_known_args()
    reports = Path(os.environ.get("TEST_REPORTS") or ROOT / ".tox" / "reports")
    reports.mkdir(parents=True, exist_ok=True)
    acceptance = options.host == "main" and options.name == os.environ.get("ACCEPTANCE_IN", "py312-dj60")
    workspace = Path(tempfile.mkdtemp(prefix="insights-recovery-suite-"))
    try:
        link_into(workspace)
        return Suite(
            name=options.name,
            host=options.host,
            acceptance=acceptance,
            reports=reports,
            workspace=workspace,
            arguments=[argument for argument in arguments if argument != "--"],
        ).run()
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
