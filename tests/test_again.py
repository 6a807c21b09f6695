"""A command that is made of options asks for the same again, from any folder."""

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrepro.harness.commands.again import SELECTING, command_line
from adrepro.harness.commands.options import Options, grid_options
from conftest import write_mvtec
from toys import PixelMean

NAMES = st.text("ab ~'\"$\\;*é-", min_size=1, max_size=8).map(lambda text: f"x{text}x")
LEVELS = st.one_of(st.integers(0, 100).map(float), st.floats(0, 100))


class Textured(PixelMean):
    """A toy with a setting that names a folder."""

    content_settings = ("names",)


def options_of(words) -> Options:
    """Return the options that a command line gives."""
    found = []

    @click.command()
    @grid_options
    def parse(options: Options) -> None:
        found.append(options)

    parse.main([str(word) for word in words], standalone_mode=False)
    return found[0]


def typed(command: str, home: Path, folder: Path, shell: str = "sh") -> list[str]:
    """Return the words that a shell in a folder makes of a command, without the program's name."""
    script = f"reproduce() {{ printf '%s\\0' \"$@\"; }}; {command}"
    made = subprocess.run(
        [shell, "-c", script], env={**os.environ, "HOME": str(home)}, cwd=folder,
        capture_output=True, check=True,
    )  # fmt: skip
    return os.fsdecode(made.stdout).split("\0")[:-1]


def absolute(options: Options) -> Options:
    """Return options whose folders do not depend on the current one."""
    return replace(
        options,
        store=options.store.absolute(),
        out=options.out.absolute(),
        data_root=options.data_root and options.data_root.absolute(),
        weights=options.weights and str(Path(options.weights).absolute()),
        papers=tuple(path.absolute() for path in options.papers),
    )


@settings(deadline=None, max_examples=50)
@given(
    noise=st.lists(LEVELS, min_size=1, max_size=4, unique=True),
    timeout=st.one_of(st.none(), st.floats(0, 1e9, exclude_min=True)),
    paths=st.tuples(NAMES, NAMES, NAMES, NAMES),
    papers=st.lists(NAMES, max_size=2, unique=True),
)
def test_every_option_reads_back(noise, timeout, paths, papers):
    """Levels and times to the last bit, folders with any letters: the same options come back."""
    store, out, root, weights = paths
    words = ["--store", store, "--out", f"/{out}", "--data-root", root, "--weights", weights]
    options = options_of([*words, *(part for path in papers for part in ("--papers", path))])
    options = replace(options, noise=tuple(noise), timeout=timeout)
    words = shlex.split(command_line(("run",), options))
    assert words[:2] == ["reproduce", "run"]
    assert options_of(words[2:]) == absolute(options)


@pytest.mark.parametrize("inside", ["rev 7c/st", "plain/st", "it's/$x", ""])
def test_home_folder_is_not_named_and_comes_back(tmp_path, monkeypatch, inside):
    """With a blank in its name or below it: a shell puts the home folder in again, anywhere."""
    home, elsewhere = tmp_path / "my home", tmp_path / "elsewhere"
    place = home / inside
    place.mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(place)
    words = [
        *("-m", "toys:PixelMean,test_again:Textured,scores:mine", "-d", "mvtec_ad=bad,ksdd2=/k"),
        *("--set", "test_again:Textured.names=tex", "--set", "toys:PixelMean.names=tex"),
        *("--engine-option", "logs=logs", "--engine-option", f"setup=. {home}/env"),
        *("--data-root", home, "--papers", "a b", "--papers", "/p", "--weights", "w.pt"),
    ]
    options = options_of(words)
    command = command_line(("run",), options)
    assert str(home) not in command
    assert "--data-root ~ " in f"{command} "
    words = typed(command, home, elsewhere)
    assert words[0] == "run"
    assert options_of(words[1:]) == replace(
        absolute(options),
        methods=("toys:PixelMean", "test_again:Textured", f"scores:{place}/mine"),
        datasets=(f"mvtec_ad={place}/bad", "ksdd2=/k"),
        overrides={
            "test_again:Textured.names": f"{place}/tex",
            "toys:PixelMean.names": "tex",
        },
        engine_settings={"logs": f"{place}/logs", "setup": f". {home}/env"},
    )


STRANGE = [
    "a  b",
    "a   b",
    "a\tb",
    "a\nb\n",
    "a\u00a0b",
    "\U0001f469\u200d\U0001f52c",
    "\x1b[2J'\\0",
    "\udcff",
]


