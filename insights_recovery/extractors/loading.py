"""Making the configured extractors, once per process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.module_loading import import_string

from insights_recovery.exceptions import ConfigurationError
from insights_recovery.extractors.base import Extractor

MAX_NAME = 64

_instances: dict[str, Extractor] = {}


def load(items: Sequence[Any]) -> tuple[Extractor, ...]:
    """Return the extractors that `items`, the value of the EXTRACTORS setting, names; each is made once per process.

    Raises:
        ConfigurationError: a path does not import, is no extractor, or does not take its options.
    """
    extractors = tuple(_instance(item) for item in items)
    names = [extractor.name for extractor in extractors]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"Two extractors have the name {name!r}; it is the key of what they find.")
    return extractors


def _instance(item: Any) -> Extractor:
    key = repr(item)
    if key not in _instances:
        _instances[key] = _make(*_parts(item))
    return _instances[key]


def _parts(item: Any) -> tuple[str, dict[str, Any]]:
    return (item["BACKEND"], dict(item.get("OPTIONS", {}))) if isinstance(item, Mapping) else (item, {})


def _make(path: str, options: dict[str, Any]) -> Extractor:
    try:
        extractor = import_string(path)(**options)
    except ImportError as error:
        raise ConfigurationError(f"The extractor '{path}' cannot be imported: {error}.") from error
    except TypeError as error:
        raise ConfigurationError(f"The extractor '{path}' cannot be made with its OPTIONS: {error}.") from error
    except Exception as error:  # the worker's boundary: a host's class may raise anything when it is made
        # Its message may quote an option, and an option may be a secret.
        raise ConfigurationError(f"The extractor '{path}' cannot be made: it raises {type(error).__name__}.") from error
    if not isinstance(extractor, Extractor):
        raise ConfigurationError(f"'{path}' is no subclass of insights_recovery.extractors.Extractor.")
    if not 0 < len(extractor.name) <= MAX_NAME or not 0 < len(extractor.version) <= MAX_NAME:
        raise ConfigurationError(f"The extractor '{path}' needs a name and a version of at most {MAX_NAME} characters.")
    return extractor
