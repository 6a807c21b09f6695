"""Options as a command line that gives them: what to type to go on, or to look at the same."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from .options import Options, grid_options

# What only says how a run is shown.
_NOT_REPEATED = frozenset({"quiet", "dry_run"})
# What decides which cells are asked for, and where they lie.
SELECTING = frozenset(
    {
        *("preset", "methods", "datasets", "categories", "noise", "seeds", "protocols"),
        *("per_image_minmax", "backbone", "weights", "image_size", "overrides", "store", "papers"),
    }
)


def command_line(
    words: tuple[str, ...], options: Options, only: frozenset[str] = frozenset()
) -> str:
    """Return the command that gives these options, ready for a shell.

    Parameters
    ----------
    words
        What comes first, e.g. ``("check", "table1")``.
    options
        Those that have their defaults are left out.
    only
        Names of the options that matter; none = all.
    """

    @click.command()
    @grid_options
    def parse(options: Options) -> None:
        """Take the shared options."""

    parts = ["reproduce", *words]
    for param in parse.params:
        name = str(param.name)
        value = getattr(options, name)
        default = Path(param.default) if isinstance(param.default, Path) else param.default
        if name in _NOT_REPEATED or (only and name not in only):
            continue
        if value in (None, False, (), {}) or value == default:
            continue
        flag = min(param.opts, key=len)
        parts += (
            [flag] if value is True else [part for one in _texts(value) for part in (flag, one)]
        )
    return shlex.join(parts)


def _texts(value: Any) -> list[str]:
    """Return the texts that an option is given, one for each time that it is."""
    if isinstance(value, dict):
        return [f"{name}={given}" for name, given in value.items()]
    if isinstance(value, tuple):
        if all(isinstance(one, Path) for one in value):
            return list(map(str, value))
        return [",".join(map(_text, value))]
    return [_text(value)]


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:g}%" if 0 < value < 1 else f"{value:g}"
