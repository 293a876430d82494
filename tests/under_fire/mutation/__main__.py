"""Take the guards out one at a time: `python -m tests.under_fire.mutation [--module M ...] [--sample N]`.

Each mutant is tried with the tests on SQLite; what survives is tried on PostgreSQL, which has row locks, then with the
crash points and the state machine, and what belongs to a worker's main process with real workers. A mutant that
survives all of that must be listed in survivors.toml with the reason why it is harmless. The exit status is 1 where one
is not, and where one is listed that was killed or is no more.

With `--results FILE` the verdicts are kept, and a run that is taken up again tries only what was not killed before.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import django

from tests.under_fire.mutation import real_workers
from tests.under_fire.mutation.plan import Plan, Verdict, verdicts

ROOT = Path(__file__).parent.parent.parent.parent
SURVIVORS = Path(__file__).parent / "survivors.toml"
MODULES = ("lifecycle", "settling", "querysets", "processing", "recovery", "dispatch", "lifeline", "worker")
REAL = "real workers"
"""The stage that has processes of its own; see `real_workers`."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One kind of tests on one database; each stage tries what survived those before."""

    name: str
    """What it is called."""
    database: str
    """`TEST_DATABASE` for it."""
    paths: tuple[str, ...]
    """What pytest is given."""
    timeout: int
    """Seconds for one test."""
    budget: float
    """Seconds of tests for one mutant."""


ABOUT = """
    guards guarded_work guarded_recovery guarded_lifeline guarded_results guarded_ends guarded_dispatch
    transitions fencing settling processing leases
    lease_keeper recovery sweeps dispatch batches edits skips checkpoints races tasks operations interleavings
    interleavings_people deletion models announcing messages backfill_turn insights hosts due_index
    hostile_results joined_texts
"""
"""Modules of tests/integration that are about what is mutated, those that say most first."""
QUICK = (
    "tests/unit/test_lifecycle.py",
    "tests/unit/test_guards.py",
    *(f"tests/integration/test_{name}.py" for name in ABOUT.split()),
)
FIRE = ("tests/under_fire/test_crash_points.py", "tests/under_fire/test_state_machine.py")
STAGES = (
    Stage(name="sqlite", database="sqlite", paths=QUICK, timeout=30, budget=60),
    Stage(name="postgres", database="postgres", paths=QUICK, timeout=30, budget=60),
    Stage(name="under fire", database="sqlite", paths=FIRE, timeout=300, budget=300),
)


class Run:
    """One run over the chosen modules."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.left_out: list[str] = []
        self._options = options
        self._folder = folder
        self._results: Path = options.results or folder / "results.jsonl"
        self.wanted = _keys(options)

    def go(self) -> None:
        """Run the chosen stages."""
        for stage in STAGES:
            if stage.name in self._options.stages:
                self._stage(stage)
        if REAL in self._options.stages:
            # Minutes each, so that what is known to be harmless is not tried.
            keys = [key for key in self._open() if key.startswith(("worker.", "lifeline.")) and key not in listed()]
            for verdict in real_workers.tried(ROOT, self._folder, keys):
                self._plan(REAL, 0, []).note(verdict)

    def verdicts(self) -> list[Verdict]:
        """Return the verdict on each mutant that was tried."""
        found = verdicts(self._results)
        return [found[key] for key in self.wanted if key in found]

    def _open(self) -> list[str]:
        known = verdicts(self._results)
        return [key for key in self.wanted if key not in known or known[key].survived]

    def _plan(self, name: str, budget: float, keys: list[str]) -> Plan:
        return Plan(stage=name, modules=self._options.modules, results=str(self._results), budget=budget, only=keys)

    def _stage(self, stage: Stage) -> None:
        keys = self._open()
        if not keys:
            return
        print(f"{time.strftime('%H:%M:%S')} {stage.name}: {len(keys)} mutants", flush=True)
        plan = self._plan(stage.name, stage.budget, keys).write(self._folder / "plan.json")
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:randomly", "-p", "no:cacheprovider"]
        command += [
            "-p",
            "tests.under_fire.mutation.plugin",
            f"--mutation-plan={plan}",
            "-o",
            f"timeout={stage.timeout}",
        ]
        environment = {**os.environ, "TEST_DATABASE": stage.database, "TMPDIR": str(self._folder)}
        status = subprocess.run(
            [*command, *stage.paths], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False
        ).returncode
        if status:
            self.left_out.append(f"{stage.name}: pytest ended with {status}")


def _keys(options: argparse.Namespace) -> dict[str, str]:
    """Return the key of each wanted mutant with its module."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings.main")
    django.setup()
    # Not before Django is set up: the operators know the members of its enumerations.
    from tests.under_fire.mutation.mutants import chosen

    return {mutant.key: mutant.module for name in options.modules for mutant in chosen(name, options.sample)}


def listed() -> dict[str, str]:
    """Return the survivors that are known, each with the reason why it is harmless."""
    groups = tomllib.loads(SURVIVORS.read_text()).get("harmless", [])
    return {key: group["reason"] for group in groups for key in group["mutants"]}


def table(found: Sequence[Verdict], known: dict[str, str]) -> str:
    """Return the verdicts, counted by module, as a table in Markdown."""
    counts: dict[str, Counter[str]] = {}
    for verdict in found:
        word = ("listed" if verdict.key in known else "not listed") if verdict.survived else verdict.verdict
        for row in (verdict.module, "all"):
            counts.setdefault(row, Counter())[word] += 1
    rows = ["| module | mutants | killed | ran for ever | survived, listed | survived, not listed |"]
    rows += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name in sorted(counts, key=lambda row: (row == "all", row)):
        count = counts[name]
        cells = (count.total(), count["killed"], count["timeout"], count["listed"], count["not listed"])
        rows.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows)


def main() -> int:
    """Run, print the table, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*(stage.name for stage in STAGES), REAL]
    parser.add_argument(
        "--module", action="append", choices=MODULES, dest="modules", help="only this one; may be repeated"
    )
    parser.add_argument("--stage", action="append", choices=names, dest="stages", help="only this one; may be repeated")
    parser.add_argument("--sample", type=int, default=0, help="only so many mutants of each module, by lot")
    parser.add_argument("--results", type=Path, help="keep the verdicts here, and go on from those that are there")
    options = parser.parse_args()
    options.modules, is_whole = options.modules or list(MODULES), not options.sample and not options.stages
    options.stages = options.stages or names
    known = listed()
    with tempfile.TemporaryDirectory(prefix="insights-recovery-mutation-") as folder:
        # A database's server that does not run as us has its files in there too.
        Path(folder).chmod(0o755)
        run = Run(options, Path(folder))
        run.go()
        found = run.verdicts()
    missed = [verdict for verdict in found if verdict.survived and verdict.key not in known]
    survived = {verdict.key for verdict in found if verdict.survived}
    outdated = (
        [key for key in known if key.partition(".")[0] in options.modules and key not in survived] if is_whole else []
    )
    print(f"\n{table(found, known)}\n")
    for verdict in missed:
        print(f"survived: {verdict.key} (line {verdict.line}, {verdict.tests} tests come by)")
    for key in outdated:
        print(f"listed, but killed or no more: {key}")
    for reason in run.left_out:
        print(f"left out: {reason}")
    return 1 if missed or outdated or run.left_out else 0


if __name__ == "__main__":
    sys.exit(main())
