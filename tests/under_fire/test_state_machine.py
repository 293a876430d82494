"""Any interleaving of workers, sweeps, writers and persons, under every fault, keeps the ten invariants."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import hypothesis
import pytest
from django.db import connection
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from insights_recovery.lifecycle import State
from tests.under_fire import simulated_events as events
from tests.under_fire import simulated_texts as texts
from tests.under_fire.evidence import Evidence
from tests.under_fire.profiles import PROFILE, by_profile
from tests.under_fire.simulated_actors import Actor
from tests.under_fire.simulated_events import Play
from tests.under_fire.simulated_people import CORRECTIONS, QUESTIONS, WAYS_TO_CREATE
from tests.under_fire.simulated_processes import Process
from tests.under_fire.simulated_rows import EntryRow
from tests.under_fire.simulation import BEYOND_EVERY_GRACE, EVERYTHING, LAYOUTS, SETTINGS, Simulation, simulated

RUNS = by_profile(ordinary=30, short=100, long=10_000)
RUNS_AT_A_TIME = 10
"""From the eleventh run on Hypothesis mostly repeats earlier ones with a small change; so it is begun anew."""
STEPS = 50

WHICH = st.sampled_from((0, 1, 2, 3, 4, 5, 0, 1, 0))
"""One of those that there are, whatever their number; the first is the most worth disturbing."""
TEXT = st.integers(0, 11)
PACE = st.sampled_from((EVERYTHING, EVERYTHING, EVERYTHING, 1, 2, 3))
"""How many steps a request or a service makes before others have their turn."""
TASK_PACE = st.sampled_from((4, 3, 5, 6, 2, 7, 9, 1, EVERYTHING))
"""The same of a task: the fourth takes it into its first call of an extractor."""
SPAN = st.sampled_from((3, 12, 40, 40, 100, 400, 4_000, 20_000, 2_700_000))
"""Seconds: within a lease, beyond one, beyond the grace, a time limit, every back-off, a late sweep, the history."""
MARK = st.one_of(st.just(""), st.sampled_from(texts.MARKS))
MARKS = st.lists(MARK, min_size=1, max_size=2)


def _events(weight: int, name: str, *details: Any) -> list[Any]:
    """Return `weight` strategies for the same event, since Hypothesis takes one that is given twice for one."""
    drawn = [st.sampled_from(detail) if isinstance(detail, Sequence) else detail for detail in details]
    return [st.tuples(st.just(name), *drawn) for _ in range(weight)]


EVENTS = st.one_of(
    *_events(8, "write", events.WRITERS, WHICH, TEXT, MARKS, PACE),
    *_events(7, "deliver", WHICH, WHICH, TASK_PACE),
    *_events(6, "go_on", WHICH, TASK_PACE),
    *_events(4, "serve", events.SERVICES, WHICH, PACE),
    *_events(3, "suffer", events.MISFORTUNES, WHICH, st.booleans()),
    *_events(2, "take_over", WHICH, WHICH, TASK_PACE),
    *_events(2, "ask", st.lists(WHICH, min_size=1, max_size=3), QUESTIONS, PACE),
    *_events(2, "correct", WHICH, CORRECTIONS, events.LABELS, PACE),
    *_events(2, "pass_by", SPAN, st.booleans()),
    *_events(1, "deliver_everything", WHICH),
    *_events(1, "suffer_from_the_broker", events.BROKER_FAULTS, WHICH),
)
"""One rule with weights instead of a rule for each: Hypothesis leaves out rules by chance, and without deliveries
nothing comes about."""


class World(RuleBasedStateMachine):
    """The rules by which Hypothesis plays the world."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.play: Play | None = None

    @initialize(
        layout=st.sampled_from(sorted(LAYOUTS)),
        way=st.sampled_from(WAYS_TO_CREATE),
        marks=st.lists(MARK, min_size=2, max_size=4),
    )
    def begin(self, layout: str, way: str, marks: list[str]) -> None:
        world = self._stack.enter_context(simulated(layout))
        for _ in range(2):
            world.fleet.boot()
        self.play = Play(world)
        self.play.create(way, marks, EVERYTHING)

    @rule(event=EVENTS)
    def happen(self, event: tuple[Any, ...]) -> None:
        assert self.play is not None
        self.play.happen(*event)

    def teardown(self) -> None:
        with self._stack:
            if self.play is not None and not self.play.world.judge.violations:
                self.play.world.come_to_rest()
                Play.drawn["runs"] += 1
                Play.drawn["steps of actors"] += self.play.world.steps
                Play.heard += self.play.world.judge.heard


