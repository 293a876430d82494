"""The only reader of Django's settings: one typed, frozen, lazily built object."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from insights_recovery.exceptions import ConfigurationError

SETTING = "INSIGHTS_RECOVERY"

Rule = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words, and the test for it."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _is_extractor(item: Any) -> bool:
    if isinstance(item, Mapping):
        return set(item) <= {"BACKEND", "OPTIONS"} and _is_path(item.get("BACKEND")) and _is_options(item)
    return _is_path(item)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and all(part.isidentifier() for part in value.split(".")) and "." in value


def _is_options(item: Mapping[str, Any]) -> bool:
    options = item.get("OPTIONS", {})
    return isinstance(options, Mapping) and all(isinstance(key, str) for key in options)


def _is_list_of_extractors(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_extractor, value))


COUNT: Rule = (
    "a whole number, at least 1",
    lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 1,
)
SECONDS: Rule = ("a number of seconds above 0", lambda value: _is_number(value) and 0 < value < float("inf"))
NAME: Rule = ("a string that is not empty", lambda value: isinstance(value, str) and value != "")
FLAG: Rule = ("True or False", lambda value: isinstance(value, bool))
MODEL: Rule = (
    'a model as "app_label.ModelName"',
    lambda value: isinstance(value, str) and value.count(".") == 1 and all(value.split(".")),
)
FIELD: Rule = ("the name of a field, or None", lambda value: value is None or (isinstance(value, str) and value != ""))
EXTRACTORS: Rule = (
    'a list, not empty, of dotted paths or {"BACKEND": path, "OPTIONS": {...}}',
    _is_list_of_extractors,
)


def _key(default: Any, rule: Rule) -> Any:
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, kw_only=True)
class RecoverySettings:
    """The INSIGHTS_RECOVERY setting with its defaults; each attribute is the key in lower case."""

    entry_model: str = field(metadata={"rule": MODEL})
    """The host's model of a journal entry, as `app_label.ModelName`. Required."""
    text_field: str = _key("content", NAME)
    """The field that holds the entry's text; `get_insight_text()` on the model may say otherwise."""
    author_field: str | None = _key(None, FIELD)
    """The field that names the entry's author, for views per author, duplicates and export."""
    extractors: Sequence[Any] = _key(["insights_recovery.extractors.local.LocalExtractor"], EXTRACTORS)
    """Run in this order, each a checkpoint: dotted paths, or `{"BACKEND": path, "OPTIONS": {...}}`."""
    max_attempts: int = _key(5, COUNT)
    """Failures after which an entry becomes a dead letter."""
    max_crashes: int = _key(3, COUNT)
    """Crashes of a worker that held the entry alone, after which it becomes a dead letter."""
    retry_delay: float = _key(60, SECONDS)
    """Bound of the first back-off in seconds; it doubles, with full jitter."""
    retry_delay_max: float = _key(3600, SECONDS)
    """Bound that no back-off exceeds, in seconds."""
    lease_seconds: float = _key(30, SECONDS)
    """How long a claim is good for unless it is renewed, in seconds."""
    dispatch_grace: float = _key(60, SECONDS)
    """How long a message may stay unclaimed before the entry is offered again, in seconds; it doubles each time."""
    lifeline_interval: float = _key(5, SECONDS)
    """Seconds between two ticks of a worker's own lifeline, which needs no beat."""
    sweep_interval: float = _key(300, SECONDS)
    """Seconds between two sweeps by beat; a sweep that is late by half of that is taken over by any worker."""
    sweep_limit: int = _key(1000, COUNT)
    """Entries that one sweep looks at, at the most."""
    batch_size: int = _key(32, COUNT)
    """Entries that one message carries, at the most."""
    max_in_flight: int = _key(2000, COUNT)
    """Backfill entries that may be offered or in work at one time."""
    queue: str = _key("insights", NAME)
    """The queue for what a person just wrote, and for retries of it."""
    backfill_queue: str = _key("insights_backfill", NAME)
    """The queue for existing and bulk-created rows and for reprocessing."""
    maintenance_queue: str = _key("insights_maintenance", NAME)
    """The queue for sweeps and health tasks."""
    publish_timeout: float = _key(0.5, SECONDS)
    """How long telling the broker may take, in seconds."""
    soft_time_limit: float = _key(120, SECONDS)
    """Seconds after which an extraction is interrupted; it counts as a failure."""
    time_limit: float = _key(150, SECONDS)
    """Seconds after which the process of an extraction is killed; it counts as a crash."""
    skip_duplicates: bool = _key(False, FLAG)
    """Whether an entry is skipped when the same author has an identical text that is done."""
    history_days: float = _key(30, SECONDS)
    """Days for which finished attempts are kept; insights and dead letters are never pruned."""
    setup_periodic: bool = _key(True, FLAG)
    """Whether `migrate` registers the sweeps with django-celery-beat."""


