"""What careful readers found by hand in the shipped papers, the audit finds by computing."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adrepro.tables import papers as papers_module
from adrepro.tables.audit.finding import Audit, Finding, Severity
from adrepro.tables.audit.run import audit_paper, audit_targets, findings_on
from adrepro.tables.papers import load_target

PAPERS = Path(papers_module.__file__).parent / "papers"
ROUNDING = 0.05


@pytest.fixture(scope="module")
def rad() -> Audit:
    return audit_paper("rad")


@pytest.fixture(scope="module")
def saha() -> Audit:
    return audit_paper("saha")


def _numbers(target: str, metric: str) -> dict[tuple[str, str], float]:
    with (PAPERS / f"{target}.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["metric"] == metric]
    own = rows[0].get("method")
    return {
        (r["row"], r["column"]): float(r["value"]) for r in rows if r.get("method") in (None, own)
    }


def _of(audit: Audit, check: str, severity: Severity | None = None) -> list[Finding]:
    found = [f for f in audit.findings if f.check == check]
    return [f for f in found if severity in (None, f.severity)]


def _claim(audit: Audit, name: str) -> list[Finding]:
    return [f for f in _of(audit, "claim") if f.where.endswith(f"claim {name}")]


def test_wrong_averages_of_rad_are_those_that_numpy_finds(rad: Audit) -> None:
    """Averages of Table 1 off by more than two roundings or a cut are errors, and no others."""
    wrong = []
    for metric in ("image_auroc", "pixel_auroc"):
        values = _numbers("rad/table1", metric)
        for level in ("0", "10", "20", "30", "40", "50"):
            own = [v for (row, c), v in values.items() if c == level]
            cells = [v for (row, c), v in values.items() if c == level]
            average, ksdd2 = values["average", level], values["ksdd2", level]
            assert len(own) == 17
            mean = (sum(cells) - average - ksdd2) / 15
            # The cells' error is at most half a step, the average's a whole one if it was cut.
            if not -0.1 - ROUNDING <= average - mean <= 2 * ROUNDING:
                wrong.append((str(average), f"{mean:.3f}"))
    errors = _of(rad, "average", Severity.ERROR)
    assert [(f.printed, f.computed) for f in errors] == wrong
    assert len(wrong) == 3


def test_truncation_of_rad_is_noted(rad: Audit) -> None:
    """The image averages that rounding does not give are noted as cut."""
    (note,) = _of(rad, "average", Severity.NOTE)
    assert note.printed == "92.6, 86.8"


def test_f1_of_rad_fits_and_loses_to_the_trivial_rule(rad: Audit) -> None:
    """All five F1 round correctly; four are below what calling everything anomalous gives."""
    assert rad.checked["f1"] == 5
    assert not _of(rad, "f1")
    (found,) = [f for f in _of(rad, "trivial") if f.where.startswith("rad/table2")]
    values = _numbers("rad/table2", "f1")
    assert found.computed == "83.4"
    assert sorted(str(v) for v in values.values() if v < 83.4) == sorted(
        part.split()[0] for part in found.printed.split(", ")
    )


@pytest.mark.parametrize(
    ("name", "computed"),
    [
        ("baselines-drop", "14.7 (OSR)"),
        ("above-90-at-20", "89.4"),
        ("synergy", "0.0 (0%), 0.0 (10%), 0.1 (20%), 0.0 (30%), -0.5 (40%), -0.1 (50%)"),
        ("cheap-enough", "50.0"),
        ("cheap-enough", "1.24 (OSR)"),
        ("cheap-enough", "0.95 (OSR)"),
        ("few-failures", "13.5"),
        ("component-gains", "3.1 (40%), 2.9 (50%)"),
        ("component-gains", "0.9 (20%), 0.9 (40%), 1.1 (50%)"),
    ],
)
def test_claims_of_rad_that_its_tables_contradict(rad: Audit, name: str, computed: str) -> None:
    """Differences, ratios and percentages of the text that the tables do not give are found."""
    found = [f for f in _claim(rad, name) if f.severity is Severity.INCONSISTENT]
    assert any(computed in f.computed for f in found)


def test_claims_of_rad_that_hold_are_not_contradicted(rad: Audit) -> None:
    """The drops of 8.6, 2.5, 2.3, 3.6 and 1.6 points are right; as percent they are others."""
    names = ("robust-at-50", "meta-learning-matters-most", "best-decisions", "best-at-all-levels")
    found = [f for name in names for f in _claim(rad, name)]
    assert {f.severity for f in found} <= {Severity.NOTE}
    relative = [f.sentence for f in found if "percentage points" in f.sentence]
    assert any("9.0 %" in s for s in relative)
    assert any("2.6 %" in s for s in relative)


def test_claims_without_numbers_are_noted(rad: Audit) -> None:
    """What no printed number can confirm is said to be so."""
    for name in ("regularisation-is-cheap", "first-order-suffices"):
        (found,) = _claim(rad, name)
        assert found.severity is Severity.NOTE
        assert "prints no number" in found.sentence


def test_means_hide_categories_below_their_bound(rad: Audit) -> None:
    """Where a mean keeps a bound, the categories that do not are counted."""
    image = _numbers("rad/table1", "image_auroc")
    for name, levels, bound in (
        ("above-90-at-20", ("10", "20"), 90),
        ("robust-at-50", ("50",), 86.8),
    ):
        under = [
            row
            for (row, column), value in image.items()
            if column in levels and value < bound and row not in ("average", "ksdd2")
        ]
        assert any(f"{len(under)} single categories" in f.sentence for f in _claim(rad, name))


def test_protocol_of_rad_is_not_feasible_everywhere(rad: Audit) -> None:
    """Too few training images and anomalies, small rests and the training split are found."""
    found = {(f.severity, f.computed) for f in _of(rad, "protocol")}
    assert found == {
        (Severity.INCONSISTENT, "toothbrush 60"),
        (Severity.INCONSISTENT, "toothbrush 30, transistor 40"),
        (Severity.NOTE, "bottle 13, grid 7, wood 10"),
        (Severity.NOTE, "2979"),
        (Severity.NOTE, "356"),
    }


def test_shape_of_rad_is_unusual(rad: Audit) -> None:
    """Curves without a rise and two metrics that go together are unusual, with the figures."""
    curve, _ = _of(rad, "monotone")
    (columns,) = _of(rad, "columns")
    image, pixel = _numbers("rad/table1", "image_auroc"), _numbers("rad/table1", "pixel_auroc")
    cells = [k for k in image if k[0] not in ("average", "ksdd2")]
    rs = [
        np.corrcoef(*([m[k] for k in cells if k[1] == level] for m in (image, pixel)))[0, 1]
        for level in ("0", "10", "20", "30", "40", "50")
    ]
    assert columns.printed.startswith(f"correlation {min(rs):.4f} to {max(rs):.4f}")
    assert curve.printed == "0 of 80 steps rise"
    assert {curve.severity, columns.severity} == {Severity.UNUSUAL}


def test_bold_marks_of_rad_follow_no_rule(rad: Audit) -> None:
    """Fifteen bold numbers of one method are neither best of a row nor of a column."""
    (found,) = _of(rad, "bold")
    assert found.printed.startswith("15 bold")


def test_averages_of_saha(saha: Audit) -> None:
    """All four averages of Tables 1 and 2 are wrong, by numpy's means."""
    errors = [f for f in _of(saha, "average", Severity.ERROR) if "literature" not in f.where]
    expected = []
    for target in ("saha/table1", "saha/table2"):
        for metric in ("image_auroc", "pixel_auroc"):
            values = _numbers(target, metric)
            printed = values.pop(("average", metric))
            expected.append((f"{printed:.2f}", f"{np.mean(list(values.values())):.4f}"))
    assert [(f.printed, f.computed) for f in errors] == expected


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("Avg. Text., PaDiM, image AUROC", ""),
        ("Average, PaDiM, image AUROC", ""),
        ("Avg. Obj., PaDiM, image AUROC", ""),
        ("Avg. Text., RevDist, image AUROC", "98.9 in place of 89.9 (carpet)"),
        ("Average, RevDist, image AUROC", "98.9 in place of 89.9 (carpet)"),
        ("Avg. Text., RevDist, pixel AUROC", ""),
        ("Avg. Text., PatchCore, pixel AUROC", ""),
        ("Avg. Obj., CutPaste, pixel AUROC", ""),
        ("Avg. Obj., AE-SSIM, image AUROC", "96 in place of 69 (screw)"),
    ],
)
def test_slips_of_the_literature_table(saha: Audit, place: str, hint: str) -> None:
    """Columns with misprinted cells do not give their averages; swapped digits are named."""
    (found,) = [f for f in _of(saha, "average") if f.where == f"saha/literature, {place}"]
    assert found.severity is Severity.ERROR
    assert hint in found.sentence


