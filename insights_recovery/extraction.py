"""Calling an extractor for the texts of a batch: together where it can, one by one where it cannot."""

from __future__ import annotations

import inspect
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from django.db import Error, connections

from insights_recovery import hosts
from insights_recovery.exceptions import BatchError, ExtractorError, InvalidResultError, PostponeError
from insights_recovery.extractors.base import ExtractionResult, Extractor, normalised
from insights_recovery.scrubbing import wordless

OUTAGE = 60.0
"""Seconds of an outage whose length an extractor does not say in a number."""
LONGEST_OUTAGE = 86_400.0
"""Seconds after which an outage is probed, however much longer the service says that it lasts."""

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
    time limit makes itself felt, and what is meant to end the process, go through.
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
        self._ends: tuple[type[BaseException], ...] = (SystemExit, KeyboardInterrupt, *interruptions)

    def __iter__(self) -> Iterator[tuple[Outcomes, float]]:
        """Yield the outcomes of each call and its seconds per text; first come those that need no call."""
        if self._done:
            yield dict.fromkeys(self._done), 0.0
        todo = [pk for pk in self._texts if pk not in self._done]
        together = type(self._extractor).extract_batch is not Extractor.extract_batch
        using = hosts.database()
        for pks in [todo] if together and todo else [[pk] for pk in todo]:
            self.in_hand = pks
            self._stopwatch.start()
            with _connection_put_aside(using):
                outcomes = self._call([self._texts[pk] for pk in pks])
            yield dict(zip(pks, outcomes, strict=True)), self._stopwatch.stop() / len(pks)

    def _call(self, batch: Sequence[str]) -> Sequence[ExtractionResult | Exception]:
        try:
            return self._answers(batch)
        except self._interruptions:
            raise
        except (SystemExit, KeyboardInterrupt) as end:
            raise wordless(end) from None
        except BaseException as error:  # noqa: BLE001 - the worker's boundary: a host's extractor may raise anything
            return [_shared(error, batch)] * len(batch)

    def _answers(self, batch: Sequence[str]) -> Sequence[ExtractionResult | Exception]:
        # A list of its own, to do with as it likes, and no more answers than there are questions: there may be no end.
        outcomes = list(islice(self._extractor.extract_batch(list(batch)), len(batch) + 1))
        if len(outcomes) != len(batch):
            raise InvalidResultError(code="wrong-number-of-results")
        return [self._checked(outcome, text) for outcome, text in zip(outcomes, batch, strict=True)]

    def _checked(self, outcome: object, text: str) -> ExtractionResult | Exception:
        if isinstance(outcome, Exception):
            return _own(outcome)
        try:
            return normalised(outcome, text)
        except self._ends:
            raise
        except BaseException as error:  # noqa: BLE001 - the worker's boundary: a lazy result raises only when it is read
            return _own(error)


def _shared(error: BaseException, batch: Sequence[str]) -> Exception:
    """Return what a fault of a call for `batch` means for each text: its own, an outage, or nobody's as yet."""
    return _own(error) if len(batch) == 1 or isinstance(error, PostponeError) else BatchError()


def _own(error: BaseException) -> Exception:
    """Return `error` as that of one text, with nothing in it that only we may say, or that no database can write.

    A `BatchError` gives the entry back for another try that costs it nothing; an extractor that had it would be called
    again without end. An outage must end some day. And what is no `Exception`, a coroutine's cancellation that got
    loose for instance, is no more than a failure of whoever raised it.
    """
    if isinstance(error, PostponeError):
        return _bounded(error)
    if isinstance(error, Exception) and not isinstance(error, BatchError):
        return error
    code = "batch-error" if isinstance(error, BatchError) else "base-exception"
    return ExtractorError(code=code).with_traceback(error.__traceback__)


def _bounded(outage: PostponeError) -> PostponeError:
    stated: object = inspect.getattr_static(outage, "retry_after", None)
    if isinstance(stated, int | float) and 0 <= stated <= LONGEST_OUTAGE:
        return outage
    return PostponeError(retry_after=_seconds_of(outage)).with_traceback(outage.__traceback__)


def _seconds_of(outage: PostponeError) -> float:
    try:
        seconds = float(outage.retry_after)
    except Exception:  # noqa: BLE001 - the worker's boundary: a host's subclass may have it computed, or not have it
        return OUTAGE
    return min(seconds, LONGEST_OUTAGE) if seconds >= 0 else OUTAGE


@contextmanager
def _connection_put_aside(using: str) -> Iterator[None]:
    """Keep this thread's connection out of the body's reach: an extractor that reads the database gets one of its own.

    Whatever it does with that, closes it in the middle, aborts, leaves a transaction open or switches autocommit off,
    ends with it; on ours the settle would follow, and its commit come to nothing. Inside a transaction of the caller's
    they share, since the extractor could not see what is not committed.
    """
    ours = connections[using]
    if ours.in_atomic_block:
        yield
        return
    del connections[using]
    try:
        yield
    finally:
        theirs = [one for one in connections.all(initialized_only=True) if one.alias == using]
        connections[using] = ours
        for connection in theirs:
            with suppress(Error):
                connection.close()
