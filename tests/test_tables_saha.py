"""The transcription of Saha's tables: as printed, against arithmetic done independently."""

import re
import shutil
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from table_frames import make_frame

import adrepro.tables.papers as papers_module
from adrepro.datasets.errors import SpecError
from adrepro.methods.registry import method_class
from adrepro.methods.settings import preset_image_size
from adrepro.reports import cells
from adrepro.reports.context import ReportContext
from adrepro.reports.html import render_html
from adrepro.reports.latex import render_latex
from adrepro.reports.text import render_markdown
from adrepro.tables.assemble import build_model
from adrepro.tables.layout import Place
from adrepro.tables.papers import load_target
from adrepro.tables.printed import reported_blocks

BUILT_IN = Path(papers_module.__file__).parent / "papers" / "saha"
OWN = (("saha/table1", "glass"), ("saha/table2", "simplenet"))
METRICS = ("image_auroc", "pixel_auroc")


def numbers(name: str) -> dict[tuple[str, str, str], Decimal]:
    """Return (row, column, metric) → number."""
    return {(n.row, n.column, n.metric): n.value for n in load_target(name).numbers}


def column(name: str, metric: str) -> dict[str, Decimal]:
    return {row: value for (row, _, m), value in numbers(name).items() if m == metric}


@pytest.mark.parametrize(
    ("name", "metric", "total", "stated", "mean"),
    [
        ("saha/table1", "image_auroc", "1416.85", "94.91", "94.46"),
        ("saha/table1", "pixel_auroc", "1160.97", "77.89", "77.40"),
        ("saha/table2", "image_auroc", "1247.65", "83.66", "83.18"),
        ("saha/table2", "pixel_auroc", "1231.72", "81.99", "82.11"),
    ],
)
def test_sums_of_the_columns(name, metric, total, stated, mean):
    """Fifteen cells add up to what was summed from the report; the stated mean is kept as it is."""
    found = column(name, metric)
    assert str(found.pop("average")) == stated
    assert len(found) == 15
    assert sum(found.values()) == Decimal(total)
    assert (
        (sum(found.values()) / 15).quantize(Decimal("0.01"), ROUND_HALF_UP)
        == Decimal(mean)
        != Decimal(stated)
    )


@pytest.mark.parametrize(
    ("name", "metric", "textures", "objects"),
    [
        ("saha/table1", "image_auroc", "97.76", "92.81"),
        ("saha/table1", "pixel_auroc", "89.99", "71.10"),
        ("saha/table2", "image_auroc", "88.56", "80.49"),
        ("saha/table2", "pixel_auroc", "79.01", "83.67"),
    ],
)
def test_means_of_textures_and_objects(name, metric, textures, objects):
    """Means over the literature table's groups, which pin down which number is whose."""
    found = column(name, metric)
    groups = load_target("saha/literature").run.groups
    for group, expected in zip(groups, (textures, objects), strict=True):
        values = [found[category] for category in group.categories]
        assert (sum(values) / len(values)).quantize(Decimal("0.01"), ROUND_HALF_UP) == Decimal(
            expected
        )


def test_digits_as_printed():
    """Two digits after the point, trailing zeros kept; the average is printed bold."""
    table1 = load_target("saha/table1")
    rows = {(n.row, n.metric): n for n in table1.numbers}
    assert str(rows["tile", "image_auroc"].value) == "100.00"
    assert str(rows["transistor", "pixel_auroc"].value) == "44.69"
    assert {n.row for n in table1.numbers if n.bold} == {"average"}


def test_who_wins_where():
    """GLASS has the higher pixel AUROC in eight categories, SimpleNet in seven."""
    glass, simple = (column(name, "pixel_auroc") for name, _ in OWN)
    won = {c for c in glass if c != "average" and glass[c] > simple[c]}
    assert won == {
        *("bottle", "carpet", "grid", "hazelnut", "leather", "tile", "toothbrush", "wood"),
    }


@pytest.mark.parametrize(("name", "base"), OWN)
def test_own_tables_run_the_report_and_the_original(name, base):
    """The report's numbers belong to its variant, at its size; the method itself stands beside."""
    target = load_target(name)
    assert target.reported_method == f"{base}@saha"
    assert {n.method for n in target.numbers} == {f"{base}@saha"}
    assert target.run.methods == (f"{base}@saha", base)
    assert "saha" in method_class(base).variants
    sizes = [preset_image_size(method_class(base), "paper", name) for name in ("saha", "")]
    assert sizes == [target.run.image_size, 288] == [256, 288]
    assert (target.run.protocol, target.run.noise) == ("added", (0.0,))
    assert [block.id for block in target.arranged().blocks] == [f"{base}@saha", base]


