"""Label-noise draws: what a level takes, what stays for testing, and that nothing leaks."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrepro.datasets.errors import DataError, NoiseError
from adrepro.datasets.noise import (
    Added,
    FixedTest,
    Overlap,
    Shortage,
    draw,
    feasibility,
    identical_train_test,
    leak_check,
)
from adrepro.datasets.types import Category, ImageRef

LEVELS = (0, 10, 20, 30, 40, 50)

# Official MVTec AD counts: nominal training images, anomalous and nominal test images; and the
# training-set size that remains at 50 % when at least max(10, ¼) of the anomalies are tested on.
MVTEC = {
    "bottle": (209, 63, 20, 94),
    "cable": (224, 92, 58, 100),
    "capsule": (219, 109, 23, 100),
    "carpet": (280, 89, 28, 100),
    "grid": (264, 57, 21, 84),
    "hazelnut": (391, 70, 40, 100),
    "leather": (245, 92, 32, 100),
    "metal_nut": (220, 93, 22, 100),
    "pill": (267, 141, 26, 100),
    "screw": (320, 119, 41, 100),
    "tile": (230, 84, 33, 100),
    "toothbrush": (60, 30, 12, 40),
    "transistor": (213, 40, 60, 60),
    "wood": (247, 60, 19, 90),
    "zipper": (240, 119, 32, 100),
}


def refs(split, defects):
    """Image references, one per entry of ``defects``."""
    ids = [f"toy/{split}/{defect}/{i:04}.png" for i, defect in enumerate(defects)]
    return tuple(
        ImageRef(id=name, split=split, defect=defect, path=Path(name))
        for name, defect in zip(ids, defects, strict=True)
    )


def category(nominal, anomalous, good, train_anomalous=(), name="toy"):
    """A category with so many images; ``anomalous`` is a count or defect type → count."""
    kinds = {"scratch": anomalous} if isinstance(anomalous, int) else anomalous
    spread = [kind for kind, count in kinds.items() for _ in range(count)]
    return Category(
        dataset="toy",
        name=name,
        train=refs("train", ["good"] * nominal + list(train_anomalous)),
        test=refs("test", spread + ["good"] * good),
    )


def categories(smallest=11):
    """Categories of many shapes, with one to six defect types."""
    kinds = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1)
    return st.builds(category, st.integers(4, 300), kinds, st.integers(0, 40)).filter(
        lambda c: len(c.test_anomalous) >= smallest
    )


def ids(images):
    """Ids of images."""
    return {ref.id for ref in images}


@pytest.mark.parametrize("name", MVTEC)
def test_official_mvtec_counts_at_half(name):
    """At 50 % the training set shrinks to the documented size and c is exactly one half."""
    nominal, anomalous, good, size = MVTEC[name]
    (row,) = feasibility(category(nominal, anomalous, good), [50], FixedTest())
    assert (row.n_train, row.effective, row.test_good) == (size, 0.5, good)
    assert row.test_anomalous == anomalous - size // 2
    assert row.test_anomalous >= max(10, anomalous / 4)
    assert bool(row.note) == (size < 100)


def test_official_mvtec_totals():
    """The counts above are the official ones: 3629, 1258 and 467 images."""
    assert [sum(column) for column in zip(*MVTEC.values(), strict=True)][:3] == [3629, 1258, 467]


def test_only_short_levels_shrink():
    """Toothbrush keeps its 60 images up to 30 % and shrinks at 40 and 50 % alone."""
    rows = feasibility(category(60, 30, 12), LEVELS, FixedTest())
    assert [(r.n_train, r.n_injected) for r in rows] == [
        (60, 0), (60, 6), (60, 12), (60, 18), (50, 20), (40, 20),
    ]  # fmt: skip
    assert {r.test_anomalous for r in rows} == {10}


@settings(max_examples=60, deadline=None)
@given(categories(), st.integers(0, 9), st.sampled_from([FixedTest(), FixedTest(total=30)]))
def test_levels_are_nested_and_share_one_test_set(cat, seed, protocol):
    """Higher levels keep all anomalies of lower ones, drop nominals, and share the test set."""
    draws = [draw(cat, level, seed, protocol) for level in LEVELS]
    for lower, higher in pairwise(draws):
        assert ids(lower.injected) <= ids(higher.injected)
        assert lower.injected == higher.injected[: lower.n_injected]
        kept = [ids(d.train) - ids(d.injected) for d in (lower, higher)]
        assert kept[1] <= kept[0]
        assert lower.test == higher.test
        shared = ids(lower.train) & ids(higher.train)
        assert [r for r in lower.train if r.id in shared] == [
            r for r in higher.train if r.id in shared
        ]


@settings(max_examples=100, deadline=None)
@given(
    categories(), st.decimals(0, 50, places=2), st.integers(0, 9), st.sampled_from([7, 100, 173])
)
def test_fixed_test_draw(cat, level, seed, total):
    """The level is met within half an image, train and test are disjoint, a quarter is kept."""
    drawn = draw(cat, float(level), seed, FixedTest(total=total))
    assert abs(drawn.effective - float(level) / 100) <= 1 / (2 * drawn.n_train) + 1e-12
    assert drawn.n_train <= min(total, len(cat.train_nominal))
    assert len(ids(drawn.train)) == drawn.n_train
    assert ids(drawn.injected) == {r.id for r in drawn.train if r.anomalous}
    assert not ids(drawn.train) & ids(drawn.test)
    tested = [r for r in drawn.test if r.anomalous]
    assert len(tested) >= max(10, len(cat.test_anomalous) / 4)
    assert ids(cat.test_nominal) <= ids(drawn.test)
    leak_check(drawn, {r.id: r.id for r in (*drawn.train, *drawn.test)})


@settings(max_examples=100, deadline=None)
@given(categories(), st.sampled_from([5, 12.5, 33.3, 50, 100]), st.integers(0, 3))
def test_feasibility_foretells_the_draw(cat, level, seed):
    """The plan's numbers are the draw's, under every protocol; an impossible level says why."""
    for protocol in (FixedTest(), Overlap(shortage=Shortage.CAP), Added(shortage=Shortage.REFUSE)):
        (row,) = feasibility(cat, [level], protocol)
        if not row.possible:
            with pytest.raises(NoiseError) as error:
                draw(cat, level, seed, protocol)
            assert str(error.value) == row.note
            continue
        drawn = draw(cat, level, seed, protocol)
        tested = sum(r.anomalous for r in drawn.test)
        assert (row.n_train, row.n_injected) == (drawn.n_train, drawn.n_injected)
        assert (row.effective, row.note) == (drawn.effective, drawn.note)
        assert (row.test_good, row.test_anomalous) == (len(drawn.test) - tested, tested)


@settings(max_examples=60, deadline=None)
@given(categories(), st.integers(0, 9))
def test_injections_are_balanced_over_defect_types(cat, seed):
    """In every prefix two defect types differ by at most one, unless one is used up."""
    available = Counter(r.defect for r in cat.test_anomalous)
    injected = draw(cat, 50, seed, FixedTest()).injected
    used: Counter[str] = Counter()
    for ref in injected:
        used[ref.defect] += 1
        most = max(used.values())
        assert all(used[kind] >= min(most - 1, available[kind]) for kind in available)


@settings(max_examples=30, deadline=None)
@given(categories(), st.permutations(LEVELS))
def test_draws_do_not_depend_on_call_order(cat, levels):
    """Levels drawn in any order, after any other draw, give the same images."""
    alone = {level: draw(cat, level, 1, FixedTest()) for level in LEVELS}
    for level in levels:
        draw(cat, level, 2, FixedTest())
        assert draw(cat, level, 1, FixedTest()) == alone[level]


def test_draw_is_pinned():
    """The draw is the same on every machine: these ids were drawn once and stay."""
    drawn = draw(category(6, {"cut": 8, "dent": 6}, 1), 50, 0, FixedTest(total=4))
    assert [ref.id for ref in drawn.train] == [
        "toy/test/cut/0005.png",
        "toy/test/dent/0011.png",
        "toy/train/good/0000.png",
        "toy/train/good/0002.png",
    ]


def test_seeds_redraw_subset_and_injection():
    """Another seed takes other nominal images, other anomalies and another test set."""
    first, second = (draw(category(300, 100, 5), 30, seed, FixedTest()) for seed in (0, 1))
    for a, b in ((first.injected, second.injected), (first.train, second.train)):
        assert ids(a) != ids(b)
    assert ids(first.test) != ids(second.test)


def test_training_order_hides_the_injected():
    """Injected images are spread over the training set, not appended to it."""
    drawn = draw(category(300, 100, 5), 50, 0, FixedTest())
    halves = [sum(r.anomalous for r in part) for part in (drawn.train[:50], drawn.train[50:])]
    assert min(halves) >= 15


def test_overlap_tests_on_the_injected():
    """Overlap trains on the very images of fixed-test and tests on the full official set."""
    cat = category(200, 80, 20)
    fixed, overlap = draw(cat, 30, 0, FixedTest()), draw(cat, 30, 0, Overlap())
    assert overlap.train == fixed.train
    assert overlap.test == cat.test
    hashes = {r.id: r.id for r in (*cat.train, *cat.test)}
    leak_check(overlap, hashes)
    assert identical_train_test(overlap, hashes) == []


def test_added_keeps_all_nominals():
    """A ratio of 10 % on 209 images adds 21, which leave the test set; contamination is 21/230."""
    cat = category(209, 63, 20)
    drawn = draw(cat, 10, 0, Added())
    assert (drawn.n_train, drawn.n_injected, drawn.effective) == (230, 21, 21 / 230)
    assert ids(cat.train_nominal) <= ids(drawn.train)
    assert ids(drawn.test) == ids(cat.test) - ids(drawn.injected)
    capped = draw(cat, 100, 0, Added())
    assert (capped.n_injected, capped.effective) == (47, 47 / 256)
    assert capped.note == "capped: 209 anomalies wanted, 47 may be injected"


def test_training_defects_are_used_first():
    """A dataset with training defects (KolektorSDD2) injects those and tests on everything."""
    cat = category(2085, 110, 894, train_anomalous=["defect"] * 246)
    for protocol in (FixedTest(), Overlap(), Added(max_level=10)):
        for level in (0, 10):
            drawn = draw(cat, level, 0, protocol)
            assert drawn.test == cat.test
            assert ids(drawn.injected) <= ids(cat.train_anomalous)
    assert feasibility(cat, [50], FixedTest())[0].n_injected == 50
    assert not any(r.anomalous for r in draw(cat, 0, 0, FixedTest()).train)


def test_max_level_sets_the_test_set():
    """The test set follows the protocol's highest level, whatever levels a study has."""
    cat = category(200, 80, 20)
    for highest in (0, 20, 50):
        drawn = draw(cat, 0, 0, FixedTest(max_level=highest))
        assert sum(r.anomalous for r in drawn.test) == 80 - highest


