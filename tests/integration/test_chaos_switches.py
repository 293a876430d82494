"""The disk that is full refuses results, and nothing else; and a process as chaos starts it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.backends.signals import connection_created

from insights_recovery.chaos import orders, switches
from insights_recovery.chaos.orders import Orders
from insights_recovery.chaos.processes import Process
from insights_recovery.chaos.switches import DISK_FULL, Switch
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight, ProcessingAttempt
from tests.harness import wait_until
from tests.hosts.notes.models import Entry
from tests.integration.helpers import claimed, create, fresh, process
from tests.settings import databases
from tests.unit.test_chaos_orders import told

pytestmark = pytest.mark.django_db


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    """The orders of this process."""
    ours = told(tmp_path)
    monkeypatch.setenv(orders.VARIABLE, ours.environment()[orders.VARIABLE])
    return ours


@pytest.fixture
def disk(given: Orders) -> Iterator[Switch]:
    """The switch of the full disk, which this connection obeys."""
    switches.on_connection_created(connection)
    yield Switch(given.path, DISK_FULL)
    connection.execute_wrappers.remove(switches._obey_the_disk)


def _extraction(entry: Entry) -> Extraction:
    return Extraction(entry=entry, extractor="one", version="1", text_digest="d", duration=0)


def _is_refused(write: Callable[[], Any]) -> None:
    with pytest.raises(OperationalError, match="disk is full"), transaction.atomic():
        write()


def test_a_full_disk_refuses_results(disk: Switch) -> None:
    entry = create()
    disk.turn_on()
    _is_refused(_extraction(entry).save)
    _is_refused(lambda: Extraction.objects.bulk_create([_extraction(entry)]))
    _is_refused(lambda: Insight.objects.create(entry=entry, kind="theme", label="summer"))
    _is_refused(lambda: Insight.objects.bulk_create([Insight(entry=entry, kind="theme", label="summer")]))
    assert not Extraction.objects.exists()
    assert not Insight.objects.exists()


def test_it_refuses_them_only_while_it_is_full(disk: Switch) -> None:
    entry = create()
    _extraction(entry).save()
    disk.turn_on()
    disk.turn_off()
    Insight.objects.create(entry=entry, kind="theme", label="summer")


def test_everything_else_goes_on(disk: Switch) -> None:
    entry = create()
    extraction = _extraction(entry)
    extraction.save()
    disk.turn_on()

    create(f"{Extraction._meta.db_table} is a text too, and INSERT INTO {Insight._meta.db_table} one more")
    Extraction.objects.update(summary="shorter")
    claimed(entry)
    assert ProcessingAttempt.objects.filter(entry=entry).exists()
    entry.content = "edited"
    entry.save()
    assert Extraction.objects.get().summary == "shorter"
    extraction.delete()
    entry.delete()


def test_an_entry_waits_for_room_and_is_not_blamed(disk: Switch) -> None:
    entry = create()
    disk.turn_on()
    with pytest.raises(OperationalError), transaction.atomic():
        process(entry)
    disk.turn_off()
    process(entry)
    after = fresh(entry)
    assert (after.processing_state, after.processing_attempts) == (State.COMPLETED, 0)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_made_anew_asks_once(given: Orders) -> None:
    before = list(connection.execute_wrappers)
    connection_created.connect(switches.on_connection_created)
    try:
        for _ in range(5):
            connection.close()
            connection.ensure_connection()
        assert connection.execute_wrappers == [*before, switches._obey_the_disk]
    finally:
        connection_created.disconnect(switches.on_connection_created)
        connection.execute_wrappers[:] = before


# A process as chaos starts it

PROGRAM = """
import json, time, django
real = time.clock_gettime(time.CLOCK_REALTIME)
django.setup()
from django.apps import apps
from django.db import connection
from insights_recovery import signals
from insights_recovery.chaos import switches
from insights_recovery.conf import conf
connection.ensure_connection()
signals.stale_write_refused.send(None, entry_ids=[1, 2])
facts = {
    "ahead": time.time() - real,
    "lease": conf().lease_seconds,
    "obeys": switches._obey_the_disk in connection.execute_wrappers,
    "installed": apps.is_installed("insights_recovery.chaos"),
}
print(json.dumps(facts), flush=True)
"""


@pytest.mark.parametrize("skew", ["", "600", "-600"])
def test_a_process_of_a_run_obeys_its_orders(given: Orders, monkeypatch: pytest.MonkeyPatch, skew: str) -> None:
    url = databases.to_url(connection.settings_dict)
    environment = {**given.environment(), "HOST_DATABASE_URL": url}
    child = Process("child", ["-c", PROGRAM], folder=given.path, environment=environment)
    began = time.monotonic()
    child.start({orders.SKEW: skew} if skew else {})
    wait_until(lambda: not child.is_running, 60, what="the process to end")
    took = time.monotonic() - began

    assert child.status == 0, child.log
    facts = json.loads(child.log.splitlines()[-1])
    assert facts.pop("ahead") == pytest.approx(float(skew or 0), abs=took + 1)
    assert facts == {"lease": 3, "obeys": True, "installed": True}
    assert (given.path / "events.log").read_text() == "stale_write_refused 2\n"
