"""What a reply means: the model's words, or which of the three failures it is: outage, never again, or try again.

The words of an error may quote the entry. They are read here to tell one fault from another, and go nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from insights_recovery.exceptions import ExtractorError, PermanentError, PostponeError
from insights_recovery.extractors.llm.answers import decoded
from insights_recovery.extractors.llm.client import CONFIGURATION_DELAY, Reply
from insights_recovery.extractors.llm.waiting import seconds_to_wait

_BUSY = {408, 409, 425}
_FAULTS = {
    401: "not-authorised",
    402: "no-credit",
    403: "forbidden",
    404: "not-found",
}
"""Faults of the configuration: nobody's entry is to blame, and a person has to see to them."""
_REFUSALS = {
    "content_filter",
    "content_policy_violation",
    "invalid_prompt",
    "moderation_blocked",
    "responsibleaipolicyviolation",
}
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance"}
_TOO_LONG = {"context_length_exceeded", "string_above_max_length", "request_too_large"}
_SAYS_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|(?:prompt|input)(?: is)? too long|too many (?:input |prompt )?tokens|"
    r"maximum (?:context|prompt|input)",
    re.IGNORECASE,
)
_JSON = re.compile(r"[/+]json\b", re.IGNORECASE)
_MAX_TOKENS = 2**53


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The model's words, and what they took."""

    content: str
    """What is meant to be JSON."""
    tokens: Mapping[str, int]
    """`prompt_tokens` and `completion_tokens`, those that the service tells."""


def read(reply: Reply, asked: Mapping[str, Any]) -> Completion | ExtractorError:
    """Return the words in `reply`, or the failure that it stands for; `asked` is the request's body."""
    document = decoded(reply.body) if reply.is_whole else None
    facts = document if isinstance(document, dict) else {}
    if reply.status != 200:
        return _failure(reply.status, reply, _error(facts), asked)
    if not reply.is_whole:
        return ExtractorError(code="answer-too-large")
    if document is None:
        return _no_json(reply)
    error = _error(facts)
    # A gateway in front of several services sends their errors with its own 200.
    if error and "choices" not in facts:
        return _failure(_whole(error.get("code")) or 500, reply, error, asked)
    return _completion(facts)


def _no_json(reply: Reply) -> ExtractorError:
    """A page where JSON should be comes from something else than a model: a proxy, or a wrong address."""
    if _JSON.search(reply.headers.get("content-type", "application/json")):
        return ExtractorError(code="malformed-json")
    return _postponed(reply, "not-an-api", CONFIGURATION_DELAY)


def _completion(facts: Mapping[str, Any]) -> Completion | ExtractorError:
    choices = facts.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    said = message if isinstance(message, dict) else {}
    if choice.get("finish_reason") == "content_filter" or said.get("refusal"):
        return PermanentError(code="refused")
    if choice.get("finish_reason") == "length":
        return ExtractorError(code="truncated")
    content = said.get("content")
    if not isinstance(content, str) or not content.strip():
        return ExtractorError(code="no-answer")
    return Completion(content=content, tokens=_tokens(facts.get("usage")))


def _tokens(usage: object) -> dict[str, int]:
    if not isinstance(usage, dict):
        return {}
    counts = {name: _whole(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")}
    return {name: count for name, count in counts.items() if count is not None and 0 <= count <= _MAX_TOKENS}


def _failure(status: int, reply: Reply, error: Mapping[str, Any], asked: Mapping[str, Any]) -> ExtractorError:
    codes = {str(word).lower() for word in _words(error)}
    if codes & _REFUSALS or _is_moderated(error):
        return PermanentError(code="refused")
    if status == 413 or codes & _TOO_LONG:
        return PermanentError(code="context-too-long")
    if status in {400, 422}:
        return _bad_request(reply, error, asked)
    if codes & _NO_CREDIT:
        return _postponed(reply, "no-credit", CONFIGURATION_DELAY)
    if status == 429:
        return _postponed(reply, "rate-limited", 60.0)
    if status >= 500 or status in _BUSY:
        return _postponed(reply, "service-error", 60.0)
    return _postponed(reply, _FAULTS.get(status, "unexpected-status"), CONFIGURATION_DELAY)


def _bad_request(reply: Reply, error: Mapping[str, Any], asked: Mapping[str, Any]) -> ExtractorError:
    parameter = re.split(r"[.\[]", str(error.get("param") or ""))[0]
    if parameter in asked and parameter != "messages":
        return _postponed(reply, "unsupported-parameter", CONFIGURATION_DELAY)
    if _SAYS_TOO_LONG.search(str(error.get("message") or "")):
        return PermanentError(code="context-too-long")
    return ExtractorError(code="bad-request")


def _postponed(reply: Reply, code: str, otherwise: float) -> PostponeError:
    return PostponeError(retry_after=seconds_to_wait(reply.headers, otherwise), code=code)


def _error(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the error that services put in `error`, as an object or as a sentence, or in the document itself."""
    error = facts.get("error", facts if facts.get("object") == "error" else None)
    if isinstance(error, dict):
        return error
    return {"message": error} if error else {}


def _words(error: Mapping[str, Any]) -> list[object]:
    inner = error.get("innererror")
    return [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]


def _is_moderated(error: Mapping[str, Any]) -> bool:
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and "flagged_input" in metadata


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
