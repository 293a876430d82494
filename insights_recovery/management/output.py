"""How our commands read their arguments and speak: tables or one JSON object, progress on a terminal, exit statuses."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import Error as AnyDatabaseError

from insights_recovery import scrubbing

UNHEALTHY = 1
WRONG_USAGE = 2

ItemT = TypeVar("ItemT")


class ReportingCommand(BaseCommand):
    """A command that reports, as a table for people or as one JSON object for programs."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--format`; subclasses add theirs."""
        parser.add_argument(
            "--format",
            dest="output",
            choices=["table", "json"],
            default="table",
            help="table for people (the default), or json: one object and nothing else.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; a database that refuses is a sentence and not a traceback, which might quote a value."""
        try:
            return super().execute(*args, **options)
        except AnyDatabaseError as error:
            message = scrubbing.report(error).message
        raise CommandError(
            f"The database refused: {message}. Run `manage.py startup_check` to see what is wrong with it.",
            returncode=UNHEALTHY,
        )

    def report(self, output: str, facts: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Write `facts` as one JSON object, or `lines` for a person."""
        if output == "json":
            self.stdout.write(json.dumps(facts, default=str))
            return
        for line in lines:
            self.stdout.write(line)

    def progress(self, total: int) -> Progress:
        """Return a progress bar for `total` rows; it shows on a terminal only."""
        return Progress(self.stderr, total)


def exit_status(*, healthy: bool) -> None:
    """End the command with status 1 unless all is well.

    Raises:
        SystemExit: something is not well.
    """
    if not healthy:
        sys.exit(UNHEALTHY)


def wrong_usage(message: str) -> CommandError:
    """Return the error for arguments that make no sense together."""
    return CommandError(message, returncode=WRONG_USAGE)


class Progress:
    """A bar on the terminal; nothing at all where the errors do not go to one."""

    WIDTH = 30
    PAUSE = 0.1

    def __init__(self, stream: OutputWrapper, total: int) -> None:
        self._stream = stream
        self._total = total
        self._done = 0
        self._drawn_at = float("-inf")
        self._shows = stream.isatty() and total > 0

    def over(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """Yield `items`; each counts once the next is asked for, a list as its rows. The bar is wiped at the end."""
        try:
            for item in items:
                yield item
                self.advance(len(item) if isinstance(item, list) else 1)
        finally:
            self.end()

    def advance(self, rows: int) -> None:
        """So many rows more are done."""
        self._done += rows
        if self._shows and time.monotonic() - self._drawn_at >= self.PAUSE:
            self._drawn_at = time.monotonic()
            self._draw()

    def end(self) -> None:
        """Wipe the bar."""
        if self._shows and self._drawn_at > float("-inf"):
            self._write("\r\x1b[K")

    def _draw(self) -> None:
        share = min(1.0, self._done / self._total)
        filled = round(share * self.WIDTH)
        self._write(f"\r[{'#' * filled}{'.' * (self.WIDTH - filled)}] {self._done}/{self._total}")

    def _write(self, text: str) -> None:
        self._stream.write(text, style_func=str, ending="")
        self._stream.flush()


def table(rows: Iterable[Sequence[Any]]) -> list[str]:
    """Return `rows` as lines with aligned columns; the last column is left as long as it is."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    return ["  ".join(map(str.ljust, row, [*widths, 0])) for row in cells]


def count(value: str) -> int:
    """Argparse type: a whole number, at least 1."""
    if not value.isdecimal() or int(value) < 1:
        raise ArgumentTypeError(f"{value!r} is not a whole number of at least 1, such as 100")
    return int(value)


def positive(value: str) -> float:
    """Argparse type: a number above 0."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"{value!r} is not a number above 0, such as 2.5")
    return number
