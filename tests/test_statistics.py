"""Intervals cover what they promise; ranks and tests equal other implementations."""

import csv
import html
import io
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from scipy import stats
from sklearn.metrics import roc_auc_score
from table_frames import make_frame

from adrepro.datasets.errors import UsageError
from adrepro.reports.context import ReportContext
from adrepro.reports.escape import latex, markdown
from adrepro.reports.html import render_html
from adrepro.reports.latex import render_latex
from adrepro.reports.latex_statistics import render_tex
from adrepro.reports.statistics import render, render_diagram, render_json
from adrepro.reports.statistics_section import section
from adrepro.reports.text import render_csv, render_markdown
from adrepro.tables.assemble import build_model
from adrepro.tables.formatting import Mark
from adrepro.tables.papers import load_target
from adrepro.tables.quantities import title
from adrepro.tables.statistics.intervals import Over, auroc, image_interval, seed_interval
from adrepro.tables.statistics.places import Asked
from adrepro.tables.statistics.ranks import compare_methods, critical_difference, robustness_area
from adrepro.tables.statistics.summary import AVERAGE, has_statistics, statistics_of

TABLE1 = load_target("table1")


@given(st.lists(st.integers(0, 5), min_size=4, max_size=20), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_auroc_equals_sklearn(scores, positives):
    """Mid-ranks give scikit-learn's area, ties included."""
    labels = np.arange(len(scores)) < positives
    values = np.array(scores, dtype=float)
    assert auroc(values[labels], values[~labels]) == pytest.approx(roc_auc_score(labels, values))


def test_seed_interval_equals_scipy():
    """Student's interval as scipy gives it; one seed has none."""
    values = [0.91, 0.93, 0.90, 0.95]
    found = seed_interval(values)
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.over is Over.SEEDS
    assert seed_interval([0.9]) is None


@pytest.mark.parametrize("n", [3, 10])
def test_seed_interval_covers(n):
    """Over 4000 repetitions the interval holds the true mean in 95 % of them."""
    values = np.random.default_rng(1).normal(0.9, 0.02, (4000, n))
    found = [seed_interval(row) for row in values]
    covered = np.mean([one.low <= 0.9 <= one.high for one in found])
    assert covered == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 4000))


def test_bootstrap_covers_the_true_area():
    """Two normals one and a half sigma apart: nominal coverage within what a percentile gives."""
    rng = np.random.default_rng(5)
    truth = stats.norm.cdf(1.5 / np.sqrt(2))
    labels = np.arange(80) < 40
    hits = 0
    for seed in range(120):
        scores = rng.normal(0, 1, 80) + 1.5 * labels
        found = image_interval(scores, labels, seed=seed, resamples=300)
        hits += found.low <= truth <= found.high
    assert 0.88 <= hits / 120 <= 0.98


def test_bootstrap_has_the_ends_of_plain_resampling():
    """The 2.5th and 97.5th percentile of AUROC over resampled images, each kind apart."""
    rng = np.random.default_rng(7)
    scores, labels = rng.normal(0, 1, 60), np.arange(60) < 25
    scores[labels] += 1
    areas = []
    for _ in range(4000):
        drawn = [
            rng.choice(np.flatnonzero(labels == kind), (labels == kind).sum()) for kind in (0, 1)
        ]
        areas.append(auroc(scores[drawn[1]], scores[drawn[0]]))
    found = image_interval(scores, labels, resamples=4000)
    assert (found.low, found.high) == pytest.approx(np.percentile(areas, [2.5, 97.5]), abs=0.008)


def test_bootstrap_is_repeatable_and_knows_its_limits():
    """One seed gives one interval; a perfect area has no width; one anomaly is not enough."""
    scores = np.random.default_rng(2).normal(0, 1, 40)
    labels = np.arange(40) < 15
    first, again = (image_interval(scores, labels, seed=3, resamples=200) for _ in range(2))
    assert first == again
    assert first.over is Over.TEST_IMAGES
    assert first.low < auroc(scores[labels], scores[~labels]) < first.high
    perfect = image_interval(labels.astype(float), labels, resamples=50)
    assert (perfect.low, perfect.high) == (1.0, 1.0)
    assert image_interval(scores, np.arange(40) < 1) is None
    with pytest.raises(ValueError, match="finite"):
        image_interval(scores * np.nan, labels)


