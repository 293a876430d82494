"""Scenarios of those who write: the host's web process dies while an entry is made, edited or deleted."""

from __future__ import annotations

from django.db import transaction

from insights_recovery import hosts
from tests.hosts.notes.models import Entry
from tests.under_fire.at_rest import Expectation
from tests.under_fire.crash_stage import BOTH, TWO, Scenario, Stage, corrected, dead, done, held, waiting
from tests.under_fire.crash_world import text

OLD, OTHER, NEW = text("Old"), text("Other"), text("New")
INSERT, UPDATE = "INSERT notes_entry", "UPDATE notes_entry"


def _create(stage: Stage) -> None:
    Entry.objects.create(content=NEW)


def _create_in_a_transaction(stage: Stage) -> None:
    with transaction.atomic():
        Entry.objects.create(content=NEW)
        Entry.objects.create(content=OTHER)


def _create_without_broker(stage: Stage) -> None:
    stage.world.cut_broker()
    _create(stage)


def _create_many(stage: Stage) -> None:
    with transaction.atomic():
        Entry.objects.bulk_create(Entry(content=content) for content in (NEW, OTHER))


def _edit(stage: Stage) -> None:
    entry = stage.entries[0]
    entry.content = NEW
    entry.save()


def _edit_in_a_transaction(stage: Stage) -> None:
    with transaction.atomic():
        _edit(stage)


def _edit_without_broker(stage: Stage) -> None:
    stage.world.cut_broker()
    _edit(stage)


def _edit_by_update(stage: Stage) -> None:
    Entry.objects.filter(pk__in=stage.pks).update(content=NEW)


def _blank(stage: Stage) -> None:
    entry = stage.entries[0]
    entry.content = " "
    entry.save()


def _delete(stage: Stage) -> None:
    stage.entries[0].delete()


def _delete_several(stage: Stage) -> None:
    hosts.entries().filter(pk__in=stage.pks).delete()


def _edited(texts: list[str]) -> list[str]:
    return [NEW] * len(texts)


_EDITED = Expectation(becomes=_edited)

SCENARIOS = (
    Scenario(
        name="a writer creates an entry",
        act=_create,
        durable=INSERT,
        expected=Expectation(becomes=lambda texts: [*texts, NEW]),
    ),
    Scenario(
        name="a writer creates two entries in a transaction",
        act=_create_in_a_transaction,
        durable="COMMIT",
        expected=Expectation(becomes=lambda texts: [*texts, NEW, OTHER]),
    ),
    Scenario(
        name="a writer creates an entry while the broker is out",
        act=_create_without_broker,
        durable=INSERT,
        expected=Expectation(becomes=lambda texts: [*texts, NEW]),
    ),
    Scenario(
        name="a writer creates entries in bulk",
        act=_create_many,
        durable="COMMIT",
        expected=Expectation(becomes=lambda texts: [*texts, NEW, OTHER]),
    ),
    Scenario(
        name="a writer edits a waiting entry", act=_edit, arrange=lambda: waiting(OLD), durable=UPDATE, expected=_EDITED
    ),
    Scenario(
        name="a writer edits a finished entry that a person corrected",
        act=_edit,
        arrange=lambda: corrected(done(OLD)),
        settings=TWO,
        durable=UPDATE,
        expected=Expectation(becomes=_edited, extractors=BOTH),
    ),
    Scenario(
        name="a writer edits a finished entry in a transaction",
        act=_edit_in_a_transaction,
        arrange=lambda: done(OLD),
        durable="COMMIT",
        expected=_EDITED,
    ),
    Scenario(
        name="a writer edits a finished entry while the broker is out",
        act=_edit_without_broker,
        arrange=lambda: done(OLD),
        durable=UPDATE,
        expected=_EDITED,
    ),
    Scenario(
        name="a writer edits an entry in work", act=_edit, arrange=lambda: held(OLD), durable=UPDATE, expected=_EDITED
    ),
    Scenario(
        name="a writer edits a dead letter",
        act=_edit,
        arrange=lambda: dead(text("Old", "@@permanent")),
        durable=UPDATE,
        expected=Expectation(becomes=_edited, failures=1),
    ),
    Scenario(
        name="a writer edits many entries at once",
        act=_edit_by_update,
        arrange=lambda: [*done(OLD), *waiting(OTHER), *held(text("Third"))],
        durable=UPDATE,
        expected=Expectation(becomes=_edited, calls=3),
    ),
    Scenario(
        name="a writer empties a finished entry",
        act=_blank,
        arrange=lambda: done(OLD),
        durable=UPDATE,
        expected=Expectation(becomes=lambda _: [" "]),
    ),
    Scenario(
        name="a writer deletes a finished entry",
        act=_delete,
        arrange=lambda: corrected(done(OLD)),
        settings=TWO,
        durable="COMMIT",
        expected=Expectation(becomes=lambda _: [], extractors=BOTH),
    ),
    Scenario(
        name="a writer deletes an entry in work",
        act=_delete,
        arrange=lambda: held(OLD),
        durable="COMMIT",
        expected=Expectation(becomes=lambda _: []),
    ),
    Scenario(
        name="a writer deletes many entries at once",
        act=_delete_several,
        arrange=lambda: [*done(OLD), *waiting(OTHER), *held(text("Third"))],
        durable="COMMIT",
        expected=Expectation(becomes=lambda _: []),
    ),
)
