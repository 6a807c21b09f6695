"""What a method left out of its training set, and measures at further thresholds."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score

from adrepro.datasets.errors import ContractError
from adrepro.harness.cell import Cell
from adrepro.harness.evaluate import balanced_subset
from adrepro.harness.frames import COLUMNS, store_frame
from adrepro.harness.metrics import image_metrics, removal_metrics
from adrepro.harness.store import Store
from adrepro.harness.task import Sample
from adrepro.methods.validate import validate_weights

CELL = Cell(
    dataset="mvtec_ad", category="bottle", noise=10.0, protocol="fixed-test/1", seed=0,
    method="toy", settings="{}", backbone="none", image_size=32, evaluation="eval/2",
)  # fmt: skip

flags = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@given(flags)
def test_hard_removal_is_precision_and_recall(pairs):
    """With weights of 0 and 1 the metrics are scikit-learn's precision and recall of removing."""
    removed, injected = (np.array(column) for column in zip(*pairs, strict=True))
    found = removal_metrics(1.0 - removed, injected)
    assert found.removed == removed.sum()
    if removed.any():
        assert found.precision == pytest.approx(precision_score(injected, removed))
    else:
        assert found.precision is None
    if injected.any():
        assert found.recall == pytest.approx(recall_score(injected, removed))
    else:
        assert found.recall is None


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=40))
def test_soft_removal_stays_a_share(pairs):
    """Shares of images add up; precision and recall stay in [0, 1] for any weights."""
    weights, injected = np.array([w for w, _ in pairs], np.float32), np.array([i for _, i in pairs])
    found = removal_metrics(weights, injected)
    total = sum(1 - float(w) for w in weights)
    assert found.removed == pytest.approx(total)
    assert (found.precision is None) == (total < 1e-6)
    for value in (found.precision, found.recall):
        assert value is None or 0 <= value <= 1


def test_soft_removal_by_hand():
    """Half of one injected and a quarter of one nominal image: precision 2/3, recall 1/4."""
    weights = np.array([0.5, 1.0, 0.75, 1.0], dtype=np.float32)
    found = removal_metrics(weights, np.array([True, True, False, False]))
    assert found.removed == 0.75
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 0.25
    with pytest.raises(ValueError, match="expected two"):
        removal_metrics(weights, np.array([True]))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.ones(3, np.float32), "shape [3], expected [4]"),
        (np.ones((4, 1), np.float32), "shape [4, 1], expected [4]"),
        (np.array([0, 1, np.nan, 1], np.float32), "not finite"),
        (np.array([0, 1, 1.5, -1], np.float32), "2 values outside [0, 1], first 1.5 at [2]"),
        (np.ones(4, bool), "dtype bool"),
        ([1.0] * 4, "list"),
    ],
)
def test_wrong_weights_break_the_contract(weights, said):
    """Shape, type and range of ``train_weights`` are checked; one line names the hook."""
    with pytest.raises(ContractError, match=re.escape(said)) as caught:
        validate_weights(weights, 4)
    assert str(caught.value).startswith("fit: train_weights")
    assert "\n" not in str(caught.value)


def test_weights_that_pass_are_a_copy():
    """No weights is a valid answer; sound ones come back as float32 and cannot be changed later."""
    assert validate_weights(None, 4) is None
    given_weights = np.array([0.0, 1.0])
    checked = validate_weights(given_weights, 2)
    given_weights[0] = 1
    assert checked is not None
    assert (checked.dtype, checked.tolist()) == (np.float32, [0.0, 1.0])


def test_removal_is_measured_against_the_injected_images(world):
    """A filter that leaves out the half with bright spots removes exactly what was injected."""
    arguments = ("-c", "bottle", "--seeds", "1", "--noise", "0,50")
    assert world.run(*arguments, method="toys:Filter,toys:PixelMean") == 0
    store = Store(world.store)
    frame = store_frame(store).set_index(["method", "noise"])
    clean, noisy = frame.loc[("toys:Filter", 0.0)], frame.loc[("toys:Filter", 50.0)]
    assert (noisy["removal_precision"], noisy["removal_recall"], noisy["removed"]) == (1, 1, 4)
    assert (clean["removal_precision"], clean["removed"]) == (0, 4)
    assert np.isnan(clean["removal_recall"])
    plain = frame.loc["toys:PixelMean", ["removal_precision", "removal_recall", "removed"]]
    assert plain.isna().all(axis=None)
    arrays = store.load_arrays(noisy["key"], "scores")
    np.testing.assert_array_equal(arrays["train_weights"], 1.0 - arrays["train_injected"])
    other = store.load_arrays(frame.loc[("toys:PixelMean", 50.0), "key"], "scores")
    assert "train_weights" not in other