def test_comparison_equals_scipy_and_posthocs():
    """Friedman, Nemenyi, Wilcoxon with Holm, and mean ranks by the libraries' own calls."""
    table = np.random.default_rng(4).normal([0.9, 0.88, 0.7], 0.03, (12, 3))
    found = compare_methods(table, ["a", "b", "c"])
    frame = pd.DataFrame(-table, columns=list("abc"))
    ranks = frame.rank(axis=1).mean().sort_values()
    assert found.methods == tuple(ranks.index)
    assert found.mean_ranks == pytest.approx(ranks.tolist())
    assert found.p_friedman == pytest.approx(stats.friedmanchisquare(*table.T).pvalue)
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(frame)
    for pair in found.pairs:
        assert pair.p_nemenyi == pytest.approx(nemenyi.loc[pair.first, pair.second])
        alone = stats.wilcoxon(frame[pair.first] - frame[pair.second]).pvalue
        assert alone <= pair.p_wilcoxon <= min(1, 3 * alone) + 1e-12
    assert found.critical_difference == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 12)), abs=2e-3)


def test_critical_difference_is_that_of_the_literature():
    """Demsar's example: four classifiers on fourteen data sets, CD = 1.25 at 5 %."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_equal_methods_and_two_methods():
    """Equal columns share the rank and have no test; two methods have Wilcoxon alone."""
    same = compare_methods(np.tile(np.linspace(0.5, 0.9, 5)[:, None], 3), ["a", "b", "c"])
    assert same.mean_ranks == (2, 2, 2)
    assert same.p_friedman is None
    assert {pair.p_wilcoxon for pair in same.pairs} == {None}
    two = compare_methods(np.array([[0.9, 0.8]] * 6), ["a", "b"])
    assert two.pairs[0].p_wilcoxon == pytest.approx(2 / 2**6)
    assert two.pairs[0].p_nemenyi is None
    for bad in (np.zeros((2, 2)), np.full((4, 2), np.nan)):
        with pytest.raises(ValueError, match="expected"):
            compare_methods(bad, ["a", "b"])


def test_robustness_area_is_the_mean_height():
    """A line's area is its middle, whatever the spacing; one level has none."""
    assert robustness_area({0: 1.0, 10: 0.9, 50: 0.5}) == pytest.approx(0.75)
    assert robustness_area({50: 0.5, 0: 0.5}) == pytest.approx(0.5)
    assert robustness_area({0: 1.0}) is None


@pytest.fixture(scope="module")
def frame():
    """Three methods on both datasets at six levels, one failed seed of one category."""
    failed = {("osr", "mvtec_ad", "grid", 20.0, 1): {"status": "failed", "error": "x"}}
    return make_frame(TABLE1, methods=["rad", "osr", "irp"], change=failed)


def test_statistics_of_a_table(frame):
    """Every category and complete average has its mean and interval; gaps are counted, not bad."""
    found = statistics_of(frame, "image_auroc")
    by_place = {(p.method, p.dataset, p.category, p.noise): p for p in found.places}
    one = by_place["rad", "mvtec_ad", "wood", 10.0]
    values = frame.query("method=='rad' and category=='wood' and noise==10")["image_auroc"]
    assert one.mean == pytest.approx(values.mean())
    assert one.sd == pytest.approx(values.std())
    assert one.interval.low < one.mean < one.interval.high
    withheld = by_place["osr", "mvtec_ad", AVERAGE, 20.0]
    assert (withheld.mean, withheld.mark, withheld.detail) == (None, Mark.INCOMPLETE, "14 of 15")
    assert "failed: osr/mvtec_ad/grid/noise20/seed1, x" in withheld.reason
    assert by_place["osr", "mvtec_ad", "grid", 20.0].n == 2
    whole = by_place["osr", "mvtec_ad", AVERAGE, 30.0]
    assert (whole.n, whole.categories) == (3, 15)
    mvtec, ksdd2 = found.overall
    assert (mvtec.blocks, mvtec.left_out) == (15, 1)
    assert mvtec.comparison.n == 15
    assert mvtec.levels == (0, 10, 30, 40, 50)
    assert (ksdd2.blocks, ksdd2.comparison) == (1, None)
    areas = mvtec.areas
    levels = frame.query("method=='rad' and dataset=='mvtec_ad' and noise!=20")
    curve = levels.groupby("noise")["image_auroc"].mean()
    expected = np.trapezoid(curve.to_numpy(), curve.index) / 50
    assert areas["rad"] == pytest.approx(expected, abs=1e-9)
    assert sum(mvtec.level_ranks.values()) == pytest.approx(6)


