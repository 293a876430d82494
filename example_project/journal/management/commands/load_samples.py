"""Fill a journal with sample entries."""

from __future__ import annotations

import argparse
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from journal.models import JournalEntry
from journal.samples import Sample, samples


class Command(BaseCommand):
    """Adds the samples that the author does not have yet; running it again adds nothing."""

    help = (
        "Add sample entries to an author's journal. They are created in bulk, so nobody tells the workers: recovery "
        "finds them. Running the command again adds only what is missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--limit", type=_count, default=1000, metavar="N", help="at most so many samples (default: all)"
        )
        parser.add_argument(
            "--author",
            default="demo",
            metavar="USERNAME",
            help="whose journal (default: demo); created if there is none",
        )
        parser.add_argument(
            "--announce",
            nargs="?",
            type=_count,
            const=1000,
            default=0,
            metavar="N",
            help="save the newest N one by one (without a number: all), as if just written, which tells the workers",
        )

    def handle(self, *args: Any, limit: int, author: str, announce: int, **options: Any) -> None:
        """Create the entries, and say how many."""
        user, is_new = get_user_model().objects.get_or_create(**{get_user_model().USERNAME_FIELD: author})
        if is_new:
            user.set_unusable_password()
            user.save()
            self.stderr.write(f"Created {author}, who cannot sign in until you run: manage.py changepassword {author}")
        missing = _missing(user, samples(limit, now=timezone.now()))
        newest = max(len(missing) - announce, 0)
        JournalEntry.objects.bulk_create(missing[:newest], batch_size=100)
        for entry in missing[newest:]:
            entry.save()
        self.stdout.write(
            f"{len(missing)} entries added to the journal of {author}, {len(missing) - newest} of them announced."
        )


def _missing(user: Any, found: list[Sample]) -> list[JournalEntry]:
    present = set(JournalEntry.objects.filter(author=user).values_list("content", flat=True))
    return [
        JournalEntry(author=user, title=sample.title, content=sample.content, written_at=sample.written_at)
        for sample in found
        if sample.content not in present
    ]


def _count(value: str) -> int:
    number = int(value) if value.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number of at least 1")
    return number
