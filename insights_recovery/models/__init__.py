"""The models: the mixin for the host's entries, and what belongs to an entry."""

from insights_recovery.models.belongings import Extraction, Heartbeat, Insight, Outcome, ProcessingAttempt
from insights_recovery.models.entries import RecoverableEntry, RecoverableQuerySet

__all__ = [
    "Extraction",
    "Heartbeat",
    "Insight",
    "Outcome",
    "ProcessingAttempt",
    "RecoverableEntry",
    "RecoverableQuerySet",
]
