"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.helpers import SCRIPTED, SCRIPTED_BATCH
from tests.integration.scripted import Script, found


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Return a function that changes keys of the INSIGHTS_RECOVERY setting for this test."""

    def change(**keys: Any) -> None:
        settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, **keys}

    return change


@pytest.fixture
def scripted(configure: Callable[..., None]) -> Callable[..., list[Any]]:
    """Return a function that makes an extractor of a function of the text, or of the texts with `together`.

    It returns the list of what the extractor was given so far.
    """

    def use(action: Callable[[Any], Any] = lambda _: found(), *, together: bool = False) -> list[Any]:
        Script.action, Script.calls = staticmethod(action), []  # type: ignore[assignment]
        configure(EXTRACTORS=[SCRIPTED_BATCH if together else SCRIPTED])
        return Script.calls

    return use
