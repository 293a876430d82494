"""Giving a kept message to the present code, in this process."""

from __future__ import annotations

from typing import Any

from celery import current_app
from celery.app.trace import build_tracer

from tests.releases.record import Message


def feed(message: Message) -> Any:
    """Run the message's task, with its headers, and return what the task returned.

    It runs eagerly, on the connection that the test is in a transaction on; workers are given the same messages in
    `tests.acceptance.test_rolling_upgrade`.

    Raises:
        AssertionError: it failed.
    """
    task = current_app.tasks[message.task]
    args, kwargs = message.arguments
    request = {**message.raw["headers"], "is_eager": True}
    trace = build_tracer(task.name, task, app=current_app, eager=True)
    value, failure, _, _ = trace(message.raw["headers"]["id"], args, kwargs, request)
    assert failure is None, f"{message.name}: {failure.retval!r}"
    return value
