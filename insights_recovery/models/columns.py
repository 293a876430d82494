"""Columns of the mixin, made so that the hosts' migrations outlive our wording."""

from __future__ import annotations

from typing import Any

from django.db import models


class WordlessMixin:
    """A field that tells migrations nothing of its labels, choices and help: they are ours to change.

    Otherwise a new reason, or a better word, in a release of ours would have every host make a migration. To migrations
    it is a plain field of Django's.
    """

    def deconstruct(self) -> Any:
        """Return name, path, args and kwargs as a plain field of Django's has them."""
        name, _, args, kwargs = super().deconstruct()  # type: ignore[misc]
        words = ("choices", "verbose_name", "help_text")
        plain = f"django.db.models.{type(self).__name__.removesuffix('Column')}Field"
        return name, plain, args, {key: value for key, value in kwargs.items() if key not in words}


class CharColumn(WordlessMixin, models.CharField):  # type: ignore[type-arg]  # generic in its stubs only, as the others
    """A CharField."""


class TextColumn(WordlessMixin, models.TextField):  # type: ignore[type-arg]
    """A TextField."""


class DateTimeColumn(WordlessMixin, models.DateTimeField):  # type: ignore[type-arg]
    """A DateTimeField."""


class PositiveIntegerColumn(WordlessMixin, models.PositiveIntegerField):  # type: ignore[type-arg]
    """A PositiveIntegerField."""


class BooleanColumn(WordlessMixin, models.BooleanField):  # type: ignore[type-arg]
    """A BooleanField."""


class UUIDColumn(WordlessMixin, models.UUIDField):  # type: ignore[type-arg]
    """A UUIDField."""
