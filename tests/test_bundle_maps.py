"""Bundles with maps, and bundles that bring a paper or a method of their own."""

import json
import shutil
from dataclasses import replace

import pytest
from bundle_worlds import repacked, resigned, write_bundle

from adrepro.harness.bundle import pack, unpack
from adrepro.harness.cell import canonical_json
from adrepro.harness.commands.bundle import rendered
from adrepro.harness.commands.installed import compare_methods
from adrepro.harness.commands.show import method_info
from adrepro.harness.commands.verify import _info, _rows, _Seen, _target
from adrepro.harness.frames import to_frame
from adrepro.harness.grid import Grid, plan_methods
from conftest import World


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder with two seeds of the tiny table in a store, by three methods, and its bundle."""
    root = tmp_path_factory.mktemp("bundle")
    write_bundle(root)
    return root


@pytest.fixture
def cli(ran, tmp_path, capsys):
    """The command line."""
    return World(tmp_path, capsys)


@pytest.fixture(scope="module")
def mapped(ran, tmp_path_factory):
    """A bundle of one method with its maps and masks, from a store that kept them."""
    from adrepro.harness.cli import invoke

    root = tmp_path_factory.mktemp("maps")
    common = ["tiny/table1", "--papers", ran / "papers", "--store", root / "store", "--seeds", "1"]
    more = [*common, "-m", "toys:Filter", "--data-root", ran / "data"]
    run = [*more, "--out", root / "out", "-j", "1", "--device", "cpu", "--quiet", "--keep-maps"]
    run.append("--per-image-minmax")
    assert invoke([str(a) for a in run]) == 0
    for name, extra in (("a.zip", []), ("m.zip", ["--per-image-minmax"])):
        arguments = ("bundle", *more, "--maps", *extra, "-o", root / name)
        assert invoke([str(a) for a in arguments]) == 0
    return root


@pytest.mark.parametrize("name", ["a.zip", "m.zip"])
def test_pixel_metrics_come_out_again_from_maps(ran, mapped, cli, name):
    """With maps and masks in the bundle nothing is taken over, under both evaluations."""
    assert cli.reproduce("verify", mapped / name, "--papers", ran / "papers") == 0
    assert "6 pixel metrics recomputed from maps, 0 pixel metrics taken as recorded" in cli.stdout


@pytest.mark.parametrize("column", ["pixel_auroc", "aupro"])
def test_a_polished_pixel_metric_is_found(mapped, cli, column):
    """Where maps are packed a better pixel metric, signed anew, does not follow from them."""
    (key, *_) = [o["key"] for o in unpack(mapped / "a.zip").manifest["cells"]]
    path = repacked(mapped, cli.root, lambda m, f: resigned(f, key, row={column: 0.999}))
    assert cli.reproduce("verify", path) == 1
    assert f"{column} is recorded as 0.999, recomputed" in cli.stdout


def test_swapped_masks_and_labels_are_found(mapped, cli):
    """A mask under another's hash, and labels that the key does not list, are no sound bundle."""
    opened = unpack(mapped / "a.zip")
    (key, *_) = [o["key"] for o in opened.manifest["cells"]]

    def masks(_manifest, files):
        first, second, *_ = sorted(name for name in files if name.startswith("masks/"))
        files[first] = files[second]

    assert cli.reproduce("verify", repacked(mapped, cli.root, masks)) == 2
    assert "does not match its hash" in cli.stderr

    def labels(_manifest, files):
        images = json.loads(files[f"cells/{key}/images.json"])
        images["test"][0]["anomalous"] = not images["test"][0]["anomalous"]
        resigned(files, key, images=canonical_json(images).encode())

    assert cli.reproduce("verify", repacked(mapped, cli.root, labels)) == 2
    assert "does not list the images" in cli.stderr


def test_maps_that_are_not_there_are_refused(ran, mapped, cli):
    """--maps of a store without maps, or with masks that have changed, packs nothing."""
    common = ("bundle", "tiny/table1", "--papers", ran / "papers", "--data-root", ran / "data")
    more = ("-m", "toys:Filter", "--maps", "-o", cli.root / "n.zip")
    assert cli.reproduce(*common, "--store", ran / "store", "--seeds", "2", *more) == 2
    assert "run with --keep-maps first" in cli.stderr
    shutil.copytree(ran / "data", cli.data)
    mask = next(cli.data.rglob("ground_truth/*/*.png"))
    mask.write_bytes(mask.read_bytes() + b" ")
    other = ("--store", mapped / "store", "--seeds", "1", "--data-root", cli.data)
    assert cli.reproduce(*common, *other, *more) == 2
    assert "is not on disk as it was measured" in cli.stderr
    assert not (cli.root / "n.zip").exists()


@pytest.mark.parametrize(("old", "new"), [(b",50.0,", b",51.5,"), (b"points = 2", b"points = 9")])
def test_printed_numbers_and_margin_are_the_installed_ones(ran, cli, old, new):
    """A bundle that brings its own paper, and verdicts to match, differs from the installed one."""

    def change(manifest, files):
        for name in [n for n in files if n.startswith("paper/")]:
            files[name] = files[name].replace(old, new)
        # The forger makes table and verdicts anew, as the honest code would.
        path = cli.root / "forged.zip"
        path.write_bytes(pack(manifest, files))
        opened = unpack(path)
        rows = _rows(opened, _Seen())
        infos = tuple(_info(item) for item in manifest["methods"])
        files |= rendered(_target(opened), to_frame(rows), infos, manifest["preset"])

    path = repacked(ran, cli.root, change)
    assert cli.reproduce("verify", path, "--papers", ran / "papers") == 1
    assert "not as the installed tiny/table1 has it" in cli.stdout
    assert "1 differences" in cli.stdout
    assert cli.reproduce("verify", path) == 0
    assert "are the bundle's own word: tiny/table1 is not installed" in cli.stdout
    assert "all equal" not in cli.stdout


def test_what_is_said_of_methods_is_the_installed_word():
    """Hidden overrides and another backbone of the paper are named; unknown methods are not run."""
    grid = Grid(
        target="x", datasets=("mvtec_ad",), categories=None, methods=("patchcore",), noise=(0.0,),
        seeds=1, overrides={"patchcore.coreset_fraction": "0.5"},
    )  # fmt: skip
    (plan,) = plan_methods(grid, need_weights=False)
    info = method_info(plan)
    cell = {"settings": plan.settings_json, "image_size": 448, "backbone": plan.backbone}
    documents = [{"cell": cell, "hashes": {"method": plan.source_sha256}}]
    assert info.overrides
    assert compare_methods(info, documents) == []
    (hidden,) = compare_methods(replace(info, overrides=()), documents)
    assert "overrides is nothing in the bundle" in hidden
    (other,) = compare_methods(replace(info, paper_backbone="alexnet.x"), documents)
    assert "paper_backbone is alexnet.x" in other
    for name in ("os:system", "no-such-method"):
        assert compare_methods(replace(info, name=name), documents) is None
    from_file = [{"cell": cell, "hashes": {"scores": "0"}}]
    assert compare_methods(info, from_file) is None
