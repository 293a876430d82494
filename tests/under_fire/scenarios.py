"""Every scenario in which a process dies."""

from __future__ import annotations

from tests.under_fire import crash_asking, crash_recovering, crash_working, crash_writing
from tests.under_fire.crash_stage import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *crash_writing.SCENARIOS,
    *crash_working.SCENARIOS,
    *crash_recovering.SCENARIOS,
    *crash_asking.SCENARIOS,
)