def test_claims_of_saha(saha: Audit) -> None:
    """GLASS does not localise better by the tables; no time supports the speed claim."""
    mean, single = _claim(saha, "glass-localises")
    assert mean.computed == "77.89 against 81.99"
    assert "7 of 15" in single.sentence
    assert _claim(saha, "simplenet-faster")[0].severity is Severity.NOTE
    # A tenth below what is quoted of the original papers: pixels of GLASS, images of SimpleNet.
    far = [(f.printed, f.computed) for f in _claim(saha, "consistent")]
    assert far == [("about 99.3", "77.89"), ("about 99.6", "83.66")]


def test_ranks_that_the_text_of_saha_gives(saha: Audit) -> None:
    """Capsule's image and bottle's pixel AUROC are not among the best third; the low ones are."""
    values = {m: _numbers("saha/table2", m) for m in ("image_auroc", "pixel_auroc")}
    wanted = []
    for metric, numbers in values.items():
        single = sorted((v for (row, _), v in numbers.items() if row != "average"), reverse=True)
        for name in ("bottle", "capsule", "zipper"):
            rank = 1 + single.index(numbers[name, metric])
            if rank > 5:
                wanted.append(f"{rank} ({name.title()})")
    ranked = [f for f in _claim(saha, "simplenet-competitive") if f.printed.startswith("place")]
    assert [f.computed for f in ranked] == wanted == ["6 (Capsule)", "8 (Bottle)"]
    assert all("1 of 3" in f.sentence and "15 categories" in f.sentence for f in ranked)
    assert not _claim(saha, "glass-lower")


