"""The form in which a person adds or corrects an insight."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from insights_recovery import hosts, texts
from insights_recovery.admin.bases import InsightModelForm
from insights_recovery.extractors.base import MAX_SNIPPET
from insights_recovery.models import Insight

POSITIONS = ("start", "end")


class InsightForm(InsightModelForm):
    """An insight whose snippet, where it has a place in the text, is what stands there.

    Places that a person typed must be right. Those left alone, or left empty, are found again by the snippet, since
    the text may have been edited since; where the snippet does not occur, they are dropped. Who may not read the
    entry has to type the snippet: else a place would be enough to be shown the words that stand there.
    """

    may_read_text: bool = False
    """Whether the person at the form may read the host's entries."""

    class Meta:
        model = Insight
        fields = ("kind", "label", "snippet", "start", "end", "sentiment", "confidence")

    def clean(self) -> dict[str, Any]:
        """Check the place of the snippet against the text."""
        super().clean()
        cleaned: dict[str, Any] = self.cleaned_data
        entry_pk = self._entry_pk(cleaned)
        if entry_pk is None or self.errors:
            return cleaned
        text = self._text(entry_pk)
        if text is not None:
            self._place(cleaned, text)
        return cleaned

    def _entry_pk(self, cleaned: dict[str, Any]) -> Any:
        entry = cleaned.get("entry")
        return entry.pk if entry is not None else self.instance.entry_id

    def _text(self, entry_pk: Any) -> str | None:
        entry = hosts.entries().filter(pk=entry_pk).first()
        if entry is None:
            self.add_error(None, _("The entry does not exist any more."))
            return None
        reading = texts.read(entry)
        if reading.error:
            self.add_error(None, _("The text of the entry cannot be read just now, so the snippet cannot be placed."))
            return None
        return reading.text

    def _place(self, cleaned: dict[str, Any], text: str) -> None:
        start, end = cleaned.get("start"), cleaned.get("end")
        typed = set(POSITIONS) & set(self.changed_data) and (start, end) != (None, None)
        if not typed:
            cleaned["start"], cleaned["end"] = _found(cleaned["snippet"], text, start, end)
        elif start is None or end is None:
            self.add_error("end" if end is None else "start", _("Give both start and end, or neither."))
        elif not start < end <= len(text):
            self._out_of_bounds(start, end, len(text))
        elif not cleaned["snippet"] and not self.may_read_text:
            self.add_error("snippet", _("Type what stands there: you may not read the entries themselves."))
        elif cleaned["snippet"] and not _same(cleaned["snippet"], text[start:end]):
            self.add_error("snippet", _("This is not what stands there. Correct it, or leave start and end empty."))
        else:
            cleaned["snippet"] = text[start:end][:MAX_SNIPPET]

    def _out_of_bounds(self, start: int, end: int, length: int) -> None:
        if start >= end:
            self.add_error("end", _("The end must lie behind the start."))
        else:
            self.add_error("end", _("The text ends at %(length)d.") % {"length": length})


def _found(snippet: str, text: str, start: int | None, end: int | None) -> tuple[int, int] | tuple[None, None]:
    """Return where the snippet stands: where it stood if it still does, else its first place, else none."""
    if not snippet:
        return None, None
    if start is not None and end is not None and snippet == text[start:end]:
        return start, end
    for wording in (snippet, _plain(snippet)):
        if (place := text.find(wording)) >= 0:
            return place, place + len(wording)
    return None, None


def _same(typed: str, stands: str) -> bool:
    """Compare without the blanks at the ends, which forms strip, and the line endings, which browsers rewrite."""
    return _plain(typed).strip() == _plain(stands[:MAX_SNIPPET]).strip()


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")
