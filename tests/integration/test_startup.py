"""The startup check of web servers: only where it is asked for, once, off the main thread, and never in the way."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.test import Client
from django.test.client import ClientHandler

from insights_recovery import recovery, signals, startup
from insights_recovery.models import Heartbeat
from insights_recovery.monitoring import health
from insights_recovery.monitoring.examination import Health
from insights_recovery.monitoring.health import Checkup
from tests.harness import HostProject, wait_until
from tests.services.servers import free_port

Reports = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    """The receiver as `apps` connects it; an earlier request has disconnected it in this process."""
    request_started.connect(startup.on_request_started, dispatch_uid=startup.DISPATCH_UID)
    yield
    request_started.disconnect(dispatch_uid=startup.DISPATCH_UID)


@pytest.fixture
def reports() -> Iterator[Reports]:
    """What the check says when it has ended."""
    heard: Reports = []

    def hear(sender: Any, signal: Any, **said: Any) -> None:
        heard.append({**said, "thread": threading.current_thread()})

    signals.startup_checked.connect(hear)
    yield heard
    signals.startup_checked.disconnect(hear)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that looks like a web server's, with the variable set."""
    monkeypatch.setenv("RUN_STARTUP_CHECK", "true")
    monkeypatch.delattr(mail, "outbox")
    monkeypatch.setattr(health, "PROBES", tuple(probe for probe in health.PROBES if probe.name != "workers"))
    return monkeypatch


def is_connected() -> bool:
    return request_started.disconnect(dispatch_uid=startup.DISPATCH_UID)


def request(handler: type = WSGIHandler) -> None:
    """A request begins, as a server's handler announces it."""
    request_started.send(sender=handler)


def count_threads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    started: list[Any] = []

    def start(thread: threading.Thread) -> None:
        started.append(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    return started


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
@pytest.mark.django_db(transaction=True)
def test_the_first_request_has_everything_examined_and_one_sweep(serving: Any, reports: Reports, handler: type) -> None:
    request(handler)
    wait_until(lambda: len(reports) == 1, 20, what="the startup check to end")

    assert reports[0]["status"] == "DEGRADED"
    assert reports[0]["failed"] == []
    assert reports[0]["thread"] is not threading.main_thread()
    assert reports[0]["thread"].daemon
    assert Heartbeat.objects.get(name=recovery.SWEEP).finished_at is not None


def test_it_runs_once_in_a_process(serving: pytest.MonkeyPatch) -> None:
    started = count_threads(serving)
    for _ in range(3):
        request()

    assert len(started) == 1
    assert not is_connected()


def test_a_receiver_that_lost_the_race_does_nothing(serving: pytest.MonkeyPatch) -> None:
    """Two first requests at once: each has been handed the receiver, one finds it connected."""
    started = count_threads(serving)
    startup.on_request_started(WSGIHandler)
    startup.on_request_started(WSGIHandler)

    assert len(started) == 1


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "yes", " Yes "])
def test_the_variable_says_yes_in_several_ways(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RUN_STARTUP_CHECK", value)

    assert startup.is_wanted()


@pytest.mark.parametrize("value", [None, "", "false", "0", "no", "maybe"])
def test_without_the_variable_the_first_request_is_the_last_that_pays(
    serving: pytest.MonkeyPatch, value: str | None
) -> None:
    started = count_threads(serving)
    if value is None:
        serving.delenv("RUN_STARTUP_CHECK")
    else:
        serving.setenv("RUN_STARTUP_CHECK", value)
    request()

    assert started == []
    assert not is_connected()


@pytest.mark.django_db
def test_without_the_variable_a_request_makes_no_query(
    client: Client, django_assert_num_queries: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUN_STARTUP_CHECK", raising=False)
    with django_assert_num_queries(0):
        client.get("/no-such-page")


def test_the_test_client_is_no_server(serving: pytest.MonkeyPatch) -> None:
    started = count_threads(serving)
    request(ClientHandler)
    request_started.send(sender="somebody")

    assert started == []
    assert is_connected()


def test_nothing_is_examined_under_a_test_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_STARTUP_CHECK", "true")
    started = count_threads(monkeypatch)
    request()

    assert started == []


def test_a_process_without_a_thread_to_give_serves_all_the_same(serving: pytest.MonkeyPatch, reports: Reports) -> None:
    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    serving.setattr(threading.Thread, "start", refuse)
    request()

    assert [(report["status"], report["failed"]) for report in reports] == [("UNHEALTHY", ["thread"])]


@pytest.mark.usefixtures("db")
def test_a_receiver_of_the_report_that_raises_harms_nobody(serving: pytest.MonkeyPatch, reports: Reports) -> None:
    def stumble(**_: Any) -> None:
        raise RuntimeError

    serving.setattr(health, "check_up", lambda: Checkup(health=Health(results=()), sweep=None))
    signals.startup_checked.connect(stumble)
    try:
        startup._check()
    finally:
        signals.startup_checked.disconnect(stumble)

    assert len(reports) == 1


@pytest.mark.timeout(120)
def test_a_real_server_runs_it_and_a_command_does_not(host_project: HostProject) -> None:
    env = host_project.env(RUN_STARTUP_CHECK="true")
    command = [sys.executable, "-m", "tests.hosts.main.manage"]
    subprocess.run([*command, "showmigrations"], env=env, check=True, capture_output=True, timeout=60)
    assert not Heartbeat.objects.exists()

    port = free_port()
    server = host_project.start(
        *command[1:], "runserver", "--noreload", f"127.0.0.1:{port}", name="web", env={"RUN_STARTUP_CHECK": "true"}
    )
    wait_until(lambda: _answers(port), 60, what="the server to answer")
    wait_until(
        lambda: Heartbeat.objects.filter(name=recovery.SWEEP, finished_at__isnull=False).exists(),
        60,
        what="the sweep of the startup check",
    )
    assert server.is_alive


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/no-such-page", timeout=5)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
