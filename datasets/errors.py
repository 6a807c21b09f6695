"""The exception tree of the project, and the exit code that each class carries.

It lies in the lowest room, so that every other room may raise and catch it::

    AdreproError                    1
    ├── CellError                   1   one cell failed, the others go on
    │   └── ContractError           1   a method broke the contract of methods.base
    └── UsageError                  2   what was asked for cannot be done as asked
        ├── UnknownNameError        2   no such method, dataset, target …; names the nearest
        ├── SpecError               2   a TOML or CSV file says something impossible, file:line
        ├── DataError               2   missing, unreadable or inconsistent images
        ├── NoiseError              2   a label-noise level that a category cannot give
        ├── WeightsError            2   pretrained weights that cannot be had
        ├── StoreError              2   a result store that cannot be read or written
        └── MissingExtraError       2   an optional dependency is not installed

Every message is one line: what was given, what was expected, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class AdreproError(Exception):
    """Base of all errors that the project raises on purpose."""

    exit_code = 1


class CellError(AdreproError):
    """One cell failed; its failure is recorded and the other cells go on."""


class ContractError(CellError):
    """A method broke the contract stated in ``methods.base``."""


class UsageError(AdreproError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not known; the message suggests the nearest ones.

    Parameters
    ----------
    kind
        What the name should have named, e.g. ``"method"``.
    given
        The name as given.
    known
        All valid names.
    """

    def __init__(self, kind: str, given: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = _same_or_longer(given, names) or difflib.get_close_matches(given, names, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} '{given}': {hint}")
        self.kind, self.given, self.known = kind, given, tuple(names)


def _same_or_longer(given: str, names: Iterable[str]) -> list[str]:
    """Return the names that are this one but for case and signs, else those that it begins."""
    short = _plain(given)
    plain = {name: _plain(name) for name in names}
    same = [name for name, text in plain.items() if text == short]
    longer = [name for name, text in plain.items() if len(short) > 2 and text.startswith(short)]
    return (same or longer)[:3]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


class SpecError(UsageError):
    """A specification file says something impossible.

    Parameters
    ----------
    path
        The file.
    line
        1-based line, or None where the whole file is meant.
    message
        What was given and what was expected.
    """

    def __init__(self, path: Path | str, line: int | None, message: str) -> None:
        where = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{where}: {message}")
        self.path, self.line = Path(path), line


class DataError(UsageError):
    """Images or masks are missing, unreadable or inconsistent."""


class NoiseError(UsageError):
    """A label-noise level that a category cannot give under the protocol."""


class WeightsError(UsageError):
    """Pretrained weights that cannot be had; the message names the alternatives."""


class StoreError(UsageError):
    """A result store that cannot be read or written."""


class MissingExtraError(UsageError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency: pip install 'adrepro[{extra}]'")
