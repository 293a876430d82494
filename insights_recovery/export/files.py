"""Files that only their owner may read, whole or not there at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from insights_recovery.export.formats import as_csv, as_json
from insights_recovery.export.records import Record

FORMATS: dict[str, Callable[[Iterable[Record]], Iterator[str]]] = {"json": as_json, "csv": as_csv}
"""How records are written, by the name of the format."""

_OWNER_ALONE = 0o600


def to_file(records: Iterable[Record], path: Path, *, form: str = "json", force: bool = False) -> None:
    """Write `records` to a new file in the format `form`; with `force` an existing file is replaced.

    Raises:
        FileExistsError: there is such a file, and `force` is not given.
        KeyError: there is no such format.
        OSError: the file cannot be written.
    """
    pieces = FORMATS[form](records)
    with private_file(path, force=force) as file:
        file.writelines(pieces)


@contextlib.contextmanager
def private_file(path: Path, *, force: bool) -> Iterator[TextIO]:
    """Open a new file for text, which nobody but its owner may read; with `force` it replaces the one that is there.

    It stands under its name only where the work on it ended well; an existing file is never cut short.
    """
    target = path.with_name(f".{path.name}.{secrets.token_hex(4)}") if force else path
    # O_EXCL follows no link that somebody laid there.
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ALONE)
    with contextlib.ExitStack() as unless_done:
        unless_done.callback(target.unlink, missing_ok=True)
        # A lone surrogate, which UTF-8 cannot express, is written as JSON would write it.
        with open(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:  # noqa: PTH123 - a handle
            yield file
        if force:
            target.replace(path)
        unless_done.pop_all()
