"""An extractor that ends the process which calls it, as a library may that takes itself for a program."""

from __future__ import annotations

import sys

from insights_recovery.extractors import ExtractionResult
from tests.hosts.extractors import MarkerExtractor


class QuittingExtractor(MarkerExtractor):
    """Obeys the markers, and quits at a text that begins with "quit"."""

    name = "quitting"

    def extract(self, text: str) -> ExtractionResult:
        if text.startswith("quit"):
            sys.exit(3)
        return super().extract(text)
