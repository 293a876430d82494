"""Insights in the admin: corrected, added, removed and restored by hand, and none of that undone by an extractor."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client

from insights_recovery import corrections, hosts, operations
from insights_recovery.lifecycle import State
from insights_recovery.models import Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, create, fresh
from tests.integration.scripted import found
from tests.integration.test_admin_entries import page, root, staff, url

__all__ = ["root"]

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.integration.test_admin_entries")]

MODEL = "insights_recovery_insight"
TEXT = "Walked with Anna to the lake.\r\nAnna swam."
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def entry(scripted: Any) -> Entry:
    """An entry in which Anna and the lake were found."""
    scripted(lambda _: found("Anna", "lake"))
    made = create(TEXT)
    operations.process_now([made.pk])
    return made


def insight(label: str) -> Insight:
    return Insight.objects.get(label=label)


def edit(client: Client, row: Insight, **changes: Any) -> Any:
    """Fill in the form of an insight and save it."""
    names = ("kind", "label", "snippet", "start", "end", "sentiment", "confidence")
    fields = {name: getattr(row, name) for name in names} | changes
    data = {name: "" if value is None else value for name, value in fields.items()}
    return client.post(url("change", row.pk, model=MODEL), data)


def do(client: Client, action: str, *rows: Insight, **data: Any) -> Any:
    """Ask for an action as the list's form does."""
    keys = [row.pk for row in rows]
    return client.post(url("changelist", model=MODEL), {"action": action, "_selected_action": keys, **data})


def read_again(entry: Entry) -> None:
    operations.reprocess([entry.pk])
    operations.process_now([entry.pk])
    assert fresh(entry).processing_state == State.COMPLETED


def labels(entry: Entry) -> list[str]:
    return sorted(entry.current_insights().values_list("label", flat=True))


# What a person did stays


def test_an_edited_insight_is_marked_and_survives_reading_again(root: Client, entry: Entry) -> None:
    assert edit(root, insight("Anna"), label="Anna Karenina", kind="person").status_code == 302
    assert insight("Anna Karenina").is_manual_edit
    read_again(entry)
    assert labels(entry) == ["Anna Karenina", "lake"]


def test_an_edited_insight_survives_a_new_text(root: Client, entry: Entry) -> None:
    edit(root, insight("Anna"), label="Anna Karenina")
    written = fresh(entry)
    written.content = "Another day."
    written.save()
    operations.process_now([entry.pk])
    assert labels(entry) == ["Anna Karenina", "lake"]


def test_a_deleted_insight_is_kept_as_removed_and_not_found_again(root: Client, entry: Entry) -> None:
    anna = insight("Anna")
    response = root.post(url("delete", anna.pk, model=MODEL), {"post": "yes"})
    assert response.status_code == 302
    anna.refresh_from_db()
    assert anna.is_removed
    assert anna.is_manual_edit
    assert labels(entry) == ["lake"]
    read_again(entry)
    assert labels(entry) == ["lake"]


def test_several_are_removed_together(root: Client, entry: Entry) -> None:
    asked = do(root, "delete_selected", *Insight.objects.all())
    assert "marked as removed" in asked.content.decode()
    assert labels(entry) == ["Anna", "lake"]
    do(root, "delete_selected", *Insight.objects.all(), post="yes")
    read_again(entry)
    assert labels(entry) == []
    assert Insight.objects.filter(is_removed=True).count() == 2


def test_a_removed_insight_is_restored(root: Client, entry: Entry) -> None:
    corrections.remove(Insight.objects.all())
    do(root, "restore", insight("Anna"))
    assert labels(entry) == ["Anna"]
    read_again(entry)
    assert labels(entry) == ["Anna"]


def test_the_page_of_an_insight_says_what_a_person_did_to_it(root: Client, entry: Entry) -> None:
    address = url("change", insight("Anna").pk, model=MODEL)
    assert "None" not in page(root, address)
    assert "Made or edited" not in page(root, address)
    edit(root, insight("Anna"))
    assert "Made or edited" in page(root, address)
    corrections.remove(Insight.objects.filter(label="Anna"))
    assert '<span class="ir-badge ir-badge--quiet">Removed</span>' in page(root, address)


