"""Score folders: their description, and the templates that are filled in."""

import csv
from pathlib import Path

import pytest
from score_folders import (
    BOTTLE,
    evaluated,
    folder_of,
    metrics_of,
    scored_by_name,
    stored,
    template,
)

from adrepro.datasets.errors import SpecError, UsageError
from adrepro.datasets.noise import parse_protocol
from adrepro.harness.frames import store_frame
from adrepro.harness.scorecells import protocol_folders
from adrepro.harness.scorefolder import ALL_ANOMALOUS as OWN_LINE
from adrepro.harness.scorefolder import _value, open_scores
from adrepro.harness.store import Store
from adrepro.methods.registry import method_class, method_targets
from adrepro.tables.layout import ALL_ANOMALOUS


def test_template_lists_what_the_cell_holds(world, tmp_path):
    """A template's ids are those of the cell that a run makes of it; filled in, it runs."""
    root = tmp_path / "mine"
    assert template(world, root, "--noise", "0,25", *BOTTLE, "--name", "mine") == 0, world.stderr
    files = sorted(root.rglob("*.csv"))
    assert [str(f.relative_to(root)) for f in files] == [
        "mvtec_ad/bottle/noise0/seed0.csv",
        "mvtec_ad/bottle/noise25/seed0.csv",
    ]
    for noise in (0, 25):
        scored_by_name(world, root, f"mvtec_ad/bottle/noise{noise}/seed0")
    evaluated(world, f"scores:{root}", noise=(0.0, 25.0))
    frame = store_frame(Store(world.store))
    assert set(frame["image_auroc"]) == {1.0}
    assert set(frame["warnings"]) == {""}
    assert frame["pixel_auroc"].isna().all()
    # Nobody here knows how the images were prepared, nor by which source.
    assert frame["fingerprint"].str.contains("resize=unknown (made elsewhere)", regex=False).all()
    assert frame["source"].isna().all()
    for row in frame.itertuples():
        ids, _, _ = stored(world, str(row.key))
        listed = list(
            csv.DictReader((root / f"mvtec_ad/bottle/noise{row.noise:g}/seed0.csv").open())
        )
        for split, names in ids.items():
            assert [each["image_id"] for each in listed if each["split"] == split] == names


def test_template_destroys_nothing(world, tmp_path):
    """A template never replaces a file that may be filled in, nor writes half a set."""
    root = tmp_path / "mine"
    assert template(world, root, *BOTTLE) == 0, world.stderr
    before = {path: path.read_bytes() for path in root.rglob("*.*")}
    assert template(world, root, "--noise", "0,25", *BOTTLE) == 2
    assert "1 of 2 files" in world.stderr
    assert {path: path.read_bytes() for path in root.rglob("*.*")} == before
    assert template(world, root, "--noise", "25", *BOTTLE, "--name", "other") == 2
    assert "leave --name out" in world.stderr
    assert template(world, root, "--noise", "25", *BOTTLE) == 0, world.stderr


def test_templates_of_two_protocols_lie_apart(world, tmp_path):
    """Two protocols' files stand in folders of their names, and both run."""
    root = tmp_path / "mine"
    both = ("--protocol", "fixed-test,overlap", "--noise", "25", *BOTTLE)
    assert template(world, root, *both, "--name", "mine") == 0
    for protocol in ("fixed-test", "overlap"):
        scored_by_name(world, root, f"{protocol}/mvtec_ad/bottle/noise25/seed0")
    evaluated(world, f"scores:{root}", noise=(25.0,), protocols=("fixed-test", "overlap"))
    assert len(metrics_of(world, "mine")) == 2


def test_scores_are_no_method():
    """Where a method class is needed, the reserved name is refused with what it means."""
    with pytest.raises(UsageError, match="means scores from a file, which are no method"):
        method_class("scores:folder")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = 'x'\n", r"no name; expected a line such as name ="),
        ("name = 'a b'\n", r":1: name = 'a b'; expected letters"),
        ("name = 'patchcore'\n", r":1: name = 'patchcore'; expected another .*patchcore-elsewhere"),
        ("name = 'PatchCore'\n", r":1: name = 'PatchCore'; expected another name"),
        ("name = 'all-anomalous'\n", r"expected another name than a method's own"),
        ("name = 'glass@saha'\n", r"name = 'glass@saha'; expected letters"),
        ("name = 'a'\nsigma = 1\n", r":2: unknown key 'sigma'"),
        ("name = 'a'\nsmoothing_sigma = -1\n", r":2: smoothing_sigma = -1; expected 0 or"),
        ("name = 'a'\nsmoothing_sigma = nan\n", r"smoothing_sigma = nan; expected"),
        ("name = 'a'\nimage_size = true\n", r"image_size = True; expected a whole number"),
        ("name = 'a'\nnotes = [1]\n", r"notes = \[1\]; expected a sentence"),
        ("name = \n", r"scores.toml:1: no valid TOML"),
    ],
)
def test_bad_toml_is_one_line_with_its_place(tmp_path, text, said):
    """Whatever scores.toml gets wrong is one line that names file and line."""
    with pytest.raises(SpecError, match=said) as caught:
        open_scores(f"scores:{folder_of(tmp_path, text)}")
    assert "\n" not in str(caught.value)


def test_no_name_of_a_method_or_of_a_published_line_is_free():
    """Every registered name is refused, and the one that published tables fill by themselves."""
    assert OWN_LINE == ALL_ANOMALOUS
    for name in (*method_targets(), ALL_ANOMALOUS):
        with pytest.raises(SpecError, match="expected another name"):
            _value("name", name, Path("scores.toml"), "")
    assert _value("name", "patchcore-elsewhere", Path("scores.toml"), "") == "patchcore-elsewhere"


def test_toml_defaults_and_another_name_for_the_file(tmp_path):
    """A name is enough; a file of another name serves a second line of the same folder."""
    (tmp_path / "other.toml").write_text('name = "b"\nnotes = "One  sentence."\n')
    found = open_scores(f"scores:{tmp_path / 'other.toml'}")
    assert (found.root, found.title, found.smoothing_sigma) == (tmp_path, "b", 0.0)
    assert (found.image_size, found.backbone, found.notes) == (256, "none", ("One sentence.",))
    with pytest.raises(UsageError, match="cannot be read"):
        open_scores(f"scores:{tmp_path / 'nowhere'}")


def test_protocol_folders_have_names_of_their_own():
    """A protocol's folder is its bare name, or tells two of one name apart without slashes."""
    one, two, other = map(parse_protocol, ("fixed-test", "fixed-test:total=60", "overlap"))
    assert set(protocol_folders([one, other]).values()) == {"fixed-test", "overlap"}
    names = set(protocol_folders([one, two]).values())
    assert len(names) == 2
    assert not any("/" in name or ":" in name for name in names)
