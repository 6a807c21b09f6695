"""LaTeX: three forms of every table compile, fit the page and parse back to the same numbers."""

import re
from dataclasses import replace

import pandas as pd
import pytest
from latex_reading import (
    bold_numbers,
    compile_pdf,
    needs_tex,
    numbers,
    pdf_text,
    read_floats,
    read_tables,
)
from table_frames import make_frame, make_row
from test_reports_text import CHANGE, INFOS, plain_cells

from adrepro.reports import cells
from adrepro.reports.context import MethodInfo
from adrepro.reports.escape import latex
from adrepro.reports.latex import PACKAGES, Form, render_latex, render_standalone
from adrepro.reports.latex_parts import Column, Part, Row, Table
from adrepro.reports.latex_tabular import split
from adrepro.tables.assemble import build_model
from adrepro.tables.generic import generic_target
from adrepro.tables.layout import Line, Place
from adrepro.tables.papers import list_targets, load_target

TARGETS = tuple(list_targets())
TABLE1 = load_target("table1")
RTX = {"device": "cuda", "device_name": "NVIDIA GeForce RTX 4090"}
CHANGES = {
    "rad/table1": CHANGE,
    "rad/table3": {("rad@no-bo", "mvtec_ad", "grid", 20.0): {"status": "failed", "error": "boom"}},
    "rad/table4": {
        ("rad",): RTX,
        ("irp",): RTX,
        ("irp", "mvtec_ad", "grid"): {"stacked": 4},
        ("osr",): {"exclusive": False},
    },
    "rad/removal": {("osr",): {"removed": 0.0, "removal_precision": None, "removal_recall": 0.0}},
}


def build(name, **options):
    """A target with made-up results that match the paper's protocol, so that it is compared."""
    target = load_target(name)
    titles = target.paper.methods
    infos = [
        MethodInfo(
            name=method,
            title=titles.get(method, method),
            paper_backbone="wide_resnet50_2" if method == "patchcore" else "alexnet",
        )
        for method in (*target.run.methods, "differnet", "patchcore")
    ]
    options = {"methods": target.run.methods, "change": CHANGES.get(name)} | options
    frame = make_frame(target, seeds=options.pop("seeds", 2), **options)
    if target.run.protocol == "added":
        frame = frame.assign(protocol="added/1:shortage=cap,max_level=100", image_size=256)
    return build_model(target, frame, methods=infos)


@pytest.fixture(scope="module")
def models():
    extra = {"rad/table1 rivals": build("rad/table1", methods=("rad", "differnet", "patchcore"))}
    return {name: build(name) for name in TARGETS} | extra


NAMES = (*TARGETS, "rad/table1 rivals")


def joined(table):
    """Rows of texts, places joined as the patterns of the packaged targets join them."""
    return [[name, "/".join(texts)] for name, texts in table]


