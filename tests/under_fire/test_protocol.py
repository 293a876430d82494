"""The protocol itself: a model of one entry, all of whose runs are tried by the model checker Spin.

Other tests try the code in some of the orders in which things can happen; these try all of them, in a model. So they
also say that it is a model of the code, and that it is found out when a guard of the protocol is missing from it. See
docs/explanation/protocol-model.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from django.db import connection

from insights_recovery.lifecycle import TRANSITIONS
from tests.under_fire.evidence import Evidence
from tests.under_fire.profiles import by_profile

MODEL = Path(__file__).parent / "protocol" / "entry.pml"
PAGE = Path(__file__).parent.parent.parent / "docs" / "explanation" / "protocol-model.md"
TEXT = MODEL.read_text()

LIVENESS = "every_entry_ends"
ALL_OF_SAFETY = "nothing_goes_wrong"
PROPERTIES = re.findall(r"^ltl (\w+)", TEXT, re.MULTILINE)

BROKEN = {
    "NO_FENCE": "no_stale_write",
    "REUSED_TOKEN": "no_stale_write",
    "UNFENCED_STORE": "one_result",
    "NO_DIGEST": "of_the_current_text",
    "UNGUARDED_CLAIM": "one_holder",
    "UNGATED_CLAIM": "no_back_off_is_cut_short",
    "NO_RENEWAL": "no_renewed_lease_is_lost",
    "UNGUARDED_RESCUE": "no_renewed_lease_is_lost",
    "STALE_VERDICT": "no_text_is_condemned_for_another",
    "NEVER_BURIED": "bounded_attempts",
    "TRUSTED_BROKER": "nothing_between_the_states",
    "UNCOUNTED_CRASHES": LIVENESS,
    "NO_EXPIRY": LIVENESS,
    "NO_SWEEP": LIVENESS,
    "NO_VERIFY": LIVENESS,
}
"""What can be taken out of the model, and the property that must notice."""

ALSO_NOTICED = {"UNFENCED_STORE": "nothing_outlives_deletion", "TRUSTED_BROKER": LIVENESS}
"""What a second property must notice."""

SPELLED = {"skip": "skip_entry"}
"""Verbs whose names mean something else to Spin."""
NOT_MODELLED = {"hold": "it locks a row until the transaction ends, and a transaction of the model is one step"}
"""Verbs that the model does without, and why."""

DEEPEST = 1_000_000
"""Steps to which the search may descend; one that would go deeper is not exhaustive, and fails."""

pytestmark = pytest.mark.timeout(by_profile(ordinary=120, short=120, long=3600))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the model checker said."""

    property: str
    """The property that it checked, by its own word."""
    states: int
    """Different states that it met."""
    violations: int
    """Runs that it found to break the property; it stops at the first."""
    is_exhaustive: bool
    """Whether it met every state, and kept each of them whole."""
    unreached: list[str]
    """Statements of the model that no run comes to."""


Check = Callable[..., Verdict]


def _missing() -> list[str]:
    """Return the Debian packages of what is needed and missing."""
    needed = {
        # Another program of that name is about.
        "spin": b"Spin Version" in _output("spin", "-V"),
        "gcc": bool(shutil.which("gcc")),
        "libc6-dev": b"stdlib" in _output("gcc", "-E", "-include", "stdlib.h", "-x", "c", "/dev/null"),
    }
    return [package for package, is_there in needed.items() if not is_there]


def _output(*command: str) -> bytes:
    """Return what a program says, or nothing where there is none of that name."""
    is_there = shutil.which(command[0])
    return subprocess.run(command, capture_output=True, check=False).stdout if is_there else b""


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Return a function that checks a property of the model, with so many troubles, broken or whole."""
    if connection.vendor != "sqlite":
        pytest.skip("a model has no database: the run on SQLite tries it")
    if missing := _missing():
        pytest.skip(f"the model checker is not there: apt-get install {' '.join(missing)}")

    @cache
    def built(troubles: int, broken: str) -> Path:
        folder = tmp_path_factory.mktemp("model")
        defined = [f"-DTROUBLES={troubles}", *([f"-D{broken}"] if broken else [])]
        subprocess.run(["spin", *defined, "-a", str(MODEL)], cwd=folder, check=True, capture_output=True)
        # Without partial order reduction no state is left out, by however sound an argument. A broken model is found
        # out so soon that the compiler had better be quick.
        options = ["-O0" if broken else "-O1", "-w", "-DNOREDUCE", "-DNFAIR=3"]
        subprocess.run(["gcc", *options, "-o", "pan", "pan.c"], cwd=folder, check=True, capture_output=True)
        return folder

    @cache
    def run(name: str, *, troubles: int = 1, broken: str = "") -> Verdict:
        folder = built(troubles, broken)
        # -a looks for runs that go round for ever, -f passes over those in which somebody able to act never does.
        how = ["-a", "-f"] if name == LIVENESS else []
        command = ["./pan", f"-m{DEEPEST}", *how, "-N", name]
        return _read(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)

    return run


def _read(said: str) -> Verdict:
    """Return what a run of the checker's program said."""
    truncated = ("Search not completed", "search depth too small", "Bit statespace", "Hash-Compact")
    unreached = re.findall(r'^\t\S+:(\d+), state \d+, "(.*)"$', said, re.MULTILINE)
    return Verdict(
        property=_found(r"^pan: ltl formula (\w+)$", said),
        states=int(float(_found(r"^\s*([\d.e+]+) states, stored", said))),
        violations=int(_found(r"errors: (\d+)$", said)),
        is_exhaustive="Full statespace search for" in said and not any(word in said for word in truncated),
        unreached=[f"line {line}: {statement}" for line, statement in unreached if statement != "-end-"],
    )


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said, re.MULTILINE)
    assert found, f"no {pattern} in what the checker said:\n{said}"
    return found[1]


