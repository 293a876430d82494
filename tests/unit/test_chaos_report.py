"""The outcome of a chaos run as it is told."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

import pytest

from insights_recovery.chaos import report
from insights_recovery.chaos.conductor import Sample, Verdict
from insights_recovery.chaos.report import NAMED, facts, lines
from insights_recovery.chaos.schedule import draw
from insights_recovery.chaos.verdict import Offences, percentile

KINDS = [field.name for field in dataclasses.fields(Offences)]


def outcome(**changes: Any) -> Verdict:
    """Return the verdict of a run in which one worker was killed twice, and nothing was wrong."""
    sample = Sample(entries=0, memory=50 << 20, attempts=0, broker=3)
    known = {
        "created": 30,
        "deleted": 2,
        "edits": 5,
        "offences": Offences(),
        "leaks": [],
        "stale_writes_refused": 1,
        "repeated_extractions": 4,
        "longest_write": 0.25,
        "restarts": Counter({"worker-0, status 1": 1}),
        "times": Counter({"worker killed": 2, "broker emptied": 1}),
        "in_hand": Counter({"worker killed": 4, "broker emptied": 2}),
        "recoveries": {"worker killed": [0.5, 1.5, 1.0, 4.0]},
        "samples": [sample, dataclasses.replace(sample, entries=30, memory=60 << 20, attempts=31)],
        "settled_after": 1.5,
        "seconds": 20.0,
    }
    return Verdict(**{**known, **changes})


def told(verdict: Verdict) -> dict[str, Any]:
    return facts(verdict, 7, draw(7, ["worker killed"], 3), {"disk full": "not asked for"})


def test_a_run_in_which_nothing_was_wrong_is_ok() -> None:
    found = told(outcome())

    assert found["ok"]
    assert found["offenders"] == {}
    assert [found[kind] for kind in KINDS] == [0] * len(KINDS)
    assert found["faults"] == 3
    assert len(found["schedule"]) == 3
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("kind", KINDS)
def test_one_offence_of_any_kind_breaks_a_promise(kind: str) -> None:
    found = told(outcome(offences=Offences(**{kind: ["7 (COMPLETED)"]})))

    assert not found["ok"]
    assert found[kind] == 1
    assert found["offenders"] == {kind: ["7 (COMPLETED)"]}
    assert f"{kind.replace('_', ' ')}: 7 (COMPLETED)" in list(lines(found))


def test_an_output_with_a_text_breaks_a_promise() -> None:
    found = told(outcome(leaks=["worker-0"]))

    assert not found["ok"]
    assert found["leaks"] == 1
    assert found["offenders"] == {"leaks": ["worker-0"]}
    assert "leaks: worker-0" in list(lines(found))


def test_many_offenders_are_counted_and_some_are_named() -> None:
    found = told(outcome(offences=Offences(lost=[str(number) for number in range(3 * NAMED)])))
    assert found["lost"] == 3 * NAMED
    assert len(found["offenders"]["lost"]) == NAMED


def test_each_fault_has_its_figures() -> None:
    by_fault = told(outcome())["by_fault"]

    killed, emptied = by_fault["worker killed"], by_fault["broker emptied"]
    assert (killed["times"], killed["in_hand"], killed["taken_back"]) == (2, 4, 4)
    assert killed["recovery_seconds"] == {"p50": 1.0, "p99": 4.0, "max": 4.0}
    assert emptied == {"times": 1, "in_hand": 2, "taken_back": 0, "recovery_seconds": {}}


def test_a_person_is_told_everything() -> None:
    told_to_person = "\n".join(lines(told(outcome())))

    assert "left out: disk full: not asked for" in told_to_person
    assert "ended by itself, and was started again: worker-0, status 1, 1 times" in told_to_person
    assert "memory 50 MiB at 0 entries, 60 MiB at 30" in told_to_person
    assert "Seed 7 repeats the schedule." in told_to_person
    assert all(words in told_to_person for words in report.WORDS.values())
    assert set(KINDS) <= set(report.WORDS)


@pytest.mark.parametrize(("share", "expected"), [(0.05, 15), (0.3, 20), (0.4, 20), (0.5, 35), (0.99, 50), (1, 50)])
def test_a_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([40, 15, 50, 20, 35], share) == expected


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile([3.14159], 0.5) == 3.14
