"""What the processes of a run did, each line in one write, which O_APPEND keeps whole among several processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from insights_recovery.chaos import orders

CALLS = "calls.log"
"""`start PID EXTRACTOR DIGEST` as an extractor's call begins, `end ...` as it returns."""
WRITES = "writes.log"
"""`created|edited|overwriting|overwritten|deleting|deleted KEY SECONDS` by the web writers."""
EVENTS = "events.log"
"""`stale_write_refused NUMBER`."""


def note(folder: Path, name: str, *words: object) -> None:
    """Append a line to a file of the journal."""
    with (folder / name).open("ab", buffering=0) as file:
        file.write((" ".join(map(str, words)) + "\n").encode())


def on_stale_write(entry_ids: list[Any], **_: Any) -> None:
    """Receiver of `stale_write_refused`."""
    note(orders.given().path, EVENTS, "stale_write_refused", len(entry_ids))


class Tail:
    """What was added to a file of the journal since the last look."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._offset = 0
        self._rest = b""

    def fresh(self) -> Iterator[list[str]]:
        """Yield the words of each new line."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            *whole, self._rest = (self._rest + file.read()).split(b"\n")
            self._offset = file.tell()
        for line in whole:
            yield line.decode().split()


class Calls:
    """The calls of extractors."""

    def __init__(self, folder: Path) -> None:
        self._tail = Tail(folder, CALLS)
        self._at_it: Counter[int] = Counter()
        self._begun: Counter[tuple[str, str]] = Counter()

    def busy(self) -> set[int]:
        """Return the ids of the processes that are within a call, or were when they died."""
        self._read()
        return {pid for pid, calls in self._at_it.items() if calls > 0}

    def repeated(self) -> int:
        """Return how many calls were made for a text beyond the first of each extractor."""
        self._read()
        return self._begun.total() - len(self._begun)

    def _read(self) -> None:
        for event, pid, extractor, digest in self._tail.fresh():
            self._at_it[int(pid)] += 1 if event == "start" else -1
            if event == "start":
                self._begun[extractor, digest] += 1


class Ledger:
    """What the web writers say that they wrote."""

    def __init__(self, folder: Path) -> None:
        self._tail = Tail(folder, WRITES)
        self.keys: dict[str, set[str]] = {
            event: set() for event in ("created", "edited", "overwriting", "overwritten", "deleting", "deleted")
        }
        self.edits = 0
        self.longest = 0.0

    def read(self) -> Ledger:
        """Read on, and return itself."""
        for event, key, seconds in self._tail.fresh():
            self.keys[event].add(key)
            self.edits += event in {"edited", "overwritten"}
            self.longest = max(self.longest, float(seconds))
        return self

    @property
    def created(self) -> set[str]:
        """Keys of entries whose creation was committed."""
        return self.keys["created"]

    @property
    def kept(self) -> set[str]:
        """Keys of entries that were created, and that nobody began to delete."""
        return self.created - self.keys["deleting"]

    @property
    def overwritten(self) -> set[str]:
        """Keys of entries that were, or may have been, edited past every guard: the verify pass is to find them."""
        return self.keys["overwriting"] | self.keys["overwritten"]


def stale_writes(folder: Path) -> int:
    """Return how many writes of workers were refused that no longer held the lease."""
    return sum(int(number) for _, number in Tail(folder, EVENTS).fresh())
