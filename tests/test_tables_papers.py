"""Published tables as data: the transcription, and what a broken specification says."""

import shutil
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

import adrepro.tables.papers as papers_module
from adrepro.datasets.errors import SpecError, UnknownNameError, UsageError
from adrepro.tables.layout import BoldRule
from adrepro.tables.papers import list_targets, load_target
from adrepro.tables.pattern import parse_pattern

BUILT_IN = Path(papers_module.__file__).parent / "papers"
LEVELS = (0, 10, 20, 30, 40, 50)


@pytest.fixture(scope="module")
def table1():
    return load_target("table1")


def printed(target, row, metric, method="rad"):
    numbers = {
        n.column: str(n.value)
        for n in target.numbers
        if (n.method, n.row, n.metric) == (method, row, metric)
    }
    return [numbers.get(f"{column}") for column in LEVELS]


def test_table1_has_every_number_once(table1):
    """17 rows, 6 levels, 2 metrics; nothing missing, nothing twice."""
    rad = [n for n in table1.numbers if n.method == "rad"]
    places = {(n.row, n.column, n.metric) for n in rad}
    assert len(rad) == len(places) == 17 * 6 * 2
    assert {n.row for n in rad} == {row.id for row in table1.layout.rows}


@pytest.mark.parametrize(
    ("row", "image", "pixel"),
    [
        ("bottle", "97.2 95.9 94.1 93.9 93.8 93.7", "96.5 94.8 93.2 92.4 91.9 91.6"),
        ("carpet", "92.2 87.8 85.7 81.7 75.6 71.1", "91.1 86.5 84.2 80.1 74.2 69.8"),
        ("wood", "100 99.2 97.7 96.5 95.3 94.5", "99.4 98.3 96.8 95.4 94.2 93.1"),
        ("average", "95.4 92.6 90.7 89.3 88.2 86.8", "94.3 91.3 89.4 88.0 86.8 85.4"),
        ("ksdd2", "94.6 93.9 93.2 92.9 92.5 92.1", "92.3 91.7 90.8 90.2 89.8 89.4"),
    ],
)
def test_table1_rows_as_printed(table1, row, image, pixel):
    """Digits are the printed ones: 100 without a point, 88.0 with its zero."""
    assert printed(table1, row, "image_auroc") == image.split()
    assert printed(table1, row, "pixel_auroc") == pixel.split()


def test_table1_column_means(table1):
    """Recomputed class means equal an independent recomputation of the printed table."""
    expected = {
        "image_auroc": ["95.447", "92.693", "90.747", "89.353", "88.207", "86.887"],
        "pixel_auroc": ["94.527", "91.593", "89.580", "88.040", "86.793", "85.373"],
    }
    classes = [row.id for row in table1.layout.rows if row.group == "classes"]
    for metric, means in expected.items():
        for column, mean in zip(LEVELS, means, strict=True):
            values = [
                Fraction(n.value)
                for n in table1.numbers
                if n.method == "rad"
                and n.metric == metric
                and n.column == f"{column}"
                and n.row in classes
            ]
            assert len(values) == 15
            assert abs(sum(values) / 15 - Fraction(mean)) < Fraction(1, 1000)


def test_table1_degrades_monotonically(table1):
    """Every printed row falls or stays with noise, which a transposed digit would break."""
    for row in table1.layout.rows:
        for metric in table1.layout.at.metrics:
            values = [Decimal(text) for text in printed(table1, row.id, metric)]
            assert values == sorted(values, reverse=True)


def test_table1_bold_and_text_numbers(table1):
    """Bold stands on 15 image AUROCs; four methods have averages stated in the text."""
    bold = [n for n in table1.numbers if n.bold]
    assert len(bold) == 15
    assert {n.metric for n in bold} == {"image_auroc"}
    stated = {m: printed(table1, "average", "image_auroc", m) for m in ("mld-ir", "irp", "osr")}
    assert stated["mld-ir"][::5] == ["92.1", "72.3"]
    assert stated["irp"][::5] == ["91.7", "69.8"]
    assert stated["osr"][::5] == ["92.8", "78.1"]
    assert printed(table1, "average", "image_auroc", "differnet")[::5] == ["91.9", "76.7"]
    assert all(n.note == "text" for n in table1.numbers if n.method != "rad")


