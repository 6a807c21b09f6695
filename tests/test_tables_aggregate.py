"""Means over seeds and categories, against pandas; an incomplete set has no mean."""

import random
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_frames import make_frame, make_row

from adrepro.datasets.errors import UsageError
from adrepro.tables.aggregate import summarise
from adrepro.tables.assemble import build_model
from adrepro.tables.formatting import Mark
from adrepro.tables.papers import load_target
from adrepro.tables.runs import read_runs

TABLE1 = load_target("table1")


def entry(model, method, row, column, metric):
    block = next(b for b in model.blocks if b.method == method)
    cells = next(r for r in block.rows if r.spec.id == row).cells
    levels = [line.at.noise for line in model.columns]
    return next(e for e in cells[levels.index(column)].entries if e.metric == metric)


def test_means_equal_pandas():
    """Means and deviations equal pandas', for categories and for per-seed averages."""
    frame = make_frame(TABLE1)
    model = build_model(TABLE1, frame)
    for method in ("differnet", "patchcore"):
        for metric in ("image_auroc", "pixel_auroc"):
            for column in TABLE1.run.noise:
                here = frame.query("method == @method and noise == @column")
                for row in ("bottle", "zipper", "ksdd2"):
                    found = entry(model, method, row, column, metric).outcome.estimate
                    values = here[here.category == row][metric]
                    assert float(found.mean) == pytest.approx(values.mean(), abs=1e-12)
                    assert found.sd == pytest.approx(values.std(ddof=1), abs=1e-12)
                    assert (found.n, found.planned) == (3, 3)
                per_seed = here[here.dataset == "mvtec_ad"].groupby("seed")[metric].mean()
                found = entry(model, method, "average", column, metric).outcome.estimate
                assert float(found.mean) == pytest.approx(per_seed.mean(), abs=1e-12)
                assert found.sd == pytest.approx(per_seed.std(ddof=1), abs=1e-12)


def test_average_is_unweighted():
    """A category with a larger test set counts no more than another."""
    plain = make_frame(TABLE1, methods=["differnet"])
    heavy = make_frame(
        TABLE1,
        methods=["differnet"],
        change={("differnet", "mvtec_ad", "screw"): {"n_test_anomalous": 900}},
    )
    one, other = (build_model(TABLE1, f) for f in (plain, heavy))
    pick = ("differnet", "average", 10.0, "image_auroc")
    assert entry(one, *pick).outcome == entry(other, *pick).outcome


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(rng: random.Random):
    """The order of the frame's rows changes no number."""
    frame = make_frame(TABLE1, methods=["patchcore"], seeds=2)
    order = list(range(len(frame)))
    rng.shuffle(order)
    pick = ("patchcore", "average", 20.0, "image_auroc")
    one, other = (build_model(TABLE1, f) for f in (frame, frame.iloc[order]))
    assert entry(one, *pick).outcome == entry(other, *pick).outcome


def test_incomplete_average_has_a_count_and_no_mean():
    """One failed seed of one category takes the average away and leaves 14 of 15."""
    place = ("differnet", "mvtec_ad", "screw", 50.0, 2)
    frame = make_frame(TABLE1, change={place: {"status": "failed", "error": "boom"}})
    model = build_model(TABLE1, frame)
    average = entry(model, "differnet", "average", 50.0, "image_auroc")
    assert average.outcome.estimate is None
    assert (average.outcome.mark, average.outcome.text()) == (Mark.INCOMPLETE, "14 of 15")
    screw = entry(model, "differnet", "screw", 50.0, "image_auroc").outcome.estimate
    assert (screw.n, screw.planned, screw.complete) == (2, 3, False)
    # The other level and the other method keep theirs.
    assert entry(model, "differnet", "average", 40.0, "image_auroc").outcome.estimate
    assert entry(model, "patchcore", "average", 50.0, "image_auroc").outcome.estimate


def test_missing_category_takes_the_average():
    """A category that was never run counts as incomplete, too."""
    frame = make_frame(TABLE1)
    frame = frame[~((frame.category == "wood") & (frame.noise == 0))]
    model = build_model(TABLE1, frame)
    assert entry(model, "differnet", "average", 0.0, "image_auroc").outcome.text() == "14 of 15"
    wood = entry(model, "differnet", "wood", 0.0, "image_auroc").outcome
    assert wood.mark is Mark.NOT_RUN


def test_a_seed_missing_everywhere_takes_the_average():
    """While the last seed has not run, categories show n = 2 of 3 and the average waits."""
    change = {
        ("differnet", "mvtec_ad", category, 0.0, 2): {"status": "pending"}
        for category in TABLE1.run.datasets[0].categories
    }
    model = build_model(TABLE1, make_frame(TABLE1, change=change))
    assert entry(model, "differnet", "average", 0.0, "image_auroc").outcome.text() == "0 of 15"
    bottle = entry(model, "differnet", "bottle", 0.0, "image_auroc").outcome.estimate
    assert (bottle.n, bottle.planned) == (2, 3)


