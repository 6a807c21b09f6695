"""Options as a command line that gives them: what to type to go on, or to look at the same."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ...datasets.errors import UsageError
from ..redact import split_at_home, without_secrets
from .options import Options, grid_options

# What only says how a run is shown, or made it stop: again, it would stop at the same failure.
_NOT_REPEATED = frozenset({"quiet", "dry_run", "fail_fast", "max_failures"})
# Said also where they are the defaults, which are below the current folder.
_ALWAYS = frozenset({"store", "out"})
_PATHS = frozenset({"store", "out", "data_root", "weights", "papers"})
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
    """Return the command that gives these options, ready for a shell in any folder.

    Paths are absolute; what lies below the home folder is named by ``~`` or ``$HOME``, and secrets
    are hidden, see `redact`. It is one printable line: words with line ends, tabs or letters that
    are not seen are written as ``$'…'``, which bash, zsh and ksh read.

    Parameters
    ----------
    words
        What comes first, e.g. ``("check", "table1")``.
    options
        Those that have their defaults are left out, but for the folders that are written.
    only
        Names of the options that matter; none = all.
    """

    @click.command()
    @grid_options
    def parse(options: Options) -> None:
        """Take the shared options."""

    parts = [_quoted(word) for word in ("reproduce", *words)]
    for param in parse.params:
        name = str(param.name)
        value = getattr(options, name)
        if name in _NOT_REPEATED or (only and name not in only):
            continue
        default = Path(param.default) if isinstance(param.default, Path) else param.default
        if name not in _ALWAYS and (value in (None, False, (), {}) or value == default):
            continue
        flag = min(param.opts, key=len)
        if value is True:
            parts.append(flag)
        for text in () if value is True else _texts(name, value):
            parts += [flag, _quoted(text)]
    return " ".join(parts)


def _quoted(text: str) -> str:
    """Return a text as a shell's word that names no home folder; the shell puts it in again."""
    parts = split_at_home(without_secrets(text), whole_paths=True)
    quoted = [_printable(part) if part else "" for part in parts]
    if parts[0] == "" and (parts[1:] == [""] or "".join(parts[1:2]).startswith("/")):
        # At a word's beginning a tilde is enough, with nothing quoted as far as the slash.
        slash, rest = parts[1][:1], parts[1][1:]
        quoted[:2] = [f"~{slash}{_printable(rest) if rest else ''}"]
    return '"$HOME"'.join(quoted) or "''"


def _printable(text: str) -> str:
    """Return a text quoted for a shell, on one line and with nothing that is not seen."""
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    # Octal digits of bytes mean the same in every locale, and in every shell that knows $'…'.
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(char))


def _texts(name: str, value: Any) -> Iterator[str]:
    """Yield the texts that an option is given, one for each time that it is."""
    if name in _PATHS:
        for one in value if isinstance(value, tuple) else (value,):
            yield str(Path(one).absolute())
    elif name == "noise":
        yield ",".join(f"{_number(level)}{'%' if 0 < level < 1 else ''}" for level in value)
    elif isinstance(value, dict):
        for key, given in value.items():
            yield f"{key}={Path(given).absolute() if _is_path(name, key) else given}"
    elif name in {"methods", "datasets"}:
        yield ",".join(map(_with_absolute_path, value))
    elif isinstance(value, tuple):
        yield ",".join(value)
    else:
        yield _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    """Return the shortest text that reads back as the same number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _with_absolute_path(text: str) -> str:
    """Return ``name=path`` or ``scores:folder`` with an absolute path, other names as they are."""
    from ...methods.registry import SCORES_PREFIX

    for mark in (SCORES_PREFIX, "="):
        start, found, path = text.partition(mark)
        if found and path and (start.isidentifier() if mark == "=" else not start):
            return f"{start}{found}{Path(path).expanduser().absolute()}"
    return text


def _is_path(option: str, key: str) -> bool:
    """Say whether a setting of an engine or a method names a file or a folder."""
    if option == "engine_settings":
        return key == "logs"
    from ...methods.registry import method_class
    from ...methods.trust import is_loaded

    method, _, setting = key.rpartition(".")
    try:
        return is_loaded(method) and setting in method_class(method).content_settings
    except UsageError:  # a name that is none is left as it was given
        return False
