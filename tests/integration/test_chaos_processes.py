"""Processes of a chaos run: what is done to one is done to all below it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from insights_recovery import identity
from insights_recovery.chaos import processes
from insights_recovery.chaos.processes import Process, below, memory_of, send
from tests.harness import is_running, wait_until

FAMILY = """
import os, time
for number in range(2):
    if os.fork() == 0:
        if number == 0:
            os.fork()
        break
os.write(1, f"up {os.environ.get('MOOD', 'calm')}\\n".encode())
while True:
    time.sleep(60)
"""
"""A parent, two children, and a grandchild."""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
SOON = 30.0

Make = Callable[..., Process]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a function that starts a Python program and waits until it is up."""
    made: list[Process] = []

    def start(program: str, says: int = 1, **environment: str) -> Process:
        process = Process(f"it-{len(made)}", ["-c", program], folder=tmp_path, environment=environment)
        made.append(process)
        process.start()
        _wait_for(process, says)
        return process

    yield start
    for process in made:
        process.close()


def _wait_for(process: Process, says: int) -> None:
    wait_until(lambda: process.log.count("up ") + process.log.count("up\n") >= says, SOON, what="it to be up")


@pytest.fixture
def family(make: Make) -> Process:
    """A process with three below it."""
    process = make(FAMILY, says=4)
    assert len(process.children()) == 3
    return process


def _members(process: Process) -> list[int]:
    return [process.pid, *process.children()]


def _states(pids: list[int]) -> set[str]:
    return {identity._stat(pid).state if identity._stat(pid) else "gone" for pid in pids}


def test_one_that_was_not_started_is_nothing(tmp_path: Path) -> None:
    process = Process("it", ["-c", "pass"], folder=tmp_path, environment={})

    assert (process.pid, process.is_running, process.status, process.log) == (0, False, None, "")
    assert process.children() == []
    for action in (process.freeze, process.thaw, process.kill, process.stop, process.close):
        action()


def test_all_below_it_are_its_children_the_nearest_first(family: Process) -> None:
    children = family.children()
    assert sorted(children) == sorted(child.pid for child in psutil.Process(family.pid).children(recursive=True))
    assert {identity.parent_of(child) for child in children[:2]} == {family.pid}
    assert identity.parent_of(children[2]) in children[:2]
    assert set(below(os.getpid())) >= {family.pid, *children}


def test_it_runs_in_a_session_of_its_own(family: Process) -> None:
    assert os.getsid(family.pid) == family.pid != os.getsid(0)


def test_its_leases_run_under_its_identity(family: Process) -> None:
    assert family.identity == str(identity.of_process(family.pid))
    assert not identity.is_known_dead(family.identity)
    before = family.identity
    family.kill()
    assert identity.is_known_dead(before)


def test_a_kill_ends_the_whole_tree(family: Process) -> None:
    members = _members(family)
    family.kill()
    assert not any(map(is_running, members))
    assert family.status == -signal.SIGKILL
    assert not family.is_running


def test_a_frozen_tree_is_killed_too(family: Process) -> None:
    members = _members(family)
    family.freeze()
    family.kill()
    assert not any(map(is_running, members))


def test_a_frozen_tree_stands_still_until_it_thaws(family: Process) -> None:
    members = _members(family)
    family.freeze()
    wait_until(lambda: _states(members) == {"T"}, SOON, what="all of them to stop")
    assert family.is_running

    family.thaw()
    wait_until(lambda: "T" not in _states(members), SOON, what="all of them to go on")
    assert len(_states(members) & {"gone", "Z"}) == 0


def test_one_that_is_asked_ends_in_order(make: Make) -> None:
    process = make(
        "import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); print('up', flush=True); signal.pause()"
    )
    process.stop()
    assert process.status == 7


def test_one_that_does_not_listen_is_killed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    process = make(DEAF)
    monkeypatch.setattr(processes, "PATIENCE", 0.3)
    process.stop()
    assert process.status == -signal.SIGKILL


def test_it_is_started_again_with_what_is_new_and_its_output_goes_on(make: Make) -> None:
    process = make(FAMILY, says=4, MOOD="calm")
    before = process.pid
    process.kill()

    process.start({"MOOD": "wild"})
    _wait_for(process, 8)

    assert process.pid != before
    assert process.is_running
    assert (process.log.count("up calm"), process.log.count("up wild")) == (4, 4)

    process.kill()
    process.start()
    _wait_for(process, 12)
    assert process.log.count("up calm") == 8, "a mood lasts for one life"


def test_it_imports_what_we_import(make: Make) -> None:
    process = make("import sys, insights_recovery; print('up', insights_recovery.__file__); sys.exit()")
    wait_until(lambda: not process.is_running, SOON, what="it to end")
    import insights_recovery

    assert insights_recovery.__file__ in process.log


def test_its_errors_are_in_its_output(make: Make) -> None:
    process = make("print('up', flush=True); raise SystemExit('it went wrong')")
    wait_until(lambda: "it went wrong" in process.log, SOON, what="the error")


def test_a_signal_to_one_that_is_gone_is_nothing(family: Process) -> None:
    gone = family.children()[2]
    send(signal.SIGKILL, [gone])
    wait_until(lambda: not is_running(gone), SOON, what="it to go")
    pid = family.pid
    family.kill()
    send(signal.SIGTERM, [pid])


def test_the_memory_of_a_process_is_what_the_system_says(make: Make) -> None:
    small = make("print('up', flush=True); import time; time.sleep(600)")
    before = memory_of(small.pid)
    assert before == pytest.approx(psutil.Process(small.pid).memory_info().rss, rel=0.2)

    large = make("x = b'x' * (64 << 20); print('up', flush=True); import time; time.sleep(600)")
    assert memory_of(large.pid) > before + (50 << 20)
    large.kill()
    assert memory_of(large.pid) == 0
    assert memory_of(0) == 0


def test_the_interpreter_is_ours(make: Make) -> None:
    process = make("import sys; print('up', sys.executable, flush=True); import time; time.sleep(600)")
    assert sys.executable in process.log


def test_its_last_words_are_one_line_and_short(tmp_path: Path) -> None:
    process = Process("it", ["-c", "pass"], folder=tmp_path, environment={})
    assert process.last_words == ""
    (tmp_path / "it.out").write_text("first\nMemoryError: " + "x" * 500 + "\n\n")
    assert process.last_words == "MemoryError: " + "x" * (processes.LINE - len("MemoryError: "))
