"""`reproduce check`, `record-baseline` and `stats` on a real store of tiny runs."""

import json
import os
import shlex
import shutil
import subprocess
from xml.etree import ElementTree as Xml

import pytest
from check_worlds import METHOD, write_paper
from toys_checks import Draws

from adrepro.harness.frames import store_frame
from adrepro.harness.store import Store
from conftest import World, write_mvtec


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder with data, a paper, and four seeds of its table in a store."""
    from adrepro.harness.cli import invoke

    root = tmp_path_factory.mktemp("check")
    write_mvtec(root / "data/mvtec_ad")
    papers = write_paper(root, bottle="50.0", screw="50.0", average="50.0")
    common = ["-m", METHOD, "--papers", papers, "--store", root / "store"]
    common += ["--device", "cpu", "--quiet"]
    arguments = ["tiny/table1", *common, "--data-root", root / "data", "--out", root / "out"]
    assert invoke([str(a) for a in (*arguments, "-j", "1")]) == 0
    # The same cells with other settings and another protocol, for triage.
    other = [*arguments, "--set", f"{METHOD}.shift=1.0", "-j", "1"]
    assert invoke([str(a) for a in other]) == 0
    return root


@pytest.fixture
def tiny(ran, tmp_path, capsys):
    """The command line on a copy of that folder, without the images."""
    for name in ("store", "papers"):
        shutil.copytree(ran / name, tmp_path / name)
    world = World(tmp_path, capsys)
    world.common = ("tiny/table1", "-m", METHOD, "--papers", tmp_path / "papers")
    world.common += ("--store", world.store)
    return world


def means(root):
    """Mean image AUROC in percent of the own settings, by category."""
    frame = store_frame(Store(root / "store"))
    own = frame[~frame["settings"].str.contains('"shift":1.0')]
    return 100 * own.groupby("category")["image_auroc"].mean(), own


def test_own_numbers_are_reproduced(tiny):
    """Printing what was measured gives three reproduced cells and exit code 0, also strict."""
    found, own = means(tiny.root)
    assert len(own) == 8
    average = own.groupby("seed")["image_auroc"].mean().mean() * 100
    write_paper(
        tiny.root, bottle=f"{found['bottle']:.1f}", screw=f"{found['screw']:.1f}",
        average=f"{average:.1f}",
    )  # fmt: skip
    assert tiny.reproduce("check", *tiny.common, "--margin", "20", "--strict") == 0
    assert "3 reproduced" in tiny.stdout
    assert "±20 points (given on the command line)" in tiny.stdout
    assert "earlier" not in tiny.stdout
    assert "other methods, settings" in tiny.stdout


def test_check_says_what_differs(tiny):
    """Numbers far away are worse or better; exit code 1; JSON and JUnit agree."""
    write_paper(tiny.root, bottle="100.0", screw="1.0", average="99.9")
    junit = tiny.root / "out.xml"
    code = tiny.reproduce("check", *tiny.common, "--margin", "1", "--json", "--junit", junit)
    document = json.loads(tiny.stdout)
    assert code == document["exit_code"] == 1
    said = {c["category"]: c["verdict"] for c in document["cells"]}
    assert said["bottle"] == "worse"
    assert said["screw"] == "better"
    root = Xml.fromstring(junit.read_text())
    assert int(root.get("failures")) == document["counts"]["worse"] >= 1
    cell = document["cells"][0]["test"]
    found, _ = means(tiny.root)
    assert cell["mean"] == pytest.approx(found["bottle"])
    assert cell["n"] == 4


def test_nothing_in_the_store_is_incomplete(tiny):
    """Other settings than any run has: not run, exit 0, and 3 when strict; they are noted."""
    other = ("--set", f"{METHOD}.shift=2.0")
    assert tiny.reproduce("check", *tiny.common, *other) == 0
    assert "3 not run" in tiny.stdout
    assert "16 stored results" in tiny.stdout
    assert tiny.reproduce("check", *tiny.common, *other, "--strict") == 3


def test_part_of_a_table_says_how_it_is_judged_alone(tiny):
    """A line with the options that the part was run with: with them nothing is `not run`."""
    store = Store(tiny.store)
    for key in store:
        cell = store.read(key).document["cell"]
        if cell["category"] != "screw" or cell["seed"] > 1:
            shutil.rmtree(store.folder(key))
    assert tiny.reproduce("check", *tiny.common) == 0
    assert "2 not run" in tiny.stdout
    said = next(line for line in tiny.stdout.splitlines() if "judge what was run" in line)
    words = shlex.split(said.partition("alone: reproduce ")[2])
    assert said.startswith("note: The store has 2 results of 8; to judge what was run alone: ")
    assert words[:2] == ["check", "tiny/table1"]
    assert words[-8:] == [
        "-c", "screw", "--seeds", "2", "--store", str(tiny.store), "--papers",
        str(tiny.root / "papers"),
    ]  # fmt: skip
    assert tiny.reproduce(*words) in {0, 1}
    assert "not run" not in tiny.stdout
    assert "judge what was run" not in tiny.stdout


def test_nothing_is_advised_where_no_number_is_printed(tiny):
    """A part without any printed number: one line says so, no command that would judge nothing."""
    papers = write_paper(tiny.root, bottle="50.0", screw="50.0", average="50.0")
    numbers = papers / "tiny/table1.csv"
    kept = [line for line in numbers.read_text().splitlines() if ",screw," not in line]
    numbers.write_text("\n".join(kept) + "\n")
    store = Store(tiny.store)
    for key in store:
        if store.read(key).document["cell"]["category"] != "screw":
            shutil.rmtree(store.folder(key))
    assert tiny.reproduce("check", *tiny.common) == 0
    said = f"note: The store has 4 results of 8, of {METHOD}: no number is printed for what was run"
    assert said in tiny.stdout
    assert "judge what was run" not in tiny.stdout
    assert tiny.reproduce("check", *tiny.common, "-c", "screw") == 0
    assert "nothing to judge" in tiny.stdout


def test_part_under_another_preset_is_found(tiny, monkeypatch):
    """Who forgets the preset of the run is told it, on the screen and in JSON."""
    monkeypatch.setattr(Draws, "presets", {"quick": {"shift": 1.0}}, raising=False)
    store = Store(tiny.store)
    for key in store:
        if '"shift":1.0' not in store.read(key).document["cell"]["settings"]:
            shutil.rmtree(store.folder(key))
    assert tiny.reproduce("check", *tiny.common) == 0
    assert "3 not run" in tiny.stdout
    line = f"alone: reproduce check tiny/table1 --preset quick -m {METHOD} --store "
    assert line in tiny.stdout
    assert "The store has 8 results of 8" in tiny.stdout
    assert tiny.reproduce("check", *tiny.common, "--json") == 0
    assert line in json.loads(tiny.stdout)["notes"][-1]


def test_changed_settings_are_not_comparable(tiny):
    """Results of other settings than the paper's exist, but say nothing about it."""
    assert tiny.reproduce("check", *tiny.common, "--set", f"{METHOD}.shift=1.0", "--strict") == 3
    assert "3 not comparable" in tiny.stdout
    assert "shift 1 instead of 0" in tiny.stdout


