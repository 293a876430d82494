"""Workers of two releases, side by side on one database and one broker, as while one replaces the other."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import current_app
from django.db.models import Count

import tests
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Heartbeat, Insight, Outcome, ProcessingAttempt
from tests.acceptance.entries import states, wait_for_states
from tests.harness import IMPORT_ROOT, PATIENCE, HostProject, WorkerProcess, wait_until
from tests.hosts.extractors import digest_of
from tests.hosts.notes.models import Entry
from tests.releases import record

PREVIOUS = "5b2573c"
"""The last commit of the release before the present code: 0.1.0. The commit that prepares a release names the one
before it here."""
CLONE = Path(tests.__file__).resolve().parent.parent
"""Where the history is, also where the tests are run from a folder of links."""
ENTRIES = 200
NEVER = 3600
"""Seconds that no test takes."""


@pytest.fixture
def previous_code(tmp_path: Path) -> Path:
    """A folder with the package as it was, taken from the history."""
    commit = _git("rev-parse", "--verify", "--quiet", f"{PREVIOUS}^{{commit}}").decode().strip()
    folder = tmp_path / "previous"
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, "insights_recovery"))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", str(CLONE), *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"the history of the release before, {PREVIOUS}, is not in this clone")


def _with(previous_code: Path) -> dict[str, str]:
    """Return the environment in which a process of the host finds the previous code before the present one."""
    return {"PYTHONPATH": os.pathsep.join([str(previous_code), str(IMPORT_ROOT)])}


class Upgrade:
    """Entries written and edited while workers of both releases are stopped and killed in turn."""

    def __init__(self, workers: list[WorkerProcess]) -> None:
        self.workers = workers
        self.edited: dict[int, str] = {}

    def write(self) -> None:
        for number in range(ENTRIES // 4):
            Entry.objects.create(content=f"@@sleep=0.05 saved {number}")
        Entry.objects.bulk_create(Entry(content=f"@@sleep=0.05 in bulk {n}") for n in range(ENTRIES * 3 // 4))

    def edit(self, state: str) -> None:
        """Give some entries that are in this state another text."""
        for entry in Entry.objects.filter(processing_state=state).exclude(pk__in=self.edited)[:5]:
            entry.content = f"@@sleep=0.05 edited when {state} {entry.pk}"
            entry.save()
            self.edited[entry.pk] = entry.content

    def faults(self) -> Iterator[Callable[[], object]]:
        """Yield what happens to the workers, one thing at a time."""
        for worker in self.workers:
            yield worker.kill
        for worker in reversed(self.workers):
            yield worker.terminate

    def happen(self) -> None:
        """Strike whenever so many more are done, while entries are in hand."""
        for number, (fault, worker) in enumerate(zip(self.faults(), self._struck(), strict=True), 1):
            wait_until(
                lambda enough=number * 25: states().get("COMPLETED", 0) >= enough, 60 * PATIENCE, what="progress"
            )
            self.edit(State.PROCESSING)
            self.edit(State.COMPLETED)
            wait_until(lambda: states().get("PROCESSING", 0) > 0, 30 * PATIENCE, what="entries in hand")
            fault()
            worker.start()

    def _struck(self) -> list[WorkerProcess]:
        return [*self.workers, *reversed(self.workers)]


@pytest.mark.timeout(300)
def test_while_one_release_replaces_another_every_entry_is_done_once(host_project: HostProject, previous_code: Path):
    older = host_project.worker("previous", env=_with(previous_code))
    upgrade = Upgrade([older, host_project.worker("present")])
    _assert_old(host_project, previous_code)

    upgrade.write()
    upgrade.happen()
    wait_for_states({"COMPLETED": ENTRIES}, timeout=120 * PATIENCE)

    _assert_each_is_done_once(upgrade)
    _assert_both_did_some()


def _assert_old(host_project: HostProject, previous_code: Path) -> None:
    """Make sure that such a process runs what it is meant to run."""
    shown = host_project.start(
        "-c", "import insights_recovery; print(insights_recovery.__file__)", name="which", env=_with(previous_code)
    )
    shown.wait_for_log(str(previous_code))


def _assert_each_is_done_once(upgrade: Upgrade) -> None:
    assert len(upgrade.edited) >= 10
    labels = dict(Insight.objects.values_list("entry_id", "label"))
    assert {entry.pk: digest_of(entry.content) for entry in Entry.objects.all()} == labels
    assert [ENTRIES, ENTRIES] == [Insight.objects.count(), Extraction.objects.count()]
    ended = ProcessingAttempt.objects.filter(outcome=Outcome.COMPLETED).exclude(entry__in=upgrade.edited)
    twice = ended.values("entry").annotate(times=Count("pk")).exclude(times=1)
    assert [] == list(twice)
    assert ENTRIES - len(upgrade.edited) == ended.count()


def _assert_both_did_some() -> None:
    done = ProcessingAttempt.objects.filter(outcome=Outcome.COMPLETED)
    by = {name: done.filter(worker__startswith=f"{name}@").count() for name in ("previous", "present")}
    assert min(by.values()) >= 10, by


# What waits in a broker while the workers are replaced


@pytest.fixture
def awaiting(host_project: HostProject) -> WorkerProcess:
    """A worker whose own sweep is over, so that it does what a message tells it and nothing else."""
    host_project.configure(LIFELINE_INTERVAL=NEVER, SWEEP_INTERVAL=NEVER, DISPATCH_GRACE=NEVER)
    worker = host_project.worker("awaiting")
    sweeps = Heartbeat.objects.filter(finished_at__isnull=False)
    wait_until(sweeps.exists, 30 * PATIENCE, what="the sweep at the worker's start")
    return worker


def _send(message: record.Message) -> None:
    """Put a message into its queue as it was, with only its moment of expiry, if it has one, in the future again."""
    headers, properties = dict(message.raw["headers"]), dict(message.raw["properties"])
    if headers["expires"]:
        headers["expires"] = (datetime.now(UTC) + timedelta(seconds=NEVER)).isoformat()
        properties["expiration"] = NEVER
    for name in ("delivery_info", "delivery_tag", "body_encoding"):
        del properties[name]
    with current_app.connection_for_write() as line:
        line.Producer().publish(
            message.body,
            exchange="",
            routing_key=message.queue,
            headers=headers,
            content_type=message.raw["content-type"],
            content_encoding=message.raw["content-encoding"],
            **properties,
        )


@pytest.mark.parametrize("release", record.kept(), ids=lambda release: release.version)
def test_messages_of_any_release_are_done_by_a_worker(
    host_project: HostProject, awaiting: WorkerProcess, release: record.Release
):
    nudges = [release.message(name) for name in ("one id", "several ids", "a bare id")]
    Entry.objects.bulk_create(Entry(pk=pk, content=f"entry {pk}") for pk in {pk for n in nudges for pk in n.keys})
    for message in release.messages:
        if message.name != "retry_unprocessed_entries":
            _send(message)
    wait_for_states({"COMPLETED": 3}, timeout=30 * PATIENCE)
    assert 3 == len(host_project.calls())

    Entry.objects.bulk_create([Entry(content="found by a sweep alone")])
    _send(release.message("retry_unprocessed_entries"))
    wait_for_states({"COMPLETED": 4}, timeout=30 * PATIENCE)

    for message in release.messages:
        awaiting.wait_for_log(f"{message.task}[{message.raw['headers']['id']}] succeeded", timeout=30 * PATIENCE)
