"""What the processes of a chaos run write down, and what is read from it while they still write."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from insights_recovery import signals
from insights_recovery.chaos import journal, orders
from insights_recovery.chaos.journal import CALLS, EVENTS, WRITES, Calls, Ledger, Tail, note
from tests.unit.test_chaos_orders import told


def test_a_journal_that_nobody_began_is_empty(tmp_path: Path) -> None:
    assert list(Tail(tmp_path, CALLS).fresh()) == []
    assert Calls(tmp_path).busy() == set()
    assert Ledger(tmp_path).read().created == set()
    assert journal.stale_writes(tmp_path) == 0


def test_a_line_is_read_once_and_when_it_is_whole(tmp_path: Path) -> None:
    tail, path = Tail(tmp_path, CALLS), tmp_path / CALLS
    path.write_bytes(b"start 7 first abc\nend 7 fi")
    assert list(tail.fresh()) == [["start", "7", "first", "abc"]]
    assert list(tail.fresh()) == []

    with path.open("ab") as file:
        file.write(b"rst abc")
    assert list(tail.fresh()) == []

    with path.open("ab") as file:
        file.write(b"\nstart 8 first abc\n")
    assert list(tail.fresh()) == [["end", "7", "first", "abc"], ["start", "8", "first", "abc"]]


def test_lines_of_several_writers_stay_whole(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(200):
            note(tmp_path, CALLS, "start", number, "first", "d" * 64)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    lines = list(Tail(tmp_path, CALLS).fresh())
    assert len(lines) == 800
    assert {len(line) for line in lines} == {4}


def test_a_process_is_busy_from_the_start_of_a_call_to_its_end(tmp_path: Path) -> None:
    calls = Calls(tmp_path)
    note(tmp_path, CALLS, "start", 7, "first", "abc")
    note(tmp_path, CALLS, "start", 8, "first", "def")
    assert calls.busy() == {7, 8}

    note(tmp_path, CALLS, "end", 7, "first", "abc")
    assert calls.busy() == {8}


def test_a_process_of_threads_is_busy_until_its_last_call_ends(tmp_path: Path) -> None:
    calls = Calls(tmp_path)
    for digest in ("abc", "def"):
        note(tmp_path, CALLS, "start", 7, "first", digest)
    note(tmp_path, CALLS, "end", 7, "first", "abc")
    assert calls.busy() == {7}


def test_a_call_is_repeated_when_its_extractor_had_the_text_before(tmp_path: Path) -> None:
    calls = Calls(tmp_path)
    for extractor, digest in [("first", "abc"), ("second", "abc"), ("first", "def")]:
        note(tmp_path, CALLS, "start", 7, extractor, digest)
        note(tmp_path, CALLS, "end", 7, extractor, digest)
    assert calls.repeated() == 0

    note(tmp_path, CALLS, "start", 8, "first", "abc")
    note(tmp_path, CALLS, "start", 9, "first", "abc")
    assert calls.repeated() == 2


def test_the_ledger_knows_what_must_be_there(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for key in (1, 2, 3):
        note(tmp_path, WRITES, "created", key, 0.25)
    assert ledger.read().kept == {"1", "2", "3"}

    note(tmp_path, WRITES, "deleting", 2, 0)
    assert ledger.read().kept == {"1", "3"}, "nobody knows whether it is gone already"

    note(tmp_path, WRITES, "deleted", 2, 1.5)
    assert ledger.read().kept == {"1", "3"}
    assert ledger.created == {"1", "2", "3"}


def test_what_somebody_else_deletes_need_not_be_there_either(tmp_path: Path) -> None:
    note(tmp_path, WRITES, "deleting", 1, 0)
    note(tmp_path, WRITES, "created", 1, 0.1)
    assert Ledger(tmp_path).read().kept == set()


def test_the_ledger_counts_edits_and_knows_those_past_every_guard(tmp_path: Path) -> None:
    note(tmp_path, WRITES, "edited", 1, 0.1)
    note(tmp_path, WRITES, "overwriting", 2, 0)
    note(tmp_path, WRITES, "overwritten", 2, 0.7)
    note(tmp_path, WRITES, "overwriting", 3, 0)
    note(tmp_path, WRITES, "overwritten", 4, 0)

    ledger = Ledger(tmp_path).read()

    assert ledger.edits == 3
    assert ledger.overwritten == {"2", "3", "4"}, "3 may have been: its writer died on the way"
    assert ledger.longest == 0.7


def test_refused_writes_are_counted_by_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(orders.VARIABLE, told(tmp_path).environment()[orders.VARIABLE])
    signals.stale_write_refused.connect(journal.on_stale_write)
    try:
        signals.stale_write_refused.send(None, entry_ids=[1, 2, 3])
        signals.stale_write_refused.send(None, entry_ids=[4])
    finally:
        signals.stale_write_refused.disconnect(journal.on_stale_write)

    assert (tmp_path / EVENTS).read_text().count("\n") == 2
    assert journal.stale_writes(tmp_path) == 4
