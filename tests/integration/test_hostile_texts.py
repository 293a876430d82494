"""Whatever a person, a script or a host's hook makes of a text: it is extracted, skipped, or refused at the save."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from django.db import DataError, OperationalError, connection, transaction

from insights_recovery.extractors import ExtractedInsight, ExtractionResult
from insights_recovery.lifecycle import State, digest_of
from insights_recovery.models import Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import SCRIPTED, again, create, fresh, process, put, row
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db


class HookedEntry(Entry):
    """Its hook does what the running test says."""

    answer: ClassVar[Callable[[], Any]] = staticmethod(lambda: "lake")

    class Meta:
        app_label = "notes"
        proxy = True

    def get_insight_text(self) -> str:
        text: str = type(self).answer()
        return text


Scripted = Callable[..., list[Any]]
Configure = Callable[..., None]

RTL = "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627"
BIDI = "paid \u202e000,1\u202c \u2066\u2067nested\u2069\u2069 at\u200f the\u200e lake"
ZERO_WIDTH = "l\u200ba\u200ck\u200de\u2060 \ufeffswim\u00adming"
COMBINING = "lake" + "\u0301\u0323" * 50_000
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f4\U000e0067\U000e0062\U000e007f \ue000\U0010ffff"

READABLE = {
    "right to left": RTL,
    "bidirectional overrides": BIDI,
    "zero-width": ZERO_WIDTH,
    "a flood of combining marks": COMBINING,
    "joined emoji, tags, private use": FAMILY,
    "pool": "🏊 in the lake",
    "ligatures": "ß ﷽ \u202e e\u0301",
    "SQL": "'; DROP TABLE notes_entry; --",
    "formats": "%s {0} \\ %(x)s \\u0000 \x1b[31m",
    "markup": "<script>alert(1)</script>]]>",
    "line ends": "a\r\nb\rc\u2028d\u2029e\x0bf\x0cg\x85h",
    "one word of a megabyte": "x" * 1_000_000,
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
def test_a_text_of_any_kind_is_extracted_as_it_stands(scripted: Scripted, text: str) -> None:
    whole = ExtractedInsight(kind="theme", label="all of it", start=0, end=len(text))
    given = scripted(lambda _: ExtractionResult(insights=[whole]))
    entry = create(text)
    assert process(entry) == {"completed": 1}
    stored = Insight.objects.filter(entry=entry).get()
    assert [[text], text[:2000], 0, len(text)] == [given, stored.snippet, stored.start, stored.end]


def test_a_text_of_ten_megabytes_is_extracted(scripted: Scripted) -> None:
    text = "lake " * 2_000_000
    last = ExtractedInsight(kind="theme", label="lake", start=len(text) - 5, end=len(text) - 1)
    scripted(lambda _: ExtractionResult(insights=[last]))
    entry = create(text)
    assert process(entry) == {"completed": 1}
    assert ["lake", 9_999_995] == list(Insight.objects.filter(entry=entry).values_list("snippet", "start").get())


BLANK = {
    "nothing": "",
    "blanks": " \t\r\n",
    "other blanks": "\u00a0\u2003\u202f\u3000\u2028\x1c\x85",
    "a zero-width space": "\u200b",
    "a byte order mark": "\ufeff",
    "marks of direction among blanks": " \u200e\u202e\n\u2066\u2069 ",
    "soft hyphens and joiners": "\u00ad\u200d\u2060",
}


@pytest.mark.parametrize("text", BLANK.values(), ids=BLANK)
def test_a_text_in_which_nothing_can_be_read_is_skipped(scripted: Scripted, text: str) -> None:
    given = scripted()
    entry = create(text)
    assert process(entry) == {"skipped": 1}
    assert [[], "blank", digest_of(text)] == [given, fresh(entry).processing_reason, fresh(entry).processing_digest]


def test_a_skipped_text_is_read_when_a_letter_is_added(scripted: Scripted) -> None:
    given = scripted()
    entry = create("\u200b")
    process(entry)
    entry.content = "\u200bI"
    entry.save()
    assert process(entry) == {"completed": 1}
    assert given == ["\u200bI"]


REFUSED = (UnicodeEncodeError, DataError, OperationalError)
"""How drivers say that a lone surrogate is no text."""


def test_a_lone_surrogate_is_refused_where_it_is_saved() -> None:
    with pytest.raises(REFUSED), transaction.atomic():
        create("la\ud800ke")
    assert not Entry.objects.exists()


@pytest.mark.parametrize("way", ["save", "update", "bulk_update"])
def test_a_refused_edit_leaves_text_and_insights_as_they_were(way: str) -> None:
    entry = create("lake")
    process(entry)
    before = row(entry)
    entry.content = "la\udfffke"
    edits: dict[str, Callable[[], Any]] = {
        "save": entry.save,
        "update": lambda: Entry.objects.filter(pk=entry.pk).update(content=entry.content),
        "bulk_update": lambda: Entry.objects.bulk_update([entry], ["content"]),
    }
    with pytest.raises(REFUSED), transaction.atomic():
        edits[way]()
    assert before == row(entry)
    assert 1 == fresh(entry).current_insights().count()


def test_a_nul_in_the_text_is_refused_at_the_save_or_extracted(scripted: Scripted) -> None:
    scripted(lambda text: found(text, title=text, summary=text))
    if connection.vendor == "postgresql":
        with pytest.raises((ValueError, DataError), match="NUL"):
            create("la\x00ke")
        return
    entry = create("la\x00ke")
    assert process(entry) == {"completed": 1}
    assert ["la\x00ke", "lake"] == [fresh(entry).content, Insight.objects.get().label]


# What a hook returns meets no database before it meets the extractor.

HOOKED = {
    "a lone surrogate": "la\ud800ke",
    "surrogates that make a pair": "\ud83c\udfca lake",
    "NUL": "la\x00ke",
    "a string of ten megabytes": "lake " * 2_000_000,
}


@pytest.fixture
def hooked(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], HookedEntry]:
    """Return a function that creates an entry whose hook returns what it is given, or calls it."""

    def make(answer: Any) -> HookedEntry:
        configure(ENTRY_MODEL="notes.HookedEntry", EXTRACTORS=[SCRIPTED])
        entry = create("lake")
        monkeypatch.setattr(HookedEntry, "answer", staticmethod(answer if callable(answer) else lambda: answer))
        return HookedEntry.objects.get(pk=entry.pk)

    return make


@pytest.mark.parametrize("text", HOOKED.values(), ids=HOOKED)
def test_what_a_hook_returns_is_extracted_and_stored_clean(
    scripted: Scripted, hooked: Callable[[Any], Entry], text: str
) -> None:
    whole = ExtractedInsight(kind="theme", label=text, start=0, end=len(text))
    given = scripted(lambda _: ExtractionResult(insights=[whole], title=text, summary=text, language=text))
    entry = hooked(text)
    assert process(entry) == {"completed": 1}
    assert [[text], digest_of(text)] == [given, fresh(entry).processing_digest]
    kept = text[:255].replace("\x00", "").encode("utf-8", "replace").decode()
    assert kept.strip() == Insight.objects.get().label


class Sly(str):
    """A string that answers for itself."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        raise RuntimeError("lake")

    def strip(self, *_: Any) -> str:
        raise RuntimeError("lake")


