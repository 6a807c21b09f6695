"""Curves over label noise: what is stated, what rounding gives, and what could not be judged."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from audit_worlds import MVTEC
from scipy import stats

from adrepro.reports.audit import not_compared, to_html, to_json, to_markdown
from adrepro.tables.audit import columns
from adrepro.tables.audit.columns import provenance, reference, reference_ends
from adrepro.tables.audit.finding import CHECKS, Audit, Finding, Severity
from adrepro.tables.audit.run import audit_ledger, audit_paper
from adrepro.tables.audit.shape import at_least, no_rise
from adrepro.tables.audit.user_csv import read_tables

LEVELS = (0, 10, 20, 30, 40, 50)


@pytest.fixture
def audited(tmp_path: Path) -> Callable[..., Audit]:
    def auditing(text: str, **options) -> Audit:
        path = tmp_path / "own.csv"
        path.write_text(text, encoding="utf-8")
        return audit_ledger(read_tables([path], **options), "own")

    return auditing


def _wide(values: np.ndarray, metric: str = "image_auroc", cell: str = "{:.1f}") -> str:
    """Lay out values, categories by levels."""
    head = ",".join(["category", *(f"A:{metric}@{level}" for level in LEVELS)])
    lines = [
        ",".join([name, *(cell.format(v) for v in row)])
        for name, row in zip(MVTEC, values, strict=True)
    ]
    return "\n".join([head, *lines]) + "\n"


def _falling(step: float) -> np.ndarray:
    starts = np.linspace(85, 99, 15).round(1)
    return starts[:, None] - step * np.arange(6)


def _of(audit: Audit, check: str) -> list[Finding]:
    return [f for f in audit.findings if f.check == check]


def test_equal_steps_everywhere_are_unusual_without_any_deviation(audited) -> None:
    """Fifteen curves that fall by 0.1 at each level are reported; no deviation is needed."""
    audit = audited(_wide(_falling(0.1)))
    (found,) = _of(audit, "steps")
    assert found.severity is Severity.UNUSUAL
    assert found.printed == "-0.1"
    assert found.computed.startswith("15 of 15 curves")
    assert f"{0.2**15:.1g}" in found.sentence
    assert not _of(audit, "monotone")
    assert "without a stated deviation" in not_compared(audit)


def test_straight_lines_with_slopes_of_their_own_are_usual(audited) -> None:
    """Exactly straight curves whose digits are rounded have equal steps no oftener than allowed."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(20):
        slopes = rng.uniform(0.05, 1.5, (15, 1))
        lines = rng.uniform(90, 99, (15, 1)) - slopes * np.arange(6)
        audit = audited(_wide(lines))
        assert audit.checked["steps"] == 15
        assert not _of(audit, "steps")
        rounded = np.round(np.diff(lines.round(1)), 1)
        hits += int((rounded == rounded[:, :1]).all(axis=1).sum())
    # The bound of one in five is close to what rounding of straight lines gives.
    assert 0.1 < hits / (20 * 15) < 0.25


@pytest.mark.parametrize("form", ["option", "cell", "column"])
def test_a_deviation_of_ones_own_is_used(audited, form: str) -> None:
    """A deviation by option, within the cell or in a column makes a table without rises unusual."""
    values = _falling(0.1)
    values -= np.random.default_rng(0).integers(0, 3, values.shape).cumsum(axis=1) / 10
    text = _wide(values, cell="{:.1f}±1.0" if form == "cell" else "{:.1f}")
    if form == "column":
        text = "\n".join(
            f"{line},{'1.0' if index else 'sd'}" for index, line in enumerate(text.splitlines())
        )
    audit = audited(text, runs=3, **({"sd": 1.0} if form == "option" else {}))
    (found,) = _of(audit, "monotone")
    steps = -np.diff(values).ravel().round(1)
    expected = stats.norm.cdf(-steps / (math.sqrt(2 / 3))).sum()
    assert found.severity is Severity.UNUSUAL
    assert found.printed == "0 of 75 steps rise"
    assert found.computed == f"{expected:.1f} expected at the stated deviation"
    assert not _of(audited(text.replace("1.0", "0.0")), "monotone")


def test_a_deviation_over_an_unknown_number_of_runs_judges_nothing(audited) -> None:
    """The error of a mean needs the number of runs; without it, the report says so."""
    audit = audited(_wide(_falling(0.1)), sd=1.0)
    assert audit.checked["monotone"] == 0
    (reason,) = audit.unmade["monotone"]
    assert reason.startswith("15 curves of image AUROC in own.csv without a stated deviation")


