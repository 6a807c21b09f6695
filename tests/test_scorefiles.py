"""One file of scores: whatever does not fit is one line, whatever does is read exactly."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from score_folders import write_csv

from adrepro.datasets.errors import CellError
from adrepro.harness.scorefiles import digest, read_scores
from adrepro.harness.task import Sample


def sample(name: str) -> Sample:
    return Sample(id=name, path=Path(name), sha256="")


TEST = tuple(sample(f"bottle/test/good/{i:03}.png") for i in range(3))
TRAIN = tuple(sample(f"bottle/train/good/{i:03}.png") for i in range(2))
GOOD = [s.id for s in TEST]


def rows(*scores, ids=None, **more):
    given = zip(GOOD if ids is None else ids, scores, strict=True)
    return [{"image_id": name, "score": score} | more for name, score in given]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (rows(1, 2, ids=GOOD[:2]), r"no score for 1 of 3 test images, first .*002\.png; expected"),
        (rows(1, 2, 3, ids=["0", "1", "2"]), r"no score for 3 of 3 .*ids there look like 0\)"),
        (rows(1, 2, 3, 4, ids=[*GOOD, GOOD[0][:-4]]), r"two scores for bottle/test/good/000\.png"),
        (rows(1, "inf", 3), r"score of bottle/test/good/001\.png is not finite"),
        (rows(1, "", 3), r"line 3: an empty score"),
        (rows(1, "high", 3), r"line 3: score 'high'; expected a number"),
        (rows(1, 2, 3, label=0), r"columns image_id,score,label; expected image_id,score"),
        (rows(1, 2, 3, split="val"), r"line 2: split 'val'; expected test or train"),
        (rows(1, 2, 3, map="gone.npy"), r"map gone\.npy cannot be read \(No such file"),
        (rows(1, 2, 3, map="x.txt"), r"map files \.txt; expected all \.npy or all \.png"),
        (
            [*rows(1, 2, 3, split="test"), *rows(1, ids=[TRAIN[0].id], split="train")],
            r"no score for 1 of 2 training images",
        ),
    ],
)
def test_bad_csv_is_one_line(tmp_path, given, said):
    """Missing, doubled or unreadable scores name the image or line, and what was expected."""
    with pytest.raises(CellError, match=said) as caught:
        read_scores(write_csv(tmp_path / "a.csv", given), TRAIN, TEST)
    assert "\n" not in str(caught.value)


NPZ = {"image_ids": np.array(GOOD), "scores": np.arange(3.0)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": np.arange(2.0)}, r"scores is float64 \[2\]; expected numbers \[3\]"),
        ({"image_ids": np.arange(3)}, r"image_ids is int64 \[3\]; expected text"),
        ({"map": np.zeros(3)}, r"array 'map' is unknown; expected image_ids, scores"),
        ({"maps": np.zeros((3, 4))}, r"maps is float64 \[3, 4\]; expected numbers \[3, h, w\]"),
        ({"maps": np.full((3, 2, 2), np.nan)}, r"map of .*000\.png is not finite"),
        ({"maps": np.full((3, 2, 2), 1e300)}, r"map of .*000\.png is not finite"),
        ({"train_ids": np.array(["a"])}, r"train_ids without train_scores or the reverse"),
        ({"image_ids": np.array(GOOD, dtype=object)}, r"cannot be read \(.*pickle"),
    ],
)
def test_bad_npz_is_one_line(tmp_path, change, said):
    """Arrays of a wrong name, kind or shape, and anything pickled, are refused in one line."""
    np.savez(tmp_path / "a.npz", **(NPZ | change))
    with pytest.raises(CellError, match=said) as caught:
        read_scores(tmp_path / "a.npz", TRAIN, TEST)
    assert "\n" not in str(caught.value)


LISTED = "".join(f"{name},1,{{}}\n" for name in GOOD)
OLD_LINES = b"image_id,score\rbottle/test/good/000.png,1\r"
LONG_FIELD = b"image_id,score\n" + b"x" * 131073 + b",1\n"
NUL_IN_MAP = b"image_id,score,map\n" + LISTED.format(*["a\0.npy"] * 3).encode()


@pytest.mark.parametrize("name", ["a.npz", "a.csv"])
@pytest.mark.parametrize(
    "damage",
    [
        b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04 \xff\xfe", OLD_LINES, LONG_FIELD, NUL_IN_MAP,
        b'image_id,score\n"a\0,1\n',
    ],
)  # fmt: skip
def test_damaged_files_are_one_line(tmp_path, name, damage):
    """Whatever bytes a file holds, it is hashed, and reading it fails in one line."""
    (tmp_path / name).write_bytes(damage)
    assert len(digest(tmp_path / name)[0]) == 64
    with pytest.raises(CellError, match="expected") as caught:
        read_scores(tmp_path / name, TRAIN, TEST)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_any_system(tmp_path, end):
    """Hash and reader see the same rows whatever ends a line: the maps count in both."""
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", np.full((2, 2), i))
    lines = ["image_id,score,map", *(f"{name},{i},{i}.npy" for i, name in enumerate(GOOD)), ""]
    path = tmp_path / "a.csv"
    path.write_bytes(end.join(lines).encode())
    found = read_scores(path, TRAIN, TEST)
    assert found.test.tolist() == [0, 1, 2]
    assert found.maps is not None
    before, has_maps = digest(path)
    assert has_maps
    np.save(tmp_path / "2.npy", np.full((2, 2), 7))
    assert digest(path)[0] != before


def test_archive_that_zipfile_cannot_unpack(tmp_path):
    """An unknown kind of compression is one line, too."""
    path = tmp_path / "a.npz"
    np.savez(path, **NPZ)
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] = 77
            at = data.find(mark, at + 1)
    path.write_bytes(data)
    assert len(digest(path)[0]) == 64
    with pytest.raises(CellError, match=r"cannot be read \(.*compression") as caught:
        read_scores(path, TRAIN, TEST)
    assert "\n" not in str(caught.value)


def test_an_array_under_a_wrong_ending_is_refused(tmp_path):
    """A single array renamed to .npz is no archive."""
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(CellError, match="is no NPZ archive"):
        read_scores(tmp_path / "a.npz", TRAIN, TEST)


def test_ids_without_extension_only_where_unambiguous(tmp_path):
    """Two images that differ in their extension alone need it; otherwise it may be left out."""
    twins = (sample("a/0.png"), sample("a/0.jpg"), sample("a/1.png"))
    path = write_csv(tmp_path / "a.csv", rows(1, 2, 3, ids=["a/0.png", "a/0.jpg", "a/1"]))
    assert read_scores(path, (), twins).test.tolist() == [1, 2, 3]
    path = write_csv(tmp_path / "a.csv", rows(1, 2, 3, ids=["a/0", "a/0.jpg", "a/1"]))
    with pytest.raises(CellError, match="id a/0 means 2 test images; add its extension"):
        read_scores(path, (), twins)


@given(st.permutations(range(3)), st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_order_of_a_file_does_not_matter(tmp_path_factory, order, scores):
    """However the lines are ordered, each image has its own score, to the last bit."""
    path = tmp_path_factory.mktemp("order") / "a.csv"
    write_csv(path, rows(*(scores[i] for i in order), ids=[GOOD[i] for i in order]))
    assert read_scores(path, TRAIN, TEST).test.tolist() == scores


def test_png_maps_are_linear_in_grey(tmp_path):
    """8- and 16-bit PNG maps come out as value / largest value; colour is refused."""
    eight = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    sixteen = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    Image.fromarray(eight).save(tmp_path / "0.png")
    Image.fromarray(sixteen).save(tmp_path / "1.png")
    Image.fromarray(eight).save(tmp_path / "2.png")
    given = [row | {"map": f"{i}.png"} for i, row in enumerate(rows(1, 2, 3))]
    path = write_csv(tmp_path / "a.csv", given)
    maps = read_scores(path, TRAIN, TEST).maps
    assert maps is not None
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps[0], eight / 255, rtol=1e-6)
    np.testing.assert_allclose(maps[1], sixteen / 65535, rtol=1e-6)
    before = digest(path)[0]
    Image.fromarray(np.zeros((3, 4, 3), dtype=np.uint8)).save(tmp_path / "2.png")
    assert digest(path) != (before, True)
    with pytest.raises(CellError, match=r"map 2\.png is a PNG of mode RGB; expected"):
        read_scores(path, TRAIN, TEST)
    Image.fromarray(eight[:2]).save(tmp_path / "2.png")
    with pytest.raises(CellError, match=r"map 2\.png is \[2, 4\], the first \[3, 4\]"):
        read_scores(path, TRAIN, TEST)


def test_maps_for_some_images_only_are_refused(tmp_path):
    """Pixel metrics of half the images would be of another test set."""
    np.save(tmp_path / "0.npy", np.zeros((2, 2)))
    given = [
        row | {"map": text} for row, text in zip(rows(1, 2, 3), ("0.npy", "", ""), strict=True)
    ]
    with pytest.raises(CellError, match=r"maps for 1 of 3 images, none for .*001\.png"):
        read_scores(write_csv(tmp_path / "a.csv", given), TRAIN, TEST)


def test_scores_are_not_rounded(tmp_path):
    """Scores that float32 cannot tell apart stay apart."""
    close = [1.0, 1.0 + 1e-12, 1.0 + 2e-12]
    path = write_csv(tmp_path / "a.csv", rows(*close))
    assert read_scores(path, TRAIN, TEST).test.tolist() == close


def test_equal_scores_are_warned_of(tmp_path):
    """A file whose scores are all equal is measured, and the row says so."""
    found = read_scores(write_csv(tmp_path / "a.csv", rows(2, 2, 2)), TRAIN, TEST)
    assert found.warnings == ("all 3 image scores are equal (2)",)
