"""What stands beside the numbers in every output: few seeds, notes, levels not reached."""

import csv
import io
import re
from dataclasses import replace

import pytest
from table_frames import make_frame
from test_reports_text import HOSTILE, INFOS, markdown_tokens, shown

from adrepro.reports import notes
from adrepro.reports.build import build_report
from adrepro.reports.context import MethodInfo, ReportContext
from adrepro.reports.escape import latex, markdown
from adrepro.reports.html import render_html
from adrepro.reports.latex import Form, render_latex, render_standalone
from adrepro.reports.text import render_csv, render_markdown
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target
from adrepro.tables.runs import read_runs
from adrepro.tables.training import training

TABLE1 = load_target("table1")
CONTEXT = ReportContext(methods=INFOS)
RAD = MethodInfo(name="rad", title="RAD", paper_backbone="alexnet")
MISSED = {("differnet", "mvtec_ad", "bottle", 50.0): {"noise_effective": 48.8, "n_train": 84}}


def flat(text):
    return " ".join(text.split())


# The data of the page, and what reads it; the policy allows no other script.
OWN_SCRIPTS = ['<script type="application/json" id="data">', "<script>"]


def noted(note):
    """Table 1 with one note on every printed number of RAD and DifferNet."""
    return replace(TABLE1, numbers=tuple(replace(n, note=note) for n in TABLE1.numbers))


def test_few_seeds_are_said_in_every_output():
    """One seed beside the mean of three trials is said in terminal, HTML, Markdown and LaTeX."""
    asked = replace(TABLE1, run=replace(TABLE1.run, seeds=1))
    model = build_model(asked, make_frame(asked, seeds=1), methods=INFOS)
    words = "1 seed; the paper's table is the mean of 3 trials."
    assert words in flat(shown(model, 200))
    assert words.replace("'", "&#39;") in render_html(model, CONTEXT)
    assert markdown(words) in render_markdown(model, CONTEXT)
    captions = re.findall(r"\\caption\{(.*)\}", render_latex(model))
    assert sum(latex(words) in caption for caption in captions) == len(model.blocks)


def test_notes_on_reported_numbers_are_shown():
    """A note stands in every output that shows the number, for tables and comparisons."""
    model = build_model(noted("best epoch on test"), make_frame(TABLE1), methods=INFOS)
    own = "RAD as reported, all: best epoch on test"
    other = "DifferNet as reported, all: best epoch on test"
    page = render_html(model, CONTEXT)
    for text in (flat(shown(model, 200)), page, render_markdown(model, CONTEXT)):
        assert text.count(own) == 1
        assert text.count(other) == 1
    # LaTeX has a file per form: each says what belongs to the numbers it shows.
    assert render_latex(model).count(own) == 1
    assert render_latex(model, Form.DIFFERENCE).count(other) == 1
    assert render_latex(model, Form.SPREAD).count(other) == 2  # a table per quantity
    assert page.count('title="best epoch on test"') >= 204
    lines = list(csv.DictReader(io.StringIO(render_csv(model))))
    assert {bool(x["reported"]): x["reported_note"] for x in lines} == {
        True: "best epoch on test",
        False: "",
    }


def test_a_note_on_one_number_names_it():
    """Where only some numbers bear a note, the footnote says which."""
    numbers = tuple(
        replace(n, note="typo?")
        if (n.method, n.row, n.column, n.metric) == ("rad", "bottle", "10", "pixel_auroc")
        else n
        for n in TABLE1.numbers
    )
    model = build_model(replace(TABLE1, numbers=numbers), make_frame(TABLE1), methods=INFOS)
    words = "RAD as reported, Bottle 10% (pixel AUROC): typo?"
    assert words in render_html(model, CONTEXT)
    assert words in render_markdown(model, CONTEXT)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_notes_stay_text(text):
    """A note is data of a user's file: it never becomes markup, a command or a formula."""
    frame = make_frame(TABLE1, methods=["rad"], seeds=1)
    model = build_model(noted(text), frame, methods=[RAD])
    page = render_html(model, CONTEXT)
    assert re.findall(r"<script[^>]*>", page) == OWN_SCRIPTS
    assert "<script>alert" not in page
    assert "<img" not in page
    assert not re.search(r"title=\"[^\"]*\"[^\s>]", page)
    tokens = markdown_tokens(render_markdown(model, CONTEXT))
    assert not tokens & {"html_inline", "html_block", "link_open", "image", "code_inline", "hr"}
    assert "\\input{" not in re.sub(r"(?m)^%.*$", "", render_standalone(model))
    for line in csv.DictReader(io.StringIO(render_csv(model))):
        assert not line["reported_note"].startswith(("=", "+", "-", "@", "|", "%"))


