"""The app of the processes of a chaos run; no host installs it."""

from __future__ import annotations

import os
import time
from importlib import import_module

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from insights_recovery import signals
from insights_recovery.chaos import orders


class ChaosConfig(AppConfig):
    """Lets the switches work, and writes down what the process does."""

    name = "insights_recovery.chaos"
    label = "insights_recovery_chaos"

    def ready(self) -> None:
        """Connect the receivers, and set the clock wrong where the orders say so."""
        # Models can be imported only now, and the switches import them.
        from insights_recovery.chaos import journal, switches

        if skew := os.environ.get(orders.SKEW):
            # Monotonic clocks stay true, as they do on a machine whose time of day is wrong.
            import_module("time_machine").travel(time.time() + float(skew), tick=True).start()
        connection_created.connect(switches.on_connection_created, dispatch_uid="insights_recovery.chaos.switches")
        signals.stale_write_refused.connect(journal.on_stale_write, dispatch_uid="insights_recovery.chaos.stale")
