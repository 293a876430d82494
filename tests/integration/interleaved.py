"""Two transactions at the same row, in the order that a test decides.

The test's own connection goes first and holds its transaction open; the other one runs `Elsewhere` meanwhile. Where it
has to wait, `waits` returns when the database itself says that it does.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from insights_recovery import clock, processing
from insights_recovery.settling import Lease
from tests.harness import wait_until
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, put, runner

several_connections = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer: while it writes the other can only wait"
)

_WAITING = {
    "postgresql": "SELECT 'waiting', count(*) FROM pg_locks WHERE NOT granted",
    "mysql": "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'",
}
"""How many wait for a lock, as each database tells it to anybody."""


def waits(other: Elsewhere) -> bool:
    """Return whether the other one has to wait for a row that we have locked; otherwise it has come to its end."""
    wait_until(lambda: _somebody_waits() or not other.is_alive(), 20, what="the other one waits, or ends")
    return other.is_alive()


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING[connection.vendor])
        return int(cursor.fetchone()[1]) > 0


def claim(*entries: Entry) -> list[Any]:
    """Claim these entries as a message about them would; return the keys of those that were to be had."""
    lease = Lease(token=uuid4(), seconds=30.0, using="default")
    pks = [entry.pk for entry in entries]
    return [entry.pk for entry in processing._claim(pks, lease, runner(), alone=len(pks) == 1)]


def run_out(entry: Entry) -> Entry:
    """Let the entry's lease have run out."""
    return put(entry, due_at=clock.later(-60))