def test_halves_round_up():
    """Counts are rounded half up: 2.5 of 50 images is 3, where Python's round gives 2."""
    cat = category(50, 80, 5)
    assert draw(cat, 5, 0, FixedTest()).n_injected == 3
    assert draw(cat, 4.9, 0, FixedTest()).n_injected == 2


@pytest.mark.parametrize("level", [-1, 50.5, float("nan"), float("inf")])
def test_levels_out_of_range_are_refused(level):
    """The message names the level and what is allowed; the plan shows it as a row."""
    cat = category(100, 80, 5)
    with pytest.raises(NoiseError, match="allows 0 to 50 %"):
        draw(cat, level, 0, FixedTest())
    (row,) = feasibility(cat, [level], FixedTest())
    assert not row.possible
    assert "allows 0 to 50 %" in row.note


def test_shortage_rules():
    """Shrink keeps c, cap keeps T and shows the smaller c, refuse says what is missing."""
    cat = category(213, 40, 60, name="transistor")
    shrunk = draw(cat, 50, 0, FixedTest())
    assert (shrunk.n_train, shrunk.effective) == (60, 0.5)
    assert shrunk.note == "T 100 → 60: 50 anomalies wanted, 30 may be injected"
    capped = draw(cat, 50, 0, FixedTest(shortage=Shortage.CAP))
    assert (capped.n_train, capped.effective) == (100, 0.3)
    with pytest.raises(NoiseError, match=r"transistor.*50 anomalies wanted, 30 may be injected"):
        draw(cat, 50, 0, FixedTest(shortage=Shortage.REFUSE))


