"""RabbitMQ: given by TEST_AMQP_URL, or installed; there is no wheel of it."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
from pathlib import Path

from tests.services import binaries
from tests.services.ladder import UnavailableError, climb
from tests.services.servers import HOST, OwnServer, account, free_port, own_folder
from tests.services.waiting import wait_until


class RabbitMQ:
    """A running RabbitMQ."""

    def __init__(self, url: str, *, rung: str, version: str, server: OwnServer | None) -> None:
        self.url = url
        self.rung = rung
        self.version = version
        self.server = server


@functools.cache
def rabbitmq() -> RabbitMQ:
    """Return the RabbitMQ of this process; the first call starts it.

    Raises:
        UnavailableError: there is none, for the reasons in the message.
    """
    return climb("RabbitMQ", [_given, _installed])


def _given() -> RabbitMQ:
    url = os.environ.get("TEST_AMQP_URL")
    if not url:
        raise UnavailableError("TEST_AMQP_URL is not set")
    return RabbitMQ(url, rung="given", version="as given", server=None)


class _Server(OwnServer):
    def stop(self) -> None:
        """End the node below its shell, and the port mapper that it left behind, which is ours alone."""
        if self.process is None or not self.alive():
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            wait_until(self._is_gone, 20)
        except TimeoutError:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._forget()
        epmd = ["epmd", "-port", self.env["ERL_EPMD_PORT"], "-kill"]
        subprocess.run(epmd, check=False, capture_output=True)

    def _is_gone(self) -> bool:
        """Return whether the whole group has ended; its shell is ours to reap."""
        assert self.process is not None
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


def _installed() -> RabbitMQ:
    program = binaries.installed_rabbitmq()
    if program is None:
        raise UnavailableError("no RabbitMQ server is installed")
    # The wrapper becomes this account when it is run as root, so the folders must be that account's.
    owner = account("rabbitmq")
    folder, port = own_folder("rabbitmq", owner), free_port()
    env = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_NODENAME": f"insights{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    server = _Server([program], port=port, folder=folder, owner=owner, env=env, patience=90)
    server.start()
    return RabbitMQ(f"amqp://guest:guest@{HOST}:{port}//", rung="installed", version=_version(folder), server=server)


def _version(folder: Path) -> str:
    """Return the version from the log's banner: asking the program itself would start another runtime."""
    said = "".join(
        path.read_text(errors="replace") for path in [*(folder / "log").glob("*.log"), folder / "server.log"]
    )
    found = re.search(r"RabbitMQ (\d+\.\d+\.\d+)", said)
    return found.group(1) if found else "unknown"
