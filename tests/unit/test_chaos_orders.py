"""What the processes of a chaos run are told, what their settings make of it, and the extractors they use."""

from __future__ import annotations

import dataclasses
import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from insights_recovery.chaos import orders
from insights_recovery.chaos.extractor import FINDINGS, NAMES, FirstChaosExtractor, SecondChaosExtractor, labels
from insights_recovery.chaos.journal import CALLS, Tail
from insights_recovery.chaos.orders import Orders
from insights_recovery.chaos.switches import EXTRACTOR_OUT, Switch
from insights_recovery.extractors import PostponeError
from insights_recovery.lifecycle import digest_of
from tests.settings import main


def told(folder: Path, **changes: Any) -> Orders:
    """Return orders for a run in this folder whose extractors take no time."""
    known = {
        "settings": "tests.settings.main",
        "folder": str(folder),
        "insights": {"LEASE_SECONDS": 3},
        "phrase": "7 0123456789abcdef",
        "seed": 7,
        "seconds": 1e-6,
    }
    return Orders(**{**known, **changes})


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    """Orders that this process has, as if `chaos` had started it."""
    ours = told(tmp_path)
    monkeypatch.setenv(orders.VARIABLE, ours.environment()[orders.VARIABLE])
    return ours


def test_a_process_reads_what_it_was_told(given: Orders) -> None:
    assert orders.given() == given
    assert given.environment()["DJANGO_SETTINGS_MODULE"] == "insights_recovery.chaos.settings"


def test_a_process_that_chaos_did_not_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(orders.VARIABLE, raising=False)
    with pytest.raises(RuntimeError, match=r"manage\.py chaos"):
        orders.given()


def test_the_lease_is_that_of_the_run(tmp_path: Path) -> None:
    assert told(tmp_path, insights={"LEASE_SECONDS": 12}).lease == 12.0


def test_the_settings_are_the_hosts_but_for_what_was_ordered(given: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    ordered = dataclasses.replace(given, insights={"LEASE_SECONDS": 3, "MAX_ATTEMPTS": 9})
    monkeypatch.setenv(orders.VARIABLE, ordered.environment()[orders.VARIABLE])

    theirs = runpy.run_module("insights_recovery.chaos.settings")

    assert theirs["INSTALLED_APPS"] == [*main.INSTALLED_APPS, "insights_recovery.chaos"]
    assert theirs["INSIGHTS_RECOVERY"] == {**main.INSIGHTS_RECOVERY, "LEASE_SECONDS": 3, "MAX_ATTEMPTS": 9}
    assert theirs["DATABASES"] == main.DATABASES
    assert "LEASE_SECONDS" not in main.INSIGHTS_RECOVERY


@pytest.mark.parametrize("kind", [FirstChaosExtractor, SecondChaosExtractor])
def test_what_an_extractor_finds_can_be_recomputed_from_the_text(
    given: Orders, kind: type[FirstChaosExtractor]
) -> None:
    found = kind().extract("a day by the river")

    digest = digest_of("a day by the river")
    assert [insight.label for insight in found.insights] == labels(kind.name, digest)
    lines = list(Tail(given.path, CALLS).fresh())
    assert lines == [[event, str(os.getpid()), kind.name, digest] for event in ("start", "end")]


def test_no_two_findings_share_a_label() -> None:
    every = [label for name in NAMES for digest in ("a", "b") for label in labels(name, digest)]
    assert len(set(every)) == len(every) == len(NAMES) * 2 * FINDINGS
    assert FINDINGS > 1, "of a set of one no part could be missing"


def test_a_service_that_is_out_says_so_and_comes_back(given: Orders) -> None:
    out = Switch(given.path, EXTRACTOR_OUT)
    out.turn_on()
    with pytest.raises(PostponeError) as raised:
        FirstChaosExtractor().extract("a day by the river")
    assert raised.value.code == "ordered-by-chaos"
    assert [line[0] for line in Tail(given.path, CALLS).fresh()] == ["start", "end"]

    out.turn_off()
    assert FirstChaosExtractor().extract("a day by the river").insights


def test_a_switch_may_be_turned_twice(tmp_path: Path) -> None:
    switch = Switch(tmp_path, "light")
    assert not switch.is_on
    switch.turn_on()
    switch.turn_on()
    assert switch.is_on
    assert Switch(tmp_path, "light").is_on
    assert not Switch(tmp_path, "other").is_on
    switch.turn_off()
    switch.turn_off()
    assert not switch.is_on
