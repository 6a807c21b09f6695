"""Tables of one's own: both CSV forms, what they mean, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adrepro.datasets.errors import SpecError, UnknownNameError
from adrepro.tables.audit.ledger import Ledger, Printed
from adrepro.tables.audit.run import audit_ledger
from adrepro.tables.audit.user_csv import read_tables

LONG = """method,dataset,category,noise,metric,value,bold,runs
A,mvtec_ad,bottle,0,image_auroc,97.2,yes,3
A,mvtec_ad,bottle,0,pixel_auroc,96.5,,3
A,mvtec_ad,Metal Nut,0,image_auroc,95.1,,3
A,mvtec_ad,average,0,image_auroc,96.2,,3
"""
WIDE = """category,A:image_auroc/pixel_auroc@0,A:image_auroc@10%,B:image_auroc
bottle,97.2/96.5,**95.9**,-
cable,96.2/-,92.2,88.0
average,96.7/96.5,94.1,88.0
"""


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Ledger]:
    def reading(text: str, **options) -> Ledger:
        path = tmp_path / "own.csv"
        path.write_text(text, encoding="utf-8")
        return read_tables([path], **options)

    return reading


def _entry(ledger: Ledger, **wanted) -> Printed:
    (found,) = [
        e for e in ledger.entries if all(getattr(e, name) == v for name, v in wanted.items())
    ]
    return found


def test_the_long_form(read) -> None:
    """A number a line: digits, place, bold and trials are kept; an average knows its cells."""
    ledger = read(LONG)
    assert len(ledger.entries) == 4
    first = _entry(ledger, row="bottle", metric="image_auroc")
    assert (first.text, first.bold, first.runs, first.noise) == ("97.2", True, 3, 0.0)
    assert first.categories == (("mvtec_ad", "bottle"),)
    average = _entry(ledger, average="all")
    assert average.categories == (("mvtec_ad", "bottle"), ("mvtec_ad", "metal_nut"))


def test_the_wide_form(read) -> None:
    """A table as printed: heads name method, metrics and level, dashes are no numbers."""
    ledger = read(WIDE)
    assert len(ledger.entries) == 10
    assert _entry(ledger, method="A", row="bottle", metric="pixel_auroc").text == "96.5"
    assert _entry(ledger, method="A", row="bottle", noise=10.0).bold
    assert _entry(ledger, method="B", row="average").text == "88.0"


def test_both_forms_lead_to_the_same_findings(read) -> None:
    """The same wrong average is found in either form."""
    wide = "category,A:image_auroc\nx,90.0\ny,80.0\naverage,86.0\n"
    long = "method,category,metric,value\n" + "".join(
        f"A,{name},image_auroc,{value}\n"
        for name, value in (("x", "90.0"), ("y", "80.0"), ("average", "86.0"))
    )
    for text in (wide, long):
        (found,) = audit_ledger(read(text), "own").findings
        assert (found.check, found.printed, found.computed) == ("average", "86.0", "85.000")


def test_averages_of_groups(read) -> None:
    """A group is that of the group column, or textures and objects of MVTec AD."""
    text = "category,group,A:image_auroc\nx,one,90.0\ny,two,80.0\naverage:one,,90.0\n"
    assert _entry(read(text), average="one").categories == (("", "x"),)
    text = "category,A:image_auroc\ncarpet,90.0\nbottle,80.0\naverage:textures,90.0\n"
    assert _entry(read(text), average="textures").categories == (("", "carpet"),)


def test_fractions_become_percent(read) -> None:
    """A file whose percentages are all at most 1 holds fractions; their digits move by two."""
    entry = _entry(read("category,A:image_auroc\nbottle,0.9870\n"), row="bottle")
    assert entry.text == "98.70"
    assert entry.digits.step * 100 == 1


def test_options_fill_what_lines_leave_open(read) -> None:
    """Dataset and trials of the command line hold where a line says nothing."""
    ledger = read("category,A:image_auroc\ntoothbrush,87.46\n", dataset="mvtec_ad", runs=1)
    (found,) = audit_ledger(ledger, "own").findings
    assert found.check == "attainable"
    # 630 and 629 of the 720 half pairs of 30 anomalous and 12 nominal images.
    assert found.computed == f"{62900 / 720:.4f} or 87.5000"


def test_methods_by_quantities_need_no_category(read) -> None:
    """A table of methods is a table of averages: F1 above precision and recall is found."""
    ledger = read("method,precision,recall,f1\nA,84.2,86.5,85.3\nB,80.0,80.0,82.0\n")
    (found,) = audit_ledger(ledger, "own").findings
    assert (found.check, found.printed) == ("f1", "82.0")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "no column of numbers"),
        ("category,A:image_auroc\n", None, "no numbers"),
        ("method,category\nA,b\n", 1, "no column of numbers"),
        ("category,A:auroc\nb,9\n", 1, "unknown metric 'auroc'"),
        ("category,A:image_auroc\nb,9x\n", 2, "value '9x', expected digits"),
        ("category,A:image_auroc\nb,101\n", 2, "expected a percentage"),
        ("category,A:image_auroc\nb,90\nc,1,2\n", 3, "3 fields, expected 2"),
        ("category,A:image_auroc/pixel_auroc\nb,90\n", 2, "expected 2 number(s)"),
        ("category,image_auroc,image_auroc\nb,90,91\n", 1, "a column stands twice"),
        ("method,value\nA,90\n", 1, "no column 'metric'"),
        ("method,metric,value,colour\nA,image_auroc,90,red\n", 1, "unknown column 'colour'"),
        ("method,metric,value,bold\nA,image_auroc,90,x\n", 2, "bold is 'x'"),
        ("metric,value\nimage_auroc,90\n", 2, "neither method nor category"),
        ("method,metric,value,noise\nA,image_auroc,90,much\n", 2, "noise is 'much'"),
        ("method,metric,value,runs\nA,image_auroc,90,1.5\n", 2, "a whole number"),
        ("category,A:image_auroc\nb,90\naverage:x,90\n", None, "no category of group 'x'"),
        ('category,A:image_auroc\n"b,90\n', 2, "not valid CSV"),
    ],
)
def test_bad_files_are_one_line(read, text: str, line: int | None, message: str) -> None:
    """What is wrong is said with file and line, what was given and what was expected."""
    with pytest.raises(SpecError) as caught:
        read(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.line == line


def test_an_unknown_dataset_is_refused(read) -> None:
    """Counts are those of datasets that the project knows."""
    with pytest.raises(UnknownNameError, match="did you mean mvtec_ad"):
        read(WIDE, dataset="mvtec")


@pytest.mark.parametrize(
    ("text", "line", "messages"),
    [
        (
            "category;A:image_auroc;A:pixel_auroc\nbottle;97,2;96,5\n", 1,
            ("parted by semicolons (category, A:image_auroc, A:pixel_auroc)", "expected commas",
             "replace each ';' by ','", "97,2 → 97.2"),
        ),
        ("category\tA:image_auroc\nbottle\t97.2\n", 1, ("parted by tabs", "expected commas")),
        (
            "category,A:auroc\nbottle,97.2\n", 1,
            ("unknown metric 'auroc'", "'A:image_auroc' (one score per image)",
             "'A:pixel_auroc' (one per pixel)"),
        ),
        ("category,AUROC\nbottle,97.2\n", 1, ("'image_auroc'", "or 'pixel_auroc'")),
        ("method,metric,value\nA,ROC-AUC,97.2\n", 2, ("'image_auroc'", "or 'pixel_auroc'")),
        (
            "category,PatchCore,RIAD\nbottle,100.0,99.9\n", 1,
            ("column 'PatchCore' names no metric", "rename it to 'PatchCore:image_auroc'"),
        ),
        (
            'category,A:image_auroc\nbottle,"97,2"\n', 2,
            ("value '97,2' has a decimal comma", "expected a point: 97.2"),
        ),
        (
            "category,A:image_auroc\nbottle,97,2\n", 2,
            ("3 fields, expected 2", "if 97,2 is one number, write it with a point: 97.2"),
        ),
        (
            "category,noise,A:image_auroc\nbottle,10,97,2\n", 2,
            ("4 fields, expected 3", "if 97,2 is one number, write it with a point: 97.2"),
        ),
        (
            "category,A:image_auroc\nbottle,97.2±0,3\n", 2,
            ("3 fields", "if 97.2±0,3 is one number, write it with a point: 97.2±0.3"),
        ),
        (
            'category,A:image_auroc\nbottle,"97.2±0,3"\n', 2,
            ("value '0,3' has a decimal comma", "expected a point: 0.3"),
        ),
        ("Category,A:image_auroc\nbottle,97.2\n", 1, ("rename it to 'category'",)),
        ("METRIC,category,A:image_auroc\nx,bottle,9\n", 1, ("rename it to 'metric'",)),
        ("categroy,A:image_auroc\nbottle,97.2\n", 1, ("did you mean 'category'",)),
        ("category,metric\nbottle,97.2\n", 1, ("column 'metric' goes with 'value'",)),
        ("category,Metric,Value\nbottle,f1,97.2\n", 1, ("rename it to 'metric'",)),
    ],
)  # fmt: skip
def test_common_slips_say_how_to_mend_them(read, text: str, line: int, messages) -> None:
    """Separators, metrics without a kind, columns without a metric, decimal commas: the remedy."""
    with pytest.raises(SpecError) as caught:
        read(text)
    for message in messages:
        assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize("name", ["auroc", "iauroc", "Image AUROC", "Pixel-AUROC"])
def test_what_a_message_tells_to_do_works(read, name: str) -> None:
    """A column that is renamed as its error says is read."""
    with pytest.raises(SpecError) as caught:
        read(f"category,A:{name}\nbottle,97.2\n")
    renamed = str(caught.value).partition("rename it to '")[2].partition("'")[0]
    assert len(read(f"category,{renamed}\nbottle,97.2\n").entries) == 1
