"""The evaluation after per-image min-max normalisation: its numbers, its cells, its table."""

from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score
from test_shared_fits import tasks_of

from adrepro.harness.evaluations import EVALUATION, PER_IMAGE_MINMAX
from adrepro.harness.frames import store_frame
from adrepro.harness.metrics import image_metrics, pixel_metrics
from adrepro.harness.minmax import stretch, stretched_scores
from adrepro.harness.scoring import Scored, SharedScores, scoring_key
from adrepro.harness.store import Store
from adrepro.harness.task import training_key
from adrepro.methods.base import Scores
from conftest import World, write_mvtec

SWITCH = "--per-image-minmax"


def hand_made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two anomalous and two nominal maps, float32 [4, 2, 2]; defects lie above all else."""
    maps = np.array(
        [
            [[9.0, 5.0], [0.1, 0.0]],
            [[8.0, 4.0], [0.1, 0.0]],
            [[0.1, 0.0], [0.0, 0.0]],
            [[0.5, 0.4], [0.0, 0.0]],
        ],
        dtype=np.float32,
    )
    masks = np.zeros((4, 2, 2), dtype=np.uint8)
    masks[:2, 0] = 1
    return maps, masks, np.array([True, True, False, False])


def naive(maps: np.ndarray) -> np.ndarray:
    """Stretch with loops, in the same order of float32 operations."""
    out = np.empty_like(maps)
    for index, one in enumerate(maps):
        low, high = min(one.ravel()), max(one.ravel())
        for place, value in np.ndenumerate(one):
            out[index][place] = (value - low) / (high - low + np.float32(1e-6))
    return out


def test_perfect_maps_are_no_longer_perfect():
    """Raw pixel AUROC 1; stretched, three nominal pixels lie above two of four defective ones."""
    maps, masks, _ = hand_made()
    assert pixel_metrics(maps, masks).auroc == 1.0
    found = pixel_metrics(stretch(maps), masks).auroc
    assert found == pytest.approx(roc_auc_score(masks.ravel(), naive(maps).ravel()), abs=1e-12)
    assert found == pytest.approx(1 - 2 * 3 / (4 * 12), abs=1e-12)


def test_only_the_range_is_left_of_an_image_score():
    """A stretched map's maximum is range / (range + 1e-6) in float32: it ranks by range."""
    maps, _, labels = hand_made()
    scores = stretch(maps).max(axis=(1, 2))
    ranges = np.ptp(maps, axis=(1, 2)).astype(np.float32)
    np.testing.assert_array_equal(scores, ranges / (ranges + np.float32(1e-6)))
    shifted = stretch(maps + np.array([0, 0, 50, 50], dtype=np.float32)[:, None, None])
    # Raw, the shifted nominal images would score above all; stretched they score as before.
    np.testing.assert_allclose(shifted.max(axis=(1, 2)), scores, atol=1e-5)
    assert image_metrics(scores, labels, 0.0).auroc == 1.0


@given(
    arrays.arrays(
        np.float32, (3, 4, 4), elements=st.floats(-1e3, 1e3, width=32, allow_subnormal=False)
    )
)
def test_stretching_is_the_formula(maps):
    """Equal to the naive loop bit by bit, within [0, 1], order kept within each image."""
    found = stretch(maps)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, naive(maps))
    assert found.min() == 0.0
    assert found.max() <= 1.0
    for raw, new in zip(maps, found, strict=True):
        order = np.argsort(raw.ravel(), kind="stable")
        assert (np.diff(new.ravel()[order]) >= 0).all()


def test_maps_are_brought_to_size_first():
    """Upsampling and smoothing come before stretching; image scores are the maxima after it."""
    rng = np.random.default_rng(0)
    raw = Scores(image=np.zeros(3, np.float32), maps=rng.random((3, 4, 4), dtype=np.float32))

    class Smooth:
        name, smoothing_sigma = "smooth", 1.0

    found = stretched_scores(raw, Smooth(), 16)
    assert found.maps.shape == (3, 16, 16)
    # Smoothing first leaves a full range, stretching first would not.
    np.testing.assert_allclose(np.ptp(found.maps, axis=(1, 2)), 1.0, atol=1e-4)
    np.testing.assert_array_equal(found.image, found.maps.max(axis=(1, 2)))
    with pytest.raises(ValueError, match="returned no maps"):
        stretched_scores(Scores(image=raw.image), Smooth(), 16)


