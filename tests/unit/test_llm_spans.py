"""Finding a model's quotations in the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights_recovery.extractors.llm.spans import Quotable


def quoted(text: str, snippet: str) -> str | None:
    """Return the words of the text at the span that is found for `snippet`."""
    span = Quotable(text).find(snippet)
    return None if span is None else text[slice(*span)]


@pytest.mark.parametrize(
    ("text", "snippet", "words"),
    [
        ("Met Anna at noon.", "Anna", "Anna"),
        ("Met Anna at noon.", " Anna\n", "Anna"),
        ("Met Anna at noon.", "met anna", "Met Anna"),
        ("Met\n  Anna at noon.", "Met Anna at", "Met\n  Anna at"),
        ("Mum\u2019s cake, \u201cthe best\u201d", 'Mum\'s cake, "the best"', "Mum\u2019s cake, \u201cthe best\u201d"),
        ("Mum's cake", "Mum\u2019s cake", "Mum's cake"),
        ("a well\u2011known man \u2014 Bob", "a well-known man - Bob", "a well\u2011known man \u2014 Bob"),
        ("Cafe\u0301 Luna", "Caf\u00e9 luna", "Cafe\u0301 Luna"),
        ("Caf\u00e9 Luna", "cafe\u0301", "Caf\u00e9"),
        ("Cafe\u0301 Luna", "CAFE", "Cafe\u0301"),
        ("Die Stra\u00dfe war leer", "DIE STRASSE", "Die Stra\u00dfe"),
        ("so happy \u2764\ufe0f today", "happy \u2764 Today", "happy \u2764\ufe0f today"),
        ("love it \u2764\ufe0f", "Love it \u2764", "love it \u2764\ufe0f"),
        ("\U0001f600\U0001f600 with Bob \U0001f389", "Bob", "Bob"),
        ("party \U0001f389\U0001f389 night", "PARTY \U0001f389\U0001f389", "party \U0001f389\U0001f389"),
        ("soft\u00adware", "software", "soft\u00adware"),
        ("and then\u2026 silence", "and then... silence", "and then\u2026 silence"),
        ("I walked to the lake and slept", '"I walked to the lake..."', "I walked to the lake"),
        ("\u6771\u4eac\u306b\u884c\u3063\u305f", "\u6771\u4eac", "\u6771\u4eac"),
        ("wir fuhren nach Helsinkiin", "Helsinki", "Helsinki"),
    ],
)
def test_a_quotation_is_found_however_it_is_written(text: str, snippet: str, words: str) -> None:
    assert quoted(text, snippet) == words


@pytest.mark.parametrize(
    ("text", "snippet"),
    [
        ("Met Anna at noon.", "Bob"),
        ("Met Anna at noon.", "Anna at midnight"),
        ("Met Anna at noon.", ""),
        ("Met Anna at noon.", " \n"),
        ("Met Anna at noon.", "..."),
        ("", "Anna"),
        ("Caf\u00e9s", "Cafes"),
        ("one two", "one ... two"),
        ("Always late", "Al"),
        ("Always late", "ways"),
        ("Room 1234", "23"),
    ],
)
def test_what_does_not_stand_there_is_not_found(text: str, snippet: str) -> None:
    assert quoted(text, snippet) is None


@pytest.mark.parametrize("snippet", ["Anna", "anna"])
def test_a_whole_word_is_preferred_to_the_beginning_of_one(snippet: str) -> None:
    assert (12, 16) == Quotable("Annabel saw Anna, annalist of all").find(snippet)


def test_a_whole_word_in_another_spelling_is_preferred_to_the_beginning_of_one() -> None:
    assert (12, 16) == Quotable("Annabel saw ANNA").find("Anna")


@given(words=st.lists(st.text(st.characters(categories=["L", "N", "So"]), min_size=1), min_size=1), data=st.data())
def test_every_run_of_words_is_found_word_for_word(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    run = " ".join(words[start : data.draw(st.integers(start + 1, len(words)))])
    assert quoted(" ".join(words), run) == run


@given(text=st.text(max_size=40), snippet=st.text(max_size=10))
def test_a_span_lies_in_the_text(text: str, snippet: str) -> None:
    if span := Quotable(text).find(snippet):
        assert 0 <= span[0] < span[1] <= len(text)