@pytest.mark.parametrize(("size", "reached", "nearest"), [(60, 35.0, True), (60, 36.7, False),
                                                          (7, 28.5714285714, True)])  # fmt: skip
def test_level_that_whole_images_cannot_give_is_said_to_be_the_nearest(size, reached, nearest):
    """Of 60 images 21 are nearest to 34.2 %, 22 are not; two of seven are nearest to 34.2 %."""
    change = {("differnet", "mvtec_ad", "bottle", 40.0): {
        "noise": 34.2, "noise_effective": reached, "n_train": size}}  # fmt: skip
    frame = make_frame(TABLE1, change=change)
    (missed,) = training([run for run in read_runs(frame) if float(run.noise) == 34.2]).missed
    assert missed == ("mvtec_ad", "bottle", "34.2", f"{reached:.1f}", nearest)
    assert (abs(round(0.342 * size) - reached / 100 * size) < 0.1) == nearest


def test_nearest_level_is_explained_in_the_note():
    """The mark stays, as the number was made at that level; its line says that none is nearer."""
    change = {("differnet", "mvtec_ad", "bottle", 50.0): {"noise_effective": 50.6, "n_train": 81}}
    model = build_model(TABLE1, make_frame(TABLE1, change=change), methods=INFOS)
    words = "Bottle 50% → 50.6% (whole images come no nearer)."
    assert notes.reached_note(model, model.blocks[0]).endswith(words)
    assert words in flat(shown(model, 200))
    assert words in render_markdown(model, CONTEXT)


def test_levels_not_reached_bear_a_dagger():
    """Cell and average bear the dagger in every output; one line per table says the level."""
    model = build_model(TABLE1, make_frame(TABLE1, change=MISSED), methods=INFOS)
    entry = model.blocks[0].rows[0].cells[5].entries[0]
    image, pixel = (e.outcome.text() for e in model.blocks[0].rows[0].cells[5].entries)
    assert entry.off_level
    words = "another noise level was reached than the nominal one: Bottle 50% → 48.8%."
    assert "whole images" not in notes.reached_note(model, model.blocks[0])
    terminal = flat(shown(model, 200))
    assert f"{image}/{pixel}†" in terminal
    assert terminal.count(f"†: {words}") == 1
    md = render_markdown(model, CONTEXT)
    assert f"{image}/{pixel}† |" in md
    assert md.count(f"\n† {words}\n") == 1
    tex = render_latex(model)
    column = r"2.1{$^{\dagger}$}}]"  # whose width has room for it
    assert tex.count(r"$^{\dagger}$") == 3 + tex.count(column)  # cell, its average, the caption
    assert rf"{pixel}{{$^{{\dagger}}$}}" in tex
    assert latex(words) in tex
    page = render_html(model, CONTEXT)
    assert page.count(f"† {words}") == 1
    # Table: cell and average; overview: both metrics; comparison: the stated average.
    assert page.count('<sup class="off"') == 5


def test_dagger_on_an_ascii_terminal():
    """A terminal that knows only ASCII gets a plus and an arrow of two characters."""
    model = build_model(TABLE1, make_frame(TABLE1, change=MISSED), methods=INFOS)
    text = shown(model, 200, encoding="ascii")
    assert text.isascii()
    assert "Bottle 50% -> 48.8%." in flat(text)
    image, pixel = (e.outcome.text() for e in model.blocks[0].rows[0].cells[5].entries)
    assert f"{image}/{pixel}+" in text


