"""Backfill beyond `MAX_IN_FLIGHT` waits its turn, and that is no fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from insights_recovery import clock, hosts, recovery
from insights_recovery.monitoring import statistics
from tests.hosts.notes.models import Entry

pytestmark = pytest.mark.django_db

LIMIT = 2
ENTRIES = 5


@pytest.fixture(autouse=True)
def _full(configure: Callable[..., None]) -> None:
    """Have as many on their way as there may be, and some that wait behind them."""
    configure(MAX_IN_FLIGHT=LIMIT)
    Entry.objects.bulk_create(Entry(content=f"old entry {number}") for number in range(ENTRIES))
    recovery.offer_due(ENTRIES)


def test_what_waits_its_turn_is_not_overdue() -> None:
    assert statistics.status().overdue == 0


def test_all_are_overdue_once_nobody_takes_up_those_on_their_way() -> None:
    hosts.entries().filter(processing_nudges__gt=0).update(processing_due_at=clock.later(-1))

    assert statistics.status().overdue == ENTRIES
