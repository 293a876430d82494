"""`reprocess_entries` and `prune_processing_history`."""

from __future__ import annotations

from typing import Any

import pytest

from insights_recovery import clock, operations
from insights_recovery.lifecycle import State
from insights_recovery.management.commands import prune_processing_history
from insights_recovery.management.commands.reprocess_entries import _rank
from insights_recovery.models import Extraction, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.test_commands import run
from tests.integration.test_commands_status import plant, rows

pytestmark = pytest.mark.django_db

REPROCESS = "reprocess_entries"
PRUNE = "prune_processing_history"


@pytest.fixture
def done() -> list[Any]:
    """The keys of three entries that are done."""
    pks = [Entry.objects.create(content=f"entry {number}").pk for number in range(3)]
    operations.process_now(pks)
    return pks


def waiting() -> list[Any]:
    return list(rows().filter(processing_state=State.PENDING).order_by("pk").values_list("pk", flat=True))


def did_in(version: str, *pks: Any) -> None:
    assert Extraction.objects.filter(entry_id__in=pks).update(version=version) == len(pks)


@pytest.mark.parametrize("arguments", [[], ["--limit", "2"], ["--dry-run"]])
def test_nothing_is_selected_by_itself(done: list[Any], arguments: list[str]) -> None:
    ran = run(REPROCESS, *arguments)

    assert ran.status == 2
    assert "--ids" in ran.err
    assert "--all" in ran.err
    assert waiting() == []


def test_all_finished_entries_are_put_back_behind_what_people_write(done: list[Any]) -> None:
    unfinished = Entry.objects.create(content="new")

    ran = run(REPROCESS, "--all", "--format", "json")

    assert ran.json == {"selected": 3, "reprocessed": 3, "dry_run": False}
    assert ran.status == 0
    assert list(rows().filter(processing_backfill=True).order_by("pk").values_list("pk", flat=True)) == done
    assert waiting() == [*done, unfinished.pk]


def test_entries_are_put_back_by_key(done: list[Any]) -> None:
    ran = run(REPROCESS, "--ids", done[0], done[2], 987654, "--format", "json")

    assert ran.json["reprocessed"] == 2
    assert waiting() == [done[0], done[2]]


def test_a_key_that_none_can_be_is_wrong_usage(done: list[Any]) -> None:
    ran = run(REPROCESS, "--ids", done[0], "first")

    assert ran.status == 2
    assert "'first'" in ran.err
    assert waiting() == []


@pytest.mark.parametrize("second", [["--ids", "1"], ["--extractor", "marker"]])
def test_two_selections_at_once_are_wrong_usage(second: list[str]) -> None:
    ran = run(REPROCESS, "--all", *second)

    assert ran.status != 0
    assert "not allowed with" in ran.err


def test_an_extractor_s_other_versions_are_put_back(done: list[Any]) -> None:
    did_in("of yesteryear", done[1])

    assert run(REPROCESS, "--extractor", "marker", "--format", "json").json["reprocessed"] == 1
    assert waiting() == [done[1]]


def test_an_extractor_that_was_added_later_is_called_for_all_and_alone(done: list[Any], settings: Any) -> None:
    both = ["tests.hosts.extractors.MarkerExtractor", "tests.hosts.extractors.SecondExtractor"]
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "EXTRACTORS": both}

    assert run(REPROCESS, "--extractor", "second", "--format", "json").json["reprocessed"] == 3
    assert waiting() == done
    assert not Extraction.objects.filter(extractor="marker", is_outdated=True).exists()


def test_older_versions_are_put_back_and_newer_ones_are_not(done: list[Any]) -> None:
    for version, pk in zip(("1.9", "1.10", "1.11"), done, strict=True):
        did_in(version, pk)

    assert run(REPROCESS, "--extractor", "marker", "--older-than", "1.10", "--format", "json").json["reprocessed"] == 1
    assert waiting() == [done[0]]


@pytest.mark.parametrize(
    ("older", "newer"), [("1.9", "1.10"), ("1", "1.1"), ("v2", "v10"), ("2025-01", "2025-02"), ("1.0rc1", "1.0rc2")]
)
def test_numbers_in_versions_count_as_numbers(older: str, newer: str) -> None:
    assert _rank(older) < _rank(newer)


def test_an_extractor_that_is_not_configured_needs_a_version(done: list[Any]) -> None:
    ran = run(REPROCESS, "--extractor", "retired")

    assert ran.status == 2
    assert "marker" in ran.err
    assert "--older-than" in ran.err


