"""Making the configured extractors."""

from __future__ import annotations

from typing import Any

import pytest

from insights_recovery.exceptions import ConfigurationError
from insights_recovery.extractors import loading
from tests.hosts.extractors import MarkerExtractor

MARKER = "tests.hosts.extractors.MarkerExtractor"
SECOND = "tests.hosts.extractors.SecondExtractor"
SCRIPTED = "tests.integration.scripted"


def test_extractors_come_in_the_order_of_the_setting() -> None:
    assert ["second", "marker"] == [extractor.name for extractor in loading.load([SECOND, MARKER])]


def test_an_extractor_is_made_once_per_process() -> None:
    assert loading.load([MARKER])[0] is loading.load([MARKER])[0]


def test_options_are_given_to_the_extractor() -> None:
    (extractor,) = loading.load([{"BACKEND": f"{SCRIPTED}.DemandingExtractor", "OPTIONS": {"key": "k"}}])
    assert vars(extractor)["key"] == "k"


def test_other_options_make_another_extractor() -> None:
    one, other = (
        loading.load([{"BACKEND": f"{SCRIPTED}.DemandingExtractor", "OPTIONS": {"key": key}}])[0] for key in "ab"
    )
    assert one is not other


@pytest.mark.parametrize("item", [MARKER, {"BACKEND": MARKER}, {"BACKEND": MARKER, "OPTIONS": {}}])
def test_a_path_may_be_written_in_either_form(item: Any) -> None:
    assert isinstance(loading.load([item])[0], MarkerExtractor)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("nowhere.Extractor", "cannot be imported"),
        ("tests.hosts.extractors.Missing", "cannot be imported"),
        ("tests.hosts.extractors.Call", "OPTIONS"),
        ("collections.OrderedDict", "no subclass"),
        (f"{SCRIPTED}.DemandingExtractor", "OPTIONS"),
        ({"BACKEND": MARKER, "OPTIONS": {"x": 1}}, "OPTIONS"),
        (f"{SCRIPTED}.NamelessExtractor", "needs a name"),
        (f"{SCRIPTED}.BrokenExtractor", "cannot be made"),
    ],
)
def test_an_extractor_that_cannot_be_made_is_a_configuration_error(item: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        loading.load([item])


def test_two_extractors_of_one_name_are_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="'marker'"):
        loading.load([MARKER, MARKER])


def test_a_failure_is_not_remembered() -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            loading.load([f"{SCRIPTED}.BrokenExtractor"])
