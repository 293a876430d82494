"""What all our commands have in common: how they read arguments, speak, and exit; and the helper that runs them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command, get_commands
from django.core.management.base import CommandError, OutputWrapper
from django.db import connections
from django.db.utils import OperationalError
from django.test import TestCase

from insights_recovery.management.output import Progress, count, positive, table
from insights_recovery.monitoring import health
from insights_recovery.monitoring.messaging import WorkersProbe
from tests.harness import HostProject
from tests.hosts.notes.models import Entry
from tests.services.servers import free_port

REPORTING = {
    "check_processing_status": [],
    "retry_unprocessed_entries": [],
    "startup_check": [],
    "audit_processing": [],
    "reprocess_entries": ["--all"],
    "prune_processing_history": [],
}
"""Our commands, each with the arguments it cannot do without."""

each_command = pytest.mark.parametrize("name", REPORTING)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command did."""

    status: int
    """Its exit status."""
    out: str
    """What it wrote to stdout."""
    err: str
    """What it wrote to stderr, or said as it gave up."""

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)


def run(name: str, *arguments: Any) -> Ran:
    """Run a command in this process, as the shell would: no transaction surrounds it there."""
    out, err = io.StringIO(), io.StringIO()
    status, said = 0, ""
    try:
        with TestCase.captureOnCommitCallbacks(execute=True):
            call_command(name, *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as error:
        status, said = error.returncode, str(error)
    return Ran(status=status, out=out.getvalue(), err=err.getvalue() + said)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor wait for workers, of which there are none here, as short a time as may be."""
    probes = [WorkersProbe(patience=0.05) if isinstance(probe, WorkersProbe) else probe for probe in health.PROBES]
    monkeypatch.setattr(health, "PROBES", tuple(probes))


@each_command
def test_django_knows_the_command(name: str) -> None:
    assert get_commands()[name] == "insights_recovery"


@each_command
@pytest.mark.django_db
def test_json_is_one_object_and_nothing_else(name: str) -> None:
    Entry.objects.create(content="Dear diary")

    ran = run(name, *REPORTING[name], "--format", "json")

    assert isinstance(ran.json, dict)
    assert ran.out.count("\n") == 1


@each_command
@pytest.mark.django_db
def test_a_table_is_plain_text_where_it_is_piped(name: str) -> None:
    Entry.objects.create(content="Dear diary")

    ran = run(name, *REPORTING[name])

    assert ran.out.strip()
    assert "\x1b" not in ran.out + ran.err
    assert "Dear diary" not in ran.out + ran.err


@each_command
def test_an_unknown_format_is_wrong_usage(name: str) -> None:
    ran = run(name, *REPORTING[name], "--format", "yaml")

    assert ran.status != 0
    assert "yaml" in ran.err
    assert ran.out == ""


@each_command
@pytest.mark.django_db
def test_a_broken_database_is_no_traceback(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's connection is open, so that it is made to refuse; a new one finds nobody who listens."""
    monkeypatch.setitem(connections.settings["default"], "PORT", str(free_port()))
    monkeypatch.setitem(connections.settings["default"], "NAME", "/no/such/folder/db.sqlite3")

    def refuse(*_: Any) -> None:
        raise OperationalError("server closed the connection while reading 'Dear diary'")

    with connections["default"].execute_wrapper(refuse):
        ran = run(name, *REPORTING[name])

    assert ran.status == 1
    assert "OperationalError" in ran.out + ran.err
    assert "Dear diary" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["check_processing_status", "--format", "json"], 0),
        (["startup_check"], 1),
        (["audit_processing", "--no-such-option"], 2),
        (["reprocess_entries"], 2),
        (["retry_unprocessed_entries", "--limit", "0"], 2),
    ],
)
def test_the_shell_sees_healthy_unhealthy_and_wrong_usage(
    host_project: HostProject, arguments: list[str], status: int
) -> None:
    ran = host_project.manage(*arguments)

    assert ran.returncode == status
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", ""])
def test_a_count_is_a_whole_number_of_at_least_one(value: str) -> None:
    with pytest.raises(Exception, match="whole number of at least 1"):
        count(value)
    assert count("7") == 7


@pytest.mark.parametrize("value", ["0", "-1", "x", "nan", "inf", ""])
def test_seconds_and_days_are_above_zero(value: str) -> None:
    with pytest.raises(Exception, match="above 0"):
        positive(value)
    assert positive("0.5") == 0.5


def test_a_table_is_aligned() -> None:
    assert table([("a", 1, "x"), ("long", 22, "y")]) == ["a     1   x", "long  22  y"]
    assert table([]) == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar_that_is_wiped_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "PAUSE", 0.0)
    screen = Terminal()

    assert list(Progress(OutputWrapper(screen), 4).over([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]

    assert "2/4" in screen.getvalue()
    assert f"[{'#' * 30}] 4/4" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_a_pipe_sees_no_bar() -> None:
    pipe = io.StringIO()

    assert list(Progress(OutputWrapper(pipe), 2).over("ab")) == ["a", "b"]

    assert pipe.getvalue() == ""


def test_json_stays_clean_on_a_terminal(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar goes to the errors' stream."""
    monkeypatch.setattr(Progress, "PAUSE", 0.0)
    Entry.objects.create(content="Dear diary")
    out, err = io.StringIO(), Terminal()

    call_command("audit_processing", "--format", "json", stdout=out, stderr=err)

    assert json.loads(out.getvalue())["offences"] == 0
    assert "[####" in err.getvalue()
