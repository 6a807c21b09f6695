"""What the README tells people to type works as it stands there."""

import dataclasses
import io
import re
import shlex
import shutil
import subprocess
import tarfile

from tiny_server import serve

from adrepro.datasets import entries
from conftest import TESTS, grey_image, save, write_mvtec

README = TESTS.parent / "README.md"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [m["text"] for m in BLOCK.finditer(README.read_text()) if m["language"] == language]


def commands() -> list[list[str]]:
    lines = [line for text in blocks("bash") for line in text.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_readme_names_both_commands():
    """`make demo` and `make test` are in the README and in the Makefile."""
    named = {command[1] for command in commands() if command[0] == "make"}
    assert {"demo", "test"} <= named
    for target in named:
        done = subprocess.run(
            ["make", "-n", target], cwd=TESTS.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_every_readme_command_runs(tmp_path, world, monkeypatch):
    """All `reproduce` lines of the README, in their order, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_method.py").write_text(next(t for t in blocks("python") if "my_method" in t))
    for i in range(6):
        save(tmp_path / f"my_parts/train/{i}.png", grey_image(i, spot=False)[0])
        save(tmp_path / f"my_parts/test/good/{i}.png", grey_image(50 + i, spot=False)[0])
        save(tmp_path / f"my_parts/test/dent/{i}.png", grey_image(90 + i, spot=True)[0])
    shutil.rmtree(world.data)  # what the commands need, they fetch
    source = write_mvtec(tmp_path / "source", train=6, good=3, anomalous=13)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as tar:
        for category in sorted(source.iterdir()):
            tar.add(category, arcname=category.name)
    with serve() as server:
        server.body = packed.getvalue()
        info = entries.CATALOG["mvtec_ad"]
        local = server.archive(url=f"{server.base}/mvtec.tar.xz", filename="mvtec.tar.xz")
        monkeypatch.setitem(entries.CATALOG, "mvtec_ad", dataclasses.replace(info, archive=local))
        ran = [c[1:] for c in commands() if c[0] == "reproduce"]
        for arguments in ran:
            code = world.reproduce(*arguments)
            assert code == 0, (arguments, world.stderr)
    assert len(ran) >= 10
    assert (tmp_path / "report/table1.html").is_file()
    assert (tmp_path / "cells.csv").read_text().count("mvtec_ad") >= 2 * 2 * 2 * 2
