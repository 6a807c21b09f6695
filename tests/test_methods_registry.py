"""From names and texts to methods and settings; a method's source in its cells' keys."""

import ast
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest

from adrepro.datasets import images
from adrepro.datasets.errors import ContractError, UnknownNameError, UsageError
from adrepro.methods import registry
from adrepro.methods.base import Method, Scores
from adrepro.methods.differnet.method import DifferNet
from adrepro.methods.patchcore.method import PatchCore
from adrepro.methods.registry import all_methods, method_class
from adrepro.methods.settings import (
    make_settings,
    parse_value,
    preset_image_size,
)
from adrepro.methods.sources import method_source_sha256, method_sources

PLUGIN = """
from adrepro.methods.base import Method, Scores
from {module}_helper import FACTOR


class Mine(Method):
    name, title, backbone = "mine", "Mine", None

    def fit(self, train, context): ...

    def score(self, images, context): ...
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch, request):
    """Write a method of one's own, in two files, into the current folder."""
    module = f"plugin_{abs(hash(request.node.name))}"
    (tmp_path / f"{module}.py").write_text(PLUGIN.format(module=module))
    (tmp_path / f"{module}_helper.py").write_text("FACTOR = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return module


def test_builtin_names():
    """The built-in names lead to their classes, which call themselves so."""
    assert method_class("differnet") is DifferNet
    assert method_class("patchcore") is PatchCore
    names = [info.name for info in all_methods()]
    assert {"differnet", "patchcore"} <= set(names)
    assert names == sorted(names)


def test_listing_imports_no_torch():
    """Listing methods with all their settings is cheap."""
    code = (
        "import sys; from adrepro.methods.registry import all_methods, method_source_sha256;"
        "from adrepro.methods.registry import method_class; all_methods();"
        "method_source_sha256(method_class('differnet')); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_name_suggests():
    """A slip of the finger names the method that was meant."""
    with pytest.raises(UnknownNameError, match="did you mean patchcore"):
        method_class("pachcore")


def test_ones_own_class(plugin):
    """A class in the current folder is a method by ``module:Class``."""
    assert method_class(f"{plugin}:Mine").title == "Mine"
    with pytest.raises(UnknownNameError, match="did you mean Mine"):
        method_class(f"{plugin}:Mime")
    with pytest.raises(UsageError, match="importing no_such_module failed"):
        method_class("no_such_module:Mine")
    with pytest.raises(UsageError, match="subclass of adrepro"):
        method_class("collections:OrderedDict")


def test_a_module_that_fails_is_one_line(plugin, tmp_path):
    """A syntax error in a user's module is no traceback."""
    (tmp_path / "broken_plugin.py").write_text("def (")
    with pytest.raises(UsageError, match="SyntaxError") as caught:
        method_class("broken_plugin:Mine")
    assert "\n" not in str(caught.value)


def test_entry_points(plugin, monkeypatch):
    """A plug-in is found by its entry point; taking a taken name is an error naming both."""

    def offer(name):
        entry = EntryPoint(name, f"{plugin}:Mine", registry.GROUP)
        monkeypatch.setattr(registry.importlib.metadata, "entry_points", lambda group: [entry])

    offer("mine")
    assert method_class("mine").name == "mine"
    offer("patchcore")
    with pytest.raises(UsageError, match=rf"patchcore\.method:PatchCore and {plugin}:Mine"):
        method_class("differnet")
    offer("other")
    with pytest.raises(UsageError, match="calls itself 'mine'"):
        method_class("other")


def test_source_covers_the_package_and_what_it_imports():
    """DifferNet's cells depend on its own files and on the features, not on another method."""
    names = set(method_sources(DifferNet))
    own = "adrepro.methods."
    needed = ("differnet.method", "flows.method", "flows.flow", "flows.train", "flows.localise")
    assert {f"{own}{name}" for name in needed} <= names
    assert {"adrepro.methods.base", "adrepro.methods.features", "adrepro.datasets.images"} <= names
    assert not any("patchcore" in name or "harness" in name or "check" in name for name in names)


def test_source_hash_changes_with_any_file(plugin, tmp_path):
    """Editing a helper makes the method's results stale; line ends do not."""
    cls = method_class(f"{plugin}:Mine")
    helper = tmp_path / f"{plugin}_helper.py"
    sources = set(method_sources(cls))
    assert {plugin, f"{plugin}_helper", "adrepro.methods.base"} <= sources
    assert not {"numpy", "adrepro.methods.patchcore.method"} & sources
    before = method_source_sha256(cls)
    main = tmp_path / f"{plugin}.py"
    main.write_bytes(main.read_bytes().replace(b"\n", b"\r\n"))
    assert method_source_sha256(cls) == before
    helper.write_text("FACTOR = 2\n")
    assert method_source_sha256(cls) != before


@dataclass(frozen=True)
class ToySettings:
    whole: int = 1
    real: float = 0.5
    switch: bool = False
    text: str = "a"
    pair: tuple[float, float] = (0.1, 0.2)
    many: tuple[int, ...] = (1, 2)
    maybe: int | None = None
    choice: Literal["slow", "fast"] = "slow"


class Toy(Method):
    name, title = "toy", "Toy"
    Settings = ToySettings
    presets = {"demo": {"whole": 7, "image_size": 32, "backbone": "alexnet"}}  # noqa: RUF012

    def fit(self, train, context): ...

    def score(self, images, context):
        return Scores(image=images)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("whole", "-3", -3),
        ("real", "1e-4", 1e-4),
        ("switch", "True", True),
        ("switch", "false", False),
        ("text", "x=y", "x=y"),
        ("pair", "0.8,0.9", (0.8, 0.9)),
        ("pair", "(0.8, 0.9)", (0.8, 0.9)),
        ("many", "4", (4,)),
        ("many", "4,8,16", (4, 8, 16)),
        ("maybe", "none", None),
        ("maybe", "5", 5),
        ("choice", "fast", "fast"),
    ],
)
def test_values_are_parsed_by_their_type(key, text, value):
    """``--set toy.key=text`` gives the value of the field's type, also in the cell's JSON."""
    settings, document = make_settings(Toy, "paper", {key: text})
    found = getattr(settings, key)
    assert (found, type(found)) == (value, type(value))
    assert json.loads(document)[key] == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("whole", "1.5"),
        ("whole", "ten"),
        ("real", "nan"),
        ("real", "inf"),
        ("switch", "1"),
        ("pair", "1"),
        ("pair", "1,x"),
        ("many", "1,none"),
        ("maybe", "maybe"),
        ("choice", "medium"),
    ],
)
def test_a_wrong_type_is_one_line(key, text):
    """What a field cannot hold is named with what it can."""
    with pytest.raises(UsageError, match=f"toy.{key}={text}: expected") as caught:
        make_settings(Toy, "paper", {key: text})
    assert "\n" not in str(caught.value)