def test_wrong_weights_fail_the_cell(world):
    """A method that claims more than it may is a failed cell with one line."""
    assert world.run("-c", "bottle", "--seeds", "1", method="toys:WrongWeights") == 1
    (error,) = store_frame(Store(world.store))["error"]
    assert error.startswith("ContractError in fit: fit: train_weights holds 8 values outside")


scored = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({label for _, label in pairs}) == 2
)


@given(scored)
def test_precision_and_recall_at_the_best_threshold(pairs):
    """At the oracle's threshold they are scikit-learn's, and their F1 is the largest F1."""
    scores, labels = (np.array(column) for column in zip(*pairs, strict=True))
    found = image_metrics(scores, labels, threshold=3.0)
    called = scores >= found.f1_max_threshold
    assert found.precision_f1max == pytest.approx(precision_score(labels, called))
    assert found.recall_f1max == pytest.approx(recall_score(labels, called))
    assert found.f1_max == pytest.approx(2 / (1 / found.precision_f1max + 1 / found.recall_f1max))


def samples(good: int, anomalous: int) -> tuple[Sample, ...]:
    made = [("good", i, False) for i in range(good)] + [("bad", i, True) for i in range(anomalous)]
    return tuple(
        Sample(id=f"{kind}/{i}", path=Path(), sha256="", anomalous=label) for kind, i, label in made
    )


@given(st.integers(0, 30), st.integers(0, 30), st.randoms())
def test_balanced_subset(good, anomalous, random):
    """Equally many of both kinds, all of the rarer one; the order of the images does not matter."""
    test = samples(good, anomalous)
    chosen = balanced_subset(test, CELL)
    labels = [test[i].anomalous for i in chosen]
    assert labels.count(True) == labels.count(False) == min(good, anomalous)
    assert sorted(set(chosen.tolist())) == chosen.tolist()
    shuffled = list(test)
    random.shuffle(shuffled)
    again = balanced_subset(tuple(shuffled), CELL)
    assert {shuffled[i].id for i in again} == {test[i].id for i in chosen}


def test_balanced_subset_depends_on_the_seed_only():
    """Another seed draws other images, another method the same; images drop out one at a time."""
    test = samples(5, 40)
    first = balanced_subset(test, CELL).tolist()
    assert balanced_subset(test, replace(CELL, method="other", noise=50.0)).tolist() == first
    assert balanced_subset(test, replace(CELL, seed=1)).tolist() != first
    gone = next(i for i in first if test[i].anomalous)
    fewer = test[:gone] + test[gone + 1 :]
    kept = {fewer[i].id for i in balanced_subset(fewer, CELL)}
    assert {test[i].id for i in first if i != gone} <= kept


def test_balanced_measures_are_those_of_the_subset(world):
    """What a cell's row says is scikit-learn's measure of the drawn images at its threshold."""
    assert world.run("-c", "bottle", "--seeds", "1", "--noise", "25") == 0
    store = Store(world.store)
    (row,) = store_frame(store).to_dict("records")
    arrays = store.load_arrays(row["key"], "scores")
    labels, scores = arrays["test_labels"], arrays["test_scores"].astype(np.float64)
    listed = store.load_json(row["key"], "images")["test"]
    test = tuple(
        Sample(id=image["id"], path=Path(), sha256="", anomalous=image["anomalous"])
        for image in listed
    )
    cell = Cell(**store.read(row["key"]).document["cell"])
    chosen = balanced_subset(test, cell)
    assert len(chosen) == 2 * min(row["n_test_good"], row["n_test_anomalous"])
    called = scores > row["threshold"]
    for name, measure in (("precision", precision_score), ("recall", recall_score)):
        assert row[f"{name}_balanced"] == pytest.approx(measure(labels[chosen], called[chosen]))
        assert row[name] == pytest.approx(measure(labels, called))
    assert row["f1_balanced"] <= row["f1_max_balanced"]
    assert row["f1_max"] == pytest.approx(
        2 / (1 / row["precision_f1max"] + 1 / row["recall_f1max"])
    )


def test_frame_has_a_null_where_nothing_is_known(world):
    """Cells that failed have neither measures nor flags: null, not 0 and not False."""
    assert world.run("-c", "bottle", "--seeds", "1", method="toys:Raises,toys:PixelMean") == 1
    frame = store_frame(Store(world.store)).set_index("status")
    assert set(frame.columns) | {"status"} == set(COLUMNS)
    names = ["fit_shared", "stacked", "tuning_s", "tuned", "f1_balanced", "removed"]
    assert frame.loc["failed", names].isna().all()
    assert frame.loc["done", "stacked"] == 1
    assert not frame.loc["done", "fit_shared"]
