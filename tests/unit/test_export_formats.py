"""JSON and CSV: what goes in comes out, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from hypothesis import example, given
from hypothesis import strategies as st

from insights_recovery.export import as_csv, as_json, private_file, to_file, unescaped
from insights_recovery.export.formats import COLUMNS, FORMULA, PARTS, escaped
from insights_recovery.export.records import CORRECTION, EXTRACTION, INSIGHT, _value

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''", '"', 'a,"b"\r\nc', "; =1", "＝1", "\0=1"]
)
NUMBERS = st.none() | st.floats(-1, 1) | st.integers(0, 2**40)


def _rows(names: Any, **more: Any) -> Any:
    return st.lists(st.fixed_dictionaries({name: TEXTS | NUMBERS | st.booleans() for name in names} | more), max_size=3)


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "id": TEXTS | st.integers(),
            "text": TEXTS,
            "state": TEXTS,
            "reason": TEXTS,
            "completed_at": TEXTS | st.none(),
            "fields": st.dictionaries(TEXTS, TEXTS | NUMBERS, max_size=3),
            "extractions": _rows(EXTRACTION, usage=st.dictionaries(TEXTS, NUMBERS, max_size=2)),
            "insights": _rows([*INSIGHT, *CORRECTION]),
            "attempts": _rows(["number", "outcome"]),
        }
    ),
    max_size=3,
)


@given(records=RECORDS, ascii_only=st.booleans())
@example(records=[], ascii_only=False)
def test_json_gives_back_the_records(records: list[Any], ascii_only: bool) -> None:
    document = "".join(as_json(records, ascii_only=ascii_only))
    assert json.loads(document) == {"format": "insights_recovery", "version": 1, "entries": records}
    assert document.isascii() or not ascii_only


def _as_written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _read(document: str) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(document, newline=""))
    return [{name: unescaped(cell) for name, cell in row.items()} for row in rows]


@given(records=RECORDS)
def test_csv_gives_back_every_value(records: list[Any]) -> None:
    lines = iter(_read("".join(as_csv(records))))
    for record in records:
        of_entry = {name: value for name, value in record.items() if name not in {"id", *PARTS.values()}}
        expected = [("entry", of_entry), *((name, row) for name, part in PARTS.items() for row in record[part])]
        for name, values in expected:
            line = next(lines)
            assert (line["record"], line["entry"]) == (name, _as_written(record["id"]))
            assert {key: line[key] for key in values} == {key: _as_written(value) for key, value in values.items()}
    assert list(lines) == []


@given(records=RECORDS)
def test_no_cell_of_csv_begins_as_a_formula_unless_it_is_a_number(records: list[Any]) -> None:
    for row in csv.reader(io.StringIO("".join(as_csv(records)), newline="")):
        assert [cell for cell in row if cell[:1] in FORMULA and cell and not _is_number(cell)] == []


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    # A text that a person wrote is escaped though it may look like a number.
    return cell.lstrip("-")[:1].isdigit()


@given(text=TEXTS)
def test_what_is_escaped_can_be_told_from_what_was_written_so(text: str) -> None:
    assert unescaped(escaped(text)) == text


def test_a_negative_number_stays_one_and_a_text_that_looks_like_one_does_not() -> None:
    record = {"id": 1, "extractions": [], "attempts": []}
    insights = [{"label": "-0.5", "sentiment": -0.5}]
    line = "".join(as_csv([{**record, "insights": insights}])).splitlines()[2]
    assert '"\'-0.5"' in line
    assert ",-0.5," in line


def test_the_columns_hold_every_key_of_a_line() -> None:
    assert set(COLUMNS) >= {*EXTRACTION, *INSIGHT, *CORRECTION}


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    to_file([], path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["entries"] == []


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        to_file([], path, form="csv")
    assert path.read_text() == "precious"


def test_with_force_it_is_replaced_by_one_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("precious")
    path.chmod(0o644)
    to_file([], path, form="csv", force=True)
    assert path.read_text().startswith('"record"')
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("force", [False, True])
def test_an_export_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path, *, force: bool) -> None:
    path = tmp_path / "export.json"
    if force:
        path.write_text("precious")

    def fail() -> None:
        with private_file(path, force=force) as file:
            file.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert {found.name: found.read_text() for found in tmp_path.iterdir()} == ({path.name: "precious"} if force else {})


def test_a_link_that_somebody_laid_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        to_file([], path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_lone_surrogate_is_written_as_json_has_it(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    to_file([{"text": "a\udc80b"}], path)
    assert json.loads(path.read_text(encoding="utf-8"))["entries"] == [{"text": "a\udc80b"}]


class Words:
    """What JSON knows nothing of."""

    def __str__(self) -> str:
        return "in words"


@pytest.mark.parametrize(
    ("field", "value", "written"),
    [
        (models.DecimalField(), Decimal("1.10"), "1.10"),
        (models.DateTimeField(), datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC), "2026-03-01T12:00:00.000001+00:00"),
        (models.DateField(), date(2026, 3, 1), "2026-03-01"),
        (models.DurationField(), timedelta(days=1), "1 00:00:00"),
        (models.BinaryField(), b"\x00\xff", "AP8="),
        (models.UUIDField(), UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (models.JSONField(), {"a": [1, (math.nan, None)], 2: Words()}, {"a": [1, ["nan", None]], "2": "in words"}),
        (models.FloatField(), math.inf, "inf"),
        (models.BooleanField(), True, True),
        (models.TextField(), None, None),
    ],
)
def test_a_column_of_any_type_is_exported(field: Any, value: Any, written: Any) -> None:
    field.set_attributes_from_name("column")
    found = _value(field, SimpleNamespace(column=value))  # type: ignore[arg-type]
    assert found == written
    assert json.loads(json.dumps(found, allow_nan=False)) == written
