"""Our own events, and the log receivers that give them words.

Every event carries ids and numbers, never a text: `entry_ids` is a list of primary keys. Events are sent after the
change they speak of was committed, in the process that made it.
"""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import Signal

entry_written = Signal()
"""A save gave an entry a new text; sent inside its transaction. Arguments: `entry_id`, `using`."""
entries_claimed = Signal()
"""A worker took entries. Arguments: `entry_ids`, `task_id`."""
entries_unknown = Signal()
"""A message named what is no entry (any more). Arguments: `entry_ids`; `impossible`, how many keys none can have."""
entry_completed = Signal()
"""All insights of an entry are stored. Arguments: `entry_ids`."""
entry_skipped = Signal()
"""There was nothing to extract. Arguments: `entry_ids`, `reason`."""
entry_retrying = Signal()
"""An attempt failed and will be repeated. Arguments: `entry_ids`, `error`, `delay` in seconds."""
entry_buried = Signal()
"""An entry became a dead letter. Arguments: `entry_ids`, `reason`, `error`."""
entries_postponed = Signal()
"""An outage: nobody's fault. Arguments: `entry_ids`, `reason`, `delay` in seconds."""
entries_released = Signal()
"""A worker gave entries back untouched. Arguments: `entry_ids`."""
entry_superseded = Signal()
"""The text was edited while in work; it starts over. Arguments: `entry_ids`."""
entries_rescued = Signal()
"""Entries of a lost worker were taken back. Arguments: `entry_ids`, `reason`."""
entries_reopened = Signal()
"""The verify pass found texts that differ from those processed. Arguments: `entry_ids`."""
stale_write_refused = Signal()
"""A worker that no longer holds the lease tried to write. Arguments: `entry_ids`."""
entries_offered = Signal()
"""Waiting entries were put to the queue. Arguments: `entry_ids`, `queue`."""
broker_unreachable = Signal()
"""The broker could not be told. Arguments: `entry_ids`, `error`."""
sweep_finished = Signal()
"""A sweep ended. Arguments: `report`, a `recovery.SweepReport`."""
status_checked = Signal()
"""The periodic status check ran. Arguments: `overdue`, `unprocessed`, in entries."""
message_refused = Signal()
"""A worker turned away a message that is no task's: `error`."""
service_failed = Signal()
"""A tick of a worker's lifeline or lease keeper failed, and the next one comes; or, as the error says then, the worker
ends because every thread of it hangs. Arguments: `service`, `error`."""
startup_checked = Signal()
"""A web server's startup check ended. Arguments: `status`, `failed` (names of probes)."""

logger = logging.getLogger("insights_recovery")

_WORDS: dict[str, tuple[Signal, int]] = {
    "entries_claimed": (entries_claimed, logging.DEBUG),
    "entries_unknown": (entries_unknown, logging.INFO),
    "entry_completed": (entry_completed, logging.INFO),
    "entry_skipped": (entry_skipped, logging.INFO),
    "entry_retrying": (entry_retrying, logging.WARNING),
    "entry_buried": (entry_buried, logging.ERROR),
    "entries_postponed": (entries_postponed, logging.WARNING),
    "entries_released": (entries_released, logging.INFO),
    "entry_superseded": (entry_superseded, logging.INFO),
    "entries_rescued": (entries_rescued, logging.WARNING),
    "entries_reopened": (entries_reopened, logging.WARNING),
    "stale_write_refused": (stale_write_refused, logging.WARNING),
    "entries_offered": (entries_offered, logging.DEBUG),
    "broker_unreachable": (broker_unreachable, logging.ERROR),
    "sweep_finished": (sweep_finished, logging.DEBUG),
    "status_checked": (status_checked, logging.INFO),
    "message_refused": (message_refused, logging.ERROR),
    "service_failed": (service_failed, logging.ERROR),
    "startup_checked": (startup_checked, logging.INFO),
}


def connect_logging() -> None:
    """Connect the receivers that write our events to the logger `insights_recovery`, as key=value pairs."""
    for name, (signal, level) in _WORDS.items():
        signal.connect(_writer(name, level), weak=False, dispatch_uid=f"insights_recovery.log.{name}")


def _writer(name: str, level: int) -> Any:
    def write(sender: Any, signal: Signal, **facts: Any) -> None:
        if logger.isEnabledFor(level):
            words = " ".join(f"{key}={_short(value)}" for key, value in facts.items())
            logger.log(level, "%s %s", name, words, extra={"event": name, **facts})

    return write


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value[:20])) + (f",…({len(value)})" if len(value) > 20 else "")
    return str(value)
