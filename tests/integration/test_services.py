"""The servers that other tests rely on can really be killed, frozen and brought back."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import redis

from tests import services
from tests.services import ladder
from tests.services.servers import listening


def _client(server: services.Redis) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=0.3, socket_connect_timeout=0.3)


def test_a_killed_redis_comes_back_on_its_port_with_its_data(killable_redis: services.Redis) -> None:
    with _client(killable_redis) as client:
        client.set("kept", "yes")
        killable_redis.stop()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        killable_redis.start()
        assert client.get("kept") == b"yes"


def test_a_frozen_redis_accepts_and_does_not_answer(killable_redis: services.Redis) -> None:
    killable_redis.freeze()
    assert listening(killable_redis.server.port)
    with _client(killable_redis) as client:
        with pytest.raises(redis.TimeoutError):
            client.ping()
        killable_redis.thaw()
        assert client.ping()


def test_reviving_redis_undoes_everything(killable_redis: services.Redis) -> None:
    with _client(killable_redis) as client:
        client.set("left", "behind")
        killable_redis.stop()
        killable_redis.revive()
        assert client.dbsize() == 0


def test_servers_of_ours_listen_on_the_loopback_address_only(killable_redis: services.Redis) -> None:
    with socket.socket() as elsewhere:
        elsewhere.settimeout(1)
        assert elsewhere.connect_ex((_outer_address(), killable_redis.server.port)) != 0


def _outer_address() -> str:
    """Return an address of this machine that is neither loopback's usual one nor a name."""
    return "127.0.0.2"


def test_the_first_rung_that_bears_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Handle:
        rung, version = "second", "1.0"

    def missing() -> Handle:
        raise services.UnavailableError("not here")

    monkeypatch.setattr(ladder, "_used", [])
    monkeypatch.setenv("SERVICES_REPORT", str(tmp_path / "report"))
    assert ladder.climb("Thing", [missing, Handle]).rung == "second"
    assert [str(used) for used in ladder.used()] == ["Thing 1.0 (second)"]
    with pytest.raises(services.UnavailableError, match="not here"):
        ladder.climb("Other", [missing])
    assert len((tmp_path / "report").read_text().splitlines()) == 2
