"""The exceptions of the package, under one root; callers choose by type, never by message text."""

from __future__ import annotations

import re

_CODE = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,63}")


class InsightsRecoveryError(Exception):
    """Something went wrong in insights_recovery."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class ConfigurationError(InsightsRecoveryError):
    """The INSIGHTS_RECOVERY setting is wrong; run `manage.py check` for the key and the remedy."""


class ExtractorError(InsightsRecoveryError):
    """An extractor could not do its work.

    The message is for a developer's debugger and is never stored, since it may quote the entry. What may be stored
    and shown is `code`: a short slug such as `refused` or `context-too-long`, with no part of the text in it.
    """

    def __init__(self, message: str | None = None, *, code: str = "") -> None:
        super().__init__(message)
        if code and not _CODE.fullmatch(code):
            raise ValueError("code must be a slug of at most 64 lower-case letters, digits, dots, dashes, underscores")
        self.code = code


class PermanentError(ExtractorError):
    """This text can never be extracted: do not try again."""


class PostponeError(ExtractorError):
    """The extractor's service is out: nobody's fault, no attempt is spent; look again after `retry_after` seconds."""

    def __init__(self, message: str | None = None, *, retry_after: float = 60.0, code: str = "") -> None:
        super().__init__(message, code=code)
        if not 0 <= retry_after < float("inf"):
            raise ValueError("retry_after must be a finite number of seconds, zero or more")
        self.retry_after = float(retry_after)


class InvalidResultError(ExtractorError):
    """The extractor returned something that is not an ExtractionResult."""


class CheckpointLostError(InsightsRecoveryError):
    """What an earlier extractor had stored is not there: the database lost commits that it had acknowledged."""


class BatchError(ExtractorError):
    """The call failed for several texts together; which one is to blame shows when each is done alone."""


class LeaseLostError(InsightsRecoveryError):
    """Another worker holds this entry now, or it was deleted: nothing may be written for it."""


class IllegalTransitionError(InsightsRecoveryError):
    """The entry's state does not admit this verb."""


class InfrastructureError(InsightsRecoveryError):
    """The database or the broker failed; the work is safe and is tried again."""


class UnexpectedError(InsightsRecoveryError):
    """A fault of the package or of the host's model; the message has the place, without any value."""
