"""Archives of arrays that lie about their size are refused before memory is asked for."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from bundle_worlds import repacked, resigned, write_bundle
from here import plan_here, run_here
from hypothesis import given
from hypothesis import strategies as st

from adrepro.datasets.errors import CellError, StoreError
from adrepro.harness import npz
from adrepro.harness.bundle import unpack
from adrepro.harness.files import npz_bytes, sha256, write_signed
from adrepro.harness.npz import npz_names, read_npy, read_npz
from adrepro.harness.scorefiles import read_scores
from adrepro.harness.scoremaps import read_maps
from adrepro.harness.store import Status, Store

SOUND = {
    "a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yy"]), "c": np.array(True),
    "d": np.zeros((0, 4), np.float32), "e": np.asfortranarray(np.arange(6).reshape(3, 2)),
}  # fmt: skip


def header(shape: str, descr: str = "'<f8'") -> bytes:
    """Return the header of an NPY file that claims an array, and no array behind it."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


HUGE = header(f"({2**45},)")


def archive(*members: tuple[str, bytes], kind=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as made:
        for name, data in members:
            made.writestr(name, data)
    return buffer.getvalue()


def with_claim(data: bytes, size: int) -> bytes:
    """Let the directory of an archive with one member claim another size for it, unpacked."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", changed, changed.index(mark) + offset, size)
    return bytes(changed)


def with_twin() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return archive(("a.npy", header("(0,)")), ("a.npy", header("(0,)")))


def test_sound_archives_come_back(tmp_path):
    """What NumPy or the project writes is read as it was: kinds, shapes, orders, empty arrays."""
    np.savez(tmp_path / "plain.npz", **SOUND)
    np.savez_compressed(tmp_path / "packed.npz", **SOUND)
    for source in (tmp_path / "plain.npz", tmp_path / "packed.npz", npz_bytes(SOUND)):
        found = read_npz(source, SOUND)
        assert sorted(npz_names(source)) == sorted(found) == sorted(SOUND)
        for name, array in SOUND.items():
            np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (archive(("a.npy", HUGE)), r"'a' claims 281474976710656 bytes and has 0"),
        (archive(("a.npy", HUGE + bytes(80))), r"'a' claims 281474976710656 bytes and has 80"),
        (with_claim(archive(("a.npy", HUGE)), 2**31), r"claims more bytes than its part can hold"),
        (archive(("a.npy", header("(2,)") + bytes(24))), r"'a' claims 16 bytes and has 24"),
        (archive(("a.npy", header(f"({2**62},)", "'<U0'"))), r"a shape or type that cannot be"),
        (archive(("a.npy", header("(-1, -8)") + bytes(64))), r"a shape or type that cannot be"),
        (archive(("a.npy", header("(1,)", "'|O'") + bytes(8))), r"pickle is not allowed"),
        (archive(("a.npy", header("(1,)", "[" * 4000 + "]" * 4000))), r"."),
        (archive(("a.npy", b"\x93NUMPY\x02\x00" + b"\xff" * 4)), r"no array of format 1\.0"),
        (archive(("z.npy", header("(0,)"))), r"array 'z' is unknown; expected a"),
        (archive(("a.py", b"print()")), r"it holds 'a\.py', which is no array"),
        (archive(("a.npy", header("(0,)")), kind=zipfile.ZIP_BZIP2), r"unknown kind of comp"),
        (with_twin, r"an array stands twice"),
        (b"PK\x03\x04", r"not a zip file"),
    ],
    ids=range(14),
)  # fmt: skip
def test_hostile_archives_are_one_line(data, said):
    """Header, directory, name, type and kind are checked; nothing large is ever asked for."""
    data = data() if callable(data) else data
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=said) as caught:
            read_npz(data, ["a"])
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_a_bomb_is_held_against_the_limit():
    """Zeros that really are there, a thousandth of their size packed, are not unpacked."""
    bomb = npz_bytes({"a": np.zeros(4_000_000), "b": np.zeros(4_000_000)})
    assert len(bomb) < 400_000
    tracemalloc.start()
    try:
        with pytest.raises(
            ValueError, match=r"its arrays have 64\d* bytes; expected at most 50000000"
        ):
            read_npz(bomb, limit=50_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert len(read_npz(bomb, limit=70_000_000)) == 2


def test_members_that_share_their_bytes_are_refused():
    """A directory whose members claim more packed bytes than the archive has."""
    once = archive(("a.npy", header("(8000,)") + bytes(64_000)), kind=zipfile.ZIP_STORED)
    start = once.index(b"PK\x01\x02")
    entry, end = once[start : once.index(b"PK\x05\x06")], once[once.index(b"PK\x05\x06") :]
    second = entry.replace(b"a.npy", b"b.npy")
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2, 2, 2 * len(entry), start, 0)
    assert len(end) == len(tail)
    with pytest.raises(ValueError, match="of an archive of"):
        read_npz(once[:start] + entry + second + tail)


def test_too_little_memory_is_one_line(monkeypatch):
    """Where even sound arrays do not fit, that is said."""

    def full(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", full)
    with pytest.raises(ValueError, match="it does not fit into memory"):
        read_npz(npz_bytes(SOUND))


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_is_an_error_or_harmless(changes):
    """Whatever bytes are changed: arrays, or a ValueError of one line."""
    data = bytearray(npz_bytes(SOUND))
    for place, value in changes:
        data[place % len(data)] = value
    said = ""
    try:
        said = " ".join(read_npz(bytes(data), SOUND))
    except ValueError as err:
        said = str(err)
    assert "\n" not in said
    assert said


def test_map_files_are_held_to_their_size(tmp_path):
    """An NPY file that claims terabytes, too."""
    path = tmp_path / "map.npy"
    path.write_bytes(header(f"({2**23}, {2**22})"))
    with pytest.raises(ValueError, match=r"'map' claims 281474976710656 bytes and has 0"):
        read_npy(path)
    with pytest.raises(CellError, match=r"map map\.npy cannot be read"):
        list(read_maps([path], [object()]))  # pyright: ignore[reportArgumentType]
    np.save(path, SOUND["e"])
    np.testing.assert_array_equal(read_npy(path), SOUND["e"], strict=True)
    with pytest.raises(ValueError, match="expected at most 100"):
        read_npy(path, limit=100)


@pytest.mark.parametrize("part", ["scores", "maps"])
def test_store_names_its_hostile_file(world, part):
    """Signed as the store signs, it passes as done; what reads it names the file in one line."""
    store = Store(world.store, create=True)
    plan = plan_here(world.data)
    assert run_here(plan, store, maps=True) == []
    key = plan.cells[0].key
    assert set(store.load_arrays(key, "scores")) <= set(npz.CELL_ARRAYS["scores"])
    name = {"scores": "test_scores", "maps": "maps"}[part]
    folder = store.folder(key)
    hostile = archive((f"{name}.npy", HUGE))
    (folder / f"{part}.npz").write_bytes(hostile)
    body = json.loads((folder / "result.json").read_bytes())["body"]
    body["files"][f"{part}.npz"] = sha256(hostile)
    write_signed(folder / "result.json", body)
    assert store.read(key).status is Status.DONE
    with pytest.raises(StoreError, match=rf"{key}/{part}\.npz: '{name}' claims") as caught:
        store.load_arrays(key, part)
    assert "\n" not in str(caught.value)
    (folder / "scores.npz").write_bytes(npz_bytes({"other": np.zeros(3)}))
    with pytest.raises(StoreError, match=r"array 'other' is unknown; expected test_scores"):
        store.load_arrays(key, "scores")


@pytest.mark.parametrize("name", ["scores", "maps", "other"])
def test_scores_from_a_hostile_file(tmp_path, name):
    """A cell whose scores come from a file fails in one line; what is unknown is never read."""
    path = tmp_path / "a.npz"
    given = {"image_ids": np.array(["x"]), "scores": np.zeros(1)}
    members = [(f"{n}.npy", npy(a)) for n, a in given.items() if n != name]
    path.write_bytes(archive(*members, (f"{name}.npy", HUGE)))
    said = "array 'other' is unknown" if name == "other" else f"cannot be read .'{name}' claims"
    with pytest.raises(CellError, match=said) as caught:
        read_scores(path, (), ())
    assert "\n" not in str(caught.value)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_bundle_names_its_hostile_file(world):
    """Everything signed anew: `verify` ends with one line that names the cell and the file."""
    write_bundle(world.root / "made")
    ran = world.root / "made"
    key = unpack(ran / "a.zip").manifest["cells"][0]["key"]
    hostile = archive(("test_scores.npy", HUGE))
    path = repacked(ran, world.root, lambda _, files: resigned(files, key, scores=hostile))
    assert world.reproduce("verify", path) == 2
    assert (
        f"cell {key[:12]} of the bundle cannot be verified: scores.npz: 'test_scores' claims"
        in (" ".join(world.stderr.split()))
    )
