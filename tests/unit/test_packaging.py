"""The package that is installed is whole: templates, styles, word lists and weights as well as modules."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest

import insights_recovery
import tests

INSTALLED = Path(insights_recovery.__file__).parent
CLONE = Path(tests.__file__).resolve().parent.parent / "insights_recovery"

under_tox = pytest.mark.skipif(INSTALLED == CLONE, reason="nothing is installed: the clone itself is under test")


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@under_tox
def test_the_wheel_holds_every_file_of_the_clone_and_no_other() -> None:
    assert _files(INSTALLED) == _files(CLONE)


@under_tox
def test_nothing_is_installed_beside_the_package() -> None:
    tops = {file.parts[0] for file in distribution("django-insights-recovery").files or []}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"insights_recovery"}
