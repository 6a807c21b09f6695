"""Comparisons err as often as they say; reports show what `stats` prints."""

import csv
import html
import io
import json
import re

import numpy as np
import pytest
from scipy import stats
from table_frames import make_frame

from adrepro.reports.context import ReportContext
from adrepro.reports.figures.noise import band
from adrepro.reports.figures.series import points
from adrepro.reports.html import render_html
from adrepro.reports.latex import render_latex
from adrepro.reports.latex_statistics import render_tex
from adrepro.reports.statistics import interval_text, render, render_json
from adrepro.reports.statistics_section import section
from adrepro.reports.text import render_csv, render_markdown
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target
from adrepro.tables.quantities import title
from adrepro.tables.statistics.overall import overall_of
from adrepro.tables.statistics.places import Place
from adrepro.tables.statistics.ranks import compare_methods
from adrepro.tables.statistics.summary import AVERAGE, statistics_of

TABLE1 = load_target("table1")


@pytest.fixture(scope="module")
def frame():
    """Three methods on both datasets at six levels, one failed seed of one category."""
    failed = {("osr", "mvtec_ad", "grid", 20.0, 1): {"status": "failed", "error": "x"}}
    return make_frame(TABLE1, methods=["rad", "osr", "irp"], change=failed)


def drawn_places(rng, *, methods, levels, categories=15):
    """No method is better: effects of categories, of levels, and of methods on categories."""
    names = [f"m{i}" for i in range(methods)]
    base = rng.normal(0.9, 0.05, categories)
    own = rng.normal(0, 0.02, (categories, methods))
    return [
        Place(
            method=name, dataset="d", category=f"c{c}", noise=float(level), sd=None, n=1,
            mean=float(base[c] + own[c, m] - 0.02 * level + rng.normal(0, 0.005)),
            planned=1, categories=1, interval=None,
        )
        for c in range(categories)
        for level in range(levels)
        for m, name in enumerate(names)
    ]  # fmt: skip


def rejections(found):
    """Whether Friedman, any Nemenyi pair, any Wilcoxon pair after Holm says "different"."""
    return (
        (found.p_friedman or 1) < 0.05,
        min(pair.p_nemenyi or 1 for pair in found.pairs) < 0.05,
        min(pair.p_wilcoxon or 1 for pair in found.pairs) < 0.05,
    )


def test_levels_are_no_repetitions():
    """Equal methods that suit categories differently: each test errs in 5 % of tables, not half."""
    rng, runs = np.random.default_rng(11), 300
    hits, as_blocks = np.zeros(3), 0
    for _ in range(runs):
        places = drawn_places(rng, methods=4, levels=6)
        found = overall_of(places)
        assert found.blocks == found.comparison.n == 15
        hits += rejections(found.comparison)
        table = np.array([place.mean for place in places]).reshape(-1, 4)
        as_blocks += (compare_methods(table, found.methods).p_friedman or 1) < 0.05
    assert (hits / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)).all(), hits / runs
    # What the test is for: a block per category and level finds differences that are not there.
    assert as_blocks / runs > 0.3


def test_levels_are_compared_one_by_one_if_asked():
    """At each level its categories alone, as the comparison of that level's table gives it."""
    places = drawn_places(np.random.default_rng(3), methods=3, levels=2)
    assert overall_of(places).by_level == {}
    found = overall_of(places, per_level=True)
    assert set(found.by_level) == {0.0, 1.0}
    values = np.array([p.mean for p in places if p.noise == 1.0]).reshape(15, 3)
    assert found.by_level[1.0] == compare_methods(values, ["m0", "m1", "m2"])
    mean = np.array([p.mean for p in places]).reshape(15, 2, 3).mean(axis=1)
    assert found.comparison.p_friedman == compare_methods(mean, ["m0", "m1", "m2"]).p_friedman


def test_reports_show_intervals_areas_and_ranks(frame):
    """HTML and Markdown have the digits of `stats`; the figure's caption names band and areas."""
    model = build_model(TABLE1, frame)
    found = statistics_of(frame, "image_auroc")
    whole = next(
        p for p in found.places
        if (p.method, p.dataset, p.category, p.noise) == ("rad", "mvtec_ad", AVERAGE, 10.0)
    )  # fmt: skip
    text = f"{100 * whole.mean:.1f} ± {100 * whole.sd:.1f} ({interval_text(whole.interval)})"
    area = f"{100 * found.overall[0].areas['rad']:.1f}"
    rank = f"{dict(zip(*ranks_of(found.overall[0]), strict=True))['rad']:.2f}"
    rows = [r for r in section(model).rows if r[0] == "rad" and r[2] == title("image_auroc")]
    assert rows[0][3] == "15 categories × 3 seeds"
    assert (text in rows[0], rows[0][-2:]) == (True, (area, rank))
    osr = next(r for r in section(model).rows if r[0] == "osr")
    assert "14 of 15" in osr
    page, plain = render_html(model, ReportContext()), render_markdown(model, ReportContext())
    for shown in (page, plain):
        assert text in shown
        assert "15 categories, each the mean over the levels" in shown
    caption = page[page.index("<figcaption>") : page.index("</figcaption>")]
    assert "95 % interval of the mean" in html.unescape(caption)
    curve = [100 * p.mean for p in found.places
             if (p.method, p.dataset, p.category) == ("rad", "mvtec_ad", AVERAGE)]  # fmt: skip
    under = np.trapezoid(curve, [0, 10, 20, 30, 40, 50]) / 50
    assert f"rad {under:.1f} / " in caption
    assert "osr" not in caption.split("Area under")[1].split(";")[0]  # its curve has a gap


def ranks_of(one):
    return one.comparison.methods, one.comparison.mean_ranks


