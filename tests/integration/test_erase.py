"""Erasure: all that was derived goes, the entries stay, and no worker brings anything back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from insights_recovery import clock, dispatch, erasure, lifecycle, operations, recovery
from insights_recovery.erasure import Erased
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight, ProcessingAttempt
from insights_recovery.monitoring import audit
from tests.hosts.notes.models import Entry
from tests.integration.helpers import MARKER, SECOND, Elsewhere, claimed, create, fresh, in_state, process, put
from tests.integration.journals import by_hand, unsettle, written
from tests.integration.scripted import found
from tests.integration.test_commands import run

pytestmark = pytest.mark.django_db

COMMAND = "erase_insights"
BELONGINGS = (Insight, Extraction, ProcessingAttempt)

several_connections = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer: the two could only wait for each other"
)


def left(entry: Entry) -> list[int]:
    return [model.objects.filter(entry_id=entry.pk).count() for model in BELONGINGS]


def is_left_be(entry: Entry) -> bool:
    """Say whether the entry stands as one that was erased: skipped by hand, its text known, nothing derived."""
    now = fresh(entry)
    standing = (now.processing_state, now.processing_reason, now.processing_digest)
    return standing == ("SKIPPED", "by_hand", lifecycle.digest_of(now.content)) and left(entry) == [0, 0, 0]


def laws_are_kept() -> bool:
    return not any(offenders for page in audit.examine() for offenders in page.offences.values())


@pytest.mark.parametrize("state", [state for state in State if state != State.SKIPPED])
def test_an_entry_is_left_be_whatever_it_was_at(state: State) -> None:
    entry = in_state(state, title="Out")
    unsettle(written(), ("theme", "kept"))
    Extraction.objects.create(entry=entry, extractor="x", version="1", text_digest="0" * 64, duration=1)
    by_hand(entry, "person", "Anna")
    assert erasure.erase([entry.pk]) == Erased(entries=1, insights=1, extractions=1)
    assert is_left_be(entry)
    assert (fresh(entry).content, fresh(entry).title) == ("Walked to the lake.", "Out")
    assert Insight.objects.count() == 1 + 1
    assert laws_are_kept()


def test_an_entry_that_was_skipped_stays_so_for_its_own_reason() -> None:
    blank = create("  ")
    process(blank)
    by_hand(blank, "person", "Anna")
    assert erasure.erase([blank.pk]) == Erased(entries=1, insights=1, attempts=1)
    assert fresh(blank).processing_reason == "blank"
    assert left(blank) == [0, 0, 0]


def test_nothing_brings_back_what_was_erased(sent: Callable[[], Any]) -> None:
    entry = create()
    process(entry)
    erasure.erase([entry.pk])
    recovery.sweep()
    dispatch.offer([entry.pk])
    assert process(entry) == {}
    assert is_left_be(entry)
    assert sent() == []


def test_an_edit_and_a_person_have_it_read_again() -> None:
    edited, asked = create(), create("asked")
    process(edited, asked)
    erasure.erase([edited.pk, asked.pk])
    edited = fresh(edited)
    edited.content = "Another day."
    edited.save()
    operations.reprocess([asked.pk])
    assert process(edited, asked) == {"completed": 2}
    assert left(edited) == left(asked) == [1, 1, 1]


def test_a_save_without_an_edit_changes_nothing() -> None:
    entry = create()
    process(entry)
    stale = fresh(entry)
    erasure.erase([entry.pk])
    stale.save()
    assert is_left_be(entry)


def test_a_worker_that_is_at_an_entry_stores_nothing_any_more(scripted: Callable[..., Any]) -> None:
    entry, other = create(), create("another")
    scripted(lambda text: erasure.erase([entry.pk]) and found("lake") if text == entry.content else found("lake"))
    assert process(entry, other) == {"completed": 1}
    assert is_left_be(entry)
    assert left(other) == [1, 1, 1]
    assert laws_are_kept()


def test_a_worker_between_two_extractors_stores_nothing_any_more(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(EXTRACTORS=[MARKER, SECOND])
    entry = create()
    from tests.hosts.extractors import SecondExtractor

    extract = SecondExtractor.extract

    def erase_first(self: SecondExtractor, text: str) -> Any:
        assert left(entry) == [1, 1, 1]
        erasure.erase([entry.pk])
        return extract(self, text)

    monkeypatch.setattr(SecondExtractor, "extract", erase_first)
    assert process(entry) == {}
    assert is_left_be(entry)


@pytest.mark.parametrize("marker", ["@@fail", "@@permanent", "@@postpone"])
def test_a_worker_that_gives_up_cannot_move_it_either(marker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.hosts.extractors import MarkerExtractor

    entry = create(marker)
    extract = MarkerExtractor.extract
    monkeypatch.setattr(
        MarkerExtractor, "extract", lambda self, text: erasure.erase([entry.pk]) and extract(self, text)
    )
    assert process(entry) == {}
    assert is_left_be(entry)


def test_several_entries_of_one_claim_lose_only_those_that_are_erased() -> None:
    entries = [create(f"entry {number}") for number in range(3)]
    batch = claimed(*entries)
    erasure.erase([entries[0].pk, entries[2].pk])
    assert batch.work() == {"completed": 1}
    assert is_left_be(entries[0])
    assert is_left_be(entries[2])
    assert left(entries[1]) == [1, 1, 1]


@several_connections
@pytest.mark.django_db(transaction=True)
def test_erasure_waits_for_a_worker_that_settles_and_then_takes_all(scripted: Callable[..., Any]) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    batch = claimed(entry)
    with transaction.atomic():
        batch.work()
        erased = Elsewhere(lambda: erasure.erase([entry.pk]))
        erased.join(0.3)
        assert erased.is_alive()
    assert erased.value() == Erased(entries=1, insights=1, extractions=1, attempts=1)
    assert is_left_be(entry)


@several_connections
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_settles_waits_for_the_erasure_and_then_stores_nothing(scripted: Callable[..., Any]) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    batch = claimed(entry)
    with transaction.atomic():
        erasure.erase([entry.pk])
        work = Elsewhere(batch.work)
        work.join(0.3)
        assert work.is_alive()
    assert work.value() == {}
    assert is_left_be(entry)


@pytest.mark.django_db(transaction=True)
def test_nobody_sees_an_erased_entry_wait(sent: Callable[[], Any]) -> None:
    entry = create()
    process(entry)
    sent()
    erasure.erase([entry.pk])
    assert sent() == []
    assert is_left_be(entry)


def test_an_erasure_that_fails_half_way_erases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = create()
    process(entry)
    before = fresh(entry).processing_completed_at

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(erasure.insights, "erase", fail)
    with pytest.raises(RuntimeError):
        erasure.erase([entry.pk])
    assert left(entry) == [1, 1, 1]
    assert (fresh(entry).processing_state, fresh(entry).processing_completed_at) == (State.COMPLETED, before)


def test_a_text_that_was_edited_unseen_is_left_be_as_it_stands() -> None:
    entry = create()
    process(entry)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes_entry SET content = 'by SQL' WHERE id = %s", [entry.pk])
    erasure.erase([entry.pk])
    assert recovery.verify([entry.pk]) == 0
    assert is_left_be(entry)


def test_keys_of_no_entry_are_passed_over() -> None:
    assert erasure.erase([987654]) == Erased()
    assert erasure.erase([]) == Erased()


def test_the_number_of_queries_of_a_slice(django_assert_max_num_queries: Any) -> None:
    entries = [create(f"entry {number}") for number in range(10)]
    process(*entries)
    # One UPDATE for each entry notes the digest of its text; all else is done for the slice.
    with django_assert_max_num_queries(10 + 20):
        erasure.erase([entry.pk for entry in entries])


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_on_sqlite_an_erasure_begins_by_writing() -> None:
    entry = create()
    process(entry)
    with CaptureQueriesContext(connection) as captured:
        erasure.erase([entry.pk])
    first = next(query["sql"] for query in captured.captured_queries if not query["sql"].startswith("BEGIN"))
    assert first.startswith("UPDATE")


@pytest.fixture
def author(configure: Callable[..., None], django_user_model: Any) -> Any:
    """An author with three entries that are done, beside one of nobody's."""
    configure(AUTHOR_FIELD="author")
    author = django_user_model.objects.create(username="anna")
    entries = [Entry.objects.create(content=f"entry {number}", author=author) for number in range(3)]
    process(*entries, create("nobody's"))
    return author


