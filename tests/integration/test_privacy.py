"""A phrase of the journal is looked for wherever it must not be, after everything that can go wrong."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, OperationalError, connection

from insights_recovery import recovery, tasks
from insights_recovery.exceptions import InfrastructureError, UnexpectedError
from insights_recovery.models import Extraction, Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import claimed, create, fresh, process, put

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "canary-Zq7-she told me everything"
HOLDS_THE_TEXT = {("notes_entry", "content"), ("notes_entry", "title")}
DERIVED = {Insight._meta.db_table, Extraction._meta.db_table}

ENDS = {
    "completed": "",
    "failed": "@@fail",
    "buried": "@@permanent",
    "postponed": "@@postpone",
}


class Watch:
    """Collects what leaves the host's database."""

    def __init__(self, caplog: pytest.LogCaptureFixture, sent: Callable[[], list[dict[str, Any]]]) -> None:
        self._caplog, self._sent = caplog, sent

    def found(self) -> list[str]:
        """Return where the phrase was seen."""
        return [*self._in_tables(), *self._in_logs(), *self._in_messages()]

    def _in_tables(self) -> Iterator[str]:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            for field in () if table in DERIVED else model._meta.local_concrete_fields:
                values = model._base_manager.values_list(field.attname, flat=True)
                if (table, field.column) not in HOLDS_THE_TEXT and any("canary" in str(value) for value in values):
                    yield f"{table}.{field.column}"

    def _in_logs(self) -> Iterator[str]:
        for record in self._caplog.records:
            trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
            if "canary" in f"{record.getMessage()}{record.__dict__}{trace}":
                yield f"log: {record.name}"

    def _in_messages(self) -> Iterator[str]:
        import base64

        for message in self._sent():
            raw = message["raw"]
            if "canary" in raw or base64.b64encode(b"canary").decode()[:7] in raw or "canary" in str(message["args"]):
                yield f"message to {message['queue']}"


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture, sent: Callable[[], list[dict[str, Any]]]) -> Watch:
    for name in ("", "insights_recovery", "celery", "django.db.backends"):
        caplog.set_level(logging.INFO if name == "django.db.backends" else logging.DEBUG, logger=name)
    return Watch(caplog, sent)


@pytest.mark.parametrize("marker", ENDS.values(), ids=ENDS)
def test_no_end_of_an_attempt_lets_the_text_out(watch: Watch, marker: str) -> None:
    result = tasks.extract_insights_task.apply(([create(f"{CANARY} {marker}").pk],))
    assert [] == watch.found()
    assert "canary" not in str(result.result)


@pytest.mark.parametrize("marker", ENDS.values(), ids=ENDS)
def test_no_end_in_a_batch_lets_the_text_out(watch: Watch, marker: str) -> None:
    process(create(f"{CANARY} {marker}"), create(CANARY))
    assert [] == watch.found()


def test_a_lost_worker_lets_nothing_out(watch: Watch) -> None:
    entry = create(CANARY)
    claimed(entry)
    put(entry, due_at=entry.processing_waiting_since)
    recovery.sweep()
    assert [] == watch.found()


def test_a_broker_that_is_out_lets_nothing_out(watch: Watch, dead_broker: str) -> None:
    create(CANARY)
    assert [] == watch.found()


def test_an_extractor_that_cannot_be_made_lets_nothing_out(watch: Watch, configure: Callable[..., None]) -> None:
    configure(EXTRACTORS=["nowhere.Extractor"])
    process(create(CANARY))
    assert [] == watch.found()


@pytest.mark.parametrize("error", [IntegrityError, DatabaseError, ValueError, KeyError])
def test_an_error_that_quotes_the_text_is_kept_without_its_words(
    watch: Watch, scripted: Callable[..., Any], error: type[Exception]
) -> None:
    def extract(text: str) -> Any:
        try:
            {}[text]
        except KeyError:
            raise error(f'DETAIL: row contains "{text}"') from None

    scripted(extract)
    entry = create(CANARY)
    process(entry)
    assert error.__name__ in fresh(entry).processing_error
    assert [] == watch.found()


def _refusing(error: type[Exception]) -> Any:
    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "insights_recovery_insight" in sql and sql.startswith("INSERT"):
            raise error(f"value too long: {params}")
        return execute(sql, params, many, context)

    return connection.execute_wrapper(refuse)


def test_a_database_that_refuses_what_was_found_counts_as_a_failure(watch: Watch) -> None:
    entry = create(CANARY)
    with _refusing(IntegrityError):
        assert process(entry) == {"failed": 1}
    assert [] == watch.found()


def _raised(action: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is, its words are looked at
        action()
    return caught.value


def _words(error: BaseException) -> str:
    seen, words = error, ""
    while seen is not None:
        words += f"{seen!s} {seen!r} {seen.args}"
        seen = seen.__cause__ or seen.__context__  # type: ignore[assignment]
    return words


def test_a_database_that_is_gone_is_an_infrastructure_error_without_words(configure: Callable[..., None]) -> None:
    configure(TIME_LIMIT=0.2, SOFT_TIME_LIMIT=0.1)
    entry = create(CANARY)
    with _refusing(OperationalError):
        error = _raised(lambda: tasks.extract_insights_task([entry.pk]))
    assert isinstance(error, InfrastructureError)
    assert "canary" not in _words(error)


def test_a_fault_of_the_package_is_raised_without_words() -> None:
    entry = create(CANARY)

    def break_down(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "insights_recovery_extraction" in sql:
            raise RuntimeError(f"{CANARY} {params}")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(break_down):
        error = _raised(lambda: tasks.extract_insights_task([entry.pk]))
    assert isinstance(error, UnexpectedError)
    assert error.__context__ is None
    assert "canary" not in _words(error)


def test_the_traceback_of_a_fault_names_places_only() -> None:
    entry = create("@@fail quoting " + CANARY)
    process(entry)
    attempt = entry.attempts.get()
    assert "extractors.py" in attempt.traceback
    assert "cannot extract" not in attempt.traceback + attempt.error


def test_an_entry_shows_its_key_and_not_its_text() -> None:
    entry = create(CANARY)
    process(entry)
    shown = [entry, Entry.objects.all(), *Insight.objects.all(), *Extraction.objects.all(), *entry.attempts.all()]
    assert "canary" not in f"{shown} {[str(item) for item in shown]}"
