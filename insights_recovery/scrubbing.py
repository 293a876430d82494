"""What of an error may be stored, shown and logged: never a word of a journal.

An exception's message may quote the text, its arguments and the locals of its frames may hold it. What is kept is what
the programmer wrote and not what the person wrote: the type's name, the place in the code, and a code that the
exception carries for the purpose.
"""

from __future__ import annotations

import inspect
import re
import traceback
from dataclasses import dataclass
from pathlib import PurePath

from insights_recovery.exceptions import ExtractorError

_NAME = re.compile(r"[^\w.<>-]")
_MAX_NAME = 200
_MAX_FRAMES = 30
_MAX_ERRNO = 65_535


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


def wordless(end: SystemExit | KeyboardInterrupt) -> BaseException:
    """Return what ends this process without its message, which may quote a text and would be printed or logged."""
    if all(isinstance(argument, int) for argument in end.args):
        return end
    return SystemExit(1) if isinstance(end, SystemExit) else KeyboardInterrupt()


def _code(error: BaseException) -> str:
    # Past any property: a subclass may compute it, set it to anything, or go without our constructor.
    code: object = inspect.getattr_static(error, "code", "")
    if isinstance(error, ExtractorError) and isinstance(code, str) and _is_slug(code):
        return f" [{code}]"
    if isinstance(error, OSError) and isinstance(error.errno, int) and abs(error.errno) <= _MAX_ERRNO:
        return f" [errno {error.errno}]"
    return ""


def _is_slug(code: str) -> bool:
    try:
        return bool(ExtractorError(code=code).code)
    except ValueError:
        return False


def _file(path: str) -> str:
    return "/".join(_name(part) for part in PurePath(path).parts[-3:] if part != "/")


def _name(name: str) -> str:
    return _NAME.sub("?", name)[:_MAX_NAME]
