"""The embedded extractor: offline, numpy only, trained by the programme in `training/`."""

from insights_recovery.extractors.local.extractor import LocalExtractor

__all__ = ["LocalExtractor"]
