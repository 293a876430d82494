"""The startup check of web servers, on request.

It waits for the first request instead of running in `ready()`: so it never runs in `migrate`, `shell` or any other
command, and never delays a start.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from django.core import mail
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import connections

from insights_recovery import signals
from insights_recovery.monitoring import health
from insights_recovery.monitoring.examination import Overall

VARIABLE = "RUN_STARTUP_CHECK"
"""The environment variable that asks for the check: `true`, `1` or `yes`."""
DISPATCH_UID = "insights_recovery.startup"


def on_request_started(sender: Any, **_: Any) -> None:
    """Receiver of `request_started`: run the check once in this process, in a thread, where it is asked for.

    After the first request of a server it disconnects itself, so that the others do not pay for it.
    """
    if is_wanted() and not _serves(sender):
        return
    # Of several first requests at once only one finds it connected.
    was_connected = request_started.disconnect(dispatch_uid=DISPATCH_UID)
    if was_connected and is_wanted() and not _is_under_test():
        start()


def is_wanted() -> bool:
    """Say whether the environment asks for the check."""
    return os.environ.get(VARIABLE, "").strip().lower() in {"true", "1", "yes"}


def _serves(sender: Any) -> bool:
    """Say whether the sender is a server's handler; the test client's and others are none."""
    return isinstance(sender, type) and issubclass(sender, WSGIHandler | ASGIHandler)


def _is_under_test() -> bool:
    # Django's test runner makes it, and pytest-django with it.
    return hasattr(mail, "outbox")


def start() -> None:
    """Run the check in a thread of its own; where there can be none, say so, and let the server be."""
    thread = threading.Thread(target=_check, name="insights-recovery-startup", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # The process has no thread left to give.
        _report(str(Overall.UNHEALTHY), ["thread"])


def _check() -> None:
    try:
        found = health.check_up().health
    finally:
        connections.close_all()
    _report(str(found.overall_status), found.failed)


def _report(status: str, failed: list[str]) -> None:
    signals.startup_checked.send_robust(on_request_started, status=status, failed=failed)
