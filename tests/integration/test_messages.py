"""A message names entries; whatever else it holds is passed over."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app

from insights_recovery import processing, tasks
from insights_recovery.exceptions import UnexpectedError
from insights_recovery.lifecycle import State
from tests.integration.helpers import create, fresh, heard, in_state, runner

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "junk",
    [[], [None], ["x"], [""], [1.5], [float("nan")], [float("inf")], [-1], [0], [10**30], [[1]], [{"pk": 1}], [True],
     [str(uuid4())], ["9" * 5000], [b"1"], [float("-inf")], [1e308], [-(10**5000)], [10**18],
     ["1; DROP TABLE notes_entry"], ["٣٣٣٣٣"], ["0x10"], ["1_0_0_0"], ["\x00"], ["\ud800"], [{}], [[[[1]]]], [{1: [2]}],
     [datetime(2026, 1, 1, tzinfo=UTC)], [Decimal("NaN")], [Decimal("1e400")], [()], [set()], [object()], [Ellipsis]],
    ids=lambda junk: repr(junk[0])[:20] if junk and not isinstance(junk[0], int) else None,
)  # fmt: skip
def test_whatever_names_no_entry_is_passed_over(junk: list[Any]) -> None:
    assert processing.process(junk, runner()) == {}


def test_junk_beside_an_entry_keeps_it_from_nothing() -> None:
    entry = create()
    pks = ["x", None, 10**30, float("inf"), str(entry.pk), entry.pk]
    assert processing.process(pks, runner()) == {"completed": 1}


def test_a_deleted_entry_is_passed_over() -> None:
    entry = create()
    pk = entry.pk
    entry.delete()
    with heard("entries_unknown") as unknown:
        assert processing.process([pk], runner()) == {}
    assert unknown == [pk]


def test_an_entry_that_is_done_is_not_reported_as_unknown() -> None:
    entry = create()
    processing.process([entry.pk], runner())
    with heard("entries_unknown") as unknown:
        processing.process([entry.pk], runner())
    assert unknown == []


def test_what_an_impossible_key_says_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "insights_recovery")
    processing.process(["a secret word"], runner())
    assert "entries_unknown entry_ids= impossible=1" in caplog.text
    assert "secret" not in caplog.text


def test_a_long_list_of_strangers_keeps_an_entry_from_nothing() -> None:
    entry = create()
    strangers = range(entry.pk + 1, entry.pk + 40_000)
    with heard("entries_unknown") as unknown:
        assert processing.process([*strangers, entry.pk, *strangers], runner()) == {"completed": 1}
    assert len(strangers) == len(unknown)


def test_a_key_named_a_thousand_times_is_done_once() -> None:
    entry = create()
    assert processing.process([entry.pk] * 1000 + [str(entry.pk)] * 1000, runner()) == {"completed": 1}


@pytest.mark.parametrize("state", sorted(set(State) - {State.PENDING, State.CELERY_ERROR}))
def test_nobody_can_have_an_entry_done_that_does_not_wait(state: State) -> None:
    entry = in_state(state)
    before = fresh(entry).processing_claims
    assert processing.process([entry.pk], runner()) == {}
    assert [state, before] == [fresh(entry).processing_state, fresh(entry).processing_claims]


# Whole messages, through Celery

SECRET = "xylographerquux"
MISCALLED: dict[str, tuple[Any, Any]] = {
    "without arguments": ((), {}),
    "with too many": (([1], SECRET), {}),
    "with an unknown word": (([1],), {"note": SECRET}),
    "with the argument twice": (([1],), {"entry_ids": [SECRET]}),
}


@pytest.mark.parametrize(("args", "kwargs"), MISCALLED.values(), ids=MISCALLED)
def test_a_task_that_is_called_wrongly_fails_and_repeats_nothing_of_the_message(
    args: Any, kwargs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    result = tasks.extract_insights_task.apply(args, kwargs)
    assert isinstance(result.result, UnexpectedError)
    assert SECRET not in f"{result.result}{result.traceback}{caplog.text}"


OURS = sorted(name for name in current_app.tasks if name.startswith("insights_recovery.tasks."))


@pytest.mark.parametrize("name", [name for name in OURS if not name.endswith("extract_insights_task")])
def test_a_task_that_takes_nothing_takes_nothing(name: str) -> None:
    result = current_app.tasks[name].apply((SECRET,), {})
    assert isinstance(result.result, UnexpectedError)
    assert SECRET not in f"{result.result}{result.traceback}"


SENSELESS = {
    "text": SECRET,
    "texts": [SECRET, f"{SECRET} again"],
    "a dict of texts": {SECRET: SECRET},
    "nested texts": [[SECRET], {"text": [SECRET]}],
}


@pytest.mark.parametrize("argument", SENSELESS.values(), ids=SENSELESS)
def test_a_message_that_holds_a_text_is_done_with_and_not_repeated(
    argument: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    assert {} == tasks.extract_insights_task.apply((argument,)).get()
    assert SECRET not in caplog.text
    ours = [record for record in caplog.records if record.name.startswith("insights_recovery")]
    assert SECRET not in str([record.__dict__ for record in ours])
