"""Comparisons err as often as they say; reports show what `stats` prints."""

import html

import numpy as np
import pytest
from scipy import stats
from table_frames import make_frame

from adrepro.reports.context import ReportContext
from adrepro.reports.figures.noise import band
from adrepro.reports.html import render_html
from adrepro.reports.statistics import interval_text
from adrepro.reports.statistics_section import section
from adrepro.reports.text import render_markdown
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
            assert shaded == pytest.approx((100 * (found.mean - half), 100 * (found.mean + half)))
        else:
            assert np.isnan(shaded).all()
