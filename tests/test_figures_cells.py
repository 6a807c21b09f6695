"""Figures of single cells, and the command that draws figures from a store."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from table_frames import make_frame

from adrepro.reports.evidence import Evidence
from adrepro.reports.figures import (
    Material,
    cell_curves,
    default_cells,
    histogram,
    inline_svg,
    missing,
    qualitative,
    render_named,
)
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target
from conftest import World

SIDE = 16


def evidence(key, **changes):
    """Made-up evidence: eight nominal and twelve anomalous images of two kinds."""
    draw = np.random.default_rng(int(key[:8], 16))
    labels = np.arange(20) >= 8
    maps = draw.random((20, 4, 4), dtype=np.float32)
    names = [("good", "hole", "stain")[0 if not b else 1 + i % 2] for i, b in enumerate(labels)]
    masks = np.zeros((20, SIDE, SIDE), dtype=bool)
    masks[8:, 4:8, 4:8] = True
    found = Evidence(
        key=key,
        ids=tuple(f"bottle/test/{name}/{i:03}.png" for i, name in enumerate(names)),
        hashes=tuple(f"hash {i}" for i in range(20)),
        labels_N=labels,
        scores_N=draw.normal(0, 1, 20) + 1.5 * labels,
        threshold=0.75,
        train_scores_M=draw.normal(0, 1, 30),
        train_injected_M=np.arange(30) < 6,
        maps_NHW=maps,
        image_size=SIDE,
        measured_map=lambda i: np.kron(maps[i], np.ones((4, 4), dtype=np.float32)),
        image=lambda i: np.full((SIDE, SIDE, 3), 10 * i, dtype=np.uint8),
        mask=lambda i: masks[i],
    )
    return replace(found, **changes)


@pytest.fixture(scope="module")
def found():
    """Material of two methods at one place."""
    target = load_target("rad/table1")
    frame = make_frame(target, methods=["differnet", "patchcore"], seeds=1)
    model = build_model(target, frame)
    return Material(model=model, evidence=evidence, cells=default_cells(model))


def test_default_cells_are_one_place(found):
    """Without a choice: the first category at the highest level, a cell per method."""
    places = {(run.dataset, run.category, run.noise, run.seed) for run in found.cells}
    assert places == {("mvtec_ad", "bottle", 50.0, 0)}
    assert [run.method for run in found.cells] == ["differnet", "patchcore"]


def test_roc_is_sklearns_and_its_marker_the_threshold(found):
    """Curves are scikit-learn's in percent; the marker is what the threshold detects."""
    axis = cell_curves.draw_roc(found, 7.16).axes[0]
    curves = [line for line in axis.lines if line.get_marker() == "None"][1:]
    marks = [line for line in axis.lines if line.get_marker() != "None"]
    for run, curve, mark in zip(found.cells, curves, marks, strict=True):
        own = evidence(run.key)
        false, true, _ = roc_curve(own.labels_N, own.scores_N)
        assert np.allclose(curve.get_data(), (100 * false, 100 * true))
        hit = own.scores_N > own.threshold
        at = (100 * hit[~own.labels_N].mean(), 100 * hit[own.labels_N].mean())
        assert np.allclose([value[0] for value in mark.get_data()], at)
        assert curve.get_color() == mark.get_color()


def test_precision_recall_area_is_the_average_precision(found):
    """The area under the drawn steps is the average precision."""
    axis = cell_curves.draw_pr(found, 3.5).axes[0]
    curves = [line for line in axis.lines if line.get_drawstyle() == "steps-pre"]
    for run, curve in zip(found.cells, curves, strict=True):
        recall, precision = curve.get_data()
        area = float(np.sum(np.diff(recall) * precision[1:])) / 1e4
        assert area == pytest.approx(cell_curves.ap(evidence(run.key)))


def test_histograms_hold_every_image_and_the_threshold(found):
    """Each group's bars come to 100 percent, and the line stands at the threshold."""
    figure = histogram.draw(found, 7.16)
    for axis in figure.axes:
        heights = [patch.get_data().values.sum() for patch in axis.patches]
        assert heights == pytest.approx([100, 100, 100])
        (line,) = axis.lines
        assert line.get_xdata()[0] == 0.75
    injected = histogram.groups(evidence(found.cells[0].key))[histogram.INJECTED]
    assert len(injected) == 6


def test_long_tails_are_binned_on_a_logarithmic_scale():
    """Scores over orders of magnitude keep every image, and the scale has plain numbers."""
    values = np.geomspace(1, 1e5, 20)
    edges, logarithmic = histogram.bins(values)
    assert logarithmic
    assert np.histogram(values, edges)[0].sum() == 20
    edges, logarithmic = histogram.bins(np.array([-1.0, 2.0, 300.0]))
    assert not logarithmic
    assert np.histogram([-1.0, 2.0, 300.0], edges)[0].sum() == 3


