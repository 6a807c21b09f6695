"""`reproduce report`: pages of everything in a store, from its cells alone."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from check_worlds import METHOD, write_paper
from table_frames import make_frame
from test_reports_html import Page

from adrepro.harness.cli import invoke
from adrepro.harness.commands.found import OTHER, editions, sound_rows
from adrepro.harness.frames import to_frame
from adrepro.harness.store import Store
from adrepro.tables.papers import load_target
from conftest import World, write_mvtec


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A store with four seeds of a target, and again with another setting."""
    root = tmp_path_factory.mktemp("report")
    write_mvtec(root / "data/mvtec_ad")
    papers = write_paper(root, bottle="50.0", screw="50.0", average="50.0")
    common = ["-m", METHOD, "--papers", papers, "--store", root / "store"]
    common += ["--device", "cpu", "--quiet"]
    first = ["tiny/table1", *common, "--data-root", root / "data", "--out", root / "ran"]
    for more in ((), ("--set", f"{METHOD}.shift=1.0")):
        assert invoke([str(a) for a in (*first, "-j", "1", *more)]) == 0
    return root


@pytest.fixture
def world(ran, tmp_path, capsys):
    """The command line beside that store, without images in reach."""
    made = World(tmp_path, capsys)
    made.common = ("--store", ran / "store", "--papers", ran / "papers")
    return made


def counts(page):
    """Verdicts and their counts as the page's head section shows them."""
    text = page.text[page.text.index("Verdicts", page.text.index("Verdicts") + 1) :]
    labels = ("reproduced", "better", "worse", "inconclusive", "not run", "failed")
    return {name: int(re.search(rf"(\d+) {name}", text)[1]) for name in labels}


def test_every_make_has_its_page(world, ran):
    """Results of two settings get two pages, never one; the index lists both with their links."""
    assert world.reproduce("report", *world.common, "--out", world.root / "a") == 0
    out = world.root / "a"
    pages = sorted(path.name for path in out.glob("*.html"))
    assert pages == ["index.html", "tiny_table1.html", "tiny_table1_other_settings.html"]
    index = Page((out / "index.html").read_text())
    links = [a["href"] for tag, a in index.tags if tag == "a"]
    assert set(pages[1:]) <= set(links)
    assert all((out / link).is_file() for link in links)
    assert index.unbalanced == []
    own, other = (Page((out / name).read_text()) for name in pages[1:])
    assert "8 of 8 done" in own.text
    assert "8 of 8 done" in other.text
    assert "shift 1 instead of 0" in other.text
    assert "shift 1 instead of 0" not in own.text


def test_verdicts_are_those_of_check(world, ran):
    """The page counts what `reproduce check` counts for the same store."""
    world.reproduce("report", *world.common, "--out", world.root / "a")
    check = ("check", "tiny/table1", "-m", METHOD, *world.common, "--json")
    world.reproduce(*check)
    known = json.loads(world.stdout)["counts"]
    found = counts(Page((world.root / "a/tiny_table1.html").read_text()))
    assert found == {name: known[name] for name in found}
    assert sum(known.values()) == 3
    # The page that the run itself wrote says the same of its second setting.
    world.reproduce(*check, "--set", f"{METHOD}.shift=1.0")
    known = json.loads(world.stdout)["counts"]
    assert counts(Page((ran / "ran/tiny_table1.html").read_text()))["not run"] == known["not run"]


def test_two_renders_are_byte_equal(world):
    """The same store gives the same bytes in another folder, the index too."""
    for name in ("a", "b"):
        assert world.reproduce("report", *world.common, "--out", world.root / name, "-q") == 0
    first = sorted((world.root / "a").iterdir())
    assert len(first) > 10
    for path in first:
        assert path.read_bytes() == (world.root / "b" / path.name).read_bytes(), path.name


def details(path):
    """The data behind the cells of a page."""
    return json.loads(Page(path.read_text()).code[-2])


def test_images_only_where_they_are_at_hand(world, ran):
    """Every cell of the page has thumbnails; without images the page says so."""
    world.reproduce("report", *world.common, "--out", world.root / "a", "-q")
    none = details(world.root / "a/tiny_table1.html")
    assert none["thumbs"] == {}
    assert "not at hand" in none["note"]
    data = ("--data-root", ran / "data")
    world.reproduce("report", *world.common, *data, "--out", world.root / "b", "-q")
    some = details(world.root / "b/tiny_table1.html")
    assert len(some["thumbs"]) == len(some["runs"]) == 8
    assert {some["runs"][int(run)][0] for run in some["thumbs"]} == {"0", "1", "2", "3"}
    assert all(uri.startswith("data:image/webp;base64,") for uri in some["pictures"])
    assert len(some["pictures"]) == len(set(some["pictures"]))
    assert some["note"] == ""
    # The same page a second time has the same bytes, images and all.
    world.reproduce("report", *world.common, *data, "--out", world.root / "again", "-q")
    for name in ("tiny_table1.html", "tiny_table1_other_settings.html"):
        pair = [(world.root / folder / name).read_bytes() for folder in ("b", "again")]
        assert pair[0] == pair[1]
    # A changed image is not the one that was judged: none of its cell are shown.
    changed = world.root / "data"
    shutil.copytree(ran / "data", changed)
    for path in (changed / "mvtec_ad/bottle/test").rglob("*.png"):
        shutil.copy(next((changed / "mvtec_ad/screw/test/good").iterdir()), path)
    out = world.root / "c"
    world.reproduce("report", *world.common, "--data-root", changed, "--out", out, "-q")
    kept = details(out / "tiny_table1.html")
    assert len(kept["thumbs"]) == 4
    assert "The images of 4 of 8 finished results are not at hand" in kept["note"]
    assert kept["note"] in Page((out / "tiny_table1.html").read_text()).text


