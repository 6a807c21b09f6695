"""Verdicts as JUnit XML, the form that CI servers draw as a list of tests."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from ...tables.verdicts.verdict import DECIDED, Check, Judged, Verdict
from . import words

# Characters that XML 1.0 has no way to write.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(check: Check, *, strict: bool = False) -> str:
    """Render a check as JUnit XML: a suite per method, a test case per number.

    A worse number is a failure, a failed cell an error. What has no decision is skipped with its
    reason; with ``strict`` it is a failure as well, and so is a better number.
    """
    root = Xml.Element("testsuites", name=_clean(f"reproduce check {check.target}"))
    totals = [0, 0, 0, 0]
    for name in dict.fromkeys(cell.method for cell in check.cells):
        cells = [cell for cell in check.cells if cell.method == name]
        suite = Xml.SubElement(root, "testsuite", name=_clean(f"{check.target}.{name}"))
        kinds = [_case(suite, check, cell, strict) for cell in cells]
        own = [len(cells), *(kinds.count(kind) for kind in ("failure", "error", "skipped"))]
        _count(suite, own)
        totals = [a + b for a, b in zip(totals, own, strict=True)]
    _count(root, totals)
    Xml.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"
    )


def _case(suite: Xml.Element, check: Check, cell: Judged, strict: bool) -> str:
    place = (cell.dataset, cell.category, f"noise{cell.noise:g}", cell.metric)
    case = Xml.SubElement(
        suite,
        "testcase",
        classname=_clean(f"{check.target}.{cell.method}"),
        name=_clean("/".join(place)),
    )
    kind = _kind(cell.verdict, strict)
    if kind:
        text = f"{cell.verdict.label}: {words.sentence(cell) or cell.verdict.meaning}"
        Xml.SubElement(case, kind, message=_clean(text), type=cell.verdict.label)
    else:
        Xml.SubElement(case, "system-out").text = _clean(
            f"{cell.verdict.label}: {words.sentence(cell)}"
        )
    return kind


def _kind(verdict: Verdict, strict: bool) -> str:
    """Return the element that tells a verdict; empty for a success."""
    if verdict is Verdict.FAILED:
        return "error"
    if verdict is Verdict.WORSE or (strict and verdict is not Verdict.REPRODUCED):
        return "failure"
    return "" if verdict in DECIDED else "skipped"


def _count(element: Xml.Element, counts: list[int]) -> None:
    for name, value in zip(("tests", "failures", "errors", "skipped"), counts, strict=True):
        element.set(name, str(value))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
