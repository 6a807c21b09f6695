"""Scores made elsewhere are measured like any method's, in the same tables."""

import csv
import json
import math

import numpy as np
import pytest
from score_folders import (
    BOTTLE,
    TIMES,
    TOML,
    as_csv,
    as_npz,
    evaluated,
    folder_of,
    metrics_of,
    scored_by_name,
    stored,
    template,
    write_csv,
)

from adrepro.harness.evaluations import EVALUATION, PER_IMAGE_MINMAX
from adrepro.harness.frames import store_frame
from adrepro.harness.store import Status, Store
from adrepro.methods.registry import method_class

AT_THRESHOLD = ("precision", "recall", "f1", "precision_balanced", "recall_balanced", "f1_balanced")


@pytest.mark.parametrize(
    ("method", "write", "suffix", "axes"),
    [
        ("toys:PixelMean", as_npz, ".npz", {"noise": (0.0, 25.0), "categories": None}),
        ("toys:PixelMean", as_csv, ".csv", {"evaluations": (EVALUATION, PER_IMAGE_MINMAX)}),
        ("patchcore", as_csv, ".csv", {"preset": "demo", "noise": (25.0,)}),
    ],
)
def test_round_trip_gives_the_same_metrics(world, tmp_path, method, write, suffix, axes):
    """A method's own scores and maps, handed in as files, give every metric of its cells again."""
    cells = evaluated(world, method, **axes).cells
    cls, size = method_class(method), cells[0].identity.cell.image_size
    text = f'name = "mine"\nsmoothing_sigma = {cls.smoothing_sigma}\nimage_size = {size}\n'
    root = folder_of(tmp_path / "mine", text)
    # Of two evaluations the first, usual one comes first; raw scores are the same for both.
    for planned in reversed(cells):
        cell = planned.identity.cell
        stem = f"mvtec_ad/{cell.category}/noise{cell.noise:g}/seed0{suffix}"
        write(root / stem, *stored(world, planned.key))
    evaluated(world, f"scores:{root}", **axes)
    expected, found = metrics_of(world, method), metrics_of(world, "mine")
    assert len(expected) == len(found) == len(cells)
    for place, metrics in expected.items():
        assert metrics["aupro"] > 0
        assert math.isfinite(metrics["f1"]) or place[-1] == PER_IMAGE_MINMAX
        assert found[place] == pytest.approx(metrics, rel=0, abs=0, nan_ok=True)
    frame = store_frame(Store(world.store))
    assert frame.loc[frame["method"] == "mine", list(TIMES)].isna().all(axis=None)
    assert frame.loc[frame["method"] == "mine", "device"].isna().all()


def test_one_file_serves_two_protocols_and_says_what_it_ignored(world, tmp_path):
    """A file over the whole test set does for every protocol; ids outside the cell are counted."""
    root = folder_of(tmp_path / "mine")
    assert template(world, tmp_path / "all", "--protocol", "overlap", *BOTTLE) == 0, world.stderr
    ids = [r["image_id"] for r in csv.DictReader(next((tmp_path / "all").rglob("*.csv")).open())]
    rows = [
        {"image_id": name, "score": int("/good/" not in name)} for name in ids if "/test/" in name
    ]
    write_csv(root / "mvtec_ad/bottle/noise25/seed0.csv", rows)
    evaluated(world, f"scores:{root}", noise=(25.0,), protocols=("fixed-test", "overlap"))
    frame = store_frame(Store(world.store)).set_index("protocol")
    warnings = {name.partition("/")[0]: text for name, text in frame["warnings"].items()}
    left = len(rows) - int(frame.filter(like="fixed-test", axis=0)["n_test_anomalous"].iloc[0]) - 6
    assert f"{left} ids that are not among the test images ignored" in warnings["fixed-test"]
    assert warnings["overlap"] == ""


def test_without_training_scores_nothing_is_taken_at_a_threshold(world, tmp_path):
    """No training scores: no threshold and nothing that needs one, said as n/a in the table."""
    root = folder_of(tmp_path / "mine")
    assert template(world, tmp_path / "all", *BOTTLE) == 0, world.stderr
    listed = csv.DictReader(next((tmp_path / "all").rglob("*.csv")).open())
    rows = [
        {"image_id": r["image_id"], "score": int("/good/" not in r["image_id"])}
        for r in listed
        if r["split"] == "test"
    ]
    write_csv(root / "bottle.csv", rows)
    assert world.run(*BOTTLE, method=f"scores:{root}") == 0, world.stderr
    assert "100.0/n/a" in world.stdout
    row = store_frame(Store(world.store)).iloc[0]
    assert row[["threshold", *AT_THRESHOLD]].isna().all()
    assert row["f1_max"] == row["image_auroc"] == 1.0
    record = Store(world.store).read(str(row["key"]))
    assert record.row is not None
    assert record.row["precision"] is None
    page = (world.out / "run.html").read_text()
    assert "Scores from a file" in page
    assert "run elsewhere" in page


