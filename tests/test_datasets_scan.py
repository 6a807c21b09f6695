from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_datasets import SHARED_DATA, ksdd2, mvtec, noise, save, spot

from adrepro.datasets import images
from adrepro.datasets.catalog import CATALOG
from adrepro.datasets.errors import DataError
from adrepro.datasets.images import decode, file_sha256
from adrepro.datasets.ksdd2 import load_ksdd2
from adrepro.datasets.manifest import Manifest, ProblemKind, Severity
from adrepro.datasets.mvtec import load_mvtec
from adrepro.datasets.probe import probe
from adrepro.datasets.scan import scan
from adrepro.datasets.verify import verify_counts

TRAIN = "bottle/train/good/000.png"
GOOD = "bottle/test/good/000.png"
CRACK = "bottle/test/crack/000.png"
MASK = "bottle/ground_truth/crack/000_mask.png"
ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


def write_bomb(path: Path) -> None:
    Image.new("1", (20000, 20000)).save(path)


def write_rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(77).save(path, exif=exif)


def write_16bit_rgb(path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", 16, 12, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(range(96)) for _ in range(12))
    png = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png)


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def write_values(dtype: type, highest: float) -> Callable[[Path], None]:
    values = np.linspace(0, highest, 192).reshape(12, 16).astype(dtype)
    return lambda path: Image.fromarray(values).save(path, "TIFF")


def gradient() -> Image.Image:
    return Image.fromarray(np.arange(192, dtype=np.uint8).reshape(12, 16))


def save_as(image: Image.Image, kind: str) -> Callable[[Path], None]:
    return lambda path: image.save(path, kind)


# name: (file that is spoilt, how, kind, severity)
SPOILT: dict[str, tuple[str, Callable[[Path], object], ProblemKind, Severity]] = {
    "truncated": (
        TRAIN,
        lambda p: p.write_bytes(p.read_bytes()[:200]),
        ProblemKind.UNREADABLE,
        ERROR,
    ),
    "zero bytes": (TRAIN, lambda p: p.write_bytes(b""), ProblemKind.EMPTY_FILE, ERROR),
    "text": (TRAIN, lambda p: p.write_bytes(b"not an image"), ProblemKind.UNREADABLE, ERROR),
    "bomb": (TRAIN, write_bomb, ProblemKind.TOO_LARGE, ERROR),
    "1x1": (GOOD, lambda p: noise(0, (1, 1)).save(p), ProblemKind.TOO_SMALL, ERROR),
    "16 bit": (
        GOOD,
        lambda p: Image.fromarray(np.arange(192, dtype=np.uint16).reshape(12, 16)).save(p),
        ProblemKind.SIXTEEN_BIT,
        WARNING,
    ),
    "32 bit within 16": (GOOD, write_values(np.int32, 65535), ProblemKind.SIXTEEN_BIT, WARNING),
    "32 bit beyond 16": (GOOD, write_values(np.int32, 65536), ProblemKind.TOO_DEEP, ERROR),
    "32 bit negative": (GOOD, write_values(np.int32, -1), ProblemKind.TOO_DEEP, ERROR),
    "float": (GOOD, write_values(np.float32, 1.0), ProblemKind.TOO_DEEP, ERROR),
    "16 bit rgb": (GOOD, write_16bit_rgb, ProblemKind.SIXTEEN_BIT, WARNING),
    "cmyk": (GOOD, save_as(noise(70).convert("CMYK"), "TIFF"), ProblemKind.CMYK, WARNING),
    "rgba": (GOOD, lambda p: noise(70, channels=4).save(p), ProblemKind.ALPHA, WARNING),
    "palette": (
        GOOD,
        lambda p: noise(70).convert("P").save(p),
        ProblemKind.PALETTE,
        WARNING,
    ),
    "exif nominal": (GOOD, write_rotated, ProblemKind.EXIF_ROTATED, WARNING),
    "exif with mask": (CRACK, write_rotated, ProblemKind.EXIF_ROTATED, ERROR),
    "dangling link": (TRAIN, lambda p: relink(p, "nowhere.png"), ProblemKind.BROKEN_LINK, ERROR),
    "link loop": (TRAIN, lambda p: relink(p, p.name), ProblemKind.LINK_LOOP, ERROR),
    "mask truncated": (
        MASK,
        lambda p: p.write_bytes(p.read_bytes()[:40]),
        ProblemKind.UNREADABLE,
        ERROR,
    ),
    "mask size": (MASK, lambda p: spot((12, 16)).save(p), ProblemKind.MASK_SIZE, ERROR),
    "mask empty": (MASK, lambda p: spot(value=0).save(p), ProblemKind.MASK_EMPTY, ERROR),
    "mask grey": (MASK, lambda p: gradient().save(p), ProblemKind.MASK_NOT_BINARY, WARNING),
    "mask missing": (MASK, lambda p: p.unlink(), ProblemKind.MASK_MISSING, ERROR),
}


