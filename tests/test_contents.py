"""Settings that name a folder: results are known by what lies there, not by where it lies."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrepro.datasets.errors import ContractError, UsageError
from adrepro.harness.contents import content_sha256, keyed_settings
from adrepro.harness.store import Store
from adrepro.methods.registry import BUILTIN, method_class
from adrepro.methods.settings import field_types, make_settings, settings_json
from toys import PixelMean


@dataclass(frozen=True)
class FolderSettings:
    """One setting that is a path, one that is not."""

    textures: str | None = None
    power: float = 2.0


class Folder(PixelMean):
    """Names a folder; named ``test_contents:Folder`` on the command line."""

    name = "toy-folder"
    title = "Folder"
    Settings = FolderSettings
    content_settings = ("textures",)


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def keyed(path):
    return keyed_settings(Folder, FolderSettings(textures=str(path)))


def test_content_counts_and_place_does_not(tmp_path):
    """Elsewhere: the same; another byte, name, subfolder or file: another."""
    here = write(tmp_path / "here", a="one", sub_b="two")
    same = keyed(write(tmp_path / "far" / "there", sub_b="two", a="one"))
    assert keyed(here) == same
    assert str(tmp_path) not in same
    others = [
        write(tmp_path / "byte", a="one", sub_b="twO"),
        write(tmp_path / "name", a="one", sub_c="two"),
        write(tmp_path / "place", a="one", b="two"),
        write(tmp_path / "more", a="one", sub_b="two", c=""),
        write(tmp_path / "swapped", a="two", sub_b="one"),
    ]
    assert len({same, *map(keyed, others)}) == 1 + len(others)


def test_a_file_is_its_bytes(tmp_path):
    """A setting may name a single file, whose name is part of its place."""
    write(tmp_path, a="one", b="one", c="two")
    assert content_sha256(tmp_path / "a") == content_sha256(tmp_path / "b")
    assert content_sha256(tmp_path / "a") != content_sha256(tmp_path / "c")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_settings_that_are_no_paths_stay(power):
    """Without a folder, the key's settings are the canonical JSON itself."""
    chosen = FolderSettings(power=power)
    assert keyed_settings(Folder, chosen) == settings_json(chosen)
    assert json.loads(keyed_settings(Folder, chosen))["power"] == power


@pytest.mark.parametrize("name", BUILTIN)
def test_no_key_of_a_built_in_method_changes(name):
    """At every preset and variant the key's settings are what they were without the mechanism."""
    cls = method_class(name)
    for preset in ("paper", *cls.presets):
        for variant in ("", *cls.variants):
            chosen, text = make_settings(cls, preset, variant=variant)
            assert keyed_settings(cls, chosen) == text


def test_methods_that_paint_textures_name_them():
    """Every setting of a built-in method called textures is known by its content."""
    for name in BUILTIN:
        cls = method_class(name)
        has_textures = "textures" in field_types(cls)
        assert cls.content_settings == (("textures",) if has_textures else ())
        assert has_textures == (name in {"draem", "glass"})


def test_a_name_that_is_no_setting_breaks_the_contract():
    """A slip of the pen is one line that lists the settings."""

    class Slip(Folder):
        content_settings = ("texture",)

    with pytest.raises(ContractError, match=r"names 'texture'.* expected one of textures, power"):
        keyed_settings(Slip, FolderSettings())


def test_nothing_there(tmp_path):
    """Missing and empty are told apart, in one line that names the setting."""
    (tmp_path / "empty" / "below").mkdir(parents=True)
    for name, reason in (("gone", "no such folder or file"), ("empty", "no file in this folder")):
        with pytest.raises(UsageError, match=reason) as caught:
            keyed(tmp_path / name)
        assert str(caught.value).startswith(f"--set toy-folder.textures={tmp_path / name}: ")
        assert "\n" not in str(caught.value)


def run(world, folder):
    return world.run(
        "-c", "bottle", "--seeds", "1", "--jobs", "1",
        "--set", f"test_contents:Folder.textures={folder}", method="test_contents:Folder",
    )  # fmt: skip


def test_runs_know_a_folder_by_its_content(world, tmp_path):
    """A moved folder finds its result, a changed one runs again; no path is stored."""
    assert run(world, write(tmp_path / "a", x="one")) == 0
    assert run(world, write(tmp_path / "b", x="one")) == 0
    assert len(list(Store(world.store))) == 1
    assert run(world, write(tmp_path / "a", x="two")) == 0
    keys = list(Store(world.store))
    assert len(keys) == 2
    for key in keys:
        stored = (Store(world.store).folder(key) / "result.json").read_text()
        assert "sha256:" in stored
        assert str(tmp_path) not in stored


def test_missing_folder_stops_before_anything_runs(world, tmp_path):
    """One line, exit code 2, and nothing in the store."""
    assert run(world, tmp_path / "gone") == 2
    (line,) = world.stderr.strip().splitlines()
    assert "textures=" in line
    assert "no such folder or file" in line
    assert not world.store.exists() or not list(Store(world.store))
