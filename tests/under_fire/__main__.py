"""Put everything under fire and print what was tried: `python -m tests.under_fire [short|long] [--only PART ...]`.

It belongs into an environment that has the package and the tests' dependencies, such as the one that
`python3 tests/run.py --under-fire short` makes. The parts that need a database run on each that can be had, all
databases beside each other; those that measure time, or start many workers, run alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.under_fire import evidence, profiles
from tests.under_fire.evidence import Line

ROOT = Path(__file__).parent.parent.parent
NO_SERVER = 77
"""See tests/settings/databases.py."""
NO_TESTS = 5
"""Pytest's exit status when there was nothing to run."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One kind of evidence."""

    name: str
    """What it is called with `--only`."""
    paths: tuple[str, ...]
    """Its test modules, below tests/."""
    databases: tuple[str, ...]
    """On which databases it runs."""
    briefly: tuple[str, ...] | None = None
    """The same in the short profile, where they are fewer."""
    alone: bool = False
    """Whether it needs the machine to itself."""
    counts_tests: bool = False
    """Whether its line in the table is made from how its tests ended; others write their lines themselves."""


EACH = ("sqlite", "postgres", "mariadb")
TWO = ("sqlite", "postgres")
SHARES = {"sqlite": "0/2", "postgres": "1/2", "mariadb": "0/3"}
"""Of the crash points, in the short profile."""
PARTS = (
    Part(name="protocol", paths=("under_fire/test_protocol.py",), databases=("sqlite",)),
    Part(name="crashes", paths=("under_fire/test_crash_points.py",), databases=EACH, briefly=TWO),
    Part(name="machine", paths=("under_fire/test_state_machine.py",), databases=EACH, briefly=TWO),
    Part(
        name="races",
        paths=(
            "integration/test_races.py",
            "integration/test_interleavings.py",
            "integration/test_interleavings_people.py",
            "integration/test_interleavings_found.py",
            "integration/test_random_races.py",
            "integration/test_fencing.py",
            "integration/test_deletion.py",
        ),
        databases=("postgres", "mariadb"),
        counts_tests=True,
    ),
    Part(
        name="hostile",
        paths=(
            "integration/test_hostile_results.py",
            "integration/test_hostile_texts.py",
            "integration/test_hostile_errors.py",
            "integration/test_hostile_outages.py",
            "integration/test_hostile_batches.py",
            "integration/test_hostile_connections.py",
            "integration/test_unforeseen.py",
            "integration/test_messages.py",
            "releases",
            "under_fire/test_hostile.py",
            "acceptance/test_hostile.py",
            "acceptance/test_rolling_upgrade.py",
        ),
        databases=EACH,
        briefly=TWO,
        counts_tests=True,
    ),
    Part(name="chaos", paths=("under_fire/test_chaos.py",), databases=EACH),
    Part(name="matrix", paths=("under_fire/test_matrix.py",), databases=("sqlite",), alone=True),
    Part(name="times", paths=("under_fire/test_recovery_times.py",), databases=("postgres",), alone=True),
    Part(name="soak", paths=("under_fire/test_soak.py",), databases=("postgres",), alone=True),
)


