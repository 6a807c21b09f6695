"""A cell's key names everything its result depends on, and nothing else."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from here import plan_here
from hypothesis import given
from hypothesis import strategies as st

from adrepro.datasets.seeds import derive_seed
from adrepro.harness import evaluations, plan
from conftest import TESTS, grey_image, save, write_mvtec

METHOD = """
from toys import PixelMean

class Own(PixelMean):
    name = "own"
    title = "Own"
"""


def keys_of(data, **changes) -> dict[str, str]:
    made = plan_here(data, "own_method:Own", **({"categories": None} | changes))
    return {cell.label: cell.key for cell in made.cells}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Tiny data, and a method in a file of its own."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/own_method.py").write_text(METHOD)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.delitem(sys.modules, "own_method", raising=False)
    write_mvtec(tmp_path / "data/mvtec_ad", train=4, good=2, anomalous=13)
    return tmp_path / "data"


def touch_image(data, name):
    path = data / "mvtec_ad" / name
    pixels, mask = grey_image(987, spot=True)
    save(path, mask if "mask" in name else pixels)


@pytest.mark.parametrize(
    "name",
    [
        "bottle/train/good/000.png", "bottle/test/good/000.png", "bottle/test/hole/000.png",
        "bottle/ground_truth/hole/000_mask.png",
    ],
)  # fmt: skip
def test_one_image_makes_its_category_stale(data, name):
    """Any image or mask that changes, changes the keys of its category and of no other."""
    before = keys_of(data)
    touch_image(data, name)
    after = keys_of(data)
    changed = {label.split("/")[2] for label in before if before[label] != after[label]}
    assert changed == {"bottle"}


@pytest.mark.parametrize(
    "changes",
    [
        {"overrides": {"own_method:Own.power": "3"}},
        {"image_size": 64},
        {"protocols": ("fixed-test:total=3",)},
        {"protocols": ("overlap",)},
    ],
)
def test_what_is_asked_for_makes_all_stale(data, changes):
    """A setting, the size, the protocol and its parameters are part of every key."""
    assert not set(keys_of(data).values()) & set(keys_of(data, **changes).values())


def test_versions_make_all_stale(data, monkeypatch):
    """A byte of the method's source, and the version of the metrics, are part of every key."""
    before = set(keys_of(data).values())
    monkeypatch.setattr(plan, "evaluations_of", lambda method, names: ("eval/99",))
    other = set(keys_of(data).values())
    monkeypatch.setattr(plan, "evaluations_of", evaluations.evaluations_of)
    source = data.parent / "lib/own_method.py"
    source.write_text(METHOD.replace('"Own"', '"Own."'))
    assert not before & other
    assert not before & set(keys_of(data).values())
    source.write_text(METHOD)
    assert before == set(keys_of(data).values())


def test_order_and_number_of_what_is_asked_for_change_nothing(data):
    """More seeds, levels and methods, in any order, leave the keys that there were."""
    before = keys_of(data)
    wide = {"noise": (50.0, 0.0), "seeds": 2, "categories": ("screw", "bottle")}
    other = keys_of(data, **wide)
    assert before == {label: other[label] for label in before}
    assert len(set(other.values())) == 8


SCRIPT = (
    "import json, sys; from pathlib import Path; from test_identity import keys_of;"
    "print(json.dumps(keys_of(Path(sys.argv[1]))))"
)


def test_machine_and_place_change_nothing(data, tmp_path):
    """Another process, hash seed, home, working folder and data folder: the same keys."""
    expected = keys_of(data)
    moved = shutil.copytree(data, tmp_path / "elsewhere data")
    environment = os.environ | {
        "PYTHONPATH": f"{TESTS}{os.pathsep}{tmp_path / 'lib'}", "PYTHONHASHSEED": "77",
        "HOME": str(tmp_path), "HOSTNAME": "other", "TZ": "Asia/Tokyo",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(moved)], cwd=tmp_path, env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == expected


axes = st.lists(st.one_of(st.text(max_size=4), st.integers(-3, 30)), min_size=1, max_size=4)


@given(a=axes, b=axes)
def test_two_axes_never_collide(a, b):
    """Different axes give different seeds, however their texts run together."""
    assert (derive_seed(*a) == derive_seed(*b)) == (list(map(repr, a)) == list(map(repr, b)))
