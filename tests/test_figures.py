"""Figures of whole tables: what is drawn is the frame's numbers, literally named, byte for byte."""

import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
from table_frames import make_frame

from adrepro.datasets.errors import UnknownNameError, UsageError
from adrepro.reports.context import MethodInfo, ReportContext
from adrepro.reports.figures import (
    FIGURES,
    Material,
    ablation,
    available,
    categories,
    inline_svg,
    missing,
    noise,
    pareto,
    ranks,
    removal,
    render_named,
)
from adrepro.reports.figures.style import PALETTE, look_of, looks
from adrepro.reports.html_figures import figures
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target

METHODS = ("rad", "differnet", "patchcore")
PAGE, COLUMN = 7.16, 3.5
HOSTILE = ("$x_1$", "<script>alert(1)</script>", "n" * 200, "\\input{x}", "_hidden", "{{7*7}}")
TABLE = ("noise", "categories", "pareto", "removal", "ranks")


def material(name="rad/table1", titles=None, noise_levels=None, **options):
    """Material of a target on a made-up frame."""
    target = load_target(name)
    if noise_levels:
        target = replace(target, run=replace(target.run, noise=noise_levels))
    options.setdefault("seeds", 2)
    options.setdefault("methods", METHODS if name == "rad/table1" else target.run.methods)
    frame = make_frame(target, **options)
    infos = [
        MethodInfo(name=m, title=(titles or {}).get(m, m.title())) for m in frame.method.unique()
    ]
    return frame, Material(model=build_model(target, frame, methods=tuple(infos)))


@pytest.fixture(scope="module")
def drawn():
    """The first table of the RAD paper."""
    return material()


def line_of(axis, color, style=None):
    """Data of the line of a colour."""
    lines = [x for x in axis.lines if x.get_color() == color and (style in (None, x.get_marker()))]
    return np.column_stack(lines[0].get_data())


def test_noise_lines_are_the_frames_means(drawn):
    """The solid line of a method in a panel is its mean over seeds and categories, in percent."""
    frame, found = drawn
    figure = noise.draw(found, PAGE)
    own = frame[(frame.method == "patchcore") & (frame.dataset == "mvtec_ad")]
    wanted = 100 * own.groupby("noise")["image_auroc"].mean()
    line = line_of(figure.axes[0], looks(found.model)["patchcore"].color)
    assert line[:, 0].tolist() == wanted.index.tolist()
    assert line[:, 1] == pytest.approx(wanted.to_numpy())
    assert figure.axes[0].get_ylim()[1] <= 101


def test_noise_figure_has_the_reported_points():
    """Hollow markers stand at the numbers that the paper prints of a method."""
    _, found = material("rad/fig3", methods=["rad", "osr"], seeds=1)
    axis = noise.draw(found, PAGE).axes[0]
    hollow = [x for x in axis.lines if x.get_markerfacecolor() == "none"]
    color = looks(found.model)["osr"].color
    (points,) = [np.column_stack(x.get_data()) for x in hollow if x.get_color() == color]
    assert points.tolist() == [[0.0, 92.8], [50.0, 78.1]]


@pytest.mark.parametrize("width", [PAGE, COLUMN])
def test_one_level_shows_markers_with_intervals_and_no_lines(width):
    """A run of one level has no curve: no line is drawn, and none stands in the legend."""
    frame, found = material(noise_levels=(10.0,), seeds=3)
    figure = noise.draw(found, width)
    axis = figure.axes[0]
    assert {line.get_linestyle() for line in axis.lines} == {"None"}
    legend = figure.legends[0]
    assert {line.get_linestyle() for line in legend.get_lines()} == {"None"}
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["image AUROC", "pixel AUROC"]
    # An interval per method and quantity.
    assert len(axis.collections) == 2 * frame.method.nunique()


def test_categories_have_a_panel_each(drawn):
    """Small multiples: a panel per category, its lines the category's means."""
    frame, found = drawn
    figure = categories.draw(found, PAGE)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert len(shown) == frame.groupby(["dataset", "category"]).ngroups
    axis = next(a for a in shown if a.get_title(loc="left").lower() == "screw")
    own = frame[(frame.method == "rad") & (frame.category == "screw")]
    wanted = 100 * own.groupby("noise")["image_auroc"].mean()
    line = line_of(axis, looks(found.model)["rad"].color) if len(wanted) else None
    if line is not None:
        assert line[:, 1] == pytest.approx(wanted.to_numpy())


