"""Extractors: the protocol to write one, and the exceptions by which it speaks."""

from insights_recovery.exceptions import PermanentError, PostponeError
from insights_recovery.extractors.base import ExtractedInsight, ExtractionResult, Extractor, Kind

__all__ = ["ExtractedInsight", "ExtractionResult", "Extractor", "Kind", "PermanentError", "PostponeError"]
