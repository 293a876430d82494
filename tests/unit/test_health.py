"""Probes and their verdict, without a server: what becomes of what goes wrong, and what several say together."""

from __future__ import annotations

import dataclasses
import threading
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from insights_recovery.conf import RecoverySettings
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.monitoring.examination import Health, examine
from insights_recovery.monitoring.health import PROBES
from insights_recovery.monitoring.probes import Finding, Probe, ProbeStatus, failed, ok, warning, within
from insights_recovery.monitoring.timeouts import Link, links

SECRET = "Dear diary, nobody must know"


@dataclass(frozen=True, kw_only=True)
class Fake(Probe):
    """Finds what it is told to find, or raises it."""

    name: ClassVar[str] = "fake"
    remedy: ClassVar[str] = "Repair the fake."

    outcome: Any

    def examine(self) -> Finding:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        found: Finding = self.outcome
        return found


@dataclass(frozen=True, kw_only=True)
class Dependent(Fake):
    name: ClassVar[str] = "dependent"
    requires: ClassVar[tuple[str, ...]] = ("fake",)


def test_a_probe_that_raises_has_failed_and_quotes_nothing() -> None:
    result = Fake(outcome=RuntimeError(SECRET)).run()

    assert result.status is ProbeStatus.FAILED
    assert "RuntimeError" in result.message
    assert SECRET not in str(result.as_dict())
    assert result.remedy == "Repair the fake."


def test_a_probe_without_an_answer_in_time_says_so() -> None:
    assert "in time" in Fake(outcome=TimeoutError()).run().message


def test_a_probe_that_stumbles_over_the_settings_points_there() -> None:
    assert Fake(outcome=ConfigurationError()).run().remedy == "See 'settings'."


def test_a_result_in_json_has_the_four_keys_of_the_contract() -> None:
    assert set(Fake(outcome=ok("fine")).run().as_dict()) == {"status", "message", "remedy", "duration_ms"}


def test_figures_of_a_finding_join_the_result() -> None:
    assert Fake(outcome=ok("fine", free_bytes=7)).run().as_dict()["free_bytes"] == 7


def test_the_time_of_a_probe_is_measured_in_milliseconds() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Slow(Fake):
        def examine(self) -> Finding:
            time.sleep(0.02)
            return ok("fine")

    assert Slow(outcome=None).run().duration_ms >= 20


@pytest.mark.parametrize(
    ("findings", "overall"),
    [
        ([ok("")], "HEALTHY"),
        ([ok(""), warning("", "")], "DEGRADED"),
        ([ok(""), warning("", ""), failed("", "")], "UNHEALTHY"),
    ],
)
def test_the_worst_finding_decides(findings: list[Finding], overall: str) -> None:
    results = tuple(dataclasses.replace(Fake(outcome=found).run(), name=str(n)) for n, found in enumerate(findings))
    health = Health(results=results).as_dict()

    assert health["overall_status"] == overall
    assert health["failed_checks_count"] == (1 if overall == "UNHEALTHY" else 0)
    assert list(health["checks"]) == [str(n) for n in range(len(findings))]


def test_a_probe_is_not_asked_where_its_ground_is_gone() -> None:
    health = examine([Fake(outcome=failed("broken", "")), Dependent(outcome=ok("never asked"))])

    assert health.failed == ["fake", "dependent"]
    assert "'fake' failed" in health.results[1].message


@pytest.mark.parametrize("ground", [ok("fine"), warning("meh", "")])
def test_a_probe_is_asked_where_its_ground_holds(ground: Finding) -> None:
    health = examine([Fake(outcome=ground), Dependent(outcome=ok("asked"))])

    assert health.results[1].message == "asked"


def test_a_probe_is_asked_where_its_ground_is_not_among_the_probes() -> None:
    assert examine([Dependent(outcome=ok("asked"))]).results[0].message == "asked"


def test_an_answer_can_be_replaced_by_a_later_one() -> None:
    before = examine([Fake(outcome=ok("fine")), Dependent(outcome=ok("fine"))])
    after = before.replacing(Fake(outcome=failed("broken since", "")).run())

    assert [result.message for result in after.results] == ["broken since", "fine"]


def test_the_doctor_asks_what_others_rest_on_first() -> None:
    names = [probe.name for probe in PROBES]

    assert len(names) == len(set(names))
    for position, probe in enumerate(PROBES):
        assert set(probe.requires) <= set(names[:position])


def test_an_action_in_time_gives_its_answer() -> None:
    assert within(5, lambda: "answer") == "answer"


def test_an_action_that_raises_raises_where_it_is_waited_for() -> None:
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)


def test_an_action_that_hangs_is_left_behind() -> None:
    release = threading.Event()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.05, release.wait)
    release.set()

    assert time.monotonic() - started < 2


# The timeout chain

SETTINGS = RecoverySettings(entry_model="notes.Entry")


def chain(
    transport: str = "redis", options: dict[str, Any] | None = None, prefetch: int = 4, **changes: Any
) -> list[Link]:
    changed = dataclasses.replace(SETTINGS, **changes)
    return [
        link for link in links(changed, transport=transport, options=options or {}, prefetch=prefetch) if not link.holds
    ]


@pytest.mark.parametrize("transport", ["redis", "rediss", "amqp", "pyamqp", "filesystem", "memory", ""])
def test_the_defaults_hold_on_every_broker(transport: str) -> None:
    assert chain(transport) == []


@pytest.mark.parametrize(
    ("changes", "shorter", "status"),
    [
        ({"soft_time_limit": 150, "time_limit": 150}, "SOFT_TIME_LIMIT", ProbeStatus.FAILED),
        ({"lifeline_interval": 30, "lease_seconds": 30}, "LIFELINE_INTERVAL", ProbeStatus.WARNING),
        ({"sweep_interval": 4}, "LIFELINE_INTERVAL", ProbeStatus.WARNING),
        ({"publish_timeout": 60, "dispatch_grace": 60}, "PUBLISH_TIMEOUT", ProbeStatus.WARNING),
    ],
)
def test_each_link_that_breaks_is_named_with_its_remedy(changes: Any, shorter: str, status: ProbeStatus) -> None:
    (broken,) = chain(**changes)

    assert broken.shorter == shorter
    assert broken.status is status
    assert broken.remedy
    assert f"({broken.limit:g} s)" in str(broken)


@pytest.mark.parametrize(("timeout", "breaks"), [(600, True), (601, False)])
def test_redis_must_not_deliver_again_what_is_in_work(timeout: float, *, breaks: bool) -> None:
    broken = chain("redis+socket", {"visibility_timeout": timeout}, prefetch=4, time_limit=150)

    assert bool(broken) is breaks
    assert all("visibility_timeout" in link.remedy for link in broken)


def test_rabbitmq_must_not_lose_patience_with_a_worker() -> None:
    (broken,) = chain("amqp", prefetch=1, time_limit=1800)

    assert "consumer_timeout" in broken.remedy
