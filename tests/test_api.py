"""The Python interface: what it offers, what it returns, and where it can be called from."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from html_reading import balanced

import adrepro.harness as repro
from adrepro.datasets.errors import AdreproError, UnknownNameError, UsageError
from adrepro.harness.api_frames import options_of
from adrepro.harness.mainmodule import main_left_alone
from adrepro.reports import cells
from adrepro.tables.papers import load_target
from conftest import TESTS, write_mvtec
from toys import PixelMean

GRID = {
    "methods": ["toys:PixelMean"],
    "datasets": ["mvtec_ad"],
    "categories": ["bottle"],
    "noise": [0, 10],
    "seeds": 1,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("api")
    write_mvtec(root / "data/mvtec_ad", categories=("bottle",))
    return root


@pytest.fixture(scope="module")
def options(folder):
    return GRID | {"data_root": folder / "data", "store": folder / "store"}


@pytest.fixture(scope="module")
def frame(options):
    return repro.run("rad/table1", **options, device="cpu", quiet=True)


def test_names_are_pinned():
    """The interface is these names; all of them are there and say what they do."""
    names = ["Table", "audit", "check", "figures", "load", "report", "run", "table", "targets"]
    assert repro.__all__ == names
    for name in names:
        assert getattr(repro, name).__doc__, name
        assert name in dir(repro)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = repro.nothing


def test_import_is_light():
    """Importing the package loads neither torch nor pandas; one call of the interface no torch."""
    code = (
        "import sys, adrepro.harness as h; a = {'torch', 'pandas', 'rich'} & set(sys.modules);"
        "h.targets(); print(a, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "set() False"


def test_run_returns_a_row_per_cell(frame, options):
    """Rows are the plan's, the frame knows how it was made, and a second run adds nothing."""
    assert frame[["category", "noise", "seed", "status"]].to_numpy().tolist() == [
        ["bottle", 0.0, 0, "done"],
        ["bottle", 10.0, 0, "done"],
    ]
    assert frame["image_auroc"].between(0, 1).all()
    known = frame.attrs["adrepro"]
    assert json.loads(json.dumps(known)) == known
    assert known["asked"] == {"methods": ["toys:PixelMean"], "noise": [0.0, 10.0], "seeds": 1}
    again = repro.run("rad/table1", **options, device="cpu", quiet=True)
    pd.testing.assert_frame_equal(again, frame)
    # The name is still the function after the engine was imported.
    assert callable(repro.run)


def test_load_reads_the_store_alone(frame, options):
    """What a store holds comes back as it was returned, with how it was made."""
    found = repro.load("rad/table1", **options)
    assert found.attrs["adrepro"] == frame.attrs["adrepro"]
    assert found["image_auroc"].tolist() == frame["image_auroc"].tolist()
    with pytest.raises(UnknownNameError, match="preset"):
        repro.load("rad/table1", **options, presett="demo")
    for changes in ({}, {"preset": "demo", "datasets": ()}):
        with pytest.raises(UnknownNameError, match="category 'tiel': did you mean tile"):
            repro.load("rad/table1", **options | changes | {"categories": ["tiel"]})


def test_bad_arguments_are_one_line(options):
    """What the command line refuses is refused here, in one line."""
    for bad in ({"noise": [101]}, {"device": "abacus"}, {"seeds": 0}, {"settings": {"x": 1}}):
        with pytest.raises(AdreproError) as caught:
            repro.run("rad/table1", **options | bad, quiet=True)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="--method"):
        repro.run(quiet=True)


def test_share_of_noise_is_not_taken_for_percent(options):
    """A level between 0 and 1 is refused as on the command line; with its sign it is meant."""
    for call in (repro.run, repro.load):
        with pytest.raises(UsageError, match="noise is in percent; for 10 % write 10") as caught:
            call("rad/table1", **options | {"noise": [0, 0.1]})
        assert "\n" not in str(caught.value)
    assert options_of({"noise": [0, "0.1%"]}).noise == (0.0, 0.1)


def test_table_shows_the_models_cells(frame):
    """Text, HTML, LaTeX, CSV and the tidy frame hold the same digits."""
    table = repro.table("rad/table1", frame)
    (block,) = table.model.blocks
    shown = {
        cells.achieved(cell, lambda text, _bold: text)
        for row in block.rows
        for cell in row.cells
        if any(entry.outcome.estimate for entry in cell.entries)
    }
    assert len(shown) > 0
    text, html = str(table), table._repr_html_()
    assert repr(table) == text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert not any(line.endswith(" ") for line in text.splitlines())
    assert "</strong><strong>" not in html
    assert html.count("<p><strong>") >= 1
    for cell in shown:
        assert cell in text
        assert f"<td>{cell}" in html
        assert all(part in table.to_latex() for part in cell.split("/"))
    assert balanced(html)
    assert not re.search(r"<(script|style)|\bid=", html)
    numbers = table.frame.dropna(subset=["mean"])
    assert len(numbers) == 4
    assert set(numbers["shown"]) == {part for cell in shown for part in cell.split("/")}
    assert numbers["mean"].between(0, 1).all()
    assert table.to_html().startswith("<!doctype html>")
    assert table.to_latex("sd", standalone=True).startswith(r"\documentclass")
    assert table.to_markdown().startswith("# RAD, Table 1")
    assert table.to_csv().startswith("block,method,row")
    with pytest.raises(UnknownNameError, match="achieved"):
        table.to_latex("html")


