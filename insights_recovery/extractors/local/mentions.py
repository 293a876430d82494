"""What a sentence mentions: one place in the text where somebody or something is named."""

from __future__ import annotations

from dataclasses import dataclass

from insights_recovery.extractors.base import Kind
from insights_recovery.extractors.local.passages import Span, Word


@dataclass(frozen=True, kw_only=True, slots=True)
class Mention:
    """One mention of an entity."""

    kind: Kind
    """What it is."""
    label: str
    """What it is called."""
    span: Span
    """Where it stands."""
    confidence: float
    """How strong the cues were, from 0 to 1."""

    @property
    def key(self) -> tuple[Kind, str]:
        """What makes two mentions the same entity: "Mom" and "my mom" are one."""
        bare = self.label.casefold().replace("’", "'")
        return self.kind, bare.partition(" ")[2] if bare.startswith(("my ", "our ")) else bare


def span_of(words: list[Word], start: int, end: int) -> Span:
    """Return the stretch of text from the word at `start` to the one before `end`."""
    return Span(words[start].start, words[end - 1].end)
