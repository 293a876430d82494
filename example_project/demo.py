#!/usr/bin/env python3
"""The demo: `python3 example_project/demo.py [--no-serve] [--entries N] [--port PORT]`.

It needs nothing but a Python: it makes a virtual environment in the clone (`.venv-demo`), installs the project there,
and lets `demonstration` tell the story: entries are written, a worker is killed while it has some in hand, another
takes over, and a verdict says whether any was lost or done twice. The exit status is the verdict's.

Without further ado it runs on SQLite and messages in a folder; DATABASE_URL and CELERY_BROKER_URL (or REDIS_URL) name
others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-demo"
PYTHON = VENV / "bin" / "python"
INSTALLED = VENV / "installed-from"
"""Notes for which pyproject.toml the environment was made."""
SUPPORTED = ((3, 11), (3, 13))


def main() -> None:
    """See to the environment, and go on inside it."""
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        sys.exit(f"The demo needs Python 3.11, 3.12 or 3.13; this one is {sys.version.split()[0]}.")
    if not is_made():
        make()
    command = [str(PYTHON), "-m", "demonstration", *sys.argv[1:]]
    os.chdir(ROOT / "example_project")
    os.execv(command[0], command)  # noqa: S606 - the program goes on as this one, by its full path


def is_made() -> bool:
    """Return whether an earlier run left an environment for the project as it is."""
    return PYTHON.exists() and INSTALLED.exists() and INSTALLED.read_text() == wanted()


def wanted() -> str:
    """Return what the environment depends on."""
    return (ROOT / "pyproject.toml").read_text()


def make() -> None:
    """Make the virtual environment and install the project in it."""
    print("Preparing a virtual environment in .venv-demo (once; about a minute) …", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    make_venv()
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # Dependency groups need a pip of 2025; the one that a Python brings along may be older.
    run([*pip, "--upgrade", "pip>=25.1"])
    run([*pip, "--editable", ROOT, "--group", f"{ROOT / 'pyproject.toml'}:demo"])
    INSTALLED.write_text(wanted())


def make_venv() -> None:
    """Make the environment by ensurepip or, where a distribution splits that off, by the pip that is there."""
    if subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, check=False).returncode == 0:
        return
    run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV])
    run([sys.executable, "-m", "pip", "--python", PYTHON, "install", "--quiet", "pip"])


def run(command: list[str | Path]) -> None:
    """Run a command; end the demo with its words where it fails."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nfailed:\n{ended.stdout}{ended.stderr}")


if __name__ == "__main__":
    main()
