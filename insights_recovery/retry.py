"""How long to wait before the next try, and when to give up: pure arithmetic, with clock and dice passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Dice = Callable[[float, float], float]
"""Draws a number between two bounds, as `random.uniform` does."""

MAX_DOUBLINGS = 30
"""Beyond this many doublings every delay has long met its cap; it keeps the power within a float."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off with full jitter and a limit.

    Full jitter draws the delay uniformly between zero and the exponential bound; of the jitter schemes compared in
    Marc Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015) it needs the least total work where
    many clients contend.
    """

    limit: int
    """How many times it may go wrong before it is given up."""
    delay: float
    """Bound of the first delay, in seconds."""
    max_delay: float
    """Bound that no delay exceeds, in seconds."""

    def delay_after(self, failures: int, dice: Dice) -> float | None:
        """Return the seconds to wait after the `failures`-th failure, or None to give up.

        Raises:
            ValueError: `failures` is less than one.
        """
        if failures < 1:
            raise ValueError("failures counts the failure that just happened, so it is at least one")
        if failures >= self.limit:
            return None
        return dice(0.0, self._bound(failures))

    def delay_after_crash(self, crashes: int, dice: Dice) -> float | None:
        """Return the seconds to wait after the `crashes`-th crash of a worker, or None to give up.

        The first crash waits for nothing: mostly it is a deploy, an out-of-memory neighbour or an operator, and the
        entry is innocent. From the second on it backs off as a failure does.

        Raises:
            ValueError: `crashes` is less than one.
        """
        if crashes == 1 < self.limit:
            return 0.0
        return self.delay_after(crashes, dice)

    def _bound(self, failures: int) -> float:
        return min(self.max_delay, self.delay * 2.0 ** min(failures - 1, MAX_DOUBLINGS))
