"""Whose own method fails is told the phase and the line, by `methods check`, `explain`, `why`."""

import json
import re

import pytest

from adrepro.harness.cell import Cell, Identity
from adrepro.harness.files import read_signed
from adrepro.harness.store import Failure, Store
from adrepro.methods.check import check_method
from adrepro.methods.culprit import place_of

HELPER = """
def third(values):
    return values[2]


def parse(text):
    import json

    return json.loads(text)
"""

METHOD = """
import numpy as np
from adrepro.methods.base import Method, Scores
from {helper} import parse, third

class Bad(Method):
    name, title, image_size = "bad", "Bad", 64

    def fit(self, train, context):
        {fit}

    def score(self, images, context):
        {score}

class Inherits(Bad):
    pass
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return what writes a method with these hooks; it and its helper can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    number = re.sub(r"\W", "_", tmp_path.name)  # no two tests import the same module

    def written(fit="pass", score="return Scores(image=images.array().max(axis=(1, 2, 3)))"):
        helper, name = f"helper_{number}", f"bad_{number}"
        (tmp_path / f"{helper}.py").write_text(HELPER)
        (tmp_path / f"{name}.py").write_text(METHOD.format(helper=helper, fit=fit, score=score))
        return name

    return written


def failed(target):
    """Return what the check says of the one test that such a method fails."""
    (detail,) = (one.detail for one in check_method(target) if not one.passed)
    return detail


@pytest.mark.parametrize(
    ("hooks", "phase", "line", "error"),
    [
        ({"fit": "self.last = len(train) and [][19]"}, "fit", 10, "IndexError: list index"),
        ({"score": "return images.array()[99]"}, "score", 13, "IndexError: index 99 is out"),
        # Raised in a library, in this package, or by a helper: the method's own line counts.
        ({"fit": "np.linalg.inv(np.zeros((2, 2)))"}, "fit", 10, "LinAlgError: Singular"),
        ({"fit": "train.subset([99])"}, "fit", 10, "IndexError: "),
        ({"score": "return third([])"}, "score", 13, "IndexError: list index"),
    ],
)
def test_check_names_phase_and_line(write, hooks, phase, line, error):
    """The phase that raised, and the deepest line of the file that holds the class."""
    name = write(**hooks)
    assert failed(f"{name}:Bad").startswith(f"{phase} raised {error.split(':')[0]} at {name}.py:")
    assert f"{name}.py:{line}: {error.partition(': ')[2]}" in failed(f"{name}:Bad")


def test_a_class_that_is_not_built_has_a_line_and_no_phase(write, tmp_path):
    """An error before `fit` is no error of `fit`."""
    name = write()
    with (tmp_path / f"{name}.py").open("a") as handle:
        handle.write("\n    def __init__(self, settings=None):\n        third([])\n")
    assert re.match(rf"raised IndexError at {name}\.py:\d+: ", failed(f"{name}:Inherits"))


def test_without_a_frame_of_the_class_the_nearest_own_file_counts(write):
    """Of an error that passed no line of the class's file: no library's and none of ours."""
    import importlib

    helper = importlib.import_module(write().replace("bad", "helper"))
    with pytest.raises(json.JSONDecodeError) as caught:
        helper.parse("{")  # raised three frames deep in the standard library
    caught.value.__traceback__ = caught.value.__traceback__.tb_next  # without this test's frame
    assert place_of(caught.value, dict) == f"{helper.__name__}.py:9"
    assert place_of(ValueError("never raised"), dict) == ""


ONE = ("-c", "bottle", "--seeds", "1", "-j", "1")


def test_explain_shows_the_traceback_of_a_failed_cell(world):
    """Below message and phase stand the lines that led there; `why` says so, JSON holds them."""
    assert world.run(*ONE, method="toys:Raises") == 1
    (key,) = Store(world.store)
    stored = read_signed(Store(world.store).folder(key) / "failure.json", key)["failure"]
    assert "toys.py" in stored["traceback"]
    assert world.reproduce("explain", key[:12], "--store", world.store) == 0
    head, _, shown = world.stdout.partition("\ntraceback\n")
    assert f"status  failed {stored['kind']} in {stored['phase']}: {stored['message']}\n" in head
    assert shown.strip() == stored["traceback"].strip()
    assert world.reproduce("explain", key[:12], "--store", world.store, "--json") == 0
    assert json.loads(world.stdout)["failure"] == stored
    grid = ("-m", "toys:Raises", "-d", "mvtec_ad", "-c", "bottle", "--seeds", "1", *world.places)
    assert world.reproduce("why", "bottle", *grid) == 0
    assert "next run; `reproduce explain` shows its traceback, if it has one\n" in world.stdout


def test_a_cell_that_was_killed_has_none_to_show(world):
    """No heading without lines below it, and a finished cell has no failure."""
    assert world.run(*ONE) == 0
    store = Store(world.store, create=True)
    (key,) = store
    assert world.reproduce("explain", key[:12], "--store", world.store, "--json") == 0
    assert "failure" not in json.loads(world.stdout)
    document = store.read(key).document
    identity = Identity(cell=Cell(**document["cell"]), hashes=document["hashes"])
    (store.folder(key) / "result.json").unlink()
    store.write_failure(identity, Failure(kind="crash", message="signal 9", phase="run"))
    assert world.reproduce("explain", key[:12], "--store", world.store) == 0
    assert "failed crash in run: signal 9" in world.stdout
    assert "traceback" not in world.stdout
