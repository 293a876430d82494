"""Days, weeks and months, as the people of a time zone count them.

They are counted here and not by the database: MariaDB knows a time zone only where somebody loaded its tables, and
the three databases would not agree on the rest.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.utils import timezone


class Unit(enum.StrEnum):
    """How long a period is."""

    DAY = "day"
    """From midnight to midnight; 23 or 25 hours where the clocks change."""
    WEEK = "week"
    """From Monday to Sunday, as ISO 8601 has it."""
    MONTH = "month"
    """A month of the calendar."""


@dataclass(frozen=True, kw_only=True, order=True)
class Period:
    """A day, a week or a month."""

    start: date
    """Its first day."""
    unit: Unit
    """How long it is."""

    @property
    def end(self) -> date:
        """Its last day."""
        if self.unit is Unit.DAY:
            return self.start
        if self.unit is Unit.WEEK:
            return self.start + timedelta(days=min(6, (date.max - self.start).days))
        # The 28th and four days are in the next month, whichever month it is; the last month of all has no next.
        if self.start >= date.max.replace(day=1):
            return date.max
        return (self.start.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)

    @property
    def number(self) -> int:
        """Its place in the row of all periods of its unit: that of the next one is higher by one."""
        if self.unit is Unit.MONTH:
            return self.start.year * 12 + self.start.month - 1
        days = self.start.toordinal() - 1
        return days // 7 if self.unit is Unit.WEEK else days


def period_of(moment: date, unit: Unit, zone: tzinfo | None = None) -> Period:
    """Return the period in which a date or a moment lies; a moment in the time zone `zone`, or in the current one.

    Raises:
        TypeError: it is neither a date nor a moment.
    """
    day = _day_of(moment, zone)
    if unit is Unit.WEEK:
        day -= timedelta(days=day.weekday())
    elif unit is Unit.MONTH:
        day = day.replace(day=1)
    return Period(start=day, unit=unit)


def _day_of(moment: object, zone: tzinfo | None) -> date:
    if isinstance(moment, datetime):
        if timezone.is_naive(moment):
            return moment.date()
        try:
            return moment.astimezone(zone or timezone.get_current_timezone()).date()
        except OverflowError:
            # Within a day of the calendar's ends, where no other zone has a date for it.
            return moment.date()
    if isinstance(moment, date):
        return moment
    raise TypeError(f"`on` must name a field of dates or moments, not of {type(moment).__name__}")