def test_ablation_puts_variants_side_by_side():
    """Each level has a marker per variant at its mean, none on another's place."""
    frame, found = material("rad/table3")
    axis = ablation.draw(found, PAGE).axes[0]
    look = looks(found.model)
    seen = []
    for name in frame.method.unique():
        own = frame[(frame.method == name) & (frame.dataset == "mvtec_ad")]
        wanted = 100 * own.groupby("noise")["image_auroc"].mean()
        line = line_of(axis, look[name].color, look[name].marker)
        assert line[:, 1] == pytest.approx(wanted.to_numpy())
        assert np.round(line[:, 0]).tolist() == list(range(len(wanted)))
        seen += line[:, 0].tolist()
    assert len(set(seen)) == len(seen)


def test_pareto_spots_and_front():
    """A spot is the mean time and quality over shared cells; the front is what none beats."""
    times = {"rad": 9.0, "differnet": 3.0, "patchcore": 1.0}
    change = {(name,): {"fit_s": value, "latency_ms": None} for name, value in times.items()}
    frame, found = material(change=change)
    assert not pareto.why_not(found)
    axis = pareto.draw(found, PAGE).axes[0]
    axis.figure.canvas.draw()
    # A logarithmic axis has plain numbers, as formulas are drawn literally.
    ticks = [tick.get_text() for tick in axis.get_xticklabels(which="both") if tick.get_text()]
    assert len(ticks) > 1
    assert all(float(text) > 0 for text in ticks)
    for name in frame.method.unique():
        look = looks(found.model)[name]
        ((x, y),) = line_of(axis, look.color, look.marker)
        own = frame[(frame.method == name) & (frame.dataset == "mvtec_ad")]
        assert x == pytest.approx(times.get(name, own.fit_s.mean()))
        assert y == pytest.approx(100 * own.image_auroc.mean())
    spots = [pareto.Spot(*s) for s in (("a", 1, 50), ("b", 2, 40), ("c", 3, 90), ("d", 3, 80))]
    assert [spot.method for spot in pareto.front(spots)] == ["a", "c"]


def test_pareto_compares_no_two_devices_and_no_shared_ones():
    """Times that were not taken alone, or on another device, are not drawn."""
    _, found = material(change={("rad",): {"device_name": "other"}})
    assert "2 devices" in pareto.why_not(found)
    _, shared = material(change={(name,): {"exclusive": False} for name in METHODS})
    assert "alone" in pareto.why_not(shared)


def test_removal_is_pooled_and_random_removal_is_the_share(drawn):
    """Precision over levels is pooled by what was removed; the dashed line is the noise share."""
    frame, found = drawn
    axis = removal.draw(found, PAGE).axes[0]
    name = frame.method.iloc[0]
    own = frame[(frame.method == name) & (frame.dataset == "mvtec_ad") & (frame.noise > 0)]
    pooled = own.groupby("noise").apply(
        lambda g: 100 * (g.removal_precision * g.removed).sum() / g.removed.sum(),
        include_groups=False,
    )
    line = line_of(axis, looks(found.model)[name].color)
    assert line[~np.isnan(line[:, 1])][:, 1] == pytest.approx(pooled.to_numpy())
    chance = line_of(axis, "#7F7F7F")
    share = frame.groupby("noise")[["n_train_noisy", "n_train"]].sum()
    assert chance[:, 1] == pytest.approx((100 * share.n_train_noisy / share.n_train).to_numpy())


def test_removal_names_what_it_leaves_out(drawn):
    """A method that takes images out and lacks a category at every level is named."""
    _, found = drawn
    assert removal.left_out(found) == ""
    gap = {("rad", "mvtec_ad", "grid"): {"status": "pending"}}
    _, found = material(change=gap, titles={"rad": "RAD & <b>"})
    said = removal.left_out(found)
    assert "RAD & <b> on MVTec AD" in said
    assert "Differnet" not in said
    shown = [one for one in figures(found.model, ReportContext()) if one["id"] == "figure-removal"]
    assert shown[0]["caption"].endswith(said)


def test_rank_diagram_stands_at_the_mean_ranks(drawn):
    """The markers of the critical-difference diagram stand at the statistics' mean ranks."""
    _, found = drawn
    axis = ranks.draw(found, PAGE).axes[0]
    (one,) = ranks.tested(found.statistics)
    marks = sorted(float(p[0]) for c in axis.collections for p in c.get_offsets())
    assert marks == pytest.approx(sorted(one.comparison.mean_ranks))