class Quiet:
    """Stands in for capsys where a world outlives a test."""

    def readouterr(self) -> tuple[str, str]:
        return "", ""


def counted(world, *arguments) -> int:
    """Run the toy that counts its fits and scorings, on one category with one seed."""
    book = f"toys_minmax:CountsBoth.book={world.root / 'calls.txt'}"
    world.root.mkdir(exist_ok=True)
    grid = ("-c", "bottle", "--seeds", "1", "--set", book, *arguments)
    return world.run(*grid, method="toys_minmax:CountsBoth")


def calls(world) -> list[str]:
    return sorted((world.root / "calls.txt").read_text().split())


@pytest.fixture(scope="module")
def switched(tmp_path_factory):
    """A finished run with the switch, its maps kept; ``printed`` is what it printed."""
    made = World(tmp_path_factory.mktemp("switched"), Quiet())
    write_mvtec(made.data / "mvtec_ad")
    with redirect_stdout(StringIO()) as printed:
        assert counted(made, "--keep-maps", SWITCH) == 0
    made.printed = printed.getvalue()
    return made


def rows_of(world) -> dict[str, pd.Series]:
    """Return evaluation → its row, of a store with one cell of each."""
    frame = store_frame(Store(world.store))
    assert sorted(frame["evaluation"]) == [EVALUATION, PER_IMAGE_MINMAX]
    return {str(row["evaluation"]): row for _, row in frame.iterrows()}


def test_fitted_once_and_scored_once(switched, tmp_path):
    """As many fits and scorings as without the switch, whose cell has the same key and files."""
    plain = World(tmp_path, Quiet())
    plain.data = switched.data
    assert counted(plain) == 0
    assert calls(switched) == calls(plain)
    assert (calls(plain).count("fit"), calls(plain).count("score")) == (1, 1)
    rows = rows_of(switched)
    (key,) = Store(plain.store)
    # The book's name is a setting of the toy, and so part of its key.
    assert key != rows[EVALUATION]["key"]
    scores = [
        Store(world.store).folder(k).joinpath("scores.npz").read_bytes()
        for world, k in ((plain, key), (switched, rows[EVALUATION]["key"]))
    ]
    assert scores[0] == scores[1]
    assert [rows[name]["fit_shared"] for name in (EVALUATION, PER_IMAGE_MINMAX)] == [False, True]


def test_values_from_the_stored_maps(switched):
    """Both cells keep the same raw maps, and scikit-learn finds their AUROCs from these."""
    store, rows = Store(switched.store), rows_of(switched)
    used = []
    for row in rows.values():
        with np.load(store.folder(row["key"]) / "maps.npz") as kept:
            used.append(kept["maps"])
    np.testing.assert_array_equal(*used)
    images = store.load_json(rows[EVALUATION]["key"], "images")["test"]
    labels = [image["anomalous"] for image in images]
    masks = np.stack([mask_of(switched, image) for image in images])
    maps = np.stack([gaussian_filter(m.astype(np.float64), 1.0) for m in used[0]])
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    stretched = (maps - low) / (high - low)
    raw, found = rows[EVALUATION], rows[PER_IMAGE_MINMAX]
    for row, ours in ((raw, maps), (found, stretched)):
        expected = roc_auc_score(masks.ravel(), ours.ravel())
        assert row["pixel_auroc"] == pytest.approx(expected, abs=1e-5)
    assert found["pixel_auroc"] < raw["pixel_auroc"] - 0.005
    with np.load(store.folder(found["key"]) / "scores.npz") as kept:
        scores = kept["test_scores"]
        assert np.isnan(kept["threshold"])
    assert roc_auc_score(labels, scores) == pytest.approx(found["image_auroc"], abs=1e-12)
    ranges = (high - low).ravel()
    np.testing.assert_allclose(scores, ranges / (ranges + 1e-6), atol=1e-6)


def mask_of(world, image: dict) -> np.ndarray:
    """Read the mask of a test image from its id, ``bool [H, W]``."""
    if not image["anomalous"]:
        return np.zeros((32, 32), dtype=bool)
    *_, defect, name = image["id"].removesuffix(".png").split("/")
    base = world.data / "mvtec_ad" / "bottle" / "ground_truth"
    return np.asarray(Image.open(base / defect / f"{name}_mask.png")) > 0


