"""Making entries of a model that is not known beforehand, and telling them from a person's."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, models
from django.test.utils import isolate_apps
from django.utils import timezone

from insights_recovery.chaos import making
from insights_recovery.chaos.orders import MARK
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.lifecycle import State
from insights_recovery.models import RecoverableEntry
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, in_state, process

pytestmark = pytest.mark.django_db

Remake = Callable[..., Any]


def by_title(text: str) -> Entry:
    """Make an entry as a host would that has more to say."""
    return Entry(content=text, title="from the host")


@pytest.fixture
def as_model(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[models.Model]], None]:
    """Return a function that lets a model be the host's."""

    def be(model: type[models.Model]) -> None:
        monkeypatch.setattr(making, "entry_model", lambda: model)

    return be


def _model(**fields: models.Field[Any, Any]) -> type[models.Model]:
    """Return an entry model with these fields, in no database."""
    with isolate_apps("tests.hosts.notes"):
        meta = type("Meta", (RecoverableEntry.Meta,), {"app_label": "notes", "constraints": [], "indexes": []})
        body = {"__module__": __name__, "Meta": meta, "content": models.TextField(), **fields}
        return type("Strange", (RecoverableEntry,), body)


def _author(**options: Any) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(get_user_model(), on_delete=models.CASCADE, related_name="+", **options)


def test_an_entry_has_the_text_and_is_not_saved() -> None:
    entry = making.make("a text")
    assert isinstance(entry, Entry)
    assert (entry.content, entry.pk, Entry.objects.count()) == ("a text", None, 0)
    entry.save()
    assert fresh(entry).processing_state == State.PENDING


def test_what_may_be_missing_is_left_to_the_host() -> None:
    entry = making.make("a text")
    assert (entry.author_id, entry.title) == (None, "")
    assert not get_user_model().objects.exists()


def test_a_required_author_is_made_once(as_model: Callable[..., None]) -> None:
    as_model(_model(author=_author()))

    one, other = making.make("a text"), making.make("another")

    assert one.author_id == other.author_id == get_user_model().objects.get().pk


def test_a_required_author_may_be_there_already(as_model: Callable[..., None]) -> None:
    known = get_user_model().objects.create(username="ada")
    as_model(_model(author=_author()))
    assert making.make("a text").author_id == known.pk
    assert get_user_model().objects.count() == 1


def test_a_relation_to_another_column_than_the_key_gets_that_column(as_model: Callable[..., None]) -> None:
    get_user_model().objects.create(username="ada")
    as_model(_model(author=_author(to_field="username")))
    assert making.make("a text").author_id == "ada"


def test_each_required_field_of_a_known_kind_gets_a_value(as_model: Callable[..., None]) -> None:
    known = {
        "moment": models.DateTimeField(),
        "day": models.DateField(),
        "public": models.BooleanField(),
        "mood": models.PositiveSmallIntegerField(),
        "weight": models.FloatField(),
        "price": models.DecimalField(max_digits=5, decimal_places=2),
        "title": models.CharField(max_length=100),
        "mail": models.EmailField(),
        "slug": models.SlugField(),
        "notes": models.TextField(),
    }
    as_model(_model(**known))

    entry = making.make("a text")

    assert {name for name in known if getattr(entry, name) in (None, "")} == set()
    entry.clean_fields(exclude=["mail"])
    assert abs((entry.moment - timezone.now()).total_seconds()) < 60


def test_a_short_column_is_not_overfilled(as_model: Callable[..., None]) -> None:
    as_model(_model(language=models.CharField(max_length=2)))
    assert making.make("a text").language == "ch"


def test_a_field_that_fills_itself_is_left_alone(as_model: Callable[..., None]) -> None:
    as_model(
        _model(
            uid=models.UUIDField(primary_key=True, default=uuid.uuid4),
            created=models.DateTimeField(auto_now_add=True),
            edited=models.DateTimeField(auto_now=True),
            sort=models.UUIDField(db_default=models.Value(uuid.UUID(int=7))),
            maybe=models.UUIDField(null=True),
            colour=models.CharField(max_length=9, default="blue"),
        )
    )
    entry = making.make("a text")
    assert isinstance(entry.uid, uuid.UUID)
    assert (entry.created, entry.maybe, entry.colour) == (None, None, "blue")


@pytest.mark.parametrize(
    "field",
    [
        models.UUIDField(),
        models.JSONField(),
        models.DurationField(),
        models.SlugField(unique=True),
        models.CharField(max_length=20, primary_key=True),
        models.OneToOneField("auth.User", on_delete=models.CASCADE, related_name="+"),
    ],
    ids=lambda field: f"{type(field).__name__}{' key' * field.primary_key}",
)
def test_a_required_field_that_we_cannot_fill_is_named(as_model: Callable[..., None], field: Any) -> None:
    as_model(_model(strange=field.clone()))
    with pytest.raises(ConfigurationError, match=r"notes\.Strange\.strange: .* --factory"):
        making.make("a text")


def test_a_text_that_lies_in_no_field_needs_a_factory(configure: Callable[..., None]) -> None:
    create(making.new_text("7 abc", random.Random(1)))
    configure(TEXT_FIELD="joined")
    with pytest.raises(ConfigurationError, match="--factory"):
        making.make("a text")
    assert making.text_column() is None
    assert making.of_chaos().count() == 0, "no entry can be told from a person's"


def test_the_hosts_own_factory_is_found_by_its_path() -> None:
    assert making.factory("")("a text").content == "a text"
    assert making.factory(f"{__name__}.by_title")("a text").title == "from the host"
    with pytest.raises(ImportError):
        making.factory(f"{__name__}.no_such")


def test_no_two_texts_are_the_same_and_all_tell_of_the_run() -> None:
    dice = random.Random(1)
    written = [making.new_text("7 0123456789abcdef", dice) for _ in range(1000)]
    assert len(set(written)) == 1000
    assert all(text.startswith(MARK) and "7 0123456789abcdef" in text for text in written)


def test_entries_of_chaos_are_told_from_a_persons() -> None:
    theirs = making.make(making.new_text("7 abc", random.Random(1)))
    theirs.save()
    create("Walked to the lake.")
    create(f"I read about {MARK} today.")
    create(MARK.replace("_", "x") + " is not it")
    assert list(making.of_chaos()) == [theirs]


def test_an_edit_by_sql_bypasses_every_guard() -> None:
    entry = create()
    process(entry)
    done = fresh(entry)
    assert done.processing_state == State.COMPLETED

    making.edit_by_sql(entry, "Walked to the river.")

    after = fresh(entry)
    assert after.content == "Walked to the river."
    columns = [field.attname for field in Entry._meta.concrete_fields if field.name != "content"]
    assert {name: getattr(after, name) for name in columns} == {name: getattr(done, name) for name in columns}


def test_an_edit_by_sql_touches_one_entry_and_no_lease() -> None:
    entry, other = in_state(State.PROCESSING), create("other")
    making.edit_by_sql(entry, "Walked to the river.")
    assert fresh(entry).processing_token == entry.processing_token
    assert fresh(other).content == "other"


def test_the_text_column_is_that_of_the_setting() -> None:
    assert making.text_column() in {column.name for column in _columns()}


def _columns() -> Any:
    with connection.cursor() as cursor:
        return connection.introspection.get_table_description(cursor, "notes_entry")