@pytest.mark.skipif(not shutil.which("bash"), reason="sh need not know $'…'")
def test_words_that_are_not_seen_are_one_line_and_come_back(tmp_path, monkeypatch):
    """Blanks in a row, tabs, line ends, joiners: the line is printable, bash reads it back."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    papers = [f"{tmp_path}/home/{name}" for name in STRANGE]
    words = [word for name in papers for word in ("--papers", name)]
    options = options_of([*words, "--store", f"{tmp_path}/{STRANGE[2]}"])
    command = command_line(("run",), options)
    assert command.isprintable()
    read = typed(command, tmp_path / "home", tmp_path, shell="bash")
    assert options_of(read[1:]) == absolute(options)


def test_home_folder_is_one_only_where_a_path_begins(tmp_path, monkeypatch):
    """Reached by a link, its other name within a path is no way to it; a path below it is."""
    real, link = tmp_path / "real", tmp_path / "home"
    real.mkdir()
    link.symlink_to(real)
    monkeypatch.setenv("HOME", str(link))
    store = f"/mnt{real}/st"
    options = options_of(["--store", store, "--papers", f"{real}/p", "--out", f"/x{link}"])
    words = typed(command_line(("run",), options), link, tmp_path)
    assert words == ["run", "--store", store, "--out", f"/x{link}", "--papers", f"{link}/p"]


def test_shares_of_a_percent_and_of_a_second():
    """A level below one is marked as percent, a time is not."""
    options = options_of(["--noise", "0.5%,16.6666667", "--timeout", "0.5", "--store", "/s"])
    command = command_line(("run",), options)
    assert "--noise 0.5%,16.6666667 --timeout 0.5 --store /s " in command
    assert options_of(shlex.split(command)[2:]) == absolute(options)


def test_secrets_are_hidden(monkeypatch):
    """What a variable named like a secret holds is not repeated."""
    monkeypatch.setenv("HUB_TOKEN", "squeamish-ossifrage")
    options = options_of(["--set", "toys:PixelMean.names=squeamish-ossifrage"])
    assert "ossifrage" not in command_line(("run",), options)


def test_only_what_selects_is_repeated_for_a_look(tmp_path, monkeypatch):
    """A command that runs nothing is given no folder to write and no processes."""
    monkeypatch.chdir(tmp_path)
    options = options_of(["--jobs", "3", "--noise", "33.3333333", "-d", "mvtec_ad=x"])
    assert command_line(("check", "table1"), options, SELECTING) == (
        f"reproduce check table1 -d mvtec_ad={tmp_path}/x --noise 33.3333333 "
        f"--store {tmp_path}/runs"
    )


@pytest.mark.parametrize("root", ["--data-root", "ADREPRO_DATA", "./data"])
def test_run_goes_on_from_another_folder(world, monkeypatch, root):
    """What `status` says of a run with folders of its own, typed elsewhere, runs its very cells."""
    home, elsewhere = world.root / "my home", world.root / "elsewhere"
    place = home / "rev 7c"
    place.mkdir(parents=True)
    elsewhere.mkdir()
    world.data.rename(place / "data")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("ADREPRO_DATA", raising=False)
    monkeypatch.chdir(place)
    grid = ["run", "-m", "toys:PixelMean", "-d", "mvtec_ad", "-c", "bottle", "--seeds", "1"]
    grid += ["--noise", "16.6666667,33.3333333", "--device", "cpu", "--jobs", "1"]
    grid += ["--data-root", "data"] if root == "--data-root" else []
    with monkeypatch.context() as patch:
        patch.setattr("adrepro.harness.missing.run_missing", lambda *_args, **_given: None)
        if root == "ADREPRO_DATA":
            patch.setenv("ADREPRO_DATA", "data")
        assert world.reproduce(*grid) == 1
    monkeypatch.chdir(elsewhere)
    assert world.reproduce("status", "--store", place / "runs") == 0
    line = next(line for line in world.stdout.splitlines() if "last run" in line)
    assert str(home) not in line
    assert world.reproduce(*typed(line.partition("to go on: ")[2], home, elsewhere)) == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == []
    assert len(list((place / "runs").glob("cells/??/*/result.json"))) == 2
    assert world.reproduce("status", "--store", place / "runs") == 0
    assert "last run" not in world.stdout


@pytest.mark.parametrize("root", ["ADREPRO_DATA", "./data"])
def test_run_on_drawn_and_real_images_goes_on_from_another_folder(world, monkeypatch, root):
    """Neither is the real dataset missing there, nor are other images read that lie there."""
    place, elsewhere = world.root / "place", world.root / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    world.data.rename(place / "data")
    write_mvtec(elsewhere / "data" / "mvtec_ad", categories=("screw", "bottle"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(world.root / "cache"))
    monkeypatch.delenv("ADREPRO_DATA", raising=False)
    monkeypatch.chdir(place)
    grid = ["run", "-m", "toys:PixelMean", "-d", "synthetic,mvtec_ad", "-c", "bottle"]
    grid += ["--seeds", "1", "--device", "cpu", "--jobs", "1", "--noise", "0"]
    with monkeypatch.context() as patch:
        patch.setattr("adrepro.harness.missing.run_missing", lambda *_args, **_given: None)
        if root == "ADREPRO_DATA":
            patch.setenv("ADREPRO_DATA", "data")
        world.reproduce(*grid)
    monkeypatch.chdir(elsewhere)
    assert world.reproduce("status", "--store", place / "runs", "--json") == 0
    (left,) = json.loads(world.stdout)["unfinished"]
    assert left["left"] == 2
    assert f"-d synthetic,mvtec_ad={place}/data/mvtec_ad " in left["command"]
    world.reproduce(*shlex.split(left["command"])[1:])  # drawn and real: no report of both
    assert world.reproduce("status", "--store", place / "runs", "--json") == 0
    assert json.loads(world.stdout)["unfinished"] == [], "the very cells that were left"
    assert sorted(path.name for path in (place / "data").iterdir()) == ["mvtec_ad"]


def test_what_made_a_run_stop_is_not_repeated():
    """With it, the command that goes on would end at the same failure."""
    options = options_of(["--fail-fast", "--max-failures", "2", "--seeds", "2"])
    again = command_line(("run",), options)
    assert "--seeds 2" in again
    assert "fail" not in again