def test_triage_finds_what_would_match(tiny):
    """The number that other settings gave is found among the stored results, and named."""
    frame = store_frame(Store(tiny.store))
    others = frame[frame["settings"].str.contains('"shift":1.0')]
    mean = 100 * others.groupby("category")["image_auroc"].mean()
    write_paper(tiny.root, bottle=f"{mean['bottle']:.1f}", screw="1.0", average="1.0")
    arguments = ("--margin", "0.5", "--triage", "--json")
    tiny.reproduce("check", *tiny.common, *arguments)
    cells = {c["category"]: c for c in json.loads(tiny.stdout)["cells"]}
    hints = cells["bottle"]["would_match"]
    assert cells["bottle"]["verdict"] != "reproduced"
    assert any("setting shift (0.0 → 1.0), mean of 4 seeds" in hint for hint in hints)
    assert any("prints the same" in hint for hint in hints)
    assert cells["screw"]["would_match"] == []
    tiny.reproduce("check", *tiny.common, *arguments[:-1])
    assert "would match" in tiny.stdout
    assert "A match is a hint" in tiny.stdout


def test_baseline_gate(tiny):
    """A recorded run is met digit for digit; a worse one fails; another target is refused."""
    baseline = tiny.root / "baseline.json"
    assert tiny.reproduce("record-baseline", *tiny.common, "-o", baseline) == 0
    assert "8 cells" in tiny.stderr
    gate = ("check", *tiny.common, "--against", baseline, "--strict")
    assert tiny.reproduce(*gate) == 0
    assert "2 reproduced" in tiny.stdout
    document = json.loads(baseline.read_text())
    for cell in document["cells"]:
        cell["values"] = {n: min(1.0, v + 0.2) for n, v in cell["values"].items()}
    baseline.write_text(json.dumps(document))
    assert tiny.reproduce(*gate) == 1
    assert "worse" in tiny.stdout
    document["cells"][0]["made"]["backbone"] = "another"
    baseline.write_text(json.dumps(document))
    tiny.reproduce(*gate, "--json")
    said = [c for c in json.loads(tiny.stdout)["cells"] if c["verdict"] == "not comparable"]
    assert said[0]["reason"] == "backbone differ from the recorded run"
    baseline.write_text(json.dumps(document | {"target": "rad/table1"}))
    assert tiny.reproduce(*gate) == 2
    assert "is of rad/table1" in tiny.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 9}', '{"schema":1,"cells":[{}]}'])
