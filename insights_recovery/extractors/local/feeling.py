"""How a text feels: emotions, themes and overall sentiment from its windows, and the feeling attached to an entity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from insights_recovery.extractors.local.entities import Entity
from insights_recovery.extractors.local.model import Floats, Label, Model
from insights_recovery.extractors.local.passages import Span, clauses, covering
from insights_recovery.extractors.local.reading import Reading

_SHOWN = 3
_LEAST_OF_BEST = 0.35
_PROOFS_SOUGHT = 40
_CLAUSE_SHARE = 0.8
_FAINT = 0.12
_FOLLOWED_UP = re.compile(
    r"(?:he|she|they|it|that|this)(?:'s|’s|\s+(?:was|is|were|are|has|had|made|makes|felt|feels))\b"
    r"|(?:i|we)\s+(?:\w+\s+){1,2}(?:him|her|them|it)\b",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An emotion or a theme of a text."""

    label: str
    """Its name in the journal scheme."""
    confidence: float
    """How likely it is, from 0 to 1."""
    proof: Span
    """The sentence that speaks for it most."""
    feeling: float
    """The feeling of that sentence, from -1 to 1."""


@dataclass(frozen=True, kw_only=True)
class Mood:
    """What the models say about a whole text."""

    sentiment: float
    """Overall feeling, from -1 to 1."""
    emotions: Sequence[Finding]
    """At most three, likeliest first."""
    themes: Sequence[Finding]
    """At most three, likeliest first."""


def mood(model: Model, text: str, reading: Reading) -> Mood:
    """Return the mood of a text that has at least one window."""
    passages = [covering(window).of(text) for window in reading.windows]
    lengths = np.array([len(passage) for passage in passages], np.float32)
    scores = model.scores(passages)
    return Mood(
        sentiment=round(float(np.average(scores.feelings, weights=lengths)), 3),
        emotions=_findings(model, text, reading, _Columns(model.emotions, scores.emotions, "emotions"), lengths),
        themes=_findings(model, text, reading, _Columns(model.topics, scores.topics, "topics"), lengths),
    )


def attached(model: Model, text: str, reading: Reading) -> list[float]:
    """Return the feeling attached to each entity of the reading: the mean over its first mentions.

    A mention's feeling is mostly that of its clause, a little that of its sentence; where the clause says next to
    nothing and the next sentence goes on about it ("She was ..."), that sentence speaks for it, and else counts half.
    """
    wanted: dict[Span, int] = {}
    plans = [[_plan(text, reading, *place) for place in entity.places] for entity in reading.entities]
    for span in (span for plan in plans for spans in plan for span in spans):
        wanted.setdefault(span, len(wanted))
    values = model.scores([span.of(text) for span in wanted]).feelings
    means = [np.mean([_weighed([float(values[wanted[span]]) for span in spans]) for spans in plan]) for plan in plans]
    return [round(float(mean), 3) for mean in means]


@dataclass(frozen=True)
class _Columns:
    labels: Sequence[Label]
    windows: Floats
    field: str


def _findings(model: Model, text: str, reading: Reading, columns: _Columns, lengths: Floats) -> list[Finding]:
    """Return the labels shown, with proof.

    A text's probability is the root mean square over its windows: one strong page counts for more than a faint
    trace on all of them, yet a single page of many cannot decide. Shown is what reaches its own threshold and is not
    far less likely than the best.
    """
    whole = np.sqrt(np.average(columns.windows**2, axis=0, weights=lengths))
    likeliest = [int(place) for place in np.argsort(-whole, kind="stable")]
    least = _LEAST_OF_BEST * whole[likeliest[0]]
    shown = [place for place in likeliest if whole[place] >= max(columns.labels[place].threshold, least)][:_SHOWN]
    return [_finding(model, text, reading, columns, place, float(whole[place])) for place in shown]


def _finding(model: Model, text: str, reading: Reading, columns: _Columns, place: int, likelihood: float) -> Finding:
    window = reading.windows[int(columns.windows[:, place].argmax())][:_PROOFS_SOUGHT]
    proof = window[0]
    if len(window) > 1:
        scores: Floats = getattr(model.scores([span.of(text) for span in window]), columns.field)
        proof = window[int(scores[:, place].argmax())]
    feeling = round(float(model.scores([proof.of(text)]).feelings[0]), 3)
    return Finding(label=columns.labels[place].name, confidence=round(likelihood, 3), proof=proof, feeling=feeling)


def _plan(text: str, reading: Reading, mention: Span, number: int) -> tuple[Span, ...]:
    """Return the passages that tell how a mention feels: its clause, its sentence, and a sentence that follows it up."""
    sentence = reading.sentences[number]
    clause = next((span for span in clauses(text, sentence) if span.start <= mention.start < span.end), sentence)
    if number + 1 < len(reading.sentences) and clause.end == sentence.end:
        following = reading.sentences[number + 1]
        if _FOLLOWED_UP.match(text, following.start, following.end):
            return clause, sentence, following
    return clause, sentence


def _weighed(values: Sequence[float]) -> float:
    clause, sentence, *following = values
    said = _CLAUSE_SHARE * clause + (1 - _CLAUSE_SHARE) * sentence
    if not following:
        return said
    return following[0] if abs(clause) < _FAINT else (said + following[0]) / 2
