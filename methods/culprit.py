"""Which line of a method an error comes from."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from types import FrameType

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def place_of(err: BaseException, cls: type) -> str:
    """Return the line that an error of a method comes from, as ``my_method.py:7``.

    Parameters
    ----------
    err
        The error, with its traceback.
    cls
        The method's class.

    Returns
    -------
    str
        The deepest frame in the file of the class; without one the deepest that lies neither in
        this package nor in a library; empty without either.
    """
    frames = list(traceback.walk_tb(err.__traceback__))
    own = [at for at in frames if _module(at[0]) == cls.__module__]
    others = [at for at in frames if not _foreign(at[0])]
    for frame, line in (own or others)[-1:]:
        return f"{Path(frame.f_code.co_filename).name}:{line}"
    return ""


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _foreign(frame: FrameType) -> bool:
    """Say whether a frame is this package's, a library's, or of no file."""
    file = frame.f_code.co_filename
    installed = file.startswith((*_LIBRARIES, "<")) or "site-packages" in Path(file).parts
    return installed or _module(frame).partition(".")[0] == _PACKAGE