def test_the_band_is_the_interval(frame):
    """What the figure shades around a mean is Student's interval, and nothing for one seed."""
    for part, bounded in ((frame, True), (frame[frame.seed == 0], False)):
        (block, *_) = build_model(TABLE1, part).blocks
        entry = block.rows[0].cells[0].entries[0]
        found = entry.outcome.estimate
        shaded = band(entry)
        if bounded:
            half = stats.t.ppf(0.975, found.n - 1) * found.sd / np.sqrt(found.n)
            ends = [min(max(100 * (found.mean + s * half), 0), 100) for s in (-1, 1)]
            assert shaded == pytest.approx(ends)
        else:
            assert np.isnan(shaded).all()


@pytest.fixture(scope="module")
def ends():
    """Two seeds near both ends of the scale: Student's interval passes 100, and 0."""
    frame = make_frame(TABLE1, methods=["rad", "osr"], seeds=2)
    for method, values in (("rad", (0.99, 0.96)), ("osr", (0.01, 0.05))):
        for seed, value in enumerate(values):
            where = (frame["method"] == method) & (frame["seed"] == seed)
            frame.loc[where, ["image_auroc", "pixel_auroc"]] = value
    return frame


def test_no_interval_leaves_the_scale(ends):
    """Whatever is printed or drawn of an interval lies in 0 to 100, and the reports say so."""
    mean, sd = 0.975, np.std([0.99, 0.96], ddof=1)
    assert mean + stats.t.ppf(0.975, 1) * sd / np.sqrt(2) > 1
    model = build_model(TABLE1, ends)
    found = statistics_of(ends, "image_auroc")
    assert {place.interval.high for place in found.places if place.method == "rad"} == {1.0}
    assert {place.interval.low for place in found.places if place.method == "osr"} == {0.0}
    rad = [place for place in found.places if place.method == "rad"]
    assert {point.high for point in points(rad)} == {100.0}
    document = json.loads(render_json(found, "t"))
    assert {place["interval"]["high"] for place in document["places"]} >= {1.0}
    texts = [render(found, "t"), render(found, "t", as_markdown=True), render_tex(found, "t")]
    texts += [render_markdown(model, ReportContext())]
    for text in texts:
        printed = re.findall(r"(-?[0-9.]+) to (-?[0-9.]+)", text)
        assert printed
        assert all(0 <= float(low) <= float(high) <= 100 for low, high in printed)
        assert "cut at 0 and 100" in " ".join(text.split())
    rows = csv.DictReader(io.StringIO(render_csv(model)))
    bounds = [(float(r["ci_low"]), float(r["ci_high"])) for r in rows if r["ci_low"]]
    assert {low for low, _ in bounds} >= {0.0}
    assert all(0 <= low <= high <= 1 for low, high in bounds)
    for block in model.blocks:
        for entry in block.entries:
            low, high = band(entry)
            assert np.isnan(low) or 0 <= low <= high <= 100


def test_captions_of_drawn_intervals_say_where_they_are_cut(ends):
    """The page says it at each figure with intervals, and in its section of statistics."""
    text = html.unescape(render_html(build_model(TABLE1, ends), ReportContext()))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text, flags=re.DOTALL)
    with_interval = [caption for caption in captions if "95 % interval" in caption]
    assert len(with_interval) >= 2
    assert all("cut at 0 and 100" in caption for caption in with_interval)
    assert text.count("cut at 0 and 100") == len(with_interval) + 1


def test_a_dataset_without_numbers_is_named():
    """Page, Markdown and LaTeX name a dataset on which no method has a number, and say why."""
    failed = {("rad", "ksdd2"): {"status": "failed", "error": "out of memory"}}
    frame = make_frame(TABLE1, methods=["rad"], seeds=2, change=failed)
    own = [s for s in section(build_model(TABLE1, frame)).sentences if s.startswith("KSDD2")]
    assert len(own) == 1
    assert own[0].startswith(
        "KSDD2, image AUROC, pixel AUROC: no method has a number: rad (failed: "
    )
    assert "out of memory" in own[0]
    model = build_model(TABLE1, frame)
    for render_one in (render_markdown, render_html):
        shown = " ".join(html.unescape(render_one(model, ReportContext())).split())
        assert "KSDD2, image AUROC, pixel AUROC: no method has a number" in shown
    assert "KSDD2, image AUROC, pixel AUROC: no method has a number" in render_latex(model)
    # A dataset of the table that was not run at all is named, too.
    model = build_model(TABLE1, frame[frame["dataset"] == "mvtec_ad"])
    said = "KSDD2, image AUROC, pixel AUROC: no method has a number: not run."
    assert said in section(model).sentences


def test_no_number_at_all_leaves_no_empty_table():
    """Where no method has a number anywhere the reasons stand alone."""
    failed = {("rad",): {"status": "failed", "error": "out of memory"}}
    model = build_model(TABLE1, make_frame(TABLE1, methods=["rad"], seeds=1, change=failed))
    page = html.unescape(render_html(model, ReportContext()))
    own = page[page.index('<section id="statistics">') :]
    own = own[: own.index("</section>")]
    assert "<table" not in own
    assert own.count("no method has a number") == 2
    assert "no method has a number" in render_latex(model)


def test_what_ran_of_the_categories_is_counted():
    """Where one category of fifteen ran, the row says "1 of 15", and no mean over fifteen."""
    part = make_frame(TABLE1, methods=["differnet"], seeds=2)
    (row, *_) = section(build_model(TABLE1, part[part["category"] == "tile"])).rows
    assert row[3] == "1 of 15 categories × 2 seeds"
    (row, *_) = section(build_model(TABLE1, part[part["dataset"] == "mvtec_ad"])).rows
    assert row[3] == "15 categories × 2 seeds"
