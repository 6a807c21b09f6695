"""Small and odd tables: never an exception, and what a careful reader would ask about is said."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from audit_worlds import MVTEC
from hypothesis import given, settings
from hypothesis import strategies as st

from adrepro.datasets.errors import SpecError
from adrepro.reports.audit import to_html, to_json, to_markdown
from adrepro.tables.audit.decisions import TRIPLES, harmonic
from adrepro.tables.audit.finding import CHECKS, Audit, Finding, Severity
from adrepro.tables.audit.run import audit_ledger
from adrepro.tables.audit.user_csv import read_tables
from adrepro.tables.claim_checks import Address, ClaimCheck, Kind
from adrepro.tables.spec import Claim


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Audit]:
    path = tmp_path_factory.mktemp("small") / "own.csv"

    def auditing(text: str, **options) -> Audit:
        path.write_text(text, encoding="utf-8")
        return audit_ledger(read_tables([path], **options), "own")

    return auditing


def _of(audit: Audit, check: str) -> list[Finding]:
    return [f for f in audit.findings if f.check == check]


HEADS = ("image_auroc", "pixel_auroc", "f1", "precision", "recall", "f1_max", "image_ap",
         "A:image_auroc@0", "A:image_auroc@10", "A:image_auroc@50", "B:image_auroc@0",
         "A:pixel_auroc@0", "B:f1", "A:f1/precision/recall@0", "latency_ms")  # fmt: skip
ROWS = ("bottle", "toothbrush", "x", "average", "mean", "average:textures", "carpet")
VALUES = st.one_of(
    st.sampled_from(["-", "", "100", "0", "0.0", "50.0", "1", "95.1±0.3", "**96**", "100.00"]),
    st.decimals(0, 100, places=1).map(str),
    st.decimals(0, 1, places=3).map(str),
)


@st.composite
def small_tables(draw: st.DrawFn) -> str:
    """Draw a table of one to three rows and columns, any of its numbers missing."""
    heads = draw(st.lists(st.sampled_from(HEADS), min_size=1, max_size=3, unique=True))
    rows = draw(st.lists(st.sampled_from(ROWS), min_size=1, max_size=3))
    lines = ["method,category," + ",".join(heads)]
    for row in rows:
        cells = [
            "/".join(draw(VALUES) for _ in range(head.count("/") + 1)) if "/" in head
            else draw(VALUES)
            for head in heads
        ]  # fmt: skip
        lines.append(",".join(["M", row, *cells]))
    return "\n".join(lines) + "\n"


@settings(deadline=None, max_examples=300)
@given(
    text=small_tables(),
    dataset=st.sampled_from(["", "mvtec_ad", "ksdd2"]),
    runs=st.sampled_from([None, 1, 3]),
    sd=st.sampled_from([None, 0.0, 0.4]),
)
def test_small_tables_raise_no_exception(audited, text, dataset, runs, sd) -> None:
    """Any small table is audited and written; a file that is refused is refused in one line."""
    try:
        audit = audited(text, dataset=dataset, runs=runs, sd=sd)
    except SpecError as err:
        refused = str(err)
    else:
        refused = ""
    if refused:
        assert "\n" not in refused
        assert "no numbers" in refused or "no category of group" in refused
        return
    assert all(audit.checked[name] or audit.unmade[name] for name in CHECKS)
    for write in (to_json, to_markdown, to_html):
        assert write([audit])


def test_a_wrong_average_of_one_category_is_an_error(audited) -> None:
    """One category is enough for an average to be wrong."""
    (found,) = audited("category,A:image_auroc\nbottle,95.1\naverage,50.0\n").findings
    assert (found.check, found.severity) == ("average", Severity.ERROR)
    assert found.computed == "95.100"
    assert "without" not in found.sentence


def test_bold_averages_are_held_against_rivals(audited) -> None:
    """Where only averages are bold, they are compared all the same if there are rivals."""
    text = "category,A:image_auroc,B:image_auroc\nbottle,94.0,96.0\naverage,**94.0**,96.0\n"
    (found,) = audited(text).findings
    assert (found.check, found.severity) == ("bold", Severity.INCONSISTENT)
    assert (found.printed, found.computed) == ("bold 94.0", "96.0 (B, average)")


def test_bold_lines_are_typography(audited) -> None:
    """An average that is bold for every method, or for the only one, is not counted as compared."""
    both = "category,A:image_auroc,B:image_auroc\nbottle,94.0,96.0\naverage,**94.0**,**96.0**\n"
    alone = "category,A:image_auroc\nbottle,94.0\naverage,**94.0**\n"
    for text in (both, alone):
        audit = audited(text)
        assert not audit.findings
        assert audit.checked["bold"] == 0
        assert "only averages of own.csv are bold" in audit.unmade["bold"][0]


@pytest.mark.parametrize(
    ("cells", "printed"),
    [
        ("bottle,**96.0**,95.0\ncable,93.0,92.0\n", "93.0 (A, cable)"),
        ("bottle,**96.0**,95.0\ncable,**93.0**,93.0\n", "93.0 (B, cable)"),
        ("bottle,**96.0**,95.0\ncable,**93.0**,**93.0**\n", None),
        ("bottle,96.0,95.0\ncable,93.0,92.0\naverage,**94.5**,93.5\n", None),
        ("bottle,**96.0**,95.0\ncable,92.0,**91.0**\n", None),
    ],
)
def test_an_unmarked_best_is_noted(audited, cells: str, printed: str | None) -> None:
    """A best or tied number without a mark among marked ones is a note, whole rows apart."""
    audit = audited(f"category,A:image_auroc,B:image_auroc\n{cells}")
    found = [f for f in _of(audit, "bold") if f.severity is Severity.NOTE]
    assert [f.printed for f in found] == ([] if printed is None else [printed])
    assert all("1 of 2 places" in f.sentence for f in found)


def test_a_mean_of_f1_has_a_floor(audited) -> None:
    """A mean of F1 below mean precision + mean recall − 100 is an error, one above it is not."""
    text = "category,A:precision,A:recall,A:f1\naverage,90.0,85.0,{}\n"
    (found,) = audited(text.format("74.0")).findings
    assert (found.check, found.severity) == ("f1", Severity.ERROR)
    # Rounded twice, or cut twice, where the average is that of printed digits.
    assert found.computed == f"74.80 to {float(harmonic(Fraction('90.2'), Fraction('85.2'))):.2f}"
    assert "below" in found.sentence
    assert found.sentence.endswith("is lower.")
    assert not audited(text.format("75.0")).findings


def test_a_mean_of_printed_f1_is_no_error(audited) -> None:
    """An F1 average taken from rounded cells may lie a rounding above that of the true ones."""
    text = (
        "category,A:precision,A:recall,A:f1\nwood,100.0,98.3,99.2\nleather,100.0,98.9,99.5\n"
        "average,100.0,98.6,{}\n"
    )
    assert not audited(text.format("99.4")).findings
    assert [f.check for f in audited(text.format("99.6")).findings] == ["average", "f1"]


def test_the_floor_of_a_mean_of_f1_is_reached_and_never_passed() -> None:
    """No random precisions and recalls have a lower mean F1, and a mixture of extremes has it."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        pairs = [(Fraction(int(p)), Fraction(int(r))) for p, r in rng.integers(0, 101, (5, 2))]
        f1, p, r = (
            sum(values, Fraction(0)) / 5
            for values in ([harmonic(*pair) for pair in pairs], *zip(*pairs, strict=True))
        )
        assert p + r - 100 <= f1 <= harmonic(p, r)
    ends = [harmonic(Fraction(p), Fraction(r)) for p, r in ((100, 100), (100, 0), (0, 100))]
    assert sum(ends) / 3 == Fraction(200, 3) + Fraction(200, 3) - 100
    assert len(TRIPLES) == 3


