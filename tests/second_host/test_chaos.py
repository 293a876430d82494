"""`chaos` with a host whose keys are UUIDs and whose text lies in another field."""

from __future__ import annotations

import io
import json
import random
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from insights_recovery import operations
from insights_recovery.chaos import making, stage, verdict
from insights_recovery.chaos.conductor import remove
from insights_recovery.chaos.extractor import FirstChaosExtractor, SecondChaosExtractor
from insights_recovery.chaos.faults import FAULTS
from insights_recovery.chaos.journal import Ledger
from insights_recovery.chaos.orders import VARIABLE, Orders
from insights_recovery.chaos.writing import Writer
from insights_recovery.models import Extraction
from tests.hosts.diary.models import Note

pytestmark = pytest.mark.django_db


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Orders:
    """The orders of a run, whose extractors are this process's."""
    kinds = (FirstChaosExtractor, SecondChaosExtractor)
    extractors = [f"{kind.__module__}.{kind.__qualname__}" for kind in kinds]
    told = Orders(
        settings="tests.settings.second",
        folder=str(tmp_path),
        insights={"LEASE_SECONDS": 3},
        phrase="7 0123456789abcdef",
        seed=7,
        seconds=1e-6,
    )
    monkeypatch.setenv(VARIABLE, told.environment()[VARIABLE])
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "EXTRACTORS": extractors}
    return told


def _keys() -> set[str]:
    return {str(pk) for pk in Note.objects.values_list("pk", flat=True)}


def test_the_faults_are_listed() -> None:
    out = io.StringIO()
    call_command("chaos", "--list", "--format", "json", stdout=out)
    assert list(json.loads(out.getvalue())) == [fault.name for fault in FAULTS]


def test_the_app_is_found() -> None:
    assert stage.celery_app() == "tests.hosts.second"


def test_what_a_writer_writes_is_judged_by_its_uuids(given: Orders) -> None:
    writer = Writer(0, given)
    for _ in range(60):
        writer._step()
    assert all(uuid.UUID(key) for key in _keys())
    ledger = Ledger(given.path).read()
    assert ledger.kept == _keys()

    operations.process_now([note.pk for note in Note.objects.all()])
    assert verdict.judge(ledger.kept).count() == 0
    assert not verdict.stale(_keys())

    note = Note.objects.order_by("pk").last()
    making.edit_by_sql(note, making.new_text(given.phrase, random.Random(1)))
    assert verdict.stale({str(note.pk)})
    offences = verdict.judge({*ledger.kept, str(uuid.uuid4())})
    assert (len(offences.wrong_version), len(offences.lost), offences.count()) == (1, 1, 2)


def test_pages_of_uuids_are_judged_to_the_last(given: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "PAGE", 3)
    for number in range(10):
        Note.objects.create(body=f"day {number}")
    assert len(verdict.judge(_keys()).lost) == 10


def test_the_entries_of_a_run_are_removed_and_a_persons_stay(given: Orders) -> None:
    theirs = Note.objects.create(body="Walked to the lake.")
    for _ in range(3):
        making.make(making.new_text(given.phrase, random.Random(1))).save()
    operations.process_now([note.pk for note in Note.objects.all()])

    remove(making.of_chaos())

    assert list(Note.objects.all()) == [theirs]
    assert set(Extraction.objects.values_list("entry_id", flat=True)) == {theirs.pk}
