"""The demo's command line and surroundings: what must be settled before Django is set up."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

import django

HERE = Path(__file__).resolve().parent.parent
VAR = HERE / "var" / "demo"
SAMPLES = 300
PACE = {
    "INSIGHTS_LEASE_SECONDS": "6",
    "INSIGHTS_LIFELINE_INTERVAL": "1",
    "INSIGHTS_DISPATCH_GRACE": "5",
    "INSIGHTS_SWEEP_INTERVAL": "30",
    "INSIGHTS_BATCH_SIZE": "16",
}
"""A quicker pace than the defaults, so that recovery can be watched; what the environment says stands."""


def main() -> int:
    """Tell the story and return the exit status: 0 when the verdict is good."""
    arguments = read_arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # However it is ended, its processes are ended with it; a shell's background job even ignores SIGINT.
        signal.signal(number, signal.default_int_handler)
    prepare_environment()
    django.setup()
    # Only now can models be imported.
    from demonstration.story import tell  # noqa: PLC0415

    try:
        return tell(entries=arguments.entries, serve=not arguments.no_serve, port=arguments.port, logs=VAR / "logs")
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130


def read_arguments() -> argparse.Namespace:
    """Return the command line, checked."""
    parser = argparse.ArgumentParser(prog="demo.py", description="A journal whose worker is killed on the way.")
    parser.add_argument("--no-serve", action="store_true", help="end after the verdict instead of serving the journal")
    parser.add_argument("--entries", type=int, default=SAMPLES, help=f"sample entries, 50 to {SAMPLES} (default: all)")
    parser.add_argument("--port", type=int, default=8000, help="port of the journal (default: 8000, or a free one)")
    arguments = parser.parse_args()
    if not 50 <= arguments.entries <= SAMPLES:
        parser.error(f"--entries must lie between 50, or nothing is in flight when it is killed, and {SAMPLES} samples")
    return arguments


def prepare_environment() -> None:
    """Settle where things are and how quick they are, for this process and those that it starts."""
    # A run of its own: what the last demo left is not in the way.
    shutil.rmtree(VAR, ignore_errors=True)
    (VAR / "logs").mkdir(parents=True)
    os.environ["PYTHONUNBUFFERED"] = "1"
    for name, value in {**PACE, "EXAMPLE_VAR": str(VAR), "DJANGO_SETTINGS_MODULE": "example_project.settings"}.items():
        os.environ.setdefault(name, value)


if __name__ == "__main__":
    sys.exit(main())
