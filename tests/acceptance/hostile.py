"""An extractor for real workers that does what no extractor should; the first word of its text says what."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction

from insights_recovery.extractors import ExtractedInsight, ExtractionResult, Extractor


class UnpicklableError(Exception):
    """Carries what no process can send to another, and cannot be printed."""

    def __init__(self, text: str) -> None:
        super().__init__(threading.Lock(), text)

    def __str__(self) -> str:
        raise RuntimeError(self.args)


def _raise(kind: Callable[[str], BaseException]) -> Callable[[str], None]:
    def action(text: str) -> None:
        raise kind(text)

    return action


def _recurse(text: str) -> None:
    _recurse(text)


def _leave_a_transaction_open(_: str) -> None:
    transaction.atomic().__enter__()
    connection.introspection.table_names()


def _switch_autocommit_off(_: str) -> None:
    transaction.set_autocommit(False)
    connection.introspection.table_names()


def _begin_in_sql(_: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")


def _close_under_django(_: str) -> None:
    connection.ensure_connection()
    connection.connection.close()


def _leave_a_thread(_: str) -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()


KILLING: dict[str, Callable[[str], object]] = {
    "exit": _raise(SystemExit),
    "interrupt": _raise(KeyboardInterrupt),
}
"""What ends the process."""

FAILING: dict[str, Callable[[str], object]] = {
    "memory": _raise(MemoryError),
    "recursion": _recurse,
    "unpicklable": _raise(UnpicklableError),
    "errors": _raise(lambda text: ExceptionGroup(text, [ValueError(text)])),
    "limit": _raise(SoftTimeLimitExceeded),
    "cancelled": _raise(asyncio.CancelledError),
    "closed": _raise(GeneratorExit),
    "group": _raise(lambda text: BaseExceptionGroup(text, [SystemExit(text)])),
}
"""What is a failed attempt."""

SPOILING: dict[str, Callable[[str], object]] = {
    "transaction": _leave_a_transaction_open,
    "autocommit": _switch_autocommit_off,
    "begin": _begin_in_sql,
    "hung-up": _close_under_django,
    "elsewhere": lambda _: os.chdir("/"),
    "thread": _leave_a_thread,
}
"""What leaves something behind."""

ORDERS = {**KILLING, **FAILING, **SPOILING}


class HostileExtractor(Extractor):
    """Does as the first word of the text says, if it is an order, and finds that word."""

    name = "hostile"

    def extract(self, text: str) -> ExtractionResult:
        order = text.partition(" ")[0]
        ORDERS.get(order, str)(text)
        return ExtractionResult(insights=[ExtractedInsight(kind="keyphrase", label=order)])