def test_no_threshold_after_stretching(switched):
    """Training maps are not stretched: what needs a threshold is undefined, the rest is not."""
    rows = rows_of(switched)
    needs = ["threshold", "precision", "recall", "f1", "precision_balanced", "f1_balanced"]
    assert rows[PER_IMAGE_MINMAX][needs].isna().all()
    assert rows[PER_IMAGE_MINMAX][["image_auroc", "f1_max", "pixel_auroc", "aupro"]].notna().all()
    assert rows[EVALUATION][needs].notna().all()


def test_a_table_of_its_own(switched):
    """A second report; its heading says what was done, and each has its own cell's number."""
    stems = {EVALUATION: "run", PER_IMAGE_MINMAX: "run_per_image_minmax"}
    pages = {name: (switched.out / f"{stem}.html").read_text() for name, stem in stems.items()}
    assert "after per-image" not in pages[EVALUATION]
    assert "after per-image min-max normalisation" in pages[PER_IMAGE_MINMAX]
    assert "stretched to [0, 1] by itself" in pages[PER_IMAGE_MINMAX]
    assert "Results (after per-image min-max normalisation)" in " ".join(switched.printed.split())
    for name, row in rows_of(switched).items():
        table = pd.read_csv(switched.out / f"{stems[name]}.csv").query("metric == 'pixel_auroc'")
        assert table["mean"].to_list()[0] == pytest.approx(row["pixel_auroc"], abs=1e-12)


def test_plan_and_why_tell_them_apart(switched):
    """`plan` counts both cells; `why` names the evaluation of each."""
    book = f"toys_minmax:CountsBoth.book={switched.root / 'calls.txt'}"
    arguments = ("-d", "mvtec_ad", "-m", "toys_minmax:CountsBoth", "--set", book)
    arguments = (*arguments, "-c", "bottle", "--seeds", "1", *switched.places, SWITCH)
    with redirect_stdout(StringIO()) as printed:
        assert switched.reproduce("plan", *arguments) == 0
        assert switched.reproduce("why", "bottle", *arguments) == 0
    text = printed.getvalue()
    assert "2 cells, 2 in the store, 0 to run" in text
    told = [line for line in text.splitlines() if line.endswith(": done")]
    assert len(told) == 2
    assert f"({EVALUATION})" in told[0]
    assert f"({PER_IMAGE_MINMAX})" in told[1]


def test_together_with_two_protocols(world):
    """Protocols and evaluations multiply to four tables, from one fit and two scorings."""
    assert counted(world, SWITCH, "--protocol", "fixed-test,overlap", "--noise", "50") == 0
    assert (calls(world).count("fit"), calls(world).count("score")) == (1, 2)
    assert {page.name for page in world.out.glob("*.html")} == {
        "run.html",
        "run_overlap.html",
        "run_per_image_minmax.html",
        "run_overlap_per_image_minmax.html",
    }


def test_method_without_maps_has_one_clear_line(world):
    """Alone it is refused before anything runs; beside others it is named and left out."""
    assert world.run("--seeds", "1", SWITCH, method="toys:ImageOnly") == 2
    assert "no maps to normalise from toys:ImageOnly" in world.stderr.strip().splitlines()[-1]
    assert not world.store.exists()
    assert world.run("-c", "bottle", "--seeds", "1", SWITCH, "-m", "toys:ImageOnly") == 0
    lines = [line for line in world.stderr.splitlines() if "maps to normalise" in line]
    said = f"note: {SWITCH}: no maps to normalise from toys:ImageOnly, left out of that table"
    assert lines == [said]
    assert len(store_frame(Store(world.store))) == 3


def test_without_the_switch_nothing_is_held(world):
    """Scores are kept only as long as another cell of the group is to evaluate them."""
    tasks = tasks_of(world, "fixed-test", "overlap")
    assert len({scoring_key(task) for task in tasks}) == len(tasks)
    assert len({training_key(task) for task in tasks}) < len(tasks)
    scored = Scored(
        scores=Scores(image=np.zeros(1)), seconds=1.0, latency_ms=None, memory_mb=0.0, warnings=()
    )
    shared = SharedScores()
    shared.expect(tasks)
    assert shared.get(tasks[0]) is None
    shared.keep(tasks[0], scored)
    assert shared.get(tasks[0]) is None
    shared.expect([tasks[0], tasks[0]])
    assert shared.get(tasks[0]) is None
    shared.keep(tasks[0], scored)
    assert shared.get(tasks[0]) is scored
    assert shared.get(tasks[0]) is None