def test_frame_without_its_facts_is_compared_with_nothing(frame):
    """A frame that lost how it was made says so instead of standing beside printed numbers."""
    bare = frame.assign(method="rad").copy()
    bare.attrs = {}
    table = repro.table("rad/table1", bare)
    assert table.frame["difference"].isna().all()
    assert "Not comparable with RAD: preset unknown" in " ".join(str(table).split())
    verdicts = repro.check("rad/table1", bare)
    assert set(verdicts["verdict"]) <= {"not comparable", "not run"}


def test_check_has_a_row_per_printed_number(frame):
    """Every printed number has a verdict; one that was not asked for is left out."""
    everything = frame.copy()
    everything.attrs["adrepro"] = frame.attrs["adrepro"] | {"scope": None}
    verdicts = repro.check("rad/table1", everything)
    target = load_target("rad/table1")
    assert len(verdicts) == len(target.numbers)
    assert set(verdicts["verdict"]) == {"not run"}
    assert verdicts["reference"].tolist() == [float(n.value) for n in target.numbers]
    assert repro.check("rad/table1", frame).empty
    with pytest.raises(UsageError, match="from 0 to 100"):
        repro.check("rad/table1", frame, margin=-1)


def test_audit_has_a_row_per_finding():
    """The frame has the findings of the audit, paper by paper."""
    from adrepro.tables.audit.run import audit_paper

    found = repro.audit("rad")
    wanted = audit_paper("rad", ()).findings
    assert found["sentence"].tolist() == [one.sentence for one in wanted]
    assert found["severity"].tolist() == [one.severity.word for one in wanted]


def test_report_and_figures_write_files(frame, tmp_path):
    """The report's files and the figures that the results allow are written and returned."""
    written = repro.report("rad/table1", frame, tmp_path / "r")
    assert {path.name for path in written} >= {"table1.html", "table1.tex", "table1_sd.tex"}
    page = next(path for path in written if path.suffix == ".html").read_text(encoding="utf-8")
    assert 'id="environment"' in page
    assert platform.python_version() in page
    drawn = repro.figures("rad/table1", frame, tmp_path / "f", formats=["svg"])
    assert drawn
    assert all(path.read_bytes().lstrip().startswith(b"<?xml") for path in drawn)
    with pytest.raises(UnknownNameError, match="gif"):
        repro.figures("rad/table1", frame, tmp_path / "f", formats=["gif"])


def test_free_grid_has_a_generic_table(frame, options):
    """Without a target the grid is what was asked for, and its table has methods as blocks."""
    found = repro.run(**options, device="cpu", quiet=True)
    assert found["key"].tolist() == frame["key"].tolist()
    assert PixelMean.title in str(repro.table(None, found))


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
print("top level", flush=True)
from adrepro import harness as repro
frame = repro.run("rad/table1", **{given!r}, store={store!r}, device="cpu", quiet=True)
print(list(frame["status"]), frame["error"].tolist())
print(repro.table("rad/table1", frame).frame["n"].sum())
"""


@pytest.mark.parametrize("way", ["script", pytest.param("-c", marks=pytest.mark.slow), "stdin"])
def test_no_guard_is_needed(way, folder, tmp_path):
    """A program that runs a target at its top level is not started again by its workers."""
    given = GRID | {"noise": [0], "data_root": str(folder / "data")}
    code = SCRIPT.format(tests=str(TESTS), given=given, store=str(tmp_path / "store"))
    path = tmp_path / "program.py"
    path.write_text(code)
    command = {"script": [str(path)], "-c": ["-c", code], "stdin": ["-"]}[way]
    done = subprocess.run(
        [sys.executable, *command], input=code if way == "stdin" else None, cwd=tmp_path,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["top level", "['done'] ['']", "2"]


def test_main_module_comes_back():
    """The main module is hidden while a process starts only, also when that fails."""
    before = sys.modules["__main__"]

    def start():
        with main_left_alone():
            assert getattr(sys.modules["__main__"], "__file__", None) is None
            raise OSError("no more processes")

    with pytest.raises(OSError, match="no more processes"):
        start()
    assert sys.modules["__main__"] is before


def test_in_a_notebook(folder, tmp_path):
    """A notebook runs a target and shows the table; skipped without Jupyter."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    given = GRID | {"noise": [0], "data_root": str(folder / "data")}
    sources = [
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\nfrom adrepro import harness as repro",
        f"frame = repro.run('rad/table1', **{given!r}, store='store', device='cpu')",
        "repro.table('rad/table1', frame)",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources])
    resources = {"metadata": {"path": str(tmp_path)}}
    kernel = {"env": os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}}
    client = nbclient.NotebookClient(book, timeout=300, resources=resources, kernel_name="python3")
    client.execute(**kernel)
    (output,) = book.cells[-1].outputs
    assert output.output_type == "execute_result"
    assert "<td>100.0/100.0" in output.data["text/html"]
    assert "Pixel mean, achieved" in output.data["text/plain"]
    assert not [o for cell in book.cells for o in cell.outputs if o.output_type == "error"]
    assert Path(tmp_path / "store").is_dir()


@pytest.mark.parametrize("given", [{}, None, "runs"])
def test_what_is_no_frame_is_refused_in_one_line(given):
    """Anything but a frame is named, with where a frame comes from."""
    with pytest.raises(UsageError, match="expected the frame that run or load returned") as caught:
        repro.table("rad/table1", given)
    assert type(given).__name__.removesuffix("Type") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_target_is_named_before_a_missing_store(tmp_path):
    """A misspelt name is told as such, though there are no results either."""
    with pytest.raises(UsageError, match="table9"):
        repro.load("rad/table9", store=tmp_path / "none")
