"""The extractors of a chaos run: they cost nothing, take a moment, and find what can be recomputed from the text."""

from __future__ import annotations

import os
import random
import time

from insights_recovery.chaos import journal, orders
from insights_recovery.chaos.switches import EXTRACTOR_OUT, Switch
from insights_recovery.extractors import ExtractedInsight, ExtractionResult, Extractor, PostponeError
from insights_recovery.lifecycle import digest_of

FINDINGS = 3
"""Insights that each finds, so that a set of which a part is missing can be told."""
PROBE_AFTER = 0.5
"""Seconds after which the service is to be tried again that is out."""


class FirstChaosExtractor(Extractor):
    """Waits, then returns what `labels` says; the service is out while the switch is on."""

    name = "chaos-first"

    def extract(self, text: str) -> ExtractionResult:
        """Return insights whose labels tell of which text they are."""
        told = orders.given()
        digest = digest_of(text)
        journal.note(told.path, journal.CALLS, "start", os.getpid(), self.name, digest)
        try:
            # Some take long and many are quick, as it is with a service.
            time.sleep(random.expovariate(2 / told.seconds))
            if Switch(told.path, EXTRACTOR_OUT).is_on:
                raise PostponeError(retry_after=PROBE_AFTER, code="ordered-by-chaos")
        finally:
            journal.note(told.path, journal.CALLS, "end", os.getpid(), self.name, digest)
        found = [ExtractedInsight(kind="keyphrase", label=label) for label in labels(self.name, digest)]
        return ExtractionResult(insights=found, sentiment=0.0)


class SecondChaosExtractor(FirstChaosExtractor):
    """Runs after the first, whose stored result is a checkpoint by then."""

    name = "chaos-second"


NAMES = (FirstChaosExtractor.name, SecondChaosExtractor.name)


def labels(extractor: str, digest: str) -> list[str]:
    """Return the labels that an extractor finds in the text with this digest."""
    return [f"{extractor} {number} {digest}" for number in range(FINDINGS)]