def test_store_without_results(world):
    """An empty store is one line and exit code 2, and nothing is written."""
    Store(world.root / "empty", create=True)
    assert (
        world.reproduce("report", "--store", world.root / "empty", "--out", world.root / "o") == 2
    )
    assert "run a target first" in world.stderr
    assert not (world.root / "o/index.html").exists()


def rows(**options):
    """A result frame of Table 1 with the columns of a store's."""
    return to_frame(make_frame(load_target("table1"), **options).to_dict("records"))


@pytest.fixture
def no_presets(monkeypatch):
    """Spare the methods' planning: all rows count as run with other settings."""
    monkeypatch.setattr("adrepro.harness.commands.stored_methods.fits", lambda *_: ())


@pytest.mark.usefixtures("no_presets")
def test_shared_cells_serve_every_target_that_they_cover():
    """Cells that were run for one target make all others that ask for nothing else."""
    every = rows(methods=load_target("fig3").run.methods, seeds=1)
    names = {edition.target.name for edition in editions(every)}
    assert {"rad/table1", "rad/fig3"} <= names
    few = every[every["method"] == "rad"]
    assert {e.target.name for e in editions(few)} == {"rad/table1"}


@pytest.mark.usefixtures("no_presets")
def test_protocols_and_data_stand_apart():
    """Another protocol, another evaluation and drawn images are reports of their own."""
    real = rows(methods=["differnet"], seeds=1)
    other = real.assign(protocol="overlap/1:total=100,max_level=50,shortage=shrink")
    drawn = rows(methods=["differnet"], seeds=1, stand_ins=True)
    found = [
        (edition.target.name, edition.frame)
        for edition in editions(pd.concat([drawn, other, real], ignore_index=True))
    ]
    assert [name for name, _ in found] == [
        "rad/table1", "rad/table1_overlap", "rad/table1_synthetic",
    ]  # fmt: skip
    for _, frame in found:
        assert frame["protocol"].nunique() == frame["synthetic"].nunique() == 1
        assert len(frame) == len(real)


@pytest.mark.usefixtures("no_presets")
def test_versions_of_a_method_stand_apart():
    """Two sources of a method are two reports; a failed cell goes with its settings."""
    real = rows(methods=["differnet", "patchcore"], seeds=1).assign(source="new")
    old = real[real["method"] == "patchcore"].iloc[:40].assign(source="old")
    failed = real.iloc[:1].assign(status="failed", source="new", fingerprint=None, seed=5)
    found = list(editions(pd.concat([real, old, failed], ignore_index=True)))
    assert [e.target.name for e in found] == ["rad/table1", "rad/table1_version-2"]
    assert found[0].preset == OTHER
    assert (found[0].frame["status"] == "failed").sum() == 1
    assert set(found[1].frame["source"]) == {"old"}
    assert set(found[1].frame["method"]) == {"patchcore"}


def test_page_and_index_say_what_a_version_is():
    """What sets a version apart stands in the notes of its page and on its line of the index."""
    from adrepro.harness.commands.found import Edition
    from adrepro.harness.commands.report import _noted, _told
    from adrepro.reports.build import prepare
    from adrepro.reports.html_index import entry_of

    target, frame = load_target("table1"), rows(methods=["patchcore"], seeds=1)
    edition = Edition(target=target, frame=frame, preset=OTHER, differs="p: k=1", notes=("Old.",))
    prepared = _noted(prepare(target, frame), edition)
    assert prepared.model.notes[:2] == ("What sets this page apart: p: k=1.", "Old.")
    entry = _told(entry_of(prepared, ()), edition)
    assert entry.facts[-2:] == (("Set apart by", "p: k=1"), ("Note", "Old."))


def test_a_class_that_is_not_imported_stands_in_the_same_table(monkeypatch):
    """Run in one way, it joins the others under its raw name with a note; in two, it does not."""
    own = "not_imported_here:MeanDistance"
    where = "adrepro.harness.commands.stored_methods.fits"
    monkeypatch.setattr(where, lambda name, *_: ("quick",) if name == "patchcore" else ())
    both = rows(methods=["patchcore"], seeds=1)
    both = pd.concat([both, both.assign(method=own, settings="{}")], ignore_index=True)
    (edition,) = editions(both)
    assert edition.preset == "quick"
    assert edition.target.name == "rad/table1"
    assert set(edition.frame["method"]) == {"patchcore", own}
    assert any(f"--allow-method {own} " in note for note in edition.notes)
    second = both[both["method"] == own].assign(settings='{"a":1}', seed=1)
    found = list(editions(pd.concat([both, second], ignore_index=True)))
    assert set(found[0].frame["method"]) == {"patchcore"}
    assert [note for note in found[0].notes if own in note] == []
    assert all("was not imported" in "".join(e.notes) for e in found[1:])
    assert len(found) > 1