def test_only_what_was_removed_is_restored(root: Client, entry: Entry) -> None:
    assert corrections.restore(Insight.objects.all()) == 0
    assert not insight("Anna").is_manual_edit


def test_an_insight_added_by_hand_stays(root: Client, entry: Entry) -> None:
    data = {"entry": entry.pk, "kind": "place", "label": "Lake Como", "snippet": "the lake"}
    assert root.post(url("add", model=MODEL), data).status_code == 302
    added = insight("Lake Como")
    assert added.is_manual_edit
    assert added.extraction is None
    assert (added.start, added.end) == (20, 28)
    read_again(entry)
    assert labels(entry) == ["Anna", "Lake Como", "lake"]


def test_an_insight_added_by_hand_is_really_deleted(root: Client, entry: Entry) -> None:
    root.post(url("add", model=MODEL), {"entry": entry.pk, "kind": "place", "label": "Lake Como"})
    root.post(url("delete", insight("Lake Como").pk, model=MODEL), {"post": "yes"})
    assert not Insight.objects.filter(label="Lake Como").exists()


def test_what_was_found_in_an_earlier_text_is_known_as_found(root: Client, entry: Entry) -> None:
    edit(root, insight("Anna"), label="Anna Karenina")
    hosts.entries().filter(pk=entry.pk).update(content=" ")
    operations.reprocess([entry.pk])
    operations.process_now([entry.pk])
    anna = insight("Anna Karenina")
    assert anna.extraction is None
    assert "in an earlier text" in page(root, url("change", anna.pk, model=MODEL))
    root.post(url("delete", anna.pk, model=MODEL), {"post": "yes"})
    anna.refresh_from_db()
    assert anna.is_removed


def test_an_insight_never_moves_to_another_entry(root: Client, entry: Entry) -> None:
    edit(root, insight("Anna"), entry=create("another").pk)
    assert insight("Anna").entry_id == entry.pk


def test_an_insight_that_was_replaced_meanwhile_is_said_to_be_gone(root: Client, entry: Entry) -> None:
    anna = insight("Anna")
    read_again(entry)
    response = edit(root, anna, label="Anna Karenina")
    assert response.status_code == 302
    assert not Insight.objects.filter(label="Anna Karenina").exists()


@pytest.mark.django_db(transaction=True)
def test_a_correction_waits_for_a_worker_that_replaces_the_insights(root: Client, entry: Entry) -> None:
    anna = insight("Anna")
    with transaction.atomic():
        # As a worker settles: the entry's row first, then the insights.
        hosts.entries().filter(pk=entry.pk).update(title="held")
        person = Elsewhere(lambda: edit(root, anna, label="Anna Karenina"))
        person.join(1)
        assert person.is_alive()
        Insight.objects.filter(entry=entry).delete()
    assert person.value().status_code == 302
    assert not Insight.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_correction_is_not_taken_back_by_a_worker_that_comes_second(root: Client, entry: Entry) -> None:
    with transaction.atomic():
        corrections.remove(Insight.objects.filter(label="Anna"))
        worker = Elsewhere(lambda: read_again(entry))
        worker.join(1)
        assert worker.is_alive()
    worker.value()
    assert labels(entry) == ["lake"]


# The place of a snippet


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"snippet": "Anna"}, ("Anna", 12, 16)),
        ({"snippet": "Anna", "start": 31, "end": 35}, ("Anna", 31, 35)),
        ({"start": 0, "end": 6}, ("Walked", 0, 6)),
        ({"snippet": " with Anna ", "start": 6, "end": 17}, (" with Anna ", 6, 17)),
        ({"snippet": "lake.\r\nAnna", "start": 24, "end": 35}, ("lake.\r\nAnna", 24, 35)),
        ({"snippet": "lake.\nAnna", "start": 24, "end": 35}, ("lake.\r\nAnna", 24, 35)),
        ({"snippet": "nowhere"}, ("nowhere", None, None)),
        ({}, ("", None, None)),
    ],
)
def test_a_snippet_gets_its_place(root: Client, entry: Entry, changes: dict[str, Any], expected: tuple[Any]) -> None:
    assert edit(root, insight("Anna"), **changes).status_code == 302
    row = insight("Anna")
    assert (row.snippet, row.start, row.end) == expected


