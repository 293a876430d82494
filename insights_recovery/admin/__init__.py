"""Django's admin: what is known of each entry's processing, what a person may do about it, and the insights themselves.

A host mixes `RecoverableEntryAdminMixin` into the `ModelAdmin` of its entries; our own models register themselves.
"""

from insights_recovery.admin.entries import RecoverableEntryAdminMixin
from insights_recovery.admin.evidence import ExtractionAdmin, HeartbeatAdmin, ProcessingAttemptAdmin
from insights_recovery.admin.insights import InsightAdmin

__all__ = [
    "ExtractionAdmin",
    "HeartbeatAdmin",
    "InsightAdmin",
    "ProcessingAttemptAdmin",
    "RecoverableEntryAdminMixin",
]
