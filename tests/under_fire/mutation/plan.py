"""What a run is to try, and what came of it: a line of JSON per mutant, so that a run can be taken up again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the tests said of one mutant."""

    key: str
    """Which mutant."""
    module: str
    """The module it is in."""
    line: int
    """Where the changed statement begins."""
    verdict: str
    """`killed`, `timeout` (killed too: the tests did not end) or `survived`."""
    by: str
    """The test that failed."""
    tests: int
    """How many tests come by it."""
    stage: str
    """With which tests, on which database."""
    seconds: float
    """How long it took."""

    @property
    def survived(self) -> bool:
        """Whether no test missed the guard."""
        return self.verdict == "survived"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one process of pytest is to try."""

    stage: str
    """A name for the tests and the database."""
    modules: list[str]
    """Modules to mutate."""
    results: str
    """The file of verdicts."""
    budget: float
    """Seconds of tests, as long as they take with the true code, that one mutant may cost; the quickest come first."""
    only: list[str]
    """Keys of the mutants to try."""

    def note(self, verdict: Verdict) -> None:
        """Write a verdict down."""
        with Path(self.results).open("a") as file:
            file.write(json.dumps(asdict(verdict)) + "\n")

    def write(self, path: Path) -> Path:
        """Write the plan for `read`; return where."""
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Return the plan of a file."""
        return cls(**json.loads(path.read_text()))


def verdicts(results: Path) -> dict[str, Verdict]:
    """Return the latest verdict on each mutant."""
    lines = results.read_text().splitlines() if results.exists() else []
    names = {field.name for field in fields(Verdict)}
    read = (Verdict(**{name: value for name, value in json.loads(line).items() if name in names}) for line in lines)
    return {verdict.key: verdict for verdict in read}
