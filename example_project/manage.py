#!/usr/bin/env python3
"""Django's command line for the example journal."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command named on the command line."""
    # A fresh clone works without installing the package: its folder lies beside this project's.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415 - to say what is missing
    except ImportError as error:
        raise ImportError("Django is not installed here; activate the virtual environment of this project.") from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
