"""Where people read: plain text without a terminal, and on one where ``NO_COLOR`` is set."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def make_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console on standard output, or on standard error.

    Parameters
    ----------
    stderr
        Write to standard error: notes and progress, so that standard output carries results alone.
    quiet
        Write nothing.

    Returns
    -------
    rich.console.Console
        Without a terminal, or with a ``NO_COLOR`` that is not empty (https://no-color.org), it
        writes no control character at all: neither colour nor bold, no bar that moves the cursor.
        Where the reader of notes has gone, it falls silent and the work goes on; where that of
        results has, there is nobody to work for: BrokenPipeError.
    """
    from rich.console import Console as RichConsole

    class Console(RichConsole):
        def on_broken_pipe(self) -> None:
            """Take the place of rich's answer, which ends the process with code 1."""
            if not self.stderr:
                raise BrokenPipeError("the reader of standard output has gone")
            self.quiet = True
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    plain = bool(os.environ.get("NO_COLOR"))
    return Console(stderr=stderr, quiet=quiet, force_terminal=False if plain else None)


def terminal_width() -> int | None:
    """Return how many characters a line of standard output holds; None where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
