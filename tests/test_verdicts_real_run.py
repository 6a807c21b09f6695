"""Every verdict on a real run: images, fits, a store, and numbers printed from what came out."""

import json
import re
import shutil
from xml.etree import ElementTree as Xml

import pytest
from check_real_worlds import ABSENT, DRAWS, MARGIN, OTHER, RAISES, run_seven, write_seven

from conftest import World

# What is printed is the run's mean plus so many points; at the margin nothing can be decided.
EXPECTED = {
    (DRAWS, "screw"): ("reproduced", 0.0),
    (DRAWS, "bottle"): ("better", -30.0),
    (DRAWS, "capsule"): ("worse", 25.0),
    (DRAWS, "cable"): ("inconclusive", MARGIN),
    (DRAWS, ABSENT): ("not run", 0.0),
    (RAISES, "bottle"): ("failed", 0.0),
    (OTHER, "bottle"): ("not comparable", 0.0),
}
VERDICTS = {place: verdict for place, (verdict, _) in EXPECTED.items()}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder with the run's store, and Draws' mean per category in percent."""
    root = tmp_path_factory.mktemp("seven")
    return root, run_seven(root)


def printed(seven, *places):
    """Print only these of the seven numbers."""
    numbers = {p: f"{seven.means.get(p[1], 50) + EXPECTED[p][1]:.1f}" for p in places}
    write_seven(seven.root, numbers)


@pytest.fixture
def seven(ran, tmp_path, capsys):
    """The command line on a copy of the store, and the paper with all seven fates."""
    root, means = ran
    shutil.copytree(root / "store", tmp_path / "store")
    world = World(tmp_path, capsys)
    world.means = means
    printed(world, *EXPECTED)
    world.common = ("seven/table1", "-m", f"{DRAWS},{RAISES},{OTHER}")
    world.common += ("--papers", tmp_path / "papers", "--store", world.store)
    world.common += ("--set", f"{OTHER}.power=3")
    return world


def test_json_has_exactly_these_verdicts(seven):
    """Each of the seven once, each where it was made to be, with what stands behind it."""
    assert seven.reproduce("check", *seven.common, "--json") == 1
    document = json.loads(seven.stdout)
    cells = {(c["method"], c["category"]): c for c in document["cells"]}
    assert {place: cell["verdict"] for place, cell in cells.items()} == VERDICTS
    assert set(document["counts"].values()) == {1}
    assert document["exit_code"] == 1
    assert document["tests"] == 4
    tests = {place: cell["test"] for place, cell in cells.items() if cell["test"] is not None}
    assert set(tests) == {place for place in cells if place[0] == DRAWS and place[1] != ABSENT}
    assert {test["n"] for test in tests.values()} == {5}
    # Equal seeds need no test: each verdict comes from seeds that differ.
    assert min(test["sd"] for test in tests.values()) > 0
    assert "the lamp is broken" in cells[RAISES, "bottle"]["reason"]
    assert cells[OTHER, "bottle"]["reason"] == "power 3 instead of 2"
    assert cells[DRAWS, ABSENT]["test"] is None


def test_text_has_exactly_these_verdicts(seven):
    """The counts, and a heading per verdict with the cell below it."""
    assert seven.reproduce("check", *seven.common, "--all") == 1
    assert set(re.findall(r"^([a-z ]+) \((\d+)\): ", seven.stdout, re.M)) == {
        (verdict, "1") for verdict in VERDICTS.values()
    }
    marks = re.findall(r"^  (\S) (.+?), (\w+), 0.*, image AUROC", seven.stdout, re.M)
    assert {(mark, row.lower()) for mark, _, row in marks} == {
        ("=", "screw"), ("+", "bottle"), ("-", "capsule"), ("?", "cable"), (".", ABSENT),
        ("x", "bottle"), ("/", "bottle"),
    }  # fmt: skip


@pytest.mark.parametrize("strict", [False, True])
def test_junit_has_exactly_these_verdicts(seven, strict):
    """A case per number; strict turns whatever is not reproduced into a failure."""
    path = seven.root / "check.xml"
    flags = ("--strict",) * strict
    assert seven.reproduce("check", *seven.common, "--junit", path, "--quiet", *flags) == 1
    root = Xml.fromstring(path.read_text())
    found = {}
    for case in root.iter("testcase"):
        category = case.get("name").split("/")[1]
        method = case.get("classname").removeprefix("seven/table1.")
        (child,) = case
        said = child.get("type") or child.text.partition(":")[0]
        found[method, category] = (child.tag, said)
    plain = {"worse": "failure", "failed": "error", "reproduced": "system-out"}
    hard = dict.fromkeys(VERDICTS.values(), "failure") | plain
    soft = dict.fromkeys(VERDICTS.values(), "skipped") | plain | {"better": "system-out"}
    kinds = hard if strict else soft
    assert found == {place: (kinds[v], v) for place, v in VERDICTS.items()}
    assert root.get("errors") == "1"
    assert root.get("failures") == ("5" if strict else "1")
    assert root.get("skipped") == ("0" if strict else "3")


def test_github_has_exactly_these_verdicts(seven, monkeypatch):
    """Errors for worse and failed, a warning for better, the rest in the summary."""
    summary = seven.root / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert seven.reproduce("check", *seven.common, "--github", "--quiet") == 1
    kinds = re.findall(r"^::(\w+) title=[^:]*%3A (\w+)::", seven.stdout, re.M)
    assert sorted(kinds) == [("error", "failed"), ("error", "worse"), ("warning", "better")]
    counts = re.findall(r"^\| ([a-z ]+) \| 1 \|", summary.read_text(), re.M)
    assert sorted(counts) == sorted(VERDICTS.values())


@pytest.mark.parametrize(
    ("verdict", "code", "strict_code"),
    [
        ("reproduced", 0, 0), ("better", 0, 1), ("worse", 1, 1), ("inconclusive", 0, 3),
        ("not run", 0, 3), ("failed", 1, 1), ("not comparable", 0, 3),
    ],
)  # fmt: skip
def test_exit_code_of_each_verdict_alone(seven, verdict, code, strict_code):
    """A paper that prints one number alone: 0 as expected, 1 not reproduced, 3 undecided."""
    printed(seven, next(place for place, said in VERDICTS.items() if said == verdict))
    assert seven.reproduce("check", *seven.common) == code
    assert f"1 {verdict}" in seven.stdout.splitlines()[0]
    assert seven.reproduce("check", *seven.common, "--strict", "--json") == strict_code
    assert json.loads(seven.stdout)["exit_code"] == strict_code
