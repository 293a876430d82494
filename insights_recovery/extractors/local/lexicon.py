"""The feeling that words carry by themselves: a small lexicon that needs no training and knows emoji."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from insights_recovery.extractors.local import lists

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[\U0001F300-\U0001FAFF☀-➿]")
_NEGATIONS = frozenset("not no never nothing without hardly cannot neither nor".split())
_STRONGER = frozenset("very really so extremely incredibly absolutely totally completely super utterly".split())
_WEAKER = frozenset("slightly somewhat little bit kinda fairly barely almost partly".split())
_REACH = 3
_FLIP = -0.7
_STRENGTH = 1.3
_WEAKNESS = 0.7
_SQUASH = 15.0


def lexical_feeling(passage: str) -> float:
    """Return the feeling that the words of a passage carry by themselves, from -1 to 1.

    The sum s of the words' weights is squashed as s / sqrt(s**2 + 15); that, and the shift by negations and
    intensifiers before a word, follow VADER (Hutto & Gilbert 2014). The lexicon is this project's own.
    """
    weights = lists.valence()
    tokens = [token.replace("’", "'") for token in _TOKEN.findall(passage.lower())]
    total = sum(weights[token] * _shift(tokens, place) for place, token in enumerate(tokens) if token in weights)
    return total / math.sqrt(total * total + _SQUASH)


def _shift(tokens: Sequence[str], place: int) -> float:
    before = tokens[max(0, place - _REACH) : place]
    shift = _FLIP if any(token in _NEGATIONS or token.endswith("n't") for token in before) else 1.0
    if before and before[-1] in _STRONGER:
        shift *= _STRENGTH
    return shift * _WEAKNESS if before and before[-1] in _WEAKER else shift
