"""The guards of the hooks in a worker's main process, each with what happens where it does not hold."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery import signals as celery_signals
from celery.concurrency import prefork, solo, thread
from celery.worker import state as worker_state

from insights_recovery import identity, worker
from insights_recovery.service import ForkGate
from insights_recovery.worker import TASK, ChildWatch, MessageGuard, Worker, WorkerContext
from tests.integration.told import told


class Service:
    """Stands for the lifeline or the keeper of leases: notes what it is asked, and does it at once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.arguments = arguments
        self.options = options
        self.asked: list[Any] = []

    def start(self) -> None:
        self.asked.append("start")

    def call(self, action: Callable[[], Any]) -> None:
        action()

    def rescue(self, task_id: str) -> None:
        self.asked.append(f"rescue {task_id}")

    def release_all(self) -> None:
        self.asked.append("release all")

    def end(self, *, timeout: float) -> None:
        self.asked.append(("end", timeout))


class Celery:
    """A Celery worker as far as our hooks see it: its app's queues and boot steps, and its pool."""

    def __init__(self, pool: type[Any] = prefork.TaskPool) -> None:
        self.queues: list[str] = []
        self.app = SimpleNamespace(
            steps={"consumer": set()}, amqp=SimpleNamespace(queues=SimpleNamespace(select_add=self.queues.append))
        )
        self.pool = SimpleNamespace(limit=4) if pool is prefork.TaskPool else pool(limit=4)


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Our hooks, with services that only take notes; this process is a worker for as long as the test lasts."""
    exits: list[Any] = []
    monkeypatch.setattr(worker, "_context", None)
    monkeypatch.setattr(worker, "Lifeline", Service)
    monkeypatch.setattr(worker, "LeaseKeeper", Service)
    monkeypatch.setattr(worker.atexit, "register", exits.append)
    hooks = Worker()
    hooks.exits = exits  # type: ignore[attr-defined]
    return hooks


@pytest.fixture
def ready(ours: Worker) -> Worker:
    """Our hooks in a worker that is ready."""
    celery = Celery()
    ours.on_init(celery, {})
    ours.on_ready(celery)
    return ours


def asked(hooks: Worker) -> list[Any]:
    """Return what the lifeline was asked since it started."""
    assert hooks._lifeline is not None
    return hooks._lifeline.asked[1:]  # type: ignore[attr-defined]


def fail(hooks: Worker, error: BaseException, task: str = TASK) -> None:
    hooks.on_task_failure(SimpleNamespace(name=task), "a-task", error)


# The context, which the children share


def test_a_process_outside_of_a_worker_says_so(ours: Worker) -> None:
    assert not worker.is_worker()
    assert not worker.is_stopping()
    assert worker.identity_of_worker() == str(identity.of_this_process())


def test_children_hold_their_leases_in_the_name_of_the_main_process(ours: Worker) -> None:
    ours.on_init(Celery(), {})
    main = str(identity.of_this_process())
    assert worker.is_worker()
    assert in_a_child(lambda: worker.identity_of_worker() == main)
    assert in_a_child(lambda: str(identity.of_this_process()) != main)


def test_a_process_of_a_worker_goes_by_the_name_of_the_main_process(
    ours: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = WorkerContext(keeps_queues=False)
    context.identity = "main:1:1"
    monkeypatch.setattr(worker, "_context", context)
    assert worker.identity_of_worker() == "main:1:1"


def test_children_hear_that_the_worker_stops(ours: Worker) -> None:
    ours.on_init(Celery(), {})
    assert not worker.is_stopping()
    assert in_a_child(lambda: not worker.is_stopping())
    ours.on_shutting_down()
    assert worker.is_stopping()
    assert in_a_child(worker.is_stopping)


def test_a_child_that_was_forked_before_hears_it_too(ours: Worker) -> None:
    ours.on_init(Celery(), {})
    assert in_a_child(worker.is_stopping, meanwhile=ours.on_shutting_down)


def in_a_child(question: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> bool:
    """Return the answer that a forked child gives, once this process has done something `meanwhile`."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0 if question() else 1)
    meanwhile()
    os.close(writing)
    os.close(reading)
    return os.waitpid(child, 0)[1] == 0


