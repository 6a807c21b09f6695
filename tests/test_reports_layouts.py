"""Every target in every format: the model's numbers, nothing else, and nothing where none is."""

import csv
import io
import re

import pytest
from table_frames import make_frame
from test_reports_html import Page
from test_reports_text import markdown_tables, plain_cells, shown

from adrepro.reports.build import build_report
from adrepro.reports.context import MethodInfo, ReportContext
from adrepro.reports.curves import panels
from adrepro.reports.figures import has_figure, render_figure
from adrepro.reports.html import render_html
from adrepro.reports.latex import render_latex
from adrepro.reports.text import render_csv, render_markdown
from adrepro.tables.assemble import build_model
from adrepro.tables.outcome import EXTRAPOLATED
from adrepro.tables.papers import load_target

NAMES = ("table2", "table3", "table4", "fig3", "removal")
RTX = {"device": "cuda", "device_name": "NVIDIA GeForce RTX 4090"}
CHANGE = {
    "table2": {("osr",): {"backbone": "resnet18"}},
    "table3": {("rad@no-bo", "mvtec_ad", "grid", 20.0): {"status": "failed", "error": "boom"}},
    "table4": {
        ("rad",): RTX,
        ("irp",): RTX,
        ("irp", "mvtec_ad", "grid"): {"stacked": 4},
        ("osr",): {"exclusive": False},
    },
    "fig3": {},
    "removal": {("osr",): {"removed": 0.0, "removal_precision": None, "removal_recall": 0.0}},
}


def infos(target):
    names = target.paper.methods
    return tuple(
        MethodInfo(
            name=name,
            title=names.get(name, name),
            paper_backbone="wide_resnet50_2" if name == "patchcore" else "alexnet",
        )
        for name in target.run.methods
    )


def build(name, **options):
    target = load_target(name)
    methods = options.pop("methods", target.run.methods)
    preset = options.pop("preset", "paper")
    frame = make_frame(
        target, methods=methods, seeds=options.pop("seeds", 2), change=CHANGE[name], **options
    )
    return build_model(target, frame, methods=infos(target), preset=preset)


@pytest.fixture(scope="module")
def models():
    return {name: build(name) for name in NAMES}


def context(model):
    return ReportContext(methods=infos(model.target), version="0.2.0", command="reproduce it")


@pytest.mark.parametrize("name", NAMES)
def test_csv_holds_every_entry(models, name):
    """A line per entry, keyed by block, method, row, column and quantity."""
    model = models[name]
    lines = list(csv.DictReader(io.StringIO(render_csv(model))))
    entries = [
        (block.spec.id, entry.method, row.spec.id, column.id, entry.metric, entry)
        for block in model.blocks
        for row in block.rows
        for column, cell in zip(model.columns, row.cells, strict=True)
        for entry in cell.entries
    ]
    keys = [tuple(x[k] for k in ("block", "method", "row", "column", "metric")) for x in lines]
    assert keys == [item[:5] for item in entries]
    assert len(set(keys)) == len(keys)
    for line, (*_, entry) in zip(lines, entries, strict=True):
        found = entry.outcome.estimate
        assert line["shown"] == (found.text if found else "")
        assert line["mark"] == (entry.outcome.mark.name.lower() if entry.outcome.mark else "")
        assert line["reported"] == (str(entry.reported.value) if entry.reported else "")
        assert line["extrapolated"] == (found.extrapolated if found else "")


@pytest.mark.parametrize("name", NAMES)
def test_markdown_parses_back(models, name):
    """Each block's grid stands in the Markdown with the model's cells."""
    model = models[name]
    text = render_markdown(model, context(model))
    grids = [t for t in markdown_tables(text) if t[0][0] == model.target.layout.row_header]
    cells = [[[re.sub(r"\*\*| \(n=.*\)", "", c) for c in r[1:]] for r in g[2:]] for g in grids]
    for block in model.blocks:
        assert plain_cells(block) in cells