def test_deviations_of_fractions_are_fractions(audited) -> None:
    """In a file of fractions the deviation within a cell is one too; the option is in points."""
    text = _wide(_falling(0.1) / 100, cell="{:.3f}±0.010")
    percent = _wide(_falling(0.1), cell="{:.1f}±1.0")
    one, other = (_of(audited(t, runs=3), "monotone") for t in (text, percent))
    assert [f.computed for f in one] == [f.computed for f in other]
    assert one
    audit = audited(_wide(_falling(0.1) / 100, cell="{:.3f}"), runs=3, sd=1.0)
    assert [f.computed for f in _of(audit, "monotone")] == [f.computed for f in one]


def test_pixel_auroc_has_no_error_of_its_own_only_where_it_follows(audited) -> None:
    """RAD's pixel column is judged with the image column's bound; an independent one is not."""
    rad = audit_paper("rad")
    image, pixel = _of(rad, "monotone")
    assert (image.severity, pixel.severity) == (Severity.UNUSUAL, Severity.NOTE)
    assert pixel.where == "rad/table1, pixel AUROC"
    assert pixel.printed == "0 of 75 steps rise"
    path = Path(columns.__file__).parents[1] / "papers" / "rad" / "table1.csv"
    with path.open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["metric"] == "pixel_auroc"]
    by: dict[str, list[float]] = {}
    for r in rows:
        by.setdefault(r["row"], []).append(float(r["value"]))
    steps = [
        a - b
        for name, values in by.items()
        if name not in ("average", "ksdd2")
        for a, b in pairwise(values)
    ]
    chance = np.prod(stats.norm.cdf(np.array(steps) / (1.2 * math.sqrt(2 / 3))))
    assert f"the chance of that is {chance:.1g}" in pixel.sentence
    assert any("pixel AUROC" in reason for reason in rad.unmade["monotone"])


def test_no_rise_is_its_frequency() -> None:
    """The product bounds the simulated share of curves without a rise from above, not by far."""
    rng = np.random.default_rng(0)
    steps, error = np.array([0.5, 1.0, 0.2]), 0.4
    true = 90 - np.concatenate([[0], steps.cumsum()])
    drawn = true + rng.normal(0, error, (200_000, 4))
    share = np.mean((np.diff(drawn) <= 0).all(axis=1))
    bound = no_rise(list(steps), [error] * 3)
    assert share <= bound <= share + 0.15
    assert no_rise([0.0, 1.0], [0.0, 0.0]) == 1


def test_at_least_is_scipys_binomial() -> None:
    """The chance of so many events is the binomial tail; of unequal ones, that by enumeration."""
    for count in range(7):
        assert at_least([0.2] * 6, count) == pytest.approx(stats.binom.sf(count - 1, 6, 0.2))
    assert at_least([0.5, 0.2], 1) == pytest.approx(1 - 0.5 * 0.8)


def test_what_could_not_be_checked_is_always_said(audited) -> None:
    """Every check has compared something or says why not; every output holds the reasons."""
    audits = [audited("method,image_auroc\nA,90\n"), audit_paper("rad"), audit_paper("saha")]
    for audit in audits:
        for name in CHECKS:
            assert audit.checked[name] or audit.unmade[name]
        reasons = [reason for own in audit.unmade.values() for reason in own]
        for text in (to_json([audit]), to_html([audit]), to_markdown([audit])):
            plain = text.replace("\\", "").replace("&#39;", "'")
            assert all(reason in plain for reason in reasons)


def test_the_reference_tells_where_it_is_from() -> None:
    """The finding that quotes the reference says what of it is from memory or from elsewhere."""
    (found,) = _of(audit_paper("rad"), "columns")
    assert provenance() in found.sentence
    assert "7 of 180 from memory" in provenance()
    path = Path(columns.__file__).with_name("reference.csv")
    with path.open(encoding="utf-8") as file:
        recalled = [(r["method"], r["category"]) for r in csv.DictReader(file) if r["recalled"]]
    assert len(recalled) == 7
    # The ends of the reference rest on neither of the two methods whose columns are mixed.
    sure = [v for name, v in reference().items() if name not in ("padim", "cutpaste")]
    assert reference_ends() == (max(r for r, _ in sure), min(gap for _, gap in sure))