@pytest.mark.parametrize("column", ["mvtecad", "MVTec", "ksdd"])
def test_an_unknown_dataset_of_a_line_is_refused(audited, column: str) -> None:
    """A misspelt dataset is one line with the place and the nearest name."""
    with pytest.raises(SpecError, match=f"unknown dataset '{column}': .*(mvtec_ad|ksdd2)") as err:
        audited(f"dataset,category,A:image_auroc\nmvtec_ad,bottle,95.1\n{column},cable,90.0\n")
    assert err.value.line == 3
    assert "\n" not in str(err.value)


def test_an_unknown_category_is_noted(audited) -> None:
    """A misspelt category of a known dataset is named with the nearest one, once per table."""
    text = "category,A:image_auroc,A:pixel_auroc\nbotle,95.1,94.0\ncable,90.0,91.0\n"
    audit = audited(text, dataset="mvtec_ad", runs=1)
    (found,) = _of(audit, "names")
    assert (found.severity, found.printed) == (Severity.NOTE, "botle")
    assert found.computed == "nearest: bottle"
    assert "2 numbers" in found.sentence
    assert not _of(audited(text), "names")
    assert not _of(audited(text.replace("botle", "bottle"), dataset="mvtec_ad"), "names")


def test_a_mean_that_no_runs_give_names_no_several_runs(audited) -> None:
    """A mean over three runs is told to stem from other runs, a single run from several."""
    for runs, other in ((1, "several runs"), (3, "other runs")):
        # A third of a run's recall step beyond what whole numbers of defects give.
        defects = MVTEC["toothbrush"].test_anomalous * runs
        value = 100 * (1 - Fraction(1, 2 * defects))
        audit = audited(
            f"category,A:recall\ntoothbrush,{float(value):.3f}\n", dataset="mvtec_ad", runs=runs
        )
        (found,) = _of(audit, "attainable")
        assert other in found.sentence
        assert ("several" in found.sentence) == (runs == 1)


