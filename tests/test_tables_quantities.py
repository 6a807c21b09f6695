"""Times that count only when measured alone, ratios that are pooled, digits by unit."""

from decimal import Decimal
from fractions import Fraction
from statistics import mean

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_frames import make_frame, make_row

from adrepro.datasets.errors import UsageError
from adrepro.tables.aggregate import summarise
from adrepro.tables.assemble import build_model
from adrepro.tables.formatting import Mark, digits, shown, signed, significant
from adrepro.tables.model import MethodInfo
from adrepro.tables.outcome import EXTRAPOLATED
from adrepro.tables.papers import load_target
from adrepro.tables.quantities import QUANTITIES, Unit, title
from adrepro.tables.runs import read_runs

TABLE4 = load_target("table4")
CATEGORIES = TABLE4.run.datasets[0].categories
RTX = {"device": "cuda", "device_name": "NVIDIA GeForce RTX 4090"}
INFO = MethodInfo(name="rad", title="RAD", paper_backbone="alexnet")


def members(rows):
    """Runs of made-up rows by category, as `summarise` takes them."""
    runs = read_runs(pd.DataFrame(rows))
    return [[r for r in runs if r.category == c] for c in dict.fromkeys(r.category for r in runs)]


def timed(**changes):
    """Training hours of three categories with two seeds; ``changes``: place → columns."""
    rows = []
    for number, category in enumerate("abc"):
        for seed in range(2):
            extra = changes.get(f"{category}{seed}", {}) | changes.get("all", {})
            own = {"fit_s": 360.0 * (number + 1), "tuning_s": None} | extra
            rows.append(make_row("m", "d", category, 0.0, seed, **own))
    return summarise(members(rows), "training_h", 2, average=True)


def test_training_hours_are_summed_over_categories():
    """0.1 + 0.2 + 0.3 hours; tuning counts, seeds are averaged."""
    assert timed().estimate.mean == Fraction(6, 10)
    assert timed().estimate.complete
    assert timed(all={"tuning_s": 36.0, "tuning_alone": True}).estimate.mean == Fraction(63, 100)
    uneven = timed(a0={"fit_s": 0.0}, a1={"fit_s": 720.0})
    assert uneven.estimate.mean == Fraction(6, 10)


@pytest.mark.parametrize(
    "shared",
    [
        *({"exclusive": False}, {"stacked": 6}, {"fit_shared": True}, {"exclusive": None}),
        *({"tuning_s": 36.0, "tuning_alone": False}, {"tuning_s": 36.0}),
    ],
)
def test_shared_training_times_do_not_count(shared):
    """A run beside others, fitted together or reused is left out; without any there is a mark."""
    found = timed(c0=shared, c1=shared)
    # The mean of 0.1 and 0.2 hours stands for the third category.
    assert found.estimate.mean == Fraction(45, 100)
    assert found.estimate.extrapolated == "2 of 3 categories"
    assert not found.estimate.complete
    assert found.text().endswith(EXTRAPOLATED)
    everything = timed(all=shared)
    assert (everything.estimate, everything.mark) == (None, Mark.SHARED)
    assert "--jobs 1 --stack off" in Mark.SHARED.meaning


def test_a_seed_that_was_not_measured_is_said():
    """A category with one of two seeds measured alone makes the sum extrapolated."""
    found = timed(a0={"exclusive": False})
    assert found.estimate.mean == Fraction(6, 10)
    assert found.estimate.extrapolated == "1 of 2 seeds"
    failed = timed(b0={"status": "failed"}, b1={"status": "failed"})
    assert failed.estimate.extrapolated == "2 of 3 categories"


def test_nothing_timed_says_why():
    """Failed and pending cells keep their marks."""
    assert timed(all={"status": "failed"}).mark is Mark.FAILED
    assert timed(all={"status": "pending"}).mark is Mark.PENDING
    assert timed(all={"fit_s": None}).mark is Mark.UNDEFINED


def test_inference_time_needs_one_seed_per_category():
    """The harness measures it on one seed; fitting together does not touch it."""
    rows = [
        make_row("m", "d", c, 0.0, s, latency_ms=t if s == 0 else None, stacked=6)
        for c, t in (("a", 10.0), ("b", 14.0))
        for s in range(2)
    ]
    found = summarise(members(rows), "latency_ms", 2, average=True).estimate
    assert (found.mean, found.complete, found.text) == (12, True, "12.0")
    rows[0] |= {"exclusive": False}
    found = summarise(members(rows), "latency_ms", 2, average=True).estimate
    assert (found.mean, found.extrapolated) == (14, "1 of 2 categories")


def test_times_of_other_hardware_are_not_compared():
    """The paper's times stand only beside those of the paper's device, under either name."""

    def model(**changes):
        frame = make_frame(TABLE4, methods=["rad"], change={("rad",): changes})
        return build_model(TABLE4, frame, methods=[INFO])

    same = model(**RTX)
    assert same.method("rad").comparable
    assert [e.reported.value for e in same.blocks[0].entries] == [Decimal("4.2"), Decimal("12.3")]
    for changes, name in (
        ({"device": "cpu"}, "cpu"),
        ({"device": "cuda"}, "cuda"),
        (RTX | {"device_name": "NVIDIA H200"}, "NVIDIA H200"),
        (RTX | {"device_name": "NVIDIA GeForce RTX 4090 Laptop GPU"}, "NVIDIA GeForce RTX 4090 L"),
    ):
        method = model(**changes).method("rad")
        assert not method.comparable
        assert method.departures[0].startswith(f"device {name}")
        assert method.departures[0].endswith("instead of NVIDIA RTX 4090")