def found(manifest: Manifest) -> set[tuple[ProblemKind, Severity, str]]:
    return {(each.kind, each.severity, each.file) for each in manifest.problems}


def test_clean_dataset_has_no_problems(tmp_path: Path) -> None:
    """A sound dataset gives no problem, and records that agree with independent reading."""
    dataset = load_mvtec(mvtec(tmp_path))
    manifest = scan(dataset)
    assert manifest.problems == ()
    manifest.raise_if_broken()
    assert len(manifest.records) == 3 + 2 + 2 + 2
    record = manifest.record(tmp_path / GOOD)
    assert record.sha256 == file_sha256(tmp_path / GOOD)
    assert (record.width, record.height, record.mode) == (16, 12, "RGB")
    mask = manifest.record(tmp_path / MASK)
    assert (mask.levels, mask.foreground) == (2, 4 * 3)


@pytest.mark.parametrize("case", SPOILT)
def test_each_problem_is_found(tmp_path: Path, case: str) -> None:
    """Every kind of damage is reported with its kind, severity and file, and nothing else is."""
    name, spoil, kind, severity = SPOILT[case]
    mvtec(tmp_path)
    spoil(tmp_path / name)
    manifest = scan(load_mvtec(tmp_path))
    reported = CRACK if kind is ProblemKind.MASK_MISSING else name
    expected = {(kind, severity, reported)}
    if case == "exif with mask":  # turned by 90°, so the size differs as well
        expected.add((ProblemKind.MASK_SIZE, ERROR, MASK))
    assert found(manifest) == expected
    if severity is ERROR:
        with pytest.raises(DataError, match="reproduce data scan mvtec_ad=") as error:
            manifest.raise_if_broken()
        assert "\n" not in str(error.value)
    else:
        manifest.raise_if_broken()


