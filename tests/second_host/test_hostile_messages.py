"""A message names notes; whatever else it holds is passed over."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from insights_recovery import processing
from tests.hosts.diary.models import Note

JUNK = [
    None, True, 7, 1.5, float("nan"), float("inf"), -1, 10**50, 2**128, "", "x", "a secret word", "\x00", "\ud800",
    b"1", [], {}, [[1]], {"pk": 1}, datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), Decimal("NaN"), object(), (),
    set(),
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:20])
def test_whatever_names_no_note_is_passed_over(junk: Any) -> None:
    note = Note.objects.create(body="Walked to the lake.")
    runner = processing.this_process("task")
    assert {"completed": 1} == processing.process([junk, str(note.pk), junk], runner)
