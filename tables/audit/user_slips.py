"""Common slips in tables of one's own, each with the words that say how to mend it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ..quantities import QUANTITIES
from ..tomlcheck import nearest

# What people write → what it may mean here.
_AUROC, _AP = ("image_auroc", "pixel_auroc"), ("image_ap", "pixel_ap")
_WORDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("auroc", "auc", "rocauc", "aurocroc"), _AUROC),
    (("ap", "aupr", "auprc", "averageprecision"), _AP),
    (("iauroc", "imageauc", "imagelevelauroc", "detection"), _AUROC[:1]),
    (("pauroc", "pixelauc", "pixellevelauroc"), _AUROC[1:]),
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


def split_number(fields: Sequence[str], expected: int) -> str:
    """Hint at decimal commas that made more fields than there are columns; empty if none can."""
    more = len(fields) - expected
    whole = [field.strip().strip("*").isdigit() for field in fields]
    pairs = sum(a and b for a, b in pairwise(whole))
    if not 0 < more <= pairs:
        return ""
    at = next(i for i in range(len(fields) - 1) if whole[i] and whole[i + 1])
    one, two = fields[at].strip(), fields[at + 1].strip()
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


def no_metric(head: str) -> str:
    """Say how to rename a column that has neither colon nor the name of a metric."""
    meant = unknown_metric(head, None)
    if "rename" in meant or "did you mean" in meant:
        return meant
    return (
        f"column '{head}' names no metric, expected [METHOD:]METRIC: if it is a method, rename it "
        f"to '{head}:image_auroc' (or pixel_auroc, aupro, f1, …)"
    )


def _kind(metric: str) -> str:
    kind = _KINDS.get(metric.partition("_")[0])
    return f" ({kind})" if kind else ""
