"""The sample entries: real texts, loaded once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from journal.models import JournalEntry
from journal.samples import DAYS, LONGEST_TITLE, SOURCE, samples, title_of

from insights_recovery.lifecycle import State

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


def load(*arguments: str) -> str:
    out = StringIO()
    call_command("load_samples", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_samples_come_with_source_and_licence() -> None:
    assert "Lemotif" in SOURCE.with_name("README.md").read_text()
    assert "MIT License" in SOURCE.with_name("LICENSE.lemotif.txt").read_text()


def test_the_samples_lie_in_the_past_months_and_differ() -> None:
    found = samples(1000, now=NOW)
    assert len(found) == len({sample.content for sample in found}) == 300
    assert all(NOW - timedelta(days=DAYS + 1) < sample.written_at < NOW for sample in found)
    assert all(0 < len(sample.title) <= LONGEST_TITLE + 1 for sample in found)
    assert found == samples(1000, now=NOW)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Yesterday, my family came. We ate.", "My family came"),
        ("Today", "Today"),
        ("A " + "very " * 20 + "long day.", "A " + " ".join(["very"] * 11) + "…"),
    ],
)
def test_titles(text: str, title: str) -> None:
    assert title_of(text) == title


@pytest.mark.django_db
def test_loading_twice_adds_nothing() -> None:
    assert "12 entries added" in load("--limit", "12")
    assert "0 entries added" in load("--limit", "12")
    assert JournalEntry.objects.filter(author__username="demo", processing_state=State.PENDING).count() == 12
    assert not JournalEntry.objects.get(pk=JournalEntry.objects.first().pk).author.has_usable_password()


@pytest.mark.django_db
def test_announced_samples_are_saved_like_entries_a_person_wrote() -> None:
    assert "3 of them announced" in load("--limit", "10", "--announce", "3", "--author", "anna")
    newest = JournalEntry.objects.filter(author__username="anna")[:3]
    assert set(JournalEntry.objects.filter(processing_backfill=False)) == set(newest)
    assert "all announced" not in load("--limit", "11", "--announce", "--author", "anna")


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_bad_limit_is_refused(value: str) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        load(f"--limit={value}")