class Fire:
    """One run of the chosen parts in a profile."""

    def __init__(self, profile: str, parts: Sequence[Part], folder: Path) -> None:
        self._profile = profile
        self._parts = parts
        self._folder = folder
        self.left_out: list[str] = []
        self.failed: list[str] = []
        self.lines: list[Line] = []

    def run(self) -> None:
        """Run what shares the machine, all databases beside each other, then what needs it alone."""
        together = [part for part in self._parts if not part.alone]
        with ThreadPoolExecutor(len(EACH)) as lanes:
            list(lanes.map(lambda database: self._lane(database, together), EACH))
        for part in self._parts:
            if part.alone:
                for database in self._databases(part):
                    self._pytest(part, database)

    def _lane(self, database: str, parts: Sequence[Part]) -> None:
        for part in parts:
            if database in self._databases(part):
                self._pytest(part, database)

    def _databases(self, part: Part) -> tuple[str, ...]:
        return part.briefly if part.briefly and self._profile == "short" else part.databases

    def _pytest(self, part: Part, database: str) -> None:
        what = f"{part.name} on {database}"
        log, report, kept = (self._folder / f"{part.name}-{database}.{kind}" for kind in ("log", "xml", "jsonl"))
        command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), f"--junitxml={report}"]
        command += ["-p", "no:cacheprovider", *(str(Path("tests", path)) for path in part.paths)]
        environment = {
            **os.environ,
            "TEST_DATABASE": database,
            profiles.VARIABLE: self._profile,
            profiles.SHARE: SHARES[database] if self._profile == "short" else "0/1",
            evidence.VARIABLE: str(kept),
        }
        print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)
        with log.open("wb") as output:
            status = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False).returncode
        if status == NO_SERVER:
            self.left_out.append(f"{what}: no server to be had")
            return
        self.lines += evidence.lines(kept) + (_counted(part, database, report) if part.counts_tests else [])
        self.left_out += [f"{what}: {reason}" for reason in _skipped(report)]
        if status not in {0, NO_TESTS}:
            self.failed.append(what)
            print(log.read_text(errors="replace")[-6000:], flush=True)


def _counted(part: Part, database: str, report: Path) -> list[Line]:
    suites = list(_suites(report))
    total, skipped, bad = (
        sum(int(suite.get(key, 0)) for suite in suites for key in keys)
        for keys in (("tests",), ("skipped",), ("failures", "errors"))
    )
    seconds = sum(float(suite.get("time", 0)) for suite in suites)
    return [Line(part=part.name, where=database, tried=total - skipped, violations=bad, seconds=round(seconds, 1))]


def _skipped(report: Path) -> list[str]:
    found = (skip.get("message", "") for suite in _suites(report) for skip in suite.iter("skipped"))
    # What speaks of another database is run there.
    return sorted({reason for reason in found if not reason.endswith(" only")})


def _suites(report: Path) -> Iterator[ET.Element]:
    # Pytest has just written it.
    return ET.parse(report).getroot().iter("testsuite") if report.exists() else iter(())  # noqa: S314


def condensed(lines: Sequence[Line]) -> list[Line]:
    """Return the lines, with all `where: scenario` of the same part and place made one."""
    found: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        found.setdefault((line.part, line.where.partition(": ")[0]), []).append(line)
    return [group[0] if len(group) == 1 else _sum(group) for group in found.values()]


def _sum(group: Sequence[Line]) -> Line:
    scenarios = f"{len(group)} scenarios"
    return Line(
        part=group[0].part,
        where=group[0].where.partition(": ")[0],
        tried=sum(line.tried for line in group),
        violations=sum(line.violations for line in group),
        seconds=round(sum(line.seconds for line in group), 1),
        note=scenarios,
    )


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table in Markdown, which a person can read as it is."""
    rows = [("part", "where", "tried", "violations", "seconds", "figures"), ("---",) * 6]
    rows += [(x.part, x.where, f"{x.tried:,}", str(x.violations), f"{x.seconds:g}", x.note) for x in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "| " + " | ".join([*(cell.ljust(width) for cell, width in zip(row[:5], widths, strict=True)), row[5]]) + " |"
        for row in rows
    )


def main() -> int:
    """Run, print the table, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", choices=["short", "long"], nargs="?", default="short")
    names = [part.name for part in PARTS]
    parser.add_argument("--only", action="append", choices=names, help="this part; may be repeated")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="insights-recovery-fire-") as folder:
        wanted = [part for part in PARTS if part.name in (options.only or names)]
        fire = Fire(options.profile, wanted, Path(folder))
        fire.run()
    print(f"\n{table(condensed(fire.lines))}\n")
    for reason in fire.left_out:
        print(f"left out: {reason}")
    for what in fire.failed:
        print(f"failed: {what}")
    violations = sum(line.violations for line in fire.lines)
    tried = sum(line.tried for line in fire.lines)
    print(f"{options.profile} profile: {tried:,} tried, {violations} violations, {time.monotonic() - begun:.0f} s")
    return 1 if violations or fire.failed else 0


if __name__ == "__main__":
    sys.exit(main())
