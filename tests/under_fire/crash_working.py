"""Scenarios of those who work: a worker dies anywhere between the claim and the end of its lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model

from insights_recovery import recovery
from insights_recovery.extractors import loading
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight
from tests.hosts.notes.models import Entry
from tests.under_fire.at_rest import Expectation
from tests.under_fire.crash_extractors import SECOND, WORDY, First, Traced
from tests.under_fire.crash_stage import (
    BATCHES,
    BOTH,
    TWO,
    Scenario,
    Stage,
    claim,
    corrected,
    done,
    put,
    waiting,
    work,
)
from tests.under_fire.crash_world import text

A, B, C, NEW = text("Apples"), text("Berries"), text("Cherries"), text("New")
OF_BOTH = Expectation(extractors=BOTH)


class TooSlowError(Exception):
    """Stands for the soft time limit."""


def _work(stage: Stage) -> None:
    stage.work()


def _work_while_edited(stage: Stage) -> None:
    """During the call somebody else saves another text."""

    def edit(of: str) -> None:
        if of != NEW:
            with stage.fuse.deed_of_another("edit"):
                entry = stage.entries[0]
                entry.content = NEW
                entry.save()

    Traced.meanwhile = edit
    stage.work()


def _work_while_deleted(stage: Stage) -> None:
    """During the call somebody else deletes the entry."""

    def delete(of: str) -> None:
        with stage.fuse.deed_of_another("deletion"):
            stage.entries[0].delete()

    Traced.meanwhile = delete
    stage.work()


def _work_too_slowly(stage: Stage) -> None:
    """During the first call the leases run out, and another worker claims the entries one by one."""

    def take_over(of: str) -> None:
        Traced.meanwhile = None
        with stage.fuse.deed_of_another("takeover"):
            stage.world.pass_time(60)
            recovery.rescue_expired(10)
            for entry in stage.entries:
                claim([entry])

    Traced.meanwhile = take_over
    stage.work()


def _work_through_a_failover(stage: Stage) -> None:
    """During the second call the database fails over to a replica that lags: the first one's result is not there."""

    def fail_over(of: str) -> None:
        if Extraction.objects.exists():
            with stage.fuse.deed_of_another("failover"):
                Insight.objects.all().delete()
                Extraction.objects.all().delete()

    Traced.meanwhile = fail_over
    stage.work()


def _work_beyond_the_limit(stage: Stage) -> None:
    """The soft time limit strikes during the last text's call."""

    def strike(of: str) -> None:
        if of == stage.entries[-1].content:
            raise TooSlowError

    Traced.meanwhile = strike
    stage.work(interruptions=(TooSlowError,))


def _work_until_told_to_stop(stage: Stage) -> None:
    """The worker is shut down while it is at the first of several texts."""
    stage.work(is_stopping=lambda: True)


def _work_with_a_broken_call(stage: Stage) -> None:
    """A call for several texts fails as a whole."""

    def fail(of: str) -> None:
        raise ValueError(of)

    Traced.meanwhile = fail
    stage.work()


def _work_without_an_extractor(stage: Stage) -> None:
    """The extractor cannot be made, in this process."""

    def refuse(_: object) -> None:
        raise OSError

    loading._instances.clear()
    First.__init__ = refuse  # type: ignore[assignment]
    stage.work()


def _with_a_suspect() -> Sequence[Entry]:
    first, suspect, last = waiting(A, B, C)
    return [first, put(suspect, solitary=True), last]


def _half_done() -> Sequence[Entry]:
    """Two entries whose first extractor's results are stored, and whose second one's service was out."""
    contents = [text("Apples", "@@second:postpone-first=1"), text("Berries")]
    entries = waiting(*contents)
    work(entries)
    return [put(entry, not_before=None) for entry in entries]


def _edited_after_corrections() -> Sequence[Entry]:
    entries = corrected(done(A))
    Entry.objects.filter(pk=entries[0].pk).update(content=NEW)
    return entries


def _failed_once() -> Sequence[Entry]:
    entries = waiting(text("Apples", "@@fail"))
    work(entries)
    return [put(entry, not_before=None) for entry in entries]


def _twins() -> Sequence[Entry]:
    author, _ = get_user_model().objects.get_or_create(username="anna")
    twins = [Entry.objects.create(content=A, author=author) for _ in range(2)]
    work(twins[:1])
    return twins[1:]


