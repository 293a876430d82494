"""Whatever an extractor makes of many texts at once, each text gets its own answer or another chance alone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery.exceptions import BatchError
from insights_recovery.extractors import Extractor
from tests.integration.helpers import create, fresh, process
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db

Scripted = Callable[..., list[Any]]
Configure = Callable[..., None]
TEXT = "Walked to the lake."


MISCOUNTED: dict[str, Callable[[list[str]], Any]] = {
    "none": lambda _: None,
    "nothing": lambda _: [],
    "too few": lambda texts: [found() for _ in texts[1:]],
    "too many": lambda texts: [found() for _ in [*texts, "more"]],
    "without end": lambda _: (found() for _ in itertools.count()),
    "a number": lambda _: 7,
    "a result": lambda _: found(),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("action", MISCOUNTED.values(), ids=MISCOUNTED)
def test_answers_that_do_not_match_the_texts_convict_nobody_before_each_was_alone(
    scripted: Scripted, action: Callable[[list[str]], Any]
) -> None:
    scripted(lambda texts: action(texts) if TEXT in texts else [found() for _ in texts], together=True)
    bad, *good = create(TEXT), create("one"), create("two")
    assert process(bad, *good) == {"released": 3}
    assert {0} == {fresh(entry).processing_attempts for entry in (bad, *good)}
    assert process(bad) in ({"failed": 1}, {"completed": 1})
    assert [{"completed": 1}] * 2 == [process(entry) for entry in good]


class ConsumingExtractor(Extractor):
    """Takes the texts out of the list as it goes."""

    name = "consuming"

    def extract_batch(self, texts: Any) -> Any:
        return [found(texts.pop(0)) for _ in range(len(texts))]


class ClearingExtractor(Extractor):
    """Throws all texts but its own away."""

    name = "clearing"

    def extract_batch(self, texts: Any) -> Any:
        texts[:] = [TEXT] if TEXT in texts else []
        return [found(text) for text in texts]


HERE = "tests.integration.test_hostile_batches"


def test_an_extractor_may_do_with_the_list_of_texts_as_it_likes(configure: Configure) -> None:
    configure(EXTRACTORS=[f"{HERE}.ConsumingExtractor"])
    entries = [create("one"), create("two")]
    assert process(*entries) == {"completed": 2}
    assert ["one", "two"] == [fresh(entry).current_insights().get().label for entry in entries]


def test_an_extractor_that_loses_texts_is_found_out(configure: Configure) -> None:
    configure(EXTRACTORS=[f"{HERE}.ClearingExtractor"])
    mine, lost = create(TEXT), create("lost")
    assert process(mine, lost) == {"released": 2}
    assert [{"completed": 1}, {"failed": 1}] == [process(mine), process(lost)]


def test_answers_may_come_one_by_one(scripted: Scripted) -> None:
    scripted(lambda texts: (found(text) for text in texts), together=True)
    assert process(create("one"), create("two")) == {"completed": 2}


FOREIGN: dict[str, Any] = {
    "letters": "ab",
    "numbers": [1, 2],
    "classes": [ValueError, KeyboardInterrupt],
    "a dict": {"one": found(), "two": found()},
    "faults of a batch": [BatchError(), BatchError()],
}


@pytest.mark.parametrize("answers", FOREIGN.values(), ids=FOREIGN)
def test_answers_that_are_no_results_are_failed_attempts(scripted: Scripted, answers: Any) -> None:
    scripted(lambda _: answers, together=True)
    assert process(create("one"), create("two")) == {"failed": 2}


RETURNED = (SystemExit(3), KeyboardInterrupt(TEXT), GeneratorExit(TEXT), asyncio.CancelledError(TEXT))


@pytest.mark.parametrize("error", RETURNED, ids=lambda error: type(error).__name__)
def test_an_exception_that_is_returned_ends_nothing(scripted: Scripted, error: BaseException) -> None:
    scripted(lambda texts: [error if text == TEXT else found() for text in texts], together=True)
    bad, good = create(TEXT), create("good")
    assert process(bad, good) == {"failed": 1, "completed": 1}
