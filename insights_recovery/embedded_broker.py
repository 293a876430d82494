"""A broker that is a folder of messages, for trying things out without any server.

It is kombu's filesystem transport but for one thing: that one creates a file first, and locks and fills it afterwards.
A worker that reads in between finds it empty and ends ("Unrecoverable error: JSONDecodeError", seen with kombu 5.7).
Here messages and bindings appear whole or not at all. A settings module puts it in the other's place:

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
    """Writes each file under another name, and renames it, which is atomic within a folder."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]  # as in kombu's own
        # What follows the first dot of a draft is not the name of a queue's message, so no worker takes it for one.
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        _write(Path(self.data_folder_out) / name, dumps(payload))

    def _queue_bind(self, exchange: str, routing_key: Any, pattern: Any, queue: Any) -> None:
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        folder = Path(self.control_folder)
        folder.mkdir(exist_ok=True)
        with (folder / "bindings.lock").open("w") as gate:
            # Two that bind at the same moment would each write a table without the other's binding.
            filesystem.lock(gate, filesystem.LOCK_EX)  # type: ignore[attr-defined]  # its stubs lack it
            bindings = self.get_table(exchange)
            if binding not in bindings:
                _write(folder / f"{exchange}.exchange", dumps([binding, *bindings]))


def _write(path: Path, content: str) -> None:
    draft = path.with_name(f"{path.name}.{uuid4()}.draft")
    draft.write_text(content, encoding="utf-8")
    draft.rename(path)


class Transport(filesystem.Transport):
    """The transport; its options are those of kombu's filesystem transport."""

    Channel = Channel
