"""How long a service asks to be left alone: the Retry-After header, in seconds or as a date."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0
SHORTEST = 1.0
_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,12})?")


def seconds_to_wait(headers: Mapping[str, str], otherwise: float) -> float:
    """Return the seconds that `headers` ask for, between a second and a day; `otherwise` where they ask for none."""
    stated = headers.get("retry-after", "").strip()
    seconds = float(stated) if _SECONDS.fullmatch(stated) else _seconds_until(stated, headers.get("date", ""))
    return otherwise if seconds is None else min(max(seconds, SHORTEST), LONGEST)


def _seconds_until(stated: str, sent: str) -> float | None:
    """Return the seconds until a date by the service's own clock, which may differ from this machine's."""
    until = _moment(stated)
    return None if until is None else (until - (_moment(sent) or datetime.now(UTC))).total_seconds()


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