def test_rows_stand_beside_a_method_in_a_published_table(world, tmp_path):
    """In a published target the folder's title has a line beside the method that was run."""
    root = folder_of(tmp_path / "mine", 'name = "mine"\ntitle = "Made elsewhere"\n')
    noise = ("--noise", "0", *BOTTLE)
    assert template(world, root, *noise) == 0
    scored_by_name(world, root, "mvtec_ad/bottle/noise0/seed0")
    methods = ("--methods", f"toys:PixelMean,scores:{root}", "--datasets", "mvtec_ad")
    code = world.reproduce("table1", *methods, *noise, *world.places, "--device", "cpu")
    assert code == 0, world.stderr
    assert "Made elsewhere" in world.stdout
    assert "Pixel mean" in world.stdout
    assert "lie outside" not in world.stdout


def test_missing_files_are_said_before_anything_runs(world, tmp_path):
    """A dry run lists cells without a file; a run does the others and fails those."""
    root = folder_of(tmp_path / "mine")
    grid = ("--noise", "0,25", *BOTTLE)
    assert template(world, root, *BOTTLE) == 0, world.stderr
    scored_by_name(world, root, "mvtec_ad/bottle/noise0/seed0")
    said = "nothing to read for 1 of 2 cells, which will fail: mine/mvtec_ad/bottle/noise25/seed0"
    assert world.run(*grid, "--dry-run", method=f"scores:{root}") == 0, world.stderr
    assert said in world.stdout
    assert not world.store.exists()
    assert world.run(*grid, method=f"scores:{root}") == 1
    assert said in world.stderr
    states = store_frame(Store(world.store)).set_index("noise")
    assert states["status"].to_dict() == {0.0: "done", 25.0: "failed"}
    assert "no file mvtec_ad/bottle/noise25/seed0.csv or .npz" in states.loc[25.0, "error"]
    code = world.reproduce("why", "noise25", "-m", f"scores:{root}", "-d", "mvtec_ad", *grid,
                           *world.places)  # fmt: skip
    assert code == 0
    assert "no file mvtec_ad/bottle/noise25" in world.stdout


def test_a_folder_without_any_file_stops_the_run(world, tmp_path):
    """A folder with nothing to read is a usage error of one line and leaves no store."""
    root = folder_of(tmp_path / "mine")
    assert world.run(*BOTTLE, method=f"scores:{root}") == 2
    assert "for any of its 1 cells" in world.stderr
    assert world.stderr.count("\n") == 1
    assert not world.store.exists()
    (root / "bottle.csv").write_text("image_id,score\n")
    assert world.run("-c", "bottle", "--seeds", "2", method=f"scores:{root}") == 2
    assert "bottle.csv does for a run of one noise level, seed" in world.stderr


def test_key_follows_the_content_and_not_the_path(world, tmp_path):
    """Moved files keep their results; another score, sigma or map makes new ones, and why says."""
    root = folder_of(tmp_path / "mine")
    assert template(world, root, *BOTTLE) == 0, world.stderr
    path = scored_by_name(world, root, "mvtec_ad/bottle/noise0/seed0")
    (first,) = evaluated(world, f"scores:{root}").cells
    moved = root.rename(tmp_path / "moved")
    assert evaluated(world, f"scores:{moved}").cells[0].key == first.key
    folder_of(moved, TOML.replace("1.0", "2.0"))
    assert evaluated(world, f"scores:{moved}").cells[0].key != first.key
    path = moved / path.relative_to(root)
    path.write_text(path.read_text().replace(",1,", ",2,"))
    where = ("-m", f"scores:{moved}", "-d", "mvtec_ad", *BOTTLE, *world.places)
    assert world.reproduce("why", "bottle", *where) == 0
    assert "differs in the content of the score file" in world.stdout


def test_a_file_that_does_not_fit_fails_its_cell_alone(world, tmp_path):
    """A NaN in one category's file fails that cell with one line; the other is measured."""
    root = folder_of(tmp_path / "mine")
    assert template(world, root, "--seeds", "1") == 0
    scored_by_name(world, root, "mvtec_ad/bottle/noise0/seed0")
    scored_by_name(world, root, "mvtec_ad/screw/noise0/seed0", score="nan")
    evaluated(world, f"scores:{root}", categories=None)
    states = store_frame(Store(world.store)).set_index("category")
    assert states["status"].to_dict() == {"bottle": "done", "screw": "failed"}
    assert "mvtec_ad/screw/noise0/seed0.csv: score of screw/test/" in states.loc["screw", "error"]
    assert str(tmp_path) not in states.loc["screw", "error"]


