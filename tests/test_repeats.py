"""Seeds that repeat nothing are named; methods that draw, or say that they do not, are not."""

import numpy as np
import pandas as pd
import pytest
from here import plan_here, run_here

from adrepro.harness.repeats import COMMON, LISTED, LOOKED_AT, identical_seeds
from adrepro.harness.store import Store
from conftest import TESTS


def warned(world, method, *, noise, seeds=3, deterministic=()):
    """Run a method and return what is warned of, with the frame and the store."""
    plan = plan_here(world.data, f"toys_seeds:{method}", seeds=seeds, noise=(noise,))
    store = Store(world.store, create=True)
    assert run_here(plan, store) == []
    frame = plan.frame(store)
    return identical_seeds(frame, store, deterministic), frame, store


@pytest.mark.parametrize("method", ["IgnoresSeed", "SaysSo", "IgnoresAll"])
def test_method_that_ignores_its_seed_is_named(world, method):
    """Without noise all seeds train on the same images: one model, one line, one place."""
    (line,), frame, store = warned(world, method, noise=0.0)
    assert line.startswith(f"toys_seeds:{method}: all seeds gave the test images they share")
    assert "at mvtec_ad/bottle/noise0;" in line
    assert str(TESTS) not in line
    assert identical_seeds(frame[frame["seed"] < 2], store) == [], "two seeds are no proof"


def test_metrics_that_differ_by_test_images_hide_nothing(world):
    """Seeds test on different images, and so metrics differ: the scores tell all the same."""
    (line,), frame, store = warned(world, "IgnoresSeed", noise=0.0)
    tested = [{i["id"] for i in store.load_json(key, "images")["test"]} for key in frame["key"]]
    assert tested[0] != tested[1]
    assert "IgnoresSeed" in line


def test_method_that_says_it_draws_nothing_is_not_warned_of(world):
    """Declared, it is no surprise; the command takes the declaration from the class."""
    name = "toys_seeds:SaysSo"
    assert warned(world, "SaysSo", noise=0.0, deterministic=[name])[0] == []
    assert world.run("-c", "bottle", method=name) == 0
    assert "all seeds gave" not in world.stderr
    assert world.run("-c", "bottle", method="toys_seeds:IgnoresSeed") == 0
    assert "warning: toys_seeds:IgnoresSeed: all seeds gave" in " ".join(world.stderr.split())


@pytest.mark.parametrize("noise", [0.0, 25.0])
def test_method_that_uses_its_seed_is_not_named(world, noise):
    """A difference in the fifth digit is one."""
    assert warned(world, "UsesSeed", noise=noise)[0] == []


@pytest.mark.parametrize(("method", "named"), [("IgnoresSeed", False), ("IgnoresAll", True)])
def test_other_training_images_are_not_held_against_a_method(world, method, named):
    """With noise each seed trains on others: what differs is not judged, what agrees is named."""
    lines, frame, store = warned(world, method, noise=25.0)
    trained = [{i["id"] for i in store.load_json(key, "images")["train"]} for key in frame["key"]]
    assert trained[0] != trained[1]
    assert bool(lines) is named


@pytest.mark.parametrize("places", [LOOKED_AT, LISTED - 1])
def test_the_one_telling_place_is_found_among_many(world, places):
    """Categories that draw their training images come first; the one that takes all is looked at.

    As on MVTec AD, where of 15 categories the twelfth has fewer images than the protocol takes.
    """
    plan = plan_here(world.data, "toys_seeds:IgnoresSeed", seeds=3, noise=(0.0, 25.0))
    store = Store(world.store, create=True)
    assert run_here(plan, store) == []
    frame = plan.frame(store)
    telling, drawn = frame[frame["noise"] == 0], frame[frame["noise"] == 25]
    # Cells that did train on other images, under the names of as many categories without noise.
    others = [drawn.assign(noise=0.0, category=f"drawn{i}") for i in range(places)]
    assert identical_seeds(pd.concat(others), store) == []
    (line,) = identical_seeds(pd.concat([*others, telling]), store)
    assert "at mvtec_ad/bottle/noise0;" in line


def test_places_without_noise_are_looked_at_first(world):
    """Levels of noise, be there more than are looked at, hide nothing that stands behind them."""
    plan = plan_here(world.data, "toys_seeds:IgnoresSeed", seeds=3, noise=(0.0, 25.0))
    store = Store(world.store, create=True)
    assert run_here(plan, store) == []
    frame = plan.frame(store)
    levels = [frame[frame["noise"] == 25].assign(noise=25.0 + i) for i in range(LISTED)]
    (line,) = identical_seeds(pd.concat([*levels, frame[frame["noise"] == 0]]), store)
    assert "at mvtec_ad/bottle/noise0;" in line


def test_constant_scores_tell_nothing(world):
    """A method that gives all images one score has its own warning, and none of its seeds."""
    assert warned(world, "Constant", noise=0.0)[0] == []


@pytest.mark.parametrize("change", ["last bit", "one seed", "few images"])
def test_what_is_no_proof(world, monkeypatch, change):
    """One bit of one score, one seed of four, or too few shared images: no warning."""
    _, frame, store = warned(world, "IgnoresSeed", noise=0.0, seeds=4)
    assert identical_seeds(frame, store)
    real, last = store.load_arrays, frame["key"].iloc[-1]

    def changed(key, stem):
        arrays = real(key, stem)
        scores = arrays["test_scores"].copy()
        if key == last and change == "last bit":
            scores = np.nextafter(scores, np.float32(np.inf))
        if key == last and change == "one seed":
            scores += 1
        return arrays | {"test_scores": scores}

    def fewer(key, stem):
        listed = Store.load_json(store, key, stem)
        shown = [i | {"id": i["id"] if n < COMMON - 1 else f"{key}{n}"}
                 for n, i in enumerate(sorted(listed["test"], key=lambda i: i["id"]))]  # fmt: skip
        return listed | {"test": shown}

    monkeypatch.setattr(store, "load_arrays", changed)
    if change == "few images":
        monkeypatch.setattr(store, "load_json", fewer)
    assert identical_seeds(frame, store) == []
