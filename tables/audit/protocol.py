"""The stated protocol and the stated sizes of datasets against the official counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction

from ...datasets.entries import Counts
from ..stated import CATEGORIES, COUNTS, StatedProtocol
from .finding import Finding, Outcome, Severity
from .ledger import Category

CHECK = "protocol"
# What should be left to test on where test images are mislabelled for training: the floor that
# this project's own protocol keeps, at least ten and a quarter of a category's anomalies.
LEFT_LEAST, LEFT_SHARE = 10, Fraction(1, 4)
_SPLITS = {
    "training set": ("train_nominal", "train_anomalous"),
    "test set": ("test_nominal", "test_anomalous"),
}


def check_protocols(
    stated: Iterable[StatedProtocol],
    counts: Mapping[Category, Counts],
    tables: tuple[str, ...] = (),
) -> Outcome:
    """Hold what a paper states about its data against the official counts.

    Parameters
    ----------
    stated
        What it states.
    counts
        Official counts by category.
    tables
        Tables that the findings concern.
    """
    findings: list[Finding] = []
    checked = 0
    for protocol in stated:
        own = {name[1]: c for name, c in counts.items() if name[0] == protocol.dataset}
        checked += len(protocol.counts) + (len(own) if protocol.train_images else 0)
        findings += _sizes(protocol, own, tables)
        if protocol.train_images:
            findings += _training(protocol, own, tables)
    reason = () if checked else ("no protocol is stated with the tables",)
    return Outcome(tuple(findings), checked, reason)


def _finding(
    protocol: StatedProtocol,
    severity: Severity,
    printed: str,
    computed: str,
    sentence: str,
    tables: tuple[str, ...],
) -> Finding:
    return Finding(
        check=CHECK,
        severity=severity,
        where=f"{protocol.where}, {protocol.dataset}",
        printed=printed,
        computed=computed,
        sentence=sentence,
        tables=tables,
    )


def _sizes(
    protocol: StatedProtocol, own: Mapping[str, Counts], tables: tuple[str, ...]
) -> Iterable[Finding]:
    for name, printed in protocol.counts.items():
        fields = COUNTS.get(name, ())
        whole = len(own) if name == CATEGORIES else _total(own, fields)
        if printed == whole:
            continue
        # A split of the same kind of image may have the number instead.
        part = next(
            (
                split
                for split, names in _SPLITS.items()
                if printed == _total(own, [n for n in fields if n in names])
            ),
            "",
        )
        sentence = f"The dataset has {whole} {name if name == CATEGORIES else _kind(name)}"
        sentence += f"; the number given is that of its {part} alone." if part else "."
        severity = Severity.NOTE if part else Severity.INCONSISTENT
        yield _finding(protocol, severity, str(printed), str(whole), sentence, tables)


def _kind(name: str) -> str:
    return name if name == "images" else f"{name} images"


def _total(own: Mapping[str, Counts], fields: Iterable[str]) -> int:
    names = list(fields)
    return sum(getattr(counts, name) for counts in own.values() for name in names)


def _training(
    protocol: StatedProtocol, own: Mapping[str, Counts], tables: tuple[str, ...]
) -> Iterable[Finding]:
    total = protocol.train_images or 0
    lowest, highest = min(protocol.noise, default=0), max(protocol.noise, default=0)
    nominal = total - math.ceil(total * Fraction(lowest) / 100)
    short = {n: c.train_nominal for n, c in own.items() if c.train_nominal < nominal}
    if short:
        sentence = f"These categories have fewer nominal training images than the {nominal} needed."
        printed = f"{total} training images per category"
        yield _finding(protocol, Severity.INCONSISTENT, printed, _listed(short), sentence, tables)
    needed = round(total * Fraction(highest) / 100)
    if not needed:
        return
    # Anomalies to mislabel are among the training images, or else among those to be tested on.
    from_train = {n: c.train_anomalous for n, c in own.items() if c.train_anomalous >= needed}
    rest = {n: c.test_anomalous for n, c in own.items() if n not in from_train}
    few = {n: have for n, have in rest.items() if have < needed}
    printed = f"{highest:g} % of {total} training images mislabelled"
    if few:
        sentence = f"These categories have fewer anomalies than the {needed} needed."
        yield _finding(protocol, Severity.INCONSISTENT, printed, _listed(few), sentence, tables)
    left = {
        name: have - needed
        for name, have in rest.items()
        if name not in few and have - needed < max(LEFT_LEAST, have * LEFT_SHARE)
    }
    if left:
        sentence = (
            "If the mislabelled images are taken out of the test set, as few anomalies are left"
            f" to test on; fewer than {LEFT_LEAST} or a quarter."
        )
        yield _finding(protocol, Severity.NOTE, printed, _listed(left), sentence, tables)


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in numbers.items())