@pytest.mark.parametrize("dry", [True, False])
def test_the_command_says_how_much_and_does_it_unless_it_is_a_rehearsal(author: Any, *, dry: bool) -> None:
    ran = run(COMMAND, "--author", author.pk, "--format", "json", *(["--dry-run"] if dry else []))
    assert ran.status == 0
    assert ran.json == {"entries": 3, "insights": 3, "extractions": 3, "attempts": 3, "dry_run": dry}
    assert [model.objects.count() for model in BELONGINGS] == ([4, 4, 4] if dry else [1, 1, 1])
    assert Entry.objects.filter(author=author, processing_state=State.COMPLETED).count() == (3 if dry else 0)
    assert Entry.objects.count() == 4


def test_the_command_takes_keys(author: Any) -> None:
    first, second, *_ = Entry.objects.order_by("pk")
    ran = run(COMMAND, "--ids", first.pk, second.pk)
    assert "2 entries" in ran.out
    assert is_left_be(first)
    assert is_left_be(second)
    assert Insight.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--author"),
        (["--author", "1", "--ids", "1"], "not allowed"),
        (["--ids", "first"], "'first'"),
        (["--author", "first"], "'first'"),
    ],
)
def test_arguments_that_make_no_sense_erase_nothing(author: Any, arguments: list[str], said: str) -> None:
    ran = run(COMMAND, *arguments)
    assert ran.status != 0
    assert said in ran.err
    assert Insight.objects.count() == 4


def test_without_an_author_field_it_says_what_to_set(configure: Callable[..., None]) -> None:
    configure(AUTHOR_FIELD=None)
    ran = run(COMMAND, "--author", "1")
    assert ran.status == 2
    assert "AUTHOR_FIELD" in ran.err


def test_an_entry_whose_text_cannot_be_read_is_erased_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = create()
    process(entry)

    def refuse(self: Entry) -> str:
        raise ValueError(self.content)

    monkeypatch.setattr(Entry, "get_insight_text", refuse)
    erasure.erase([entry.pk])
    assert (fresh(entry).processing_state, left(entry)) == (State.SKIPPED, [0, 0, 0])


def test_a_dead_letter_and_a_waiting_entry_are_not_tried_again() -> None:
    dead, waiting = in_state(State.FAILED), put(create(), not_before=clock.later(60))
    erasure.erase([dead.pk, waiting.pk])
    assert operations.retry([dead.pk, waiting.pk]) == 0
    assert is_left_be(dead)
    assert is_left_be(waiting)
