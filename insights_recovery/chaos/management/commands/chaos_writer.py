"""`chaos_writer`: a web writer, one of the processes that `chaos` starts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from insights_recovery.chaos import orders
from insights_recovery.chaos.writing import Writer


class Command(BaseCommand):
    """Write entries until this process is ended."""

    help = "Started by `manage.py chaos`: creates, edits and deletes entries as people do."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the number, which tells the dice of one writer from those of another."""
        parser.add_argument("number", type=int, help="which of the writers this is")

    def handle(self, *, number: int, **_: Any) -> None:
        """Write."""
        Writer(number, orders.given()).run()
