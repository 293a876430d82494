"""What the model is to answer: the labels of the journal scheme, and the JSON schema over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from insights_recovery.extractors.base import Kind

CARD = Path(__file__).parent.parent / "local" / "weights" / "model.json"
"""The card of the embedded extractor's weights, which has the scheme's labels; read without loading that extractor."""

NAMED = {
    "people": Kind.PERSON,
    "places": Kind.PLACE,
    "organisations": Kind.ORGANISATION,
    "events": Kind.EVENT,
    "products": Kind.PRODUCT,
    "activities": Kind.ACTIVITY,
    "food": Kind.FOOD,
    "media": Kind.MEDIA,
}
"""The lists of what an entry names, and the kind of what stands in each."""

_MEANINGS = {
    "people": "people named, or spoken of by role such as 'my sister'",
    "places": "where something happens",
    "organisations": "companies, schools, clubs, offices",
    "events": "what takes place: a wedding, an exam",
    "products": "things bought, made or used",
    "activities": "what somebody does: running, cooking",
    "food": "what is eaten or drunk",
    "media": "books, films, songs, games",
}


@lru_cache(maxsize=1)
def scheme() -> Mapping[str, tuple[str, ...]]:
    """Return the labels that emotions and themes may have."""
    card = json.loads(CARD.read_text(encoding="utf-8"))
    return {name: tuple(label["name"] for label in card[key]) for name, key in _CARD_KEYS.items()}


_CARD_KEYS = {"emotions": "emotions", "themes": "topics"}


@lru_cache(maxsize=1)
def schema() -> Mapping[str, Any]:
    """Return the JSON schema of an answer, within the subset that services enforce: every field is required."""
    return _object(
        {
            "language": _text("the entry's language as a BCP 47 tag, such as en"),
            "title": _text("a headline of at most ten words"),
            "summary": _text("one to three sentences that stand for the entry"),
            "sentiment": _feeling("of the entry as a whole"),
            "emotions": _findings("how the writer feels, strongest first, at most 3", scheme()["emotions"]),
            "themes": _findings("what part of life it is about, weightiest first, at most 3", scheme()["themes"]),
            **{name: _findings(meaning) for name, meaning in _MEANINGS.items()},
            "key_phrases": _texts("phrases that carry the subject, copied from the entry word for word, at most 10"),
            "tags": _texts("short labels in lower case for finding the entry again, at most 8"),
        }
    )


def _findings(meaning: str, labels: tuple[str, ...] = ()) -> dict[str, Any]:
    label = {"type": "string", "enum": list(labels)} if labels else _text("its name, in a few words")
    finding = {
        "label": label,
        "snippet": _text("the words of the entry it rests on, copied word for word and as few as will do"),
        "sentiment": _feeling("attached to it"),
    }
    return {"type": "array", "description": meaning, "items": _object(finding)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(meaning: str) -> dict[str, Any]:
    return {"type": "string", "description": meaning}


def _texts(meaning: str) -> dict[str, Any]:
    return {"type": "array", "description": meaning, "items": {"type": "string"}}


def _feeling(whose: str) -> dict[str, Any]:
    return {"type": "number", "description": f"the feeling {whose}, from -1 (bad) to 1 (good)"}
