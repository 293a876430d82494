"""An entry that a language model reads, from the claim to the end of its lease."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from insights_recovery.models import Extraction, Insight, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import again, create, outcomes, process, row, seconds_until
from tests.services.llm import LanguageModel, completion, finding

pytestmark = pytest.mark.django_db

CANARY = "zephyrquartz"
TEXT = f"Met Anna at the {CANARY} lake."
PATH = "insights_recovery.extractors.llm.LLMExtractor"


@pytest.fixture
def model(configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageModel]:
    monkeypatch.setenv("NO_PROXY", "*")
    running = LanguageModel()
    options = {"base_url": running.base_url, "model": "m", "timeout": 10, "prices": {"input": 1, "output": 2}}
    configure(EXTRACTORS=[{"BACKEND": PATH, "OPTIONS": options}])
    yield running
    running.stop()


def _error(entry: Entry) -> str:
    """Return the error on the entry's row, having seen that neither it nor the history has a word of the text."""
    columns = row(entry)
    kept = [column for name, column in columns.items() if name.startswith("processing_")]
    kept += list(ProcessingAttempt.objects.filter(entry=entry).values())
    assert CANARY not in repr(kept)
    return str(columns["processing_error"])


def _counts(entry: Entry) -> list[int]:
    return [row(entry)[f"processing_{name}"] for name in ("attempts", "postponed")]


def test_what_the_model_found_is_stored_with_what_it_cost(model: LanguageModel) -> None:
    model.answers(title="At the lake", sentiment=0.5, people=[finding("Anna", "anna", 0.8), finding("Bob", "Bob")])
    entry = create(TEXT)
    assert process(entry) == {"completed": 1}
    extraction = Extraction.objects.get(entry=entry)
    assert (extraction.extractor, extraction.title, extraction.sentiment) == ("llm", "At the lake", 0.5)
    assert extraction.version.endswith("-m")
    assert extraction.usage == {
        "model": "m",
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "dropped": 1,
        "cost": 0.0014,
    }
    stored = Insight.objects.filter(entry=entry).values_list("kind", "label", "snippet", "start", "end", "sentiment")
    assert [("person", "Anna", "Anna", 4, 8, 0.8)] == list(stored)


def test_a_result_is_paid_for_once(model: LanguageModel) -> None:
    model.answers()
    entry = create(TEXT)
    process(entry)
    assert process(entry) == {}
    assert len(model.asked) == 1


def test_a_rate_limit_postpones_for_as_long_as_the_service_asks(model: LanguageModel) -> None:
    model.sends({"error": {"message": TEXT}}, status=429, headers={"Retry-After": "300"})
    entry = create(TEXT)
    assert process(entry) == {"postponed": 1}
    assert [0, 1] == _counts(entry)
    assert "PostponeError [rate-limited]" in _error(entry)
    assert 290 < seconds_until(entry, "not_before") <= 301
    assert process(entry) == {}
    assert len(model.asked) == 1


def test_a_refusal_is_a_dead_letter_at_once(model: LanguageModel) -> None:
    model.sends(completion(None, message={"refusal": f"Not a word about {TEXT}"}))
    entry = create(TEXT)
    process(entry)
    assert [row(entry)[f"processing_{name}"] for name in ("state", "reason")] == ["FAILED", "permanent"]
    assert "PermanentError [refused]" in _error(entry)


def test_words_that_are_no_json_are_a_failed_attempt_and_are_asked_for_again(model: LanguageModel) -> None:
    model.says(f"Sorry, I was thinking of {CANARY}.")
    entry = create(TEXT)
    process(entry)
    assert [row(entry)[f"processing_{name}"] for name in ("state", "reason")] == ["PENDING", "retry"]
    assert [1, 0] == _counts(entry)
    assert "ExtractorError [malformed-json]" in _error(entry)
    model.answers()
    again(entry)
    assert process(entry) == {"completed": 1}
    assert ["failed", "completed"] == outcomes(entry)


def test_an_unusable_option_leaves_the_entry_waiting_for_a_better_one(
    configure: Callable[..., None], model: LanguageModel
) -> None:
    configure(EXTRACTORS=[{"BACKEND": PATH, "OPTIONS": {"base_url": model.base_url}}])
    entry = create(TEXT)
    assert process(entry) == {"postponed": 1}
    assert (row(entry)["processing_reason"], model.asked) == ("configuration", [])
