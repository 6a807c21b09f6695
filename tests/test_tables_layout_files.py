"""Layouts written by hand: methods or quantities as columns, and what a broken one says."""

from decimal import Decimal

import pytest
from table_frames import make_frame
from test_tables_layouts import shown

from adrepro.datasets.errors import SpecError
from adrepro.tables.assemble import build_model
from adrepro.tables.model import MethodInfo
from adrepro.tables.papers import load_target

PAPER = 'title = "Other"\nshort = "Other"\n[methods]\na = "A"\nb = "B"\n'
RUN = """
[run]
methods = ["a", "b"]
noise = [0]
seeds = 1
protocol = "fixed-test"
evaluation = "eval/2"
[[run.datasets]]
name = "mvtec_ad"
categories = ["bottle", "tile"]
"""
ROWS = """
[[layout.rows]]
id = "bottle"
label = "Bottle"
dataset = "mvtec_ad"
category = "bottle"
[[layout.rows]]
id = "tile"
label = "Tile"
dataset = "mvtec_ad"
category = "tile"
[[layout.rows]]
id = "mean"
label = "Average"
average_of = "mvtec_ad"
group = "mean"
"""
HEAD = 'title = "T"\ncaption = "C"\n'


def other(tmp_path, name, layout, *, csv=None, extra=""):
    folder = tmp_path / "other"
    folder.mkdir(exist_ok=True)
    (folder / "paper.toml").write_text(PAPER)
    head = HEAD + ('reported = "t.csv"\nreported_method = "a"\n' if csv else "") + extra
    layout = '[layout]\nlabel = "t"\nrow_header = "Class"\nbold = "best-method"\n' + layout
    (folder / f"{name}.toml").write_text(head + RUN + layout)
    if csv:
        (folder / "t.csv").write_text(csv)
    return load_target(f"other/{name}", [tmp_path])


def test_columns_can_be_methods(tmp_path):
    """Categories by methods in one table: bold is the best of each row, the mean is a row."""
    csv = (
        "row,column,metric,value,bold,note\nbottle,a,image_auroc,97.1,,\nmean,b,image_auroc,100,,\n"
    )
    layout = 'columns = "methods"\nat = { noise = 0, cell = "{image_auroc}/{pixel_auroc}" }\n'
    target = other(tmp_path, "d", layout + ROWS, csv=csv)
    change = {("a", "mvtec_ad", "bottle"): {"image_auroc": 0.99, "pixel_auroc": 0.5}}
    change[("b", "mvtec_ad", "bottle")] = {"image_auroc": 0.98, "pixel_auroc": 0.6}
    frame = make_frame(target, methods=("a", "b"), seeds=1, change=change)
    infos = [MethodInfo(name=n, title=n.upper(), paper_backbone="alexnet") for n in ("a", "b")]
    model = build_model(target, frame, methods=infos)
    (block,) = model.blocks
    assert [column.label for column in model.columns] == ["A", "B"]
    assert shown(block)["bottle"] == [["99.0", "50.0"], ["98.0", "60.0"]]
    assert [[e.best for e in c.entries] for c in block.rows[0].cells] == [
        [True, False],
        [False, True],
    ]
    whole = frame[frame.method == "b"].image_auroc.mean()
    assert block.rows[2].cells[1].entries[0].outcome.text() == f"{100 * whole:.1f}"
    assert block.rows[0].cells[0].entries[0].reported.value == Decimal("97.1")
    assert block.rows[2].cells[1].entries[0].reported.method == "b"


def test_columns_can_be_quantities_in_a_block_per_method(tmp_path):
    """Categories by quantities, a table for each method, keyed by method in the CSV."""
    layout = """at = { noise = 0 }
[[layout.columns]]
id = "i"
label = "Image"
cell = "{image_auroc}"
[[layout.columns]]
id = "p"
label = "PRO"
cell = "{aupro}"
"""
    csv = "method,row,column,metric,value,bold,note\na,tile,p,aupro,81,,best epoch\n"
    target = other(tmp_path, "e", layout + ROWS, csv=csv)
    assert target.layout.block_per_method
    frame = make_frame(target, methods=("a", "b"), seeds=1)
    infos = [MethodInfo(name="a", title="A", paper_backbone="alexnet")]
    model = build_model(target, frame, methods=infos)
    assert [block.method for block in model.blocks] == ["a", "b"]
    assert shown(model.blocks[0])["tile"][1] == ["80.0"]
    assert model.blocks[0].rows[1].cells[1].entries[0].difference == Decimal("-1.0")
    assert [c.id for c in model.reported[0].columns] == ["p"]


BROKEN = [
    ('columns = "methods"\n' + ROWS, "has no noise"),
    ('columns = "methods"\nat = { noise = 0 }\n' + ROWS, "has no cell pattern"),
    ('columns = "metods"\n' + ROWS, "did you mean 'methods'"),
    ("columns = 3\n" + ROWS, "expected an array of tables, or the word for one"),
    ('rows = "methods"\ncolumns = "methods"\n', "rows and columns are both methods"),
    ('rows = "methods"\ncolumns = "noise"\nat = { cell = "{f1}" }\n', "category and no average_of"),
    (
        'rows = "methods"\ncolumns = "noise"\nat = { cell = "{f1}", average_of = "mvtec" }\n',
        "unknown average_of 'mvtec': did you mean 'mvtec_ad'?",
    ),
    ('columns = "noise"\nat = { cell = "{f1}", method = "c" }\n' + ROWS, "unknown method 'c'"),
    ('columns = "noise"\n' + ROWS.replace('id = "mean"\n', ""), "rows without 'id'"),
]


@pytest.mark.parametrize(("layout", "message"), BROKEN)
def test_layouts_that_cannot_be_filled(tmp_path, layout, message):
    """A cell without a place, an unknown name or word is one line with the file and its line."""
    with pytest.raises(SpecError) as caught:
        other(tmp_path, "x", layout)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.line is not None


def test_numbers_of_a_joint_table_do_not_repeat_the_method(tmp_path):
    """The header of the CSV follows from the layout; the wrong one is named with the right one."""
    layout = 'columns = "methods"\nat = { noise = 0, cell = "{f1}" }\n'
    wrong = "method,row,column,metric,value,bold,note\n"
    with pytest.raises(SpecError, match="expected 'row,column,metric,value,bold,note'"):
        other(tmp_path, "x", layout + ROWS, csv=wrong)


def test_claims_are_named_by_their_id(tmp_path):
    """A target may only name claims of its paper."""
    layout = 'columns = "methods"\nat = { noise = 0, cell = "{f1}" }\n'
    with pytest.raises(SpecError, match="'claims' names 'best': expected none"):
        other(tmp_path, "x", layout + ROWS, extra='claims = ["best"]\n')


def test_presets_may_run_other_methods(tmp_path):
    """[run.presets.demo] replaces the methods of that preset alone; a wrong preset is named."""
    layout = 'columns = "methods"\nat = { noise = 0, cell = "{f1}" }\n' + ROWS
    target = other(tmp_path, "x", layout + '[run.presets.demo]\nmethods = ["b"]\n')
    assert target.run.methods_for("demo") == ("b",)
    assert target.run.methods_for("paper") == target.run.methods_for("quick") == ("a", "b")
    with pytest.raises(
        SpecError, match=r"unknown key 'dmeo' in \[run.presets\]: did you mean 'demo'"
    ):
        other(tmp_path, "x", layout + '[run.presets.dmeo]\nmethods = ["b"]\n')