def test_no_dagger_where_levels_are_reached():
    """Without a missed level no output explains a dagger below a table."""
    model = build_model(TABLE1, make_frame(TABLE1), methods=INFOS)
    assert "†" not in shown(model, 200) + render_markdown(model, CONTEXT)
    assert r"\dagger" not in render_latex(model)
    assert '<sup class="off"' not in render_html(model, CONTEXT)


def test_csv_says_what_was_trained_on():
    """Images, mislabelled ones and their share are means over seeds; averages have none."""
    change = {
        ("differnet", "mvtec_ad", "bottle", 50.0, 0): {"noise_effective": 48.8, "n_train": 84},
        ("differnet", "ksdd2"): {"n_train": None, "noise_effective": None, "n_train_noisy": None},
    }
    frame = make_frame(TABLE1, methods=["differnet"], change=change)
    model = build_model(TABLE1, frame, methods=INFOS)
    lines = {
        (x["row"], x["column"]): (x["n_train"], x["n_train_noisy"], x["noise_effective"])
        for x in csv.DictReader(io.StringIO(render_csv(model)))
    }
    assert lines["bottle", "50"] == ("94.6667", "50", "49.6")
    assert lines["bottle", "10"] == ("100", "10", "10")
    assert lines["average", "50"] == lines["ksdd2", "50"] == ("", "", "")


def test_overview_leaves_out_what_the_figure_may_not_show():
    """The page's overview holds no reported line under another protocol; the table stays."""
    frame = make_frame(TABLE1).assign(protocol="added/1:shortage=cap,max_level=100")
    model = build_model(TABLE1, frame, methods=INFOS)
    page = render_html(model, CONTEXT)
    overview = page[page.index('id="overview"') :]
    assert "reported" not in overview[: overview.index("</section>")]
    assert (
        "RAD as reported is for reference and not plotted beside the results: protocol added/1"
        in page
    )
    assert "Every number as the paper prints it" in page


def test_two_reports_with_all_footnotes_are_byte_equal(tmp_path):
    """Footnotes and daggers do not depend on the render."""
    target, frame = noted("best epoch on test"), make_frame(TABLE1, seeds=2, change=MISSED)
    one = build_report(target, frame, tmp_path / "a", context=CONTEXT)
    other = build_report(target, frame, tmp_path / "b", context=CONTEXT)
    for left, right in zip(one, other, strict=True):
        assert left.read_bytes() == right.read_bytes(), left.name


def test_the_noise_protocol_is_named():
    """LaTeX and Markdown say under which protocol a table was made, where there is noise."""
    for name in ("fixed-test", "overlap"):
        frame = make_frame(TABLE1).assign(protocol=f"{name}/1:total=100")
        model = build_model(TABLE1, frame, methods=INFOS)
        for text in (
            *(render_latex(model, form) for form in (Form.ACHIEVED, Form.SPREAD)),
            render_markdown(model, CONTEXT),
        ):
            assert f"Noise protocol {name}." in flat(text).replace("{}", "")
    target = load_target("saha/table2")
    model = build_model(target, make_frame(target, methods=["padim"], seeds=1))
    assert "Noise protocol" not in render_latex(model)


def test_a_method_whose_variant_is_reported_says_so():
    """Where the paper has numbers of a variant alone, the note names the variant."""
    target = load_target("saha/table2")
    methods = ["simplenet", "simplenet@saha", "padim"]
    frame = make_frame(target, methods=methods, seeds=1)
    infos = tuple(MethodInfo(name=name, title=name.title()) for name in methods)
    model = build_model(target, frame, methods=infos)
    page = flat(render_html(model, ReportContext(methods=infos)))
    assert "Saha reports no numbers of this method, only of Simplenet@Saha." in page
    assert "Saha reports no numbers of this method." in page
    assert page.count("only of Simplenet@Saha") == 1
