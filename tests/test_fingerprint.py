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
from adrepro.harness.frames import COLUMNS, store_frame, to_frame
from adrepro.harness.store import Store
from adrepro.harness.threshold import iqr_threshold
from adrepro.methods.registry import method_class
from adrepro.methods.sources import method_source_sha256
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target
from adrepro.tables.runs import read_runs
from conftest import save

CELL = {
    "evaluation": EVALUATION,
    "protocol": "fixed-test/1:total=100",
    "image_size": 448,
    "smoothing_sigma": 4.0,
}


@pytest.mark.parametrize(
    "change",
    [
        {"evaluation": PER_IMAGE_MINMAX},
        {"evaluation": "eval/99"},
        {"protocol": "overlap/1:total=100"},
        {"protocol": "fixed-test/1:total=60"},
        {"image_size": 256},
        {"smoothing_sigma": 0.0},
        {"smoothing_sigma": None},
        {"made_elsewhere": True},
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


def parts_of(text):
    return dict(part.split("=", 1) for part in text.split("; "))


def test_it_carries_the_sigma_of_the_method():
    """Four pixels, none, or no maps at all; a row that does not say so is not guessed."""
    said = [parts_of(fingerprint(CELL | {"smoothing_sigma": s}))["smoothing"] for s in (4, 0, None)]
    assert said == ["Gaussian, sigma 4 px", "none", "no maps"]
    silent = {name: CELL[name] for name in CELL if name != "smoothing_sigma"}
    assert parts_of(fingerprint(silent))["smoothing"] == "not recorded"


@pytest.mark.parametrize("size", [448, 256])
def test_nothing_is_claimed_of_scores_from_elsewhere(size):
    """How another program cut and resized its images is unknown; where maps are measured is not."""
    text = fingerprint(CELL | {"made_elsewhere": True, "image_size": size})
    parts = parts_of(text)
    assert parts["resize"] == parts["crop"] == "unknown (made elsewhere)"
    assert parts["maps"] == f"measured at {size} px square"
    assert "whole image" not in text


def test_results_carry_what_they_were_smoothed_with(world):
    """Two methods run with their own sigmas; the store's frame says so, and whose source it is."""
    methods = ["toys:PixelMean", "toys:ImageOnly"]
    assert world.run(method=",".join(methods)) == 0
    rows = store_frame(Store(world.store)).groupby("method")
    for name in methods:
        plan = method_class(name)
        own = rows.get_group(name)
        (text,) = set(own["fingerprint"])
        sigma = plan.smoothing_sigma
        drawn = f"Gaussian, sigma {sigma:g} px" if sigma else "none"
        assert parts_of(text)["smoothing"] == (drawn if plan.localises else "no maps")
        assert set(own["source"]) == {method_source_sha256(plan)[:12]}
        assert "whole image" in text


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


def test_sources_are_not_averaged_but_smoothing_is_a_methods_own():
    """Two versions of a method's source stop the table; two methods' sigmas are told, no more."""
    target = load_target("table2")
    frame = make_frame(target, methods=["rad", "osr"], seeds=2)
    mixed = frame.assign(source=["abc" if seed else "def" for seed in frame["seed"]])
    with pytest.raises(UsageError, match="differ in source"):
        read_runs(mixed)
    own = {"rad": 4.0, "osr": 0.0}
    prints = [fingerprint(CELL | {"smoothing_sigma": own[name]}) for name in frame["method"]]
    model = build_model(target, frame.assign(fingerprint=prints))
    assert not [note for note in model.notes if "under one protocol" in note]
    (note,) = [note for note in model.notes if "smoothed in its own way" in note]
    assert "Gaussian, sigma 4 px (rad), none (osr)" in note
    assert "only within one method's average it may not differ" in note
    prints = [fingerprint(CELL | {"smoothing_sigma": s % 2}) for s in frame["seed"]]
    with pytest.raises(UsageError, match="differ in fingerprint"):
        build_model(target, frame.assign(fingerprint=prints))


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
    assert "448 px (rad), 256 px (osr)" in note
    assert "noise definition" not in note


def test_methods_at_different_sizes_are_said_in_plain_words():
    """The sizes alone and whose they are; scores made elsewhere keep the full account."""
    target = load_target("table1")
    frame = make_frame(target, methods=["patchcore", "differnet"], seeds=1)
    cells = {"patchcore": {"image_size": 128}, "differnet": {"image_size": 96}}

    def note():
        prints = [fingerprint(CELL | cells[name]) for name in frame["method"]]
        notes = build_model(target, frame.assign(fingerprint=prints)).notes
        return next(note for note in notes if "under one protocol" in note)

    said = note().removeprefix(
        "The methods were not measured under one protocol: at different image sizes: "
    )
    sizes, _, rest = said.partition(". ")
    assert set(sizes.split(", ")) == {"128 px (patchcore)", "96 px (differnet)"}
    assert rest == "Compare their numbers with that in mind."
    cells["differnet"]["made_elsewhere"] = True
    assert "resize " in note()
    assert "whole image to 128 px square, bilinear (patchcore)" in note()
