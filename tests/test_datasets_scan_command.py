from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_datasets import ksdd2, mvtec

from adrepro.datasets.catalog import CATALOG
from adrepro.datasets.errors import DataError
from adrepro.datasets.ksdd2 import load_ksdd2
from adrepro.datasets.manifest import ProblemKind, Severity
from adrepro.datasets.scan import scan
from adrepro.datasets.verify import verify_counts
from adrepro.harness.commands.data import command


def scan_command(*arguments: object) -> Result:
    given = ["scan", *(str(each) for each in arguments), "--no-cache"]
    return CliRunner().invoke(command, given)


def errors(result: Result) -> set[tuple[str, str]]:
    problems = json.loads(result.stdout)["problems"]
    return {(each["file"], each["kind"]) for each in problems if each["severity"] == "error"}


def spoil(root: Path) -> Path:
    ksdd2(root)
    damaged = root / "test" / "20001_GT.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    (root / "train" / "10000.png").write_bytes(b"")
    (root / "test" / "20002_GT.png").unlink()
    return root


def test_ksdd2_lists_everything_at_once(tmp_path: Path) -> None:
    """A damaged mask, an empty image and a missing mask are all in one scan, and nothing else."""
    root = spoil(tmp_path)
    result = scan_command(f"ksdd2={root}", "--json")
    assert result.exit_code == 2
    assert errors(result) == {
        ("test/20001_GT.png", "unreadable"),
        ("train/10000.png", "empty file"),
        ("test/20002.png", "mask missing"),
    }
    with pytest.raises(DataError, match="ksdd2: 3 errors in the images"):
        scan(load_ksdd2(root)).raise_if_broken()


def test_ksdd2_mask_that_heals_is_still_an_error(tmp_path: Path) -> None:
    """A label that could not be read off the mask stays unknown, however the mask reads later."""
    ksdd2(tmp_path)
    mask = tmp_path / "test" / "20001_GT.png"
    data = mask.read_bytes()
    mask.write_bytes(b"junk")
    dataset = load_ksdd2(tmp_path)
    mask.write_bytes(data)
    found = {(each.file, each.kind) for each in scan(dataset).errors}
    assert found == {("test/20001_GT.png", ProblemKind.UNREADABLE)}


def test_ksdd2_verify_counts_names_unlabelled_images(tmp_path: Path) -> None:
    """Images without a label are a difference even where the numbers agree."""
    differences = verify_counts(load_ksdd2(spoil(tmp_path)), CATALOG["ksdd2"])
    unlabelled = [each.where for each in differences if "no label" in each.detail]
    assert unlabelled == ["test/20001.png", "test/20002.png"]


def test_empty_category_is_listed_with_the_rest(tmp_path: Path) -> None:
    """An empty category is one error among others; the other categories can be scanned alone."""
    mvtec(tmp_path, ("bottle", "cable"))
    for image in (tmp_path / "cable" / "train" / "good").iterdir():
        image.unlink()
    (tmp_path / "cable" / "test" / "good" / "000.png").write_bytes(b"")
    result = scan_command(f"mvtec_ad={tmp_path}", "--json")
    assert result.exit_code == 2
    assert errors(result) == {
        ("cable", "empty category"),
        ("cable/test/good/000.png", "empty file"),
    }
    text = scan_command(f"mvtec_ad={tmp_path}").stdout
    assert "error: cable: empty category: no training images" in text
    assert scan_command(f"mvtec_ad={tmp_path}", "-c", "bottle").exit_code == 0


def test_ksdd2_empty_split_is_listed(tmp_path: Path) -> None:
    """An empty split of KolektorSDD2 is an error, and leftovers are still looked for."""
    ksdd2(tmp_path)
    shutil.rmtree(tmp_path / "train")
    (tmp_path / "train").mkdir()
    shutil.copy(tmp_path / "test" / "20000.png", tmp_path / "train" / "1 (copy).png")
    manifest = scan(load_ksdd2(tmp_path))
    assert {(p.file, p.severity) for p in manifest.problems} == {
        ("ksdd2", Severity.ERROR),
        ("train/1 (copy).png", Severity.NOTE),
    }


@pytest.mark.parametrize(
    "given",
    [("-c", "bottle,screw"), ("-c", "bottle", "-c", "screw"), ("--categories", "screw, bottle")],
)
def test_category_names_with_commas(tmp_path: Path, given: tuple[str, ...]) -> None:
    """Names are given with commas or by repeating the option, as for a run."""
    mvtec(tmp_path, ("bottle", "cable", "screw"))
    result = scan_command(f"mvtec_ad={tmp_path}", *given, "--json")
    assert result.exit_code == 0
    assert list(json.loads(result.stdout)["counts"]) == ["bottle", "screw"]


def test_unwritable_cache_prints_nothing_extra(tmp_path: Path) -> None:
    """The output with a cache that cannot be written is the output without a cache."""
    mvtec(tmp_path / "data")
    blocked = tmp_path / "file"
    blocked.write_text("")
    name = f"mvtec_ad={tmp_path / 'data'}"
    result = CliRunner().invoke(command, ["scan", name, "--cache", str(blocked / "scan.json")])
    plain = scan_command(name)
    assert (result.exit_code, result.stdout, result.stderr) == (0, plain.stdout, plain.stderr)