def test_difference_of_hours_is_that_of_the_digits_shown():
    """Small hours keep their digits in the difference."""
    frame = make_frame(TABLE4, methods=["rad"], change={("rad",): {"fit_s": 3.0} | RTX})
    entry = build_model(TABLE4, frame, methods=[INFO]).blocks[0].entries[0]
    assert entry.outcome.text() == "0.0125"
    assert signed(entry.difference, Unit.HOURS) == "-4.1875"


def removal(noisy, removed, precision, recall, **more):
    return {
        "n_train_noisy": noisy, "removed": removed,
        "removal_precision": precision, "removal_recall": recall, **more,
    }  # fmt: skip


COUNTS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6
)


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_removal_is_pooled(counts):
    """Pooled precision and recall equal one count over all images of all runs."""
    rows = []
    for seed, (injected, right, wrong) in enumerate(counts):
        hit = min(right, injected)
        gone = hit + wrong
        own = removal(
            injected,
            float(gone),
            hit / gone if gone else None,
            hit / injected if injected else None,
        )
        rows.append(make_row("m", "d", "a", 10.0, seed, **own))
    right = sum(min(r, i) for i, r, _ in counts)
    gone = sum(min(r, i) + w for i, r, w in counts)
    injected = sum(i for i, _, _ in counts)
    for name, below, mark in (
        ("removal_precision", gone, Mark.NOTHING_REMOVED),
        ("removal_recall", injected, Mark.UNDEFINED),
    ):
        found = summarise(members(rows), name, len(counts))
        if below:
            assert float(found.estimate.mean) == pytest.approx(right / below, abs=1e-9)
        else:
            assert found.mark is mark


def test_removal_deviation_is_over_seeds():
    """The deviation is that of the per-seed pooled values, None where a seed has none."""
    rows = [
        make_row("m", "d", c, 10.0, s, **removal(10, 10.0, p, p))
        for c, values in (("a", (0.2, 0.4)), ("b", (0.6, 0.4)))
        for s, p in enumerate(values)
    ]
    found = summarise(members(rows), "removal_recall", 2, average=True).estimate
    assert (found.mean, found.sd) == (Fraction(4, 10), 0.0)
    rows[0] |= removal(10, 0.0, None, 0.0)
    rows[2] |= removal(10, 0.0, None, 0.0)
    found = summarise(members(rows), "removal_precision", 2, average=True).estimate
    assert (found.mean, found.sd) == (Fraction(4, 10), None)


def test_methods_that_remove_nothing_on_principle_have_no_removal():
    """Without weights there is no number, which is another thing than removing nothing."""
    rows = [make_row("m", "d", "a", 10.0, 0, **removal(10, None, None, None))]
    for name in ("removal_precision", "removal_recall"):
        assert summarise(members(rows), name, 1).mark is Mark.UNDEFINED


def test_incomplete_removal_has_no_average():
    """A category without all its seeds takes the pooled value of the dataset away."""
    rows = [make_row("m", "d", c, 10.0, 0, **removal(10, 5.0, 0.5, 0.25)) for c in "ab"]
    rows[1] |= {"status": "failed", "error": "x"}
    found = summarise(members(rows), "removal_recall", 1, average=True)
    assert (found.estimate, found.text()) == (None, "1 of 2")


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (4.25, "4.3"), (1.0, "1.0"), (0.99951, "1.0"), (0.9994, "0.999"), (0.5, "0.500"),
        (0.0123456, "0.0123"), (1 / 3600, "0.000278"), (0.0, "0.0"), (120.04, "120.0"),
    ],
)  # fmt: skip
def test_hours_below_one_keep_three_digits(hours, text):
    """A short run does not read 0.0 h."""
    assert shown(hours, Unit.HOURS) == text


@given(st.floats(1e-6, 0.999))
def test_three_digits_equal_decimals_rounding(value):
    """Significant digits equal the standard library's, ties away from zero."""
    exact = Decimal(repr(value))
    places = 2 - exact.adjusted()
    expected = (exact.scaleb(places) + Decimal("0.5")).to_integral_value("ROUND_FLOOR")
    rounded = significant(value, 3)
    if rounded < 1:
        assert rounded == expected.scaleb(-places)


def test_units_decide_the_digits():
    """Percent is scaled, everything else is not."""
    assert digits(0.9865, Unit.PERCENT) == Decimal("98.7")
    assert digits(12.25, Unit.MILLISECONDS) == Decimal("12.3")
    assert signed(Decimal("-0.70"), Unit.HOURS) == "-0.70"
    assert title("latency_ms") == "inference time"
    assert len({q.title for q in QUANTITIES.values()}) == len(QUANTITIES)


@pytest.mark.parametrize(("column", "value"), [("fit_s", -1.0), ("latency_ms", float("inf"))])
def test_impossible_times_are_refused(column, value):
    """A negative or endless time is named with its cell."""
    frame = pd.DataFrame([make_row("m", "d", "a", 0.0, 0, **{column: value})])
    with pytest.raises(UsageError, match=f"{column} of m/d/a .* expected a finite number"):
        read_runs(frame)


def test_frames_without_the_new_columns_are_read():
    """A frame that lacks a quantity has no number there, and no error."""
    frame = make_frame(TABLE4, methods=["rad"]).drop(columns=["tuning_s", "stacked", "fit_shared"])
    model = build_model(TABLE4, frame)
    training = model.blocks[0].entries[0].outcome.estimate
    per_category = [frame[frame.category == c].fit_s.mean() for c in CATEGORIES]
    assert float(training.mean) == pytest.approx(15 * mean(per_category) / 3600)
