"""A message names entries; whatever else it holds is passed over."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from insights_recovery import processing
from tests.integration.helpers import create, heard, runner

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "junk",
    [[], [None], ["x"], [""], [1.5], [float("nan")], [float("inf")], [-1], [0], [10**30], [[1]], [{"pk": 1}], [True],
     [str(uuid4())], ["9" * 5000], [b"1"]],
    ids=repr,
)  # fmt: skip
def test_whatever_names_no_entry_is_passed_over(junk: list[Any]) -> None:
    assert processing.process(junk, runner()) == {}


def test_junk_beside_an_entry_keeps_it_from_nothing() -> None:
    entry = create()
    pks = ["x", None, 10**30, float("inf"), str(entry.pk), entry.pk]
    assert processing.process(pks, runner()) == {"completed": 1}


def test_a_deleted_entry_is_passed_over() -> None:
    entry = create()
    pk = entry.pk
    entry.delete()
    with heard("entries_unknown") as unknown:
        assert processing.process([pk], runner()) == {}
    assert unknown == [pk]


def test_an_entry_that_is_done_is_not_reported_as_unknown() -> None:
    entry = create()
    processing.process([entry.pk], runner())
    with heard("entries_unknown") as unknown:
        processing.process([entry.pk], runner())
    assert unknown == []


def test_what_an_impossible_key_says_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "insights_recovery")
    processing.process(["a secret word"], runner())
    assert "entries_unknown entry_ids= impossible=1" in caplog.text
    assert "secret" not in caplog.text
