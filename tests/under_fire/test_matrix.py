"""The acceptance tests hold with every database, every broker and every pool."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.settings.databases import EXIT_NO_SERVER
from tests.under_fire.evidence import Evidence
from tests.under_fire.matrix import CELLS, PAIRS, Cell, Matrix, Report, read
from tests.under_fire.profiles import by_profile

SELECTION = by_profile(ordinary=["-m", "matrix"], short=["-m", "matrix"], long=[])
"""What is run in each cell: those tests that concern all of them, or whatever starts a worker."""


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """The cells of this run, under way."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    cells = dict.fromkeys(given["cell"] for given in parameters if "cell" in given)
    running = Matrix(cells, SELECTION, tmp_path_factory.mktemp("matrix"))
    yield running
    running.close()


@pytest.mark.acceptance
# A cell waits for those before it.
@pytest.mark.timeout(by_profile(ordinary=900, short=7_200, long=36_000))
@pytest.mark.parametrize("cell", by_profile(ordinary=PAIRS, short=PAIRS, long=CELLS), ids=str)
def test_the_acceptance_tests_hold_in_every_cell(matrix: Matrix, cell: Cell, evidence: Evidence) -> None:
    report = matrix.report(cell)
    if report.missing:
        pytest.skip(f"{cell}: {report.missing}")
    if report.failed:
        print(report.said)
    evidence.record("matrix", str(cell), tried=report.passed, violations=report.failed, seconds=report.seconds)


PASSED = '<testcase classname="t" name="good"/>'
FAILED = '<testcase classname="t" name="bad"><failure message="no"/></testcase>'
ELSEWHERE = '<testcase classname="t" name="other"><skipped message="speaks of solo only"/></testcase>'
LACKING = '<testcase classname="t" name="lacking"><skipped message="no RabbitMQ server is installed"/></testcase>'


def reported(folder: Path, cases: str, status: int, said: str = "") -> Report:
    results = folder / "results.xml"
    if cases:
        results.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return read(results, status, said, 1.0)


def test_a_cell_counts_what_passed_and_names_what_failed(tmp_path: Path) -> None:
    report = reported(tmp_path, PASSED + FAILED + ELSEWHERE, 1)
    assert (1, ["t::bad"], "") == (report.passed, report.failed, report.missing)


def test_a_test_that_passed_and_then_failed_to_end_has_failed(tmp_path: Path) -> None:
    report = reported(tmp_path, '<testcase classname="t" name="bad"/>' + FAILED, 1)
    assert (0, ["t::bad"]) == (report.passed, report.failed)


def test_a_cell_in_which_all_was_left_out_says_what_is_missing(tmp_path: Path) -> None:
    report = reported(tmp_path, ELSEWHERE * 2 + LACKING, 0)
    assert (0, [], "no RabbitMQ server is installed") == (report.passed, report.failed, report.missing)


def test_a_cell_without_its_database_says_so(tmp_path: Path) -> None:
    report = reported(tmp_path, "", EXIT_NO_SERVER, "something\nmariadb: no MariaDB server is installed\n")
    assert ([], "mariadb: no MariaDB server is installed") == (report.failed, report.missing)


@pytest.mark.parametrize("status", [2, 5, -9])
def test_a_run_that_did_not_come_to_its_tests_has_failed(tmp_path: Path, status: int) -> None:
    report = reported(tmp_path, "", status)
    assert ([f"the run ended with {status}"], "") == (report.failed, report.missing)


@pytest.mark.parametrize("names", [*itertools.combinations(("database", "broker", "pool"), 2)], ids=" x ".join)
def test_any_two_meet_in_one_of_the_fewer_cells(names: tuple[str, str]) -> None:
    met = [tuple(getattr(cell, name) for name in names) for cell in PAIRS]
    assert 9 == len(set(met)) == len(met)
    assert set(PAIRS) < set(CELLS)
    assert 27 == len(set(CELLS))
