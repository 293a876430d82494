"""Extractors that do as the text says, and write down each call.

A text carries markers; `@@name` or `@@name=value`, for one extractor only as `@@extractor:name=value` (without a prefix
a marker is meant for `marker` and `batch`):

    @@sleep=SECONDS     take that long
    @@gate=NAME         wait until the test opens that gate (a file beside the log)
    @@hang              never return, and swallow the soft time limit
    @@kill, @@kill=N    SIGKILL this process, always or at the first N calls for this text
    @@fail, @@fail=N    raise RuntimeError, always or at the first N calls; its message quotes the text
    @@permanent         raise PermanentError; its message quotes the text
    @@postpone=SECONDS  raise PostponeError with that `retry_after`; `@@postpone` says 1 second
    @@postpone-first=N  the same with 1 second, at the first N calls only

The log is the file that EXTRACTOR_LOG names: a line `start NAME PID DIGEST` as a call begins and `end ...` as it
returns or raises, so that tests count calls and see what is in flight. The text itself is never written.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from insights_recovery.extractors import ExtractedInsight, ExtractionResult, Extractor, PermanentError, PostponeError

MARKER = re.compile(r"@@(?:(?P<extractor>\w+):)?(?P<name>[\w-]+)(?:=(?P<value>[\w.]+))?")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One line of the log."""

    event: str
    """`start` or `end`."""
    extractor: str
    """The extractor's name."""
    pid: int
    """The process in which it ran."""
    digest: str
    """`digest_of` the text."""


def digest_of(text: str) -> str:
    """Return what stands for `text` in the log and in the label of its insight."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_calls(log: Path) -> list[Call]:
    """Return the calls written to `log` so far."""
    if not log.exists():
        return []
    lines = (line.split() for line in log.read_text().splitlines())
    return [Call(event=event, extractor=name, pid=int(pid), digest=digest) for event, name, pid, digest in lines]


def gate_file(log: Path, gate: str) -> Path:
    """Return the file whose existence opens `gate`."""
    return log.with_name(f"{log.name}.gate-{gate}")


class MarkerExtractor(Extractor):
    """Obeys the markers; finds one key phrase, whose label is the text's digest and whose snippet its first word."""

    name = "marker"
    unprefixed = True

    def extract(self, text: str) -> ExtractionResult:
        self._write("start", text)
        try:
            self._obey(text)
        finally:
            self._write("end", text)
        return self._result(text)

    def _result(self, text: str) -> ExtractionResult:
        words = text.split()
        insight = ExtractedInsight(kind="keyphrase", label=digest_of(text), snippet=words[0] if words else "")
        return ExtractionResult(insights=(insight,), sentiment=0.5, summary=text[:80], title=text[:40], language="en")

    def _obey(self, text: str) -> None:
        orders = {m["name"]: m["value"] for m in MARKER.finditer(text) if self._concerns(m["extractor"])}
        for name, order in ORDERS.items():
            if name in orders:
                order(orders[name], text, self._calls_before(text))

    def _concerns(self, extractor: str | None) -> bool:
        return self.unprefixed if extractor is None else extractor == self.name

    def _calls_before(self, text: str) -> int:
        """Return how often this extractor was called for `text` before the present call."""
        wanted = ("start", self.name, digest_of(text))
        return sum((call.event, call.extractor, call.digest) == wanted for call in read_calls(_log())) - 1

    def _write(self, event: str, text: str) -> None:
        """Append a line in a single write, which O_APPEND keeps whole among several processes."""
        with _log().open("ab", buffering=0) as log:
            log.write(f"{event} {self.name} {os.getpid()} {digest_of(text)}\n".encode())


class SecondExtractor(MarkerExtractor):
    """Runs after another one; obeys markers with the prefix `second:` only."""

    name = "second"
    unprefixed = False


class BatchExtractor(MarkerExtractor):
    """Takes many texts at once; an exception stands for its text alone."""

    name = "batch"

    def extract_batch(self, texts: Sequence[str]) -> Sequence[ExtractionResult | Exception]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> ExtractionResult | Exception:
        try:
            return self.extract(text)
        except (RuntimeError, PermanentError, PostponeError) as error:
            return error


def _log() -> Path:
    return Path(os.environ.get("EXTRACTOR_LOG") or os.devnull)


def _sleep(value: str | None, text: str, calls_before: int) -> None:
    time.sleep(float(value or 1))


def _gate(value: str | None, text: str, calls_before: int) -> None:
    gate = gate_file(_log(), value or "")
    while not gate.exists():
        time.sleep(0.02)


def _hang(value: str | None, text: str, calls_before: int) -> None:
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: BLE001, S112 - a hang that the soft time limit could end would be none
            continue


def _kill(value: str | None, text: str, calls_before: int) -> None:
    if _meant(value, calls_before):
        os.kill(os.getpid(), signal.SIGKILL)


def _fail(value: str | None, text: str, calls_before: int) -> None:
    if _meant(value, calls_before):
        raise RuntimeError(f"cannot extract {text!r}")


def _permanent(value: str | None, text: str, calls_before: int) -> None:
    raise PermanentError(f"will never extract {text!r}", code="refused")


def _postpone(value: str | None, text: str, calls_before: int) -> None:
    raise PostponeError(f"not now: {text!r}", retry_after=float(value or 1))


def _postpone_first(value: str | None, text: str, calls_before: int) -> None:
    if _meant(value, calls_before):
        _postpone(None, text, calls_before)


def _meant(value: str | None, calls_before: int) -> bool:
    """Return whether an order holds at this call: always without a number, else at the first so many."""
    return value is None or calls_before < int(value)


ORDERS = {
    "sleep": _sleep,
    "gate": _gate,
    "hang": _hang,
    "kill": _kill,
    "fail": _fail,
    "permanent": _permanent,
    "postpone": _postpone,
    "postpone-first": _postpone_first,
}
"""What each marker does, in the order in which they are obeyed."""
