"""What engines on other machines share: settings from ``--engine-option``, the search path."""

from __future__ import annotations

import math
import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self, get_type_hints

from ...datasets.errors import UnknownNameError, UsageError

TRUE, FALSE = ("yes", "true", "1", "on"), ("no", "false", "0", "off")


def number(
    default: Any,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
) -> Any:
    """Return a dataclass field of a number with its bounds."""
    return field(default=default, metadata={"least": least, "most": most, "above": above})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Base of an engine's settings: fields of type str, bool, int or float, all with defaults."""

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Self:
        """Return the settings; a field ``gpu_fraction`` is given as ``gpu-fraction``.

        Raises
        ------
        UnknownNameError
            No such setting.
        UsageError
            A value of another type, or out of bounds.
        """
        known = {one.name.replace("_", "-"): one for one in fields(cls)}
        kinds = get_type_hints(cls)
        found = {}
        for key, text in given.items():
            name = key.replace("_", "-")
            if name not in known:
                raise UnknownNameError("--engine-option", key, known)
            one = known[name]
            found[one.name] = _value(key, text, kinds[one.name], one.metadata)
        return cls(**found)


def _value(key: str, text: str, kind: type, bounds: Mapping[str, float]) -> Any:
    """Return one value of type ``kind``."""
    if kind is str:
        return text
    if kind is bool:
        if text.lower() not in (*TRUE, *FALSE):
            raise UsageError(f"--engine-option {key}={text}: expected yes or no")
        return text.lower() in TRUE
    try:
        value = kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"--engine-option {key}={text}: expected {what}") from None
    least, most, above = (bounds.get(b, d) for b, d in _UNBOUNDED.items())
    if not (least <= value <= most and value > above):
        limits = [f"above {above:g}"] if math.isfinite(above) else []
        limits += [f"at least {least:g}"] if math.isfinite(least) else []
        limits += [f"at most {most:g}"] if math.isfinite(most) else []
        raise UsageError(f"--engine-option {key}={text}: expected {' and '.join(limits)}")
    return value


_UNBOUNDED = {"least": -math.inf, "most": math.inf, "above": -math.inf}


def own_search_path() -> list[str]:
    """Return where this process finds modules beyond those that are installed.

    Processes on other machines start with the installed ones only, and a plug-in may lie elsewhere.
    """
    installed = {os.path.realpath(path) for path in sysconfig.get_paths().values()}
    installed |= {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix)}
    found = (str(Path(path or ".").absolute()) for path in sys.path)
    return [path for path in found if not _inside(os.path.realpath(path), installed)]


def _inside(path: str, folders: set[str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)
