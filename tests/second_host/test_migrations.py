"""Migrations fit every host: they run on an empty database, and leave nothing for `makemigrations` to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tests

ROOT = Path(tests.__file__).parent.parent
PROJECTS = {
    "main": ["-m", "tests.hosts.main.manage"],
    "second": ["-m", "tests.hosts.second.manage"],
    "example": [str(ROOT / "example_project" / "manage.py")],
}


def _manage(project: str, folder: Path, *arguments: str) -> None:
    database = f"sqlite://{folder / 'fresh.sqlite3'}"
    unset = {"DJANGO_SETTINGS_MODULE", "TEST_DATABASE"}
    env = {key: value for key, value in os.environ.items() if key not in unset}
    # The test hosts and the example project each read the variable that is theirs.
    env |= {"HOST_DATABASE_URL": database, "DATABASE_URL": f"sqlite:///{folder / 'fresh.sqlite3'}"}
    command = [sys.executable, *PROJECTS[project], *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("project", PROJECTS)
def test_migrations_run_on_an_empty_database_and_stay_clean(project: str, tmp_path: Path) -> None:
    _manage(project, tmp_path, "migrate", "--verbosity", "0")
    assert (tmp_path / "fresh.sqlite3").stat().st_size
    _manage(project, tmp_path, "makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize("project", ["main", "second"])
def test_migrations_can_be_taken_back(project: str, tmp_path: Path) -> None:
    _manage(project, tmp_path, "migrate", "--verbosity", "0")
    _manage(project, tmp_path, "migrate", "insights_recovery", "zero", "--verbosity", "0")


@pytest.mark.parametrize("project", PROJECTS)
def test_system_checks_have_nothing_to_say(project: str, tmp_path: Path) -> None:
    _manage(project, tmp_path, "check", "--fail-level", "WARNING")
