"""What saving an entry costs the writer: with the broker up, its port closed, and frozen."""

from __future__ import annotations

from celery import current_app

from benchmarks.tables import show, timed
from tests import services
from tests.harness import forget_broker, use_broker
from tests.hosts.notes.models import Entry

SAVES = 300


def run() -> None:
    """Print the table."""
    app, broker = current_app._get_current_object(), services.redis()

    def save() -> None:
        Entry.objects.create(content="a line in a journal")

    with use_broker(app, broker.url):
        timed(save, 20)
        up = timed(save, SAVES)
        broker.stop()
        forget_broker(app)
        closed_first, closed = timed(save, 1), timed(save, SAVES)
        broker.start()
        broker.freeze()
        forget_broker(app)
        frozen_first, frozen = timed(save, 1), timed(save, SAVES)
        broker.thaw()
    show(
        "save() of a new entry",
        [
            ("broker up", up),
            ("port closed, first save of the outage", closed_first),
            ("port closed, the following ones", closed),
            ("broker frozen, first save of the outage", frozen_first),
            ("broker frozen, the following ones", frozen),
        ],
    )
