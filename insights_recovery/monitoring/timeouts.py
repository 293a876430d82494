"""The probe of the timeout chain: times that only work together when the shorter ones are indeed shorter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from celery.app import app_or_default

from insights_recovery.conf import RecoverySettings, conf
from insights_recovery.monitoring.probes import Finding, Probe, ProbeStatus, ok

REDIS_VISIBILITY_TIMEOUT = 3600.0
"""Kombu's own, in seconds, for Redis transports that set none."""
RABBITMQ_CONSUMER_TIMEOUT = 1800.0
"""RabbitMQ's own `consumer_timeout`, in seconds: a message unacknowledged for longer costs the worker its channel."""

_REDIS = frozenset({"redis", "rediss", "valkey", "valkeys", "sentinel"})
_AMQP = frozenset({"amqp", "amqps", "pyamqp"})


@dataclass(frozen=True, kw_only=True)
class Link:
    """One inequality of the chain."""

    shorter: str
    """What must be shorter, by name."""
    seconds: float
    """How long that is."""
    longer: str
    """What must be longer, by name."""
    limit: float
    """How long that is."""
    otherwise: str
    """What happens where it does not hold."""
    remedy: str
    """What to do then."""
    status: ProbeStatus = ProbeStatus.WARNING
    """How serious that is."""

    @property
    def holds(self) -> bool:
        """Whether the shorter one is shorter."""
        return self.seconds < self.limit

    def __str__(self) -> str:
        return f"{self.shorter} ({self.seconds:g} s) is not below {self.longer} ({self.limit:g} s): {self.otherwise}"


def links(settings: RecoverySettings, *, transport: str, options: dict[str, Any], prefetch: int) -> Iterator[Link]:
    """Return the chain for these settings, on a broker of this kind with these transport options.

    `prefetch` is how many messages a worker's child may have waiting for it.
    """
    yield Link(
        shorter="SOFT_TIME_LIMIT",
        seconds=settings.soft_time_limit,
        longer="TIME_LIMIT",
        limit=settings.time_limit,
        otherwise="a slow extraction is killed instead of interrupted",
        remedy="Lower SOFT_TIME_LIMIT or raise TIME_LIMIT.",
        status=ProbeStatus.FAILED,
    )
    yield Link(
        shorter="LIFELINE_INTERVAL",
        seconds=settings.lifeline_interval,
        longer="LEASE_SECONDS",
        limit=settings.lease_seconds,
        otherwise="what a lost worker held comes back late",
        remedy="Lower LIFELINE_INTERVAL.",
    )
    yield Link(
        shorter="LIFELINE_INTERVAL",
        seconds=settings.lifeline_interval,
        longer="SWEEP_INTERVAL",
        limit=settings.sweep_interval,
        otherwise="no worker takes an overdue sweep over in time",
        remedy="Lower LIFELINE_INTERVAL or raise SWEEP_INTERVAL.",
    )
    yield Link(
        shorter="PUBLISH_TIMEOUT",
        seconds=settings.publish_timeout,
        longer="DISPATCH_GRACE",
        limit=settings.dispatch_grace,
        otherwise="entries are offered twice before the broker had time to take the first message",
        remedy="Lower PUBLISH_TIMEOUT or raise DISPATCH_GRACE.",
    )
    yield from _broker_links(settings, transport.partition("+")[0], options, prefetch)


def _broker_links(settings: RecoverySettings, scheme: str, options: dict[str, Any], prefetch: int) -> Iterator[Link]:
    longest = settings.time_limit * max(1, prefetch)
    if scheme in _REDIS:
        yield Link(
            shorter="the longest that a worker keeps a message (TIME_LIMIT times worker_prefetch_multiplier)",
            seconds=longest,
            longer="the broker's visibility_timeout",
            limit=float(options.get("visibility_timeout", REDIS_VISIBILITY_TIMEOUT)),
            otherwise="messages are delivered again while the first copy is in work (the second finds nothing to do)",
            remedy=f'Set CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] above {longest:g}.',
        )
    elif scheme in _AMQP:
        yield Link(
            shorter="the longest that a worker keeps a message (TIME_LIMIT times worker_prefetch_multiplier)",
            seconds=longest,
            longer="RabbitMQ's consumer_timeout, unless yours differs",
            limit=RABBITMQ_CONSUMER_TIMEOUT,
            otherwise="RabbitMQ closes the worker's channel while it is at work",
            remedy="Lower TIME_LIMIT, set worker_prefetch_multiplier to 1, or raise consumer_timeout in RabbitMQ.",
        )


@dataclass(frozen=True, kw_only=True)
class TimeoutChainProbe(Probe):
    """Are the times that depend on each other in the right order?"""

    name: ClassVar[str] = "timeout_chain"
    remedy: ClassVar[str] = "See 'settings'."

    def examine(self) -> Finding:
        """Compare them, pair by pair."""
        app = app_or_default()
        chain = links(
            conf(),
            transport=app.connection_for_write().transport_cls or "",
            options=app.conf.broker_transport_options or {},
            prefetch=app.conf.worker_prefetch_multiplier,
        )
        broken = [link for link in chain if not link.holds]
        if not broken:
            return ok("Every time that must be shorter than another is.")
        has_failed = any(link.status is ProbeStatus.FAILED for link in broken)
        return Finding(
            status=ProbeStatus.FAILED if has_failed else ProbeStatus.WARNING,
            message="; ".join(map(str, broken)) + ".",
            remedy=" ".join(link.remedy for link in broken),
        )
