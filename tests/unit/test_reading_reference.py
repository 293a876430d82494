"""The reference page of reading back names all that is public, and the pages name what an export holds."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from insights_recovery import reflections
from insights_recovery.export.formats import COLUMNS

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = (DOCS / "reference" / "reflections.md").read_text(encoding="utf-8")
EXPORT = (DOCS / "how-to" / "export-and-erase.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", reflections.__all__)
def test_everything_public_is_documented(name: str) -> None:
    found = getattr(reflections, name)
    assert f"`{name}" in PAGE
    if dataclasses.is_dataclass(found):
        assert [field.name for field in dataclasses.fields(found) if f"`{field.name}`" not in PAGE] == []
    elif inspect.isfunction(found):
        assert [argument for argument in inspect.signature(found).parameters if f"{argument}" not in PAGE] == []


def test_every_key_of_an_export_is_documented() -> None:
    assert [column for column in COLUMNS if f"`{column}`" not in EXPORT] == []
