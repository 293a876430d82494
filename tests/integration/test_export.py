"""Export: all that is stored of an author's entries, for whoever may have it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from insights_recovery import export
from insights_recovery.lifecycle import State
from insights_recovery.models import ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, in_state, process
from tests.integration.journals import by_hand, find, unsettle, written
from tests.integration.test_commands import Terminal, run
from tests.integration.test_privacy import Watch, watch

__all__ = ["watch"]

pytestmark = pytest.mark.django_db

COMMAND = "export_insights"


@pytest.fixture
def author(configure: Callable[..., None], django_user_model: Any) -> Any:
    """An author of some entries, among those of others."""
    configure(AUTHOR_FIELD="author")
    author, other = (django_user_model.objects.create(username=name) for name in ("anna", "ben"))
    for number in range(3):
        written(("person", "Ben", 0.5), author=author, sentiment=0.1 * number, text=f"entry {number}")
    written(("person", "Anna"), author=other, text="another's")
    create("nobody's")
    return author


def entries_in(document: str) -> list[dict[str, Any]]:
    parsed = json.loads(document)
    assert (parsed["format"], parsed["version"]) == ("insights_recovery", 1)
    return list(parsed["entries"])


def test_an_export_has_all_of_the_author_and_nothing_of_others(author: Any) -> None:
    ran = run(COMMAND, "--author", author.pk)
    assert ran.status == 0
    found = entries_in(ran.out)
    assert [entry["text"] for entry in found] == ["entry 0", "entry 1", "entry 2"]
    assert {entry["fields"]["author"] for entry in found} == {author.pk}
    assert [entry["insights"][0]["label"] for entry in found] == ["Ben"] * 3
    assert "3 entries" in ran.err


def test_an_export_of_all_misses_none(author: Any) -> None:
    in_state(State.FAILED, "failed")
    found = entries_in(run(COMMAND, "--all").out)
    assert [entry["id"] for entry in found] == list(Entry.objects.order_by("pk").values_list("pk", flat=True))
    assert found[-1]["state"] == "FAILED"


def test_a_record_says_all_that_is_stored_and_what_holds_of_it(django_user_model: Any) -> None:
    entry = create("Walked to the lake.", title="Out")
    process(entry)
    entry = Entry.objects.get(pk=entry.pk)
    extraction = entry.extractions.get()
    extraction.usage = {"tokens": 12}
    extraction.save()
    find(entry, ("theme", "old"), extractor="old", digest="0" * 64)
    by_hand(entry, "person", "Anna")
    by_hand(entry, "person", "Eve", is_removed=True, extracted_label="Eve")
    (record,) = export.records(Entry.objects.all())
    assert record["id"] == entry.pk
    assert (record["text"], record["state"], record["reason"]) == ("Walked to the lake.", "COMPLETED", "")
    assert record["fields"] == {"author": None, "title": "Out"}
    assert record["completed_at"] == entry.processing_completed_at.isoformat()
    current, old = record["extractions"]
    assert (current["extractor"], current["version"], current["usage"]) == ("marker", "1", {"tokens": 12})
    assert (current["is_current"], old["is_current"]) == (True, False)
    assert current["created_at"] == extraction.created_at.isoformat()
    facts = [(row["kind"], row["extractor"], row["is_current"], row["is_removed"]) for row in record["insights"]]
    assert sorted(facts) == [
        ("keyphrase", "marker", True, False),
        ("person", "", False, True),
        ("person", "", True, False),
        ("theme", "old", False, False),
    ]
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["completed"]


def test_what_is_current_in_an_export_is_what_the_entry_shows() -> None:
    for number in range(3):
        entry = written(("theme", "a"), ("theme", "b"), text=f"text {number}")
        unsettle(entry, ("theme", "a"), ("theme", "c"))
    Entry.objects.filter(content="text 1").update(content="edited")
    for record in export.records(Entry.objects.all()):
        entry = Entry.objects.get(pk=record["id"])
        shown = sorted(insight.label for insight in entry.current_insights())
        assert sorted(row["label"] for row in record["insights"] if row["is_current"]) == shown


def test_csv_has_a_line_for_each_entry_extraction_insight_and_attempt(author: Any) -> None:
    written(("person", "=HYPERLINK(1)", -0.5), author=author, text="+1\r\n-1")
    rows = list(csv.DictReader(io.StringIO(run(COMMAND, "--author", author.pk, "--format", "csv").out, newline="")))
    assert [row["record"] for row in rows] == ["entry", "extraction", "insight"] * 4
    assert rows[-3]["text"] == "'+1\r\n-1"
    assert (rows[-1]["label"], rows[-1]["sentiment"], rows[-1]["is_current"]) == ("'=HYPERLINK(1)", "-0.5", "true")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_any_size_is_written_in_pieces_and_few_queries(form: str, django_assert_num_queries: Any) -> None:
    Entry.objects.bulk_create(Entry(content=f"text {number}") for number in range(120))
    with django_assert_num_queries(1 + 3 * 4 + 1):
        pieces = list(export.FORMATS[form](export.records(Entry.objects.all())))
    assert len(pieces) >= 121
    assert max(map(len, pieces)) < 2000


def test_an_export_of_nothing_is_an_export() -> None:
    assert entries_in(run(COMMAND, "--all").out) == []
    assert run(COMMAND, "--all", "--format", "csv").out.count("\r\n") == 1


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_file_is_private_and_never_overwritten_unasked(author: Any, tmp_path: Path, form: str) -> None:
    path = tmp_path / "export"
    arguments = ["--all", "--format", form, "--output", path]
    assert run(COMMAND, *arguments).status == 0
    first = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    Entry.objects.all().delete()

    ran = run(COMMAND, *arguments)
    assert ran.status == 2
    assert "--force" in ran.err
    assert path.read_text(encoding="utf-8") == first

    assert run(COMMAND, *arguments, "--force").status == 0
    assert len(path.read_text(encoding="utf-8")) < len(first)
    assert [found.name for found in tmp_path.iterdir()] == ["export"]


def test_a_file_and_standard_output_hold_the_same(author: Any, tmp_path: Path) -> None:
    written(("person", "Zoë"), text="über 💣")
    run(COMMAND, "--all", "--output", tmp_path / "export")
    in_file = (tmp_path / "export").read_text(encoding="utf-8")
    out = run(COMMAND, "--all").out
    assert "über 💣" in in_file
    assert out.isascii()
    assert json.loads(out) == json.loads(in_file)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--author"),
        (["--all", "--author", "1"], "not allowed"),
        (["--all", "--force"], "--output"),
        (["--all", "--output", "/nowhere/at/all"], "cannot be written"),
        (["--author", "first"], "'first'"),
    ],
)
def test_arguments_that_make_no_sense_are_wrong_usage(author: Any, arguments: list[str], said: str) -> None:
    ran = run(COMMAND, *arguments)
    assert ran.status != 0
    assert said in ran.err
    assert ran.out == ""


def test_without_an_author_field_it_says_what_to_set(configure: Callable[..., None]) -> None:
    configure(AUTHOR_FIELD=None)
    ran = run(COMMAND, "--author", "1")
    assert ran.status == 2
    assert "AUTHOR_FIELD" in ran.err


def test_nothing_of_a_text_gets_into_logs_or_messages(watch: Watch, tmp_path: Path) -> None:
    entry = create("a canary sings", title="canary")
    process(entry)
    by_hand(entry, "person", "canary")
    for form in ("json", "csv"):
        ran = run(COMMAND, "--all", "--format", form, "--output", tmp_path / form)
        assert "canary" not in ran.out + ran.err
    assert "canary" in (tmp_path / "json").read_text()
    assert watch.found() == []


def test_progress_shows_on_a_terminal_and_is_no_part_of_the_export(author: Any, monkeypatch: Any) -> None:
    from django.core.management import call_command

    out, screen = io.StringIO(), Terminal()
    call_command(COMMAND, "--all", stdout=out, stderr=screen)
    assert "/5" in screen.getvalue()
    assert len(entries_in(out.getvalue())) == 5


def test_an_entry_whose_text_cannot_be_read_is_exported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = written(("person", "Anna"))

    def refuse(self: Entry) -> str:
        raise ValueError(self.content)

    monkeypatch.setattr(Entry, "get_insight_text", refuse)
    (record,) = export.records(Entry.objects.all())
    assert (record["id"], record["text"]) == (entry.pk, "")
    assert record["fields"]["content"] == "Walked to the lake."


def test_attempts_tell_how_they_ended_without_a_word_of_the_text() -> None:
    entry = in_state(State.FAILED)
    columns = {"number": 1, "token": "0" * 32, "outcome": "failed", "error": "ValueError", "traceback": "in extract"}
    ProcessingAttempt.objects.create(entry=entry, **columns)
    (record,) = export.records(Entry.objects.all())
    (attempt,) = record["attempts"]
    assert set(attempt) == {"number", "started_at", "finished_at", "outcome", "error"}
    assert (attempt["outcome"], attempt["error"], attempt["finished_at"]) == ("failed", "ValueError", None)
