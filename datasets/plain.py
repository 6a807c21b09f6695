"""Text of others as one line that any terminal and file can hold."""

from __future__ import annotations

import re
import unicodedata

_SPACES = re.compile(r"\s+")
# What spreadsheets may take for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
# Control characters, invisible formatting such as the marks that turn text round, half characters.
_UNSAFE = ("Cc", "Cf", "Cs")


def indented(line: str) -> str:
    """Return one line as `one_line` does, with the spaces that it begins with."""
    return " " * (len(line) - len(line.lstrip(" "))) + one_line(line)


def one_line(text: str) -> str:
    """Collapse white space and drop control characters."""
    flat = _SPACES.sub(" ", text)
    kept = (char for char in flat if unicodedata.category(char) not in _UNSAFE)
    return _SPACES.sub(" ", "".join(kept)).strip()
