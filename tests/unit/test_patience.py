"""Bearing with a database that is away for a moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, transaction

from insights_recovery.patience import patiently

pytestmark = pytest.mark.django_db(transaction=True)


def _failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    calls: list[int] = []

    def action() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return "done"

    return action, calls


@pytest.mark.parametrize("error", [OperationalError(), InterfaceError()])
def test_what_fails_for_want_of_the_database_is_repeated(error: Exception) -> None:
    action, calls = _failing(2, error)
    assert patiently(action, seconds=30, using="default") == "done"
    assert len(calls) == 3


def test_patience_ends_with_the_lease() -> None:
    action, calls = _failing(1000, OperationalError())
    with pytest.raises(OperationalError):
        patiently(action, seconds=0.25, using="default")
    assert 1 < len(calls) < 10


def test_without_time_there_is_one_try() -> None:
    action, calls = _failing(1000, OperationalError())
    with pytest.raises(OperationalError):
        patiently(action, seconds=0, using="default")
    assert len(calls) == 1


@pytest.mark.parametrize("error", [IntegrityError(), DatabaseError(), ValueError()])
def test_what_the_database_refuses_is_not_repeated(error: Exception) -> None:
    action, calls = _failing(1, error)
    with pytest.raises(type(error)):
        patiently(action, seconds=30, using="default")
    assert len(calls) == 1


def test_nothing_is_repeated_inside_a_transaction_of_the_callers() -> None:
    action, calls = _failing(1, OperationalError())
    with pytest.raises(OperationalError), transaction.atomic():
        patiently(action, seconds=30, using="default")
    assert len(calls) == 1