def test_maps_larger_than_evaluated_are_refused(world, tmp_path):
    """Maps above the evaluated size fail with the line to write; then they are measured."""
    root = folder_of(tmp_path / "mine", 'name = "mine"\nimage_size = 32\n')
    evaluated(world, "toys:PixelMean")
    ids, arrays, maps = stored(world, next(iter(Store(world.store))))
    as_npz(root / "bottle.npz", ids, arrays, np.repeat(maps, 2, axis=1))
    evaluated(world, f"scores:{root}")
    failed = store_frame(Store(world.store)).query("status == 'failed'")["error"].iloc[0]
    assert "maps of 64 × 32 pixels, evaluated at 32; set image_size = 64" in failed
    folder_of(root, 'name = "mine"\nimage_size = 64\n')
    evaluated(world, f"scores:{root}")
    assert metrics_of(world, "mine").popitem()[1]["pixel_auroc"] > 0.9


SWITCH = "--per-image-minmax"


def test_scores_without_maps_are_left_out_of_the_stretched_table(world, tmp_path):
    """Alone they are refused; beside a method with maps they get the line that others get."""
    root = folder_of(tmp_path / "mine")
    assert template(world, root, *BOTTLE) == 0, world.stderr
    scored_by_name(world, root, "mvtec_ad/bottle/noise0/seed0")
    assert world.run(*BOTTLE, SWITCH, method=f"scores:{root}") == 2
    refused = "no maps to normalise from mine; leave the option out"
    assert refused in world.stderr.strip().splitlines()[-1]
    assert not world.store.exists()
    both = f"scores:{root},toys:PixelMean,toys:ImageOnly"
    assert world.run(*BOTTLE, SWITCH, method=both) == 0, world.stderr
    said = f"{SWITCH}: no maps to normalise from mine, toys:ImageOnly, left out of that table"
    assert [line for line in world.stderr.splitlines() if "maps to" in line] == [f"note: {said}"]
    cells = store_frame(Store(world.store))
    found = set(zip(cells["method"], cells["evaluation"], strict=True))
    assert found == {
        ("mine", EVALUATION),
        ("toys:ImageOnly", EVALUATION),
        ("toys:PixelMean", EVALUATION),
        ("toys:PixelMean", PER_IMAGE_MINMAX),
    }


def test_one_file_without_maps_among_others_fails_its_cell(world, tmp_path):
    """Where another category has maps, the cell without says in one line what it lacks."""
    root = folder_of(tmp_path / "mine")
    (planned,) = evaluated(world, "toys:PixelMean").cells
    as_npz(root / "mvtec_ad/bottle/noise0/seed0.npz", *stored(world, planned.key))
    assert template(world, tmp_path / "all", "--seeds", "1") == 0
    path = "mvtec_ad/screw/noise0/seed0"
    (root / path).parent.mkdir(parents=True)
    (tmp_path / "all" / f"{path}.csv").rename(root / f"{path}.csv")
    scored_by_name(world, root, path)
    evaluations = (EVALUATION, PER_IMAGE_MINMAX)
    evaluated(world, f"scores:{root}", categories=None, evaluations=evaluations)
    mine = store_frame(Store(world.store)).query("method == 'mine'")
    states = mine.set_index(["category", "evaluation"])[["status", "error"]]
    assert states["status"].to_dict() == {
        ("bottle", EVALUATION): "done",
        ("bottle", PER_IMAGE_MINMAX): "done",
        ("screw", EVALUATION): "done",
        ("screw", PER_IMAGE_MINMAX): "failed",
    }
    error = states.loc[("screw", PER_IMAGE_MINMAX), "error"]
    assert f"{path}.csv: no maps to normalise; expected maps in it" in error
    assert "\n" not in error


def test_two_of_one_name_are_refused(world, tmp_path):
    """Two lines of one name would mix: refused before anything runs."""
    one, other = folder_of(tmp_path / "one"), folder_of(tmp_path / "other")
    assert world.run(*BOTTLE, method=f"scores:{one},scores:{other}") == 2
    assert "is called 'mine' too" in world.stderr


def test_settings_of_a_folder_are_not_set_from_the_command_line(world, tmp_path):
    """``--set`` cannot reach what scores.toml says."""
    root = folder_of(tmp_path / "mine")
    sigma = f"scores:{root}.smoothing_sigma=3"
    assert world.run(*BOTTLE, "--set", sigma, method=f"scores:{root}") == 2
    assert "stand in its scores.toml" in world.stderr


def test_stored_rows_are_plain_json(world, tmp_path):
    """What a cell from a file does not have is null in the store, never NaN."""
    root = folder_of(tmp_path / "mine")
    assert template(world, root, *BOTTLE) == 0, world.stderr
    scored_by_name(world, root, "mvtec_ad/bottle/noise0/seed0")
    evaluated(world, f"scores:{root}")
    store = Store(world.store)
    (key,) = store
    record = store.read(key)
    assert record.status is Status.DONE
    assert record.row is not None
    assert "NaN" not in json.dumps(dict(record.row))
    assert record.document is not None
    assert set(record.document["hashes"]) == {"images", "scores"}