def test_outputs_show_the_same(frame):
    """Text and Markdown have the same digits; JSON has full precision; the diagram is drawn."""
    found = statistics_of(frame, "image_auroc")
    text, page = (render(found, "rad/table1", as_markdown=flag) for flag in (False, True))
    document = json.loads(render_json(found, "rad/table1"))
    assert len(document["places"]) == len(found.places)
    for place in [p for p in found.places if p.interval][:20]:
        shown = f"{100 * place.interval.low:.1f} to {100 * place.interval.high:.1f}"
        assert shown in text
        assert shown in page
    assert "1 place (category and level) left out" in " ".join(text.split())
    for shown in (text, page):
        assert "14 of 15" in shown
        assert "failed: osr" in shown
    withheld = [p for p in document["places"] if p["mark"] == "incomplete"]
    assert [(p["method"], p["category"], p["mean"]) for p in withheld] == [("osr", AVERAGE, None)]
    assert render_diagram(found, "svg").lstrip().startswith(b"<?xml")
    lonely = statistics_of(frame[frame.method == "rad"], "image_auroc")
    with pytest.raises(UsageError, match="three methods"):
        render_diagram(lonely, "svg")


def test_what_was_asked_for_and_is_missing_has_a_mark(frame):
    """Categories, levels and seeds of the target count, not those of the store."""
    some = frame[(frame.method == "rad") & (frame.dataset == "mvtec_ad")]
    some = some[~some.category.isin(["grid"]) & (some.noise <= 10)]
    asked = Asked(
        methods=("rad", "osr"),
        categories={d.name: d.categories for d in TABLE1.run.datasets},
        noise=(0.0, 10.0, 50.0),
        seeds={"rad": 3, "osr": 3},
    )
    found = statistics_of(some, "image_auroc", asked=asked)
    by_place = {(p.category, p.noise): p for p in found.places}
    assert by_place["grid", 0.0].mark is Mark.NOT_RUN
    assert by_place["grid", 0.0].reason == "3 of 3 not run"
    assert by_place[AVERAGE, 0.0].detail == "14 of 15"
    assert by_place[AVERAGE, 0.0].mean is None
    assert by_place[AVERAGE, 50.0].mark is Mark.NOT_RUN
    assert found.absent == ("osr",)
    assert found.overall[0].areas == {"rad": None}
    text = render(found, "rad/table1")
    assert "3 of 45 not run" in text
    assert "Without any result: osr." in text
    more = replace(asked, seeds={"rad": 5, "osr": 5})
    short = statistics_of(some, "image_auroc", asked=more)
    wood = next(p for p in short.places if (p.category, p.noise) == ("wood", 0.0))
    assert (wood.n, wood.planned, wood.reason) == (3, 5, "2 of 5 not run")
    assert "3 of 5" in render(short, "rad/table1")


@pytest.fixture(scope="module")
def broken():
    """Three methods, one of which fails in every cell of one dataset, and one that never ran."""
    lamp = {("irp", "mvtec_ad"): {"status": "failed", "error": "the lamp is broken\nmore"}}
    frame = make_frame(TABLE1, methods=["rad", "osr", "irp"], seeds=2, change=lamp)
    frame = frame[frame.noise <= 10]
    asked = Asked(
        methods=("rad", "osr", "irp", "mld_ir"),
        categories={d.name: d.categories for d in TABLE1.run.datasets},
        noise=(0.0, 10.0),
        seeds=dict.fromkeys(("rad", "osr", "irp", "mld_ir"), 2),
    )
    return frame, statistics_of(frame, "image_auroc", asked=asked)


LAMP = "irp (failed: irp/mvtec_ad/bottle/noise0/seed0 and 59 more, the lamp is broken)"


def test_methods_without_a_number_are_named(broken):
    """Asked for minus compared, each with its reason, in text, Markdown, LaTeX and JSON."""
    _, found = broken
    mvtec, ksdd2 = found.overall
    assert set(mvtec.comparison.methods) == set(mvtec.methods) == {"rad", "osr"}
    assert list(mvtec.uncompared) == ["irp", "mld_ir"]
    assert mvtec.uncompared["mld_ir"] == "60 of 60 not run"
    assert (set(ksdd2.methods), ksdd2.uncompared) == (
        {"rad", "osr", "irp"}, {"mld_ir": "4 of 4 not run"},
    )  # fmt: skip
    assert found.absent == ("mld_ir",)
    said = f"not compared, no number: {LAMP}, mld_ir (60 of 60 not run)"
    text = " ".join(render(found, "rad/table1").split())
    page, tex = render(found, "rad/table1", as_markdown=True), render_tex(found, "rad/table1")
    for shown, wanted in ((text, said), (page, markdown(said)), (tex, latex(said))):
        assert shown.count(wanted) == 1
        assert shown.count("levels that all compared methods have there") == 2
    document = json.loads(render_json(found, "rad/table1"))
    assert [one["uncompared"] for one in document["overall"]] == [
        dict(one.uncompared) for one in found.overall
    ]