def test_table1_run_and_layout(table1):
    """The run asks for both datasets at six levels with three seeds."""
    assert table1.name == "rad/table1"
    assert table1.slug == "table1"
    assert [d.name for d in table1.run.datasets] == ["mvtec_ad", "ksdd2"]
    assert len(table1.run.datasets[0].categories) == 15
    assert table1.run.noise == tuple(map(float, LEVELS))
    assert (table1.run.seeds, table1.run.protocol) == (3, "fixed-test")
    assert table1.layout.at.metrics == ("image_auroc", "pixel_auroc")
    assert table1.layout.bold is BoldRule.BEST_METHOD
    average = next(row for row in table1.layout.rows if row.id == "average")
    assert len(table1.run.categories(average.at)) == 15


def test_reported_frame(table1):
    """The frame holds decimals that print as the paper prints them."""
    frame = table1.reported
    assert list(frame.columns) == ["method", "row", "column", "metric", "value", "bold", "note"]
    assert len(frame) == len(table1.numbers)
    assert str(frame.query("row == 'wood' and column == '0'").value.iloc[0]) == "100"


def test_names():
    """A bare name means the default paper's; an unknown one suggests the nearest."""
    assert "rad/table1" in list_targets()
    assert load_target("rad/table1").name == load_target("table1").name
    with pytest.raises(UnknownNameError, match="rad/table1"):
        load_target("rad/tabel1")
    with pytest.raises(UnknownNameError):
        load_target("../papers/rad/table1")


@pytest.fixture
def papers(tmp_path):
    """A folder of papers with a copy of the built-in one under another name."""
    shutil.copytree(BUILT_IN / "rad", tmp_path / "mine")
    return tmp_path


def test_users_folders(papers):
    """A folder of papers and a single paper both work, and bring their names along."""
    assert load_target("mine/table1", [papers]).name == "mine/table1"
    assert load_target("mine/table1", [papers / "mine"]).name == "mine/table1"
    # The default paper still owns the bare name.
    assert load_target("table1", [papers]).name == "rad/table1"


def test_bare_name_of_a_users_paper(papers):
    """A bare name finds the only paper that has it, and asks when several have."""
    for suffix in ("toml", "csv"):
        (papers / f"mine/table1.{suffix}").rename(papers / f"mine/table7.{suffix}")
    edit(papers / "mine/table7.toml", '"table1.csv"', '"table7.csv"')
    assert load_target("table7", [papers]).name == "mine/table7"
    shutil.copytree(papers / "mine", papers / "other")
    with pytest.raises(UsageError, match="mine/table7 or other/table7"):
        load_target("table7", [papers])


def test_two_papers_of_one_name(tmp_path):
    """A collision names both folders."""
    shutil.copytree(BUILT_IN / "rad", tmp_path / "rad")
    with pytest.raises(UsageError, match="two papers named 'rad'"):
        list_targets([tmp_path])


def test_folder_without_paper(tmp_path):
    """An empty or missing folder is said, not ignored."""
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(SpecError, match=r"expected paper\.toml"):
            list_targets([folder])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(path: Path, needle: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, start=1) if needle in line)


BROKEN_TOML = [
    ("seeds = 3", "sedes = 3", "unknown key 'sedes' in [run]: did you mean 'seeds'?", "sedes"),
    ("seeds = 3", 'seeds = "3"', "'run.seeds' is '3', expected a whole number", 'seeds = "3"'),
    ("seeds = 3", "seeds = true", "expected a whole number", "seeds = true"),
    ("seeds = 3", "seeds = 0", "expected at least 1", "seeds = 0"),
    ("seeds = 3", "seeds = 3\nseeds = 3", "not valid TOML", None),
    ("seeds = 3\n", "", "missing key 'seeds' in [run]", "[run]"),
    ("noise = [0,", "noise = [nan,", "expected at least 0", "noise = [nan"),
    ("noise = [0,", "noise = [0, 0,", "holds a value twice", "noise = [0, 0"),
    ('bold = "best-method"', 'bold = "best-metod"', "did you mean 'best-method'?", "bold ="),
    ('"{image_auroc}/{pixel_auroc}"', '"{image_aroc}"', "image_aroc", "at = { cell"),
    ('"{image_auroc}/{pixel_auroc}"', '"{image_auroc"', "'cell'", "at = { cell"),
    ('column_label = "{}%"', 'column_label = "{!r}"', "expected one {}", "column_label"),
    ('average_of = "mvtec_ad"', 'average_of = "mvtec"', "did you mean 'mvtec_ad'?", "average_of"),
    ('id = "cable"', 'id = "bottle"', "row id 'bottle' stands twice", None),
    ('category = "cable"', 'category = "cabel"', "did you mean 'cable'?", '"cabel"'),
    ('curve = ["average"', 'curve = ["avarage"', "did you mean 'average'?", "curve"),
    ('reported = "table1.csv"', 'reported = "../x.csv"', "beside this one", "../x.csv"),
    ('reported = "table1.csv"', 'reported = "tab.csv"', "not beside this file", "tab.csv"),
    ("[tolerance]\npoints = 1.2", "[tolerance]\npoints = inf", "expected at least 0", "inf"),
    ('title = "Table 1"', 'title = ""', "expected a text that is not empty", "title ="),
]