def test_unknown_settings_and_presets_suggest():
    """Slips in names of settings and presets are named with the nearest."""
    with pytest.raises(UnknownNameError, match="did you mean whole"):
        make_settings(Toy, "paper", {"whle": "1"})
    with pytest.raises(UnknownNameError, match="did you mean demo"):
        make_settings(Toy, "dmo")
    with pytest.raises(UsageError, match="expected"):
        parse_value("x", dict, "toy.dict")


def test_presets():
    """A preset changes settings and size; an override wins over it."""
    assert make_settings(Toy, "demo")[0].whole == 7
    assert make_settings(Toy, "demo", {"whole": "8"})[0].whole == 8
    assert (preset_image_size(Toy, "demo"), preset_image_size(Toy, "paper")) == (32, 256)


@pytest.mark.parametrize("cls", [DifferNet, PatchCore])
def test_builtin_presets_fit_their_settings(cls):
    """Every preset of a built-in method gives settings, all of them in the cell's JSON."""
    for preset in ("paper", "quick", "demo"):
        settings, document = make_settings(cls, preset)
        assert json.loads(document) == json.loads(json.dumps(asdict(settings)))
        assert json.loads(document).keys() == json.loads(make_settings(cls)[1]).keys()


def test_settings_must_be_frozen():
    """Mutable settings break the contract."""

    @dataclass
    class Loose:
        x: int = 1

    class Bad(Toy):
        Settings = Loose

    with pytest.raises(ContractError, match="frozen dataclass"):
        make_settings(Bad)


def test_all_that_turns_files_into_pixels_is_in_the_key():
    """What `datasets.images` imports from its room decides what a method sees, errors aside."""
    path = Path(images.__file__)
    inside = {
        node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
    }
    followed = set(method_sources(method_class("differnet")))
    assert "pixels" in inside
    assert {f"adrepro.datasets.{name}" for name in inside - {"errors"}} <= followed
