"""Running the product's own `chaos` command on the servers of the tests, which it may restart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from django.db import connection

from tests import services
from tests.harness import HostProject
from tests.services.servers import OwnServer
from tests.under_fire.restarts import restarts

BROKER = {"postgresql": "redis", "mysql": "rabbitmq", "sqlite": "filesystem"}[connection.vendor]
"""The broker that goes with the database of this run."""


def under_fire(project: HostProject, *arguments: str, timeout: float) -> dict[str, Any]:
    """Run `chaos` with all that these servers allow, and return its verdict."""
    with (
        restarts(_database(), project.folder, "database") as database,
        restarts(_broker(), project.folder, "broker") as broker,
    ):
        flags = ["--staging-copy", "--format", "json", "--app", project.project]
        flags += ["--database-restart", database, "--broker-restart", broker]
        ended = project.manage("chaos", *flags, *arguments, timeout=timeout)
    assert ended.stdout, ended.stderr[-3000:]
    verdict: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode == 0) is verdict["ok"], ended.stderr[-3000:]
    print(json.dumps({key: value for key, value in verdict.items() if key not in {"schedule", "samples"}}, indent=1))
    if verdict["folder"]:
        shutil.rmtree(Path(verdict["folder"]))
    return verdict


def _database() -> OwnServer | None:
    served = {"postgresql": services.postgresql, "mysql": services.mariadb}.get(connection.vendor)
    return served().server if served else None


def _broker() -> OwnServer | None:
    served = {"redis": services.redis, "rabbitmq": services.rabbitmq}.get(BROKER)
    return served().server if served else None


def violations(verdict: dict[str, Any]) -> list[str]:
    """Return what is wrong, one line for each entry."""
    return [f"{kind}: {who}" for kind, offenders in verdict["offenders"].items() for who in offenders]
