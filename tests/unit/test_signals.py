"""Our events, and the words that the log gives them."""

from __future__ import annotations

import logging

import pytest
from django.dispatch import Signal

from insights_recovery import signals

EVENTS = {name: value for name, value in vars(signals).items() if isinstance(value, Signal)}


def test_every_event_but_the_one_inside_the_transaction_has_words() -> None:
    assert EVENTS.keys() - {"entry_written"} == signals._WORDS.keys()


@pytest.mark.parametrize("name", signals._WORDS)
def test_an_event_is_written_once_as_key_and_value(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="insights_recovery")
    signals._WORDS[name][0].send(None, entry_ids=[1, 2], reason="why")
    (record,) = caplog.records
    assert f"{name} entry_ids=1,2 reason=why" == record.getMessage()
    assert signals._WORDS[name][1] == record.levelno


def test_a_record_carries_its_facts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="insights_recovery")
    signals.entry_completed.send(None, entry_ids=[7])
    assert ["entry_completed", [7]] == [vars(caplog.records[0])[name] for name in ("event", "entry_ids")]


def test_a_long_list_of_keys_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="insights_recovery")
    signals.entries_offered.send(None, entry_ids=list(range(1000)), queue="q")
    assert "19,…(1000) queue=q" in caplog.records[0].getMessage()


def test_what_is_below_the_level_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="insights_recovery")
    signals.entry_completed.send(None, entry_ids=[7])
    assert [] == caplog.records
