"""Reading a table slice by slice, in the order of its key, so that its size does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

PAGE = 500
"""Rows of one slice; their keys fit into one statement on every supported database."""


def pages(rows: QuerySet[Any], *, limit: int | None = None, size: int = PAGE) -> Iterator[list[Any]]:
    """Yield the keys of `rows` in key order, at most `size` at a time and `limit` in all.

    Each slice is a query of its own that begins behind the last key of the one before: rows that leave `rows`
    meanwhile, because they were dealt with, shift nothing.
    """
    ordered = rows.order_by("pk").values_list("pk", flat=True)
    after, left = ordered, limit
    while left is None or left > 0:
        pks = list(after[: size if left is None else min(size, left)])
        if not pks:
            return
        yield pks
        after, left = ordered.filter(pk__gt=pks[-1]), None if left is None else left - len(pks)
