"""The end of a lease when the database is away for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction
from tests.integration.helpers import claimed, create, fresh, process
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db(transaction=True)


class Outage:
    """Lets the first statements that store an extraction fail as if the connection were gone."""

    def __init__(self, times: int, error: type[Exception] = OperationalError) -> None:
        self.left, self._error = times, error

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.left and sql.startswith("INSERT") and "_extraction" in sql:
            self.left -= 1
            raise self._error("gone away")
        return execute(sql, params, many, context)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_paid_answer_outlives_a_database_that_is_away_for_a_moment(
    scripted: Callable[..., Any], error: type[Exception]
) -> None:
    calls = scripted(lambda _: found("lake"))
    entry = create()
    with connection.execute_wrapper(Outage(2, error)):
        assert process(entry) == {"completed": 1}
    assert 1 == len(calls) == Extraction.objects.count()


def test_a_database_that_stays_away_costs_no_attempt(scripted: Callable[..., Any]) -> None:
    scripted()
    entry = create()
    with connection.execute_wrapper(Outage(1000)), pytest.raises(OperationalError):
        process(entry, lease=0.3)
    assert [State.PROCESSING, 0] == [fresh(entry).processing_state, fresh(entry).processing_attempts]


def test_what_was_claimed_before_the_outage_is_settled_under_its_own_lease(scripted: Callable[..., Any]) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    batch = claimed(entry)
    connection.close()
    assert batch.work() == {"completed": 1}
