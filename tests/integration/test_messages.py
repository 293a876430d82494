"""A message names entries; whatever else it holds is passed over."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from insights_recovery import processing
from tests.integration.helpers import (
    create,
    runner,
)

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
    assert processing.process([pk], runner()) == {}