# Mean of printed cells minus printed average, image and pixel; recomputed apart from this code.
DIFFERENCES = {
    "riad": ("0.00 0.02", "0.00 -0.01", "-0.07 -0.03"),
    "draem": ("0.08 -0.02", "0.11 0.03", "0.07 0.01"),
    "cutpaste": ("0.02 -0.04", "-0.02 -0.18", "0.06 -0.17"),
    "cs-flow": ("0.00", "-0.02", "0.02"),
    "padim": ("3.20 0.02", "-0.51 -0.01", "0.76 0.00"),
    "rd4ad": ("-1.78 -3.18", "-0.02 -0.04", "-0.61 -1.05"),
    "patchcore": ("-0.04 0.16", "-0.03 -0.05", "0.00 0.02"),
}


@pytest.mark.parametrize("method", DIFFERENCES)
def test_literature_against_its_averages(method):
    """Every column's three averages miss the means of its printed cells by the known amounts."""
    target, found = load_target("saha/literature"), numbers("saha/literature")
    groups = {f"average_{g.name}": g.categories for g in target.run.groups}
    groups["average"] = target.run.datasets[0].categories
    for (row, categories), expected in zip(groups.items(), DIFFERENCES[method], strict=True):
        # CS-Flow has no second number.
        for metric, difference in zip(METRICS, expected.split(), strict=False):
            values = [found[category, method, metric] for category in categories]
            missed = sum(values) / len(values) - found[row, method, metric]
            assert missed.quantize(Decimal("0.01"), ROUND_HALF_UP) == Decimal(difference)


def test_literature_is_complete():
    """8 · 18 cells: one unreadable, 18 of CS-Flow and one of AE-SSIM without a second number."""
    target = load_target("saha/literature")
    assert len(target.numbers) == 2 * (8 * 18 - 1) - 18 - 1
    open_cells = {
        (row.id, method)
        for row in target.layout.rows
        for method in target.run.methods
        if (row.id, method, "pixel_auroc") not in numbers("saha/literature")
    }
    assert {method for _, method in open_cells} == {"cs-flow", "ae-ssim"}
    assert {row for row, method in open_cells if method == "ae-ssim"} == {"carpet", "leather"}
    ssim = [n for n in target.numbers if n.method == "ae-ssim"]
    assert all("PRO" in n.note for n in ssim)


def test_misprints_are_shown_as_printed():
    """What cannot be read stays text, what is misnamed keeps its printed name, both are marked."""
    target = load_target("saha/literature")
    (misprint,) = target.misprints
    assert (misprint.row, misprint.method, misprint.text) == ("carpet", "ae-ssim", "87.61.1")
    (block,) = reported_blocks(target)
    names = [column.label for column in block.columns]
    assert names[:3] == ["AF-SSIM [sic]", "RIAD", "DR-EM [sic]"]
    rows = {row.spec.id: row for row in block.rows}
    assert rows["carpet"].spec.label == "Bottle [sic]"
    assert rows["bottle"].spec.label == "Bottle"
    shown = [cells.reported(cell, lambda text, _: text) for cell in rows["carpet"].cells]
    assert shown[:2] == ["87.61.1 [sic]", "84.2/96.5"]
    assert cells.reported(rows["leather"].cells[0], lambda text, _: text) == "72.8/-"
    assert target.layout.rows[0].label == "Carpet"


def test_dashes_are_data():
    """CS-Flow has a dash in all of its 18 cells, AE-SSIM one for leather; all are shown as such."""
    target = load_target("saha/literature")
    assert {blank.text for blank in target.blanks} == {"-"}
    assert {blank.metric for blank in target.blanks} == {"pixel_auroc"}
    places = [(blank.row, blank.method) for blank in target.blanks]
    assert sorted(places) == sorted(
        [*((row.id, "cs-flow") for row in target.layout.rows), ("leather", "ae-ssim")]
    )
    (block,) = reported_blocks(target)
    column = [line.id for line in block.columns].index("cs-flow")
    shown = [cells.reported(row.cells[column], lambda text, _: text) for row in block.rows]
    assert shown[:3] == ["100/-", "99.0/-", "100/-"]
    assert all(text.endswith("/-") for text in shown)


