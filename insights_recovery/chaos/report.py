"""The outcome of a chaos run, as one JSON object and as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from insights_recovery.chaos.conductor import Verdict
from insights_recovery.chaos.schedule import Strike
from insights_recovery.chaos.verdict import percentile
from insights_recovery.management.output import table

NAMED = 20
"""Offenders of a kind that are named."""
MEBIBYTE = 1 << 20


def facts(outcome: Verdict, seed: int, strikes: Sequence[Strike], left_out: Mapping[str, str]) -> dict[str, Any]:
    """Return all that is to be told of a run."""
    offences = vars(outcome.offences)
    return {
        "ok": outcome.violations == 0,
        "seed": seed,
        "entries": outcome.created,
        "deleted": outcome.deleted,
        "edits": outcome.edits,
        "faults": sum(outcome.times.values()),
        **{kind: len(offenders) for kind, offenders in offences.items()},
        "leaks": len(outcome.leaks),
        "stale_writes_refused": outcome.stale_writes_refused,
        "repeated_extractions": outcome.repeated_extractions,
        "longest_write_seconds": outcome.longest_write,
        "restarts": dict(outcome.restarts),
        "settled_after_seconds": outcome.settled_after,
        "seconds": outcome.seconds,
        "by_fault": {name: _by_fault(outcome, name) for name in sorted(outcome.times)},
        "left_out": dict(left_out),
        "offenders": {kind: offenders[:NAMED] for kind, offenders in offences.items() if offenders}
        | ({"leaks": outcome.leaks} if outcome.leaks else {}),
        "samples": [asdict(sample) for sample in outcome.samples],
        "schedule": [asdict(strike) for strike in strikes],
    }


def _by_fault(outcome: Verdict, name: str) -> dict[str, Any]:
    seconds = outcome.recoveries.get(name, [])
    return {
        "times": outcome.times[name],
        "in_hand": outcome.in_hand[name],
        "taken_back": len(seconds),
        "recovery_seconds": {
            "p50": percentile(seconds, 0.5),
            "p99": percentile(seconds, 0.99),
            "max": percentile(seconds, 1),
        }
        if seconds
        else {},
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines for a person."""
    yield from _faults(found)
    for name, why in found["left_out"].items():
        yield f"left out: {name}: {why}"
    yield ""
    yield from table((words, found[key]) for key, words in WORDS.items())
    for kind, offenders in found["offenders"].items():
        yield f"{kind.replace('_', ' ')}: {', '.join(offenders)}"
    for name, times in found["restarts"].items():
        yield f"ended by itself, and was started again: {name}, {times} times"
    yield _memory(found["samples"])
    yield f"Seed {found['seed']} repeats the schedule."


WORDS = {
    "entries": "entries",
    "deleted": "deleted by somebody",
    "edits": "edits",
    "lost": "lost",
    "doubled": "doubled",
    "wrong_version": "of another text",
    "convicted": "convicted without guilt",
    "left_behind": "left behind",
    "leaks": "outputs with a text",
    "stale_writes_refused": "stale writes refused",
    "repeated_extractions": "extractions repeated",
    "longest_write_seconds": "slowest write, seconds",
    "settled_after_seconds": "settled after the last fault, seconds",
    "seconds": "in all, seconds",
}
"""Each figure, and what it is called."""


def _faults(found: Mapping[str, Any]) -> list[str]:
    rows: list[Sequence[Any]] = [("fault", "times", "in hand", "taken back", "recovery p50", "p99", "max")]
    for name, of_fault in found["by_fault"].items():
        seconds = [f"{value} s" for value in of_fault["recovery_seconds"].values()] or ["", "", ""]
        rows.append((name, of_fault["times"], of_fault["in_hand"], of_fault["taken_back"], *seconds))
    return table(rows)


def _memory(samples: Sequence[Mapping[str, Any]]) -> str:
    first, last = samples[0], samples[-1]
    return (
        f"First worker's memory {first['memory'] / MEBIBYTE:.0f} MiB at {first['entries']} entries, "
        f"{last['memory'] / MEBIBYTE:.0f} MiB at {last['entries']}; at the broker {_said(first['broker'])}, then "
        f"{_said(last['broker'])}; rows of history {last['attempts']}."
    )


def _said(count: int | None) -> str:
    return "no answer" if count is None else str(count)