def test_a_method_has_one_colour_in_every_figure(drawn):
    """Colour and marker go with the method; after ten, colours meet other markers."""
    _, found = drawn
    look = looks(found.model)["rad"]
    for module in (noise, categories, removal, pareto):
        figure = module.draw(found, PAGE)
        legend = figure.legends[0]
        handles = {
            text.get_text(): handle
            for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
        }
        assert handles["Rad"].get_color() == look.color
        assert handles["Rad"].get_marker() == look.marker
    assert len({(look_of(i).color, look_of(i).marker) for i in range(40)}) == 40
    assert look_of(len(PALETTE)).color == look_of(0).color


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("start", "width"), [(0, "column"), (3, "page")])
def test_hostile_names_are_drawn_literally_and_bytes_repeat(name, start, width):
    """Names are no formula, no markup and no command; two renders give the same bytes."""
    _, found = material(titles=dict(zip(METHODS, HOSTILE[start:], strict=False)), seeds=1)
    first = render_named(name, found, "svg", width=width)
    assert first == render_named(name, found, "svg", width=width)
    assert b"<script" not in first
    words = set(re.findall(r"<!-- (.*?) -->", first.decode()))
    if name in ("noise", "categories"):
        short = [text for text in HOSTILE[start:][:3] if len(text) < 30 and "<" not in text]
        assert {text.strip() for text in words} >= set(short)
    svg = inline_svg(name, found)
    assert "<script" not in svg
    assert svg.startswith("<svg role=")
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert all(text.startswith(f"{name}-") for text in ids)
    assert len(set(ids)) == len(ids)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]*)', svg))
    assert used <= set(ids)


@pytest.mark.parametrize("name", TABLE)
def test_pdf_has_embedded_fonts_and_its_width(drawn, name):
    """Fonts of a PDF are embedded TrueType, none is Type 3; the page is as wide as asked."""
    for width, inches in (("column", COLUMN), ("page", PAGE)):
        data = render_named(name, drawn[1], "pdf", width=width)
        assert width == "page" or data == render_named(name, drawn[1], "pdf", width=width)
        text = data + b"".join(_streams(data))
        assert b"/Type3" not in text
        assert b"/FontFile2" in text
        assert b"/CreationDate" not in text
        box = re.search(rb"/MediaBox\s*\[\s*0 0 ([0-9.]+) ([0-9.]+)", text)
        assert float(box[1]) / 72 == pytest.approx(inches, abs=0.01)


def _streams(data):
    for found in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.S):
        try:
            yield zlib.decompress(found[1])
        except zlib.error:
            continue


def test_what_cannot_be_drawn_says_why(drawn):
    """Each figure is either available or missing with a reason; asking for it anyway is refused."""
    _, found = drawn
    names = {one.name for one in available(found)}
    why = missing(found)
    assert names | set(why) == {one.name for one in FIGURES}
    assert not names & set(why)
    assert {"roc", "pr", "scores", "grid", "ablation"} <= set(why)
    with pytest.raises(UsageError, match="variants"):
        render_named("ablation", found, "svg")
    with pytest.raises(UnknownNameError, match="noise"):
        render_named("noize", found, "svg")
    with pytest.raises(UnknownNameError, match="page"):
        render_named("noise", found, "svg", width="pages")
    _, nothing = material(change={(name,): {"status": "pending"} for name in METHODS})
    assert "ranks" in missing(nothing)
    assert "pareto" in missing(nothing)
    assert "removal" in missing(nothing)


def test_synthetic_figures_say_so():
    """Every figure of synthetic data says on its face that it is no reproduction."""
    _, found = material(stand_ins=True)
    for one in available(found):
        figure = one.draw(found, PAGE)
        assert "no reproduction" in figure.get_suptitle()


def test_category_is_named_after_its_dataset_only_where_it_is_its_namesake():
    """A category whose name is part of a dataset's is not that dataset."""
    _, found = material()
    assert found.category_title("mvtec_ad", "m") == "m"
    assert found.category_title("ksdd2", "ksdd2") == found.dataset_title("ksdd2") != "ksdd2"
    assert found.category_title("synthetic_ksdd2", "ksdd2") == "synthetic_ksdd2"


def test_pareto_takes_times_over_shared_cells_only():
    """Slow levels that another method lacks count for neither: time and quality are of one set."""
    slow = {("rad", "mvtec_ad"): {"fit_s": 1000.0}}
    frame, _ = material(change=slow)
    at_zero = frame["noise"] == 0
    frame.loc[at_zero & (frame["method"] == "rad"), "fit_s"] = 10.0
    kept = frame[at_zero | (frame["method"] != "patchcore")]
    model = build_model(load_target("rad/table1"), kept)
    runs = [run for run in model.runs if run.dataset == "mvtec_ad"]
    spots = {s.method: s.time for s in pareto._spots(runs, "image_auroc", "training_h", 3600.0)}
    assert spots["rad"] == pytest.approx(10.0)
