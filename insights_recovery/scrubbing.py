"""What of an error may be stored, shown and logged: never a word of a journal.

An exception's message may quote the text, its arguments and the locals of its frames may hold it. What is kept is what
the programmer wrote and not what the person wrote: the type's name, the place in the code, and a code that the
exception carries for the purpose.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import PurePath

from insights_recovery.exceptions import ExtractorError

_NAME = re.compile(r"[^\w.<>-]")
_MAX_NAME = 200
_MAX_FRAMES = 30


@dataclass(frozen=True, kw_only=True)
class ErrorReport:
    """An error without its values."""

    type: str
    """Qualified name of the exception's class."""
    message: str
    """Type, code and place in one line."""
    traceback: str
    """One line per frame: file, line, function."""


def report(error: BaseException) -> ErrorReport:
    """Return what may be kept of `error`."""
    kind = _name(f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."))
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    places = [f"{_file(frame.filename)}:{frame.lineno} in {_name(frame.name)}" for frame in frames]
    where = f" at {places[-1]}" if places else ""
    return ErrorReport(type=kind, message=f"{kind}{_code(error)}{where}", traceback="\n".join(places))


def _code(error: BaseException) -> str:
    if isinstance(error, ExtractorError) and error.code:
        return f" [{error.code}]"
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return f" [errno {error.errno}]"
    return ""


def _file(path: str) -> str:
    return "/".join(_name(part) for part in PurePath(path).parts[-3:] if part != "/")


def _name(name: str) -> str:
    return _NAME.sub("?", name)[:_MAX_NAME]
