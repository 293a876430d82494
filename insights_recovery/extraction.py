"""Calling an extractor for the texts of a batch: together where it can, one by one where it cannot."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from insights_recovery.exceptions import BatchError, InvalidResultError, PostponeError
from insights_recovery.extractors.base import ExtractionResult, Extractor, normalised

Outcomes = dict[Any, ExtractionResult | Exception | None]
"""What an extractor has to say of each entry, by key: a result, an exception, or None for what is stored already."""


class Stopwatch:
    """How long a batch has been at it, and whether there is time for another entry.

    The task's time limit is meant for one entry. A batch therefore starts another only while it could take half as long
    again as the longest so far and still end in time.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._started = self._lap = time.monotonic()
        self._longest = 0.0

    def start(self) -> None:
        """Start a lap."""
        self._lap = time.monotonic()

    def stop(self) -> float:
        """End the lap and return its seconds."""
        seconds = time.monotonic() - self._lap
        self._longest = max(self._longest, seconds)
        return seconds

    def is_short(self) -> bool:
        """Say whether there is no time for another lap."""
        return time.monotonic() - self._started + 1.5 * self._longest >= self._limit


class Calls:
    """The calls of one extractor for the texts of a batch, made as they are asked for, so that each can be stored.

    What an extractor raises comes back as a value, since a host's may raise anything; only the exceptions by which a
    time limit makes itself felt go through.
    """

    def __init__(
        self,
        extractor: Extractor,
        texts: Mapping[Any, str],
        done: Collection[Any],
        stopwatch: Stopwatch,
        interruptions: tuple[type[Exception], ...],
    ) -> None:
        self.in_hand: Sequence[Any] = ()
        self._extractor = extractor
        self._texts = texts
        self._done = done
        self._stopwatch = stopwatch
        self._interruptions = interruptions

    def __iter__(self) -> Iterator[tuple[Outcomes, float]]:
        """Yield the outcomes of each call and its seconds per text; first come those that need no call."""
        if self._done:
            yield dict.fromkeys(self._done), 0.0
        todo = [pk for pk in self._texts if pk not in self._done]
        together = type(self._extractor).extract_batch is not Extractor.extract_batch
        for pks in [todo] if together and todo else [[pk] for pk in todo]:
            self.in_hand = pks
            self._stopwatch.start()
            outcomes = self._call([self._texts[pk] for pk in pks])
            yield dict(zip(pks, outcomes, strict=True)), self._stopwatch.stop() / len(pks)

    def _call(self, batch: Sequence[str]) -> Sequence[ExtractionResult | Exception]:
        try:
            outcomes = list(self._extractor.extract_batch(batch))
        except self._interruptions:
            raise
        except Exception as error:  # noqa: BLE001 - the worker's boundary: a host's extractor may raise anything
            return [_shared(error, batch)] * len(batch)
        if len(outcomes) != len(batch):
            return [_shared(InvalidResultError(code="wrong-number-of-results"), batch)] * len(batch)
        return [self._checked(outcome, text) for outcome, text in zip(outcomes, batch, strict=True)]

    def _checked(self, outcome: object, text: str) -> ExtractionResult | Exception:
        if isinstance(outcome, Exception):
            return outcome
        try:
            return normalised(outcome, text)
        except self._interruptions:
            raise
        except Exception as error:  # noqa: BLE001 - the worker's boundary: a lazy result raises only when it is read
            return error


def _shared(error: Exception, batch: Sequence[str]) -> Exception:
    """Return what a fault of a call for `batch` means for each text: its own, an outage, or nobody's as yet."""
    return error if len(batch) == 1 or isinstance(error, PostponeError) else BatchError()
