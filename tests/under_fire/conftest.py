"""Fixtures of the evidence."""

from __future__ import annotations

import pytest

from tests.under_fire.evidence import Evidence


@pytest.fixture
def evidence() -> Evidence:
    """Where a test says how much it tried and what was violated."""
    return Evidence()
