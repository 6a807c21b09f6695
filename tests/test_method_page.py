"""``reproduce methods show``, and what is said where a file is named without its class."""

import subprocess
import sys
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from adrepro.datasets.errors import UnknownNameError, UsageError
from adrepro.harness.commands.methods import command
from adrepro.methods.meanings import field_meanings, setting_infos
from adrepro.methods.registry import BUILTIN, method_class
from adrepro.methods.settings import field_types


def shown(name):
    """Return the page with line breaks and indents taken out."""
    result = CliRunner().invoke(command, ["show", name], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_a_page_has_everything(name):
    """Paper, presets, variants, departures, and every setting with a meaning of its own."""
    page, cls = shown(name), method_class(name)
    for text in (cls.title, cls.paper, *cls.presets, *cls.departures):
        assert " ".join(text.split()) in page
    assert all(f"{name}@{variant}" in page for variant in cls.variants)
    described = setting_infos(cls)
    assert [one.name for one in described] == list(field_types(cls))
    for one in described:
        assert one.meaning, f"{name}: nothing is said of {one.name}"
        assert f"{one.name} = " in page
        assert one.meaning in page


def test_values_under_presets_and_of_variants():
    """A preset's value stands beside the default; a variant's page has the variant's values."""
    page = shown("simplenet")
    assert "epochs = 160, quick: 20, demo: 20 Passes over the training images" in page
    assert "strides = 8,16 Layers by stride" in page
    assert "adaptor_bias = true" in page
    assert "epochs = 100, quick: 20, demo: 40 Passes" in shown("simplenet@saha")
    assert "adaptor_bias = false" in shown("simplenet@saha")


@dataclass(frozen=True)
class First:
    """Some settings.

    Attributes
    ----------
    one, two
        Said of both,
        on two lines.
    three : int
        With a type.

    Notes
    -----
    four
        No setting.
    """

    one: int = 1


class Second(First):
    """More of them.

    Attributes
    ----------
    two
        Said anew.
    """


def test_meanings_come_from_the_docstrings_of_all_bases():
    """Shared entries, entries with a type, later sections, and a subclass that says it anew."""
    assert field_meanings(Second) == {
        "one": "Said of both, on two lines.",
        "two": "Said anew.",
        "three": "With a type.",
    }
    assert field_meanings(int) == {}


def test_a_near_miss_is_suggested():
    """Names of methods and of variants."""
    with pytest.raises(UnknownNameError, match="did you mean patchcore"):
        CliRunner().invoke(command, ["show", "patchcor"], catch_exceptions=False)
    with pytest.raises(UnknownNameError, match="did you mean saha"):
        CliRunner().invoke(command, ["show", "glass@sahha"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class Base: ...\nclass Mine(Base): ...\n", "use another_method:Mine$"),
        ("class A(object): ...\nclass B(object): ...\n", "another_method:A or another_method:B$"),
        ("class Broken(:\n", "use another_method:Class$"),
    ],
)
@pytest.mark.parametrize("given", ["another_method", "another_method.py"])
def test_a_file_without_its_class(tmp_path, monkeypatch, given, source, expected):
    """The message names what to write, whether or not the file can be read as Python."""
    (tmp_path / "another_method.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=expected):
        method_class(given)


def test_a_page_needs_no_torch():
    """The page is there at once: neither torch nor timm is imported for it."""
    code = (
        "import sys; from adrepro.harness.commands.method_page import method_page; "
        "method_page('glass'); sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
