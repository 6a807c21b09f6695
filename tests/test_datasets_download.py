from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_server import BODY, Server, serve

from adrepro.datasets.download import check_url, download
from adrepro.datasets.entries import Archive
from adrepro.datasets.errors import DataError


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def assert_fails(archive: Archive, target: Path, message: str, **options: object) -> str:
    waits: list[float] = []
    with pytest.raises(DataError, match=message) as error:
        download(archive, target, sleep=waits.append, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert not target.exists()
    return str(error.value)


def test_download(server: Server, tmp_path: Path) -> None:
    """A download ends at its name, byte for byte, with no part left and full progress."""
    ticks: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "a.tar"
    archive = server.archive()
    assert download(archive, target, progress=lambda *tick: ticks.append(tick)) == target
    assert target.read_bytes() == BODY
    assert ticks[-1] == (len(BODY), len(BODY))
    assert [each.name for each in target.parent.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("size_known", [True, False])
def test_resume_after_cuts(server: Server, tmp_path: Path, size_known: bool) -> None:
    """A connection that breaks twice is gone on with where it broke, after growing waits."""
    server.cut = [400_000, 700_000]
    archive = server.archive() if size_known else server.archive(size=None)
    waits: list[float] = []
    target = download(archive, tmp_path / "a.tar", sleep=waits.append)
    assert target.read_bytes() == BODY
    assert server.asked == [None, "bytes=400000-", "bytes=700000-"]
    assert waits == [1.0, 1.0]


def test_part_of_an_earlier_run(server: Server, tmp_path: Path) -> None:
    """A part that an interrupted run left is used, not fetched again."""
    (tmp_path / "a.tar.part").write_bytes(BODY[:500_000])
    download(server.archive(), tmp_path / "a.tar")
    assert server.asked == ["bytes=500000-"]
    assert (tmp_path / "a.tar").read_bytes() == BODY


@pytest.mark.parametrize("size_known", [True, False])
def test_complete_part(server: Server, tmp_path: Path, size_known: bool) -> None:
    """A part that only lacks its final name is checked and renamed."""
    (tmp_path / "a.tar.part").write_bytes(BODY)
    archive = server.archive() if size_known else server.archive(size=None)
    assert download(archive, tmp_path / "a.tar").read_bytes() == BODY


@pytest.mark.parametrize("size_known", [True, False])
def test_part_that_is_too_long(server: Server, tmp_path: Path, size_known: bool) -> None:
    """A part longer than the file is thrown away and the file fetched anew."""
    (tmp_path / "a.tar.part").write_bytes(BODY + b"more")
    archive = server.archive() if size_known else server.archive(size=None)
    got = download(archive, tmp_path / "a.tar", sleep=lambda _seconds: None)
    assert got.read_bytes() == BODY


def test_server_without_ranges(server: Server, tmp_path: Path) -> None:
    """Where the server ignores the range, the part is written from the start again."""
    server.ranges, server.cut = False, [400_000]
    target = download(server.archive(), tmp_path / "a.tar", sleep=lambda _seconds: None)
    assert target.read_bytes() == BODY
    assert server.asked == [None, "bytes=400000-"]


def test_server_errors_are_retried(server: Server, tmp_path: Path) -> None:
    """5xx and 429 are temporary: the waits between attempts double."""
    server.statuses = [503, 500, 429]
    waits: list[float] = []
    download(server.archive(), tmp_path / "a.tar", sleep=waits.append)
    assert waits == [1.0, 2.0, 4.0]


def test_attempts_are_bounded(server: Server, tmp_path: Path) -> None:
    """A server that stays down is given up on."""
    server.statuses = [503] * 9
    assert_fails(server.archive(), tmp_path / "a.tar", "says 503", attempts=3)
    assert len(server.asked) == 3


def test_missing_file_is_not_retried(server: Server, tmp_path: Path) -> None:
    """404 is final."""
    server.statuses = [404] * 3
    assert_fails(server.archive(), tmp_path / "a.tar", "the server says 404")
    assert len(server.asked) == 1


@pytest.mark.parametrize("page", [False, True])
def test_wrong_hash(server: Server, tmp_path: Path, page: bool) -> None:
    """Wrong content is refused and its part deleted; a web page is told as such."""
    archive = server.archive(sha256="0" * 64, size=None)
    if page:
        server.body = b"<html>sorry</html>"
    text = assert_fails(archive, tmp_path / "a.tar", "expected 0{64}; the part was deleted")
    assert ("looks like a web page" in text) is page
    assert list(tmp_path.iterdir()) == []


def test_wrong_size_is_refused_before_the_transfer(server: Server, tmp_path: Path) -> None:
    """An announced size other than the known one stops the download at once."""
    assert_fails(server.archive(size=10), tmp_path / "a.tar", "offers 1024000 bytes, expected 10")
    assert list(tmp_path.iterdir()) == []


def test_cut_for_good_keeps_the_part(server: Server, tmp_path: Path) -> None:
    """When a transfer cannot be completed, what there is stays for the next run."""
    server.cut = [300_000] * 9
    server.ranges = False
    assert_fails(server.archive(), tmp_path / "a.tar", "connection broke", attempts=2)
    assert (tmp_path / "a.tar.part").stat().st_size == 300_000


def test_existing_archive_is_hashed(server: Server, tmp_path: Path) -> None:
    """An archive on disk is used only if its hash is right, and never overwritten."""
    target = tmp_path / "a.tar"
    target.write_bytes(BODY)
    download(server.archive(), target)
    target.write_bytes(BODY[:-1])
    with pytest.raises(DataError, match="delete it or move it away"):
        download(server.archive(), target)
    assert target.read_bytes() == BODY[:-1]
    assert server.asked == []


def test_redirects(server: Server, tmp_path: Path) -> None:
    """A redirect to plain http on another machine, or to a file, is refused."""
    for address in ("http://example.org/a.tar", "ftp://example.org/a.tar"):
        server.redirect = address
        assert_fails(server.archive(), tmp_path / "a.tar", "only https is allowed")


@pytest.mark.parametrize(
    ("url", "origin", "allowed"),
    [
        ("https://example.org/a", None, True),
        ("https://example.org/a", "https://other.org", True),
        ("http://127.0.0.1:80/a", None, True),
        ("http://localhost/a", "http://127.0.0.1/b", True),
        ("http://localhost/a", "https://example.org", False),
        ("http://example.org/a", None, False),
        ("http://127.0.0.1.example.org/a", None, False),
        ("http://127.0.0.1@example.org/a", None, False),
        ("file:///etc/passwd", None, False),
        ("ftp://example.org/a", None, False),
        ("", None, False),
    ],
)
def test_allowed_addresses(url: str, origin: str | None, allowed: bool) -> None:
    """Only https passes, and plain http only on this machine."""
    if allowed:
        check_url(url, origin=origin)
        return
    with pytest.raises(DataError, match="only https is allowed"):
        check_url(url, origin=origin)
