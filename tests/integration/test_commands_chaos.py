"""`chaos`: what it refuses, what it shows, and what becomes of a run; the runs themselves are in tests/under_fire."""

from __future__ import annotations

import os
import random
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest
from django.core.management import get_commands

from insights_recovery.chaos import making, servers
from insights_recovery.chaos.conductor import Conductor, Verdict
from insights_recovery.chaos.faults import FAULTS
from insights_recovery.chaos.verdict import Offences
from insights_recovery.conf import conf
from insights_recovery.models import Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, process
from tests.integration.test_commands import Ran, run
from tests.unit.test_chaos_report import outcome

pytestmark = pytest.mark.django_db

COMMAND = "chaos"
NAMES = [fault.name for fault in FAULTS]


def chaos(*arguments: Any) -> Ran:
    return run(COMMAND, *arguments)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of runs are made; no worker is waited for for long."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(servers, "ANSWER", 0.1)
    return tmp_path


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Conductor]:
    """The conductors that were to begin a run, which ends at once and well."""
    begun: list[Conductor] = []

    def end_at_once(conductor: Conductor, tell: Callable[[str], None]) -> Verdict:
        begun.append(conductor)
        _of_chaos()
        tell("one fault")
        return outcome()

    monkeypatch.setattr(Conductor, "run", end_at_once)
    return begun


@pytest.fixture
def as_run(monkeypatch: pytest.MonkeyPatch, runs: list[Conductor]) -> Callable[[Callable[[], Verdict]], None]:
    """Return a function that has runs go otherwise."""

    def go(action: Callable[[], Verdict]) -> None:
        def begin(conductor: Conductor, _: Callable[[str], None]) -> Verdict:
            runs.append(conductor)
            return action()

        monkeypatch.setattr(Conductor, "run", begin)

    return go


def _of_chaos() -> Entry:
    entry = making.make(making.new_text("7 abc", random.Random()))
    entry.save()
    return entry


def test_django_knows_the_command_and_no_host_sees_that_of_the_processes() -> None:
    assert get_commands()[COMMAND] == "insights_recovery"
    assert "chaos_writer" not in get_commands()


# What it refuses


def test_without_the_flag_nothing_is_done(runs: list[Conductor], folders: Path) -> None:
    left = _of_chaos()
    ran = chaos()
    assert ran.status == 2
    assert "--staging-copy" in ran.err
    assert (runs, list(folders.iterdir())) == ([], [])
    assert Entry.objects.get() == left


def test_entries_of_a_person_are_never_touched(runs: list[Conductor]) -> None:
    theirs, ours = create("Walked to the lake."), _of_chaos()
    process(theirs)

    ran = chaos("--staging-copy")

    assert ran.status == 2
    assert "1 entries that no chaos run made" in ran.err
    assert runs == []
    assert set(Entry.objects.all()) == {theirs, ours}
    assert Insight.objects.filter(entry=theirs).exists()


