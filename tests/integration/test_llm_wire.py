"""The LLM extractor and a service that breaks off, drips, floods, or is not what it should be."""

from __future__ import annotations

import logging
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from insights_recovery.exceptions import PostponeError
from insights_recovery.extractors.llm import client
from tests.integration.asking import CANARY, KEY, TEXT, extract, facts, failure, make
from tests.services import llm
from tests.services.llm import LanguageModel, answer, completion
from tests.services.servers import free_port


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageModel]:
    monkeypatch.setenv("NO_PROXY", "*")
    running = LanguageModel()
    yield running
    running.stop()


@pytest.mark.parametrize("raw", [f"{{{CANARY}".encode(), b"\xff\xfe\xfa", b"", b"[" * 300_000])
def test_a_document_that_is_no_json_is_an_attempt(model: LanguageModel, raw: bytes) -> None:
    model.sends(raw=raw)
    assert facts(failure(model)) == ("attempt", "malformed-json")


def test_a_page_where_json_should_be_comes_from_something_else(model: LanguageModel) -> None:
    model.sends(raw=f"<h1>Sign in, {CANARY}</h1>".encode(), headers={"Content-Type": "text/html"})
    assert facts(failure(model)) == ("postponed", "not-an-api")


def test_json_under_another_name_is_json(model: LanguageModel) -> None:
    model.sends(completion(answer(title="Fine")), headers={"Content-Type": "text/plain"})
    assert extract(model).title == "Fine"


def test_no_more_is_read_than_an_honest_answer_has(model: LanguageModel) -> None:
    model.sends(raw=CANARY.encode() * (client.MAX_BODY // 4))
    assert facts(failure(model)) == ("attempt", "answer-too-large")


def test_the_size_of_an_error_changes_nothing_about_it(model: LanguageModel) -> None:
    model.sends(raw=CANARY.encode() * (client.MAX_BODY // 4), status=503)
    assert facts(failure(model)) == ("postponed", "service-error")


@pytest.mark.parametrize("manner", [llm.cut_short, llm.hanging_up, llm.garbled])
def test_a_connection_that_breaks_is_an_outage(model: LanguageModel, manner: llm.Manner) -> None:
    model.sends(completion(answer(summary=CANARY)), manner=manner)
    assert facts(failure(model)) == ("postponed", "connection")


@pytest.mark.parametrize("manner", [llm.silent, llm.dripping, llm.dripping_headers, llm.without_length])
def test_an_exchange_ends_in_time_however_slowly_the_service_speaks(model: LanguageModel, manner: llm.Manner) -> None:
    model.sends(completion(answer(summary=CANARY)), manner=manner)
    started = time.monotonic()
    assert facts(failure(model, timeout=0.4)) == ("postponed", "timeout")
    assert time.monotonic() - started < 5


def test_a_handshake_that_hangs_ends_in_time(model: LanguageModel) -> None:
    with socket.create_server((llm.HOST, 0)) as mute:
        address = f"https://{llm.HOST}:{mute.getsockname()[1]}/v1"
        assert facts(failure(model, base_url=address, timeout=0.4)) == ("postponed", "timeout")


def test_no_connection_is_kept_for_another_text(model: LanguageModel) -> None:
    model.answers()
    extractor = make(model)
    extractor.extract(TEXT)
    extractor.extract(TEXT)
    assert len({asked.connection for asked in model.asked}) == 2


def test_a_service_that_is_not_there_is_an_outage(model: LanguageModel) -> None:
    error = failure(model, base_url=f"http://127.0.0.1:{free_port()}/v1")
    assert (*facts(error), error.retry_after) == ("postponed", "connection", 60)  # type: ignore[attr-defined]


def test_an_address_that_nobody_can_dial_is_a_fault_of_the_configuration(model: LanguageModel) -> None:
    error = failure(model, base_url="http://a..b/v1")
    assert (*facts(error), error.retry_after) == ("postponed", "unusable-address", 900)  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", [None, "", "  ", "sch\u00fcssel", f"{KEY}\nX-Other: 1"])
def test_a_key_that_cannot_be_used_is_missed_before_anything_is_sent(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    if key is not None:
        monkeypatch.setenv("SERVICE_KEY", key)
    error = failure(model, api_key_env="SERVICE_KEY")
    assert (*facts(error), error.retry_after) == ("postponed", "no-api-key", 900)  # type: ignore[attr-defined]
    assert model.asked == []


def test_a_library_that_is_gone_since_the_start_burns_nothing(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = make(model)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(PostponeError) as caught:
        extractor.extract(TEXT)
    assert (caught.value.code, caught.value.__context__) == ("llm-extra-missing", None)


def test_the_library_logs_no_word_of_a_text(model: LanguageModel, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    model.answers(summary=CANARY)
    extract(model)
    model.sends({"error": {"message": TEXT}}, status=500)
    failure(model)
    assert CANARY not in caplog.text
