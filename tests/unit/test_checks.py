"""System checks: each fault has its id and says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import CheckMessage
from django.db import models

from insights_recovery import checks
from insights_recovery.models import RecoverableEntry, RecoverableQuerySet

Configure = Callable[..., None]
ALL = [
    checks.check_settings,
    checks.check_entry_model,
    checks.check_fields,
    checks.check_extractors,
    checks.check_surroundings,
]


def _found() -> list[CheckMessage]:
    return [message for check in ALL for message in check()]


def _ids() -> list[str | None]:
    return [str(message.id).removeprefix("insights_recovery.") for message in _found()]


@pytest.fixture
def configure(settings: Any) -> Configure:
    def change(**keys: Any) -> None:
        settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, **keys}

    return change


@pytest.fixture
def installed() -> Iterator[Callable[[type[models.Model]], None]]:
    """Take models that a test defines out of the registry again."""
    before = dict(apps.all_models["notes"])
    yield lambda model: None
    apps.all_models["notes"].clear()
    apps.all_models["notes"].update(before)
    apps.clear_cache()


def test_the_test_host_is_well() -> None:
    assert [] == _found()


@pytest.mark.parametrize("keys", [{"MAX_ATTEMPT": 5}, {"MAX_ATTEMPTS": 0}, {"SOFT_TIME_LIMIT": 1000}])
def test_a_wrong_setting_is_reported_once(configure: Configure, keys: dict[str, Any]) -> None:
    configure(**keys)
    assert ["E001"] == _ids()


@pytest.mark.parametrize("raw", [None, {}, []])
def test_a_missing_setting_is_reported(settings: Any, raw: Any) -> None:
    settings.INSIGHTS_RECOVERY = raw
    (message,) = checks.check_settings()
    assert "ENTRY_MODEL" in str(message.hint)


@pytest.mark.parametrize("model", ["nowhere.Entry", "notes.Missing"])
def test_a_model_that_is_not_installed_is_reported(configure: Configure, model: str) -> None:
    configure(ENTRY_MODEL=model)
    assert ["E002"] == _ids()
    assert model in _found()[0].msg


def test_a_model_without_the_mixin_is_reported(configure: Configure) -> None:
    configure(ENTRY_MODEL="auth.User")
    assert ["E003"] == _ids()


def test_a_model_without_the_mixins_meta_is_reported(configure: Configure, installed: Any) -> None:
    class Bare(RecoverableEntry):
        content = models.TextField()

        class Meta:
            app_label = "notes"

        def __str__(self) -> str:
            return "bare"

    configure(ENTRY_MODEL="notes.Bare", AUTHOR_FIELD=None)
    assert ["E004"] == _ids()


def test_a_model_that_replaces_the_index_is_reported(configure: Configure, installed: Any) -> None:
    class Unindexed(RecoverableEntry):
        content = models.TextField()

        class Meta(RecoverableEntry.Meta):
            app_label = "notes"
            indexes = ()

        def __str__(self) -> str:
            return "unindexed"

    configure(ENTRY_MODEL="notes.Unindexed", AUTHOR_FIELD=None)
    assert ["E004"] == _ids()


def test_a_model_that_adds_to_the_meta_is_well(configure: Configure, installed: Any) -> None:
    class Adding(RecoverableEntry):
        content = models.TextField()

        class Meta(RecoverableEntry.Meta):
            app_label = "notes"
            indexes = (*RecoverableEntry.Meta.indexes, models.Index(fields=["content"], name="notes_content"))

        def __str__(self) -> str:
            return "adding"

    configure(ENTRY_MODEL="notes.Adding", AUTHOR_FIELD=None)
    assert [] == _found()


def test_a_manager_of_the_hosts_that_watches_for_no_edit_is_warned_of(configure: Configure, installed: Any) -> None:
    class Foreign(RecoverableEntry):
        content = models.TextField()
        objects = models.Manager()

        class Meta(RecoverableEntry.Meta):
            app_label = "notes"

        def __str__(self) -> str:
            return "foreign"

    configure(ENTRY_MODEL="notes.Foreign", AUTHOR_FIELD=None)
    assert ["W001"] == _ids()


def test_a_manager_of_a_derived_queryset_is_well(configure: Configure, installed: Any) -> None:
    class OwnQuerySet(RecoverableQuerySet):
        """The host's questions."""

    class Derived(RecoverableEntry):
        content = models.TextField()
        objects = OwnQuerySet.as_manager()

        class Meta(RecoverableEntry.Meta):
            app_label = "notes"

        def __str__(self) -> str:
            return "derived"

    configure(ENTRY_MODEL="notes.Derived", AUTHOR_FIELD=None)
    assert [] == _found()


@pytest.mark.parametrize(("key", "check_id"), [("TEXT_FIELD", "E005"), ("AUTHOR_FIELD", "E006")])
def test_a_field_that_the_model_lacks_is_reported_with_those_it_has(
    configure: Configure, key: str, check_id: str
) -> None:
    configure(**{key: "missing"})
    assert [check_id] == _ids()
    hint = str(_found()[0].hint)
    assert "content" in hint
    assert "processing_" not in hint


@pytest.mark.parametrize(
    "path",
    ["nowhere.Extractor", "tests.hosts.extractors.Call", "tests.integration.scripted.BrokenExtractor",
     "tests.integration.scripted.NamelessExtractor"],
)  # fmt: skip
def test_an_extractor_that_cannot_be_made_is_reported(configure: Configure, path: str) -> None:
    configure(EXTRACTORS=[path])
    assert ["E007"] == _ids()


def test_duplicates_without_an_author_are_warned_of(configure: Configure) -> None:
    configure(AUTHOR_FIELD=None, SKIP_DUPLICATES=True)
    assert ["W002"] == _ids()


def test_a_missing_beat_is_warned_of(settings: Any) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_celery_beat"]
    assert ["W003"] == _ids()


@pytest.mark.parametrize(
    "keys", [{"MAX_ATTEMPTS": 0}, {"ENTRY_MODEL": "nowhere.Entry"}, {"ENTRY_MODEL": "auth.User"}, {"TEXT_FIELD": "x"}]
)
def test_every_message_says_what_to_do(configure: Configure, keys: dict[str, Any]) -> None:
    configure(**keys)
    assert all(message.hint for message in _found())