def test_a_shutdown_outside_of_a_worker_changes_nothing(ours: Worker) -> None:
    ours.on_shutting_down()
    assert not worker.is_stopping()


# Queues, services


def test_a_worker_for_which_nobody_chose_queues_serves_ours_too(ours: Worker) -> None:
    celery = Celery()
    ours.on_init(celery, {"queues": None})
    ours.on_setup(celery)
    assert celery.queues == ["insights", "insights_backfill", "insights_maintenance"]


@pytest.mark.parametrize("options", [{"queues": ["mail"]}, None])
def test_a_worker_with_chosen_queues_serves_those(ours: Worker, options: dict[str, Any] | None) -> None:
    celery = Celery()
    if options is None:
        # Not a worker at all.
        ours.on_setup(celery)
    else:
        ours.on_init(celery, options)
        ours.on_setup(celery)
    assert celery.queues == []


def test_a_worker_that_says_nothing_of_its_options_serves_ours_too(ours: Worker) -> None:
    celery = Celery()
    ours.on_init(celery)
    ours.on_setup(celery)
    assert len(celery.queues) == 3


def test_a_worker_watches_its_children_and_its_messages(ours: Worker) -> None:
    celery = Celery()
    ours.on_init(celery, {})
    assert celery.app.steps["consumer"] == {ChildWatch, MessageGuard}


def test_a_process_that_is_no_worker_gets_no_services(ours: Worker) -> None:
    ours.on_ready(Celery())
    assert ours._lifeline is None
    assert ours._keeper is None


def test_a_worker_that_is_ready_has_its_services(ready: Worker) -> None:
    me = str(identity.of_this_process())
    lifeline: Any = ready._lifeline
    keeper: Any = ready._keeper
    assert lifeline.asked == keeper.asked == ["start"]
    assert lifeline.arguments[:3] == (me, worker.live_task_ids, worker.is_stopping)
    assert keeper.arguments[:2] == (me, worker.live_task_ids)
    assert isinstance(keeper.arguments[2], ForkGate)
    assert keeper.arguments[2] is lifeline.arguments[3]
    assert keeper.options["give_up"] is worker.give_up
    assert ready.exits == [ready.on_exit]  # type: ignore[attr-defined]


def test_a_worker_that_becomes_ready_again_keeps_its_gate_of_forks(ready: Worker) -> None:
    gate = ready._gate
    ready.on_ready(Celery())
    assert ready._gate is gate


@pytest.mark.parametrize(
    ("pool", "slots"),
    [(prefork.TaskPool, None), (thread.TaskPool, 4), (solo.TaskPool, 1)],
    ids=["prefork", "threads", "solo"],
)
def test_only_where_celery_cannot_end_a_task_the_worker_is_given_up(
    ours: Worker, pool: type[Any], slots: int | None
) -> None:
    celery = Celery(pool)
    ours.on_init(celery, {})
    ours.on_ready(celery)
    keeper: Any = ours._keeper
    assert keeper.options["slots"] == slots


# Lost children


@pytest.mark.parametrize("error", [WorkerLostError(), TimeLimitExceeded(), SystemExit()])
def test_what_a_lost_child_held_is_taken_back(ready: Worker, error: BaseException) -> None:
    fail(ready, error)
    assert asked(ready) == ["rescue a-task"]


@pytest.mark.parametrize("error", [ValueError(), SoftTimeLimitExceeded()])
def test_a_failure_that_cost_no_child_rescues_nothing(ready: Worker, error: BaseException) -> None:
    fail(ready, error)
    assert asked(ready) == []


def test_a_child_lost_with_a_task_of_somebody_elses_rescues_nothing(ready: Worker) -> None:
    fail(ready, WorkerLostError(), task="mail.send")
    assert asked(ready) == []


