"""Texts as vectors: alike where the words are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insights_recovery.reflections.vectors import vectors

LAKE = "We swam in the lake all afternoon and dried on the warm stones."
SWIM = "I swam across the lake again, and the stones were warm."
WORK = "The meeting about the budget went badly and my boss was angry."


def likeness(first: str, second: str) -> float:
    one, other = vectors([first, second])
    return float(one @ other)


def test_the_same_text_is_wholly_alike() -> None:
    assert likeness(LAKE, LAKE) == pytest.approx(1, abs=1e-5)


def test_texts_that_share_words_are_more_alike_than_texts_that_share_none() -> None:
    assert likeness(LAKE, SWIM) > 0.1 > likeness(LAKE, WORK)


def test_words_say_more_than_small_words() -> None:
    assert likeness("The lake was cold.", "We went to the lake.") > likeness("The lake was cold.", "The boss was rude.")
    assert likeness("Der See war kalt.", "Wir waren am See.") > likeness("Der See war kalt.", "Der Chef war laut.")


def test_a_text_without_words_is_like_nothing() -> None:
    assert likeness("", LAKE) == 0
    assert likeness(" \n… ", "…") == 0
    assert vectors([]).shape[0] == 0


def test_a_long_text_is_read_whole() -> None:
    long = "nothing here " * 10_000
    assert likeness(f"{long} zanzibar archipelago", "zanzibar archipelago") > likeness(long, "zanzibar archipelago")


@settings(max_examples=50)
@given(texts=st.lists(st.text(max_size=200), max_size=4))
def test_a_vector_has_length_one_or_none(texts: list[str]) -> None:
    lengths = np.linalg.norm(vectors(texts), axis=1)
    assert all(length == 0 or abs(length - 1) < 1e-3 for length in lengths)