@pytest.mark.parametrize("name", NAMES)
def test_page_is_sound_and_holds_the_cells(models, name):
    """Tags are balanced, ids unique, links lead somewhere, cells are the model's."""
    model = models[name]
    page = Page(render_html(model, context(model)))
    assert (page.unbalanced, page.stack) == ([], [])
    assert len(page.ids) == len(set(page.ids))
    links = [a["href"] for t, a in page.tags if t == "a"]
    assert {link[1:] for link in links if not link.startswith("data:")} <= set(page.ids)
    assert all(table["caption"].strip() for table in page.tables)
    bodies = [
        [[cell["text"] for cell in row[1:]] for row in table["rows"]] for table in page.tables
    ]
    for block in model.blocks:
        wanted = plain_cells(block)
        assert any(body[-len(wanted) :] == wanted for body in bodies)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [30, 80, 200])
def test_terminal_never_cuts_a_number(models, name, width):
    """At any width every cell is there in full and no line is wider than the terminal."""
    text = shown(models[name], width)
    for block in models[name].blocks:
        for row in plain_cells(block):
            for cell in row:
                assert all(word in text for word in cell.split()), cell
    assert max(map(len, text.splitlines())) <= width
    assert shown(models[name], width, encoding="ascii").isascii()


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_written_are_returned(models, name, tmp_path):
    """A table over noise levels has a figure in three formats, another one has none."""
    target = load_target(name)
    frame = make_frame(target, methods=target.run.methods[:2], seeds=1)
    written = build_report(target, frame, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(p.name for p in written)
    figures = [p.name for p in written if p.suffix in (".svg", ".pdf", ".png")]
    assert figures == (
        [f"{target.slug}_noise.{kind}" for kind in ("svg", "pdf", "png")]
        if name in ("table3", "fig3", "removal")
        else []
    )
    assert has_figure(models[name]) == bool(figures)


def figure_words(model):
    return set(re.findall(r"<!-- (.*?) -->", render_figure(model, "svg").decode()))


def test_figure3_draws_ten_methods_and_the_reported_points(models):
    """Both panels hold a curve per method, hollow points where the paper states numbers."""
    model = models["fig3"]
    first, second = panels(model)
    assert [curve.method for curve in first.curves] == list(model.target.run.methods)
    assert len({curve.color for curve in first.curves}) == 10
    assert [len(curve.reported) for curve in first.curves] == [6, 2, 2, 2, 2, 0, 0, 0, 0, 0]
    assert [len(curve.reported) for curve in second.curves] == [6] + [0] * 9
    words = figure_words(model)
    assert {"(a) MVTec-AD", "(b) KSDD2", "hollow: as the paper reports", "SoftPatch"} <= words


def test_reported_points_keep_their_method_where_it_did_not_run():
    """Points of a method without results are drawn, in that method's colour and with its name."""
    first, second = panels(build("fig3", methods=("rad", "patchcore")))
    drawn = {curve.method: curve for curve in first.curves}
    assert drawn["osr"].empty
    assert [float(n.value) for _, n in drawn["osr"].reported] == [92.8, 78.1]
    colors = {c.method: c.color for c in (*first.curves, *second.curves)}
    assert len(set(colors.values())) == len(colors)


def test_synthetic_figure_has_no_reported_point():
    """On synthetic data Figure 3 shows achieved curves only, and says what they are."""
    model = build("fig3", methods=("rad", "osr"), stand_ins=True)
    assert not [c for panel in panels(model) for c in panel.curves if c.reported]
    words = figure_words(model)
    assert "Embedded synthetic data, no reproduction" in words
    assert "hollow: as the paper reports" not in words


def test_differences_of_a_joint_table_are_a_table(models):
    """Where rows are methods, achieved minus reported has the table's rows and columns."""
    model = models["table3"]
    text = shown(model, 100)
    assert "Achieved minus reported (percentage points)" in text
    page = Page(render_html(model, context(model)))
    table = next(t for t in page.tables if t["caption"].startswith("Achieved minus reported"))
    found = [[cell["text"] for cell in row[1:]] for row in table["rows"][-5:]]
    for row, texts in zip(model.blocks[0].rows, found, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            (entry,) = cell.entries
            if entry.difference is None:
                assert text == "14 of 15"
            else:
                assert float(text) == pytest.approx(
                    float(entry.outcome.text()) - float(entry.reported.value), abs=1e-9
                )


def test_extrapolated_times_are_marked_and_explained(models):
    """The sign, its meaning and from what it was extrapolated stand in every text output."""
    model = models["table4"]
    outputs = (
        " ".join(shown(model, 200).split()),
        render_markdown(model, context(model)),
        " ".join(Page(render_html(model, context(model))).text.split()),
    )
    for text in outputs:
        assert EXTRAPOLATED in text
        assert "not every category and seed was measured alone" in text
        assert "IRP, training time: 14 of 15 categories" in text
    assert r"$^{\ddagger}$ extrapolated" in render_latex(model)
    # No difference is taken from an extrapolated number.
    entry = next(e for e in model.blocks[0].entries if e.method == "irp")
    assert (entry.outcome.estimate.complete, entry.difference) == (False, None)
    assert "--jobs 1 --stack off" in " ".join(shown(model, 200).split())


def test_methods_with_one_fate_share_a_sentence(models):
    """A joint table says once which methods are compared, and why others are not."""
    text = " ".join(shown(models["table2"], 300).split())
    assert "RAD, MLD-IR, IRP, DifferNet: compared with the numbers that RAD reports." in text
    assert "OSR: not comparable with RAD: backbone resnet18 instead of alexnet." in text


def test_claims_stand_in_every_report(models):
    """The paper's claims and the measured winners are in Markdown, HTML and on the terminal."""
    model = models["fig3"]
    line = next(s for s in model.standings if s.dataset == "KSDD2" and s.noise == 50)
    winner = model.method_title(line.winners[0])
    rank = f"{line.rank('rad')} of 10"
    md = render_markdown(model, context(model))
    page = Page(render_html(model, context(model)))
    assert "What the paper claims, and what was measured" in md
    assert "claims" in page.ids
    for claim in model.target.claims:
        assert claim.text in page.text
    found = [t for t in page.tables if t["caption"].startswith("Methods in the order")]
    rows = [[cell["text"] for cell in row] for row in found[0]["rows"]]
    assert rows[-1][:5] == ["KSDD2", "50%", winner, line.order[0][1].text, rank]
    assert f"KSDD2 50%: {winner} {line.order[0][1].text}; RAD: {rank}" in shown(model, 200)


def test_caption_explains_what_is_hollow_and_what_is_grey():
    """The caption of the noise figure speaks of reported points where some are drawn."""
    from adrepro.reports.figures import Material
    from adrepro.reports.figures.noise import draw
    from adrepro.reports.figures.style import REPORTED
    from adrepro.reports.html_sections import figure_caption

    target = load_target("table1")
    rad = MethodInfo(name="rad", title="RAD", paper_backbone="alexnet", paper_image_size=448)
    own = build_model(target, make_frame(target, methods=["rad"]), methods=[rad])
    other = build_model(target, make_frame(target, methods=["patchcore"]))
    drawn = build_model(target, make_frame(target, methods=["rad"], stand_ins=True))
    for model, hollow, grey in ((own, True, True), (other, False, True), (drawn, False, False)):
        assert model.target.layout.block_per_method
        lines = [line for axis in draw(Material(model=model), 7.0).axes for line in axis.lines]
        assert any(line.get_markerfacecolor() == "none" for line in lines) == hollow
        assert any(line.get_color() == REPORTED for line in lines) == grey
        assert ("Hollow: as the paper reports it" in figure_caption(model)) == hollow
        assert ("Grey: RAD as its paper reports it" in figure_caption(model)) == grey
