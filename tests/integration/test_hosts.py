"""Hosts of other shapes: a model of a later migration, a renamed one; run as projects of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from insights_recovery import hosts
from tests.harness import IMPORT_ROOT
from tests.hosts.notes.models import Entry

SETTINGS = """
SECRET_KEY = "only-for-tests"
INSTALLED_APPS = ["django.contrib.contenttypes", "insights_recovery", "late"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
INSIGHTS_RECOVERY = {"ENTRY_MODEL": "late.Page", "TEXT_FIELD": "words"}
"""
MODELS = """
from django.db import models
from insights_recovery.models import RecoverableEntry


class Other(models.Model):
    pass


class Page(RecoverableEntry):
    words = models.TextField()

    class Meta(RecoverableEntry.Meta):
        pass
"""
FIRST = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))])]
"""
BARE = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel(
            "{name}", [("id", models.BigAutoField(primary_key=True)), ("words", models.TextField())]
        ),
    ]
"""
RENAME = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("late", "0001_initial")]
    operations = [migrations.RenameModel("Leaf", "Page")]
"""


class Host:
    """A project in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._write("project.py", SETTINGS)
        self._write("late/__init__.py", "")
        self._write("late/models.py", MODELS)
        self._write("late/migrations/__init__.py", "")

    def migration(self, name: str, code: str) -> None:
        """Write a migration of the host's app."""
        self._write(f"late/migrations/{name}.py", code)

    def manage(self, *arguments: str) -> str:
        """Run a management command that must succeed; return what it wrote."""
        paths = os.pathsep.join([str(self._folder), str(IMPORT_ROOT)])
        env = os.environ | {"DJANGO_SETTINGS_MODULE": "project", "PYTHONPATH": paths}
        command = [sys.executable, "-m", "django", *arguments]
        done = subprocess.run(command, cwd=self._folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _write(self, path: str, code: str) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(code))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _migration_of(host: Host) -> str:
    code = "from insights_recovery.hosts import entry_migration; print(*entry_migration())"
    return host.manage("shell", "-v", "0", "-c", code).strip().splitlines()[-1]


def _adopt(host: Host) -> None:
    host.manage("makemigrations", "late", "-v", "0")
    host.manage("migrate", "-v", "0")
    host.manage("makemigrations", "--check", "--dry-run")


def test_an_entry_of_a_later_migration_is_found(host: Host) -> None:
    host.migration("0001_initial", FIRST)
    _adopt(host)
    assert _migration_of(host).startswith("late 0002")


def test_an_existing_model_may_adopt_later(host: Host) -> None:
    host.migration("0001_initial", BARE.replace("{name}", "Page"))
    _adopt(host)
    assert _migration_of(host) == "late 0001_initial"


def test_a_renamed_entry_is_found_under_its_last_name(host: Host) -> None:
    host.migration("0001_initial", BARE.replace("{name}", "Leaf"))
    host.migration("0002_rename", RENAME)
    _adopt(host)
    assert _migration_of(host) == "late 0002_rename"


def test_a_new_host_is_adopted_from_nothing(host: Host) -> None:
    _adopt(host)
    assert _migration_of(host) == "late 0001_initial"


def test_a_host_may_go_on_migrating_after_adoption(host: Host) -> None:
    _adopt(host)
    host.manage("makemigrations", "late", "-v", "0", "--empty", "--name", "later")
    assert _migration_of(host) == "late 0001_initial"


def test_rows_that_were_there_before_are_found_and_extracted(host: Host) -> None:
    host.migration("0001_initial", BARE.replace("{name}", "Page"))
    host.manage("migrate", "late", "0001", "-v", "0")
    insert = "INSERT INTO late_page (words) VALUES ('old')"
    host.manage("shell", "-v", "0", "-c", f"from django.db import connection; connection.cursor().execute({insert!r})")
    _adopt(host)
    look = "from insights_recovery.hosts import entries; print(entries().due(backfill=True).count())"
    assert host.manage("shell", "-v", "0", "-c", look).strip().splitlines()[-1] == "1"


def test_the_entry_model_is_the_one_of_the_setting() -> None:
    assert Entry is hosts.entry_model()
    assert hosts.database() == "default"


@pytest.mark.django_db
def test_all_entries_are_seen_past_a_manager_that_hides_some() -> None:
    entry = Entry.objects.create(content="text")
    assert [entry] == list(hosts.entries())
    assert type(hosts.entries()).__name__ == "EntryQuerySet"
