"""Common slips in tables of one's own, each with the words that say how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from ..quantities import QUANTITIES
from ..tomlcheck import nearest

# What people write → what it may mean here.
_AUROC, _AP = ("image_auroc", "pixel_auroc"), ("image_ap", "pixel_ap")
_WORDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("auroc", "auc", "rocauc", "aurocroc"), _AUROC),
    (("ap", "aupr", "auprc", "averageprecision"), _AP),
    (("iauroc", "imageauc", "imageauroc", "imagelevelauroc", "detection"), _AUROC[:1]),
    (("pauroc", "pixelauc", "pixelauroc", "pixellevelauroc"), _AUROC[1:]),
    (("localization", "localisation", "segmentation"), _AUROC[1:]),
    (("pro", "auproscore", "proscore"), ("aupro",)),
    (("f1score", "fscore", "f1max"), ("f1", "f1_max")),
)
_MEANINGS: Mapping[str, tuple[str, ...]] = {
    word: meant for words, meant in _WORDS for word in words
}
_KINDS = {"image": "one score per image", "pixel": "one per pixel"}
_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_DECIMAL_COMMA = re.compile(r"[0-9]{1,3},[0-9]{1,4}")
# The fields that a decimal comma leaves behind: "97" of "97,2", "97.2±0" of "97.2±0,3".
_BEFORE_COMMA = re.compile(r"(?:[0-9]{1,3}(?:\.[0-9]{1,4})?\s*±\s*)?[0-9]{1,3}")
_AFTER_COMMA = re.compile(r"[0-9]{1,4}(?:\s*±\s*[0-9]{1,3}(?:\.[0-9]{1,4})?)?")


def other_separator(first_line: str) -> str:
    """Say that a header is parted by semicolons or tabs; empty if it is parted by commas."""
    for sign, name in _SEPARATORS.items():
        parts = [part.strip().strip('"') for part in first_line.split(sign)]
        if len(parts) > 1 and first_line.count(sign) > first_line.count(","):
            return (
                f"columns are parted by {name} ({', '.join(parts[:3])}"
                f"{', …' if len(parts) > 3 else ''}), expected commas: replace each "
                f"'{'tab' if sign == chr(9) else sign}' by ',', after decimal commas by points "
                "(97,2 → 97.2)"
            )
    return ""


def decimal_comma(text: str) -> str:
    """Say how to write a number with a decimal comma; empty if it has none."""
    if not _DECIMAL_COMMA.fullmatch(text.strip("* ")):
        return ""
    return f"value '{text}' has a decimal comma, expected a point: {text.replace(',', '.')}"


def split_number(fields: Sequence[str], expected: int, first: int = 0) -> str:
    """Hint at decimal commas that made more fields than there are columns; empty if none can.

    Parameters
    ----------
    fields
        What a line holds.
    expected
        How many columns the header has.
    first
        Index of the first column that may hold decimals; before it stand places.
    """
    more = len(fields) - expected
    texts = [field.strip().strip("*") for field in fields[first:]]
    pairs = [
        (one, two)
        for one, two in pairwise(texts)
        if _BEFORE_COMMA.fullmatch(one) and _AFTER_COMMA.fullmatch(two)
    ]
    if not 0 < more <= len(pairs):
        return ""
    one, two = pairs[0]
    return f"; if {one},{two} is one number, write it with a point: {one}.{two}"


def unknown_metric(name: str, method: str | None) -> str:
    """Say what a metric's name may have meant, and how to rename its column.

    Parameters
    ----------
    name
        What stands where a metric is expected; no metric has this name.
    method
        The method before the colon; None where there is no colon, or in the long form.
    """
    before = f"{method}:" if method else ""
    meant = _MEANINGS.get(re.sub(r"[^a-z0-9]", "", name.lower()), ())
    if meant:
        kinds = [f"'{before}{one}'{_kind(one)}" for one in meant]
        return f"unknown metric '{name}': rename it to {' or '.join(kinds)}"
    hint = nearest(name, QUANTITIES)
    return f"unknown metric '{name}': {hint}"


def no_metric(head: str, places: Collection[str] = ()) -> str:
    """Say how to rename a column that has neither colon nor the name of a metric.

    Parameters
    ----------
    head
        The column's head.
    places
        Heads that have a meaning of their own, among them those of the long form.
    """
    place = head.lower().replace(" ", "_")
    if place in places:
        return f"column '{head}' is written '{place}' here: rename it to '{place}'"
    meant = unknown_metric(head, None)
    if "rename" in meant:
        return meant
    near = difflib.get_close_matches(place, places, n=1, cutoff=0.8)
    if near:
        return f"unknown column '{head}': did you mean '{near[0]}'?"
    if "did you mean" in meant:
        return meant
    return (
        f"column '{head}' names no metric, expected [METHOD:]METRIC: if it is a method, rename it "
        f"to '{head}:image_auroc' (or pixel_auroc, aupro, f1, …)"
    )


def _kind(metric: str) -> str:
    kind = _KINDS.get(metric.partition("_")[0])
    return f" ({kind})" if kind else ""
