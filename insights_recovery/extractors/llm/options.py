"""The options of the extractor, checked when it is made; no message of theirs holds a value, which may be a secret."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

STRUCTURED = ("json_schema", "json_object", "none")
OURS = frozenset({"messages", "model", "n", "response_format", "stream"})
"""What of the request no option may replace."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URL = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the service is reached, and what is asked of it."""

    base_url: str
    """The service's address up to and without `/chat/completions`, such as `https://api.example.com/v1`."""
    model: str
    """The model's name, as the service knows it."""
    api_key_env: str | None = None
    """Name of the environment variable of the worker that holds the key; never the key itself."""
    timeout: float = 60.0
    """Seconds for a whole exchange, from connecting to the last byte; keep it below `SOFT_TIME_LIMIT`."""
    structured: str = "json_schema"
    """How the answer is held to its form: `json_schema`, `json_object`, or `none` for a service that knows neither."""
    max_characters: int = 50_000
    """A longer text is never sent: it becomes a dead letter, `context-too-long`."""
    max_tokens: int | None = 4096
    """Upper bound of the answer; `None` leaves it to the service."""
    temperature: float | None = 0.0
    """How freely the model chooses its words; `None` leaves it to the service."""
    language: str | None = None
    """Language of title, summary and tags, such as `English`; `None` for that of the entry."""
    prices: Mapping[str, float] | None = None
    """What a million tokens cost: `{"input": 0.15, "output": 0.6}`, in any currency; makes `cost` in `usage`."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """More of the request's body as it stands: `{"reasoning_effort": "low"}`."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Return the options that the OPTIONS of the setting say.

        Raises:
            TypeError: one is unknown, missing or unusable; the message says what to write instead.
        """
        known = {known.name: known.default is MISSING and known.default_factory is MISSING for known in fields(cls)}
        for name in given:
            if name not in known:
                nearest = difflib.get_close_matches(str(name), known, n=1)
                raise TypeError(f"there is no option {name!r}" + (f", but {nearest[0]!r}" if nearest else ""))
        for name, is_required in known.items():
            if is_required and name not in given:
                raise TypeError(f"the option {name!r} is required")
        return cls(**given)

    def __post_init__(self) -> None:
        for name, (is_good, wanted) in self._rules().items():
            if not is_good:
                raise TypeError(f"the option {name!r} must be {wanted}")

    def _rules(self) -> dict[str, tuple[bool, str]]:
        return {
            "base_url": (_is_address(self.base_url), "an http or https URL without user, password, query or fragment"),
            "model": (_is_line(self.model), "the name of a model"),
            "api_key_env": (
                self.api_key_env is None or _is_variable(self.api_key_env),
                "the name of an environment variable that holds the key, not the key itself",
            ),
            "timeout": (_is_number(self.timeout) and self.timeout > 0, "a number of seconds above 0"),
            "structured": (self.structured in STRUCTURED, f"one of {', '.join(STRUCTURED)}"),
            "max_characters": (_is_count(self.max_characters), "a whole number above 0"),
            "max_tokens": (self.max_tokens is None or _is_count(self.max_tokens), "a whole number above 0, or None"),
            "temperature": (self.temperature is None or _is_amount(self.temperature), "a number from 0 up, or None"),
            "language": (self.language is None or _is_line(self.language), "the name of a language, or None"),
            "prices": (
                self.prices is None or _are_prices(self.prices),
                "the prices of a million tokens, as {'input': 0.15, 'output': 0.6}, or None",
            ),
            "parameters": (
                _is_json(self.parameters) and OURS.isdisjoint(self.parameters),
                f"a dictionary that JSON can carry, without {', '.join(sorted(OURS))}",
            ),
        }


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or not _URL.fullmatch(value) or {"?", "#"} & set(value):
        return False
    try:
        parts = urlsplit(value)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_whole and parts.scheme in {"http", "https"} and "@" not in parts.netloc


def _is_line(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_variable(value: object) -> bool:
    return isinstance(value, str) and _VARIABLE.fullmatch(value) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_amount(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_prices(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"input", "output"} and all(map(_is_amount, value.values()))


def _is_json(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
