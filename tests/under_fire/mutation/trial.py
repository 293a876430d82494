"""The trial of the mutants: one warm process, and a fork of it for each mutant.

All tests run once as they are. That shows that they pass, how long each takes, and which lines of the mutated modules
it comes by. Then each mutant is tried in a fork, on a copy of the database, with the tests that come by its lines,
until the first fails.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from django.db import connection, connections

from tests.under_fire.mutation import swapping
from tests.under_fire.mutation.mutants import Mutant, mutants, path_of, source_of
from tests.under_fire.mutation.plan import Plan, Verdict

TOOL = 4
"""The number under which this one asks Python's monitoring; coverage, profilers and Hypothesis have others."""
PATIENCE = 10
"""How many times longer than with the true code the tests of a mutant may take, and seconds besides."""
GUARDS = "test_guard"
"""What the modules are called whose tests are there to miss one guard each."""
AROUND = 15
"""Lines before and after a mutant that are about the same thing."""
LEAST = 60.0
"""Seconds that every mutant has."""


class Trial:
    """The tests of one run, what they come by, and the mutants to be tried with them."""

    def __init__(self, session: pytest.Session, plan: Plan) -> None:
        self.failed: list[str] = []
        self._items = session.items
        self._plan = plan
        # Not in the order of the items: those without a database would be the last.
        self._modules = [path for path in session.config.args if path.endswith(".py")]
        self._sources = {name: source_of(name) for name in plan.modules}
        self._lines: dict[str, set[tuple[str, int]]] = {}
        self._seconds: dict[str, float] = {}
        self._struck: Counter[tuple[str, str]] = Counter()
        self._sound: dict[str, bool] = {}
        self._failures = _Failures()
        session.config.pluginmanager.register(self._failures)

    # As it is

    def run_as_it_is(self) -> None:
        """Run each test once, and note what it comes by."""
        current: set[tuple[str, int]] = set()
        modules = {str(path_of(name)): name for name in self._plan.modules}

        def on_line(code: CodeType, line: int) -> Any:
            current.add((modules[code.co_filename], line))

        sys.monitoring.use_tool_id(TOOL, "mutation")
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.LINE, on_line)
        for code in _codes(set(modules)):
            sys.monitoring.set_local_events(TOOL, code, sys.monitoring.events.LINE)
        for item in self._items:
            current.clear()
            begun = time.monotonic()
            self._run(item)
            self._seconds[item.nodeid] = time.monotonic() - begun
            self._lines[item.nodeid] = set(current)
        sys.monitoring.free_tool_id(TOOL)
        self.failed = self._failures.names

    def _run(self, item: pytest.Item) -> None:
        # As if something of the session were to come: its fixtures, among them the database, stay.
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=item.session)

    # With mutants

    def run_mutants(self) -> None:
        """Try each mutant of the plan, and write down what came of it."""
        connections.close_all()
        chosen = list(self._chosen())
        for number, mutant in enumerate(chosen, start=1):
            verdict = self._try(mutant)
            self._plan.note(verdict)
            by = f"  by {verdict.by}" if verdict.by else ""
            print(f"[{number}/{len(chosen)}] {verdict.verdict} {mutant.key}{by}", file=sys.stderr, flush=True)

    def _chosen(self) -> Iterator[Mutant]:
        only = set(self._plan.only)
        for name in self._plan.modules:
            yield from (mutant for mutant in mutants(name, self._sources[name]) if mutant.key in only)

    def _try(self, mutant: Mutant) -> Verdict:
        begun = time.monotonic()
        items = self._witnesses(mutant)
        word, by = self._outcome(mutant, items)
        self._struck[mutant.where, by] += bool(by)
        return Verdict(
            key=mutant.key,
            module=mutant.module,
            line=mutant.lines[0],
            verdict=word,
            by=by,
            tests=len(items),
            stage=self._plan.stage,
            seconds=round(time.monotonic() - begun, 1),
        )

    def _outcome(self, mutant: Mutant, items: list[pytest.Item]) -> tuple[str, str]:
        """Return what the tests say, as far as they say it twice, and something else of the true code."""
        while items:
            word, by = self._in_a_fork(mutant, items)
            names = [item.nodeid for item in items]
            if by not in names:
                return word, by
            first = items[names.index(by)]
            if self._is_sound(first) and self._in_a_fork(mutant, [first])[0] == "killed":
                return word, by
            items = items[names.index(by) + 1 :]
        return "survived", ""

    def _is_sound(self, item: pytest.Item) -> bool:
        """Say whether a test passes in a fork in which nothing is mutated."""
        if item.nodeid not in self._sound:
            self._sound[item.nodeid] = self._in_a_fork(None, [item])[0] == "survived"
            if not self._sound[item.nodeid]:
                print(f"does not bear a fork: {item.nodeid}", file=sys.stderr, flush=True)
        return self._sound[item.nodeid]

    def _witnesses(self, mutant: Mutant) -> list[pytest.Item]:
        """Return the tests that come by the mutant, those that are likely to miss the guard first."""
        first, last = mutant.lines
        touched = {(mutant.module, line) for line in range(first, last + 1)}
        around = {(mutant.module, line) for line in range(first - AROUND, last + AROUND)}
        source = self._sources[mutant.module]
        anybody = not mutant.in_function or swapping.calls_at_import(source, mutant.where)
        sound = [item for item in self._items if self._sound.get(item.nodeid, True)]
        seen = [item for item in sound if anybody or touched & self._lines[item.nodeid]]

        def promise(item: pytest.Item) -> tuple[float, ...]:
            # A test that comes by much of what is around is more likely to be about it than one that passes through;
            # around what an import does is all of its module.
            seen_here = {place for place in self._lines[item.nodeid] if place[0] == mutant.module}
            nearby = -len(seen_here if anybody else seen_here & around)
            module = self._modules.index(item.nodeid.partition("::")[0])
            is_general = GUARDS not in item.nodeid
            return -self._struck[mutant.where, item.nodeid], is_general, nearby, module, self._seconds[item.nodeid]

        seen.sort(key=promise)
        ends = accumulate(self._seconds[item.nodeid] for item in seen)
        return [item for item, end in zip(seen, ends, strict=True) if end < self._plan.budget or item is seen[0]]

    def _in_a_fork(self, mutant: Mutant | None, items: list[pytest.Item]) -> tuple[str, str]:
        limit = LEAST + PATIENCE * sum(self._seconds[item.nodeid] for item in items)
        with _DatabaseCopy() as database:
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                try:
                    self._be_the_mutant(mutant, items, database, writing)
                finally:
                    os._exit(1)
            os.close(writing)
            said = _heard(reading, limit)
            _end(child)
        return ("timeout", "") if said is None else ("killed", said) if said else ("survived", "")

    def _be_the_mutant(self, mutant: Mutant | None, items: list[pytest.Item], database: str, writing: int) -> None:
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        connection.settings_dict["NAME"] = database
        try:
            if mutant:
                swapping.apply(mutant, self._sources[mutant.module])
        except Exception as error:  # noqa: BLE001 - a module that cannot be made fails every test
            os.write(writing, f"{type(error).__name__} at import".encode())
            os._exit(0)
        for item in items:
            self._run(item)
            if self._failures.names:
                os.write(writing, self._failures.names[0].encode())
                break
        else:
            os.write(writing, b".")
        os._exit(0)


