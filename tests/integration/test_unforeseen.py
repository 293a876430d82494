"""What no guard foresaw ends all the same: it is counted where it can only be the entry's own fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery import processing, tasks
from insights_recovery.exceptions import UnexpectedError
from insights_recovery.lifecycle import State
from tests.integration.helpers import again, create, fresh, runner
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db

TEXT = "Walked to the lake."


class Nameless(type):
    """A class of classes that will not say what they are called."""

    def __getattribute__(cls, name: str) -> Any:
        if name == "__qualname__":
            raise RuntimeError(TEXT)
        return super().__getattribute__(name)


class UnreportableError(Exception, metaclass=Nameless):
    """Cannot even be reported."""


def _extract(text: str) -> Any:
    if text == TEXT:
        raise UnreportableError
    return found()


def test_what_nobody_foresaw_ends_as_a_dead_letter(
    scripted: Callable[..., list[Any]], configure: Callable[..., None]
) -> None:
    scripted(_extract)
    configure(MAX_ATTEMPTS=2)
    entry = create(TEXT)
    for _ in range(2):
        result = tasks.extract_insights_task.apply(([entry.pk],))
        assert isinstance(result.result, UnexpectedError)
        assert TEXT not in str(result.result)
        again(entry)
    assert [State.FAILED, 2] == [fresh(entry).processing_state, fresh(entry).processing_attempts]


def test_what_nobody_foresaw_in_a_batch_convicts_nobody(scripted: Callable[..., list[Any]]) -> None:
    scripted(_extract)
    bad, good = create(TEXT), create("good")
    with pytest.raises(RuntimeError):
        processing.process([bad.pk, good.pk], runner())
    assert [State.PENDING] * 2 == [fresh(entry).processing_state for entry in (bad, good)]
    assert [0, 0] == [fresh(entry).processing_attempts for entry in (bad, good)]
    assert {"completed": 1} == processing.process([good.pk], runner())
