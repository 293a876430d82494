"""What goes on inside of a run's processes, turned on and off by the conductor by means of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import OperationalError

from insights_recovery.chaos import orders
from insights_recovery.models import Extraction, Insight

WRITING = "writing"
"""The web writers write."""
EXTRACTOR_OUT = "extractor-out"
"""The extraction service answers that it is out."""
DISK_FULL = "disk-full"
"""The database refuses results, having no room."""

_TABLES = tuple(model._meta.db_table for model in (Extraction, Insight))


class Switch:
    """Something that goes on while a file exists."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / name

    @property
    def is_on(self) -> bool:
        """Whether it goes on."""
        return self._file.exists()

    def turn_on(self) -> None:
        """Let it begin."""
        self._file.touch()

    def turn_off(self) -> None:
        """Let it end."""
        self._file.unlink(missing_ok=True)


def on_connection_created(connection: Any, **_: Any) -> None:
    """Receiver of `connection_created`: from now on the switch of the full disk is obeyed."""
    # One that was cut and made anew has it still; with one more each time the stack would overflow in the end.
    if _obey_the_disk not in connection.execute_wrappers:
        connection.execute_wrappers.append(_obey_the_disk)


def _obey_the_disk(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    if sql.startswith("INSERT") and any(table in sql for table in _TABLES) and _is_disk_full():
        # What every driver raises when the server has no room; see patience for what becomes of it.
        raise OperationalError("database or disk is full")
    return execute(sql, params, many, context)


def _is_disk_full() -> bool:
    return Switch(orders.given().path, DISK_FULL).is_on
