"""What was tried and what was violated: one line per part, for the table at the end of a run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "EVIDENCE_FILE"
"""Environment variable that names the file of lines; without it nothing is kept."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table."""

    part: str
    """What kind of fault: `crash at every statement`, `state machine`, `chaos`."""
    where: str
    """On which database, broker and pool, or which scenario."""
    tried: int
    """How many faults, runs or races."""
    violations: int
    """How often an invariant did not hold."""
    seconds: float
    """How long it took."""
    note: str = ""
    """Further figures, in words."""


class Evidence:
    """Collects the lines of one run."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def record(
        self,
        part: str,
        where: str,
        *,
        tried: int,
        violations: Sequence[str],
        note: str = "",
        seconds: float | None = None,
    ) -> None:
        """Keep a line, then fail if there were violations; `seconds` says how long it took, unless since the start.

        Raises:
            AssertionError: something was violated; the message lists the first of them.
        """
        seconds = round(time.monotonic() - self._begun, 1) if seconds is None else seconds
        line = Line(part=part, where=where, tried=tried, violations=len(violations), seconds=seconds, note=note)
        if name := os.environ.get(VARIABLE):
            with Path(name).open("a") as file:
                file.write(json.dumps(asdict(line)) + "\n")
        assert tried > 0, f"{part}, {where}: nothing was tried"
        shown = "\n".join(violations[:20])
        assert not violations, f"{part}, {where}: {len(violations)} violations in {tried}:\n{shown}"


def lines(file: Path) -> list[Line]:
    """Return the lines that a run has kept."""
    return [Line(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