@pytest.mark.usefixtures("dead_broker")
def test_a_broker_that_does_not_answer_is_said(runs: list[Conductor]) -> None:
    ran = chaos("--staging-copy")
    assert ran.status == 2
    assert "The broker does not answer" in ran.err
    assert runs == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "disk empty"], ["There is no fault 'disk empty'", *NAMES]),
        (["--without", "disk empty"], ["There is no fault 'disk empty'", *NAMES]),
        (["--spare", "3"], ["--spare must be a number of the run's workers"]),
        (["--spare", "-1"], ["--spare must be a number of the run's workers"]),
        (["--set", "LEASE_SECONDS"], ["--set 'LEASE_SECONDS' is not KEY=JSON", "LEASE_SECONDS=5"]),
        (["--set", "QUEUE=insights"], ["--set 'QUEUE=insights' is not KEY=JSON"]),
        (["--set", "LEASE_SECOND=5"], ["unknown key 'LEASE_SECOND'", "Did you mean 'LEASE_SECONDS'?"]),
        (["--set", "LEASE_SECONDS=-1"], ["['LEASE_SECONDS'] is -1", "It must be"]),
        (["--set", "TIME_LIMIT=1"], ["must be below 'TIME_LIMIT'", "raise 'TIME_LIMIT'"]),
        (["--set", 'EXTRACTORS=["mine"]'], ["--set cannot change EXTRACTORS"]),
        (["--set", 'TEXT_FIELD="title"'], ["--set cannot change TEXT_FIELD"]),
        (["--factory", "no.such.factory"], ["--factory no.such.factory", "No module named 'no'"]),
        (["--factory", "insights_recovery.nobody"], ["--factory insights_recovery.nobody"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_wrong_usage_is_explained_before_anything_is_done(
    runs: list[Conductor], folders: Path, arguments: list[str], said: list[str]
) -> None:
    ran = chaos("--staging-copy", *arguments)
    assert ran.status == 2
    assert [words for words in said if words not in ran.err] == []
    assert (runs, list(folders.iterdir()), Entry.objects.count()) == ([], [], 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--entries", "0"], "whole number of at least 1"),
        (["--faults", "none"], "whole number of at least 1"),
        (["--workers", "0"], "whole number of at least 1"),
        (["--writers", "0"], "whole number of at least 1"),
        (["--concurrency", "0"], "whole number of at least 1"),
        (["--seconds", "0"], "above 0"),
        (["--patience", "0"], "above 0"),
        (["--pool", "gevent"], "prefork"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_numbers_make_sense(runs: list[Conductor], arguments: list[str], said: str) -> None:
    ran = chaos("--staging-copy", *arguments)
    assert ran.status != 0
    assert said in ran.err
    assert runs == []


def test_a_model_that_cannot_be_filled_is_said_before_anything_is_started(
    runs: list[Conductor], configure: Callable[..., None]
) -> None:
    configure(TEXT_FIELD="joined")
    ran = chaos("--staging-copy")
    assert ran.status == 2
    assert "--factory" in ran.err
    assert runs == []


def test_a_project_whose_app_is_not_found_is_to_name_it(runs: list[Conductor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights_recovery.chaos.stage.find_spec", lambda _: None)
    ran = chaos("--staging-copy")
    assert ran.status == 2
    assert "--app" in ran.err
    assert chaos("--staging-copy", "--app", "the.host").status == 0
    assert [conductor.stage.cast.app for conductor in runs] == ["the.host"]


# What it shows


def test_the_faults_are_listed_with_the_reason_why_not() -> None:
    facts = chaos("--list", "--format", "json").json
    assert list(facts) == NAMES
    assert all(fact["meaning"] for fact in facts.values())
    assert facts["disk full"]["left_out"] == ""
    assert "--broker-restart" in facts["broker restarted"]["left_out"]
    assert "no address" in facts["broker closed"]["left_out"]


def test_the_list_is_read_by_people_too(folders: Path) -> None:
    ran = chaos("--list", "--pool", "solo", "--without", "deleted")
    lines = ran.out.splitlines()
    assert ran.status == 0
    assert len(lines) == len(FAULTS)
    assert "the solo pool has no children" in lines[NAMES.index("child killed")]
    assert "not asked for" in lines[NAMES.index("deleted")]
    assert "can be tried" in lines[NAMES.index("disk full")]
    assert list(folders.iterdir()) == []


def test_the_list_needs_no_empty_database_and_touches_nothing(runs: list[Conductor]) -> None:
    create("a person's")
    assert chaos("--list").status == 0
    assert chaos("--dry-run").status == 0
    assert (runs, Entry.objects.count()) == ([], 1)


def test_a_dry_run_shows_the_schedule_that_the_run_would_have(runs: list[Conductor], folders: Path) -> None:
    size = ["--seed", 7, "--faults", 30]
    shown = chaos("--dry-run", "--format", "json", *size).json
    assert (runs, list(folders.iterdir())) == ([], [])

    ran = chaos("--staging-copy", "--format", "json", *size).json

    assert shown["seed"] == 7
    assert len(shown["schedule"]) == 30
    assert ran["schedule"] == shown["schedule"]
    assert ran["left_out"] == shown["left_out"]
    assert [vars(strike) for strike in runs[0]._schedule] == shown["schedule"]


def test_a_dry_run_is_read_by_people_too() -> None:
    lines = chaos("--dry-run", "--seed", 7, "--faults", 3).out.splitlines()
    assert lines[0] == "Seed 7."
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]


def test_without_a_seed_each_run_has_its_own() -> None:
    assert len({chaos("--dry-run", "--format", "json").json["seed"] for _ in range(5)}) > 1


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        (["--only", "disk full"], {"disk full"}),
        (["--only", "disk full", "--only", "deleted"], {"disk full", "deleted"}),
        (["--only", "disk full", "--only", "deleted", "--without", "deleted"], {"disk full"}),
        (["--only", "disk full", "--without", "disk full"], set()),
        (["--only", "broker restarted"], set()),
        (["--only", "broker restarted", "--broker-restart", "true"], {"broker restarted"}),
    ],
)
def test_faults_are_chosen(arguments: list[str], faults: set[str]) -> None:
    facts = chaos("--dry-run", "--format", "json", "--faults", 20, *arguments).json
    assert {strike["fault"] for strike in facts["schedule"]} == faults
    assert set(facts["left_out"]) == set(NAMES) - faults


# What becomes of a run


def test_leftovers_of_an_earlier_run_are_removed_before_the_next(
    as_run: Callable[..., None],
) -> None:
    process(_of_chaos())
    _of_chaos()
    seen: list[int] = []

    def look() -> Verdict:
        seen.append(Entry.objects.count() + Insight.objects.count())
        return outcome()

    as_run(look)
    assert chaos("--staging-copy").status == 0
    assert seen == [0]


def test_a_run_leaves_nothing(folders: Path) -> None:
    ran = chaos("--staging-copy", "--format", "json")
    assert ran.status == 0
    assert ran.json["folder"] == ""
    assert (Entry.objects.count(), list(folders.iterdir())) == (0, [])


def test_a_run_leaves_what_is_to_be_kept(folders: Path) -> None:
    ran = chaos("--staging-copy", "--keep")
    (folder,) = folders.iterdir()
    assert f"Kept: the entries, and the output of the processes in {folder}." in ran.out
    assert Entry.objects.count() == 1


def test_while_it_runs_a_person_is_told_and_a_program_is_not_disturbed() -> None:
    ran = chaos("--staging-copy", "--format", "json")
    assert ran.err == "one fault\n"
    assert ran.json["ok"] is True


def test_a_person_reads_the_verdict() -> None:
    ran = chaos("--staging-copy", "--seed", 7)
    assert ran.status == 0
    assert "Nothing was lost, doubled, or of another text." in ran.out
    assert "Seed 7 repeats the schedule." in ran.out


@pytest.mark.parametrize(
    "changes",
    [
        {"offences": Offences(lost=["7"])},
        {"offences": Offences(doubled=["7"])},
        {"offences": Offences(wrong_version=["7"])},
        {"offences": Offences(convicted=["7"])},
        {"offences": Offences(left_behind=["7"])},
        {"leaks": ["worker-0"]},
    ],
    ids=str,
)
def test_a_broken_promise_is_exit_status_one(as_run: Callable[..., None], folders: Path, changes: Any) -> None:
    as_run(lambda: outcome(**changes))
    ran = chaos("--staging-copy")
    assert ran.status == 1
    assert "A promise was broken" in ran.out
    assert "Nothing was lost" not in ran.out
    assert chaos("--staging-copy", "--format", "json").json["ok"] is False
    assert list(folders.iterdir()) == []


@pytest.mark.parametrize("error", [TimeoutError("nothing was written"), CalledProcessError(3, "restart")], ids=str)
def test_a_run_that_cannot_go_on_says_why_and_keeps_the_output(
    as_run: Callable[..., None], folders: Path, error: Exception
) -> None:
    def fail() -> Verdict:
        _of_chaos()
        raise error

    as_run(fail)
    ran = chaos("--staging-copy")

    (folder,) = folders.iterdir()
    assert ran.status == 1
    assert ran.err == f"{error} ({folder})"
    assert Entry.objects.count() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_cleans_up(as_run: Callable[..., None], folders: Path, number: int) -> None:
    before = signal.signal(signal.SIGTERM, _somebody_elses)

    def interrupt() -> Verdict:
        _of_chaos()
        os.kill(os.getpid(), number)
        pytest.fail("it goes on")

    as_run(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            chaos("--staging-copy")
        assert signal.getsignal(signal.SIGTERM) is _somebody_elses
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (Entry.objects.count(), list(folders.iterdir())) == (0, [])


def _somebody_elses(*_: object) -> None:
    pytest.fail("the run did not listen")


# What the processes are told


def test_the_processes_have_the_hosts_settings_but_for_the_times_and_the_extractors(runs: list[Conductor]) -> None:
    assert chaos("--staging-copy", "--seed", 7, "--seconds", 0.5, "--set", "MAX_ATTEMPTS=9").status == 0
    (conductor,) = runs
    told = conductor.stage.orders
    assert (told.settings, told.seed, told.seconds) == ("tests.settings.main", 7, 0.5)
    assert told.insights["LEASE_SECONDS"] == told.lease == 3
    assert told.insights["MAX_ATTEMPTS"] == 9
    assert all(path.startswith("insights_recovery.chaos.extractor.") for path in told.insights["EXTRACTORS"])
    assert told.phrase.startswith("7 ")


def test_each_run_has_a_phrase_of_its_own(runs: list[Conductor]) -> None:
    chaos("--staging-copy", "--seed", 7)
    chaos("--staging-copy", "--seed", 7)
    assert len({conductor.stage.orders.phrase for conductor in runs}) == 2


def test_the_hosts_times_can_be_kept(runs: list[Conductor]) -> None:
    chaos("--staging-copy", "--host-timings")
    told = runs[0].stage.orders.insights
    assert told["LEASE_SECONDS"] == conf().lease_seconds
    assert not {"DISPATCH_GRACE", "RETRY_DELAY", "TIME_LIMIT"} & set(told)


def test_the_verify_pass_comes_by_every_entry_of_a_large_run(runs: list[Conductor]) -> None:
    chaos("--staging-copy", "--entries", 100_000)
    assert runs[0].stage.orders.insights["SWEEP_LIMIT"] == 10_000


def test_the_conductor_writes_under_the_settings_of_the_run(
    as_run: Callable[..., None],
) -> None:
    seen: list[float] = []

    def look() -> Verdict:
        seen.append(conf().lease_seconds)
        return outcome()

    as_run(look)
    before = conf().lease_seconds
    chaos("--staging-copy", "--set", "LEASE_SECONDS=17")
    assert (seen, conf().lease_seconds) == ([17], before)


def test_the_cast_is_as_ordered(runs: list[Conductor]) -> None:
    numbers = ["--workers", 3, "--concurrency", 4, "--writers", 5, "--spare", 3, "--pool", "threads"]
    assert chaos("--staging-copy", *numbers, "--broker-restart", "b", "--database-restart", "d").status == 0
    cast = runs[0].stage.cast
    assert (cast.workers, cast.concurrency, cast.writers, cast.spared, cast.pool) == (3, 4, 5, 3, "threads")
    assert (cast.app, cast.broker_restart, cast.database_restart) == ("tests.hosts.main", "b", "d")
