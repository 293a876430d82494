"""Entries to look around with: real answers of people who were asked about their day. See README.md for the source."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

SOURCE = Path(__file__).with_name("lemotif.jsonl")
DAYS = 180
"""Over how many days the samples are spread."""

LONGEST_TITLE = 60
_DAY_WORDS = re.compile(r"^(yesterday|today|last night|this morning)\b[,\s]*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One text, placed in time."""

    title: str
    """Its beginning, as a headline."""
    content: str
    """The text."""
    written_at: datetime
    """An evening of the past months."""


def samples(limit: int, *, now: datetime) -> list[Sample]:
    """Return the first `limit` samples, spread evenly over the days before `now`, the oldest first."""
    texts = list(_texts())[:limit]
    return [
        Sample(title=title_of(text), content=text, written_at=_evening(text, now, DAYS * (1 - at / len(texts))))
        for at, text in enumerate(texts)
    ]


def title_of(text: str) -> str:
    """Return the first sentence, without a "yesterday" at its head, cut at a word where it is long."""
    sentence = _SENTENCE_END.split(text.strip(), maxsplit=1)[0].rstrip(".!?")
    title = _DAY_WORDS.sub("", sentence) or sentence
    if len(title) > LONGEST_TITLE:
        title = title[:LONGEST_TITLE].rsplit(" ", 1)[0].rstrip(",;: ") + "…"
    return title[:1].upper() + title[1:]


def _texts() -> Iterator[str]:
    for line in SOURCE.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)["text"]


def _evening(text: str, now: datetime, days_ago: float) -> datetime:
    # The same text gets the same minute every time.
    minutes = random.Random(text).randrange(17 * 60, 22 * 60)
    midnight = (now - timedelta(days=max(days_ago, 1))).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(minutes=minutes)
