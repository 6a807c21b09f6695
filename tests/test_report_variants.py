"""`reproduce report` knows variants again: stored cells keep the base name of their method."""

import csv

import pytest
from check_worlds import PAPER, TABLE
from table_frames import make_frame

from adrepro.harness.commands.declared import names_today
from adrepro.harness.commands.found import sound_rows
from adrepro.harness.commands.stored_methods import _planned
from adrepro.harness.frames import to_frame
from adrepro.methods.registry import method_class
from adrepro.tables.papers import load_target

NAME = "toys:Variants"
METHODS = (NAME, f"{NAME}@linear", f"{NAME}@same")
ROW = """
[[layout.rows]]
method = "{0}"
label = "{0}"
"""


def write_table(root):
    """Write a paper whose table has a method and its variants as rows."""
    head, _, _ = TABLE.partition("[[layout.rows]]")
    head = head.replace('reported_method = "toys_checks:Draws"\n', "")
    head = head.replace('["toys_checks:Draws"]', str(list(METHODS)).replace("'", '"'))
    head = head.replace("at = { cell", 'at = { average_of = "mvtec_ad", cell')
    # Scores of the toy are ranked alike by all its variants; times tell cells apart.
    head = head.replace("image_auroc", "score_ms_per_image")
    folder = root / "papers" / "tiny"
    folder.mkdir(parents=True)
    (folder / "paper.toml").write_text(PAPER)
    (folder / "table1.toml").write_text(head + "".join(ROW.format(name) for name in METHODS))
    lines = ["row,column,metric,value,bold,note", f"{METHODS[1]},0,score_ms_per_image,50,,"]
    (folder / "table1.csv").write_text("\n".join(lines) + "\n")
    return folder.parent


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.parametrize("more", [(), ("--set", f"{NAME}.names=x")], ids=["declared", "set"])
def test_a_report_from_the_store_is_the_runs(world, more):
    """Each variant stands in its own row with its own number, printed ones beside it."""
    papers = write_table(world.root)
    common = ("-m", ",".join(METHODS), "--papers", papers, "--store", world.store, "-j", "1")
    asked = (*common, "--data-root", world.data, "--out", world.out, "--device", "cpu", *more)
    assert world.reproduce("tiny/table1", *asked, "--seeds", "1") == 0, world.stderr
    ran = read(world.out / "tiny_table1.csv")
    assert [row["method"] for row in ran] == list(METHODS)
    assert ran[0]["mean"] == ran[2]["mean"] != ran[1]["mean"]
    allow = ("--allow-method", NAME)
    made = ("report", "--store", world.store, "--papers", papers, "--out", world.root / "again")
    assert world.reproduce(*made, *allow) == 0
    (found,) = (world.root / "again").glob("*.csv")
    wanted = ran if not more else ran[:2]
    assert [row for row in read(found) if row["mean"]] == wanted
    page = found.with_suffix(".html").read_text()
    assert "Linear distance" in page


def test_a_variant_run_alone_is_not_the_method(world):
    """Where only a variant was run, nothing stands in the row of the method itself."""
    papers = write_table(world.root)
    common = ("-m", METHODS[1], "--papers", papers, "--store", world.store, "-j", "1")
    asked = (*common, "--data-root", world.data, "--out", world.out, "--device", "cpu")
    assert world.reproduce("tiny/table1", *asked, "--seeds", "1") == 0, world.stderr
    made = ("report", "--store", world.store, "--papers", papers, "--out", world.root / "again")
    assert world.reproduce(*made, "--allow-method", NAME) == 0
    found = read(world.root / "again" / "tiny_table1.csv")
    assert {row["method"] for row in found if row["mean"]} == {METHODS[1]}


def test_names_of_settings():
    """Settings that are declared go by all their names, others by the nearest, the base at ties."""
    method_class(NAME)
    base, linear = (_planned(name, "paper") for name in METHODS[:2])
    assert base is not None
    assert linear is not None

    def names(plan, old="", new=""):
        text = plan.settings_json.replace(old, new) if old else plan.settings_json
        return names_today(NAME, text, plan.backbone, plan.image_size)

    assert names(base) == (NAME, f"{NAME}@same")
    assert names(linear) == (f"{NAME}@linear",)
    assert names(linear, '"power":1.0', '"power":7.0') == (NAME,)
    assert names_today("nobodys-method", "{}", "none", 1) == ("nobodys-method",)


def test_failed_cells_get_name_and_kind():
    """A failed cell is named by its settings, drawn or not by its dataset; damaged ones count."""
    plan = _planned("rad@no-meta", "paper")
    assert plan is not None
    frame = make_frame(load_target("table1"), methods=["rad"], seeds=2)
    done = to_frame(frame.to_dict("records")).assign(
        settings=plan.settings_json, backbone=plan.backbone, image_size=plan.image_size
    )
    done["synthetic"] = done["synthetic"].astype(object)
    done.loc[0, ["status", "synthetic", "paper_target"]] = ["failed", None, None]
    done.loc[1, "status"] = "damaged"
    kept, notes = sound_rows(done)
    assert set(kept["method"]) == {"rad@no-meta"}
    assert not kept.loc[0, "synthetic"]
    assert len(kept) == len(done) - 1
    assert notes == ["1 damaged cells count as not there."]
