"""The package works when it is installed, not only from the folder it is developed in."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from conftest import TESTS, write_mvtec

ROOT = TESTS.parent


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the tracked and new files, so that building leaves no trace in the repository."""
    target = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    return target


def environment(folder: Path) -> Path:
    """Make an environment that sees this one's packages, but not its editable installs."""
    venv.create(folder, with_pip=False)
    inside = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    Path(inside, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_installed_package_runs_a_table(source, tmp_path, kind):
    """Wheel and editable install: the command, the packaged tables and templates, and a run."""
    python = environment(tmp_path / "env")
    common = ("--no-deps", "--no-build-isolation")
    if kind == "wheel":
        pip("wheel", *common, "-w", str(tmp_path), str(source))
        (wheel,) = tmp_path.glob("adrepro-*.whl")
        pip("--python", str(python), "install", "--ignore-installed", "--no-deps", str(wheel))
    else:
        pip("--python", str(python), "install", "--ignore-installed", *common, "-e", str(source))
    command = python.with_name("reproduce")
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def reproduce(*arguments: str | Path) -> str:
        done = subprocess.run(
            [command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
            env=clean | {"PYTHONPATH": str(TESTS)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [python, "-c", "import adrepro.harness as h; print(h.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True, env=clean,
    ).stdout  # fmt: skip
    assert where.startswith(str(source if kind == "editable" else tmp_path / "env"))
    names = json.dumps(json.loads(reproduce("targets", "--json")))
    assert "rad/table1" in names
    write_mvtec(tmp_path / "data/mvtec_ad", categories=("bottle",))
    grid = ("-m", "toys:PixelMean", "-d", "mvtec_ad", "--noise", "0", "--seeds", "1")
    reproduce("table1", *grid, "-c", "bottle", "--device", "cpu")
    assert "Pixel mean" in (tmp_path / "report/table1.html").read_text()


def test_every_package_is_listed():
    """No folder with modules is missing from the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rooms = ("datasets", "methods", "harness", "tables", "reports")
    found = {
        f"adrepro.{'.'.join(path.parent.relative_to(ROOT).parts)}"
        for room in rooms
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(project["tool"]["setuptools"]["packages"]) == found


def test_dependencies_are_ranges():
    """pyproject pins nothing; the tested set stands in constraints.txt and fits the ranges."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [d for d in project["dependencies"] if "==" in d]
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {name.lower().replace("_", "-") for name in pinned}
    for dependency in project["dependencies"]:
        name = re.split(r"[><=\[ ]", dependency)[0].lower().replace("_", "-")
        assert name in pinned, name
