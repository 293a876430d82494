"""However an extractor says that its service is out, it ends within a day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery.exceptions import PostponeError
from tests.integration.helpers import create, fresh, process, seconds_until

pytestmark = pytest.mark.django_db

Scripted = Callable[..., list[Any]]
TEXT = "Walked to the lake."


def _raise(error: BaseException) -> Callable[[Any], Any]:
    def action(_: Any) -> Any:
        raise error

    return action


class OwnOutageError(PostponeError):
    """Goes without the constructor of its base."""

    def __init__(self) -> None:
        """Set nothing."""


class ComputedOutageError(PostponeError):
    """Has the length of the outage computed."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    @property
    def retry_after(self) -> float:  # type: ignore[override]
        answer: float = self._answer()
        return answer


def _outage(seconds: Any) -> PostponeError:
    outage = PostponeError(TEXT)
    outage.retry_after = seconds
    return outage


DAY = 86_400
OUTAGES: dict[str, tuple[PostponeError, float]] = {
    "none": (PostponeError(retry_after=0), 0),
    "an hour": (PostponeError(retry_after=3600), 3600),
    "three centuries": (PostponeError(retry_after=1e10), DAY),
    "beyond every calendar": (PostponeError(retry_after=1e12), DAY),
    "beyond every clock": (PostponeError(retry_after=1e300), DAY),
    "without end": (_outage(float("inf")), DAY),
    "no number": (_outage(float("nan")), 60),
    "enormous": (_outage(10**5000), 60),
    "in the past": (_outage(-1), 60),
    "a moment in words": (_outage("Wed, 21 Oct 2026 07:28:00 GMT"), 60),
    "a number in words": (_outage("30"), 30),
    "unsaid": (OwnOutageError(), 60),
    "computed": (ComputedOutageError(lambda: 30), 30),
    "computed in vain": (ComputedOutageError(lambda: 1 / 0), 60),
}


@pytest.mark.parametrize(("outage", "seconds"), OUTAGES.values(), ids=OUTAGES)
def test_an_outage_ends_within_a_day_and_burns_nothing(
    scripted: Scripted, outage: PostponeError, seconds: float
) -> None:
    scripted(_raise(outage))
    entry, other = create(TEXT), create("another")
    assert process(entry, other) == {"postponed": 2}
    for one in (entry, other):
        assert [0, 1] == [fresh(one).processing_attempts, fresh(one).processing_postponed]
        assert seconds_until(one, "due_at") == pytest.approx(seconds, abs=30)