def test_groups_are_averaged_apart():
    """A group's average is made from its categories alone."""
    run = load_target("saha/literature").run
    found = {g.name: run.categories(Place(average_of=g.name)) for g in run.groups}
    assert [len(members) for members in found.values()] == [5, 10]
    everything = {member for members in found.values() for member in members}
    assert everything == set(run.categories(Place(average_of="mvtec_ad")))


def broken(tmp_path: Path, name: str, old: str, new: str) -> str:
    """Load a copy of the paper in which one text is another; return the complaint."""
    copy = tmp_path / "other"
    shutil.copytree(BUILT_IN, copy)
    path = copy / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        load_target("other/literature", [copy])
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("literature.csv", "cell,87.61.1", "cell,87.6", "expected one that is no number"),
        ("literature.csv", "cell,87.61.1", "cell,", "expected one that is no number"),
        ("literature.csv", "cell,87.61.1", "image_auroc,87.61.1", "expected a percentage"),
        ("literature.csv", "carpet,riad,image_auroc", "carpet,ae-ssim,image_auroc", "second"),
        ("literature.csv", "grid,riad,image_auroc,99.6", "carpet,riad,cell,9.9.6", "second"),
        ("literature.toml", 'average_of = "textures"', 'average_of = "texture"', "'textures'"),
        ("literature.toml", 'name = "textures"', 'name = "mvtec_ad"', "name of a dataset"),
        ("literature.toml", '"carpet", "grid", "l', '"carpe", "grid", "l', "'carpet'"),
        ("literature.toml", '["carpet", "bottle"]', '["carpets"]', "'carpet'"),
        (
            "literature.csv",
            "leather,ae-ssim,pixel_auroc,-",
            "leather,ae-ssim,pixel_auroc,",
            "value ''",
        ),
        ("literature.csv", "grid,riad,image_auroc", "leather,ae-ssim,pixel_auroc", "second"),
    ],
)
def test_broken_files_are_one_line(tmp_path, name, old, new, said):
    """Each fault in a group, a misprint or a preset is named with file and line."""
    message = broken(tmp_path, name, old, new)
    assert said in message
    assert message.count("\n") == 0
    assert f"{name}:" in message


@pytest.fixture(scope="module")
def literature():
    """The literature table, filled from made-up results on real data."""
    target = load_target("saha/literature")
    frame = make_frame(target, methods=target.run.methods, seeds=1)
    return build_model(target, frame)


def test_averages_of_groups_in_the_model(literature):
    """The rows of averages are the means of their own rows, to the last digit before rounding."""
    (block,) = literature.blocks
    rows = {row.spec.id: row for row in block.rows}
    for group in load_target("saha/literature").run.groups:
        for index in range(len(literature.columns)):
            members = [rows[c].cells[index].entries[0].outcome.estimate for c in group.categories]
            found = rows[f"average_{group.name}"].cells[index].entries[0].outcome.estimate
            assert found is not None
            assert found.mean == sum(m.mean for m in members) / len(members)


@pytest.mark.parametrize(
    ("render", "misprint"),
    [
        (lambda model: render_markdown(model, ReportContext()), "87.61.1 [sic]"),
        (render_latex, "87.61.1 [sic]"),
        (lambda model: render_html(model, ReportContext()), "87.61.1 [sic]"),
    ],
    ids=["markdown", "latex", "html"],
)
def test_every_format_marks_misprints(literature, render, misprint):
    """The unreadable cell, the misnamed row and the note on the column are in every output."""
    text = render(literature).translate(str.maketrans("", "", "\\{}"))
    assert misprint in text
    parted = "&" if render is render_latex else "/"  # siunitx has a column per number
    assert f"72.8{parted}-" in re.sub(r"<[^>]*>|\s", "", text)
    assert "Bottle [sic]" in text
    assert "two numbers run together" in text
    assert "AF-SSIM [sic]" in text


def test_misprint_is_compared_with_nothing(literature):
    """The achieved table keeps the right names and has no reported number for the bad cell."""
    rows = {row.spec.id: row for row in literature.blocks[0].rows}
    assert rows["carpet"].spec.label == "Carpet"
    assert [entry.reported for entry in rows["carpet"].cells[0].entries] == [None, None]
