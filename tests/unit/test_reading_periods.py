"""Days, weeks and months in the time zones of people, and whether what is counted in them rises or falls."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from insights_recovery.reflections.periods import Period, Unit, period_of
from insights_recovery.reflections.trends import Direction, trend

ZONES = [ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "UTC")]
UNITS = st.sampled_from(list(Unit))

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 28, 22, 59, tzinfo=UTC), date(2026, 3, 28)),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 21, 59, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), date(2026, 3, 30)),
    ],
)
def test_a_day_of_23_hours_begins_and_ends_at_the_midnights_of_its_zone(moment: datetime, day: date) -> None:
    assert period_of(moment, Unit.DAY, BERLIN).start == day


def test_an_hour_that_comes_twice_is_in_one_day() -> None:
    twice = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    assert {period_of(moment, Unit.DAY, BERLIN).start for moment in twice} == {date(2026, 10, 25)}


def test_the_day_that_samoa_left_out_has_no_period() -> None:
    apia = ZoneInfo("Pacific/Apia")
    moments = [datetime(2011, 12, 30, tzinfo=UTC) + timedelta(hours=hours) for hours in range(24)]
    days = {period_of(moment, Unit.DAY, apia).start for moment in moments}
    assert days == {date(2011, 12, 29), date(2011, 12, 31)}


@given(moment=st.datetimes(timezones=st.sampled_from(ZONES)), unit=UNITS, zone=st.sampled_from(ZONES))
@example(moment=datetime.min.replace(tzinfo=UTC), unit=Unit.WEEK, zone=ZONES[1])
@example(moment=datetime.max.replace(tzinfo=UTC), unit=Unit.MONTH, zone=ZONES[0])
def test_every_moment_lies_in_its_period(moment: datetime, unit: Unit, zone: ZoneInfo) -> None:
    period = period_of(moment, unit, zone)
    try:
        day = moment.astimezone(zone).date()
    except OverflowError:
        day = moment.date()
    assert period.start <= day <= period.end


@given(day=st.dates(max_value=date(9999, 11, 1)), unit=UNITS)
def test_periods_follow_each_other_without_a_gap(day: date, unit: Unit) -> None:
    period = period_of(day, unit)
    following = period_of(period.end + timedelta(days=1), unit)
    assert following.start == period.end + timedelta(days=1)
    assert following.number == period.number + 1
    assert period_of(period.end, unit) == period < following


def test_a_week_begins_on_monday_and_a_month_on_its_first() -> None:
    assert period_of(date(2026, 3, 1), Unit.WEEK) == Period(start=date(2026, 2, 23), unit=Unit.WEEK)
    assert period_of(date(2024, 2, 29), Unit.MONTH).end == date(2024, 2, 29)


def test_a_moment_without_a_zone_is_taken_as_it_stands() -> None:
    assert period_of(datetime(2026, 3, 28, 23, 59), Unit.DAY, BERLIN).start == date(2026, 3, 28)  # noqa: DTZ001


def test_a_field_without_dates_is_refused() -> None:
    with pytest.raises(TypeError, match="field of dates or moments, not of str"):
        period_of("2026-03-01", Unit.DAY)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[], [0.5], [0.1, 0.9], [0.1, 0.5, 0.9], [0.1, 0.2, 0.3, 0.4]])
def test_few_points_have_no_trend(values: list[float]) -> None:
    assert trend(range(len(values)), values).direction is Direction.STEADY


def test_what_grows_evenly_rises_by_its_slope() -> None:
    found = trend([0, 1, 2, 4, 5, 6], [0.0, 0.1, 0.2, 0.4, 0.5, 0.6])
    assert found.direction is Direction.RISING
    assert found.slope == pytest.approx(0.1)
    assert found.points == 6


def test_one_odd_value_sways_neither_direction_nor_slope() -> None:
    values = [n / 100 for n in range(12)]
    odd = [*values[:-1], -1000.0]
    assert trend(range(12), odd).direction is Direction.RISING
    assert trend(range(12), odd).slope == pytest.approx(0.01)


def test_the_chance_is_that_of_the_published_test() -> None:
    # By hand for S = 15 - 0 = 15 with n = 6: var = 6 * 5 * 17 / 18 = 28.33, z = 14 / 5.3229 = 2.6302.
    assert trend(range(6), [1, 2, 3, 4, 5, 6]).p_value == pytest.approx(0.008535, abs=1e-6)
    # With ties 1, 1, 2, 2, 3, 3: S = 12, var = 28.33 - 3 * 2 * 1 * 9 / 18 = 25.33, z = 11 / 5.0332 = 2.1855.
    assert trend(range(6), [1, 1, 2, 2, 3, 3]).p_value == pytest.approx(0.02885, abs=1e-5)


ROWS = st.lists(st.integers(0, 20), max_size=30)


@given(values=ROWS)
def test_a_row_read_backwards_goes_the_other_way(values: list[int]) -> None:
    forth, back = trend(range(len(values)), values), trend(range(len(values)), values[::-1])
    assert back.p_value == pytest.approx(forth.p_value)
    assert back.slope == pytest.approx(-forth.slope)
    opposite = {Direction.RISING: Direction.FALLING, Direction.FALLING: Direction.RISING}
    assert back.direction is opposite.get(forth.direction, Direction.STEADY)


@given(values=ROWS)
def test_the_chance_is_one_and_a_row_of_equals_is_steady(values: list[int]) -> None:
    assert 0 <= trend(range(len(values)), values).p_value <= 1
    assert trend(range(len(values)), [7] * len(values)).p_value == 1


def test_only_the_latest_thousand_points_are_regarded() -> None:
    falling_then_rising = [*range(4000, 0, -1), *range(1000)]
    assert trend(range(5000), falling_then_rising).direction is Direction.RISING
