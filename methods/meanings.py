"""What a method's settings mean, as their docstrings say, and what presets make of them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from .base import Method
from .settings import CELL_KEYS, PAPER, field_types, make_settings, preset_of

_HEADING = re.compile(r"^Attributes\n-+\n", re.MULTILINE)
_NEXT_HEADING = re.compile(r"^\S.*\n-+$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInfo:
    """One setting of a method.

    Attributes
    ----------
    name
        As in ``--set method.name=value``.
    default
        The paper's value.
    presets
        Preset → value, where it is another than the default.
    meaning
        What the docstring says of it, source included; empty where it says nothing. Settings that
        are documented together share one text.
    """

    name: str
    default: Any
    presets: dict[str, Any]
    meaning: str


def setting_infos(cls: type[Method], variant: str = "") -> list[SettingInfo]:
    """Describe every setting of a method or of one of its variants, in the order of the fields."""
    meanings = field_meanings(cls.Settings)
    paper = make_settings(cls, PAPER, variant=variant)[0]
    reduced = {name: make_settings(cls, name, variant=variant)[0] for name in cls.presets}
    return [
        SettingInfo(
            name=name,
            default=getattr(paper, name),
            presets={
                preset: getattr(values, name)
                for preset, values in reduced.items()
                if getattr(values, name) != getattr(paper, name)
            },
            meaning=meanings.get(name, ""),
        )
        for name in field_types(cls)
    ]


def field_meanings(settings: type) -> dict[str, str]:
    """Return setting → text of the ``Attributes`` sections of a class and its bases.

    A class that documents a setting anew replaces what its bases say of it.
    """
    found: dict[str, str] = {}
    for base in reversed(settings.__mro__):
        text = inspect.cleandoc(vars(base).get("__doc__") or "")
        found |= _attributes(text)
    return found


def _attributes(text: str) -> dict[str, str]:
    heading = _HEADING.search(text)
    if heading is None:
        return {}
    body = text[heading.end() :]
    end = _NEXT_HEADING.search(body)
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (body[: end.start()] if end else body).splitlines():
        if line and not line[0].isspace():
            names = [name.split(":")[0].strip() for name in line.split(",")]
            found |= {name: [] for name in names}
        elif line.strip():
            for name in names:
                found[name].append(line.strip())
    return {name: " ".join(lines) for name, lines in found.items()}


def preset_cells(cls: type[Method]) -> dict[str, dict[str, Any]]:
    """Return preset → what it changes besides settings: ``image_size`` and ``backbone``."""
    return {
        name: {k: v for k, v in preset_of(cls, name).items() if k in CELL_KEYS}
        for name in cls.presets
    }