@pytest.mark.parametrize(("old", "new", "message", "at"), BROKEN_TOML)
def test_broken_target(papers, old, new, message, at):
    """What is wrong is one line with file, line, what was given and what was expected."""
    path = papers / "mine/table1.toml"
    edit(path, old, new)
    with pytest.raises(SpecError) as caught:
        load_target("mine/table1", [papers])
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    assert caught.value.line is not None
    assert text.startswith(f"{path}:{caught.value.line}: ")
    if at is not None:
        assert caught.value.line == line_of(path, at)


def test_broken_syntax_has_its_line(papers):
    """A syntax error points to its line."""
    path = papers / "mine/table1.toml"
    edit(path, "seeds = 3", "seeds = = 3")
    with pytest.raises(SpecError, match="not valid TOML") as caught:
        load_target("mine/table1", [papers])
    assert caught.value.line == line_of(path, "seeds = = 3")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "missing key"), (b"title = '\xff'", "not UTF-8"), (b"#" * 1_100_000, "over 1000000")],
)
def test_impossible_files(papers, content, message):
    """Empty, binary and huge files are refused in one line."""
    (papers / "mine/paper.toml").write_bytes(content)
    with pytest.raises(SpecError, match=message):
        load_target("mine/table1", [papers])


BROKEN_CSV = [
    ("method,row,", "methd,row,", "header is", 1),
    (
        "rad,bottle,0,image_auroc,97.2,,",
        "rad,botle,0,image_auroc,97.2,,",
        "did you mean 'bottle'",
        2,
    ),
    ("rad,bottle,0,image_auroc,97.2,,", "rad,bottle,5,image_auroc,97.2,,", "unknown column '5'", 2),
    ("rad,bottle,0,image_auroc,97.2,,", "rad,bottle,0,image_auc,97.2,,", "'image_auroc'", 2),
    ("rad,bottle,0,image_auroc,97.2,,", "rad,bottle,0,image_auroc,972,,", "value '972'", 2),
    ("rad,bottle,0,image_auroc,97.2,,", "rad,bottle,0,image_auroc,nan,,", "value 'nan'", 2),
    ("rad,bottle,0,image_auroc,97.2,,", "rad,bottle,0,image_auroc,97.2,no,", "bold is 'no'", 2),
    ("rad,bottle,0,image_auroc,97.2,,", "rad,bottle,0,image_auroc,97.2", "5 fields", 2),
    ("rad,bottle,0,image_auroc,97.2,,", ",bottle,0,image_auroc,97.2,,", "no method", 2),
    ("rad,bottle,0,pixel_auroc,96.5,,", "rad,bottle,0,image_auroc,96.5,,", "a second number", 3),
]


@pytest.mark.parametrize(("old", "new", "message", "line"), BROKEN_CSV)
def test_broken_numbers(papers, old, new, message, line):
    """A number that cannot be is refused at its line."""
    path = papers / "mine/table1.csv"
    edit(path, old, new)
    with pytest.raises(SpecError) as caught:
        load_target("mine/table1", [papers])
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    "pattern", ["", "no metric", "{image_auroc}{image_auroc}", "{image_auroc:.1f}", "{}", "{f2}"]
)
def test_bad_patterns(pattern):
    """A cell pattern names each of its metrics once and formats nothing itself."""
    with pytest.raises(ValueError, match="expected"):
        parse_pattern(pattern)
