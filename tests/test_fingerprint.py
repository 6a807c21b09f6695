"""The protocol fingerprint tells results of different protocols apart, and says in what."""

import inspect

import numpy as np
import pandas as pd
import pytest
from table_frames import make_frame, make_row

from adrepro.datasets.errors import UsageError
from adrepro.datasets.images import load_mask
from adrepro.harness import metrics
from adrepro.harness.evaluations import EVALUATION, PER_IMAGE_MINMAX
from adrepro.harness.fingerprint import EVALUATIONS, fingerprint
from adrepro.harness.frames import COLUMNS, to_frame
from adrepro.harness.threshold import iqr_threshold
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target
from adrepro.tables.runs import read_runs
from conftest import save

CELL = {"evaluation": EVALUATION, "protocol": "fixed-test/1:total=100", "image_size": 448}


@pytest.mark.parametrize(
    "change",
    [
        {"evaluation": PER_IMAGE_MINMAX},
        {"evaluation": "eval/99"},
        {"protocol": "overlap/1:total=100"},
        {"protocol": "fixed-test/1:total=60"},
        {"image_size": 256},
    ],
)
def test_whatever_differs_changes_it(change):
    """Noise definition, resize and everything that the evaluation fixes are in it."""
    assert fingerprint(CELL | change) != fingerprint(CELL)
    assert fingerprint(CELL | {"image_size": 448.0}) == fingerprint(CELL)


def test_it_names_crop_resize_mask_smoothing_threshold_and_noise():
    """A reader finds each part by name."""
    parts = dict(part.split("=", 1) for part in fingerprint(CELL).split("; "))
    assert {"crop", "resize", "mask rule", "smoothing", "threshold rule"} <= set(parts)
    assert parts["noise definition"] == CELL["protocol"]
    assert "448" in parts["resize"]


def test_its_words_are_what_the_code_does(tmp_path):
    """Multiple of the IQR, false-positive limit and mask rule as the text says."""
    said = EVALUATIONS[EVALUATION]
    assert inspect.signature(iqr_threshold).parameters["k"].default == 1.5
    assert "1.5 IQR" in said["threshold rule"]
    limit = inspect.signature(metrics.pixel_metrics).parameters["fpr_limit"].default
    assert said["false-positive limit"] == f"{limit:g}"
    grey = np.zeros((4, 4), dtype=np.uint8)
    grey[0, 0] = 1
    mask = load_mask(save(tmp_path / "mask.png", grey), (8, 8))
    assert mask.sum() == 4  # one faint pixel counts, and nearest neighbour makes it four
    assert said["mask rule"].startswith("any value above zero, then nearest")


def test_every_frame_has_it():
    """The harness fills the column; a damaged cell that says nothing has none."""
    row = make_row("rad", "mvtec_ad", "bottle", 0.0, 0, error="")
    frame = to_frame([row, {"status": "damaged", "key": "0", "error": "unreadable"}])
    assert "fingerprint" in COLUMNS
    assert frame["fingerprint"].tolist()[0] == fingerprint(row)
    assert pd.isna(frame["fingerprint"].tolist()[1])


def test_different_ones_are_not_averaged():
    """Two in the results of one method on one dataset stop the table."""
    rows = [make_row("rad", "mvtec_ad", "bottle", 0.0, seed) for seed in range(2)]
    frame = pd.DataFrame(rows).assign(fingerprint=["a=1", "a=2"])
    with pytest.raises(UsageError, match="differ in fingerprint"):
        read_runs(frame)


def test_different_ones_are_not_compared_silently():
    """Methods of one table with different fingerprints: its notes say in what."""
    target = load_target("table2")
    frame = make_frame(target, methods=["rad", "osr"], seeds=1)
    plain = build_model(target, frame)
    assert not [note for note in plain.notes if "under one protocol" in note]
    sizes = {"rad": 448, "osr": 256}
    prints = [fingerprint(CELL | {"image_size": sizes[name]}) for name in frame["method"]]
    model = build_model(target, frame.assign(fingerprint=prints))
    (note,) = [note for note in model.notes if "under one protocol" in note]
    assert "448 px square, bilinear (rad)" in note
    assert "256 px square, bilinear (osr)" in note
    assert "noise definition" not in note
