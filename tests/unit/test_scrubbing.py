"""What of an error may be kept: what the programmer wrote, never what the person wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery.exceptions import PermanentError, PostponeError
from insights_recovery.scrubbing import ErrorReport, report

CANARY = "canary she told me everything"


class LoudError(Exception):
    """Says the text wherever an exception can say something."""

    def __init__(self) -> None:
        super().__init__(CANARY, {"text": CANARY})
        self.text = CANARY
        self.add_note(CANARY)

    def __str__(self) -> str:
        return CANARY

    __repr__ = __str__


class MuteError(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError(CANARY)

    __repr__ = __str__


def _caught(action: Callable[[], Any]) -> ErrorReport:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
        return report(error)
    pytest.fail("nothing was raised")


def _raise(error: BaseException) -> Callable[[], Any]:
    def action() -> Any:
        raise error

    return action


def _chained() -> None:
    try:
        {}[CANARY]
    except KeyError as error:
        raise LoudError from error


RAISING: dict[str, Callable[[], Any]] = {
    "args": _raise(ValueError(CANARY)),
    "everything": _raise(LoudError()),
    "unprintable": _raise(MuteError()),
    "cause": _chained,
    "key": lambda: {}[CANARY],
    "decoding": lambda: json.loads(CANARY),
    "unicode": f"{CANARY}\ud800".encode,
    "number": lambda: int(f"{CANARY}"),
    "file": lambda: open(f"/nowhere/{CANARY}"),  # noqa: SIM115, PTH123 - its error quotes the name
    "attribute": lambda: getattr(object(), CANARY),
    "group": _raise(ExceptionGroup(CANARY, [ValueError(CANARY)])),
    "syntax": lambda: compile(f"{CANARY} =", "<string>", "exec"),
    "type": _raise(type(f"Error{CANARY}!", (Exception,), {"__module__": "m"})()),
}


@pytest.mark.parametrize("what", sorted(RAISING.keys() - {"type"}))
def test_no_word_of_the_text_is_kept(what: str) -> None:
    kept = _caught(RAISING[what])
    assert "canary" not in f"{kept.type}{kept.message}{kept.traceback}"


@pytest.mark.parametrize("action", RAISING.values(), ids=RAISING)
def test_what_is_kept_is_one_printable_line_per_fact(action: Callable[[], Any]) -> None:
    kept = _caught(action)
    assert "\n" not in kept.message
    assert kept.message.isprintable()


def test_type_and_place_are_kept() -> None:
    kept = _caught(_raise(ValueError(CANARY)))
    assert kept.type == "ValueError"
    assert "tests/unit/test_scrubbing.py:" in kept.message
    assert kept.message.endswith("in action")


def test_a_type_of_a_module_has_its_name() -> None:
    assert _caught(_raise(json.JSONDecodeError("m", "d", 0))).type == "json.decoder.JSONDecodeError"


def test_a_code_is_kept() -> None:
    assert "[context-too-long]" in report(PermanentError(CANARY, code="context-too-long")).message


def test_the_number_of_a_system_error_is_kept() -> None:
    assert "[errno 2]" in _caught(RAISING["file"]).message


@pytest.mark.parametrize("code", ["with blank", "Upper", "x" * 65, "-begin", "ü", "a\n"])
def test_a_code_is_a_slug(code: str) -> None:
    with pytest.raises(ValueError, match="slug"):
        PermanentError(code=code)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_postponement_is_a_number_of_seconds(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite number"):
        PostponeError(retry_after=seconds)


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert "ValueError" == report(ValueError(CANARY)).message


def test_a_deep_recursion_keeps_its_last_frames() -> None:
    def deep() -> None:
        deep()

    assert _caught(deep).traceback.count("\n") < 30