def test_grid_shows_the_middle_image_of_each_kind(found):
    """A column per kind of defect and one nominal, the same images for all methods."""
    own = evidence(found.cells[0].key)
    picks = qualitative.chosen(own, 7)
    kinds = [qualitative.kind_of(own.ids[i]) for i in picks]
    assert kinds == ["hole", "stain", "good"]
    for index, kind in zip(picks, kinds, strict=True):
        members = [i for i, name in enumerate(own.ids) if qualitative.kind_of(name) == kind]
        ranked = sorted(members, key=lambda i: own.scores_N[i])
        assert index == ranked[(len(ranked) - 1) // 2]
    figure = qualitative.draw(found, 7.16)
    images = [a.images[0].get_array() for a in figure.axes if a.images and a.images[0]]
    # Images and masks once, then map and overlay of two methods, in three columns.
    assert len(images) == 3 * (2 + 2 * 2)
    assert np.array_equal(images[0], own.image(picks[0]))


def test_grid_is_a_page_of_straight_columns(found):
    """However many methods there are, a column's images stand below each other, on a page."""
    runs = tuple(replace(found.cells[0], method=f"m{i}", key=f"{i:064x}") for i in range(6))
    for width in (3.5, 7.16):
        for cells in (found.cells, runs):
            figure = qualitative.draw(replace(found, cells=cells), width)
            assert figure.get_size_inches()[0] == width
            assert figure.get_size_inches()[1] <= 9.3
            lefts = {round(a.get_position().x0, 5) for a in figure.axes if a.images and a.images[0]}
            assert len(lefts) == 3
            assert max(a.get_position().x1 for a in figure.axes) < 1
            assert min(a.get_position().y0 for a in figure.axes) > 0


def test_what_is_missing_is_said(found):
    """No maps, no images, no store: each is a reason of its own."""

    def why(**changes):
        return missing(replace(found, evidence=lambda key: evidence(key, **changes)))

    assert "--keep-maps" in why(maps_NHW=None)["grid"]
    assert "smoothed" in why(measured_map=lambda _: None)["grid"]
    assert "--data-root" in why(image=lambda _: None)["grid"]
    assert "both" in why(labels_N=np.ones(20, dtype=bool))["roc"]
    assert set(missing(replace(found, evidence=None))) >= {"roc", "pr", "scores", "grid"}
    assert set(missing(replace(found, evidence=lambda _: None))) >= {"roc", "scores", "grid"}


@pytest.mark.parametrize("name", ["roc", "pr", "scores", "grid"])
def test_renders_are_equal_and_have_alt_texts(found, name):
    """Two renders give the same bytes; the inline form names what it shows."""
    for kind in ("svg", "pdf", "png"):
        first = render_named(name, found, kind, width="column")
        assert first == render_named(name, found, kind, width="column")
        assert b"/Type3" not in first
    svg = inline_svg(name, found, prefix="a")
    assert 'aria-label="' in svg
    assert "50 % label noise" in svg.split(">")[0]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store with the tiny table, with maps."""
    from bundle_worlds import write_bundle

    from adrepro.harness.cli import invoke

    root = tmp_path_factory.mktemp("figures")
    write_bundle(root)
    run = ["tiny/table1", "--papers", root / "papers", "--store", root / "maps", "--seeds", "1"]
    run += ["-m", "toys:Filter", "--data-root", root / "data", "--out", root / "out", "-j", "1"]
    assert invoke([str(a) for a in [*run, "--device", "cpu", "--quiet", "--keep-maps"]]) == 0
    return root


def test_command_draws_from_the_store(stored, tmp_path, capsys):
    """Files are named by figure and place; what is not drawn has its reason on stderr."""
    cli = World(tmp_path, capsys)
    common = ("figures", "tiny/table1", "--papers", stored / "papers", "--store", stored / "maps")
    common += ("--seeds", "1", "-m", "toys:Filter", "--out", tmp_path / "drawn")
    assert cli.reproduce(*common, "--format", "svg", "--data-root", stored / "data") == 0
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert {name.rpartition(".")[2] for name in names} == {"svg"}
    for kind in ("roc", "pr", "scores", "grid"):
        assert sum(f"_{kind}_mvtec_ad_" in name for name in names) == 1, names
    assert "ablation: not drawn, it needs two variants" in cli.stderr
    only = ("--only", "grid", "--data-root", tmp_path)
    assert cli.reproduce(*common, *only) == 1
    assert "--data-root" in cli.stderr
    assert cli.reproduce(*common, "--only", "noize") == 2
    assert "noise" in cli.stderr
    assert cli.reproduce(*common, "--format", "gif") == 2
    assert cli.reproduce(*common, "--cell", "no/such") == 2
    assert "no such cell" in cli.stderr
