"""The evidence of a cell: what the store holds of it, and images only where they are the same."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from adrepro.datasets.images import ImageSet
from adrepro.harness.evidence import evidence_source, files_of_datasets
from adrepro.harness.metrics import image_metrics, pixel_metrics
from adrepro.harness.store import Store
from conftest import save, write_mvtec

COMMON = ("-m", "toys:PixelMean", "-d", "mvtec_ad", "-c", "bottle", "--seeds", "1", "-j", "1")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A store with the tiny dataset at 25 % noise, with maps and under both evaluations."""
    from adrepro.harness.cli import invoke

    root = tmp_path_factory.mktemp("evidence")
    write_mvtec(root / "data" / "mvtec_ad")
    places = ("--data-root", root / "data", "--store", root / "store", "--out", root / "out")
    run = ("run", *COMMON, *places, "--noise", "25", "--keep-maps", "--per-image-minmax", "-q")
    assert invoke([str(a) for a in (*run, "--device", "cpu")]) == 0
    return root


def cells(root, stretched=False):
    """Keys, records and evidence of the cells of one evaluation."""
    store = Store(root / "store")
    source = evidence_source(store, files_of_datasets(["mvtec_ad"], root / "data"))
    for key in store:
        record = store.read(key)
        if ("minmax" in record.document["cell"]["evaluation"]) is stretched:
            yield key, record, source(key)


def test_scores_give_the_stored_metrics(ran):
    """Image metrics taken from the evidence are those of the cell's row, threshold included."""
    ((key, record, found),) = cells(ran)
    measured = image_metrics(found.scores_N, found.labels_N, found.threshold)
    assert found.key == key
    assert measured.auroc == record.row["image_auroc"]
    assert measured.f1 == record.row["f1"]
    assert found.train_injected_M.sum() == record.row["n_train_noisy"] > 0
    assert len(found.train_scores_M) == record.row["n_train"]
    assert len(found.ids) == len(found.labels_N)


@pytest.mark.parametrize("stretched", [False, True])
def test_measured_maps_and_masks_give_the_stored_pixel_metrics(ran, stretched):
    """Pixel metrics of measured maps and masks are the row's, under both evaluations."""
    ((_, record, found),) = cells(ran, stretched)
    every = range(len(found.ids))
    maps = np.stack([found.measured_map(i) for i in every])
    masks = np.stack([found.mask(i) for i in every])
    assert pixel_metrics(maps, masks.astype(np.uint8)).auroc == record.row["pixel_auroc"]
    assert masks.dtype == bool
    assert found.maps_NHW.shape[0] == len(found.ids)


def test_stretched_cells_have_no_threshold_and_no_training_scores(ran):
    """Training maps were not stretched: their scores are not set beside stretched ones."""
    ((_, _, found),) = cells(ran, stretched=True)
    assert found.threshold is None
    assert found.train_scores_M is None
    assert found.train_injected_M is None


def test_images_are_those_that_were_measured(ran):
    """An image is the file's pixels at the cell's size, as methods see it."""
    ((_, record, found),) = cells(ran)
    size = record.document["cell"]["image_size"]
    for index, name in enumerate(found.ids):
        path = ran / "data" / "mvtec_ad" / name
        assert np.array_equal(found.image(index), ImageSet([path], [""], size)[0])
        assert found.mask(index).any() == found.labels_N[index]


def test_another_image_is_never_shown(ran, tmp_path):
    """A file of the same name with other bytes, a missing one and no data at all give None."""
    import shutil

    data = shutil.copytree(ran / "data", tmp_path / "data")
    store = Store(ran / "store")
    ((key, _, found),) = cells(ran)
    bad = next(i for i, anomalous in enumerate(found.labels_N) if anomalous)
    image = data / "mvtec_ad" / found.ids[bad]
    defect, stem = image.parent.name, image.stem
    mask = data / "mvtec_ad" / "bottle" / "ground_truth" / defect / f"{stem}_mask.png"
    save(image, np.zeros((32, 32, 3), dtype=np.uint8))
    # The same pixels in another file: not the one that was measured either.
    Image.open(mask).save(mask, compress_level=0)
    changed = evidence_source(store, files_of_datasets(["mvtec_ad"], data))(key)
    assert changed.image(bad) is None
    assert changed.mask(bad) is None
    other = next(i for i in range(len(found.ids)) if i != bad)
    assert changed.image(other) is not None
    (data / "mvtec_ad" / found.ids[other]).unlink()
    gone = evidence_source(store, files_of_datasets(["mvtec_ad"], data))(key)
    assert gone.image(other) is None
    for nowhere in (files_of_datasets(["mvtec_ad"], tmp_path / "none"), None):
        nothing = evidence_source(store, nowhere)(key)
        assert nothing.image(0) is None
        assert nothing.scores_N.tolist() == found.scores_N.tolist()


def test_damaged_and_unknown_cells_have_no_evidence(ran, tmp_path):
    """A cell whose files do not match their checksums is not believed."""
    import shutil

    store = Store(shutil.copytree(ran / "store", tmp_path / "store"))
    (key, *_) = list(store)
    assert evidence_source(store)(key) is not None
    (store.folder(key) / "scores.npz").write_bytes(b"other")
    assert evidence_source(store)(key) is None
    assert evidence_source(store)("0" * 64) is None


def test_a_cell_without_maps_has_no_map(ran, tmp_path):
    """Where a run kept no maps there is neither a raw nor a measured one."""
    from adrepro.harness.cli import invoke

    places = ("--data-root", ran / "data", "--store", tmp_path / "s", "--out", tmp_path / "o")
    assert invoke([str(a) for a in ("run", *COMMON, *places, "-q", "--device", "cpu")]) == 0
    store = Store(tmp_path / "s")
    found = evidence_source(store)(next(iter(store)))
    assert found.maps_NHW is None
    assert found.measured_map(0) is None


def test_synthetic_data_are_not_drawn_for_a_look(tmp_path):
    """Looking for images of a synthetic dataset that is not on disk writes nothing."""
    find = files_of_datasets(["synthetic"], tmp_path)
    assert find("synthetic", "bottle", "bottle/test/good/000.png") == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_reports_of_a_run_carry_the_evidence(world, monkeypatch):
    """The run hands its store to the report; images come from where the plan found them."""
    from adrepro.reports import build

    seen = []
    real = build.build_report

    def spy(target, frame, out, *, context, **more):
        seen.append((frame, context))
        return real(target, frame, out, context=context, **more)

    monkeypatch.setattr(build, "build_report", spy)
    assert world.run("-c", "bottle", "--seeds", "1", "-j", "1") == 0
    ((frame, context),) = seen
    found = context.evidence(frame["key"][0])
    assert found.image(0).shape == (32, 32, 3)
    assert found.key in json.dumps(frame["key"].tolist())
    assert dataclasses.fields(found)
