"""How long a service asks to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine

from insights_recovery.extractors.llm.waiting import seconds_to_wait

THERE = datetime(2031, 5, 1, tzinfo=UTC)


def _headers(ahead: float, **others: str) -> dict[str, str]:
    return {"retry-after": format_datetime(THERE + timedelta(seconds=ahead), usegmt=True), **others}


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90), (0, 1), (-90, 1), (10**7, 86_400)])
def test_a_date_is_read_by_the_clock_of_the_service(ahead: float, seconds: float) -> None:
    assert seconds_to_wait(_headers(ahead, date=format_datetime(THERE, usegmt=True)), 60) == seconds


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_date_is_read_by_our_own_clock_where_the_service_names_none(date: str) -> None:
    with time_machine.travel(THERE, tick=False):
        assert seconds_to_wait(_headers(90, date=date), 60) == 90


def test_a_date_without_a_zone_is_in_universal_time() -> None:
    headers = {"retry-after": "Thu, 01 May 2031 00:01:30 -0000", "date": "Thu, 01 May 2031 00:00:00 GMT"}
    assert seconds_to_wait(headers, 60) == 90


@pytest.mark.parametrize("stated", ["soon", "", "-1", "1e9", "inf", "nan", "9" * 400, "Thu, 99 May 99999 00:00:00 GMT"])
def test_what_says_nothing_leaves_it_to_us(stated: str) -> None:
    assert seconds_to_wait({"retry-after": stated}, 60) == 60


def test_a_service_that_asks_for_nothing_gets_what_is_usual() -> None:
    assert seconds_to_wait({}, 900) == 900
