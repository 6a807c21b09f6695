"""CSV, Markdown, LaTeX and terminal: the same digits as the model, and hostile text inert."""

import csv
import html
import io
import re

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console
from table_frames import make_frame, make_row

from adrepro.reports import cells
from adrepro.reports.context import MethodInfo, ReportContext
from adrepro.reports.escape import csv_text, latex, markdown, one_line
from adrepro.reports.latex import render_latex, render_standalone
from adrepro.reports.partial import without_empty
from adrepro.reports.terminal import print_report
from adrepro.reports.text import CSV_COLUMNS, render_csv, render_markdown
from adrepro.tables.assemble import build_model
from adrepro.tables.formatting import Mark
from adrepro.tables.generic import generic_target
from adrepro.tables.papers import load_target

TABLE1 = load_target("table1")
INFOS = (
    MethodInfo(name="differnet", title="DifferNet", paper_backbone="alexnet"),
    MethodInfo(name="patchcore", title="PatchCore", paper_backbone="wide_resnet50_2"),
)
CHANGE = {
    ("patchcore", "mvtec_ad", "screw", 50.0, 2): {"status": "failed", "error": "boom\ntrace"},
    ("patchcore", "mvtec_ad", "grid", 40.0): {"status": "failed", "error": "boom"},
    ("patchcore", "ksdd2", "ksdd2", 30.0): {"status": "pending"},
    ("differnet", "ksdd2", "ksdd2"): {"pixel_auroc": None},
}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "{% raw %}",
    r"\input{/etc/passwd}",
    r"$&%_#~^\{}",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1-1",
    "@SUM(A1)",
    "| a | b |",
    "[link](javascript:alert(1))",
    "# head",
    "line\nbreak\r\n\x1b[31mred",
    "ünïcode 中文 ✗ – …",
    "--- ``quote'' ?`",
]


@pytest.fixture(scope="module")
def model():
    return build_model(TABLE1, make_frame(TABLE1, change=CHANGE), methods=INFOS)


def plain_cells(block):
    """The cells of a table as plain texts, by the model's own rule."""
    return [
        [cells.achieved(cell, lambda text, _bold: text) for cell in row.cells] for row in block.rows
    ]


def test_csv_parses_back(model):
    """Every line of the CSV carries the model's number, at full precision and as shown."""
    lines = list(csv.DictReader(io.StringIO(render_csv(model))))
    assert tuple(lines[0]) == CSV_COLUMNS
    assert len(lines) == 2 * 17 * 6 * 2
    found = {(x["method"], x["row"], x["column"], x["metric"]): x for x in lines}
    for block in model.blocks:
        for row in block.rows:
            for column, cell in zip(model.columns, row.cells, strict=True):
                for entry in cell.entries:
                    line = found[block.method, row.spec.id, column.id, entry.metric]
                    estimate = entry.outcome.estimate
                    if estimate is None:
                        assert (line["shown"], line["mean"], line["n"]) == ("", "", "0")
                        assert Mark[line["mark"].upper()] is entry.outcome.mark
                    else:
                        assert line["shown"] == entry.outcome.text()
                        assert float(line["mean"]) == float(estimate.mean)
                        assert float(line["sd"]) == estimate.sd
                        assert int(line["n"]) == estimate.n
                    reported = str(entry.reported.value) if entry.reported else ""
                    assert line["reported"] == reported


def test_csv_reported_only_where_comparable(model):
    """Two averages stated for DifferNet are the only reported numbers in the CSV."""
    lines = [x for x in csv.DictReader(io.StringIO(render_csv(model))) if x["reported"]]
    assert [(x["method"], x["row"], x["column"], x["reported"]) for x in lines] == [
        ("differnet", "average", "0", "91.9"),
        ("differnet", "average", "50", "76.7"),
    ]
    for line in lines:
        expected = float(line["shown"]) - float(line["reported"])
        assert float(line["difference"]) == pytest.approx(expected, abs=1e-9)


def markdown_tables(text):
    tables, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            tables.append(rows)
            rows = []
    return tables


def test_markdown_parses_back(model):
    """The tables of the Markdown hold the model's cells in the paper's order."""
    tables = markdown_tables(render_markdown(model, ReportContext(methods=INFOS)))
    grids = [t for t in tables if t[0][0] == "Class"]
    assert len(grids) == 3
    for block, grid in zip(model.blocks, grids[1:], strict=True):
        found = [[re.sub(r"\*\*| \(n=.*\)", "", c) for c in row[1:]] for row in grid[2:]]
        assert found == plain_cells(block)
    wood = next(row for row in grids[0] if row[0] == "Wood")
    assert wood[1] == "100/99.4"


