"""How a text feels: emotions, themes and overall sentiment from its windows, and the feeling attached to an entity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from insights_recovery.extractors.local.model import Floats, Label, Model
from insights_recovery.extractors.local.passages import Span, clauses, covering
from insights_recovery.extractors.local.reading import Reading

_MOST_SHOWN = 3
_LEAST_OF_BEST = 0.35
_SURELY = 0.9
_EASE_OF_EMOTIONS, _EASE_OF_THEMES = 0.1, 0.35
"""Of its threshold, what the likeliest label has to reach in a diary, where hardly an entry is about nothing; in other
texts it is `_SURELY`."""
_PROOFS_SOUGHT = 40
_CLAUSE_SHARE = 0.8
_FAINT = 0.12
_FOLLOWED_UP = re.compile(
    r"(?:he|she|they|it|that|this)(?:'s|’s|\s+(?:was|is|were|are|has|had|made|makes|felt|feels))\b"
    r"|(?:i|we)\s+(?:\w+\s+){1,2}(?:him|her|them|it)\b",
    re.IGNORECASE,
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
    attached: Sequence[float]
    """The feeling attached to each entity of the reading, from -1 to 1."""


@dataclass(frozen=True)
class _Shown:
    """A label that is shown, before its proof is found: the column of its field, and the window that bears it most."""

    label: str
    column: int
    likelihood: float
    window: tuple[Span, ...]


def mood(model: Model, text: str, reading: Reading) -> Mood:
    """Return the mood of a text that has at least one window.

    The feeling attached to an entity is the mean over its first mentions. A mention's feeling is mostly that of its
    clause, a little that of its sentence; where the clause says next to nothing and the next sentence goes on about
    it ("She was ..."), that sentence speaks for it, and else counts half.
    """
    passages = [covering(window).of(text) for window in reading.windows]
    lengths = np.array([len(passage) for passage in passages], np.float32)
    scores = model.scores(passages)
    diary = float(np.average(scores.diaries, weights=lengths))
    emotions = _shown(reading, model.emotions, scores.emotions, lengths, _eased(diary, _EASE_OF_EMOTIONS))
    themes = _shown(reading, model.topics, scores.topics, lengths, _eased(diary, _EASE_OF_THEMES))
    plans = [[_plan(text, reading, *place) for place in entity.places] for entity in reading.entities]
    places = _numbered([shown.window for shown in (*emotions, *themes)], plans)
    close = model.scores([span.of(text) for span in places])
    return Mood(
        sentiment=round(float(np.average(scores.feelings, weights=lengths)), 3),
        emotions=[_finding(shown, close.emotions, close.feelings, places) for shown in emotions],
        themes=[_finding(shown, close.topics, close.feelings, places) for shown in themes],
        attached=[_attached(plan, close.feelings, places) for plan in plans],
    )


def _eased(diary: float, ease: float) -> float:
    return _SURELY + (ease - _SURELY) * diary


def _shown(
    reading: Reading, labels: Sequence[Label], likelihoods: Floats, lengths: Floats, ease: float
) -> list[_Shown]:
    """Return the labels that are shown, likeliest first.

    A text's probability is the root mean square over its windows: one strong page counts for more than a faint
    trace on all of them, yet a single page of many cannot decide. Shown is what reaches its own threshold and is not
    far less likely than the best; the best is shown from that share of its threshold on which `ease` says.
    """
    whole = np.sqrt(np.average(likelihoods**2, axis=0, weights=lengths))
    likeliest = [int(column) for column in np.argsort(-whole, kind="stable")]
    least = _LEAST_OF_BEST * whole[likeliest[0]]
    best, *others = likeliest
    chosen = [best] if whole[best] >= ease * labels[best].threshold else []
    chosen += [column for column in others if whole[column] >= max(labels[column].threshold, least)]
    chosen = chosen[:_MOST_SHOWN]
    windows = [reading.windows[int(likelihoods[:, column].argmax())][:_PROOFS_SOUGHT] for column in chosen]
    return [
        _Shown(labels[column].name, column, float(whole[column]), window)
        for column, window in zip(chosen, windows, strict=True)
    ]


def _numbered(proofs: Sequence[tuple[Span, ...]], plans: Sequence[Sequence[tuple[Span, ...]]]) -> dict[Span, int]:
    """Number the passages to be scored one by one, each once, so that a single call scores them all."""
    passages = chain.from_iterable((*proofs, *chain.from_iterable(plans)))
    return {span: number for number, span in enumerate(dict.fromkeys(passages))}


def _finding(shown: _Shown, likelihoods: Floats, feelings: Floats, places: Mapping[Span, int]) -> Finding:
    proof = max(shown.window, key=lambda span: float(likelihoods[places[span], shown.column]))
    return Finding(
        label=shown.label,
        confidence=round(shown.likelihood, 3),
        proof=proof,
        feeling=round(float(feelings[places[proof]]), 3),
    )


def _attached(plan: Sequence[tuple[Span, ...]], feelings: Floats, places: Mapping[Span, int]) -> float:
    said = [_weighed([float(feelings[places[span]]) for span in spans]) for spans in plan]
    return round(sum(said) / len(said), 3)


def _plan(text: str, reading: Reading, mention: Span, number: int) -> tuple[Span, ...]:
    """Return the passages that tell how a mention feels: its clause, its sentence, and what follows it up."""
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
