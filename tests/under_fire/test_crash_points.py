"""A process may die before, after and between any two things it does, and nothing is lost, doubled or torn by it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from kombu.transport import TRANSPORT_ALIASES

from insights_recovery.embedded_broker import Transport
from tests.harness import filesystem_broker, use_broker
from tests.under_fire.crash_extractors import FIRST
from tests.under_fire.crash_fates import FATES
from tests.under_fire.crash_trial import violations
from tests.under_fire.crash_world import CANARY, World
from tests.under_fire.evidence import Evidence
from tests.under_fire.profiles import by_profile, share
from tests.under_fire.scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(900)

SHARE, SHARES = share()
MINE = range(SHARE, len(SCENARIOS), SHARES)
"""The scenarios of this run."""
SHORT = {"EXTRACTORS": [FIRST], "RETRY_DELAY": 1, "RETRY_DELAY_MAX": 2}
"""Back-offs that are over whenever time passes."""


@pytest.fixture
def world(
    transactional_db: None, tmp_path: Path, extractor_log: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A database and a broker that outlive the processes that die."""
    monkeypatch.setitem(TRANSPORT_ALIASES, "filesystem", "insights_recovery.embedded_broker:Transport")
    # What kombu remembers to have bound was bound in another test's folder.
    Transport.global_state.clear()
    url, options = filesystem_broker(tmp_path / "broker")
    with use_broker(current_app._get_current_object(), url, options):
        world = World(tmp_path / "broker", extractor_log)
        yield world
        world.close()
    Transport.global_state.clear()


@pytest.mark.parametrize("number", MINE, ids=[SCENARIOS[number].name for number in MINE])
def test_nothing_comes_of_a_death_at_any_moment_of_it(
    number: int, world: World, evidence: Evidence, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = SCENARIOS[number]
    caplog.set_level(logging.DEBUG, logger="insights_recovery")
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, **SHORT, **scenario.settings}
    one = FATES[number // 3 % len(FATES) :][:1]
    fates = by_profile(ordinary=one, short=one, long=FATES)
    tried, found = 0, list[str]()
    for fate in fates:
        deaths, wrong = violations(scenario, fate, world)
        tried, found = tried + deaths, found + wrong
    if CANARY in caplog.text:
        found.append("leak: a text in the log")
    caplog.clear()
    note = "; ".join(fate.name for fate in fates)
    where = f"{connection.vendor}: {scenario.name}"
    evidence.record("crash at every statement", where, tried=tried, violations=found, note=note)