def test_a_child_which_hears_of_it_rescues_nothing(ready: Worker) -> None:
    ready._pid = os.getpid() + 1
    fail(ready, WorkerLostError())
    assert asked(ready) == []


def test_before_the_worker_is_ready_nothing_is_rescued(ours: Worker) -> None:
    ours.on_init(Celery(), {})
    fail(ours, WorkerLostError())
    assert ours._lifeline is None


# The end


def test_at_an_orderly_end_what_is_left_is_given_back_before_the_services_end(ready: Worker) -> None:
    ready.on_shutting_down()
    ready.on_exit()
    end = ("end", 10.0)
    assert asked(ready) == ["release all", end]
    assert ready._keeper.asked == ["start", end]  # type: ignore[union-attr]


def test_where_a_task_ended_the_worker_what_is_left_is_for_those_who_find_it_dead(ready: Worker) -> None:
    ready.on_exit()
    assert asked(ready) == [("end", 10.0)]


def test_the_exit_of_a_child_gives_nothing_back(ready: Worker) -> None:
    ready.on_shutting_down()
    ready._pid = os.getpid() + 1
    ready.on_exit()
    assert asked(ready) == []


def test_a_worker_that_never_became_ready_ends_without_services(ours: Worker) -> None:
    ours.on_init(Celery(), {})
    ours.on_exit()
    assert ours._lifeline is None


def test_a_worker_that_is_given_up_ends_at_once_and_with_an_error() -> None:
    child = os.fork()
    if not child:
        worker.give_up()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == os.EX_SOFTWARE


def test_giving_up_is_an_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(worker.os, "_exit", ends.append)
    worker.give_up()
    assert ends == [os.EX_SOFTWARE]


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("celeryd_init", "on_init"),
        ("celeryd_after_setup", "on_setup"),
        ("worker_ready", "on_ready"),
        ("task_failure", "on_task_failure"),
        ("worker_shutting_down", "on_shutting_down"),
    ],
)
def test_every_hook_is_connected(name: str, hook: str) -> None:
    signal = getattr(celery_signals, name)
    signal.disconnect(dispatch_uid=f"insights_recovery.worker.{hook}")
    without = len(signal.receivers)
    worker.connect()
    assert len(signal.receivers) == without + 1


def test_every_hook_is_connected_once_however_often_it_is_asked(ours: Worker) -> None:
    hooks = ("celeryd_init", "celeryd_after_setup", "worker_ready", "task_failure", "worker_shutting_down")
    before = [len(getattr(celery_signals, name).receivers) for name in hooks]
    worker.connect()
    assert [len(getattr(celery_signals, name).receivers) for name in hooks] == before


# Tasks that are alive


class Request:
    """A message that the worker has received."""

    def __init__(self, task_id: str) -> None:
        self.id = task_id


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker that has received nothing."""
    worker_state.requests.clear()
    worker_state.active_requests.clear()
    yield
    worker_state.requests.clear()
    worker_state.active_requests.clear()


@pytest.mark.usefixtures("received")
def test_a_task_is_alive_from_its_receipt() -> None:
    waiting = Request("waiting")
    worker_state.requests[waiting.id] = waiting
    assert worker.live_task_ids() == ["waiting"]


@pytest.mark.usefixtures("received")
def test_a_task_at_work_is_alive_although_celery_struck_it_out() -> None:
    at_work = Request("at work")
    worker_state.active_requests.add(at_work)
    assert worker.live_task_ids() == ["at work"]


@pytest.mark.usefixtures("received")
def test_a_task_is_alive_once() -> None:
    one = Request("one")
    worker_state.requests[one.id] = one
    worker_state.active_requests.add(one)
    assert worker.live_task_ids() == ["one"]


@pytest.mark.usefixtures("received")
def test_a_task_that_goes_while_we_look_is_not_alive() -> None:
    request = Request("gone")
    gone = weakref.ref(request)
    hash(gone)
    worker_state.active_requests.data.add(gone)
    del request
    assert worker.live_task_ids() == []


# Looking for children


class Hub:
    """Celery's event loop: what it calls again and again."""

    def __init__(self) -> None:
        self.timers: list[SimpleNamespace] = []

    def call_repeatedly(self, seconds: float, action: Any) -> SimpleNamespace:
        timer = SimpleNamespace(seconds=seconds, action=action, live=True)
        timer.cancel = lambda: setattr(timer, "live", False)
        self.timers.append(timer)
        return timer

    def live(self) -> list[SimpleNamespace]:
        return [timer for timer in self.timers if timer.live]