def test_both_methods_of_saha_are_said_to_localise(saha: Audit) -> None:
    """The averages side with SimpleNet, whose pixel level is yet behind its image level."""
    (own,) = _claim(saha, "simplenet-localises")
    assert own.computed == "-1.67"
    assert "SimpleNet" in _claim(saha, "glass-localises")[0].claim


def test_the_second_bottle_of_saha(saha: Audit) -> None:
    """Two rows are printed Bottle and none Carpet; findings on the row give its printed name."""
    (found,) = _of(saha, "names")
    assert found.severity is Severity.INCONSISTENT
    assert found.where == "saha/literature, row Bottle"
    assert found.printed == "Bottle (2 times)"
    assert found.computed == "no row is printed carpet"
    (cell,) = _of(saha, "tables", Severity.ERROR)
    assert "Carpet (printed Bottle)" in cell.where


@pytest.mark.parametrize(
    ("printed", "category", "severity"),
    [
        ("Bottle", "bottle", None),
        ("Metal Nut", "metal_nut", None),
        ("Carpet", "bottle", Severity.INCONSISTENT),
        ("Botle", "bottle", Severity.NOTE),
    ],
)
def test_a_row_with_another_name(printed: str, category: str, severity: Severity | None) -> None:
    """A single row with the name of another category is wrong, a misprint is a note."""
    from adrepro.tables.audit.ledger import NamedRow, make_ledger
    from adrepro.tables.audit.names import check_names

    row = NamedRow("t", printed, ("mvtec_ad", category), misnamed=severity is not None)
    ledger = replace(make_ledger([]), rows=(row,))
    assert [f.severity for f in check_names(ledger).findings] == ([severity] if severity else [])
    # The same name beside another method is no second row of its own.
    other = replace(row, beside=("another method",))
    found = check_names(replace(ledger, rows=(row, other))).findings
    assert [f.severity for f in found] == ([severity] * 2 if severity else [])


def test_values_below_chance_of_saha(saha: Audit) -> None:
    """GLASS's transistor is below chance, and a cell that is no number is an error."""
    assert any("44.69" in f.printed for f in _of(saha, "trivial"))
    assert any(f.printed == "87.61.1" for f in _of(saha, "tables", Severity.ERROR))


def test_findings_of_one_target_are_its_own() -> None:
    """A report shows what concerns its table, claims that reach over several tables included."""
    found = findings_on(load_target("rad/table4"))
    assert found
    assert all("rad/table4" in f.tables for f in found)
    assert {f.check for f in found} >= {"claim", "protocol"}


def test_a_change_of_one_digit_changes_the_findings() -> None:
    """Findings are computed: with the right average, that error is gone."""
    from decimal import Decimal

    names = ("saha/table1", "saha/table2", "saha/literature")
    target, *others = [load_target(name) for name in names]
    mended = tuple(
        replace(n, value=Decimal("94.46"))
        if n.row == "average" and n.metric == "image_auroc"
        else n
        for n in target.numbers
    )
    changed = replace(target, numbers=mended)
    before, after = (audit_targets([t, *others]) for t in (target, changed))
    found = [{f.printed for f in _of(audit, "average")} for audit in (before, after)]
    assert found[0] - found[1] == {"94.91"}
