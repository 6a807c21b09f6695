"""`reproduce table1` from end to end: embedded images, packaged backbone, three methods."""

import json
import re

import pandas as pd
import pytest

from adrepro.harness.frames import store_frame
from adrepro.harness.store import Store
from conftest import World

DEMO = ("--preset", "demo", "--device", "cpu")
SMALL = ("-c", "tile,ksdd2", "--noise", "0,50", "--seeds", "2")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder with the results of a small part of the demo."""
    from adrepro.harness.cli import invoke

    root = tmp_path_factory.mktemp("demo")
    places = ["--data-root", root / "data", "--store", root / "store", "--out", root / "out"]
    assert invoke([str(a) for a in ("table1", *DEMO, *SMALL, *places, "--quiet", "-j", "2")]) == 0
    return root


@pytest.fixture
def again(demo, capsys):
    """The command line on the demo's folders."""
    world = World(demo, capsys)
    return world


def test_every_cell_has_every_metric(demo):
    """3 methods × 2 categories × 2 levels × 2 seeds, all with all metrics in [0, 1]."""
    frame = store_frame(Store(demo / "store"))
    assert len(frame) == 24
    assert set(frame["status"]) == {"done"}
    metrics = ["image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro", "f1", "f1_max"]
    assert frame[metrics].notna().all(axis=None)
    assert ((frame[metrics] >= 0) & (frame[metrics] <= 1)).all(axis=None)
    assert (frame.loc[frame["noise"] == 50, "noise_effective"] == 50).all()
    assert (frame["n_train_noisy"] == frame["n_train"] * frame["noise"] / 100).all()
    assert (frame["f1_max"] >= frame["f1"]).all()
    assert (frame[["fit_s", "score_ms_per_image", "peak_memory_mb"]] > 0).all(axis=None)
    timed = frame.dropna(subset="latency_ms")
    assert set(timed["seed"]) == {0}
    assert (timed.groupby(["method", "category"])["latency_ms"].max() > 0).sum() == 6


def test_patchcore_finds_drawn_defects(demo):
    """With clean training data the drawn defects are found far above chance."""
    frame = store_frame(Store(demo / "store"))
    tile = frame[(frame["category"] == "tile") & (frame["noise"] == 0)]
    patchcore = tile[tile["method"] == "patchcore"]
    assert patchcore["pixel_auroc"].mean() > 0.8
    assert patchcore["image_auroc"].mean() > 0.65


def test_all_methods_saw_the_same_images(demo):
    """Methods share the draw: per category, level and seed the training hashes are equal."""
    store = Store(demo / "store")
    frame = store_frame(store)
    for _, cells in frame.groupby(["category", "noise", "seed"]):
        images = [json.dumps(store.load_json(key, "images")) for key in cells["key"]]
        assert len(images) == 3
        assert len(set(images)) == 1


def test_all_outputs_are_there_and_agree(demo):
    """CSV, Markdown, LaTeX and HTML show the same achieved averages."""
    out = demo / "out"
    for suffix in (".csv", ".md", ".tex", ".html", "_noise.svg", "_noise.pdf", "_noise.png"):
        assert (out / f"table1{suffix}").stat().st_size > 500
    frame = store_frame(Store(demo / "store"))
    mean = frame[
        (frame["method"] == "patchcore") & (frame["category"] == "tile") & (frame["noise"] == 50)
    ]["image_auroc"].mean()
    shown = f"{100 * mean:.1f}"
    for suffix in (".md", ".tex", ".html"):
        assert shown in (out / f"table1{suffix}").read_text(), suffix
    table = pd.read_csv(out / "table1.csv", dtype=str)
    row = table.query("method == 'patchcore' and row == 'tile' and metric == 'image_auroc'")
    assert row["shown"].tolist()[-1] == shown
    assert float(row["mean"].tolist()[-1]) == pytest.approx(mean, abs=1e-12)


def test_synthetic_report_says_so_and_compares_nothing(demo):
    """The banner is there; the paper's numbers are not."""
    page = (demo / "out/table1.html").read_text()
    assert "Embedded synthetic data" in page
    assert "as reported" not in page
    table = pd.read_csv(demo / "out/table1.csv")
    assert table["reported"].isna().all()


def test_second_run_takes_every_cell_from_the_store(again, demo):
    """The same command again runs nothing and writes the same table."""
    before = (demo / "out/table1.csv").read_bytes()
    assert again.reproduce("table1", *DEMO, *SMALL, *again.places) == 0
    assert "to run" not in again.stderr
    assert "24 cells: 24 done" in again.stdout
    assert (demo / "out/table1.csv").read_bytes() == before


def test_worker_count_changes_no_byte(demo, tmp_path):
    """Every method gives the same scores, to the byte, with one worker and with several."""
    from adrepro.harness.cli import invoke

    few = ("-c", "tile", "--noise", "0,50", "--seeds", "1", "--jobs", "1", "--quiet")
    places = ("--data-root", demo / "data", "--store", tmp_path / "s", "--out", tmp_path / "o")
    assert invoke([str(a) for a in ("table1", *DEMO, *few, *places)]) == 0
    alone, together = Store(tmp_path / "s"), Store(demo / "store")
    assert len(list(alone)) == 6
    for key in alone:
        name = "scores.npz"
        assert (alone.folder(key) / name).read_bytes() == (together.folder(key) / name).read_bytes()


def test_plan_and_dry_run_compute_nothing(again, demo):
    """`plan` and `--dry-run` show the same feasibility, and leave the store as it is."""
    cells = sorted((demo / "store/cells").rglob("*"))
    assert again.reproduce("plan", "table1", *DEMO, *SMALL, *again.places) == 0
    plan = again.stdout
    assert again.reproduce("table1", *DEMO, *SMALL, *again.places, "--dry-run") == 0
    assert again.stdout == plan
    assert "24 cells, 24 in the store, 0 to run" in plan
    assert re.search(r"tile +0/60\* +30/60\* +15\+15", plan)
    assert sorted((demo / "store/cells").rglob("*")) == cells


def test_export_gives_the_frame(again, demo, tmp_path):
    """CSV on standard output and Parquet in a file hold the same rows."""
    assert again.reproduce("export", "--store", demo / "store", "--format", "csv") == 0
    (tmp_path / "cells.csv").write_text(again.stdout)
    target = tmp_path / "cells.parquet"
    arguments = ("--store", demo / "store", "--format", "parquet", "-o", target)
    assert again.reproduce("export", *arguments) == 0
    parquet, text = pd.read_parquet(target), pd.read_csv(tmp_path / "cells.csv")
    assert list(parquet.columns) == list(text.columns)
    pd.testing.assert_series_equal(parquet["image_auroc"], text["image_auroc"])


def test_keep_maps_stores_the_raw_maps(world):
    """With --keep-maps a cell holds its maps, one per test image."""
    assert world.run("-c", "bottle", "--seeds", "1", "--keep-maps") == 0
    store = Store(world.store)
    (key,) = store
    count = len(store.load_json(key, "images")["test"])
    assert store.load_arrays(key, "maps")["maps"].shape == (count, 32, 32)


def test_method_of_ones_own_stands_in_the_same_table(world):
    """A class named module:Class appears beside the built-in ones in the published layout."""
    code = world.reproduce(
        "table1", "-d", "mvtec_ad", *world.places, "--noise", "0", "--seeds", "1",
        "-m", "toys:PixelMean", "-c", "bottle",
    )  # fmt: skip
    assert code == 0
    page = (world.out / "table1.html").read_text()
    assert "Pixel mean" in page
    assert "RAD, as reported" in page
    assert "Bottle" in world.stdout
