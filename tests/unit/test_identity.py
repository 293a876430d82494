"""Who a process is, and whether it is certainly gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from insights_recovery import identity

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process started")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as started:
        yield started
        started.kill()


def test_this_process_lives() -> None:
    assert not identity.is_known_dead(identity.of_this_process().owner("task"))


def test_an_owner_is_an_identity_and_a_task() -> None:
    me = identity.of_this_process()
    assert f"{me.place}:{os.getpid()}:{me.start}:task" == me.owner("task")


def test_an_identity_fits_its_column() -> None:
    assert len(identity.of_this_process().owner("x" * 36)) < 255


@linux
def test_a_running_process_is_not_dead(process: subprocess.Popen[bytes]) -> None:
    assert not identity.is_known_dead(identity.of_process(process.pid).owner("task"))


@linux
def test_a_stopped_process_is_not_dead(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)
    assert not identity.is_known_dead(identity.of_process(process.pid).owner("task"))


@linux
def test_a_killed_process_is_dead(process: subprocess.Popen[bytes]) -> None:
    owner = identity.of_process(process.pid).owner("task")
    process.kill()
    process.wait()
    assert identity.is_known_dead(owner)


@linux
def test_another_process_of_the_same_id_is_not_the_one_that_died() -> None:
    me = identity.of_this_process()
    earlier = identity.ProcessIdentity(place=me.place, pid=me.pid, start=str(int(me.start) - 1))
    assert identity.is_known_dead(earlier.owner("task"))


@linux
def test_a_process_of_another_boot_or_namespace_is_never_judged(process: subprocess.Popen[bytes]) -> None:
    there = identity.of_process(process.pid)
    process.kill()
    process.wait()
    elsewhere = identity.ProcessIdentity(place="0" * 16, pid=there.pid, start=there.start)
    assert not identity.is_known_dead(elsewhere.owner("task"))


@pytest.mark.parametrize("owner", ["", ":", "junk", ":::", "a:b:c:d", ":::::::"])
def test_what_is_no_identity_is_never_judged(owner: str) -> None:
    assert not identity.is_known_dead(owner)


@pytest.mark.parametrize(("pid", "start"), [("x", "1"), ("-1", "1"), ("", "1"), ("1", "")])
def test_an_identity_that_lacks_something_is_never_judged(pid: str, start: str) -> None:
    place = identity.of_this_process().place
    assert not identity.is_known_dead(f"{place}:{pid}:{start}:task")


@linux
def test_a_name_with_brackets_and_blanks_does_not_deceive(tmp_path: object) -> None:
    code = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'a) R 1 (b', 0, 0, 0); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        mine = identity.of_process(process.pid)
        assert int(mine.start) >= int(identity.of_this_process().start)
        assert not identity.is_known_dead(mine.owner("task"))
        process.kill()
