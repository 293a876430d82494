"""Reading a text through a hook of the host's that may fail."""

from __future__ import annotations

from typing import Any

import pytest

from insights_recovery import texts
from insights_recovery.lifecycle import digest_of
from tests.hosts.notes.models import Entry


class Hooked(Entry):
    """Its hook does what the test says."""

    answer: Any = None

    class Meta:
        app_label = "notes"
        proxy = True

    def get_insight_text(self) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


def _read(answer: Any) -> texts.Reading:
    entry = Hooked()
    entry.answer = answer
    return texts.read(entry)


@pytest.mark.parametrize("text", ["", "lake", "🏊\ud800\x00"])
def test_a_text_comes_with_its_digest(text: str) -> None:
    assert texts.Reading(text=text, digest=digest_of(text)) == _read(text)


@pytest.mark.parametrize("answer", [None, 7, b"lake", ["lake"]])
def test_what_is_no_string_is_an_error(answer: Any) -> None:
    assert isinstance(_read(answer).error, TypeError)


def test_an_error_of_the_hook_comes_back_as_a_value() -> None:
    error = LookupError("canary")
    reading = _read(error)
    assert [error, "", texts.UNREADABLE] == [reading.error, reading.text, reading.digest]


def test_no_text_has_the_digest_of_an_unreadable_one() -> None:
    assert len(digest_of("")) != len(texts.UNREADABLE)


@pytest.mark.parametrize(("content", "text"), [("lake", "lake"), ("", ""), (None, "")])
def test_the_default_hook_reads_the_text_field(content: Any, text: str) -> None:
    assert text == Entry(content=content).get_insight_text()
