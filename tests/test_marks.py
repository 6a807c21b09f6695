"""Missing is not bad: every reason for a missing number has a mark of its own."""

import csv
import html
import io
import json
import re

import pandas as pd
import pytest
from rich.console import Console
from table_frames import make_frame

from adrepro.reports.context import ReportContext
from adrepro.reports.data import table_document
from adrepro.reports.escape import latex
from adrepro.reports.html import render_html
from adrepro.reports.latex import render_latex
from adrepro.reports.terminal import print_report
from adrepro.reports.text import render_csv, render_markdown
from adrepro.tables.assemble import build_model
from adrepro.tables.formatting import Mark
from adrepro.tables.model import MethodInfo
from adrepro.tables.papers import load_target
from adrepro.tables.verdicts.judge import judge
from adrepro.tables.verdicts.verdict import Verdict

TABLE1 = load_target("table1")
INFOS = [MethodInfo(name="rad", title="RAD", paper_backbone="alexnet")]
CAUSES = {
    "bottle": ({"status": "failed", "error": "the lamp broke"}, Mark.FAILED, Verdict.FAILED),
    "cable": ({"status": "skipped", "error": "too few images"}, Mark.SKIPPED, Verdict.NOT_RUN),
    "capsule": ({"status": "pending"}, Mark.PENDING, Verdict.NOT_RUN),
    "carpet": (
        {"image_auroc": None, "pixel_auroc": None},
        Mark.UNDEFINED,
        Verdict.NOT_COMPARABLE,
    ),
}


@pytest.fixture(scope="module")
def frame():
    """RAD with a category for each cause; one more, grid, was never asked for."""
    change = {("rad", "mvtec_ad", name): cause for name, (cause, _, _) in CAUSES.items()}
    made = make_frame(TABLE1, methods=["rad"], change=change)
    return made[made.category != "grid"]


@pytest.fixture(scope="module")
def model(frame):
    return build_model(TABLE1, frame, methods=INFOS)


def test_every_mark_is_its_own():
    """No two marks share a symbol, nor an ASCII form, nor a meaning."""
    for name in ("symbol", "ascii", "meaning"):
        values = [getattr(mark, name) for mark in Mark]
        assert len(set(values)) == len(values), name


def test_causes_have_their_marks(model):
    """Failed, skipped, pending, not applicable and not run stand at their categories."""
    (block,) = model.blocks
    found = {
        row.spec.id: {e.outcome.mark for c in row.cells for e in c.entries} for row in block.rows
    }
    for name, (_, mark, _) in CAUSES.items():
        assert found[name] == {mark}
    assert found["grid"] == {Mark.NOT_RUN}
    assert found["wood"] == {None}
    assert found["average"] == {Mark.INCOMPLETE}
    average = next(row for row in block.rows if row.spec.id == "average")
    assert average.cells[0].entries[0].outcome.detail == "10 of 15"


def test_outputs_show_the_same_marks_and_reasons(model):
    """CSV names the marks; Markdown, HTML, LaTeX and the terminal show them, with the reasons."""
    rows = list(csv.DictReader(io.StringIO(render_csv(model))))
    named = {row["row"]: row["mark"] for row in rows}
    marks = {name: mark for name, (_, mark, _) in CAUSES.items()} | {"grid": Mark.NOT_RUN}
    assert {name: named[name] for name in marks} == {n: m.name.lower() for n, m in marks.items()}
    terminal = io.StringIO()
    print_report(model, Console(file=terminal, width=200))
    pages = {
        "markdown": render_markdown(model, ReportContext()),
        "html": render_html(model, ReportContext()),
        "terminal": terminal.getvalue(),
    }
    for name, text in pages.items():
        for mark in marks.values():
            assert mark.symbol in text, (name, mark)
        assert "the lamp broke" in text, name
        assert "too few images" in text, name
    latex = render_latex(model)
    assert r"$\times$" in latex
    assert "skipped" in latex


FIVE = {
    "grid": Mark.NOT_RUN,
    "bottle": Mark.FAILED,
    "cable": Mark.SKIPPED,
    "carpet": Mark.UNDEFINED,
}


def test_five_marks_are_the_same_symbols_in_every_output(frame):
    """Not run, failed, skipped, not applicable, not reported: one symbol each, explained."""
    # A second method, so that a category which one of them did not run has a line everywhere.
    other = make_frame(TABLE1, methods=["osr"])
    infos = [*INFOS, MethodInfo(name="osr", title="OSR", paper_backbone="alexnet")]
    model = build_model(TABLE1, pd.concat([frame, other], ignore_index=True), methods=infos)
    terminal = io.StringIO()
    print_report(model, Console(file=terminal, width=200))
    document = json.loads(json.dumps(table_document(model)))
    pages = {
        "terminal": terminal.getvalue(),
        "html": render_html(model, ReportContext()),
        "markdown": render_markdown(model, ReportContext()),
        "latex": render_latex(model),
    }
    rows = list(csv.DictReader(io.StringIO(render_csv(model))))
    for place, mark in FIVE.items():
        own = [r for r in rows if (r["method"], r["row"]) == ("rad", place)]
        assert {(r["mark"], r["symbol"]) for r in own} == {(mark.name.lower(), mark.symbol)}
        told = [n for n in document["numbers"] if (n["method"], n["row"]) == ("rad", place)]
        assert {(n["mark"], n["shown"]) for n in told} == {(mark.name.lower(), mark.symbol)}
        label = next(row.spec.label for row in model.blocks[0].rows if row.spec.id == place)
        written = {"latex": latex(mark.symbol)}
        for name, page in pages.items():
            symbol = written.get(name, mark.symbol)
            lines = [line for line in re.split(r"\n|</tr>", page) if label in line]
            assert any(symbol in line for line in lines), (name, mark)
    (none,) = {r["reported_symbol"] for r in rows if not r["reported"]}
    assert none == Mark.NOT_REPORTED.symbol
    assert {n["reported_shown"] for n in document["numbers"] if n["reported"] is None} == {none}
    for mark in (*FIVE.values(), Mark.NOT_REPORTED):
        told = document["marks"][mark.name.lower()]
        assert told == {"symbol": mark.symbol, "meaning": mark.meaning}
        for name, page in pages.items():
            symbol = latex(mark.symbol) if name == "latex" else mark.symbol
            flat = " ".join(html.unescape(page).split())
            assert mark.meaning in flat, (name, mark)
            assert symbol in flat, (name, mark)


def test_verdicts_call_nothing_missing_worse(frame):
    """Whatever is missing gets the verdict of its cause, never 'worse'."""
    check = judge(TABLE1, frame, methods=INFOS)
    said = {}
    for cell in (c for c in check.cells if c.method == "rad"):
        said.setdefault(cell.category, set()).add(cell.verdict)
    for name, (_, _, verdict) in CAUSES.items():
        assert said[name] == {verdict}
    assert said["grid"] == {Verdict.NOT_RUN}
    reasons = {c.reason for c in check.cells if c.category == "cable" and c.method == "rad"}
    assert reasons == {"skipped: too few images"}