def test_equal_counts_of_different_seeds_are_no_set():
    """Two seeds in each category are not complete when they are not the same two."""
    runs = read_runs(
        pd.DataFrame(
            [
                make_row("m", "d", "a", 0, 0),
                make_row("m", "d", "a", 0, 1),
                make_row("m", "d", "b", 0, 1),
                make_row("m", "d", "b", 0, 2),
            ]
        )
    )
    outcome = summarise([runs[:2], runs[2:]], "image_auroc", 2, average=True)
    assert outcome.estimate is None
    assert outcome.mark is Mark.INCOMPLETE


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"status": "failed"}, Mark.FAILED),
        ({"status": "pending"}, Mark.PENDING),
        ({"image_auroc": None}, Mark.UNDEFINED),
        ({"image_auroc": float("nan")}, Mark.UNDEFINED),
    ],
)
def test_each_reason_has_its_mark(changes, mark):
    """Failed, pending and undefined cells stay apart, alone and in the average."""
    frame = make_frame(TABLE1, change={("differnet", "mvtec_ad"): changes})
    model = build_model(TABLE1, frame)
    for row in ("bottle", "average"):
        outcome = entry(model, "differnet", row, 0.0, "image_auroc").outcome
        assert (outcome.estimate, outcome.mark) == (None, mark)


def test_failed_cell_with_numbers_is_not_counted():
    """Numbers on a row that is not done are never used."""
    runs = read_runs(
        pd.DataFrame([make_row("m", "d", "a", 0, 0) | {"status": "failed", "error": "late"}])
    )
    assert summarise([runs], "image_auroc", 1).mark is Mark.FAILED


def test_single_seed_has_no_deviation():
    """One seed has a mean and no standard deviation, not zero and not NaN."""
    model = build_model(TABLE1, make_frame(TABLE1, seeds=1))
    for row in ("bottle", "average"):
        found = entry(model, "patchcore", row, 0.0, "pixel_auroc").outcome.estimate
        assert (found.sd, found.n, found.planned) == (None, 1, 1)


def test_extremes_are_exact():
    """Three perfect seeds have mean 1 and deviation 0 exactly."""
    runs = read_runs(
        pd.DataFrame([make_row("m", "d", "a", 0, s) | {"image_auroc": 1.0} for s in range(3)])
    )
    found = summarise([runs], "image_auroc", 3).estimate
    assert (found.mean, found.sd) == (1, 0.0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
@settings(max_examples=50, deadline=None)
def test_deviation_equals_the_textbook(values):
    """Deviation equals the two-pass formula with n - 1."""
    runs = read_runs(
        pd.DataFrame(
            [make_row("m", "d", "a", 0, s) | {"image_auroc": v} for s, v in enumerate(values)]
        )
    )
    found = summarise([runs], "image_auroc", len(values)).estimate
    assert found.sd == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-12)
    assert found.sd == pytest.approx(float(np.std(values, ddof=1)), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_auroc": 97.2}, "expected a fraction in [0, 1]"),
        ({"image_auroc": -0.1}, "expected a fraction in [0, 1]"),
        ({"image_auroc": float("inf")}, "expected a fraction in [0, 1]"),
        ({"status": "finished"}, "status of differnet/mvtec_ad/bottle is 'finished'"),
        ({"category": None}, "has no category"),
        ({"seed": None}, "has no seed"),
        ({"backbone": "resnet18"}, "differ in backbone"),
        ({"protocol": "overlap/1"}, "differ in protocol"),
        ({"settings": "{}"}, "differ in settings"),
        ({"synthetic": True}, "real and on synthetic data"),
        ({"seed": 1}, "two results for differnet/mvtec_ad/bottle/noise0/seed1"),
    ],
)
def test_frames_that_cannot_be_tabled(changes, message):
    """A frame that would give a wrong table is refused in one line that says why."""
    place = ("differnet", "mvtec_ad", "bottle", 0.0, 0)
    frame = make_frame(TABLE1, change={place: changes})
    with pytest.raises(UsageError) as caught:
        build_model(TABLE1, frame)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_columns_are_named():
    """A frame of something else is refused by the names it lacks."""
    with pytest.raises(UsageError, match="without column status, key"):
        build_model(TABLE1, make_frame(TABLE1).drop(columns=["status", "key"]))


def test_cells_tuned_apart_are_never_averaged():
    """Within one level, results with other tuned settings are refused; levels may differ."""
    frame = make_frame(TABLE1, methods=["rad"])
    frame["tuned"] = [f'{{"k":{noise:g}}}' for noise in frame["noise"]]
    read_runs(frame)
    frame.loc[frame.index[0], "tuned"] = '{"k":3.5}'
    with pytest.raises(UsageError, match="tuned apart"):
        read_runs(frame)