class _Failures:
    """Hears which tests fail."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid)


class _DatabaseCopy:
    """A copy of the tests' database, for one fork."""

    def __enter__(self) -> str:
        self._true = str(connection.settings_dict["NAME"])
        self._name = f"{self._true}_mutant" if connection.vendor == "postgresql" else f"{self._true}.mutant.sqlite3"
        if connection.vendor == "postgresql":
            self._tell(f'CREATE DATABASE "{self._name}" TEMPLATE "{self._true}"')
        else:
            shutil.copy(self._true, self._name)
        return self._name

    def __exit__(self, *_: object) -> None:
        if connection.vendor == "postgresql":
            self._tell(f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')
            return
        for path in Path(self._name).parent.glob(f"{Path(self._name).name}*"):
            path.unlink()

    def _tell(self, statement: str) -> None:
        import psycopg

        told = connection.settings_dict
        with psycopg.connect(
            host=told["HOST"],
            port=told["PORT"],
            user=told["USER"],
            password=told["PASSWORD"],
            dbname="postgres",
            autocommit=True,
        ) as line:
            line.execute(statement)


def _heard(reading: int, limit: float) -> str | None:
    """Return the name of the test that failed, nothing when all passed, None when the time ran out."""
    with os.fdopen(reading, "rb") as pipe:
        if not select.select([pipe], [], [], limit)[0]:
            return None
        said = pipe.readline().decode()
    return "" if said == "." else said or "the process ended"


def _end(child: int) -> None:
    """End a fork and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _codes(files: set[str]) -> Iterator[CodeType]:
    """Return the code of every function of these files."""
    for function in [found for found in gc.get_objects() if isinstance(found, FunctionType)]:
        if function.__code__.co_filename in files:
            yield from swapping.nested(function.__code__)
