"""Results, and parts of them, that no extractor should return."""

from __future__ import annotations

import enum
import itertools
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from insights_recovery.extractors import ExtractedInsight, ExtractionResult
from tests.integration.scripted import found

TEXT = "Walked to the lake."


class Raising:
    """Raises at whatever it is asked."""

    def __float__(self) -> float:
        raise RuntimeError(TEXT)

    def __str__(self) -> str:
        raise RuntimeError(TEXT)

    def keys(self) -> Any:
        """Raise, as the mapping of a lazy client might."""
        raise RuntimeError(TEXT)


class Kinds(str, enum.Enum):  # noqa: UP042 - a host's own enumeration, of the older kind
    """A host's own names for kinds; their str() is not their value."""

    THEME = "theme"
    WEATHER = "weather"


class RaisingResult(ExtractionResult):
    """A result that is fetched when it is read."""

    def __getattribute__(self, name: str) -> Any:
        if name == "insights":
            raise RuntimeError(TEXT)
        return super().__getattribute__(name)


class Shifting(ExtractedInsight):
    """Another one each time it is looked at, and at last none that can be stored."""

    def __getattribute__(self, name: str) -> Any:
        if name != "label":
            return super().__getattribute__(name)
        looks = super().__getattribute__("__dict__")
        looks["looks"] = looks.get("looks", 0) + 1
        return "lake" if looks["looks"] == 1 else 7


class Sly(str):
    """A string that answers for itself."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError(TEXT)

    def __len__(self) -> int:
        raise RuntimeError(TEXT)

    def __getitem__(self, _: Any) -> str:
        raise RuntimeError(TEXT)

    def encode(self, *_: Any) -> bytes:
        raise RuntimeError(TEXT)


class Endless(Mapping[str, int]):
    """A mapping without end."""

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return map(str, itertools.count())

    def __len__(self) -> int:
        return sys.maxsize


def nested(depth: int) -> dict[str, Any]:
    nest: dict[str, Any] = {}
    for _ in range(depth):
        nest = {"more": nest}
    return nest


def cyclic() -> dict[str, Any]:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    return cycle


class Lazy(list[ExtractedInsight]):
    """Raises when it is read, as the answer of a streaming client might."""

    def __iter__(self) -> Iterator[ExtractedInsight]:
        yield ExtractedInsight(kind="theme", label="first")
        raise RuntimeError(TEXT)


def insight_of(**fields: Any) -> ExtractionResult:
    return ExtractionResult(insights=[ExtractedInsight(**({"kind": "theme", "label": "lake"} | fields))])


UNUSABLE: dict[str, Any] = {
    "none": None,
    "dict": {"insights": []},
    "string": "lake",
    "look-alike": SimpleNamespace(insights=[]),
    "no insights": ExtractionResult(insights=None),  # type: ignore[arg-type]
    "foreign insight": ExtractionResult(insights=[{"kind": "theme", "label": "lake"}]),  # type: ignore[list-item]
    "insights that raise": ExtractionResult(insights=Lazy()),
    "result that raises": RaisingResult(),
    "insights of a wrong type": ExtractionResult(insights=7),  # type: ignore[arg-type]
    "insights that are a string": ExtractionResult(insights="lake"),  # type: ignore[arg-type]
    "unknown kind": insight_of(kind="weather"),
    "unknown kind of a host's own": insight_of(kind=Kinds.WEATHER),
    "unhashable kind": insight_of(kind=["theme"]),
    "kind in bytes": insight_of(kind=b"theme"),
    "no kind": insight_of(kind=None),
    "label of a wrong type": insight_of(label=7),
    "label in bytes": insight_of(label=b"lake"),
    "no label": insight_of(label=None),
    "snippet of a wrong type": insight_of(snippet=b"lake"),
    "score of a wrong type": insight_of(sentiment="good"),
    "score that raises": insight_of(sentiment=Raising()),
    "score beyond floats": insight_of(confidence=10**400),
    "score that signals": insight_of(confidence=Decimal("sNaN")),
    "score in the complex plane": insight_of(confidence=1j),
    "summary of a wrong type": found(summary=["lake"]),
    "no title": found(title=None),
    "language of a wrong type": found(language=7),
    "usage that is not serialisable": found(usage={"client": object()}),
    "usage of a set": found(usage={"tokens": {1}}),
    "usage of bytes": found(usage={"model": b"m"}),
    "usage of a moment": found(usage={"at": datetime(2026, 1, 1, tzinfo=UTC)}),
    "usage that holds itself": found(usage=cyclic()),
    "usage nested deeply": found(usage=nested(100_000)),
    "usage of nothing": found(usage={"cached": None}),
    "usage that is not a number": found(usage={"cost": float("nan")}),
    "usage that is not finite": found(usage={"cost": float("-inf")}),
    "usage beyond 64 bits": found(usage={"tokens": 2**63}),
    "usage of five thousand digits": found(usage={"tokens": -(10**5000)}),
    "usage of a wrong type": found(usage=7),
    "usage that raises": found(usage=Raising()),
    "usage with a key that raises": found(usage={Raising(): 1}),
}
"""None of them can be stored."""
