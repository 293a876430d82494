"""Settings of the processes of a chaos run: the host's own, but for the extractors, the timings, and one app more."""

from importlib import import_module

from insights_recovery.chaos import orders

_orders = orders.given()
_host = import_module(_orders.settings)
globals().update({name: getattr(_host, name) for name in dir(_host) if name.isupper()})

INSTALLED_APPS = [*_host.INSTALLED_APPS, "insights_recovery.chaos"]
INSIGHTS_RECOVERY = _orders.over(_host.INSIGHTS_RECOVERY)
