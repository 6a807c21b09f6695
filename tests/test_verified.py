"""What is read is of the content that its hash says, whatever happens to the file meanwhile."""

import hashlib
import os
import shutil

import pytest

from adrepro.datasets import verified
from adrepro.datasets.errors import DataError
from adrepro.datasets.verified import known_sha256, read_verified

OLD, NEW = b"the content that was hashed", b"another one of the same len"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file that was hashed before, and lay still for long enough to be remembered."""
    monkeypatch.setattr(verified, "_known", {})
    monkeypatch.setattr(verified, "SETTLED_NS", -1)
    path = tmp_path / "a file"
    path.write_bytes(OLD)
    assert known_sha256(path) == sha256(OLD)
    return path


def overwritten(path, content):
    """Change a file in place and give it the times that it had."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replaced(path, content):
    """Put another file in its place, of the same times."""
    other = path.with_name("other")
    other.write_bytes(content)
    shutil.copystat(path, other)
    os.replace(other, path)


CHANGES = pytest.mark.parametrize("change", [overwritten, replaced])


def test_unchanged_file_is_hashed_once(file, monkeypatch):
    """Reading costs two looks at the open file; nothing is read or hashed beside."""
    monkeypatch.setattr(hashlib, "sha256", None)
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert read_verified(file, sha256_of_old := known_sha256(file), lambda s: s.read()) == OLD
    assert sha256_of_old == hashlib.new("sha256", OLD).hexdigest()


@CHANGES
def test_changed_file_is_refused(file, change):
    """A changed file has another hash and is not read, its time and size be what they were."""
    change(file, NEW)
    with pytest.raises(DataError, match="not what it was when the run was planned"):
        read_verified(file, sha256(OLD), lambda _: pytest.fail("was read"))
    assert known_sha256(file) == sha256(NEW)
    assert read_verified(file, sha256(NEW), lambda s: s.read()) == NEW


@CHANGES
def test_change_that_is_undone_while_a_file_is_read(file, change):
    """What was read from the wrong content, or failed on it, is read again from the right one."""
    seen = []

    def read(stream):
        first = not seen
        if first:
            change(file, NEW)
        with file.open("rb") as by_name:
            seen.append(stream.read() if change is overwritten else by_name.read())
        if first:
            change(file, OLD)
            raise ValueError("half of each")
        return seen[-1]

    assert read_verified(file, sha256(OLD), read) == OLD
    assert seen == [NEW, OLD]


def test_folder_renamed_away_and_back(file, tmp_path_factory):
    """Another folder under the same name: the file in it is another, whatever it is called."""
    folder, aside = file.parent, file.parent.with_name("aside")
    other = tmp_path_factory.mktemp("other")
    (other / file.name).write_bytes(NEW)
    folder.rename(aside)
    other.rename(folder)
    with pytest.raises(DataError):
        read_verified(file, sha256(OLD), lambda s: s.read())
    folder.rename(other)
    aside.rename(folder)
    assert read_verified(file, sha256(OLD), lambda s: s.read()) == OLD


def test_error_of_an_unchanged_file_is_its_own(file):
    """A file that cannot be decoded says so; it is not read twice."""
    seen = []
    with pytest.raises(ZeroDivisionError):
        read_verified(file, sha256(OLD), lambda s: seen.append(s) or 1 / 0)
    assert len(seen) == 1


def test_file_changed_just_now_is_not_remembered(file, monkeypatch):
    """Within a tick of the file system's clock a second change would leave no trace."""
    monkeypatch.setattr(verified, "SETTLED_NS", 10**15)
    overwritten(file, NEW)
    assert known_sha256(file) == sha256(NEW)
    assert verified._known[file][1] == sha256(OLD)


@pytest.mark.parametrize("age_s", [0.5, -5.0])
def test_a_file_too_new_to_tell_is_hashed_again(tmp_path, monkeypatch, age_s):
    """Within a coarse clock's grain, or from a server's future, a change may leave no trace."""
    path = tmp_path / "a"
    path.write_bytes(b"aaa")
    stamp = path.stat()
    monkeypatch.setattr(verified.time, "time_ns", lambda: stamp.st_ctime_ns + int(age_s * 1e9))
    assert known_sha256(path) == sha256(b"aaa")
    assert path not in verified._known


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_no_file(tmp_path):
    """Reading from it might never end: it is refused."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"):
        known_sha256(path)
    with pytest.raises(OSError, match="not a regular file"):
        read_verified(path, "0" * 64, lambda stream: stream.read())