def test_a_report_names_methods_without_a_number(broken):
    """The section of HTML, Markdown and LaTeX reports says it, once for all quantities."""
    frame, _ = broken
    model = build_model(TABLE1, frame)
    said = f"not compared, no number: {LAMP.replace('irp (', model.method_title('irp') + ' (')}"
    (line,) = [line for line in section(model).sentences if said in line]
    named = [title(metric) for metric in model.metrics if has_statistics(metric)]
    assert f", {', '.join(named)}: " in line
    wanted = 1
    context = ReportContext()
    page = html.unescape(render_html(model, context))
    assert page.count(said) == render_markdown(model, context).count(markdown(said)) == wanted
    assert render_latex(model).count(latex(said)) == wanted


@pytest.mark.parametrize("name", ["rad", "a-method-of-" + "someone-" * 12, "方法" * 30])
def test_text_fits_eighty_columns(frame, broken, name):
    """No line of the text is wider than 80 columns, and no digit of the Markdown is lost."""
    named = frame[frame.noise <= 20].replace({"method": {"rad": name}, "category": {"grid": name}})
    notes = ("a sentence " * 20, "x" * 200)
    for one in (statistics_of(named, "image_auroc", per_level=True), broken[1]):
        found = replace(one, notes=notes)
        text = render(found, "rad/table1")
        assert max(map(cell_len, text.splitlines())) <= 80
        assert all(line == line.rstrip() for line in text.splitlines())
        rows = [line for line in render(found, "x", as_markdown=True).splitlines() if "|" in line]
        numbers = re.compile(r"\d+\.\d+")
        inside = [n for row in rows[2:] for n in numbers.findall(row)]
        assert len(inside) > 100
        assert Counter(inside) - Counter(numbers.findall(text)) == Counter()


def test_one_method_has_its_area(frame):
    """The robustness figure of a method needs no second one; there is nothing to compare."""
    found = statistics_of(frame[frame.method == "rad"], "image_auroc").overall[0]
    alone = frame[(frame.method == "rad") & (frame.dataset == "mvtec_ad")]
    curve = alone.groupby("noise")["image_auroc"].mean()
    assert found.areas["rad"] == pytest.approx(np.trapezoid(curve, curve.index) / 50, abs=1e-9)
    assert (found.comparison, found.level_ranks) == (None, {})


def test_single_runs_ask_for_their_images(frame):
    """With one seed the interval comes from the test images; with several it does not."""
    asked = []
    single = frame[(frame.seed == 0) & (frame.method == "rad")]
    statistics_of(single, "image_auroc", interval_of_run=lambda run: asked.append(run.key))
    assert len(asked) == len(single)
    asked.clear()
    statistics_of(frame, "image_auroc", interval_of_run=lambda run: asked.append(run.key))
    assert asked == []


@pytest.mark.parametrize("metric", ["image_aurok", "training_h", "removal_recall", "removed"])
def test_quantities_without_statistics_are_refused(frame, metric):
    """A misspelt name, times and pooled ratios end with one line."""
    with pytest.raises(UsageError, match="unknown quantity"):
        statistics_of(frame, metric)


def test_methods_of_other_protocols_are_named(frame):
    """Methods with another resize are compared only with a sentence that says so."""
    sizes = {"rad": 448, "osr": 448, "irp": 256}
    marked = frame.assign(fingerprint=[f"a=1; resize={sizes[m]}" for m in frame["method"]])
    (note,) = statistics_of(marked, "image_auroc").notes
    assert "resize 448 (rad, osr), 256 (irp)" in note
    assert "a 1" not in note
    mixed = marked.assign(fingerprint=[f"a={s}" for s in marked["seed"]])
    with pytest.raises(UsageError, match="differ in fingerprint"):
        statistics_of(mixed, "image_auroc")


def test_tables_carry_the_interval(frame):
    """The CSV of a table bounds each mean as Student does; one seed and pooled ratios have none."""
    rows = list(csv.DictReader(io.StringIO(render_csv(build_model(TABLE1, frame)))))
    row = next(r for r in rows if (r["row"], r["column"], r["method"]) == ("wood", "10", "rad"))
    values = frame.query("method=='rad' and category=='wood' and noise==10")["image_auroc"]
    expected = seed_interval(values.tolist())
    assert (float(row["ci_low"]), float(row["ci_high"])) == pytest.approx(
        (expected.low, expected.high)
    )
    single = render_csv(build_model(TABLE1, frame[frame.seed == 0]))
    assert {row["ci_low"] for row in csv.DictReader(io.StringIO(single))} == {""}
