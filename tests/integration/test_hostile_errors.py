"""Whatever an extractor raises ends an attempt or, where it is meant to, the process; and none of it is repeated."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import Ignore, Reject, Retry
from django.db import InterfaceError, OperationalError

from insights_recovery import clock, recovery
from insights_recovery.exceptions import BatchError, InvalidResultError, LeaseLostError, PermanentError
from insights_recovery.lifecycle import State
from insights_recovery.models import ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import again, create, fresh, outcomes, process, put, row

pytestmark = pytest.mark.django_db

Scripted = Callable[..., list[Any]]
Configure = Callable[..., None]
TEXT = "Walked to the lake."


class MuteError(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError(TEXT)

    __repr__ = __str__


class OwnRefusalError(PermanentError):
    """Goes without the constructor of its base."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


class OwnCodeError(PermanentError):
    """Has its code computed, which fails."""

    @property
    def code(self) -> str:  # type: ignore[override]
        raise RuntimeError(TEXT)

    @code.setter
    def code(self, _: str) -> None:
        """Let the constructor pass."""


class UnpicklableError(Exception):
    """Carries what no process can send to another, and the text."""

    def __init__(self) -> None:
        super().__init__(threading.Lock(), lambda: TEXT, TEXT)


def _raise(error: BaseException) -> Callable[[Any], Any]:
    def action(_: Any) -> Any:
        raise error

    return action


def _telling() -> PermanentError:
    error = PermanentError(TEXT)
    error.code = TEXT
    return error


def _numbered() -> OSError:
    error = OSError(2, TEXT)
    error.errno = 10**5000
    return error


def _recursive(_: Any) -> Any:
    return _recursive(_)


RAISING: dict[str, Callable[[Any], Any]] = {
    "what quotes the text": _raise(ValueError(TEXT)),
    "what cannot be printed": _raise(MuteError()),
    "what cannot be pickled": _raise(UnpicklableError()),
    "a group": _raise(ExceptionGroup(TEXT, [ValueError(TEXT), MuteError()])),
    "recursion without end": _recursive,
    "no memory": _raise(MemoryError(TEXT)),
    "the soft time limit, by itself": _raise(SoftTimeLimitExceeded(TEXT)),
    "the end of an iteration": _raise(StopIteration(TEXT)),
    "a key": lambda text: {}[text],
    "a system error with an enormous number": _raise(_numbered()),
    "an error of its database": _raise(OperationalError(TEXT)),
    "an error of its connection": _raise(InterfaceError(TEXT)),
    "a lost lease": _raise(LeaseLostError(TEXT)),
    "a fault of a batch": _raise(BatchError(TEXT)),
    "an invalid result": _raise(InvalidResultError(TEXT)),
    "a retry of Celery's": _raise(Retry(TEXT)),
    "a rejection of Celery's": _raise(Reject(TEXT, requeue=True)),
    "an ignored task of Celery's": _raise(Ignore(TEXT)),
    "a cancellation": _raise(asyncio.CancelledError(TEXT)),
    "the end of a generator": _raise(GeneratorExit(TEXT)),
    "a group of what ends a process": _raise(BaseExceptionGroup(TEXT, [SystemExit(TEXT)])),
}
FOR_GOOD: dict[str, Callable[[Any], Any]] = {
    "a refusal that goes without its base": _raise(OwnRefusalError(TEXT)),
    "a refusal whose code fails": _raise(OwnCodeError(TEXT)),
    "a refusal whose code is the text": _raise(_telling()),
}


@pytest.mark.parametrize("action", RAISING.values(), ids=RAISING)
def test_whatever_is_raised_is_a_failed_attempt_that_quotes_nothing(
    scripted: Scripted, action: Callable[[Any], Any]
) -> None:
    scripted(action)
    entry = create(TEXT)
    assert process(entry, interruptions=(SoftTimeLimitExceeded,)) == {"failed": 1}
    assert [State.PENDING, 1] == [fresh(entry).processing_state, fresh(entry).processing_attempts]
    assert TEXT not in f"{_without_its_text(entry)} {ProcessingAttempt.objects.values().get()}"


@pytest.mark.parametrize("action", (RAISING | FOR_GOOD).values(), ids=RAISING | FOR_GOOD)
def test_whatever_is_raised_ends_as_a_dead_letter(
    scripted: Scripted, configure: Configure, action: Callable[[Any], Any]
) -> None:
    scripted(action)
    configure(MAX_ATTEMPTS=2)
    entry = create(TEXT)
    for _ in range(2):
        process(entry)
        again(entry)
    assert State.FAILED == fresh(entry).processing_state
    assert TEXT not in f"{_without_its_text(entry)} {list(ProcessingAttempt.objects.values())}"


def _without_its_text(entry: Entry) -> str:
    return str({name: value for name, value in row(entry).items() if name != "content"})


# What is meant to end a process


class OwnExit(SystemExit):
    """A subclass, as Celery has them."""


DEADLY: dict[str, tuple[BaseException, type[BaseException], Any]] = {
    "exit": (SystemExit(3), SystemExit, 3),
    "exit in words": (SystemExit(TEXT), SystemExit, 1),
    "exit of another kind": (OwnExit(0), OwnExit, 0),
    "interrupt": (KeyboardInterrupt(), KeyboardInterrupt, None),
    "interrupt in words": (KeyboardInterrupt(TEXT), KeyboardInterrupt, None),
}


@pytest.mark.parametrize(("error", "kind", "code"), DEADLY.values(), ids=DEADLY)
def test_what_ends_a_process_ends_it_without_a_word_and_counts_as_a_crash(
    scripted: Scripted, configure: Configure, error: BaseException, kind: type[BaseException], code: Any
) -> None:
    scripted(_raise(error))
    configure(MAX_CRASHES=2)
    entry = create(TEXT)
    for _ in range(2):
        with pytest.raises(kind) as ended:
            process(entry)
        assert kind is ended.type
        assert code == getattr(ended.value, "code", None)
        assert TEXT not in "".join(traceback.format_exception(ended.value))
        assert [State.PROCESSING, 0] == [fresh(entry).processing_state, fresh(entry).processing_attempts]
        put(entry, due_at=clock.later(-1))
        assert 1 == recovery.rescue_expired(10)
        again(entry)
    assert [State.FAILED, "crashes"] == [fresh(entry).processing_state, fresh(entry).processing_reason]
    assert ["lost", "lost"] == outcomes(entry)


def test_a_process_that_is_told_to_end_while_an_extractor_handles_an_error_ends_without_a_word(
    scripted: Scripted,
) -> None:
    def handle(_: str) -> None:
        try:
            int(TEXT)
        except ValueError:
            sys.exit(0)

    scripted(handle)
    with pytest.raises(SystemExit) as ended:
        process(create(TEXT))
    assert TEXT not in "".join(traceback.format_exception(ended.value))
