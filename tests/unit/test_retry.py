"""The arithmetic of waiting, with dice passed in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights_recovery.retry import RetryPolicy


def _policy(limit: int = 5, delay: float = 60.0, max_delay: float = 3600.0) -> RetryPolicy:
    return RetryPolicy(limit=limit, delay=delay, max_delay=max_delay)


def _highest(low: float, high: float) -> float:
    return high


def _lowest(low: float, high: float) -> float:
    return low


def test_the_bound_doubles_up_to_the_cap() -> None:
    delays = [_policy(limit=99).delay_after(failures, _highest) for failures in range(1, 9)]
    assert [60, 120, 240, 480, 960, 1920, 3600, 3600] == delays


def test_the_jitter_begins_at_nothing() -> None:
    assert _policy().delay_after(4, _lowest) == 0


@pytest.mark.parametrize(("limit", "failures", "gives_up"), [(5, 4, False), (5, 5, True), (5, 6, True), (1, 1, True)])
def test_the_last_failure_ends_it(limit: int, failures: int, gives_up: bool) -> None:
    assert gives_up is (_policy(limit).delay_after(failures, _highest) is None)


@pytest.mark.parametrize("failures", [0, -1])
def test_what_did_not_fail_has_no_delay(failures: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        _policy().delay_after(failures, _highest)


@pytest.mark.parametrize(("crashes", "delay"), [(1, 0.0), (2, 120.0), (3, None)])
def test_the_first_crash_is_repeated_at_once_and_the_next_back_off(crashes: int, delay: float | None) -> None:
    assert delay == _policy(limit=3).delay_after_crash(crashes, _highest)


def test_where_one_crash_is_too_many_the_first_ends_it() -> None:
    assert _policy(limit=1).delay_after_crash(1, _highest) is None


def test_very_many_failures_overflow_nothing() -> None:
    assert _policy(limit=10**9).delay_after(10**8, _highest) == 3600


@given(
    failures=st.integers(1, 10_000),
    delay=st.floats(0.001, 1e6),
    max_delay=st.floats(0.001, 1e9),
    seed=st.integers(),
)
def test_no_delay_is_beyond_the_cap_or_below_nothing(failures: int, delay: float, max_delay: float, seed: int) -> None:
    dice = random.Random(seed).uniform
    drawn = _policy(limit=10**6, delay=delay, max_delay=max_delay).delay_after(failures, dice)
    assert drawn is not None
    assert 0 <= drawn <= max_delay