def test_damaged_baselines_are_one_line(tiny, text):
    """Whatever is no baseline is refused with one line and exit code 2."""
    path = tiny.root / "bad.json"
    path.write_text(text)
    assert tiny.reproduce("check", *tiny.common, "--against", path) == 2
    assert tiny.stderr.count("\n") == 1
    assert "record-baseline" in tiny.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--margin", "-1"), "--margin -1"),
        (("--margin", "nan"), "--margin nan"),
        (("--json", "--github"), "one of them"),
        (("--protocol", "fixed-test,overlap"), "one at a time"),
        (("--against", "no/such/file.json"), "cannot read the baseline"),
    ],
)
def test_bad_input_is_one_line(tiny, arguments, said):
    """Impossible requests end with exit code 2 and say what to do."""
    assert tiny.reproduce("check", *tiny.common, *arguments) == 2
    assert said in tiny.stderr
    assert tiny.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "record-baseline", "stats", "figures", "bundle"])
def test_a_misspelt_category_is_refused_without_images(tiny, command):
    """A typo is named with what was meant, exit code 2, by whatever reads the store alone."""
    assert tiny.reproduce(command, *tiny.common, "-c", "bottle,scrww") == 2
    assert tiny.stderr == "error: unknown category 'scrww': did you mean screw?\n"
    assert tiny.stdout == ""


def test_a_category_that_the_store_alone_knows_is_none_unknown(tiny):
    """Neither target nor catalogue lists it, the store has a cell of it: it is looked for."""
    from adrepro.harness.cell import Cell, Identity

    store = Store(tiny.store, create=True)
    record = store.read(next(iter(store)))
    cell = Cell(**record.document["cell"] | {"category": "gasket"})
    identity = Identity(cell=cell, hashes=record.document["hashes"])
    store.write_result(identity, record.row, {}, {}, "")
    assert tiny.reproduce("check", *tiny.common, "-c", "gasket") == 0
    assert "nothing to judge" in tiny.stdout


def test_a_baseline_without_these_cells_says_what_it_holds(tiny):
    """What was asked for and the baseline lacks is no check that passed."""
    baseline = tiny.root / "baseline.json"
    only = ("-c", "bottle", "-o", baseline)
    assert tiny.reproduce("record-baseline", *tiny.common, *only) == 0
    assert tiny.reproduce("check", *tiny.common, "-c", "screw", "--against", baseline) == 2
    holds = f"(it holds {METHOD}; bottle; noise 0 %)"
    assert tiny.stderr == f"error: the baseline has none of these cells {holds}\n"


def test_github_annotations_and_summary(tiny, monkeypatch):
    """Annotations go to standard output, the summary is appended to GitHub's file."""
    write_paper(tiny.root, bottle="100.0", screw="1.0", average="99.9")
    summary = tiny.root / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert tiny.reproduce("check", *tiny.common, "--margin", "1", "--github") == 1
    assert "::error title=" in tiny.stdout
    text = summary.read_text()
    assert text.startswith("before\n")
    assert "| worse | " in text
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert tiny.reproduce("check", *tiny.common, "--github", "--quiet") == 1
    assert "not set" in tiny.stderr