def expected(block, grid):
    names = [re.sub(r"\s+", " ", row.spec.label) for row in block.rows]
    return [[name, "/".join(texts)] for name, texts in zip(names, grid, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_achieved_and_reported_parse_back(models, name):
    """Reported tables, then achieved ones: every place holds the model's text, bold the best."""
    model = models[name]
    text = render_latex(model)
    tables = read_tables(text)
    plain = [
        [
            [cells.reported(cell, lambda text, _bold: text) for cell in row.cells]
            for row in block.rows
        ]
        for block in model.reported
    ]
    blocks = [*zip(model.reported, plain, strict=True)]
    blocks += [(block, plain_cells(block)) for block in model.blocks]
    for block, grid in blocks:
        assert joined(tables.pop(0)) == expected(block, grid)
    assert tables == []
    best = [e.outcome.estimate.text for b in model.blocks for e in b.entries if e.best]
    printed = [
        str(n.value)
        for b in model.reported
        for r in b.rows
        for c in r.cells
        for n in (() if c.misprint else c.numbers)
        if n is not None and n.bold
    ]
    assert bold_numbers(text) == printed + best


@pytest.mark.parametrize("name", NAMES)
def test_spread_parses_back(models, name):
    """Mean, deviation and, in parentheses, the reported number stand in each place."""
    model = models[name]
    found = [
        text.replace("/", " ").split()
        for table in read_tables(render_latex(model, Form.SPREAD))
        for row in table
        for text in [" ".join(row[1])]
    ]
    flat = [word for words in found for word in words]
    wanted = []
    for block in model.blocks:
        joint = any(len(cell.place.metrics) > 1 for row in block.rows for cell in row.cells)
        shown = dict.fromkeys(entry.metric for entry in block.entries)
        for metrics in [[m] for m in shown] if joint else [list(shown)]:
            for row in block.rows:
                for entry in (e for cell in row.cells for e in cell.entries):
                    wanted += said(entry).split() if entry.metric in metrics else []
    assert sorted(flat) == sorted(wanted)
    assert any("(" in word for word in flat) == any(
        entry.reported is not None for block in model.blocks for entry in block.entries
    )


@pytest.mark.parametrize("name", NAMES)
def test_tables_of_one_quantity_have_a_caption_of_their_own(models, name):
    """Where joint entries are parted, no caption tells of entries that are not in the table."""
    model = models[name]
    text = " ".join(render_latex(model, Form.SPREAD).split())
    entries = [c for block in model.blocks for row in block.rows for c in row.cells]
    joint = any(len(cell.place.metrics) > 1 for cell in entries)
    assert ("One quantity of the joint entries" in text) == joint
    # The statistics that follow the tables are not of this kind.
    assert (latex(model.target.caption) in text) == (not joint and bool(model.blocks))


def said(entry):
    """What the second form says of an entry."""
    text = entry.outcome.text().replace("/", " ")
    estimate = entry.outcome.estimate
    text += f" ± {estimate.sd_text}" if estimate and estimate.sd is not None else ""
    return text + (f" ({entry.reported.value})" if entry.reported else "")


@pytest.mark.parametrize("name", NAMES)
def test_differences_parse_back(models, name):
    """The third form holds achieved minus reported of exactly the places that have both."""
    model = models[name]
    text = render_latex(model, Form.DIFFERENCE)
    tables = read_tables(text)
    for block in model.blocks:
        apart = cells.differences_apart(model, block, lambda text, _bold: text)
        if apart.rows:
            rows = [[label, "/".join(texts)] for label, _, texts in apart.rows]
            assert joined(tables.pop(0)) == rows
    assert tables == []
    if not any(entry.reported for block in model.blocks for entry in block.entries):
        barred = [m for m in model.methods if m.has_counterpart]
        why = "Not comparable with" if barred else "No result here has a reported number."
        assert "Nothing is compared." in text
        assert why in text
        assert all(latex(m.title) in text for m in barred)


def lines_of(model, form):
    """Name and numbers of each row of a form, as its source says."""
    return [
        (name, numbers(" ".join(texts)))
        for _, rows in read_floats(render_latex(model, form))
        for name, texts in rows
    ]


@needs_tex
@pytest.mark.parametrize("name", NAMES)
def test_pdf_fits_and_holds_the_numbers(models, name, tmp_path):
    """pdflatex takes all three forms, nothing stands beyond the margin, every number is there."""
    model = models[name]
    document = render_standalone(model)
    more = "\\clearpage\n".join(
        render_latex(model, form) for form in (Form.SPREAD, Form.DIFFERENCE)
    )
    document = document.replace(r"\end{document}", f"\\clearpage\n{more}\\end{{document}}")
    labels = re.findall(r"\\label\{(.*?)\}", document)
    assert len(set(labels)) == len(labels)
    pdf, said_by_tex = compile_pdf(document, tmp_path)
    assert "Overfull" not in said_by_tex
    assert "LaTeX Font Warning" not in said_by_tex
    assert not re.search(r"(?m)^(Package|LaTeX) .*Warning(?!: (Label|There were))", said_by_tex)
    lines = [re.sub(r"\s+", " ", line).strip() for line in pdf_text(pdf).splitlines()]
    for form in Form:
        for label, wanted in lines_of(model, form):
            own = [line for line in lines if line.startswith(label)]
            found = [numbers(line.removeprefix(label)) for line in own]
            assert wanted in found, (form, label, wanted, own)


@needs_tex
@pytest.mark.parametrize("form", Form)
def test_standalone_compiles_as_it_is(models, form, tmp_path):
    """Each form's own document needs nothing beside the packages that its head names."""
    document = render_standalone(models["rad/table1"], form)
    used = re.findall(r"(?m)^\\usepackage(?:\[.*\])?\{(\w+)\}", document)
    assert used == ["geometry", *PACKAGES]
    named = re.findall(r"(?m)^%   \\usepackage\{(\w+)\}", render_latex(models["rad/table1"], form))
    assert named == list(PACKAGES)
    compile_pdf(document, tmp_path)


def test_layout_is_the_papers():
    """Two head rows over the levels, rules between the groups, a caption and a label each."""
    model = build_model(TABLE1, make_frame(TABLE1, change=CHANGE), methods=INFOS)
    text = render_latex(model).partition(r"\caption{Statistics")[0]
    assert r"\multicolumn{12}{c@{}}{Noise Level (\%)}" in text
    assert r"Class & \multicolumn{2}{c}{0\%} & \multicolumn{2}{c}{10\%}" in text
    assert r"& \multicolumn{2}{c}{IA/PA}" in text
    assert text.count(r"S[table-format={2.1}]@{/}S[table-format={2.1}]") > 0
    assert text.count(r"\label{tab:rad-table1-") == len(read_floats(render_latex(model))) == 3
    assert r"\adreprobold 91.4 & 90.1" in text  # bold as the paper prints it
    assert text.count("\\midrule\n") == 3 * 3


@pytest.mark.parametrize("form", Form)
def test_synthetic_data_show_no_reported_number(form):
    """On synthetic data no form has a reported number, and each says what it is."""
    text = render_latex(build("rad/table1", stand_ins=True, methods=("rad",)), form)
    assert "as reported" not in text
    assert "In parentheses" not in text
    assert "minus reported" not in text
    assert "Embedded synthetic data" in text
    assert "(" not in "".join(t for table in read_tables(text) for _, ts in table for t in ts)


def test_a_cell_is_closer_than_its_columns():
    """Between the numbers of a cell stands less than between columns, whatever their length.

    Deviations of 0.4 and 10.4 in one column are set left, at their means.
    """
    frame = make_frame(TABLE1, methods=["rad"])
    far = (frame["noise"] == 0) & (frame["seed"] == 1) & (frame["category"] == "bottle")
    frame.loc[far, "image_auroc"] = 0.2
    rad = MethodInfo(name="rad", title="RAD", paper_backbone="alexnet", paper_image_size=448)
    text = render_latex(build_model(TABLE1, frame, methods=[rad]), Form.SPREAD)
    (colsep,) = {float(found) for found in re.findall(r"\\tabcolsep\}\{(\d+)pt", text)}
    (line, *_) = re.findall(r"\\begin\{tabular\}\{(.*)\}$", text, flags=re.MULTILINE)
    first, second, *_ = line.removeprefix("@{}l").split("S[table-format={2.1}]")[1:]
    # One reported number is 100, without places.
    assert first == r"@{\,}l@{\,}l"
    assert second.startswith(r"@{\,}S[table-format={{$\pm$}1.1}]@{\,}")
    thin = 9 / 6  # points, of 9 point type
    assert 2 * colsep > 4 * thin


def test_one_seed_has_no_deviation():
    """Without a second seed the form with deviations says so and shows no ±."""
    text = render_latex(build("rad/table2", seeds=1, methods=("rad",)), Form.SPREAD)
    assert "One seed: no standard deviation." in text
    assert r"$\pm$" not in text


def test_columns_of_mixed_patterns_are_text():
    """Where rows of a column show different quantities, its cells are whole texts."""
    target = load_target("table1")
    rows = [
        replace(row, at=replace(row.at, cell="{image_auroc} ({f1})" if i % 2 else "{f1}"))
        for i, row in enumerate(target.layout.rows)
    ]
    target = replace(
        target, numbers=(), layout=replace(target.layout, rows=tuple(rows), at=Place())
    )
    model = build_model(target, make_frame(target, methods=["rad"]))
    (table,) = read_tables(render_latex(model))
    (block,) = model.blocks
    found = [[text.replace("~", " ") for text in texts] for _, texts in table]
    assert found == plain_cells(block)


def test_wide_and_long_tables_are_split():
    """Columns stay with their group where they can; each part repeats the names of the rows."""
    fields = tuple((Part(digits="98.7"), Part(digits="97.1")) for _ in range(12))
    columns = tuple(
        Column(line=Line(id=str(i), label=f"c{i}", group="ab"[i // 6]), joints=("/",))
        for i in range(12)
    )
    rows = tuple(Row(label=f"row {i}", group="", fields=fields) for i in range(50))
    parts = split(Table(columns=columns, rows=rows))
    assert [[c.line.group for c in part.columns] for part in parts] == [["a"] * 6, ["b"] * 6] * 2
    assert [len(part.rows) for part in parts] == [40, 40, 10, 10]
    assert [row.label for part in parts[::2] for row in part.rows] == [r.label for r in rows]


TIES = {
    0.98650: "98.7",  # numpy and pandas round it to 98.6
    0.00049: "0.0",
    1.0: "100.0",
    0.1225: "12.3",
}


@pytest.mark.parametrize(("value", "shown"), TIES.items())
def test_digits_are_those_of_every_output(value, shown):
    """A tie, a whole hundred and almost nothing have the digits of the one formatter."""
    frame = pd.DataFrame([make_row("m", "parts", "nut", 0.0, 0, image_auroc=value)])
    model = build_model(generic_target(frame), frame)
    words = [t for table in read_tables(render_latex(model)) for _, ts in table for t in ts]
    assert shown in words
