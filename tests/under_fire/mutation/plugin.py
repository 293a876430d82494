"""The plugin of pytest that tries the mutants instead of reporting on the tests; see `trial`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.under_fire.mutation.plan import Plan

NEEDS_A_SERVER_OF_ITS_OWN = {"killable_redis", "rabbitmq_server", "mariadb_server", "host_project"}
"""Fixtures whose tests do things to a server that a fork could not make good again."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the plan."""
    parser.addoption("--mutation-plan", type=Path, help="what to try; written by `python -m tests.under_fire.mutation`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what does not bear being forked."""
    items[:] = [item for item in items if not NEEDS_A_SERVER_OF_ITS_OWN.intersection(getattr(item, "fixturenames", ()))]


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run the tests as they are, then with each mutant."""
    # Not before Django is set up, which comes after plugins are loaded.
    from tests.under_fire.mutation.trial import Trial

    plan = Plan.read(session.config.getoption("--mutation-plan"))
    trial = Trial(session, plan)
    trial.run_as_it_is()
    if trial.failed:
        raise session.Failed(f"these fail without any mutant: {', '.join(trial.failed)}")
    trial.run_mutants()
    return True