@pytest.mark.parametrize("shortage", [Shortage.SHRINK, Shortage.CAP])
def test_no_supply_is_an_error_not_a_clean_run(shortage):
    """With ten anomalies all stay for testing: level 0 works, any other is refused."""
    cat = category(100, 10, 5)
    assert draw(cat, 0, 0, FixedTest(shortage=shortage)).n_injected == 0
    with pytest.raises(NoiseError, match="0 may be injected"):
        draw(cat, 10, 0, FixedTest(shortage=shortage))


def test_category_without_nominal_images_is_refused():
    """Nothing can be trained on without nominal images."""
    with pytest.raises(NoiseError, match="toy/toy: no nominal training image"):
        draw(category(0, 40, 5), 0, 0, FixedTest())


def test_leak_check_finds_copies_by_content():
    """A tested copy of an injected image is found by its hash, whatever its name."""
    drawn = draw(category(100, 80, 20), 20, 0, FixedTest())
    hashes = {r.id: r.id for r in (*drawn.train, *drawn.test)}
    leak_check(drawn, hashes)
    hashes[drawn.test[0].id] = hashes[drawn.injected[3].id]
    with pytest.raises(DataError, match="injected into training and tested on as"):
        leak_check(drawn, hashes)
    assert identical_train_test(drawn, hashes) == [(drawn.injected[3].id, drawn.test[0].id)]
    with pytest.raises(DataError, match="no content hash"):
        leak_check(drawn, {})


def test_identical_nominal_images_are_listed():
    """Every pair is listed, also of nominal images, which is no leak of a label."""
    drawn = draw(category(100, 80, 20), 0, 0, FixedTest())
    hashes = {r.id: r.id for r in (*drawn.train, *drawn.test)}
    for ref in drawn.test[:2]:
        hashes[ref.id] = hashes[drawn.train[5].id]
    leak_check(drawn, hashes)
    twin = drawn.train[5].id
    assert identical_train_test(drawn, hashes) == [(twin, ref.id) for ref in drawn.test[:2]]