def test_two_results_of_one_place_are_told_apart(tiny):
    """A copy of a cell with another image list stops the check with both keys."""
    from adrepro.harness.cell import Cell, Identity

    store = Store(tiny.store, create=True)
    key = next(k for k in store if store.read(k).document["cell"]["category"] == "bottle")
    record = store.read(key)
    cell = Cell(**record.document["cell"])
    identity = Identity(cell=cell, hashes=record.document["hashes"] | {"images": "0" * 64})
    store.write_result(identity, record.row, {}, {}, "")
    settings = json.loads(cell.settings)
    options = ("--set", f"{METHOD}.shift={settings['shift']}")
    assert tiny.reproduce("check", *tiny.common, *options) == 2
    assert "image lists" in tiny.stderr
    older = Identity(cell=cell, hashes=record.document["hashes"] | {"method": "0" * 64})
    shutil.rmtree(store.folder(identity.key))
    store.write_result(older, record.row, {}, {}, "")
    tiny.reproduce("check", *tiny.common, *options)
    assert "1 result of an earlier version" in tiny.stdout, tiny.stderr


def resourced(store, sources):
    """Write every own cell again under these sources instead of today's, by seed."""
    from adrepro.harness.cell import Cell, Identity

    for key in list(store):
        record = store.read(key)
        cell = Cell(**record.document["cell"])
        if json.loads(cell.settings)["shift"]:
            continue
        hashes = record.document["hashes"] | {"method": sources(cell.seed)}
        shutil.rmtree(store.folder(key))
        store.write_result(Identity(cell=cell, hashes=hashes), record.row, {}, {}, "")


def test_a_wholly_stale_store_says_so(tiny):
    """Results of an earlier source of the method are judged, with a note that names it."""
    resourced(Store(tiny.store, create=True), lambda _seed: "f" * 64)
    assert tiny.reproduce("check", *tiny.common, "--margin", "99") == 0
    assert f"All 8 results of {METHOD} are of an earlier version of its source (ffff" in tiny.stdout
    tiny.reproduce("stats", *tiny.common)
    assert "earlier version of its source" in tiny.stderr


def test_versions_of_a_source_are_never_mixed(tiny):
    """With today's for two of four seeds only those count; two old versions alone are refused."""
    store = Store(tiny.store, create=True)
    record = next(store.read(key) for key in store)
    today = record.document["hashes"]["method"]
    resourced(store, lambda seed: today if seed < 2 else "f" * 64)
    tiny.reproduce("check", *tiny.common, "--margin", "99", "--json")
    document = json.loads(tiny.stdout)
    assert {cell["verdict"] for cell in document["cells"]} == {"inconclusive"}
    assert "2 seeds, at least 3" in document["cells"][0]["reason"]
    assert any("4 results of an earlier version" in note for note in document["notes"])
    resourced(store, lambda seed: ("e" if seed < 2 else "f") * 64)
    assert tiny.reproduce("check", *tiny.common) == 2
    assert "2 earlier versions of its source" in tiny.stderr
    assert tiny.stderr.count("\n") == 1


def test_stats_of_seeds_and_of_single_runs(tiny):
    """Four seeds have an interval over seeds; with one, over its test images."""
    assert tiny.reproduce("stats", *tiny.common, "--json") == 0
    places = json.loads(tiny.stdout)["places"]
    assert {p["interval"]["over"] for p in places} == {"seeds"}
    assert tiny.reproduce("stats", *tiny.common, "--seeds", "1", "--json") == 0
    single = [p for p in json.loads(tiny.stdout)["places"] if p["category"] != "average"]
    assert {p["interval"]["over"] for p in single} == {"test images"}
    for place in single:
        assert place["interval"]["low"] <= place["mean"] <= place["interval"]["high"]
    assert tiny.reproduce("stats", *tiny.common, "--markdown") == 0
    assert "| method | dataset |" in tiny.stdout
    assert tiny.reproduce("stats", *tiny.common, "--diagram", "x.gif") == 2


def test_checking_imports_no_torch(ran):
    """A checking job needs neither torch nor a GPU."""
    code = (
        "import sys; from adrepro.harness.cli import invoke; "
        f"c = invoke(['check', 'tiny/table1', '-m', '{METHOD}', "
        f"'--papers', {str(ran / 'papers')!r}, "
        f"'--store', {str(ran / 'store')!r}, '--quiet']); "
        "print(c, 'torch' in sys.modules)"
    )
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [os.sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": here},
    )  # fmt: skip
    assert done.stdout.split()[1:] == ["False"], done.stderr
    assert done.stdout.split()[0] in ("0", "1")
