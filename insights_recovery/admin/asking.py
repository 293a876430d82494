"""What an action says to the person who asks for it: what it does, what it did, and what it left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from insights_recovery.admin.wording import Words
from insights_recovery.models import Outcome

Message = tuple[int, str]
"""A level of Django's messages and the text."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One thing that may be asked of entries, in words."""

    action: str
    """The action by which a person asks."""
    verb: str
    """The transition of `lifecycle` that says which entries it can move."""
    moved: Any
    """What was done, for a count."""
    left: Any
    """What was not done, and why, for a count."""
    note: Words
    """What the admin's history of an entry says of it."""
    title: Words = ""
    """Heading of the page that asks for confirmation, where there is one."""
    question: Any = ""
    """The question, for a count."""
    consequences: tuple[Words, ...] = ()
    """What a person should know before saying yes."""


_LEFT = ngettext_lazy(
    "%(count)d entry is left as it is: it is done, skipped or in work.",
    "%(count)d entries are left as they are: they are done, skipped or in work.",
    "count",
)

RETRY = Ask(
    action="retry_entries",
    verb="requeue",
    note=_("Asked to try it again."),
    moved=ngettext_lazy("%(count)d entry is tried again.", "%(count)d entries are tried again.", "count"),
    left=_LEFT,
)
REPROCESS = Ask(
    action="reprocess_entries",
    verb="reprocess",
    note=_("Asked to do it over."),
    moved=ngettext_lazy("%(count)d entry is done over.", "%(count)d entries are done over.", "count"),
    left=ngettext_lazy(
        "%(count)d entry is left as it is: it is waiting or in work already.",
        "%(count)d entries are left as they are: they are waiting or in work already.",
        "count",
    ),
    title=_("Do entries over?"),
    question=ngettext_lazy("Have %(count)d entry read once more?", "Have %(count)d entries read once more?", "count"),
    consequences=(
        _("Every extractor is called again for each of them, and paid for where it costs money."),
        _("What is stored now stays until it is replaced. What a person corrected by hand stays for good."),
    ),
)
SKIP = Ask(
    action="skip_entries",
    verb="dismiss",
    note=_("Asked to skip it."),
    moved=ngettext_lazy("%(count)d entry was skipped.", "%(count)d entries were skipped.", "count"),
    left=_LEFT,
    title=_("Skip entries?"),
    question=ngettext_lazy("Leave %(count)d entry unread?", "Leave %(count)d entries unread?", "count"),
    consequences=(
        _("No insights are extracted from their present text, and what was counted of failed attempts is forgotten."),
        _("An entry is read after all when its text is edited, or when somebody has it done over."),
    ),
)
PROCESS_NOW = Ask(
    action="process_entries_now",
    verb="requeue",
    note=_("Asked to process it now."),
    moved=ngettext_lazy(
        "Only so many are processed while you wait: %(count)d further entry was left to the workers.",
        "Only so many are processed while you wait: %(count)d further entries were left to the workers.",
        "count",
    ),
    left=_LEFT,
)

ASKS = (RETRY, PROCESS_NOW, REPROCESS, SKIP)
"""All of them, in the order in which they are offered."""

_OUTCOMES: dict[Outcome, tuple[int, Any]] = {
    Outcome.COMPLETED: (
        messages.SUCCESS,
        ngettext_lazy("%(count)d entry is done.", "%(count)d entries are done.", "count"),
    ),
    Outcome.SKIPPED: (
        messages.SUCCESS,
        ngettext_lazy(
            "%(count)d entry was skipped: there was nothing to extract.",
            "%(count)d entries were skipped: there was nothing to extract.",
            "count",
        ),
    ),
    Outcome.FAILED: (
        messages.ERROR,
        ngettext_lazy(
            "%(count)d entry failed; its page says how.", "%(count)d entries failed; their pages say how.", "count"
        ),
    ),
    Outcome.POSTPONED: (
        messages.WARNING,
        ngettext_lazy(
            "%(count)d entry was postponed: the extraction service is out, or not set up.",
            "%(count)d entries were postponed: the extraction service is out, or not set up.",
            "count",
        ),
    ),
}


def report(asked: Ask, *, moved: int, left: int) -> Iterator[Message]:
    """Yield what to say of an action that moved, and left, so many entries."""
    if moved:
        yield messages.SUCCESS, asked.moved % {"count": moved}
    if left:
        yield messages.WARNING, asked.left % {"count": left}


def report_outcomes(tally: Counter[Outcome]) -> Iterator[Message]:
    """Yield what to say of entries that were processed right here."""
    for outcome, (level, words) in _OUTCOMES.items():
        if count := tally[outcome]:
            yield level, words % {"count": count}
    if others := sum(count for outcome, count in tally.items() if outcome not in _OUTCOMES):
        words = ngettext(
            "%(count)d entry changed meanwhile and waits again.",
            "%(count)d entries changed meanwhile and wait again.",
            others,
        )
        yield messages.WARNING, words % {"count": others}