@pytest.fixture
def known_today(monkeypatch):
    """PatchCore declares ``neighbours`` 1, and its source of today is ``today``."""
    where = "adrepro.harness.commands.declared"
    monkeypatch.setattr(f"{where}.source_today", lambda _: "today")

    def distance(_name, settings, _backbone, _size):
        return sum(v != d for v, d in zip(json.loads(settings).values(), (1, 2), strict=False))

    monkeypatch.setattr(f"{where}.distance", distance)


def made(**columns):
    """Rows of two methods, PatchCore's with these columns."""
    every = rows(methods=["differnet", "patchcore"], seeds=1)
    every["settings"] = every["settings"].where(every["method"] != "patchcore", '{"neighbours":1}')
    for name, value in columns.items():
        every.loc[every["method"] == "patchcore", name] = value
    return every


@pytest.mark.usefixtures("no_presets", "known_today")
@pytest.mark.parametrize("old", ["aaa", "zzz"])
def test_todays_source_heads_the_page(old):
    """At equal counts today's source stands first, whatever its hash; pages say what they hold."""
    new, early = made(source="today"), made(source=old)
    early = early[early["method"] == "patchcore"]
    first, second = editions(pd.concat([early, new], ignore_index=True))
    assert set(first.frame.loc[first.frame["method"] == "patchcore", "source"]) == {"today"}
    assert first.differs == "patchcore: source today"
    assert second.differs == f"patchcore: source {old}"
    assert second.target.slug in "".join(first.notes)
    assert f"All {len(early)} results of patchcore" in "".join(second.notes)
    assert f"{old}, today today" in "".join(second.notes)


@pytest.mark.usefixtures("no_presets", "known_today")
def test_declared_settings_head_the_page():
    """Of settings with equal cover those that the method declares are compared with others."""
    ablation = made(source="today", settings='{"neighbours":0}')
    ablation = ablation[ablation["method"] == "patchcore"]
    first, second = editions(pd.concat([ablation, made(source="old")], ignore_index=True))
    own = first.frame[first.frame["method"] == "patchcore"]
    assert set(own["settings"]) == {'{"neighbours":1}'}
    assert "neighbours=0" in second.differs
    assert set(second.frame["method"]) == {"patchcore"}


@pytest.mark.usefixtures("no_presets", "known_today")
def test_no_make_stands_for_a_method_where_nothing_tells_which():
    """Two ablations as far from the declared settings are not compared under the method's name."""
    two = [made(source="today", settings=text) for text in ('{"a":0,"b":2}', '{"a":1,"b":0}')]
    two[1] = two[1][two[1]["method"] == "patchcore"]
    found = list(editions(pd.concat(two, ignore_index=True)))
    assert [set(e.frame["method"]) for e in found] == [{"differnet"}, {"patchcore"}, {"patchcore"}]
    assert [e.differs for e in found] == ["", "patchcore: a=0, b=2", "patchcore: a=1, b=0"]


def test_distance_counts_settings():
    """A declared run is at 0; each changed, missing or new setting counts, and the backbone."""
    from adrepro.harness.commands import declared
    from adrepro.harness.commands.stored_methods import _planned

    plan = _planned("patchcore", "paper")
    assert plan is not None
    own = json.loads(plan.settings_json)
    first = next(iter(own))
    cases = ((own, 0), (own | {"new": 1}, 1), ({k: own[k] for k in own if k != first}, 1))
    for settings, count in cases:
        made_with = (json.dumps(settings), plan.backbone, plan.image_size)
        assert declared.distance("patchcore", *made_with) == count
    assert declared.distance("patchcore", plan.settings_json, "another", plan.image_size) == 1
    assert declared.distance("nobodys-method", "{}", "none", 1) == 0
    assert plan.source_sha256.startswith(declared.source_today("patchcore"))


def test_failed_cells_take_no_name_of_another_method():
    """A failed cell of one method is not given to another with the same settings."""
    both = rows(methods=["differnet", "patchcore"], seeds=1).assign(settings="{}", backbone="b")
    both = both[(both["method"] != "differnet") | (both.index == both.index[0])].reset_index()
    own = both["method"] == "differnet"
    assert own.sum() == 1
    both["synthetic"] = both["synthetic"].astype(object)
    both.loc[own, "status"] = "failed"
    kept, _ = sound_rows(both)
    assert (kept["method"].sort_index() == both["method"]).all()


def test_folder_in_the_way(world):
    """An output path that is a file is refused in one line."""
    blocked = Path(world.root / "file")
    blocked.write_text("")
    assert world.reproduce("report", *world.common, "--out", blocked) == 2
    assert world.stderr.count("\n") == 1