@pytest.mark.timeout(by_profile(ordinary=120, short=1_200, long=18_000))
@pytest.mark.django_db(transaction=True)
def test_any_interleaving_keeps_the_invariants(evidence: Evidence) -> None:
    Play.drawn.clear()
    first = 0 if PROFILE == "ordinary" else random.SystemRandom().randrange(10**9)
    for number in range(first, first + RUNS // RUNS_AT_A_TIME):
        _run(seed=number, runs=RUNS_AT_A_TIME)
    runs, steps = Play.drawn.pop("runs"), Play.drawn.pop("steps of actors")
    drawn = ", ".join(f"{name} {count}" for name, count in Play.drawn.most_common())
    note = f"{runs} runs of {STEPS} events, {steps} steps of actors; drawn: {drawn}"
    evidence.record("state machine", connection.vendor, tried=runs, violations=[], note=note)


def _run(*, seed: int, runs: int) -> None:
    options = settings(
        max_examples=runs, stateful_step_count=STEPS, deadline=None, database=None, report_multiple_bugs=False
    )
    run_state_machine_as_test(hypothesis.seed(seed)(World), settings=options)


# What was found this way

SAVE = ("write", "edit by save", 0, 0, [""], EVERYTHING)
SEQUENCES: dict[str, tuple[str, list[str], str, list[tuple[Any, ...]]]] = {
    "a task ends without settling while its lease is being renewed": (
        "together and another",
        ["explode=1", "", "", ""],
        "sql",
        [
            ("go_on", 5, 4),
            ("deliver", 0, 0, 4),
            ("go_on", 0, 4),
            ("deliver", 0, 5, 2),
            ("serve", "tick", 0, EVERYTHING),
            ("deliver", 1, 0, 4),
            ("go_on", 0, 2),
            ("deliver", 0, 0, 4),
            ("serve", "renewal", 1, 2),
            ("deliver", 0, 0, 4),
            ("go_on", 0, 4),
            ("suffer", "soft time limit", 1, False),
            ("deliver", 0, 0, 4),
            ("go_on", 0, 4),
            SAVE,
            SAVE,
            ("go_on", 1, 4),
        ],
    ),
}
"""As Hypothesis shrank them: layout, marks of the first entries, how they were created, and what happened."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("layout", "marks", "way", "sequence"), SEQUENCES.values(), ids=SEQUENCES)
def test_a_sequence_that_once_broke_an_invariant_keeps_them_all(
    layout: str, marks: list[str], way: str, sequence: list[tuple[Any, ...]]
) -> None:
    with simulated(layout) as world:
        for _ in range(2):
            world.fleet.boot()
        play = Play(world)
        play.create(way, marks, EVERYTHING)
        for event in sequence:
            play.happen(*event)
        world.come_to_rest()


def _begun(world: Simulation, mark: str = "") -> Process:
    """Write one entry, and start a worker; the message to it is under way."""
    world.act(world.public.create("save", [texts.write(1, 0, mark)]))
    return world.fleet.boot()


def _arrival(world: Simulation, worker: Process) -> Actor:
    """Let the one message that is under way arrive, and the task stop before it claims."""
    return world.act(world.fleet.deliver(world.bag.messages.pop(), worker), 1)


def _entry(world: Simulation) -> EntryRow:
    return next(iter(world.tables.entries.values()))


@pytest.mark.django_db(transaction=True)
def test_a_checkpoint_whose_commit_goes_unheard_burns_no_attempt() -> None:
    with simulated("two") as world:
        task = _arrival(world, _begun(world))
        world.go_on_to(task, "answer")
        world.go_on_to(task, "transaction")
        world.lose_database(task, after_commit=True)
        world.go_on(task)
        assert _entry(world).state == State.COMPLETED
        world.come_to_rest()


@pytest.mark.django_db(transaction=True)
def test_an_edit_between_a_rescuer_s_look_and_its_verdict_is_not_found_guilty() -> None:
    with simulated("one") as world:
        worker = _begun(world, "kill")
        world.go_on(_arrival(world, worker))
        world.act(world.notice(world.corpses[0]))
        world.go_on(_arrival(world, worker))
        rescue = world.act(world.notice(world.corpses[0]), 1)
        world.go_on_to(rescue, "transaction")
        world.act(world.public.edit(_entry(world).pk, "save", texts.write(1, 1)))
        world.go_on(rescue)
        world.come_to_rest()
        assert _entry(world).state == State.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_an_edit_in_work_grants_fresh_attempts_though_it_brings_the_same_text_back() -> None:
    with simulated("one") as world:
        worker = _begun(world, "fail")
        for _ in range(SETTINGS["MAX_ATTEMPTS"] - 1):
            world.go_on(_arrival(world, worker))
            world.pass_by(BEYOND_EVERY_GRACE, is_renewed=False)
            world.act(world.fleet.tick(worker))
        task = _arrival(world, worker)
        world.go_on_to(task, "answer")
        for revision, mark in ((1, ""), (0, "fail")):
            world.act(world.public.edit(_entry(world).pk, "save", texts.write(1, revision, mark)))
        world.go_on(task)
        assert (State.PENDING, 1) == (_entry(world).state, _entry(world).attempts)
        world.come_to_rest()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("steps", range(12, 40))
def test_an_entry_written_again_under_its_key_finds_all_of_a_set_or_nothing(steps: int) -> None:
    """Whatever a sweep had removed of what was left of it when the sweep died."""
    with simulated("one") as world:
        play = Play(world)
        play.create("save", [""], EVERYTHING)
        world.fleet.boot()
        play.deliver(0, 0, EVERYTHING)
        assert _entry(world).state == State.COMPLETED
        play.happen("write", "open a form", 0, 0, [""], EVERYTHING)
        play.happen("write", "delete by sql", 0, 0, [""], EVERYTHING)
        assert not world.tables.entries
        play.happen("serve", "sweep", 0, steps)
        play.happen("suffer", "crash", 0, False)
        play.happen("write", "stale save", 0, 0, [""], EVERYTHING)
        assert world.tables.entries
        world.come_to_rest()