def consumer(hub: Hub | None) -> Any:
    return SimpleNamespace(hub=hub, pool=SimpleNamespace(maintain_pool="maintain_pool"))


def test_the_event_loop_looks_for_lost_children_again_and_again() -> None:
    hub = Hub()
    ChildWatch(consumer(hub)).start(consumer(hub))
    assert [(timer.seconds, timer.action) for timer in hub.live()] == [(0.5, "maintain_pool")]


def test_after_a_reconnection_it_looks_once_a_turn() -> None:
    hub = Hub()
    watch = ChildWatch(consumer(hub))
    watch.start(consumer(hub))
    watch.start(consumer(hub))
    assert len(hub.live()) == 1


def test_a_watch_that_is_stopped_looks_no_more_and_may_be_stopped_again() -> None:
    hub = Hub()
    watch = ChildWatch(consumer(hub))
    watch.start(consumer(hub))
    watch.stop(consumer(hub))
    watch.stop(consumer(hub))
    assert hub.live() == []
    watch.start(consumer(hub))
    assert len(hub.live()) == 1


def test_a_pool_without_an_event_loop_is_not_watched() -> None:
    watch = ChildWatch(consumer(None))
    watch.start(consumer(None))
    watch.stop(consumer(None))


# Messages that nobody can read


class Message:
    """A message from the broker, and what became of it."""

    def __init__(self, *, acknowledged: bool = False) -> None:
        self.acknowledged = acknowledged
        self.rejected = 0

    def reject(self) -> None:
        self.rejected += 1


class Consumer:
    """Celery's, whose handler does what a test says."""

    def __init__(self, handle: Callable[[Message], Any]) -> None:
        self._handle = handle
        self.asked: list[Any] = []

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Message], Any]:
        self.asked.append((arguments, options))
        return self._handle


def guarded(handle: Callable[[Message], Any]) -> Callable[[Message], Any]:
    consumer: Any = Consumer(handle)
    MessageGuard(consumer).start(consumer)
    receive: Callable[[Message], Any] = consumer.create_task_handler(1, promise=2)
    assert consumer.asked == [((1,), {"promise": 2})]
    return receive


def stumbles(error: Exception) -> Callable[[Message], Any]:
    def handle(message: Message) -> Any:
        raise error

    return handle


@pytest.mark.parametrize("error", [AttributeError(), KeyError(), TypeError(), ValueError()], ids=repr)
def test_a_message_that_celery_stumbles_over_is_turned_away_and_told(error: Exception) -> None:
    message = Message()
    with told("message_refused") as words:
        guarded(stumbles(error))(message)
    assert message.rejected == 1
    (said,) = words
    assert type(error).__name__ in said["error"]


def test_a_message_that_was_acknowledged_is_not_turned_away() -> None:
    message = Message(acknowledged=True)
    with pytest.raises(ValueError, match="later"):
        guarded(stumbles(ValueError("later")))(message)
    assert message.rejected == 0


def test_a_line_that_breaks_is_no_fault_of_the_message() -> None:
    message = Message()
    with pytest.raises(OSError, match="gone"):
        guarded(stumbles(OSError("gone")))(message)
    assert message.rejected == 0


def test_a_message_that_can_be_read_is_handled() -> None:
    message = Message()
    assert guarded(lambda given: (given, "handled"))(message) == (message, "handled")
    assert message.rejected == 0


def test_the_context_knows_whether_the_operator_chose_the_queues() -> None:
    assert WorkerContext(keeps_queues=True).keeps_queues
    assert not WorkerContext(keeps_queues=False).keeps_queues
