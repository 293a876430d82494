"""Two extractors, each a checkpoint: what was paid for is never asked for again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction
from tests.hosts.extractors import read_calls
from tests.hosts.notes.models import Entry
from tests.integration.helpers import (
    MARKER,
    SCRIPTED,
    SECOND,
    again,
    create,
    fresh,
    outcomes,
    process,
    put,
)
from tests.integration.scripted import Script, found

pytestmark = pytest.mark.django_db

Configure = Callable[..., None]


def _starts(log: Path, extractor: str) -> int:
    return sum((call.event, call.extractor) == ("start", extractor) for call in read_calls(log))


@pytest.fixture
def two(configure: Configure) -> None:
    configure(EXTRACTORS=[MARKER, SECOND])


def test_two_extractors_each_store_their_own(two: None) -> None:
    entry = create()
    assert process(entry) == {"completed": 1}
    assert ["marker", "second"] == sorted(found.extractor for found in fresh(entry).current_extractions())
    assert outcomes(entry) == ["completed"]


def test_a_failing_second_extractor_never_repeats_the_firsts_call(two: None, extractor_log: Path) -> None:
    entry = create("@@second:fail=2")
    for _ in range(3):
        process(entry)
        again(entry)
    assert fresh(entry).processing_state == State.COMPLETED
    assert [1, 3] == [_starts(extractor_log, "marker"), _starts(extractor_log, "second")]


def test_what_the_first_extractor_found_is_stored_while_the_second_fails(two: None) -> None:
    entry = create("@@second:fail")
    process(entry)
    assert ["marker"] == [found.extractor for found in fresh(entry).current_extractions()]


def test_a_crash_in_the_second_extractor_never_repeats_the_firsts_call(
    two: None, extractor_log: Path, transactional_db: None
) -> None:
    entry = create("@@second:kill=1")
    if (child := os.fork()) == 0:
        from django.db import connections

        for alias in connections:
            connections[alias].connection = None
        process(entry)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    again(put(entry, state=State.PENDING, token=None, owner=""))
    assert process(entry) == {"completed": 1}
    assert [1, 2] == [_starts(extractor_log, "marker"), _starts(extractor_log, "second")]


def test_a_new_version_of_an_extractor_is_no_checkpoint(two: None, extractor_log: Path) -> None:
    entry = create("@@second:fail=1")
    process(entry)
    Extraction.objects.update(version="0")
    again(entry)
    process(entry)
    assert _starts(extractor_log, "marker") == 2


def test_a_checkpoint_of_an_older_text_is_none(two: None, extractor_log: Path) -> None:
    entry = create("@@second:fail")
    process(entry)
    Entry.objects.filter(pk=entry.pk).update(content="Another text.")
    process(entry)
    assert _starts(extractor_log, "marker") == 2
    assert 2 == Extraction.objects.count() == fresh(entry).current_extractions().count()


def test_a_permanent_error_of_one_extractor_keeps_the_others_findings(two: None) -> None:
    entry = create("@@second:permanent")
    process(entry)
    assert fresh(entry).processing_state == State.FAILED
    assert ["marker"] == [found.extractor for found in fresh(entry).current_extractions()]


def test_a_checkpoint_that_the_database_lost_is_made_again(
    configure: Configure, scripted: Callable[..., Any], extractor_log: Path
) -> None:
    """A failover to a replica that lagged takes back what was committed a moment ago."""
    scripted(lambda text: [Extraction.objects.filter(extractor="marker").delete(), found("lake")][1])
    configure(EXTRACTORS=[MARKER, SCRIPTED])
    entry = create()

    process(entry)
    assert fresh(entry).processing_state == State.PENDING
    assert ["scripted"] == [stored.extractor for stored in fresh(entry).extractions.all()]
    process(entry)

    assert fresh(entry).processing_state == State.COMPLETED
    assert ["marker", "scripted"] == sorted(stored.extractor for stored in fresh(entry).current_extractions())
    assert outcomes(entry) == ["released", "completed"]
    assert len(Script.calls) == 1
    assert _starts(extractor_log, "marker") == 2