def shown(model, width, encoding="utf-8"):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    print_report(model, Console(file=stream, width=width, force_terminal=False))
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_terminal_never_cuts_a_number(model, width):
    """At any width every cell of every method is there in full."""
    text = shown(model, width)
    for block in model.blocks:
        for row in plain_cells(block):
            for cell in row:
                assert all(word in text for word in cell.split()), cell
    assert "boom" in text


def test_terminal_fits_80_columns(model):
    """No line of the report is wider than the terminal."""
    assert max(len(line) for line in shown(model, 80).splitlines()) <= 80


def test_terminal_without_utf8(model):
    """A terminal that knows only ASCII gets ASCII marks."""
    text = shown(model, 80, encoding="ascii")
    assert text.isascii()
    assert "14 of 15" in text
    assert Mark.FAILED.meaning in text


def markdown_tokens(text):
    """Kinds of all tokens that a Markdown parser finds."""
    found = set()
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        found |= {token.type} | {child.type for child in token.children or ()}
    return found


def hostile_model(text):
    # One word of markup for each place where foreign text can stand.
    rows = [
        make_row(text, "parts", text, 0.0, seed, backbone=text, settings=text, weights=text)
        for seed in range(2)
    ]
    rows.append(make_row(text, "parts", "nut", 0.0, 0, status="failed", error=text))
    rows[-1] |= dict.fromkeys(("backbone", "settings", "weights"), text)
    frame = pd.DataFrame(rows)
    info = MethodInfo(name=text, title=text, paper=text, departures=(text,), overrides=(text,))
    return build_model(generic_target(frame, name=text, title=text), frame, methods=[info]), info


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    """Markup, formulas and control characters of others never work in any text format."""
    model, info = hostile_model(text)
    context = ReportContext(methods=(info,), command=text, environment={text: text})
    for line in csv.reader(io.StringIO(render_csv(model))):
        for field in line:
            numeric = re.fullmatch(r"[-+]?\d+(\.\d+)?(e-?\d+)?", field)
            assert numeric or not field.startswith(("=", "+", "-", "@", "\t", "\r"))
    md = render_markdown(model, context)
    tokens = markdown_tokens(md)
    assert not tokens & {"html_inline", "html_block", "link_open", "image", "code_inline", "hr"}
    assert "{{" not in md
    assert "\x1b" not in md + render_latex(model) + shown(model, 200)
    tex = render_standalone(model)
    assert "\\input{" not in re.sub(r"(?m)^%.*$", "", tex)
    assert "/etc/passwd" not in tex or r"\textbackslash{}input\{/etc/passwd\}" in tex


@given(st.text(max_size=60))
def test_latex_escape_is_closed(text):
    """Escaped LaTeX is ASCII with balanced braces and none of the active characters bare."""
    escaped = latex(text)
    assert escaped.isascii()
    maths = r"\$-\$|\$\^\{\d\}\$|\$\^\{\\circ\}\$|\$\\[A-Za-z]+\$"
    bare = re.sub(rf"{maths}|\\[{{}}$&%#_]|\\[a-zA-Z]+\{{\}}|\\[`'^~\"]|\\[a-z]", "", escaped)
    assert not set("$&%#_~^\\") & set(bare)
    assert bare.count("{") == bare.count("}")


@given(st.text(max_size=60))
def test_csv_escape_blocks_formulas(text):
    """No escaped text starts like a formula or holds a line break."""
    safe = csv_text(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert "\n" not in safe


@given(st.text(max_size=60))
@example("a | b")
@example("1. x")
@example("1) x")
@example("- x")
@example("# x")
@example("> x")
@example("&amp; &#64;")
@example("**b** _i_ `c` ~~s~~")
@example("![x](y) <a> https://x.y")
def test_markdown_renders_as_the_text(text):
    """A Markdown renderer shows the text itself, as a line and in a table's cell."""
    plain = html.escape(one_line(text), quote=False).replace('"', "&quot;")
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = parser.render(f"| h |\n| --- |\n| x{markdown(text)} |\n")
    assert re.findall(r"<td>(.*?)</td>", page, flags=re.DOTALL) == [f"x{plain}"]
    if plain:
        assert parser.render(markdown(text)) == f"<p>{plain}</p>\n"


def test_one_row_left_out_is_said_in_the_singular():
    """One row: has and is; several: have and are."""
    frame = make_frame(TABLE1, methods=["differnet"], seeds=1)
    _, said = without_empty(build_model(TABLE1, frame[frame["dataset"] == "mvtec_ad"]))
    assert said == "1 of 17 rows has nothing in this run and is left out here"
    _, said = without_empty(build_model(TABLE1, frame[frame["dataset"] == "ksdd2"]))
    assert said == "16 of 17 rows have nothing in this run and are left out here"
