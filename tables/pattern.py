"""Cell patterns: what a cell shows, e.g. ``"{image_auroc}/{pixel_auroc}"``."""

from __future__ import annotations

import string
from dataclasses import dataclass

from .quantities import QUANTITIES


@dataclass(frozen=True, slots=True)
class MetricRef:
    """The place of one quantity in a cell pattern."""

    name: str


def parse_pattern(pattern: str) -> tuple[str | MetricRef, ...]:
    """Split a cell pattern into literal texts and references to quantities.

    Raises
    ------
    ValueError
        No or unknown quantity, the same twice, a format specification or unbalanced braces.
    """
    parts: list[str | MetricRef] = []
    for literal, name, spec, conversion in string.Formatter().parse(pattern):
        if literal:
            parts.append(literal)
        if name is None:
            continue
        if spec or conversion or name not in QUANTITIES:
            known = ", ".join(QUANTITIES)
            raise ValueError(f"'{{{name}}}' in the pattern: expected one of {known}")
        parts.append(MetricRef(name))
    names = [part.name for part in parts if isinstance(part, MetricRef)]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"pattern '{pattern}': expected each metric once, and at least one")
    return tuple(parts)
