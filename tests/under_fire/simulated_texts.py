"""Texts that say what happens to whoever reads them, and extractors that obey.

A text is a phrase that must never leave the database, the number of its entry and of its revision, and at most one
mark, `name` or `name=count`, for one extractor only as `extractor:name`:

    fail, fail=N            raise RuntimeError, always or in the first N calls; its message quotes the text
    permanent               raise PermanentError; its message quotes the text
    postpone=N              raise PostponeError in the first N calls
    kill, kill=N            the process dies in the call, always (a poison entry) or in the first N calls
    explode=N               the whole call fails in the first N calls, whoever else is in it
    dull                    find nothing
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from insights_recovery.extractors import ExtractedInsight, ExtractionResult, Extractor, PermanentError, PostponeError
from insights_recovery.lifecycle import digest_of
from tests.under_fire.simulated_actors import die

CANARY = "zitronenfalter"
"""The word of which no message, log line or error may ever speak."""
MARKS = (
    "",
    "fail",
    "fail=1",
    "fail=2",
    "second:fail=1",
    "permanent",
    "postpone=1",
    "second:postpone=1",
    "kill",
    "kill=1",
    "second:kill=1",
    "together:kill=1",
    "explode=1",
    "dull",
)
_FORM = re.compile(
    r"\w+ (?P<entry>\d+)\.(?P<revision>\d+)(?: (?:(?P<extractor>\w+):)?(?P<name>\w+)(?:=(?P<count>\d+))?)?"
)
BLANK = "  "
"""A text in which there is nothing to extract."""
FINDINGS = 3


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a text says."""

    entry: int
    """The number of its entry, which no other entry shares."""
    extractor: str | None
    """The extractor for which its mark is meant; None for any."""
    name: str | None
    """Its mark."""
    count: int | None
    """In how many calls the mark holds; None for all."""


def write(entry: int, revision: int, mark: str = "") -> str:
    """Return the text of an entry's revision."""
    return f"{CANARY} {entry}.{revision} {mark}".strip()


@lru_cache(maxsize=10_000)
def read(text: str) -> Meaning | None:
    """Return what a text says; None for a blank one."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    count = int(form["count"]) if form["count"] else None
    return Meaning(entry=int(form["entry"]), extractor=form["extractor"], name=form["name"], count=count)


def mark_for(text: str, extractor: str, calls_before: int) -> str:
    """Return the mark that holds for this extractor in this call; empty where none does."""
    meaning = read(text)
    if meaning is None or meaning.name is None or meaning.extractor not in {None, extractor}:
        return ""
    return meaning.name if meaning.count is None or calls_before < meaning.count else ""


@lru_cache(maxsize=10_000)
def labels(text: str, extractor: str) -> tuple[str, ...]:
    """Return the labels of what an extractor finds in a text: some of its own, and one that every text has."""
    meaning = read(text)
    if meaning is not None and meaning.name == "dull":
        return ()
    own = (f"{extractor} {number} {digest_of(text)[:12]}" for number in range(FINDINGS - 1))
    return (f"{extractor} lake", *own)


def result(text: str, extractor: str) -> ExtractionResult:
    """Return what an extractor finds in a text."""
    found = [ExtractedInsight(kind="theme", label=label, snippet=CANARY) for label in labels(text, extractor)]
    return ExtractionResult(insights=found, summary=text, title=text, language="en")


def outcome(text: str, extractor: str, calls_before: int) -> ExtractionResult | Exception:
    """Return what comes of reading `text`; a text that kills does so right here."""
    mark = mark_for(text, extractor, calls_before)
    if mark == "kill":
        die()
    if mark in _ERRORS:
        return _ERRORS[mark](text)
    return result(text, extractor)


_ERRORS: dict[str, Callable[[str], Exception]] = {
    "fail": lambda text: RuntimeError(f"cannot read {text!r}"),
    "permanent": lambda text: PermanentError(f"will never read {text!r}", code="refused"),
    "postpone": lambda text: PostponeError(f"not now: {text!r}", retry_after=90),
    "explode": lambda text: RuntimeError(f"cannot read any of {text!r}"),
}

Reading = Callable[[str, Sequence[str]], list[ExtractionResult | Exception]]


class Readers:
    """Where the extractors find who is to hear of their calls: they are made once per process, simulations often."""

    read: Reading


class FirstExtractor(Extractor):
    """Takes one text at a time."""

    name = "first"

    def extract(self, text: str) -> ExtractionResult:
        return _one(Readers.read(self.name, [text]))


class SecondExtractor(FirstExtractor):
    """Takes one text at a time, after another one."""

    name = "second"


class TogetherExtractor(Extractor):
    """Takes all texts at once; an exception stands for its text alone."""

    name = "together"

    def extract_batch(self, texts: Sequence[str]) -> Sequence[ExtractionResult | Exception]:
        return Readers.read(self.name, texts)


def _one(outcomes: Sequence[ExtractionResult | Exception]) -> ExtractionResult:
    for found in outcomes:
        if isinstance(found, Exception):
            raise found
    return outcomes[0]  # type: ignore[return-value]
