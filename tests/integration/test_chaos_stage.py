"""The stage of a chaos run: what is in hand on it, who is started again, and how long it waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app

from insights_recovery.chaos import stage as module
from insights_recovery.chaos import switches
from insights_recovery.chaos.journal import WRITES, note
from insights_recovery.chaos.orders import VARIABLE, Orders
from insights_recovery.chaos.processes import Process
from insights_recovery.chaos.stage import Cast, Stage, celery_app
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.lifecycle import State
from tests import services
from tests.harness import is_running, wait_until
from tests.integration.helpers import create, in_state, seconds_until
from tests.services.servers import listening
from tests.unit.test_chaos_orders import told

pytestmark = pytest.mark.django_db

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
SOON = 30.0


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    """The orders of a run."""
    ours = told(tmp_path)
    monkeypatch.setenv(VARIABLE, ours.environment()[VARIABLE])
    return ours


@pytest.fixture
def stage(given: Orders) -> Iterator[Stage]:
    """A stage with nobody on it."""
    ours = Stage(given, Cast(app="tests.hosts.main"))
    yield ours
    ours.drop_curtain()


@pytest.fixture
def put_on(stage: Stage, given: Orders) -> Callable[..., Process]:
    """Return a function that starts a program as one of the workers."""

    def start(program: str = SLEEPER) -> Process:
        process = Process(f"worker-{len(stage.workers)}", ["-c", program], folder=given.path, environment={})
        stage.workers.append(process)
        process.start()
        return process

    return start


# What is in hand


def test_what_is_in_work_is_in_hand_with_its_lease(stage: Stage) -> None:
    held = in_state(State.PROCESSING)
    for state in (State.PENDING, State.COMPLETED, State.FAILED):
        in_state(state)

    (found,) = stage.in_hand()

    assert (found.pk, found.token, found.owner) == (held.pk, held.processing_token, held.processing_owner)
    assert abs(seconds_until(held, "due_at") + 60) < 30
    assert abs((found.seen_at - held.processing_due_at).total_seconds() - 60) < 30, "by the database's clock"


def test_what_must_still_end_is_unfinished(stage: Stage) -> None:
    for state in State:
        in_state(state)
    assert stage.unfinished() == 3


def test_the_first_one_that_is_a_victim_is_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MORE", 0)
    held, asked = in_state(State.PROCESSING), []

    def third_time(seen: list[module.Held]) -> str | None:
        asked.append(seen)
        return "somebody" if len(asked) == 3 else None

    victim, found = stage.await_work(third_time)

    assert victim == "somebody"
    assert [one.pk for one in found] == [held.pk]
    assert len(asked) == 3


def test_where_nothing_is_in_hand_nobody_is_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "MORE", 0)
    create()
    with pytest.raises(TimeoutError, match="No entry came into hand"):
        stage.await_work(lambda _: pytest.fail("a fault would strike nobody"))


# The web writers


@pytest.fixture
def written(stage: Stage, given: Orders) -> Iterator[list[int]]:
    """Somebody who says that entries were created while the switch is on; the list of their keys."""
    keys: list[int] = []
    switch, over = stage.switch(switches.WRITING), threading.Event()

    def write() -> None:
        while not over.wait(0.01):
            if switch.is_on:
                keys.append(len(keys))
                note(given.path, WRITES, "created", keys[-1], 0)

    thread = threading.Thread(target=write)
    thread.start()
    yield keys
    over.set()
    thread.join()


def test_it_lets_be_written_until_there_is_enough(stage: Stage, written: list[int]) -> None:
    stage.write_until(10)
    assert len(stage.ledger.read().created) >= 10
    assert not stage.switch(switches.WRITING).is_on


def test_where_there_is_enough_nothing_is_written(stage: Stage, written: list[int], given: Orders) -> None:
    note(given.path, WRITES, "created", 7, 0)
    stage.write_until(1)
    assert written == []


def test_a_writer_that_was_left_on_is_turned_off(stage: Stage, written: list[int]) -> None:
    stage.switch(switches.WRITING).turn_on()
    stage.write_until(0)
    assert not stage.switch(switches.WRITING).is_on


def test_writers_that_write_nothing_are_not_waited_for_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    with pytest.raises(TimeoutError, match="The web writers write nothing"):
        stage.write_until(1)


# Who is on it


def test_what_ended_by_itself_is_started_again_and_remembered(stage: Stage, put_on: Callable[..., Process]) -> None:
    fallen, alive = put_on("import time, sys; time.sleep(0.2); print('out of\\nmemory'); sys.exit(3)"), put_on()
    before = alive.pid
    wait_until(lambda: not fallen.is_running, SOON, what="one to end")

    stage.supervise()

    assert stage.fallen == {"worker-0, status 3: memory": 1}
    assert fallen.is_running
    assert alive.pid == before


def test_healing_undoes_whatever_lasts(stage: Stage, put_on: Callable[..., Process]) -> None:
    frozen, killed = put_on(), put_on()
    for name in (switches.EXTRACTOR_OUT, switches.DISK_FULL):
        stage.switch(name).turn_on()
    frozen.freeze()
    killed.kill()

    stage.heal()

    assert not stage.switch(switches.EXTRACTOR_OUT).is_on
    assert not stage.switch(switches.DISK_FULL).is_on
    assert killed.is_running
    wait_until(lambda: _state(frozen.pid) != "T", SOON, what="the frozen one to go on")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_healing_opens_the_line(given: Orders, redis_broker: services.Redis) -> None:
    stage = Stage(given, Cast(app="tests.hosts.main"))
    stage.line.start()
    proxy = stage.line.proxy
    assert proxy is not None
    try:
        proxy.freeze()
        proxy.close()
        assert not listening(proxy.port)
        stage.heal()
        assert listening(proxy.port)
        wait_until(proxy._open.is_set, SOON, what="the line to thaw")
    finally:
        stage.drop_curtain()


def test_as_the_curtain_falls_nobody_is_left(stage: Stage, put_on: Callable[..., Process]) -> None:
    pids = [put_on().pid, put_on().pid]
    stage.workers[0].freeze()
    stage.drop_curtain()
    assert not any(map(is_running, pids))


def test_a_curtain_that_never_rose_may_fall(given: Orders, redis_broker: services.Redis) -> None:
    Stage(given, Cast()).drop_curtain()


def test_the_first_workers_are_spared(given: Orders) -> None:
    stage = Stage(given, Cast(app="a", workers=3, spared=2))
    stage.workers = [stage._worker(number, {}) for number in range(3)]
    assert [worker.name for worker in stage.victims] == ["worker-2"]


def test_workers_serve_all_our_queues_under_names_of_their_own(given: Orders, configure: Callable[..., None]) -> None:
    configure(QUEUE="q", BACKFILL_QUEUE="b", MAINTENANCE_QUEUE="m")
    stage = Stage(given, Cast(app="the.host", pool="threads", concurrency=3))
    commands = [" ".join(stage._worker(number, {})._command) for number in range(2)]
    assert "-m celery -A the.host worker -P threads -c 3 -Q q,b,m -n chaos-worker-0@%h" in commands[0]
    assert "-n chaos-worker-1@%h" in commands[1]


# Which Celery app it is


def test_the_app_is_found_beside_the_urls() -> None:
    assert celery_app() == "tests.hosts.main"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with a Celery app, which is looked for and not imported."""
    name = f"host_of_{tmp_path.name}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "celery.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_the_app_is_found_beside_the_settings(settings: Any, package: str) -> None:
    settings.SETTINGS_MODULE = f"{package}.settings"
    assert celery_app() == package


def test_the_app_is_found_by_its_own_name(settings: Any, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    del settings.ROOT_URLCONF
    monkeypatch.setattr(current_app._get_current_object(), "main", package)
    assert celery_app() == package


def test_an_app_that_is_not_found_is_to_be_named(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = "urls"
    monkeypatch.setattr(current_app._get_current_object(), "main", None)
    with pytest.raises(ConfigurationError, match="--app"):
        celery_app()