def test_a_string_of_a_hooks_own_kind_is_taken_as_a_plain_one(
    scripted: Scripted, hooked: Callable[[Any], Entry]
) -> None:
    given = scripted()
    assert process(hooked(Sly("lake"))) == {"completed": 1}
    assert [str] == [type(text) for text in given]


def _query_that_fails() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    return "never"


def test_a_hook_whose_query_fails_is_a_failed_attempt_and_then_a_dead_letter(
    scripted: Scripted, configure: Configure, hooked: Callable[[Any], Entry]
) -> None:
    scripted()
    entry = hooked(_query_that_fails)
    configure(MAX_ATTEMPTS=2)
    for attempts, state in ((1, State.PENDING), (2, State.FAILED)):
        assert process(entry) == {"failed": 1}
        assert [attempts, state] == [fresh(entry).processing_attempts, fresh(entry).processing_state]
        again(entry)


def test_a_hook_whose_query_fails_when_it_is_settled_supersedes_what_was_read(
    scripted: Scripted, hooked: Callable[[Any], Entry]
) -> None:
    scripted()
    reads = itertools.count()
    entry = hooked(lambda: _query_that_fails() if next(reads) else "lake")
    assert process(entry) == {"superseded": 1}


def _exit_in_words() -> str:
    raise SystemExit("lake")


def test_a_hook_that_ends_the_process_ends_it_without_a_word(
    scripted: Scripted, hooked: Callable[[Any], Entry]
) -> None:
    scripted()
    entry = hooked(_exit_in_words)
    with pytest.raises(SystemExit) as ended:
        process(entry)
    assert "lake" not in "".join(traceback.format_exception(ended.value))


@pytest.mark.parametrize("answer", [None, b"lake", 7, ["lake"]], ids=repr)
def test_what_a_hook_returns_and_is_no_text_is_a_failed_attempt(
    scripted: Scripted, hooked: Callable[[Any], Entry], answer: Any
) -> None:
    given = scripted()
    assert process(hooked(answer)) == {"failed": 1}
    assert given == []


def _stumble() -> str:
    raise LookupError("lake")


@pytest.mark.parametrize("answer", [None, 7, _stumble, _query_that_fails], ids=repr)
def test_what_a_person_wrote_is_saved_though_the_hook_fails(
    scripted: Scripted, hooked: Callable[[Any], HookedEntry], answer: Any
) -> None:
    scripted()
    old = hooked("lake")
    assert process(old) == {"completed": 1}
    hooked(answer)
    old.content = "Swam."
    with transaction.atomic():
        old.save()
        new = HookedEntry.objects.create(content="Walked.")
    assert [("Swam.", State.PENDING), ("Walked.", State.PENDING)] == [
        (entry.content, entry.processing_state) for entry in (fresh(old), fresh(new))
    ]
    assert process(old, new) == {"failed": 2}


def test_an_entry_whose_row_was_emptied_meanwhile_is_superseded(scripted: Scripted) -> None:
    entry = create("lake")
    scripted(lambda _: [found(), put(entry, content="\u200b")][0])
    assert process(entry) == {"superseded": 1}
    assert process(entry) == {"skipped": 1}
