"""Guards of what is stored and what is skipped, each with what happens where it is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery import lifecycle, processing
from insights_recovery.exceptions import PermanentError, PostponeError
from insights_recovery.lifecycle import Reason, State
from insights_recovery.models import Extraction, Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import (
    MARKER,
    SCRIPTED,
    SECOND,
    again,
    claimed,
    create,
    fresh,
    in_state,
    process,
    take_over,
)
from tests.integration.scripted import Script, found
from tests.integration.told import told

pytestmark = pytest.mark.django_db

Scripted = Callable[..., list[Any]]
Configure = Callable[..., None]


def _edit(entry: Entry, text: str) -> None:
    Entry.objects.filter(pk=entry.pk).update(content=text)
    again(entry)


def _digests() -> dict[str, str]:
    return dict(Extraction.objects.values_list("extractor", "text_digest"))


def test_each_of_several_extractors_replaces_its_own_when_the_text_changes(configure: Configure) -> None:
    configure(EXTRACTORS=[MARKER, SECOND])
    entry = create("Walked.")
    process(entry)
    _edit(entry, "Swam.")
    assert process(entry) == {"completed": 1}
    digest = lifecycle.digest_of("Swam.")
    assert _digests() == {"marker": digest, "second": digest}


def test_what_an_extractor_found_that_is_no_longer_asked_goes_with_the_old_text(configure: Configure) -> None:
    Script.action, Script.calls = staticmethod(lambda _: found("lake")), []  # type: ignore[assignment]
    configure(EXTRACTORS=[MARKER, SCRIPTED])
    entry = create("Walked.")
    process(entry)
    text = "Swam. @@second:fail"
    _edit(entry, text)
    configure(EXTRACTORS=[SCRIPTED, SECOND])
    process(entry)
    again(entry)
    configure(EXTRACTORS=[SCRIPTED])
    assert process(entry) == {"completed": 1}
    assert _digests() == {"scripted": lifecycle.digest_of(text)}


def test_a_correction_outlives_an_edit_beside_another_extractor(configure: Configure) -> None:
    Script.action, Script.calls = staticmethod(lambda _: found("lake")), []  # type: ignore[assignment]
    configure(EXTRACTORS=[MARKER, SCRIPTED])
    entry = create("Walked.")
    process(entry)
    corrected = Insight.objects.filter(extraction__extractor="scripted").values_list("pk", flat=True).get()
    Insight.objects.filter(pk=corrected).update(label="the big lake", is_manual_edit=True)
    _edit(entry, "Swam.")
    assert process(entry) == {"completed": 1}
    kept = Insight.objects.get(label="the big lake")
    assert kept.extraction.text_digest == lifecycle.digest_of("Swam.")


def test_without_an_author_no_entry_is_a_duplicate(scripted: Scripted, configure: Configure) -> None:
    scripted(lambda _: found("lake"))
    configure(SKIP_DUPLICATES=True, AUTHOR_FIELD=None)
    assert process(create("Walked.")) == {"completed": 1}
    assert process(create("Walked.")) == {"completed": 1}


@pytest.mark.parametrize("text", ["", " ", "\n\t \u2003"])
def test_a_text_of_nothing_but_space_is_skipped(scripted: Scripted, text: str) -> None:
    given = scripted(lambda _: found("lake"))
    entry = create(text)
    process(entry)
    assert (fresh(entry).processing_state, fresh(entry).processing_reason) == (State.SKIPPED, Reason.BLANK)
    assert given == []


@pytest.mark.parametrize(
    ("text", "state"),
    [("Swam.", State.COMPLETED), ("Walked.", State.FAILED), ("Walked.", State.SKIPPED), ("Walked.", State.PENDING)],
)
def test_only_the_same_text_that_is_done_makes_a_duplicate(
    scripted: Scripted, configure: Configure, django_user_model: Any, text: str, state: State
) -> None:
    scripted(lambda _: found("lake"))
    configure(SKIP_DUPLICATES=True)
    author = django_user_model.objects.create(username="author")
    in_state(state, text, author=author)
    assert process(create("Walked.", author=author)) == {"completed": 1}


# What is told of each end


def _raise(error: Exception) -> Callable[[str], Any]:
    def extract(_: str) -> Any:
        raise error

    return extract


ENDS: dict[str, tuple[str, Callable[[str], Any], dict[str, Any]]] = {
    "entry_completed": ("Walked.", lambda _: found("lake"), {}),
    "entry_skipped": (" ", lambda _: found("lake"), {"reason": Reason.BLANK}),
    "entry_retrying": ("Walked.", _raise(RuntimeError()), {"error": "RuntimeError", "delay": 0.123}),
    "entry_buried": (
        "Walked.",
        _raise(PermanentError()),
        {"reason": Reason.PERMANENT, "error": "insights_recovery.exceptions.PermanentError"},
    ),
    "entries_postponed": (
        "Walked.",
        _raise(PostponeError(retry_after=9)),
        {"reason": Reason.CIRCUIT_OPEN, "delay": 9},
    ),
}
"""Each signal: a text, what the extractor does with it, and what the signal says besides the key."""


@pytest.mark.parametrize("name", ENDS)
def test_an_end_is_told_with_what_is_to_be_known_of_it(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, action, said = ENDS[name]
    scripted(action)
    monkeypatch.setattr(processing.random, "uniform", lambda *_: 0.12349)
    entry = create(text)
    with told(name) as words:
        process(entry)
    assert len(words) == 1
    assert words[0]["entry_ids"] == [entry.pk]
    assert said == {key: _plain(words[0][key], said[key]) for key in said}


def _plain(value: Any, expected: Any) -> Any:
    """Return the value; of an error, which may say more than its type, the type."""
    return expected if isinstance(expected, str) and str(value).startswith(str(expected)) else value


@pytest.mark.parametrize("name", ENDS)
def test_no_end_is_told_by_a_worker_that_lost_its_lease(scripted: Scripted, name: str) -> None:
    text, action, _ = ENDS[name]
    scripted(action)
    entry = create(text)
    batch = claimed(entry)
    take_over(entry)
    with told(name) as words, told("stale_write_refused") as refused:
        batch.work()
    assert words == []
    assert refused == [{"entry_ids": [entry.pk]}]
