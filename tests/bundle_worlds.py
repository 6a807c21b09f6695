"""A tiny table in a bundle, and what a forger does to it."""

import json
from pathlib import Path

from check_worlds import write_paper

from adrepro.harness.bundle import pack, unpack
from adrepro.harness.cell import canonical_json
from adrepro.harness.files import sha256
from conftest import write_mvtec

METHODS = "toys_checks:Draws,toys:Filter,toys:Variants@linear"


def write_bundle(root: Path) -> None:
    """Fill a folder with two seeds of the tiny table by three methods, and their bundle."""
    from adrepro.harness.cli import invoke

    write_mvtec(root / "data/mvtec_ad")
    papers = write_paper(root, bottle="50.0", screw="50.0", average="50.0")
    common = ["tiny/table1", "--papers", papers, "--store", root / "store", "--seeds", "2"]
    more = ["-m", METHODS]
    run = [*common, *more, "--data-root", root / "data", "--out", root / "out", "-j", "1"]
    assert invoke([str(a) for a in (*run, "--device", "cpu", "--quiet")]) == 0
    assert invoke([str(a) for a in ("bundle", *common, *more, "-o", root / "a.zip")]) == 0


def repacked(ran, tmp_path, change):
    """The bundle with its manifest and files changed and all checksums made right again."""
    opened = unpack(ran / "a.zip")
    manifest, files = dict(opened.manifest), dict(opened.files)
    change(manifest, files)
    path = tmp_path / "changed.zip"
    path.write_bytes(pack(manifest, files))
    return path


def resigned(files, key, **parts):
    """Replace parts of a cell's result and sign it again, as a forger would."""
    name = f"cells/{key}/result.json"
    body = json.loads(files[name])["body"]
    body["row"] |= parts.pop("row", {})
    for part, data in parts.items():
        file = {"scores": "scores.npz", "images": "images.json"}[part]
        files[f"cells/{key}/{file}"] = data
        body["files"][file] = sha256(data)
    signed = {"body": body, "sha256": sha256(canonical_json(body).encode())}
    files[name] = canonical_json(signed).encode()
