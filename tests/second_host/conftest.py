"""These tests run under the second host's settings only: `python tests/suite.py --host second`."""

from django.conf import settings

is_second = settings.INSIGHTS_RECOVERY["ENTRY_MODEL"] == "diary.Note"
collect_ignore_glob = [] if is_second else ["test_*.py"]