KEYS = {item.name.upper(): item for item in dataclasses.fields(RecoverySettings)}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with the setting."""

    key: str
    """The key it is about; empty when it is about the setting as a whole."""
    message: str
    """What is wrong."""
    hint: str
    """What to do."""


def problems(raw: Any) -> list[Problem]:
    """Return what is wrong with `raw`, the value of the INSIGHTS_RECOVERY setting; an empty list when all is well."""
    if not isinstance(raw, Mapping):
        return [Problem(key="", message=f"{SETTING} must be a dict.", hint=_MINIMAL)]
    unknown = [_unknown(key) for key in raw if key not in KEYS]
    missing = [] if "ENTRY_MODEL" in raw else [Problem(key="ENTRY_MODEL", message=_MISSING, hint=_MINIMAL)]
    return unknown + missing + _bad_values(raw)


_MINIMAL = f'Set {SETTING} = {{"ENTRY_MODEL": "app_label.ModelName"}}, naming your model of a journal entry.'
_MISSING = f"{SETTING} lacks the key 'ENTRY_MODEL'."


def _unknown(key: Any) -> Problem:
    near = difflib.get_close_matches(str(key).upper(), KEYS, n=1, cutoff=0.5)
    hint = f"Did you mean '{near[0]}'?" if near else f"The keys are: {', '.join(KEYS)}."
    return Problem(key=str(key), message=f"{SETTING} has an unknown key '{key}'.", hint=hint)


def _bad_values(raw: Mapping[str, Any]) -> list[Problem]:
    found = []
    for key, item in KEYS.items():
        wanted, is_valid = item.metadata["rule"]
        if key in raw and not is_valid(raw[key]):
            # An extractor's options may hold a secret, so that value is not quoted.
            value = "not valid" if item.metadata["rule"] is EXTRACTORS else repr(raw[key])
            found.append(Problem(key=key, message=f"{SETTING}['{key}'] is {value}.", hint=f"It must be {wanted}."))
    return found or _contradictions(raw)


def _contradictions(raw: Mapping[str, Any]) -> list[Problem]:
    def value(key: str) -> Any:
        return raw.get(key, KEYS[key].default)

    rules = [("SOFT_TIME_LIMIT", "TIME_LIMIT", True), ("RETRY_DELAY", "RETRY_DELAY_MAX", False)]
    return [
        Problem(
            key=small,
            message=f"{SETTING}['{small}'] ({value(small)}) must be {'below' if strict else 'at most'} "
            f"'{large}' ({value(large)}).",
            hint=f"Lower '{small}' or raise '{large}'.",
        )
        for small, large, strict in rules
        if value(small) > value(large) or (strict and value(small) == value(large))
    ]


@lru_cache(maxsize=1)
def conf() -> RecoverySettings:
    """Return the settings in force, built at the first call and again after a change in a test.

    Raises:
        ConfigurationError: the setting is wrong; the message names the key and the remedy.
    """
    raw = getattr(settings, SETTING, {})
    for problem in problems(raw):
        raise ConfigurationError(f"{problem.message} {problem.hint}")
    return RecoverySettings(**{key.lower(): value for key, value in raw.items()})


def entry_model_name() -> str:
    """Return the host's model as `app_label.ModelName`, for our foreign keys, while models are still loading.

    Raises:
        ImproperlyConfigured: ENTRY_MODEL is missing or no model name.
    """
    raw = getattr(settings, SETTING, None)
    name = raw.get("ENTRY_MODEL") if isinstance(raw, Mapping) else None
    if not MODEL[1](name):
        raise ImproperlyConfigured(f"{SETTING} must name ENTRY_MODEL, {MODEL[0]}. {_MINIMAL}")
    return str(name)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == SETTING:
        conf.cache_clear()


setting_changed.connect(_forget, dispatch_uid="insights_recovery.conf")