def test_pixel_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image over the pixel limit of decoding is reported, not decoded."""
    monkeypatch.setattr(images, "MAX_PIXELS", 16 * 12)
    mvtec(tmp_path)
    noise(5, (17, 12)).save(tmp_path / TRAIN)
    assert found(scan(load_mvtec(tmp_path))) == {(ProblemKind.TOO_LARGE, ERROR, TRAIN)}


def test_everything_is_listed_at_once(tmp_path: Path) -> None:
    """All broken files are in one report, errors before warnings."""
    mvtec(tmp_path)
    for name in (TRAIN, GOOD, CRACK):
        (tmp_path / name).write_bytes(b"junk")
    gradient().save(tmp_path / MASK)
    manifest = scan(load_mvtec(tmp_path))
    assert [each.file for each in manifest.errors] == [TRAIN, CRACK, GOOD]
    assert [each.severity for each in manifest.problems] == [ERROR] * 3 + [WARNING]
    with pytest.raises(DataError, match=f"3 errors in the images, first: {TRAIN}"):
        manifest.raise_if_broken()


def test_defect_without_any_mask(tmp_path: Path) -> None:
    """A defect type without masks is one warning: it is not localised."""
    mvtec(tmp_path)
    shutil.rmtree(tmp_path / "bottle" / "ground_truth")
    manifest = scan(load_mvtec(tmp_path))
    assert found(manifest) == {(ProblemKind.MASK_MISSING, WARNING, CRACK)}
    assert "none of the 2 images of 'crack'" in manifest.problems[0].detail


def test_mask_on_nominal(tmp_path: Path) -> None:
    """A nominal image may have an all-zero mask, but no defective pixel."""
    mvtec(tmp_path)
    truth = tmp_path / "bottle" / "ground_truth" / "good"
    save(spot(value=0), truth / "000_mask.png")
    save(spot(), truth / "001_mask.png")
    name = "bottle/ground_truth/good/001_mask.png"
    assert found(scan(load_mvtec(tmp_path))) == {(ProblemKind.MASK_ON_NOMINAL, ERROR, name)}


@pytest.mark.parametrize("reencode", [False, True])
@pytest.mark.parametrize(
    ("original", "kinds"),
    [
        ("bottle/train/good/001.png", {ProblemKind.TRAIN_TEST_LEAK}),
        ("bottle/test/good/001.png", {ProblemKind.DUPLICATE}),
        (CRACK, {ProblemKind.LABEL_CONFLICT}),
    ],
)
def test_copies_are_found(
    tmp_path: Path, original: str, kinds: set[ProblemKind], reencode: bool
) -> None:
    """An image that occurs twice is found by its bytes and, re-encoded, by its pixels."""
    mvtec(tmp_path)
    copy = tmp_path / GOOD
    if reencode:
        copy = copy.with_suffix(".bmp")
        (tmp_path / GOOD).unlink()
        Image.open(tmp_path / original).save(copy)
    else:
        shutil.copyfile(tmp_path / original, copy)
    problems = scan(load_mvtec(tmp_path)).problems
    assert {each.kind for each in problems} == kinds
    assert all(("same pixels" if reencode else "same bytes") in p.detail for p in problems)
    assert not any(each.severity is ERROR for each in problems)


def test_leftovers(tmp_path: Path) -> None:
    """Images that no rule covers and links in circles are named; system files are not."""
    mvtec(tmp_path)
    save(noise(5), tmp_path / "bottle" / "test" / "crack" / "more" / "000.png")
    save(spot(), tmp_path / "bottle" / "ground_truth" / "crack" / "999_mask.png")
    (tmp_path / "bottle" / "test" / "crack" / "._x.png").write_bytes(b"junk")
    (tmp_path / "bottle" / "test" / "up").symlink_to(tmp_path / "bottle")
    (tmp_path / "bottle" / "test" / "self").symlink_to("self")
    assert found(scan(load_mvtec(tmp_path))) == {
        (ProblemKind.UNUSED, NOTE, "bottle/test/crack/more/000.png"),
        (ProblemKind.UNUSED, NOTE, "bottle/ground_truth/crack/999_mask.png"),
        (ProblemKind.LINK_LOOP, ERROR, "bottle/test/up"),
        (ProblemKind.LINK_LOOP, ERROR, "bottle/test/self"),
    }


def test_ksdd2_scan(tmp_path: Path) -> None:
    """A sound KolektorSDD2 is clean but for the stray pair, which is named as unused."""
    ksdd2(tmp_path)
    save(noise(1), tmp_path / "train" / "10301 (copy).png")
    manifest = scan(load_ksdd2(tmp_path))
    assert found(manifest) == {(ProblemKind.UNUSED, NOTE, "train/10301 (copy).png")}
    assert len(manifest.records) == 16


def test_workers_and_progress(tmp_path: Path) -> None:
    """The number of threads changes nothing; progress ends at the number of files."""
    dataset = load_mvtec(mvtec(tmp_path))
    ticks: list[tuple[int, int]] = []
    one = scan(dataset, workers=1, progress=lambda done, total: ticks.append((done, total)))
    assert ticks == [(i, 9) for i in range(1, 10)]
    assert scan(dataset, workers=4) == one


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore:Image size")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_probe_never_raises_on_damage(tmp_path: Path, kind: str) -> None:
    """Random damage gives a record or a finding, and agrees with what decoding says."""
    rng, path = random.Random(7), tmp_path / "image.png"
    noise(3, (24, 20)).save(path, kind)
    sound = path.read_bytes()
    outcomes = set()
    for _ in range(150):
        data = bytearray(sound)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data) if rng.random() < 0.5 else 120)] = rng.randrange(256)
        path.write_bytes(data[: rng.randint(1, len(data))] if rng.random() < 0.3 else data)
        record = probe(path, "image", "image")
        blocked = {ProblemKind.UNREADABLE, ProblemKind.TOO_LARGE} & {f[0] for f in record.findings}
        try:
            decode(path)
        except DataError:
            assert blocked
        else:
            assert not blocked
            assert record.pixels
        outcomes.add(bool(blocked))
        assert all("\n" not in detail for _, detail in record.findings)
    assert True in outcomes


@pytest.mark.skipif(not (SHARED_DATA / "mvtec_ad").is_dir(), reason="real images are not here")
def test_real_mvtec_is_clean() -> None:
    """The real bottle images have no problem, and official counts."""
    dataset = load_mvtec(SHARED_DATA / "mvtec_ad", categories=["bottle"])
    manifest = scan(dataset)
    assert manifest.problems == ()
    assert len(manifest.records) == 209 + 20 + 63 + 63
    different = [e for e in verify_counts(dataset, CATALOG["mvtec_ad"]) if "bottle" in e.where]
    assert different == []


@pytest.mark.skipif(
    not (SHARED_DATA / "ksdd_in_ksdd2_layout").is_dir(), reason="real images are not here"
)
def test_real_ksdd_leaks_are_found() -> None:
    """Files that a plain byte comparison finds in both splits are exactly the reported leaks."""
    root = SHARED_DATA / "ksdd_in_ksdd2_layout"
    dataset = load_ksdd2(root)
    category = dataset.category("ksdd2")
    train = {file_sha256(ref.path) for ref in category.train}
    expected = {ref.id for ref in category.test if file_sha256(ref.path) in train}
    manifest = scan(dataset)
    leaks = {p.file for p in manifest.problems if p.kind is ProblemKind.TRAIN_TEST_LEAK}
    assert leaks == expected
    assert manifest.errors == ()
