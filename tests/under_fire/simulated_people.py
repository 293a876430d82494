"""People: those who write, and those who ask for something or correct an insight. Each request is an actor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import DatabaseError, connection, transaction

from insights_recovery import corrections, operations
from insights_recovery.models import Insight
from tests.hosts.notes.models import Entry
from tests.under_fire.simulated_actors import Actor, Kind
from tests.under_fire.simulated_processes import Fleet, Process

WAYS_TO_CREATE = ("save", "bulk", "sql")
WAYS_TO_EDIT = ("save", "fields", "update", "bulk_update", "sql")
WAYS_TO_DELETE = ("instance", "queryset", "sql")
QUESTIONS = ("retry", "skip", "reprocess", "reprocess first", "process now")
CORRECTIONS = ("edit", "add", "remove", "restore")


class Public:
    """Makes the actors of requests; the web server is one process, and whoever processes inline has one to himself."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.web = fleet.boot(is_worker=False)

    def create(self, way: str, texts: Sequence[str]) -> Actor:
        """Somebody writes: an entry for each text."""
        return self._writer(f"creation by {way}", partial(_CREATE[way], texts), is_sql=way == "sql")

    def edit(self, pk: Any, way: str, text: str) -> Actor:
        """Somebody edits an entry."""
        return self._writer(f"edit of {pk} by {way}", partial(_unless_gone, _EDIT[way], pk, text), is_sql=way == "sql")

    def save_stale(self, instance: Entry) -> Actor:
        """A form that was opened earlier is sent: the whole of the instance is saved."""
        return self._writer(f"stale save of {instance.pk}", partial(_unless_gone, Entry.save, instance))

    def delete(self, pk: Any, way: str) -> Actor:
        """Somebody deletes an entry."""
        action = partial(_unless_gone, _DELETE[way], pk)
        return self._writer(f"deletion of {pk} by {way}", action, deletes=pk, is_sql=way == "sql")

    def ask(self, pks: Sequence[Any], question: str) -> Actor:
        """Somebody asks for something in the admin, or by a command."""
        process = self._fleet.boot(is_worker=False) if question == "process now" else self.web
        actor = Actor(f"{question} {pks}", Kind.PERSON, process, partial(_ASK[question], list(pks)), question=question)
        if process is not self.web:
            actor.at_end = lambda _: self._fleet.bury(process, is_knowable=process.is_knowable)
        return actor

    def correct(self, insight: Any, entry: Any, way: str, label: str) -> Actor:
        """Somebody corrects an insight by hand."""
        action = partial(_CORRECT[way], insight, entry, label)
        return Actor(f"{way} of insight {insight}", Kind.PERSON, self.web, action, corrects=True)

    def reboot(self) -> Process:
        """Start the web server anew: it remembers nothing of the broker."""
        self.web.is_alive = False
        self.web = self._fleet.boot(is_worker=False)
        return self.web

    def _writer(self, name: str, action: Callable[[], Any], **facts: Any) -> Actor:
        return Actor(name, Kind.WRITER, self.web, action, **facts)


def _unless_gone(action: Callable[..., Any], *arguments: Any) -> None:
    """Do it; where the entry was deleted meanwhile the request ends in "not found"."""
    try:
        action(*arguments)
    except Entry.DoesNotExist:
        return
    except DatabaseError as error:
        if "did not affect any rows" not in str(error):
            raise


def _create_by_save(texts: Sequence[str]) -> None:
    for text in texts:
        Entry(content=text).save()


def _create_in_bulk(texts: Sequence[str]) -> None:
    Entry.objects.bulk_create([Entry(content=text) for text in texts])


def _create_by_sql(texts: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for text in texts:
            cursor.execute("INSERT INTO notes_entry (title, content) VALUES ('', %s)", [text])


_CREATE = {"save": _create_by_save, "bulk": _create_in_bulk, "sql": _create_by_sql}


def _edit_by_save(pk: Any, text: str) -> None:
    entry = Entry.objects.get(pk=pk)
    entry.content = text
    entry.save()


def _edit_by_fields(pk: Any, text: str) -> None:
    entry = Entry.objects.get(pk=pk)
    entry.content = text
    entry.save(update_fields=["content"])


def _edit_by_update(pk: Any, text: str) -> None:
    Entry.objects.filter(pk=pk).update(content=text)


def _edit_by_bulk_update(pk: Any, text: str) -> None:
    entry = Entry.objects.get(pk=pk)
    entry.content = text
    Entry.objects.bulk_update([entry], ["content"])


def _edit_by_sql(pk: Any, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes_entry SET content = %s WHERE id = %s", [text, pk])


_EDIT = {
    "save": _edit_by_save,
    "fields": _edit_by_fields,
    "update": _edit_by_update,
    "bulk_update": _edit_by_bulk_update,
    "sql": _edit_by_sql,
}


def _delete_instance(pk: Any) -> None:
    Entry.objects.get(pk=pk).delete()


def _delete_queryset(pk: Any) -> None:
    Entry.objects.filter(pk=pk).delete()


def _delete_by_sql(pk: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notes_entry WHERE id = %s", [pk])


_DELETE = {"instance": _delete_instance, "queryset": _delete_queryset, "sql": _delete_by_sql}

_ASK: dict[str, Callable[[list[Any]], Any]] = {
    "retry": operations.retry,
    "skip": operations.skip,
    "reprocess": operations.reprocess,
    "reprocess first": partial(operations.reprocess, extractor="first"),
    "process now": operations.process_now,
}


def _edit_insight(pk: Any, entry: Any, label: str) -> None:
    """Do as the admin does: lock the entry, read the insight anew, save it as made by hand."""
    with transaction.atomic():
        corrections.hold_entries([entry])
        insight = Insight.objects.filter(pk=pk).first()
        if insight is not None:
            insight.label, insight.is_manual_edit = label, True
            insight.save()


def _add_insight(_pk: Any, entry: Any, label: str) -> None:
    Insight.objects.create(entry_id=entry, kind="theme", label=label, is_manual_edit=True)


def _remove_insight(pk: Any, _entry: Any, _label: str) -> None:
    corrections.remove(Insight.objects.filter(pk=pk))


def _restore_insight(pk: Any, _entry: Any, _label: str) -> None:
    corrections.restore(Insight.objects.filter(pk=pk))


_CORRECT = {"edit": _edit_insight, "add": _add_insight, "remove": _remove_insight, "restore": _restore_insight}
