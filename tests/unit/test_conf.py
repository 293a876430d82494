"""The INSIGHTS_RECOVERY setting: what is wrong with it is said, with the remedy."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from insights_recovery import conf
from insights_recovery.conf import KEYS, RecoverySettings
from insights_recovery.exceptions import ConfigurationError

MINIMAL = {"ENTRY_MODEL": "diary.Note"}

BAD: dict[str, list[Any]] = {
    "ENTRY_MODEL": [None, 7, "", "Note", "a.b.c", ".Note", "diary."],
    "TEXT_FIELD": [None, "", 7],
    "AUTHOR_FIELD": ["", 7],
    "EXTRACTORS": [None, [], "a.B", ["B"], [7], [{}], [{"OPTIONS": {}}], [{"BACKEND": "a.B", "OPTION": {}}],
                   [{"BACKEND": "a.B", "OPTIONS": []}], [{"BACKEND": "a.B", "OPTIONS": {1: 2}}], ["a..B"], {"a.B": 1}],
    "SKIP_DUPLICATES": [None, 1, "yes"],
    "SETUP_PERIODIC": [None, 0],
}  # fmt: skip
NUMBERS = [key for key, item in KEYS.items() if type(item.default) in (int, float)]
COUNTS = [key for key in NUMBERS if KEYS[key].metadata["rule"] is conf.COUNT]
NAMES = ["QUEUE", "BACKFILL_QUEUE", "MAINTENANCE_QUEUE"]

BAD_VALUES = [
    *((key, value) for key, values in BAD.items() for value in values),
    *((key, value) for key in NUMBERS for value in (None, 0, -1, "5", True, float("nan"))),
    *((key, float("inf")) for key in NUMBERS),
    *((key, 1.5) for key in COUNTS),
    *((key, value) for key in NAMES for value in (None, "", 7)),
]


def _problems(**keys: Any) -> list[conf.Problem]:
    return conf.problems(MINIMAL | keys)


def test_the_entry_model_is_enough() -> None:
    assert [] == conf.problems(MINIMAL)


def test_every_default_is_a_good_value() -> None:
    defaults = RecoverySettings(entry_model="diary.Note")
    assert [] == _problems(**{key: getattr(defaults, key.lower()) for key in KEYS})


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("TEXT_FIELD", "content"), ("AUTHOR_FIELD", None), ("MAX_ATTEMPTS", 5), ("MAX_CRASHES", 3), ("RETRY_DELAY", 60),
        ("RETRY_DELAY_MAX", 3600), ("LEASE_SECONDS", 30), ("DISPATCH_GRACE", 60), ("LIFELINE_INTERVAL", 5),
        ("SWEEP_INTERVAL", 300), ("SWEEP_LIMIT", 1000), ("BATCH_SIZE", 32), ("MAX_IN_FLIGHT", 2000),
        ("QUEUE", "insights"), ("BACKFILL_QUEUE", "insights_backfill"), ("MAINTENANCE_QUEUE", "insights_maintenance"),
        ("PUBLISH_TIMEOUT", 0.5), ("SOFT_TIME_LIMIT", 120), ("TIME_LIMIT", 150), ("SKIP_DUPLICATES", False),
        ("HISTORY_DAYS", 30), ("EXTRACTORS", ["insights_recovery.extractors.local.LocalExtractor"]),
    ],
)  # fmt: skip
def test_the_defaults_are_those_of_the_contract(key: str, default: Any) -> None:
    assert default == getattr(RecoverySettings(entry_model="diary.Note"), key.lower())


@pytest.mark.parametrize(("key", "value"), BAD_VALUES, ids=lambda value: repr(value)[:40])
def test_a_bad_value_is_named_with_what_it_must_be(key: str, value: Any) -> None:
    (problem,) = _problems(**{key: value})
    assert problem.key == key
    assert key in problem.message
    assert problem.hint.startswith("It must be ")


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("MAX_ATTEMPT", "MAX_ATTEMPTS"), ("RETRY_DELY", "RETRY_DELAY"), ("max_attempts", "MAX_ATTEMPTS")],
)
def test_an_unknown_key_is_answered_with_the_nearest(key: str, nearest: str) -> None:
    (problem,) = _problems(**{key: 1})
    assert f"'{nearest}'" in problem.hint


@pytest.mark.parametrize("key", ["XYZZY", 7, None])
def test_a_key_like_no_other_is_answered_with_all(key: Any) -> None:
    (problem,) = conf.problems(MINIMAL | {key: 1})
    assert "MAX_ATTEMPTS" in problem.hint


@pytest.mark.parametrize("raw", [None, [], "diary.Note", 7])
def test_the_setting_is_a_dict(raw: Any) -> None:
    (problem,) = conf.problems(raw)
    assert "must be a dict" in problem.message


def test_a_setting_without_the_model_says_how_to_name_it() -> None:
    (problem,) = conf.problems({})
    assert [problem.key, "ENTRY_MODEL" in problem.hint] == ["ENTRY_MODEL", True]


@pytest.mark.parametrize(("soft", "hard", "is_wrong"), [(10, 10, True), (11, 10, True), (9, 10, False)])
def test_the_soft_limit_comes_before_the_hard_one(soft: float, hard: float, is_wrong: bool) -> None:
    assert is_wrong is bool(_problems(SOFT_TIME_LIMIT=soft, TIME_LIMIT=hard))


@pytest.mark.parametrize(("delay", "cap", "is_wrong"), [(10, 10, False), (11, 10, True)])
def test_the_back_off_begins_below_its_cap(delay: float, cap: float, is_wrong: bool) -> None:
    assert is_wrong is bool(_problems(RETRY_DELAY=delay, RETRY_DELAY_MAX=cap))


def test_a_limit_that_contradicts_a_default_is_noticed() -> None:
    assert "TIME_LIMIT" in _problems(TIME_LIMIT=60)[0].message


def test_the_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        conf.conf().max_attempts = 1  # type: ignore[misc]


def test_a_changed_setting_is_noticed(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "MAX_ATTEMPTS": 9}
    assert conf.conf().max_attempts == 9


def test_a_wrong_setting_is_an_error_that_names_the_remedy(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "MAX_ATTEMPT": 9}
    with pytest.raises(ConfigurationError, match="Did you mean 'MAX_ATTEMPTS'"):
        conf.conf()


@pytest.mark.parametrize("raw", [None, {}, {"ENTRY_MODEL": "Note"}, {"ENTRY_MODEL": None}, []])
def test_a_host_without_an_entry_model_cannot_start(settings: Any, raw: Any) -> None:
    settings.INSIGHTS_RECOVERY = raw
    with pytest.raises(ImproperlyConfigured, match="ENTRY_MODEL"):
        conf.entry_model_name()


def test_two_settings_objects_share_no_list() -> None:
    one, other = (RecoverySettings(entry_model="diary.Note") for _ in range(2))
    assert one.extractors is not other.extractors
