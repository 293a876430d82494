"""A broker that is a folder of messages, for trying things out without any server.

It is kombu's filesystem transport but for one thing: that one creates a message's file first and fills it afterwards. A
worker that reads in between finds it empty and ends ("Unrecoverable error: JSONDecodeError", seen with kombu 5.7). Here
a message appears whole or not at all. A settings module puts it in the other's place:

    TRANSPORT_ALIASES["filesystem"] = "insights_recovery.embedded_broker:Transport"
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Puts messages by renaming, which is atomic within a folder."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]  # as in kombu's own
        folder = Path(self.data_folder_out)
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        # What follows the first dot is not the name of a queue's message, so no worker takes the draft for one.
        draft = folder / f"{name}.draft"
        draft.write_text(dumps(payload), encoding="utf-8")
        draft.rename(folder / name)


class Transport(filesystem.Transport):
    """The transport; its options are those of kombu's filesystem transport."""

    Channel = Channel
