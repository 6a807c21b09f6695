"""Protocol fingerprints: results under different ones are not averaged, nor compared silently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .runs import Run

COLUMN = "fingerprint"
# A part that belongs to a method: its rows are compared with others' by design.
OF_THE_METHOD = "smoothing"
# How every image that the harness saw was brought to its size; see `harness.fingerprint`.
_RESIZED = re.compile(r"whole image to (\d+ px) square, bilinear")


def differing(runs: Iterable[Run], methods: Sequence[str]) -> tuple[str, ...]:
    """Name the parts of the protocol in which methods of one table differ.

    Parameters
    ----------
    runs
        All runs of the table; a run without a fingerprint (of an older frame) says nothing.
    methods
        Their order in the sentence.

    Returns
    -------
    tuple of str
        A sentence on the protocol, and one on the smoothing; nothing where methods share it all.
    """
    parts: dict[str, dict[str, dict[str, None]]] = {}
    for run in runs:
        for part in str(run.facts.get(COLUMN) or "").split("; "):
            name, _, value = part.partition("=")
            if value:
                parts.setdefault(name, {}).setdefault(run.method, {})[value] = None
    found: dict[str, str] = {}
    for name, by_method in parts.items():
        shared = {tuple(values) for values in by_method.values()}
        if len(shared) > 1:
            values: dict[str, list[str]] = {}
            for method in (m for m in methods if m in by_method):
                values.setdefault(" and ".join(by_method[method]), []).append(method)
            said = ", ".join(f"{value} ({', '.join(who)})" for value, who in values.items())
            found[name] = said
    own = found.pop(OF_THE_METHOD, "")
    sentences = []
    if found:
        said = "; ".join(_part(name, text) for name, text in found.items())
        sentences.append(
            f"The methods were not measured under one protocol: {said}. "
            "Compare their numbers with that in mind."
        )
    if own:
        sentences.append(
            f"Each method's maps are smoothed in its own way, which is part of the method: {own}. "
            "Methods are compared across it; only within one method's average it may not differ."
        )
    return tuple(sentences)


def _part(name: str, text: str) -> str:
    """Return a part and its values; what only differs in the size of images says just that."""
    sizes, replaced = _RESIZED.subn(r"\1", text)
    if name == "resize" and replaced and "made elsewhere" not in sizes:
        return f"at different image sizes: {sizes}"
    return f"{name} {text}"
