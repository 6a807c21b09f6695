from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from adrepro.datasets.archives import Limits, extract
from adrepro.datasets.errors import DataError

CONTENT = {"a/train/good/0.png": b"zero", "a/test/x y.png": b"one", "readme.txt": b"two"}


def tar_bytes(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as handle:
        for info, data in members:
            info.size = len(data)
            handle.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, data: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def good_tar() -> bytes:
    folders = [member(each, b"", type=tarfile.DIRTYPE) for each in ("./", "./a")]
    return tar_bytes([*folders, *(member(f"./{name}", data) for name, data in CONTENT.items())])


def zip_bytes(entries: list[tuple[zipfile.ZipInfo | str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as handle:
        for info, data in entries:
            handle.writestr(info, data)
    return buffer.getvalue()


def good_zip() -> bytes:
    return zip_bytes([("a/", b""), *CONTENT.items()])


def zip_entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    info.filename = name  # past the constructor, which would clean the name
    info.orig_filename = name
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_refused(tmp_path: Path, data: bytes, message: str, limits: Limits | None = None) -> None:
    """The archive is refused in one line and nothing but itself is on disk."""
    archive = tmp_path / "archive"
    archive.write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        extract(archive, tmp_path / "out" / "target", limits=limits)
    assert "\n" not in str(error.value)
    assert tree(tmp_path) == {"archive": data}
    assert list((tmp_path / "out").iterdir()) == []


GOOD: dict[str, Callable[[], bytes]] = {
    "tar": good_tar,
    "gz": lambda: gzip.compress(good_tar()),
    "xz": lambda: lzma.compress(good_tar()),
    "bz2": lambda: bz2.compress(good_tar()),
    "zip": good_zip,
}


@pytest.mark.parametrize("kind", GOOD)
def test_sound_archives(tmp_path: Path, kind: str) -> None:
    """Every supported kind gives exactly its files, whatever the archive is called."""
    archive = tmp_path / "whatever"
    archive.write_bytes(GOOD[kind]())
    assert extract(archive, tmp_path / "out") == tmp_path / "out"
    assert tree(tmp_path / "out") == CONTENT
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out", "whatever"]


HOSTILE_TAR: dict[str, tuple[list[tuple[tarfile.TarInfo, bytes]], str]] = {
    "parent": ([member("../evil")], "leads outside"),
    "hidden parent": ([member("a/../../evil")], "leads outside"),
    "absolute": ([member("/no-such-folder/evil")], "leads outside"),
    "drive": ([member("C:/evil")], "leads outside"),
    "backslash": ([member("..\\evil")], "leads outside"),
    "symlink": ([member("a", b"", type=tarfile.SYMTYPE, linkname="/etc")], "link, device"),
    "through symlink": (
        [member("a", b"", type=tarfile.SYMTYPE, linkname=".."), member("a/evil")],
        "link, device",
    ),
    "hard link": (
        [member("b"), member("a", b"", type=tarfile.LNKTYPE, linkname="b")],
        "link, device",
    ),
    "fifo": ([member("a", b"", type=tarfile.FIFOTYPE)], "link, device"),
    "character device": ([member("a", b"", type=tarfile.CHRTYPE)], "link, device"),
    "block device": ([member("a", b"", type=tarfile.BLKTYPE)], "link, device"),
    "sparse": ([member("a", b"", type=tarfile.GNUTYPE_SPARSE)], "sparse file"),
    "setuid": ([member("a", mode=0o4755)], "setuid"),
    "setgid": ([member("a", mode=0o2755)], "setuid or setgid"),
    "twice": ([member("a"), member("./a")], "given twice"),
    "twice but for case": ([member("a/B"), member("a/b")], "given twice"),
    "file as folder": ([member("a"), member("a/b")], "cannot be unpacked"),
    "folder as file": ([member("a", b"", type=tarfile.DIRTYPE), member("a")], "given twice"),
    "name too long": ([member("n" * 300)], "cannot be unpacked"),
}


@pytest.mark.parametrize("case", HOSTILE_TAR)
def test_hostile_tar(tmp_path: Path, case: str) -> None:
    """Members that lead outside, links, devices and doubles are refused; nothing stays."""
    members, message = HOSTILE_TAR[case]
    assert_refused(tmp_path, tar_bytes([member("first"), *members]), message)


HOSTILE_ZIP: dict[str, tuple[list[tuple[zipfile.ZipInfo | str, bytes]], str]] = {
    "parent": ([(zip_entry("../evil", 0o100644), b"x")], "leads outside"),
    "absolute": ([(zip_entry("/no-such-folder/evil", 0o100644), b"x")], "leads outside"),
    "drive": ([(zip_entry("C:\\evil", 0o100644), b"x")], "leads outside"),
    "symlink": ([(zip_entry("a", stat.S_IFLNK | 0o777), b"/etc")], "link or device"),
    "fifo": ([(zip_entry("a", stat.S_IFIFO | 0o644), b"")], "link or device"),
    "setuid": ([(zip_entry("a", stat.S_IFREG | 0o4755), b"x")], "setuid"),
    "twice": ([("a", b"1"), (zip_entry("a", 0o100644), b"2")], "given twice"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", HOSTILE_ZIP)
def test_hostile_zip(tmp_path: Path, case: str) -> None:
    """The same refusals for zip."""
    entries, message = HOSTILE_ZIP[case]
    assert_refused(tmp_path, zip_bytes([("first", b"x"), *entries]), message)


def test_encrypted_zip(tmp_path: Path) -> None:
    """An encrypted member is refused, not asked a password for."""
    data = bytearray(zip_bytes([("a", b"x")]))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    assert_refused(tmp_path, bytes(data), "member is encrypted")


def test_zip_checksum_error(tmp_path: Path) -> None:
    """A flipped bit in a stored member is caught by its checksum."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as handle:
        handle.writestr("first", b"x")
        handle.writestr("a", b"hello hello hello")
    data = bytearray(buffer.getvalue())
    data[data.index(b"hello")] ^= 1
    assert_refused(tmp_path, bytes(data), "cannot be unpacked .*CRC")


@pytest.mark.parametrize("kind", GOOD)
def test_truncated_at_every_place(tmp_path: Path, kind: str) -> None:
    """An archive that is cut anywhere is never taken for a whole one."""
    whole = GOOD[kind]()
    cuts = [0, 1, 100, len(whole) // 2, len(whole) - 9]
    if kind == "tar":  # block borders, where a reader may see an orderly end
        cuts = [*range(0, 512 * 8, 512), 700]
    for cut in cuts:
        folder = tmp_path / str(cut)
        folder.mkdir()
        assert_refused(folder, whole[:cut], "cannot be unpacked")


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
def test_checksum_of_the_compression(tmp_path: Path, kind: str) -> None:
    """A wrong checksum at the very end of a compressed tar is noticed."""
    data = bytearray(GOOD[kind]())
    data[-6 if kind == "gz" else -12] ^= 0xFF
    assert_refused(tmp_path, bytes(data), "cannot be unpacked")


def bomb_tar() -> bytes:
    return gzip.compress(tar_bytes([member("zeros", bytes(4 << 20))]))


def bomb_zip() -> bytes:
    return zip_bytes([("zeros", bytes(4 << 20))])


def bomb_header() -> bytes:
    info = tarfile.TarInfo("a")
    info.pax_headers = {"comment": "c" * (4 << 20)}
    return gzip.compress(tar_bytes([(info, b"")]))


@pytest.mark.parametrize("make", [bomb_tar, bomb_zip, bomb_header])
def test_bombs(tmp_path: Path, make: Callable[[], bytes]) -> None:
    """1000:1 compression is refused, in a member as in a header."""
    limits = Limits(ratio_floor_bytes=1 << 20)
    assert_refused(tmp_path, make(), "more than .* bytes", limits)


@pytest.mark.parametrize("make", [good_tar, good_zip])
def test_limits(tmp_path: Path, make: Callable[[], bytes]) -> None:
    """The number of members and the total size are bounded."""
    for number, limits in enumerate((Limits(members=2), Limits(total_bytes=5))):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert_refused(folder, make(), "more than", limits)


def test_not_an_archive(tmp_path: Path) -> None:
    """A web page in place of an archive is refused."""
    assert_refused(tmp_path, b"<!doctype html>" + b" " * 2000, "cannot be unpacked")


def test_target_is_not_overwritten(tmp_path: Path) -> None:
    """An existing folder with content stays as it is; an empty one is used."""
    archive, target = tmp_path / "archive", tmp_path / "target"
    archive.write_bytes(good_zip())
    target.mkdir()
    extract(archive, target)
    (target / "own.txt").write_text("mine")
    with pytest.raises(DataError, match="already exists and is not empty"):
        extract(archive, target)
    assert (target / "own.txt").read_text() == "mine"


def test_prepare_can_choose_and_refuse(tmp_path: Path) -> None:
    """The caller may hoist an inner folder, and its refusal undoes the extraction."""
    archive = tmp_path / "archive"
    archive.write_bytes(good_zip())
    extract(archive, tmp_path / "inner", prepare=lambda folder: folder / "a")
    assert tree(tmp_path / "inner") == {"train/good/0.png": b"zero", "test/x y.png": b"one"}

    def refuse(folder: Path) -> Path:
        raise DataError("not what it should be")

    with pytest.raises(DataError, match="not what it should be"):
        extract(archive, tmp_path / "refused", prepare=refuse)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["archive", "inner"]


def test_leftovers_of_killed_runs(tmp_path: Path) -> None:
    """A killed extraction does not stand in the way; its remains go when they are old."""
    archive = tmp_path / "archive"
    archive.write_bytes(good_tar())
    old, young = tmp_path / ".target.extract-1", tmp_path / ".target.extract-2"
    for each in (old, young):
        each.mkdir()
        (each / "half.png").write_bytes(b"")
    os.utime(old, (1, 1))
    extract(archive, tmp_path / "target")
    assert tree(tmp_path / "target") == CONTENT
    assert young.exists()
    assert not old.exists()


def test_permissions_are_not_taken_over(tmp_path: Path) -> None:
    """Files get the user's default permissions, whatever the archive says."""
    archive = tmp_path / "archive"
    archive.write_bytes(tar_bytes([member("a", mode=0o777), member("b", mode=0)]))
    reference = tmp_path / "reference"
    reference.write_bytes(b"")
    extract(archive, tmp_path / "out")
    for name in ("a", "b"):
        assert (tmp_path / "out" / name).stat().st_mode == reference.stat().st_mode
