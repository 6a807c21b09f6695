"""Score folders on the tiny dataset: written, filled in and evaluated."""

import csv
from pathlib import Path

import numpy as np

from adrepro.harness.frames import METRIC_COLUMNS, store_frame
from adrepro.harness.grid import Grid
from adrepro.harness.plan import Plan, make_plan
from adrepro.harness.run_cell import run_cell
from adrepro.harness.store import Store
from adrepro.methods.features import FeatureProvider

BOTTLE = ("-c", "bottle", "--seeds", "1")
TIMES = ("tuning_s", "fit_s", "score_ms_per_image", "latency_ms", "features_s", "peak_memory_mb")
TIMES += ("wall_s", "batch_scale")
TOML = 'name = "mine"\nsmoothing_sigma = 1.0\nimage_size = 32\n'


def folder_of(root: Path, text: str = TOML) -> Path:
    """Write a folder with its scores.toml."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "scores.toml").write_text(text)
    return root


def write_csv(path: Path, rows: list[dict]) -> Path:
    """Write rows as CSV, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def stored(world, key: str):
    """Return ids, scores and maps of a finished cell, of its test and training images."""
    store = Store(world.store)
    images, arrays = store.load_json(key, "images"), store.load_arrays(key, "scores")
    maps = store.load_arrays(key, "maps")["maps"] if store.has(key, "maps.npz") else None
    ids = {split: [image["id"] for image in images[split]] for split in ("train", "test")}
    return ids, arrays, maps


def as_npz(path: Path, ids, arrays, maps) -> None:
    """Write a cell as NPZ, in an order of its own."""
    order = np.random.default_rng(0).permutation(len(ids["test"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        image_ids=np.array(ids["test"])[order],
        scores=arrays["test_scores"][order],
        maps=maps[order],
        train_ids=np.array(ids["train"]),
        train_scores=arrays["train_scores"],
    )


def as_csv(path: Path, ids, arrays, maps) -> None:
    """Write a cell as CSV with a NPY file per map; ids without their extension."""
    rows = []
    for i, (name, score) in enumerate(zip(ids["test"], arrays["test_scores"], strict=True)):
        file = path.parent / f"{path.stem}_maps" / f"{i}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, maps[i])
        place = file.relative_to(path.parent)
        row = {"image_id": name.removesuffix(".png"), "score": float(score), "map": place}
        rows.append(row | {"split": ""})
    for name, score in zip(ids["train"], arrays["train_scores"], strict=True):
        rows.append({"image_id": name, "score": float(score), "map": "", "split": "train"})
    write_csv(path, rows)


def evaluated(world, method: str, **axes) -> Plan:
    """Run what is missing of a small grid in this process; return its plan."""
    grid = Grid(
        **{"target": "run", "datasets": ("mvtec_ad",), "categories": ("bottle",), "noise": (0.0,)}
        | {"seeds": 1, "methods": (method,)}
        | axes
    )
    plan = make_plan(grid, data_root=world.data, cache=None)
    store = Store(world.store, create=True)
    for planned in plan.pending(store):
        task = planned.task(store.root, "cpu", keep_maps=True, exclusive=True)
        run_cell(task, FeatureProvider(task.backbone, "cpu", store.features), lambda *_: None)
    return plan


def metrics_of(world, method: str) -> dict:
    """Return (category, noise, protocol, evaluation) → metrics of a method's finished cells."""
    frame = store_frame(Store(world.store))
    rows = frame[(frame["method"] == method) & (frame["status"] == "done")]
    names = [name for name in METRIC_COLUMNS if name not in TIMES]
    places = rows[["category", "noise", "protocol", "evaluation"]].itertuples(
        index=False, name=None
    )
    return dict(zip(places, rows[names].to_dict("records"), strict=True))


def scored_by_name(world, root: Path, stem: str, **options) -> Path:
    """Fill in a template's CSV: anomalous images score 1, others 0; ``options`` change a row."""
    path = root / f"{stem}.csv"
    rows = list(csv.DictReader(path.open()))
    for row in rows:
        row["score"] = "0" if "/good/" in row["image_id"] else "1"
        row.update(options)
    return write_csv(path, rows)


def template(world, root: Path, *more) -> int:
    """Run ``reproduce scores template`` on the tiny dataset."""
    where = ("-d", "mvtec_ad", "--data-root", world.data, "--out", root)
    return world.reproduce("scores", "template", *where, *more)