def _of(name: str, *contents: str, act: Any = _work, settings: Any = (), **expected: Any) -> Scenario:
    """Return the scenario of a worker that gets a message with entries of these texts."""
    return Scenario(
        name=name,
        act=act,
        arrange=lambda: waiting(*contents),
        settings=dict(settings),
        expected=Expectation(**expected),
    )


BY_TWO: dict[str, Any] = {"settings": TWO, "extractors": BOTH}
IN_ONE_CALL: dict[str, Any] = {"settings": BATCHES, "extractors": ("batch",)}
AT_LENGTH: dict[str, Any] = {"settings": {"EXTRACTORS": [WORDY, SECOND]}, "extractors": ("wordy", "second")}
FAILS, IS_OUT = text("Figs", "@@fail=1"), text("Grapes", "@@postpone-first=1")

SCENARIOS = (
    _of("a worker does one entry", A),
    _of("a worker does one entry with two extractors", A, **BY_TWO),
    _of("a worker does a batch with two extractors", A, B, C, **BY_TWO),
    _of("a worker does a batch in one call", A, B, C, at_risk=3, **IN_ONE_CALL),
    _of("a worker stores very many insights", A, **AT_LENGTH),
    _of("a worker skips a blank entry", " "),
    _of("a worker skips a blank entry of a batch", A, " "),
    _of("a worker fails once", FAILS, calls=2),
    _of("a worker fails at one of a batch", FAILS, A, calls=2),
    _of("a worker fails at one of a batch in one call", FAILS, A, calls=2, **IN_ONE_CALL),
    _of("a worker fails at the second extractor", text("Figs", "@@second:fail=1"), calls=2, **BY_TWO),
    _of("a worker is refused for good", text("Figs", "@@permanent")),
    _of("a worker meets an outage", IS_OUT, calls=2),
    _of("a worker meets an outage in a batch", A, IS_OUT, C, calls=2),
    _of("a worker meets an outage in a batch in one call", IS_OUT, A, calls=2, **IN_ONE_CALL),
    _of("a worker's call for several fails as a whole", A, B, act=_work_with_a_broken_call, at_risk=2, **IN_ONE_CALL),
    _of("a worker's lease is taken over during the call", A, act=_work_too_slowly, losses=2),
    _of("a worker's lease is taken over, and it fails", FAILS, act=_work_too_slowly, losses=2, calls=2),
    _of("a worker's leases are taken over, and it meets an outage", IS_OUT, A, act=_work_too_slowly, losses=2, calls=2),
    _of("a worker's leases are taken over in a batch", A, B, act=_work_too_slowly, losses=2, at_risk=2, **BY_TWO),
    _of("a worker's checkpoint is lost to a failover", A, act=_work_through_a_failover, at_risk=2, **BY_TWO),
    _of("a worker runs into the soft limit", A, act=_work_beyond_the_limit, failures=1),
    _of("a worker runs into the soft limit in a batch", A, B, act=_work_beyond_the_limit),
    _of("a worker is told to stop in a batch", A, B, C, act=_work_until_told_to_stop),
    _of("a worker cannot make its extractor", A, B, act=_work_without_an_extractor),
    Scenario(
        name="a worker fails for the last time",
        act=_work,
        arrange=_failed_once,
        settings={"MAX_ATTEMPTS": 2},
    ),
    Scenario(
        name="a worker's entry is edited during the call",
        act=_work_while_edited,
        arrange=lambda: waiting(A),
        settings=TWO,
        durable="edit",
        expected=Expectation(becomes=lambda _: [NEW], extractors=BOTH),
    ),
    Scenario(
        name="a worker's entry is deleted during the call",
        act=_work_while_deleted,
        arrange=lambda: waiting(A),
        settings=TWO,
        durable="deletion",
        expected=Expectation(becomes=lambda _: [], extractors=BOTH),
    ),
    Scenario(name="a worker's batch has a suspect", act=_work, arrange=_with_a_suspect),
    Scenario(name="a worker finds checkpoints", act=_work, arrange=_half_done, settings=TWO, expected=OF_BOTH),
    Scenario(
        name="a worker reads an entry again that a person corrected",
        act=_work,
        arrange=_edited_after_corrections,
        settings=TWO,
        expected=OF_BOTH,
    ),
    Scenario(
        name="a worker skips a duplicate",
        act=_work,
        arrange=_twins,
        settings={"SKIP_DUPLICATES": True},
        expected=Expectation(ends={A: {State.COMPLETED, State.SKIPPED}}),
    ),
)
