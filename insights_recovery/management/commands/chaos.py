"""`chaos`: faults on a staging copy, and a verdict."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.test import override_settings

from insights_recovery.chaos import making, report, schedule, servers, stage
from insights_recovery.chaos.conductor import Conductor, Verdict, remove
from insights_recovery.chaos.extractor import FirstChaosExtractor, SecondChaosExtractor
from insights_recovery.chaos.faults import FAULTS, Fault
from insights_recovery.chaos.orders import Orders
from insights_recovery.chaos.schedule import Strike
from insights_recovery.chaos.stage import Cast, Stage
from insights_recovery.conf import SETTING, conf, problems
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.hosts import entries
from insights_recovery.management.output import (
    UNHEALTHY,
    ReportingCommand,
    count,
    exit_status,
    positive,
    table,
    wrong_usage,
)
from insights_recovery.monitoring.messaging import BrokerProbe
from insights_recovery.monitoring.probes import ProbeStatus

TIMINGS = {
    "LEASE_SECONDS": 3,
    "DISPATCH_GRACE": 2,
    "LIFELINE_INTERVAL": 0.5,
    "RETRY_DELAY": 0.5,
    "RETRY_DELAY_MAX": 2,
    "SWEEP_INTERVAL": 5,
    "SOFT_TIME_LIMIT": 20,
    "TIME_LIMIT": 25,
}
"""Under these recovery takes seconds instead of minutes, and a fault need not last for as long."""
MANY_CRASHES = 1_000_000
"""The faults kill workers again and again, through no fault of any entry."""
PASSES = 10
"""Sweeps in which the verify pass comes by every entry of a run."""
FIXED = ("ENTRY_MODEL", "TEXT_FIELD", "EXTRACTORS")
"""Keys that --set leaves alone: by them the entries of a run are told from others, and judged."""


class UnjudgedError(CommandError):
    """The run could not go on; the output of its processes says why, and is kept."""


class Command(ReportingCommand):
    """Put a staging copy under fire."""

    help = (
        "For a staging copy of your project, and never for the real one: start workers, beat and web writers, let "
        "faults strike that are drawn from a seed, and report what was lost, doubled, or of another text. The broker "
        "is emptied, connections are cut, processes are killed. Your extractors are not called. "
        "Exit status 1 where a promise was broken."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the flag, the size of the run, who takes part, and what else may be done."""
        super().add_arguments(parser)
        parser.add_argument(
            "--staging-copy",
            action="store_true",
            help="say that this database and this broker are copies that may come to harm; nothing is done without it",
        )
        parser.add_argument("--entries", type=count, default=300, metavar="N", help="entries to write (300)")
        parser.add_argument("--faults", type=count, default=20, metavar="N", help="faults to let strike (20)")
        parser.add_argument("--seed", type=int, metavar="N", help="repeats the schedule of an earlier run")
        parser.add_argument("--only", action="append", metavar="FAULT", help="only this kind; may be repeated")
        parser.add_argument("--without", action="append", default=[], metavar="FAULT", help="not this kind")
        parser.add_argument("--list", action="store_true", help="list the faults, and say which cannot be tried here")
        parser.add_argument("--dry-run", action="store_true", help="show the schedule, and do nothing")
        parser.add_argument("--workers", type=count, default=2, metavar="N", help="Celery workers (2)")
        parser.add_argument("--concurrency", type=count, default=2, metavar="N", help="children of each (2)")
        parser.add_argument("--pool", choices=["prefork", "threads", "solo"], default="prefork", help="their pool")
        parser.add_argument("--writers", type=count, default=2, metavar="N", help="web writers (2)")
        parser.add_argument("--spare", type=int, default=0, metavar="N", help="workers whose processes nothing ends")
        parser.add_argument("--seconds", type=positive, default=0.1, metavar="S", help="of an extraction (0.1)")
        parser.add_argument("--patience", type=positive, default=180, metavar="S", help="without progress (180)")
        parser.add_argument("--app", default="", help="the Celery app, as for `celery -A`; found by itself")
        parser.add_argument("--factory", default="", metavar="PATH", help="function(text) that makes an unsaved entry")
        parser.add_argument("--broker-restart", default="", metavar="COMMAND", help="kills and starts the broker")
        parser.add_argument("--database-restart", default="", metavar="COMMAND", help="kills and starts the database")
        parser.add_argument("--host-timings", action="store_true", help="keep the project's lease, grace and intervals")
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=JSON", help=f"another value in {SETTING}, for this run"
        )
        parser.add_argument("--keep", action="store_true", help="keep the entries and the folder of the run")

    def handle(self, **options: Any) -> None:
        """Refuse, or list, or show the schedule, or run it and report."""
        seed = options["seed"] if options["seed"] is not None else random.SystemRandom().randrange(1_000_000)
        try:
            with _folder(keep=options["keep"]) as folder:
                self._handle(_orders(options, seed, folder), _cast(options), options)
        except ConfigurationError as error:
            raise wrong_usage(str(error)) from error

    def _handle(self, orders: Orders, cast: Cast, options: Mapping[str, Any]) -> None:
        output, seed, keep = options["output"], orders.seed, options["keep"]
        possible, left_out = _sorted_faults(Stage(orders, cast), options)
        strikes = schedule.draw(seed, possible, options["faults"])
        if options["list"]:
            self._list(output, left_out)
        elif options["dry_run"]:
            self._show(output, seed, strikes, left_out)
        else:
            self._refuse(staging_copy=options["staging_copy"], factory=options["factory"])
            conductor = Conductor(orders, cast, strikes, entries=options["entries"], patience=options["patience"])
            outcome = self._run(conductor, keep=keep)
            facts = report.facts(outcome, seed, strikes, left_out) | {"folder": orders.folder if keep else ""}
            self.report(output, facts, self._verdict(facts))
            exit_status(healthy=facts["ok"])

    def _refuse(self, *, staging_copy: bool, factory: str) -> None:
        """Do nothing where anything of value could come to harm, or where nothing could come of it.

        Raises:
            CommandError: the flag is missing, there are entries that no chaos run made, a worker is at work, the
                broker does not answer, or there is no such factory.
            ConfigurationError: no entry can be made without a factory.
        """
        if not staging_copy:
            raise wrong_usage(
                "chaos kills processes, empties the broker and cuts connections. Run it on a copy of your project that "
                "may come to harm, with a database and a broker of its own, and say so with --staging-copy."
            )
        others = entries().count() - making.of_chaos().count()
        if others:
            raise wrong_usage(
                f"There are {others} entries that no chaos run made, and chaos never touches a database that holds "
                "such. Point the copy to an empty database and run `manage.py migrate`."
            )
        if (broker := BrokerProbe().run()).status is ProbeStatus.FAILED:
            raise wrong_usage(f"{broker.message} Nothing was started.")
        if names := servers.workers():
            raise wrong_usage(
                f"{', '.join(names)} would take the entries of the run: stop every worker on this broker first."
            )
        try:
            making.factory(factory)(making.new_text("", random.Random()))  # noqa: S311 - nobody reads it
        except ImportError as error:
            raise wrong_usage(f"--factory {factory}: {error}") from error

    def _run(self, conductor: Conductor, *, keep: bool) -> Verdict:
        remove(making.of_chaos())
        try:
            # What the conductor itself writes is to come back as soon as what the web writers write.
            with (
                _ended_in_order(),
                override_settings(**{SETTING: conductor.stage.orders.over(getattr(settings, SETTING))}),
            ):
                return conductor.run(self._tell)
        except (TimeoutError, subprocess.SubprocessError) as error:
            raise UnjudgedError(f"{error} ({conductor.stage.orders.folder})", returncode=UNHEALTHY) from error
        finally:
            if not keep:
                remove(entries())

    def _tell(self, words: str) -> None:
        self.stderr.write(words, style_func=str)
        self.stderr.flush()

    def _list(self, output: str, left_out: Mapping[str, str]) -> None:
        facts = {fault.name: {"meaning": fault.meaning, "left_out": left_out.get(fault.name, "")} for fault in FAULTS}
        rows = [(name, left_out.get(name, "can be tried"), fact["meaning"]) for name, fact in facts.items()]
        self.report(output, facts, table(rows))

    def _show(self, output: str, seed: int, strikes: Sequence[Strike], left_out: Mapping[str, str]) -> None:
        facts = {"seed": seed, "schedule": [asdict(strike) for strike in strikes], "left_out": dict(left_out)}
        rows = [(strike.number, f"after {strike.pause} s", strike.fault) for strike in strikes]
        self.report(output, facts, [f"Seed {seed}.", *table(rows)])

    def _verdict(self, facts: Mapping[str, Any]) -> Iterator[str]:
        yield from report.lines(facts)
        if facts["folder"]:
            yield f"Kept: the entries, and the output of the processes in {facts['folder']}."
        if facts["ok"]:
            yield self.style.SUCCESS("Nothing was lost, doubled, or of another text.")
        else:
            yield self.style.ERROR("A promise was broken; --keep keeps the entries and the output of the processes.")


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """Make the folder of a run, and remove it afterwards unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="insights-recovery-chaos-"))
    try:
        yield folder
    except UnjudgedError:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM do what Ctrl+C does: otherwise the processes, in sessions of their own, would outlive this one."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cast(options: Mapping[str, Any]) -> Cast:
    spared = options["spare"]
    if not 0 <= spared <= options["workers"]:
        raise wrong_usage("--spare must be a number of the run's workers.")
    return Cast(
        app=options["app"] or stage.celery_app(),
        workers=options["workers"],
        concurrency=options["concurrency"],
        pool=options["pool"],
        writers=options["writers"],
        spared=spared,
        broker_restart=options["broker_restart"],
        database_restart=options["database_restart"],
    )


def _orders(options: Mapping[str, Any], seed: int, folder: Path) -> Orders:
    return Orders(
        settings=settings.SETTINGS_MODULE,
        folder=str(folder),
        insights=_insights(options),
        phrase=f"{seed} {random.SystemRandom().getrandbits(64):016x}",
        seed=seed,
        seconds=options["seconds"],
        factory=options["factory"],
    )


def _insights(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what replaces the host's INSIGHTS_RECOVERY in the processes of the run."""
    timings = {"LEASE_SECONDS": conf().lease_seconds} if options["host_timings"] else TIMINGS
    extractors = [f"{kind.__module__}.{kind.__qualname__}" for kind in (FirstChaosExtractor, SecondChaosExtractor)]
    values = {
        **timings,
        "EXTRACTORS": extractors,
        "MAX_CRASHES": MANY_CRASHES,
        "SWEEP_LIMIT": max(conf().sweep_limit, options["entries"] // PASSES),
        "SKIP_DUPLICATES": False,
        **dict(_setting(pair) for pair in options["set"]),
    }
    for problem in problems({**getattr(settings, SETTING), **values}):
        raise wrong_usage(f"{problem.message} {problem.hint}")
    return values


def _setting(pair: str) -> tuple[str, Any]:
    key, _, value = pair.partition("=")
    if key in FIXED:
        raise wrong_usage(f"--set cannot change {key}: by it the entries of a run are told from others, or judged.")
    try:
        return key, json.loads(value)
    except ValueError as error:
        raise wrong_usage(f"--set {pair!r} is not KEY=JSON, such as LEASE_SECONDS=5.") from error


def _sorted_faults(scene: Stage, options: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the names of the faults that are to be tried, and of the others with the reason why not."""
    known = [fault.name for fault in FAULTS]
    for name in (*(options["only"] or ()), *options["without"]):
        if name not in known:
            raise wrong_usage(f"There is no fault {name!r}. The faults are: {', '.join(known)}.")
    wanted = [name for name in options["only"] or known if name not in options["without"]]
    left_out = {fault.name: why for fault in FAULTS if (why := _why_not(fault, scene, wanted))}
    return [name for name in known if name not in left_out], left_out


def _why_not(fault: Fault, scene: Stage, wanted: Sequence[str]) -> str:
    return fault.why_not(scene) if fault.name in wanted else "not asked for"
