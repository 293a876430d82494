"""Which language a text is written in, told by its script and its commonest small words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

from insights_recovery.extractors.local import lists

_SAMPLE = 20_000
_LEAST_SHARE = 0.12
_LEAST_LEAD = 1.15
_ENGLISH_EXTRA = 0.5
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LONGEST_WORD = 40
_FEW_WORDS = 4
_SCRIPTS: Mapping[str, re.Pattern[str]] = {
    "ja": re.compile(r"[\u3041-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7af\u1100-\u11ff]"),
    "zh": re.compile(r"[\u4e00-\u9fff]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "bn": re.compile(r"[\u0980-\u09ff]"),
    "ta": re.compile(r"[\u0b80-\u0bff]"),
    "ka": re.compile(r"[\u10a0-\u10ff]"),
    "hy": re.compile(r"[\u0530-\u058f]"),
}
"""Letters of one script per tag. A script that serves several languages stands for the one most written in it, save
where a letter tells: Ukrainian by its i, Persian by its p, ch, zh and g."""
_TELLTALES: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "ru": ("uk", re.compile(r"[іїєґ]")),
    "ar": ("fa", re.compile(r"[پچژگ]")),
}


def detect(text: str) -> str:
    """Return the BCP 47 tag of the language most of `text` is written in; empty where nothing tells.

    Reads the beginning only. Short texts without any small word of a listed language stay unknown.
    """
    sample = text[:_SAMPLE]
    letters = sum(character.isalpha() for character in sample)
    if not letters:
        return ""
    by_script = _script(sample, letters)
    return by_script or _latin(sample)


def too_short_to_tell(text: str) -> bool:
    """Tell whether `text` has so few words that a language that is unknown says nothing."""
    return len(list(islice(_WORD.finditer(text), _FEW_WORDS))) < _FEW_WORDS


def _script(sample: str, letters: int) -> str:
    counts = {tag: len(pattern.findall(sample)) for tag, pattern in _SCRIPTS.items()}
    if counts["ja"] * 10 > letters and (counts["ja"] + counts["zh"]) * 2 > letters:
        return "ja"
    tag, count = max(counts.items(), key=lambda item: item[1])
    if count * 2 <= letters:
        return ""
    other, telltale = _TELLTALES.get(tag, (tag, None))
    return other if telltale is not None and telltale.search(sample.lower()) else tag


def _latin(sample: str) -> str:
    words = [word.lower().replace("’", "'") for word in _WORD.findall(sample) if len(word) <= _LONGEST_WORD]
    if not words:
        return ""
    counts = Counter(words)
    shares = {tag: sum(counts[word] for word in small) / len(words) for tag, small in lists.languages().items()}
    shares["en"] += _ENGLISH_EXTRA * sum(count for word, count in counts.items() if word in _english()) / len(words)
    (best, share), (_, second) = sorted(shares.items(), key=lambda item: -item[1])[:2]
    return best if share >= _LEAST_SHARE and share >= second * _LEAST_LEAD else ""


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    """Return more English words, which count half: short entries often hold none of the smallest ones."""
    more = lists.plain("filler_words") | lists.plain("common_words") | frozenset(lists.valence())
    roles = {form for form in lists.phrases("people") if " " not in form}
    return (more | roles) - frozenset().union(*lists.languages().values())
