"""Statistics as LaTeX: type that can be read, every number, captions that say what they are of."""

import re

import pandas as pd
import pytest
from latex_reading import compile_pdf, needs_tex
from table_frames import make_frame

from adrepro.reports import cells
from adrepro.reports.escape import latex
from adrepro.reports.latex import render_latex, render_standalone
from adrepro.reports.latex_statistics import render_tex
from adrepro.reports.latex_texts import Row, Table, floats
from adrepro.reports.statistics import grids
from adrepro.reports.statistics_section import in_lines, section
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target
from adrepro.tables.statistics.summary import statistics_of

TABLE1 = load_target("table1")
LONG = "a-method-of-" + "someone-" * 8
# In place of the one that shrinks: tell how wide a table is by itself, and the line.
WIDTHS = r"""\newsavebox{\probebox}
\renewcommand{\resizebox}[3]{\sbox{\probebox}{#3}%
\typeout{NATURAL \the\wd\probebox\space OF \the\linewidth}}
"""
PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=18mm]{geometry}
"""


@pytest.fixture(scope="module")
def frames():
    """Three methods; one of them fails somewhere, with a reason; or has a very long name."""
    failed = {
        ("osr", "mvtec_ad", "grid", 20.0, 1): {"status": "failed", "error": "the lamp broke " * 9}
    }
    plain = make_frame(TABLE1, methods=["rad", "osr", "irp"], change=failed)
    return {"plain": plain, "long": plain.replace({"method": {"osr": LONG}})}


def scales(document, folder):
    """Natural widths of the tables as shares of the line."""
    probed = document.replace(r"\begin{document}", WIDTHS + r"\begin{document}")
    _, said = compile_pdf(probed, folder, "probe")
    found = re.findall(r"NATURAL ([0-9.]+)pt\s+OF\s+([0-9.]+)pt", said)
    assert len(found) == document.count(r"\begin{tabular}")
    return [float(width) / float(line) for width, line in found]


@needs_tex
@pytest.mark.parametrize("name", ["plain", "long"])
def test_no_table_shrinks_by_more_than_a_fifth(frames, name, tmp_path):
    """Statistics of a report and of `stats` keep four fifths of their type, and fit the page."""
    body = render_tex(statistics_of(frames[name], "image_auroc", per_level=True), "t")
    # LaTeX holds so many floats and no more; the file is for a text between them.
    body = body.replace("\\end{table}\n", "\\end{table}\n\\clearpage\n")
    (uses,) = re.findall(r"(?m)^% +(\\usepackage.*)$", body)
    own = f"{PREAMBLE}{uses}\n\\begin{{document}}\n{body}\\end{{document}}\n"
    for index, document in enumerate((render_standalone(build_model(TABLE1, frames[name])), own)):
        folder = tmp_path / str(index)
        folder.mkdir()
        assert max(scales(document, folder)) <= 1.25
        _, said = compile_pdf(document, folder)
        assert "Overfull" not in said
        assert "Float too large" not in said


def bodies(text):
    """Caption and lines of each table of texts."""
    found = []
    for part in text.split(r"\begin{table}")[1:]:
        caption = re.search(r"\\caption\{(.*)\}\n", part)
        body = re.search(r"\\midrule\n(.*)\\bottomrule", part, flags=re.DOTALL)
        found.append((caption[1], re.sub(r"\\\\\[2pt\]|\\midrule", "", body[1])))
    return found


def numbers_in(text):
    """Numbers with places: no count, no level."""
    return re.findall(r"\d+\.\d+", text)


def own_of(model):
    text = render_latex(model)
    parts = [part for part in text.split(r"\begin{table}") if "-statistics" in part]
    return bodies("".join(r"\begin{table}" + part for part in parts))


@pytest.mark.parametrize("name", ["plain", "long"])
def test_numbers_of_the_section_parse_back(frames, name):
    """Whatever the floats, they hold each number of the section as often as it has it."""
    model = build_model(TABLE1, frames[name])
    found = [n for _, body in own_of(model) for n in numbers_in(body)]
    wanted = [n for row in section(model).rows for n in numbers_in(" ".join(row))]
    assert sorted(found) == sorted(wanted)
    assert len(found) > 100


@pytest.mark.parametrize("name", ["plain", "long"])
def test_numbers_of_stats_parse_back(frames, name):
    """The file of `stats` has each number of its tables."""
    found = statistics_of(frames[name], "image_auroc")
    wanted = [n for grid in grids(found) for row in grid.rows for n in numbers_in(" ".join(row))]
    shown = [n for _, body in bodies(render_tex(found, "t")) for n in numbers_in(body)]
    assert sorted(shown) == sorted(wanted)


def test_captions_begin_with_what_the_images_are(frames):
    """On drawn images the first words say so, in bold; else they are the section's name."""
    banner = rf"\textbf{{{latex(cells.SYNTHETIC_BANNER)}}} "
    drawn = build_model(TABLE1, make_frame(TABLE1, methods=["rad"], stand_ins=True))
    assert drawn.synthetic
    assert own_of(drawn)[0][0].startswith(f"{banner}Statistics. ")
    assert own_of(build_model(TABLE1, frames["plain"]))[0][0].startswith("Statistics. ")


def test_a_second_float_says_only_that_it_continues(frames):
    """The text of the caption stands once, whatever the number of floats."""
    many = [
        frames["plain"].replace({"method": {"rad": f"rad{i}", "osr": f"osr{i}", "irp": f"irp{i}"}})
        for i in range(3)
    ]
    found = own_of(build_model(TABLE1, pd.concat(many)))
    assert len(found) > 1
    assert {caption for caption, _ in found[1:]} == {"Statistics, continued."}
    statistics = statistics_of(frames["plain"], "image_auroc")
    texts = [caption for caption, _ in bodies(render_tex(statistics, "t"))]
    assert "Intervals have 95" in texts[0]
    assert sum("Intervals have 95" in text for text in texts) == 1
    assert "t: image AUROC, continued." in texts


def test_wide_tables_are_split_and_repeat_their_names():
    """Columns are shared out evenly; names stand in every part; long ones become paragraphs."""
    heads = ("name", *(f"c{i}" for i in range(10)))
    rows = tuple(Row(texts=(f"row {i}", *["x" * 20] * 10)) for i in range(3))
    parts = bodies("".join(floats(Table(heads=heads, rows=rows, names=1), "All.", "More.", "t")))
    assert [caption for caption, _ in parts] == ["All.", *["More."] * (len(parts) - 1)]
    assert len(parts) > 1
    counts = [body.splitlines()[0].count("&") for _, body in parts]
    assert (sum(counts), max(counts) - min(counts) <= 1) == (10, True)
    assert all(body.count("row ") == 3 for _, body in parts)
    (long,) = floats(
        Table(heads=("a",), rows=(Row(texts=("word " * 30,)),), names=1), "All.", "More.", "t"
    )
    assert "p{45mm}" in long


def test_a_cell_stands_in_lines():
    """Interval and missing seeds have a line of their own; other words stay whole."""
    assert in_lines("72.8 ± 0.7 (71.0 to 74.6)") == "72.8 ± 0.7\n(71.0 to 74.6)"
    assert in_lines("72.8 ± 0.7 (71.0 to 74.6), 2 of 3 seeds").count("\n") == 2
    assert in_lines("72.8, 1 of 3 seeds") == "72.8\n1 of 3 seeds"
    assert in_lines("14 of 15") == "14 of 15"
