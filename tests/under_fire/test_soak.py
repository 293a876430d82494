"""A hundred thousand entries with a fault every few seconds: nothing grows that should not."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from tests.harness import HostProject
from tests.under_fire.chaos import BROKER, under_fire, violations
from tests.under_fire.evidence import Evidence
from tests.under_fire.profiles import PROFILE, by_profile

TIMEOUT = 7_200
ENTRIES = by_profile(ordinary=0, short=0, long=100_000)
FAULTS = 300
HISTORY_DAYS = 0.002
"""About three minutes."""
MEBIBYTE = 1 << 20
MAX_GROWTH = 1.1
"""Of the memory of a worker that lives from the first entry to the last, from a tenth of the entries to all of them."""
MAX_LEFT = 100
"""Keys or messages that may be at the broker in the end."""

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(TIMEOUT),
    pytest.mark.skipif(PROFILE != "long", reason="a soak takes half an hour: it belongs to the long profile"),
]


@pytest.mark.parametrize("host_project", [BROKER], indirect=True)
def test_nothing_grows_in_a_soak(host_project: HostProject, evidence: Evidence) -> None:
    size = ["--entries", str(ENTRIES), "--faults", str(FAULTS), "--seed", "7", "--seconds", "0.004", "--keep"]
    size += ["--spare", "1", "--patience", "900", "--set", f"HISTORY_DAYS={HISTORY_DAYS}"]
    verdict = under_fire(host_project, *size, timeout=TIMEOUT)

    note = _figures(verdict)
    where = f"{connection.vendor} x {BROKER}, {verdict['entries']} entries"
    evidence.record(
        "soak", where, tried=verdict["faults"], violations=violations(verdict) + _growth(verdict), note=note
    )


def _tenth_and_last(verdict: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    samples = verdict["samples"]
    tenth = next(sample for sample in samples if sample["entries"] >= ENTRIES / 10)
    return tenth, samples[-1]


def _figures(verdict: dict[str, Any]) -> str:
    tenth, last = _tenth_and_last(verdict)
    memory = f"memory {tenth['memory'] / MEBIBYTE:.0f} MiB at {tenth['entries']} entries, "
    memory += f"{last['memory'] / MEBIBYTE:.0f} MiB at {last['entries']}"
    return f"{memory}; at the broker {last['broker']}; rows of history {last['attempts']}"


def _growth(verdict: dict[str, Any]) -> list[str]:
    tenth, last = _tenth_and_last(verdict)
    found = []
    if last["memory"] > MAX_GROWTH * tenth["memory"]:
        found.append("the worker's memory grew")
    if last["broker"] > MAX_LEFT:
        found.append(f"{last['broker']} keys or messages are left at the broker")
    if last["attempts"] > verdict["entries"] / 2:
        found.append(f"{last['attempts']} rows of history were not pruned")
    return found