def test_means_of_precision_are_said_not_to_be_checked(audited) -> None:
    """Precision over several runs is left out with its reason; recall beside it is held."""
    text = "category,A:precision,A:recall\ntoothbrush,83.1,90.0\n"
    audit = audited(text, dataset="mvtec_ad", runs=3)
    assert audit.checked["attainable"] == 1
    (reason,) = audit.unmade["attainable"]
    assert reason.startswith("1 value of precision, means over several runs")
    assert audited(text, dataset="mvtec_ad", runs=1).checked["attainable"] == 2


def test_a_rest_of_a_tie_is_no_contradiction(audited, tmp_path: Path) -> None:
    """Of 82.625, 82.63 and a rest of 17.38 are both rightly printed; 17.39 is not."""
    path = tmp_path / "tie.csv"
    path.write_text("table,category,A:image_auroc@0\np/t,transistor,82.63\n", encoding="utf-8")
    of = Address(target="t", block="A", rows="transistor", columns="0", metric="image_auroc")
    for printed, wrong in (("17.36", 0), ("17.37", 0), ("17.38", 0), ("17.39", 1), ("17.35", 1)):
        check = ClaimCheck(kind=Kind.REST, of=(of,), printed=printed)
        claims = {"rest": Claim(text="text", where="section 1", checks=(check,))}
        found = audit_ledger(read_tables([path]), "own", claims, (), "p").findings
        assert [f.check for f in found] == ["claim"] * wrong


def test_every_check_has_its_place_in_the_list() -> None:
    """The names of checks are those that an audit runs."""
    audit = audit_ledger(read_tables_of_nothing(), "empty")
    assert tuple(audit.checked) == tuple(CHECKS)
    assert set(audit.unmade) == set(CHECKS)


def read_tables_of_nothing():
    from adrepro.tables.audit.ledger import make_ledger

    return make_ledger([])


def test_precisions_that_counts_give_are_attained(audited) -> None:
    """Every precision of a whole number of alarms, printed in full, raises nothing."""
    counts = MVTEC["toothbrush"]
    shares = {
        Fraction(100 * tp, tp + fp)
        for tp, fp in product(range(1, counts.test_anomalous + 1), range(counts.test_nominal + 1))
    }
    for share in sorted(shares)[::20]:
        text = f"category,A:precision\ntoothbrush,{max(float(share), 1.5):.2f}\n"
        assert not _of(audited(text, dataset="mvtec_ad", runs=1), "attainable")


def test_a_malformed_deviation_is_refused(audited) -> None:
    """A sign without both of its numbers, or with a word, is one line; spaces about it are not."""
    text = "category,A:image_auroc\nbottle,{}\n"
    for cell in ("95.1±", "±0.3", "95.1±x", "95.1 +- 0.3"):
        with pytest.raises(SpecError, match=r"own.csv:2: (value|sd is)"):
            audited(text.format(cell))
    assert audited(text.format("95.1 ± 0.3")).numbers == 1
