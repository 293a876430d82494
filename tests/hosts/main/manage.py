"""The main test host's manage.py: `python -m tests.hosts.main.manage migrate`."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings.main")
    execute_from_command_line(sys.argv)
