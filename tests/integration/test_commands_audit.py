"""`audit_processing`: each law is broken once, on rows that no guard of ours would let pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from insights_recovery import clock, identity, operations
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight, ProcessingAttempt
from insights_recovery.monitoring import audit
from tests.hosts.notes.models import Entry
from tests.integration.test_commands import Ran, run
from tests.integration.test_commands_status import plant, rows

pytestmark = pytest.mark.django_db

COMMAND = "audit_processing"


def audited() -> Ran:
    return run(COMMAND, "--format", "json")


def offenders(ran: Ran) -> dict[str, list[Any]]:
    return {name: law["ids"] for name, law in ran.json["laws"].items() if law["count"]}


@contextmanager
def unconstrained() -> Iterator[None]:
    """Let the database take rows that its CHECK constraints forbid, as damage from outside would leave them."""
    if connection.vendor == "postgresql":
        # A table with deferred checks outstanding cannot be altered.
        _execute("SET CONSTRAINTS ALL IMMEDIATE")
        for constraint in Entry._meta.constraints:
            _execute(f"ALTER TABLE notes_entry DROP CONSTRAINT {constraint.name}")
        yield
        return
    off, on = {
        "sqlite": ("PRAGMA ignore_check_constraints = 1", "PRAGMA ignore_check_constraints = 0"),
        "mysql": ("SET check_constraint_checks = 0", "SET check_constraint_checks = 1"),
    }[connection.vendor]
    _execute(off)
    yield
    _execute(on)


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def done() -> Any:
    """The key of an entry that is done."""
    entry = Entry.objects.create(content="Dear diary")
    operations.process_now([entry.pk])
    assert rows().get().processing_state == State.COMPLETED
    return entry.pk


def test_a_journal_in_every_state_is_accounted_for(done: Any) -> None:
    Entry.objects.create(content="waiting")
    blank, failing, held = (Entry.objects.create(content=text).pk for text in ("", "@@permanent", "in work"))
    operations.process_now([blank, failing])
    plant(
        held,
        processing_state=State.PROCESSING,
        processing_token=uuid4(),
        processing_owner=identity.of_this_process().owner("task"),
    )

    ran = audited()

    assert {entry.processing_state for entry in rows()} == set(State) - {State.CELERY_ERROR}
    assert (ran.json["offences"], ran.status) == (0, 0)
    assert ran.json["examined"] > rows().count()
    assert set(ran.json["laws"]) == set(audit.MEANINGS)
    assert "accounted for" in run(COMMAND).out


@pytest.mark.parametrize(
    ("law", "columns"),
    [
        ("unknown_state", {"processing_state": "LOST"}),
        (
            "unfinished_not_due",
            {"processing_state": State.PENDING, "processing_due_at": None, "processing_reason": "new"},
        ),
        ("finished_but_due", {"processing_due_at": clock.now()}),
        ("lease_outside_processing", {"processing_token": uuid4()}),
        ("lease_outside_processing", {"processing_owner": "somebody"}),
        (
            "in_work_without_lease",
            {"processing_state": State.PROCESSING, "processing_due_at": clock.now(), "processing_token": uuid4()},
        ),
        (
            "waiting_without_reason",
            {"processing_state": State.PENDING, "processing_due_at": clock.now(), "processing_reason": ""},
        ),
        (
            "held_by_the_dead",
            {
                "processing_state": State.PROCESSING,
                "processing_due_at": clock.later(60),
                "processing_token": uuid4(),
                "processing_owner": f"{identity.of_this_process().place}:{identity.of_this_process().pid}:1:task",
            },
        ),
        ("missing_extraction", {"processing_digest": "of another text"}),
        ("missing_extraction", {"processing_digest": ""}),
    ],
)
def test_each_broken_law_is_found_with_its_offender(done: Any, law: str, columns: dict[str, Any]) -> None:
    innocent = Entry.objects.create(content="innocent").pk
    with unconstrained():
        plant(done, **columns)
        ran = audited()

    assert offenders(ran) == {law: [done]}
    assert ran.status == 1
    assert innocent not in offenders(ran)[law]


def test_an_extractor_that_was_added_later_makes_nobody_an_offender(done: Any, settings: Any) -> None:
    """What it has not read is for `reprocess_entries --extractor` to find."""
    both = ["tests.hosts.extractors.MarkerExtractor", "tests.hosts.extractors.SecondExtractor"]
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "EXTRACTORS": both}

    assert offenders(audited()) == {}


@pytest.mark.django_db(transaction=True)
def test_an_extraction_that_was_stored_twice_is_found(done: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (only_one,) = Extraction._meta.constraints
    with monkeypatch.context() as unaware, connection.schema_editor() as editor:
        # SQLite makes the table anew, with all that the model says.
        unaware.setattr(Extraction._meta, "constraints", [])
        editor.remove_constraint(Extraction, only_one)
    try:
        twin = Extraction.objects.get()
        twin.pk = None
        twin.save()
        ran = audited()
    finally:
        Extraction.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(Extraction, only_one)

    assert offenders(ran) == {"doubled_extraction": [done]}


def test_what_outlived_its_entry_is_found(done: Any) -> None:
    _execute(f"DELETE FROM notes_entry WHERE id = {done}")
    left = {
        model._meta.model_name: model._default_manager.get().pk for model in (Extraction, Insight, ProcessingAttempt)
    }

    assert offenders(audited()) == {f"orphaned_{name}": [pk] for name, pk in left.items()}


def test_more_offenders_than_can_be_named_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_IDS", 3)
    pks = [Entry.objects.create(content=f"entry {number}").pk for number in range(5)]
    plant(*pks, processing_reason="")

    ran = audited()

    assert ran.json["laws"]["waiting_without_reason"]["count"] == ran.json["offences"] == 5
    assert ran.json["laws"]["waiting_without_reason"]["ids"] == pks[:3]
    assert "…" in run(COMMAND).out


def test_every_slice_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights_recovery.monitoring.paging.pages.__kwdefaults__", {"limit": None, "size": 2})
    pks = [Entry.objects.create(content=f"entry {number}").pk for number in range(5)]
    plant(*pks, processing_reason="")

    assert offenders(audited()) == {"waiting_without_reason": pks}


def test_what_a_second_look_does_not_find_again_is_no_offence(done: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is quicker than the audit: the entry is read before, its extraction after the change."""
    plant(done, processing_digest="of another text")
    look = audit._offences

    def settle_after_the_first_look(pks: Any) -> dict[str, list[Any]]:
        found = look(pks)
        plant(done, processing_digest=Extraction.objects.get().text_digest)
        return found

    monkeypatch.setattr(audit, "_offences", settle_after_the_first_look)

    assert offenders(audited()) == {}


def test_no_text_is_printed(done: Any) -> None:
    plant(done, processing_digest="")

    ran = run(COMMAND)

    assert ran.status == 1
    assert "Dear diary" not in ran.out + ran.err
    assert str(done) in ran.out