def test_a_second_occurrence_keeps_its_place_when_only_the_label_is_edited(root: Client, entry: Entry) -> None:
    edit(root, insight("Anna"), snippet="Anna", start=31, end=35)
    edit(root, insight("Anna"), label="Anna K.")
    assert insight("Anna K.").start == 31


def test_a_place_in_an_earlier_text_is_found_anew(root: Client, entry: Entry) -> None:
    edit(root, insight("Anna"), snippet="Anna")
    hosts.entries().filter(pk=entry.pk).update(content="Saw Anna.")
    edit(root, insight("Anna"), label="Anna K.")
    assert (insight("Anna K.").start, insight("Anna K.").end) == (4, 8)


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"snippet": "Anna", "start": 0, "end": 4}, "snippet", "This is not what stands there."),
        ({"snippet": "Anna", "start": 12}, "end", "Give both start and end, or neither."),
        ({"end": 12}, "start", "Give both start and end, or neither."),
        ({"start": 5, "end": 5}, "end", "The end must lie behind the start."),
        ({"start": 0, "end": 4000}, "end", "The text ends at 41."),
        ({"start": -1, "end": 3}, "start", "greater than or equal to 0"),
        ({"label": " "}, "label", "This field is required."),
        ({"kind": "animal"}, "kind", "Select a valid choice."),
        ({"sentiment": 1.5}, "sentiment", "less than or equal to 1"),
        ({"sentiment": "nan"}, "sentiment", "Enter a number."),
        ({"confidence": -0.1}, "confidence", "greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(
    root: Client, entry: Entry, changes: dict[str, Any], field: str, error: str
) -> None:
    response = edit(root, insight("Anna"), **changes)
    assert error in str(response.context["adminform"].form.errors[field])
    assert not insight("Anna").is_manual_edit


def test_an_entry_that_does_not_exist_is_refused(root: Client) -> None:
    response = root.post(url("add", model=MODEL), {"entry": 404, "kind": "place", "label": "Lake Como"})
    assert "entry" in response.context["adminform"].form.errors


def test_an_entry_that_is_gone_is_said_to_be_gone(root: Client, entry: Entry) -> None:
    # A plain SQL DELETE leaves the insight behind until the next sweep.
    rows = hosts.entries().filter(pk=entry.pk)
    rows._raw_delete(using="default")
    response = edit(root, insight("Anna"), label="Anna K.")
    assert "does not exist any more" in response.content.decode()


def test_a_text_that_cannot_be_read_is_said_so(root: Client, entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Entry) -> str:
        raise RuntimeError("zanzibar")

    monkeypatch.setattr(Entry, "get_insight_text", fail)
    shown = edit(root, insight("Anna"), label="Anna K.").content.decode()
    assert "cannot be read just now" in shown
    assert "zanzibar" not in shown


# Who, and what is seen


@pytest.mark.parametrize(
    ("permission", "snippet"), [("view_entry", "Anna"), ("change_entry", "Anna"), ("view_insight", "")]
)
def test_a_place_shows_its_words_to_who_may_read_the_entry(entry: Entry, permission: str, snippet: str) -> None:
    response = edit(staff("change_insight", permission), insight("Anna"), snippet="", start=12, end=16)
    assert insight("Anna").snippet == snippet
    if not snippet:
        assert "Type what stands there" in str(response.context["adminform"].form.errors["snippet"])


def test_who_may_not_read_the_entry_places_the_words_that_he_knows(entry: Entry) -> None:
    edit(staff("change_insight"), insight("Anna"), snippet="Anna", start=12, end=16)
    assert (insight("Anna").snippet, insight("Anna").start) == ("Anna", 12)


