"""The product's own `chaos` command, on the pairs of database and broker that people use."""

from __future__ import annotations

import pytest
from django.db import connection

from insights_recovery.chaos.faults import FAULTS
from tests.harness import HostProject
from tests.under_fire.chaos import BROKER, under_fire, violations
from tests.under_fire.evidence import Evidence
from tests.under_fire.profiles import by_profile

LONG = {"postgresql": (10_000, 200), "mysql": (2_000, 200), "sqlite": (500, 100)}[connection.vendor]
"""Entries and faults of the long profile."""
ENTRIES, STRIKES = by_profile(ordinary=(150, 20), short=(300, 30), long=LONG)
SEEDS = by_profile(ordinary=[1], short=[2], long=[1, 2, 3])
TIMEOUT = by_profile(ordinary=300, short=500, long=7_200)


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("host_project", [BROKER], indirect=True)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_stale(host_project: HostProject, evidence: Evidence, seed: int) -> None:
    size = ["--seed", str(seed), "--entries", str(ENTRIES), "--faults", str(STRIKES)]
    verdict = under_fire(host_project, *size, timeout=TIMEOUT)

    left_out = ", ".join(f"{name} ({why})" for name, why in verdict["left_out"].items())
    note = f"{verdict['entries']} entries, {verdict['stale_writes_refused']} stale writes refused, "
    note += f"{verdict['repeated_extractions']} calls repeated; left out: {left_out or 'nothing'}"
    where = f"{connection.vendor} x {BROKER}, seed {seed}"
    evidence.record("chaos", where, tried=verdict["faults"], violations=violations(verdict), note=note)
    assert verdict["entries"] >= ENTRIES
    assert set(verdict["by_fault"]) == {fault.name for fault in FAULTS} - set(verdict["left_out"])
