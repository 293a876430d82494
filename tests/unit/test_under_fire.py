"""The runner of the evidence: it tries what is there, and its table says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.under_fire.__main__ import PARTS, Part, condensed, table
from tests.under_fire.evidence import Line

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_names_tests_that_exist(part: Part) -> None:
    assert [path for path in part.paths if not (TESTS / path).exists()] == []


def test_all_that_is_under_fire_belongs_to_a_part() -> None:
    named = {TESTS / path for part in PARTS for path in part.paths}
    assert set(TESTS.glob("under_fire/test_*.py")) - named == set()
    assert set(TESTS.glob("integration/test_hostile_*.py")) - named == set()


def test_the_table_shows_what_was_tried_and_violated() -> None:
    shown = table([Line(part="chaos", where="SQLite", tried=12_000, violations=3, seconds=4.5, note="one lost")])
    assert [cell.strip() for cell in shown.splitlines()[2].split("|")[1:-1]] == [
        "chaos",
        "SQLite",
        "12,000",
        "3",
        "4.5",
        "one lost",
    ]


def test_the_scenarios_of_one_place_are_one_line() -> None:
    lines = [
        Line(part="crashes", where=f"{database}: {scenario}", tried=2, violations=1, seconds=1.5)
        for database in ("SQLite", "MariaDB")
        for scenario in ("a save", "an edit")
    ]
    assert [
        Line(part="crashes", where=database, tried=4, violations=2, seconds=3.0, note="2 scenarios")
        for database in ("SQLite", "MariaDB")
    ] == condensed(lines)
    assert lines[:1] == condensed(lines[:1])
