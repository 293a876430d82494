"""The verdict, by the rows alone: was any entry lost, done twice, or left with insights of another text?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from journal.models import JournalEntry

from insights_recovery.lifecycle import State, digest_of
from insights_recovery.models import Extraction, Insight, Outcome, ProcessingAttempt


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of the entries."""

    entries: int
    """All that were written."""
    completed: int
    """Done, with insights."""
    lost: int
    """Not ended, or gone."""
    doubled: int
    """With more than one result."""
    wrong: int
    """With a result of another text than theirs."""
    interrupted: int
    """In a worker's hands when it was killed."""
    seconds_to_recover: float
    """From the kill until the last of those was done."""
    insights: int
    """Findings stored for them."""

    @property
    def is_good(self) -> bool:
        """Whether the promise was kept, and put to the test."""
        return self.interrupted > 0 and self.completed == self.entries and not (self.lost or self.doubled or self.wrong)


def judge(pks: Sequence[Any], *, interrupted: int, seconds_to_recover: float) -> Verdict:
    """Return the verdict on these entries."""
    entries = JournalEntry.objects.filter(pk__in=pks)
    ended = entries.filter(processing_state__in=[State.COMPLETED, State.SKIPPED, State.FAILED])
    return Verdict(
        entries=len(pks),
        completed=entries.filter(processing_state=State.COMPLETED).count(),
        lost=len(pks) - ended.count(),
        doubled=_doubled(pks),
        wrong=_wrong(pks),
        interrupted=interrupted,
        seconds_to_recover=seconds_to_recover,
        insights=Insight.objects.filter(entry__in=pks).count(),
    )


def _doubled(pks: Sequence[Any]) -> int:
    completed = ProcessingAttempt.objects.filter(entry__in=pks, outcome=Outcome.COMPLETED)
    twice = completed.order_by().values("entry").annotate(times=Count("pk")).filter(times__gt=1)
    results = Extraction.objects.filter(entry__in=pks).order_by().values("entry", "extractor")
    return len({row["entry"] for row in (*twice, *results.annotate(times=Count("pk")).filter(times__gt=1))})


def _wrong(pks: Sequence[Any]) -> int:
    found = dict(Extraction.objects.filter(entry__in=pks).values_list("entry", "text_digest"))
    entries = JournalEntry.objects.filter(pk__in=pks, processing_state=State.COMPLETED)
    return sum(found.get(entry.pk) != digest_of(entry.get_insight_text()) for entry in entries)
