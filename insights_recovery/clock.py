"""The database's clock, the only one that recovery goes by.

Workers, web servers and beat run on machines whose clocks disagree; the database has one. Every moment that decides
something is therefore written, and compared, by an expression that the database evaluates.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now


class DatabaseNow(Now):
    """The present moment by the database's clock, in UTC, evaluated when the statement runs.

    It serves as a column default too: plain SQL clients can evaluate it, on every supported database.
    """

    def as_mysql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        # Django's own expression gives the session's zone there, while it stores and reads UTC.
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra_context)


def now() -> DatabaseNow:
    """Return the present moment, as an expression."""
    return DatabaseNow()


def later(seconds: float) -> CombinedExpression:
    """Return the moment `seconds` from now (before now where negative), as an expression."""
    return DatabaseNow() + timedelta(seconds=seconds)