def test_an_extractor_that_cannot_be_made_needs_a_version(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "EXTRACTORS": ["no.such.Extractor"]}

    assert run(REPROCESS, "--extractor", "marker").status == 2
    assert run(REPROCESS, "--extractor", "marker", "--older-than", "2").status == 0


def test_a_version_without_an_extractor_is_wrong_usage() -> None:
    ran = run(REPROCESS, "--all", "--older-than", "2")

    assert ran.status == 2
    assert "--extractor NAME" in ran.err


@pytest.mark.parametrize("selection", [["--all"], ["--extractor", "marker", "--older-than", "9999"]])
def test_a_limit_bounds_what_is_put_back(done: list[Any], selection: list[str]) -> None:
    assert run(REPROCESS, *selection, "--limit", "2", "--format", "json").json["reprocessed"] == 2
    assert waiting() == done[:2]


@pytest.mark.parametrize("selection", [["--all"], ["--extractor", "marker", "--older-than", "9999"]])
def test_a_dry_run_puts_nothing_back(done: list[Any], selection: list[str]) -> None:
    before = list(rows().order_by("pk").values())

    ran = run(REPROCESS, *selection, "--dry-run", "--format", "json")

    assert ran.json == {"selected": 3, "reprocessed": 0, "dry_run": True}
    assert list(rows().order_by("pk").values()) == before
    assert not Extraction.objects.filter(is_outdated=True).exists()
    assert "nothing was changed" in run(REPROCESS, *selection, "--dry-run").out


# Pruning


def age_attempts(days: float) -> None:
    ProcessingAttempt.objects.filter(finished_at__isnull=False).update(finished_at=clock.later(-days * 86_400))


def test_old_attempts_go_and_insights_stay(done: list[Any]) -> None:
    age_attempts(31)
    extractions = Extraction.objects.count()

    ran = run(PRUNE, "--format", "json")

    assert ran.json == {"selected": 3, "pruned": 3, "days": 30, "dry_run": False}
    assert ran.status == 0
    assert not ProcessingAttempt.objects.exists()
    assert Extraction.objects.count() == extractions


@pytest.mark.parametrize(("days", "pruned"), [("2", 3), ("4", 0), ("2.9", 3)])
def test_the_age_can_be_chosen(done: list[Any], days: str, pruned: int) -> None:
    age_attempts(3)

    assert run(PRUNE, "--days", days, "--format", "json").json["pruned"] == pruned


def test_the_attempts_at_dead_letters_are_evidence(done: list[Any]) -> None:
    age_attempts(31)
    plant(done[0], processing_state=State.FAILED)

    assert run(PRUNE, "--format", "json").json["pruned"] == 2
    assert list(ProcessingAttempt.objects.values_list("entry_id", flat=True)) == [done[0]]


def test_an_attempt_that_has_not_ended_stays(done: list[Any]) -> None:
    ProcessingAttempt.objects.update(finished_at=None, started_at=clock.later(-90 * 86_400))

    assert run(PRUNE, "--format", "json").json["pruned"] == 0


def test_chunks_follow_each_other_until_all_is_gone(done: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_processing_history, "CHUNK", 2)
    age_attempts(31)

    assert run(PRUNE, "--format", "json").json["pruned"] == 3


def test_a_limit_bounds_what_is_pruned(done: list[Any]) -> None:
    age_attempts(31)

    assert run(PRUNE, "--limit", "2", "--format", "json").json["pruned"] == 2
    assert ProcessingAttempt.objects.count() == 1


def test_a_dry_run_prunes_nothing(done: list[Any]) -> None:
    age_attempts(31)

    assert run(PRUNE, "--dry-run", "--format", "json").json == {
        "selected": 3,
        "pruned": 0,
        "days": 30,
        "dry_run": True,
    }
    assert ProcessingAttempt.objects.count() == 3
    assert "nothing was changed" in run(PRUNE, "--dry-run").out


@pytest.mark.parametrize("arguments", [["--days", "0"], ["--days", "-1"], ["--days", "old"], ["--limit", "0"]])
def test_an_age_or_a_limit_that_is_none_is_wrong_usage(done: list[Any], arguments: list[str]) -> None:
    age_attempts(31)

    assert run(PRUNE, *arguments).status != 0
    assert ProcessingAttempt.objects.count() == 3
