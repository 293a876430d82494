"""The world in which a process dies: a database, a broker that outlives it, the extractors' log, and passing time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import current_app
from django.db.models import DateTimeField, F

from insights_recovery import clock, hosts, tasks
from insights_recovery.conf import conf
from insights_recovery.lifecycle import UNFINISHED, digest_of
from insights_recovery.models import Extraction, Heartbeat, Insight, ProcessingAttempt
from insights_recovery.recovery import SWEEP
from tests.hosts.extractors import Call, read_calls

CANARY = "the old orchard"
"""Stands in every text; whoever finds it anywhere else has found a leak."""
KNOWN: dict[str, str] = {}
"""Every text of every scenario, by its digest."""
OURS = (Insight, Extraction, ProcessingAttempt, Heartbeat)
MOST_MESSAGES = 300
"""More than any scenario needs; beyond it the messages beget each other."""


class World:
    """Everything that is still there when a process has died."""

    def __init__(self, broker: Path, log: Path) -> None:
        self.output = broker.with_name("output")
        self.messages: list[str] = []
        self._data = broker / "data"
        self._log = log
        self._broker = current_app.connection_for_read()

    def begin(self) -> None:
        """Forget everything: an empty journal, empty queues, nothing called yet."""
        self.reach_broker()
        for model in OURS:
            model.objects.all()._raw_delete(hosts.database())
        hosts.entries()._raw_delete(hosts.database())
        self.lose_messages()
        self.messages = []
        self._log.write_bytes(b"")

    def close(self) -> None:
        """Hang up."""
        self._broker.close()

    def calls(self) -> list[Call]:
        """Return the calls of extractors so far."""
        return [call for call in read_calls(self._log) if call.event == "start"]

    # The broker

    def cut_broker(self) -> None:
        """From now on no message can be published."""
        self._data.rename(self._data.with_name("out of reach"))

    def reach_broker(self) -> None:
        """From now on messages can be published again."""
        if not self._data.exists():
            self._data.with_name("out of reach").rename(self._data)

    def lose_messages(self) -> None:
        """Whatever waits in a queue is lost."""
        for _ in self._received():
            pass

    def deliver(self) -> None:
        """Let a worker do what the messages say until there are none."""
        for number, message in enumerate(self._received()):
            arguments, *_ = message.payload
            tasks.extract_insights_task(*arguments)
            assert number < MOST_MESSAGES, "the messages beget each other without end"

    def _received(self) -> Iterator[Any]:
        channel = self._broker.default_channel
        queues = (conf().queue, conf().backfill_queue, conf().maintenance_queue)
        while found := [message for queue in queues if (message := channel.basic_get(queue, no_ack=True))]:
            self.messages += (repr([message.headers, message.properties, message.payload]) for message in found)
            yield from found

    def note_sweep(self) -> None:
        """A sweep has ended just now."""
        Heartbeat.objects.create(name=SWEEP, finished_at=clock.now())

    # Time

    def pass_time(self, seconds: float) -> None:
        """Let time pass: every moment that is written anywhere lies further back; what is NULL stays so."""
        for rows in (hosts.entries(), *(model.objects.all() for model in OURS)):
            moments = [field.name for field in rows.model._meta.concrete_fields if isinstance(field, DateTimeField)]
            if moments:
                rows.update(**{name: F(name) - timedelta(seconds=seconds) for name in moments})

    # Rest

    def is_at_rest(self) -> bool:
        """Say whether nothing is left to be done, nor being done."""
        at_it = Heartbeat.objects.filter(name=SWEEP, token__isnull=False)
        return not at_it.exists() and not hosts.entries().filter(processing_state__in=UNFINISHED).exists()


def text(what: str, *markers: str) -> str:
    """Return a text that no other entry of the scenario has."""
    made = " ".join((what, CANARY, *markers))
    return KNOWN.setdefault(digest_of(made), made)
