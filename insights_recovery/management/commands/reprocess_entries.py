"""`reprocess_entries`: finished entries once more, behind what people write today."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.db.models import Exists, OuterRef

from insights_recovery import operations
from insights_recovery.conf import conf
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.extractors import loading
from insights_recovery.hosts import database, entries, entry_model
from insights_recovery.lifecycle import State
from insights_recovery.management.output import ReportingCommand, count, wrong_usage
from insights_recovery.models import Extraction
from insights_recovery.monitoring.paging import pages

_DIGITS = re.compile(r"(\d+)")


class Command(ReportingCommand):
    """Have finished entries extracted anew."""

    help = (
        "Have finished entries extracted anew, at backfill priority. What is stored stays until it is replaced, and "
        "what people corrected stays for good."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what selects the entries."""
        super().add_arguments(parser)
        selection = parser.add_mutually_exclusive_group()
        selection.add_argument("--ids", nargs="+", metavar="ID", help="these entries")
        selection.add_argument("--all", action="store_true", help="all finished entries, dead letters among them")
        selection.add_argument(
            "--extractor",
            metavar="NAME",
            help="entries that this extractor has not done, or did in another version; it alone is called for them",
        )
        parser.add_argument(
            "--older-than", metavar="VERSION", help="with --extractor: those it did in a version older than this"
        )
        parser.add_argument("--limit", type=count, metavar="N", help="at most so many entries")
        parser.add_argument("--dry-run", action="store_true", help="say how many, and change nothing")

    def handle(
        self,
        *,
        output: str,
        ids: list[str] | None,
        all: bool,  # noqa: A002 - the option's name, as Django passes it
        extractor: str | None,
        older_than: str | None,
        limit: int | None,
        dry_run: bool,
        **_: Any,
    ) -> None:
        """Select, put back, report."""
        if older_than and not extractor:
            raise wrong_usage("--older-than speaks of an extractor's version: add --extractor NAME.")
        selected = _selected(ids, everything=all, extractor=extractor, older_than=older_than)
        total = selected.order_by()[:limit].count()
        moved = 0 if dry_run else self._reprocess(selected, total, limit, extractor)
        facts = {"selected": total, "reprocessed": moved, "dry_run": dry_run}
        self.report(output, facts, [_sentence(total, moved, dry_run=dry_run)])

    def _reprocess(self, selected: Any, total: int, limit: int | None, extractor: str | None) -> int:
        chunks = self.progress(total).over(pages(selected, limit=limit))
        return sum(operations.reprocess(pks, extractor=extractor) for pks in chunks)


def _sentence(total: int, moved: int, *, dry_run: bool) -> str:
    if dry_run:
        return f"Dry run: {total} finished entries would be put back; nothing was changed."
    return f"{moved} of {total} selected entries put back; the workers do them behind what people write today."


def _selected(ids: list[str] | None, *, everything: bool, extractor: str | None, older_than: str | None) -> Any:
    finished = entries().finished()
    if ids:
        return finished.filter(pk__in=[_key(value) for value in ids])
    if extractor:
        return _to_be_done_by(extractor, older_than, finished)
    if everything:
        return finished
    raise wrong_usage("Say which entries: --ids ID ..., --extractor NAME [--older-than VERSION], or --all.")


def _key(value: str) -> Any:
    try:
        return entry_model()._meta.pk.clean(value, None)
    except ValidationError as error:
        label = entry_model()._meta.label
        raise wrong_usage(f"{value!r} is no key of {label}: give ids as the admin shows them.") from error


def _to_be_done_by(extractor: str, older_than: str | None, finished: Any) -> Any:
    """Return the entries that this extractor did in a version older than the one named; or that lack today's."""
    done = Extraction.objects.using(database()).filter(extractor=extractor, entry_id=OuterRef("pk"))
    if older_than is None:
        today = done.filter(version=_version_of(extractor), text_digest=OuterRef("processing_digest"))
        return finished.filter(~Exists(today), processing_state=State.COMPLETED)
    return finished.filter(Exists(_older(done, extractor, older_than)))


def _older(done: Any, extractor: str, older_than: str) -> Any:
    every = Extraction.objects.using(database()).filter(extractor=extractor)
    versions = every.order_by().values_list("version", flat=True).distinct()
    return done.filter(version__in=[version for version in versions if _rank(version) < _rank(older_than)])


def _version_of(name: str) -> str:
    try:
        versions = {extractor.name: extractor.version for extractor in loading.load(conf().extractors)}
    except ConfigurationError as error:
        raise wrong_usage(f"{error} Correct it, or name a version: --older-than VERSION.") from error
    if name not in versions:
        known = ", ".join(versions)
        raise wrong_usage(f"No extractor {name!r} is configured, only {known}; name a version: --older-than VERSION.")
    return versions[name]


def _rank(version: str) -> list[tuple[int, int, str]]:
    """Return a sorting key in which numbers count as numbers: 1.9 comes before 1.10."""
    parts = [part for part in _DIGITS.split(version) if part]
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
