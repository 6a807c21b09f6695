"""Writing a report: all files, whole files, the same bytes everywhere."""

import csv
import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from table_frames import make_frame
from test_reports_text import CHANGE, INFOS, hostile_model

from adrepro.datasets.errors import StoreError, UnknownNameError
from adrepro.reports.build import FORMATS, ReportContext, build_report
from adrepro.reports.figures import Material, render_figure, render_inline_svg
from adrepro.reports.figures.noise import draw
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target

TABLE1 = load_target("table1")
CONTEXT = ReportContext(methods=INFOS, version="0.1.0", command="reproduce table1")
NAMES = {
    "table1.csv",
    "table1.html",
    "table1.md",
    "table1.tex",
    "table1_difference.tex",
    "table1_difference_standalone.tex",
    "table1_sd.tex",
    "table1_sd_standalone.tex",
    "table1_standalone.tex",
    "table1_noise.pdf",
    "table1_noise.png",
    "table1_noise.svg",
}


@pytest.fixture(scope="module")
def frame():
    return make_frame(TABLE1, change=CHANGE)


@pytest.fixture(scope="module")
def report(frame, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return build_report(TABLE1, frame, out, context=CONTEXT)


def test_every_file_is_written(report):
    """All formats are there, nothing else, and each is what its name says."""
    assert {path.name for path in report} == NAMES
    assert {path.name for path in report[0].parent.iterdir()} == NAMES
    content = {path.suffix: path.read_bytes() for path in report}
    assert content[".pdf"].startswith(b"%PDF-")
    assert content[".png"].startswith(b"\x89PNG")
    assert b"<svg" in content[".svg"]
    assert content[".html"].startswith(b"<!doctype html>")


def test_two_reports_are_byte_equal(frame, report, tmp_path):
    """The same frame gives the same bytes in every format."""
    again = build_report(TABLE1, frame, tmp_path, context=CONTEXT)
    for one, other in zip(report, again, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


# Four methods close to each other: every drawing of a page is made, bars between ranks included.
FEW = replace(TABLE1, run=replace(TABLE1.run, noise=(0.0, 50.0)))
MANY = ("rad", "differnet", "patchcore", "padim")
SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
from pathlib import Path
from test_reports_build import CONTEXT, FEW, MANY, build_report, make_frame
build_report(FEW, make_frame(FEW, methods=MANY), Path(sys.argv[1]), context=CONTEXT)
"""


def test_bytes_do_not_depend_on_the_process(tmp_path):
    """Processes with other hash seeds and a matplotlib configuration write the same bytes."""
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\nsavefig.dpi: 30\n")
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    report = build_report(FEW, make_frame(FEW, methods=MANY), tmp_path / "own", context=CONTEXT)
    assert 'id="figure-ranks"' in (tmp_path / "own" / "table1.html").read_text()
    for seed in ("1", "77"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "MATPLOTLIBRC": str(tmp_path)}
        command = [sys.executable, "-c", script, str(tmp_path / seed)]
        subprocess.run(command, env=environment, check=True, timeout=180)
        for path in report:
            assert path.read_bytes() == (tmp_path / seed / path.name).read_bytes(), path.name


def test_chosen_formats(frame, tmp_path):
    """Only what was asked for is written; an unknown format is named before anything is."""
    written = build_report(TABLE1, frame, tmp_path, formats=["csv"], context=CONTEXT)
    assert [path.name for path in written] == ["table1.csv"]
    with pytest.raises(UnknownNameError, match="docx"):
        build_report(TABLE1, frame, tmp_path / "x", formats=["csv", "docx"])
    assert not (tmp_path / "x").exists()
    assert set(FORMATS) >= {"csv", "html"}


def test_folder_that_cannot_be_written(frame, tmp_path):
    """A file in the way is one line that names the path."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="cannot write") as caught:
        build_report(TABLE1, frame, blocked, formats=["csv"])
    assert "\n" not in str(caught.value)


def test_home_folder_stays_private(tmp_path, monkeypatch):
    """The home folder appears in no file, neither from errors nor from the context."""
    home = "/home/somebody-private"
    monkeypatch.setenv("HOME", home)
    change = {
        ("patchcore", "mvtec_ad", "grid"): {"status": "failed", "error": f"{home}/x.png: broken"}
    }
    context = replace(
        CONTEXT,
        command=f"reproduce table1 --store {home}/runs",
        environment={"executable": f"{home}/venv/bin/python"},
    )
    written = build_report(TABLE1, make_frame(TABLE1, change=change), tmp_path, context=context)
    text = b"".join(path.read_bytes() for path in written)
    assert b"somebody-private" not in text
    assert b"~/x.png: broken" in text
    assert b"~/runs" in text


def test_synthetic_flag_of_the_context_is_enough(tmp_path):
    """If the caller says that the data are synthetic, no format shows a reported number."""
    context = replace(CONTEXT, synthetic=True)
    formats = ["csv", "md", "tex", "html"]
    written = build_report(TABLE1, make_frame(TABLE1), tmp_path, formats=formats, context=context)
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "as reported" not in text
        assert "minus reported" not in text
        if path.suffix == ".csv":
            lines = list(csv.DictReader(io.StringIO(text)))
            assert {line["synthetic"] for line in lines} == {"yes"}
            assert {(line["reported"], line["difference"]) for line in lines} == {("", "")}
        else:
            assert "Embedded synthetic data" in text


def model_of(**options):
    return build_model(TABLE1, make_frame(TABLE1, **options), methods=INFOS)


def labels(model):
    """Texts of the figure, which its SVG repeats in comments."""
    return set(re.findall(r"<!-- (.*?) -->", render_figure(model, "svg").decode()))


def test_figure_shows_what_it_may():
    """Reported curves are drawn for real data only; a synthetic figure says what it is."""
    real, synthetic = labels(model_of()), labels(model_of(stand_ins=True))
    assert {
        "RAD, as reported (other method)",
        "DifferNet, as reported",
        "DifferNet",
        "PatchCore",
    } <= real
    assert not [text for text in synthetic if "reported" in text]
    assert "Embedded synthetic data, no reproduction" in synthetic
    assert "Embedded synthetic data, no reproduction" not in real


def test_figure_draws_reported_only_beside_what_it_matches():
    """Under another protocol or beside no result the figure shows achieved curves alone."""
    ratio = "added/1:shortage=cap,max_level=100"
    frame = make_frame(TABLE1)
    added = labels(build_model(TABLE1, frame.assign(protocol=ratio), methods=INFOS))
    assert not [text for text in added if "reported" in text]
    assert "Added anomalies (% of nominal training images)" in added
    assert "Label noise (%)" not in added
    quick = labels(build_model(TABLE1, frame, methods=INFOS, preset="quick"))
    assert not [text for text in quick if "reported" in text]
    pending = labels(model_of(methods=["patchcore"], change={("patchcore",): PENDING}))
    assert not [text for text in pending if "reported" in text]
    assert "nothing to draw:" in pending
    own = labels(model_of(methods=["rad"]))
    assert not [text for text in own if "other method" in text]


PENDING = {"status": "pending"}


def test_every_level_has_its_tick_with_room_for_the_marker():
    """Levels without a result keep their tick; the outer levels lie inside the axes."""
    change = {("patchcore", "mvtec_ad", "bottle", noise): PENDING for noise in (40.0, 50.0)}
    model = model_of(methods=["patchcore"], change=change)
    axis = draw(Material(model=model), 7.16).axes[0]
    low, high = axis.get_xlim()
    assert tuple(axis.get_xticks()) == TABLE1.run.noise
    assert low < TABLE1.run.noise[0] < TABLE1.run.noise[-1] < high
    # A run with a single level has room on both sides too.
    alone = replace(TABLE1, run=replace(TABLE1.run, noise=(10.0,)))
    single = Material(model=build_model(alone, make_frame(alone), methods=INFOS))
    low, high = draw(single, 7.16).axes[0].get_xlim()
    assert low < 0.0 < high


def test_figure_without_numbers_says_so():
    """A row without any complete result is said to be empty, not drawn as zero."""
    model = model_of(methods=["patchcore"], change={("patchcore",): {"status": "pending"}})
    model = replace(model, reported=None)
    assert "nothing to draw:" in labels(model)


def test_hostile_names_in_the_figure():
    """Dollar signs, underscores and tags in a method's name are drawn as they are."""
    for text in ("$&%_#~^\\{}", "_hidden", "<script>alert(1)</script>", "--> <b>x</b>"):
        model, _ = hostile_model(text)
        svg = render_inline_svg(model)
        assert "<script" not in svg
        assert "<b>" not in svg
        assert svg.startswith("<svg role=")
        assert svg.endswith("</svg>")


def test_inline_drawing_takes_the_pages_ink():
    """Text and axes of the inline drawing follow light and dark pages."""
    svg = render_inline_svg(model_of())
    assert "currentColor" in svg
    assert "#1b1c1d" not in svg
    assert "<?xml" not in svg
    assert "<dc:date>" not in svg