@pytest.mark.parametrize(
    ("permission", "views", "changes", "deletes", "adds"),
    [
        ("view_insight", 200, 403, 403, 403),
        ("change_insight", 200, 302, 403, 403),
        ("delete_insight", 403, 403, 302, 403),
        ("add_insight", 403, 403, 403, 302),
        ("change_entry", 403, 403, 403, 403),
    ],
)
def test_each_permission_allows_what_it_says(
    entry: Entry, permission: str, views: int, changes: int, deletes: int, adds: int
) -> None:
    client = staff(permission)
    anna = insight("Anna")
    assert client.get(url("change", anna.pk, model=MODEL)).status_code == views
    assert edit(client, anna, label="Anna K.").status_code == changes
    data = {"entry": entry.pk, "kind": "place", "label": "Lake Como"}
    assert client.post(url("add", model=MODEL), data).status_code == adds
    assert client.post(url("delete", anna.pk, model=MODEL), {"post": "yes"}).status_code == deletes
    assert Insight.objects.filter(label="Anna K.").exists() is (changes == 302)
    assert Insight.objects.filter(is_removed=True).exists() is (deletes == 302)


def test_restoring_needs_the_change_permission(entry: Entry) -> None:
    corrections.remove(Insight.objects.all())
    do(staff("view_insight"), "restore", insight("Anna"))
    assert insight("Anna").is_removed
    do(staff("change_insight"), "restore", insight("Anna"))
    assert not insight("Anna").is_removed


def test_nobody_else_sees_or_changes_anything(client: Client, entry: Entry) -> None:
    anna = insight("Anna")
    for response in (
        client.get(url("changelist", model=MODEL)),
        client.get(url("change", anna.pk, model=MODEL)),
        edit(client, anna, label="Anna K."),
        do(client, "delete_selected", anna, post="yes"),
    ):
        assert "/login/" in response.headers["Location"]
    assert labels(entry) == ["Anna", "lake"]


def test_hostile_labels_are_escaped(root: Client, entry: Entry) -> None:
    row = Insight.objects.create(entry=entry, kind="person", label=HOSTILE, snippet=HOSTILE)
    pages = [
        url("changelist", model=MODEL),
        url("change", row.pk, model=MODEL),
        url("delete", row.pk, model=MODEL),
        url("change", entry.pk),
    ]
    for address in pages:
        assert HOSTILE not in page(root, address)
    assert "&lt;script&gt;" in page(root, pages[0])


@pytest.mark.parametrize("by_hand", ["is_manual_edit__exact=1", "is_removed__exact=1", "kind__exact=theme"])
def test_filters(root: Client, entry: Entry, by_hand: str) -> None:
    Insight.objects.create(entry=entry, kind="person", label="Kitty")
    corrections.remove(Insight.objects.filter(label="Anna"))
    Insight.objects.filter(label="lake").update(is_manual_edit="is_removed" not in by_hand, is_removed=True)
    response = root.get(f"{url('changelist', model=MODEL)}?{by_hand}")
    assert {row.label for row in response.context["cl"].result_list} == {"Anna", "lake"}


def test_the_entry_is_named_by_its_key_alone(root: Client, entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entry, "__str__", lambda self: self.content)
    anna = insight("Anna")
    for address in (url("changelist", model=MODEL), url("change", anna.pk, model=MODEL)):
        shown = page(root, address)
        assert f"Entry {entry.pk}" in shown
        assert "Walked" not in shown
    added = root.post(url("add", model=MODEL), {"entry": entry.pk, "kind": "animal", "label": "Rex"})
    assert f'value="{entry.pk}"' in added.content.decode()
    assert "Walked" not in added.content.decode()


def test_the_history_of_the_admin_has_no_word_of_an_insight(root: Client, entry: Entry) -> None:
    edit(root, insight("Anna"), label="Anna Karenina", snippet="Anna")
    root.post(url("delete", insight("lake").pk, model=MODEL), {"post": "yes"})
    lines = str(list(LogEntry.objects.values_list("object_repr", "change_message")))
    assert "theme of entry" in lines
    for word in ("Anna", "Karenina", "lake"):
        assert word not in lines
