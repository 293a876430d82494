"""Run the benchmarks: `python -m benchmarks [saving|sweeping|processing] ...`, all of them by default.

They run on the tests' host and the tests' servers: TEST_DATABASE=postgres says on which database, Redis is started by
itself. Nothing is asserted; the tables are for people.
"""

from __future__ import annotations

import os
import sys

import django
from django.test.utils import setup_databases, teardown_databases

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings.main")
NAMES = ("saving", "sweeping", "processing")


def main() -> int:
    """Run those that the command line names, on a fresh database."""
    wanted = sys.argv[1:] or list(NAMES)
    if unknown := set(wanted) - set(NAMES):
        print(f"No such benchmark: {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    django.setup()
    # Only now can models be imported.
    from benchmarks import processing, saving, sweeping  # noqa: PLC0415

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        for name in wanted:
            {"saving": saving, "sweeping": sweeping, "processing": processing}[name].run()
    finally:
        teardown_databases(databases, verbosity=0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
