"""Write down what the present release puts on the wire and knows of the tables: `python -m tests.releases`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from celery import current_app
from kombu.transport import memory

import tests
from tests.releases.record import Message, Release, keep

INTEGERS = (101, 102, 103)
UUIDS = (UUID("0b0e0f54-8b2e-4a7e-9d7c-3c1f5a2d6e01"), UUID("7f3d2c1b-5a49-4e38-8a27-16f5e4d3c2b1"))
PROJECT = Path(tests.__file__).resolve().parent.parent / "pyproject.toml"


def main() -> None:
    """Send one message of each kind to the broker in memory, and keep them."""
    django.setup()
    version = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]
    release = Release(version=version, messages=tuple(_messages()), columns=_columns())
    print(keep(release))


def _messages() -> Iterator[Message]:
    # Django must be set up before these are imported.
    from insights_recovery import dispatch, schedule, tasks
    from insights_recovery.conf import conf

    for name, pks in {"one id": INTEGERS[:1], "several ids": INTEGERS, "one UUID": UUIDS[:1], "UUIDs": UUIDS}.items():
        if error := dispatch.broker.publish([dispatch._wire(pk) for pk in pks], conf().queue):
            raise error
        yield _taken(name)
    tasks.extract_insights_task.delay(INTEGERS[0])
    yield _taken("a bare id")
    for periodic in schedule.TASKS:
        # As beat sends it from the row that `schedule` writes: to the queue and with the expiry that stand there.
        headers = {"periodic_task_name": periodic.name}
        options: dict[str, Any] = {"queue": conf().maintenance_queue, "expires": conf().sweep_interval}
        current_app.tasks[periodic.task].apply_async(args=[], kwargs={}, headers=headers, **options)
        yield _taken(periodic.task.rpartition(".")[2])
    for task in (tasks.debug_task, tasks.worker_health_check, tasks.monitor_worker_performance):
        task.delay()
        yield _taken(task.name.rpartition(".")[2])


def _taken(name: str) -> Message:
    """Return the message that was just sent, with nothing in it of the machine that sent it."""
    ((queue, waiting),) = [(name, queue) for name, queue in memory.Channel.queues.items() if not queue.empty()]
    raw = waiting.get()
    raw["headers"]["origin"] = "gen1@release"
    return Message(name=name, queue=queue, raw=raw)


def _columns() -> dict[str, list[str]]:
    from insights_recovery.hosts import entry_model
    from insights_recovery.models import Extraction, Heartbeat, Insight, ProcessingAttempt
    from insights_recovery.models.entries import PREFIX

    ours = [field.column for field in entry_model()._meta.concrete_fields if field.name.startswith(PREFIX)]
    belongings = (Extraction, Heartbeat, Insight, ProcessingAttempt)
    names = {model._meta.db_table: [field.column for field in model._meta.concrete_fields] for model in belongings}
    return {"entry": sorted(ours)} | {table: sorted(columns) for table, columns in names.items()}


if __name__ == "__main__":
    main()