def _troubles(name: str) -> int:
    """Return how many troubles to try a property with; each makes ten times as many states."""
    return by_profile(ordinary=1, short=1, long=2) + (name == ALL_OF_SAFETY)


@pytest.mark.parametrize("name", PROPERTIES)
def test_no_run_of_the_model_breaks(name: str, check: Check, evidence: Evidence) -> None:
    troubles = _troubles(name)
    verdict = check(name, troubles=troubles)
    assert verdict.property == name
    assert verdict.is_exhaustive
    broken = [f"{name}: {verdict.violations} runs"] if verdict.violations else []
    evidence.record(
        "model of the protocol",
        name,
        tried=verdict.states,
        violations=broken,
        note=f"all states with {troubles} troubles at most, and any number of crashes and failures",
    )


@pytest.mark.parametrize(("broken", "name"), [*BROKEN.items(), *ALSO_NOTICED.items()])
def test_the_model_is_found_out_without(broken: str, name: str, check: Check, evidence: Evidence) -> None:
    verdict = check(name, broken=broken)
    assert verdict.property == name
    unnoticed = [] if verdict.violations else [f"{broken} breaks nothing"]
    evidence.record("broken model", broken, tried=verdict.states, violations=unnoticed, note=f"noticed by {name}")


def test_every_statement_of_the_model_is_reached_by_some_run(check: Check) -> None:
    assert [] == check(ALL_OF_SAFETY, troubles=_troubles(ALL_OF_SAFETY)).unreached


# That it is a model of the code


def _verbs() -> dict[str, str]:
    """Return the bodies of the model's verbs, by their names in the code."""
    names = {SPELLED.get(verb, verb): verb for verb in TRANSITIONS}
    bodies = re.findall(r"^inline (\w+)\([^)]*\) \{$(.*?)^\}$", TEXT, re.MULTILINE | re.DOTALL)
    return {names[name]: body for name, body in bodies if name in names}


def test_every_verb_of_the_code_is_in_the_model_or_has_a_reason() -> None:
    assert set(TRANSITIONS) - set(NOT_MODELLED) == set(_verbs())


@pytest.mark.parametrize("verb", sorted(_verbs()))
def test_a_verb_leads_in_the_model_where_it_leads_in_the_code(verb: str) -> None:
    guard, _, change = _verbs()[verb].partition("->")
    move = TRANSITIONS[verb]
    assert set(re.findall(r"\bstate == (\w+)", guard)) == {str(state) for state in move.sources}
    assert set(re.findall(r"\bstate = (\w+)", change)) == {str(move.target)}


def test_every_verb_of_the_model_is_used() -> None:
    unused = [verb for verb in _verbs() if len(re.findall(rf"\b{SPELLED.get(verb, verb)}\(", TEXT)) < 2]
    assert [] == unused


def test_everything_that_can_be_broken_is_broken() -> None:
    assert set(re.findall(r"^#ifn?def (\w+)", TEXT, re.MULTILINE)) - {"TROUBLES"} == set(BROKEN)


def test_every_property_is_noticed_by_some_broken_model() -> None:
    assert set(PROPERTIES) - {ALL_OF_SAFETY} == {*BROKEN.values(), *ALSO_NOTICED.values()}


def test_all_of_safety_is_all_of_it() -> None:
    together = re.search(rf"^ltl {ALL_OF_SAFETY} {{(.*?)^}}", TEXT, re.MULTILINE | re.DOTALL)
    assert together
    each = {name.upper() for name in PROPERTIES} - {ALL_OF_SAFETY.upper(), LIVENESS.upper()}
    assert set(re.findall(r"[A-Z_]{3,}", together[1])) == each


def test_the_page_tells_of_every_property_and_of_what_breaks_it() -> None:
    told = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    assert set(PROPERTIES) | set(BROKEN) <= told
