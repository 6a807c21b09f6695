from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_datasets import SHARED_DATA, ksdd2, mvtec, noise, save, spot

from adrepro.datasets.catalog import (
    CATALOG,
    dataset_info,
    locate,
    open_dataset,
    parse_dataset_spec,
    resolve_data_root,
)
from adrepro.datasets.errors import DataError, UnknownNameError
from adrepro.datasets.folder import load_folder
from adrepro.datasets.ksdd2 import load_ksdd2
from adrepro.datasets.mvtec import MVTEC_CATEGORIES, load_mvtec
from adrepro.datasets.types import Category
from adrepro.datasets.verify import count


def numbers(category: Category) -> tuple[int, int, int, int]:
    return tuple(count(category).as_dict().values())  # type: ignore[return-value]


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_mvtec_splits_labels_and_masks(tmp_path: Path) -> None:
    """Split, label and mask of every image follow from the folders."""
    dataset = load_mvtec(mvtec(tmp_path))
    bottle = dataset.category("bottle")
    assert numbers(bottle) == (3, 0, 2, 2)
    assert [ref.id for ref in bottle.train] == [f"bottle/train/good/{i:03}.png" for i in range(3)]
    for ref in bottle.test_anomalous:
        assert ref.defect == "crack"
        expected = tmp_path / "bottle" / "ground_truth" / "crack" / f"{ref.path.stem}_mask.png"
        assert ref.mask_path == expected
    assert all(ref.mask_path is None for ref in (*bottle.train, *bottle.test_nominal))


def test_mvtec_order_of_categories(tmp_path: Path) -> None:
    """Official categories come in the papers' order, others sorted after them."""
    dataset = load_mvtec(mvtec(tmp_path, ("zebra", "zipper", "apple", "cable", "bottle")))
    assert dataset.categories == ("bottle", "cable", "zipper", "apple", "zebra")


def test_mvtec_loads_only_wanted_categories(tmp_path: Path) -> None:
    """An empty category disturbs nobody who did not ask for it."""
    mvtec(tmp_path, ("bottle", "cable"))
    shutil.rmtree(tmp_path / "cable" / "test")
    assert load_mvtec(tmp_path, categories=["bottle"]).categories == ("bottle",)
    everything = load_mvtec(tmp_path)
    assert numbers(everything.category("bottle")) == (3, 0, 2, 2)
    with pytest.raises(DataError, match="empty category 'cable': no test images") as error:
        everything.category("cable")
    one_line(error)


def test_folder_empty_category(tmp_path: Path) -> None:
    """One's own empty category stops whoever works with it, and nobody else."""
    mvtec(tmp_path, ("a", "b"))
    for image in (tmp_path / "b" / "train" / "good").iterdir():
        image.unlink()
    dataset = load_folder(tmp_path)
    assert numbers(dataset.category("a")) == (3, 0, 2, 2)
    with pytest.raises(DataError, match="empty category 'b': no training images"):
        dataset.category("b")


@pytest.mark.parametrize(
    "name", ["Thumbs.db", ".DS_Store", "._000.png", ".hidden.png", "readme.txt", "license.txt"]
)
def test_foreign_files_are_not_images(tmp_path: Path, name: str) -> None:
    """Files that systems and archives leave behind are never counted."""
    mvtec(tmp_path)
    for folder in ("train/good", "test/good", "test/crack", "ground_truth/crack"):
        (tmp_path / "bottle" / folder / name).write_bytes(b"junk")
    (tmp_path / name).write_bytes(b"junk")
    assert numbers(load_mvtec(tmp_path).category("bottle")) == (3, 0, 2, 2)


@pytest.mark.parametrize("suffix", ["PNG", "jpg", "JPEG", "bmp", "tif", "TIFF"])
def test_suffixes_in_any_case(tmp_path: Path, suffix: str) -> None:
    """All six suffixes count, in either case, for images and for masks."""
    mvtec(tmp_path)
    save(noise(50), tmp_path / "bottle" / "test" / "crack" / f"other.{suffix}")
    mask = save(spot(), tmp_path / "bottle" / "ground_truth" / "crack" / f"other_mask.{suffix}")
    refs = {r.path.name: r for r in load_mvtec(tmp_path).category("bottle").test_anomalous}
    assert refs[f"other.{suffix}"].mask_path == mask


def test_mask_name_with_and_without_ending(tmp_path: Path) -> None:
    """``<stem>_mask`` goes before ``<stem>``; a mask that is not there is None."""
    mvtec(tmp_path)
    truth = tmp_path / "bottle" / "ground_truth" / "crack"
    save(spot(), truth / "000.png")
    (truth / "001_mask.png").rename(truth / "001.png")
    save(noise(60), tmp_path / "bottle" / "test" / "crack" / "002.png")
    refs = load_mvtec(tmp_path).category("bottle").test_anomalous
    masks = [ref.mask_path and ref.mask_path.name for ref in refs]
    assert masks == ["000_mask.png", "001.png", None]


def test_good_folder_in_other_case_is_nominal(tmp_path: Path) -> None:
    """A test folder ``Good`` holds nominal images, not a defect of that name."""
    mvtec(tmp_path)
    (tmp_path / "bottle" / "test" / "good").rename(tmp_path / "bottle" / "test" / "Good")
    assert numbers(load_mvtec(tmp_path).category("bottle")) == (3, 0, 2, 2)


def test_root_that_is_a_category(tmp_path: Path) -> None:
    """The folder of one category is refused with its parent named."""
    mvtec(tmp_path)
    with pytest.raises(DataError, match="is itself one category; give its parent") as error:
        load_mvtec(tmp_path / "bottle")
    assert str(tmp_path) in one_line(error)


def test_roots_without_images(tmp_path: Path) -> None:
    """A missing folder, an empty folder and an empty training split are told apart."""
    with pytest.raises(DataError, match="no such folder"):
        load_mvtec(tmp_path / "absent")
    with pytest.raises(DataError, match="holds no category"):
        load_mvtec(tmp_path)
    (tmp_path / "bottle" / "train" / "good").mkdir(parents=True)
    with pytest.raises(DataError, match="empty category 'bottle': no training images"):
        load_mvtec(tmp_path).category("bottle")


def test_ksdd2_label_is_the_mask(tmp_path: Path) -> None:
    """An image is defective exactly when its mask has a non-zero pixel."""
    dataset = load_ksdd2(ksdd2(tmp_path))
    category = dataset.category("ksdd2")
    assert dataset.categories == ("ksdd2",)
    assert numbers(category) == (3, 1, 2, 2)
    assert [ref.id for ref in category.train_anomalous] == ["train/10002.png"]
    assert {ref.defect for ref in category.test_anomalous} == {"defect"}


def test_ksdd2_stray_files(tmp_path: Path) -> None:
    """The stray copies are left out and the pickles are never opened."""
    ksdd2(tmp_path)
    save(noise(1), tmp_path / "train" / "10301 (copy).png")
    save(spot(), tmp_path / "train" / "10301_GT (copy).png")
    (tmp_path / "split_weakly_0.pyb").write_bytes(b"\x80\x04cos\nsystem\n")
    assert numbers(load_ksdd2(tmp_path).category("ksdd2")) == (3, 1, 2, 2)


def test_ksdd2_missing_or_damaged_mask(tmp_path: Path) -> None:
    """Without its mask an image has no label: it is loaded, and marked as unlabelled."""
    ksdd2(tmp_path)
    mask = tmp_path / "test" / "20001_GT.png"
    mask.write_bytes(mask.read_bytes()[:40])
    (tmp_path / "test" / "20000_GT.png").unlink()
    refs = load_ksdd2(tmp_path).category("ksdd2").test
    assert [(ref.labelled, ref.mask_path is None) for ref in refs] == [
        (False, True),
        (False, False),
        (True, False),
        (True, False),
    ]
    assert [ref.anomalous for ref in refs] == [False, False, False, True]
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(DataError, match="no folder 'test'"):
        load_ksdd2(tmp_path)


@pytest.mark.parametrize("train", ["train/good", "train", "good"])
@pytest.mark.parametrize("masks", ["ground_truth", "masks"])
def test_folder_single_category(tmp_path: Path, train: str, masks: str) -> None:
    """Each documented training and mask folder works; the category is named like the folder."""
    root = tmp_path / "gaskets"
    save(noise(0), root / train / "a.png")
    save(noise(1), root / "test" / "good" / "b.jpg")
    save(noise(2), root / "test" / "dent" / "c.bmp")
    save(noise(3), root / "test" / "burr" / "c.png")
    mask = save(spot(), root / masks / "dent" / "c_mask.png")
    dataset = load_folder(root)
    category = dataset.category("gaskets")
    assert numbers(category) == (1, 0, 1, 2)
    found = {ref.defect: ref.mask_path for ref in category.test}
    assert found == {"good": None, "dent": mask, "burr": None}


def test_folder_several_categories(tmp_path: Path) -> None:
    """Sub-folders with images are categories; other folders are not."""
    mvtec(tmp_path, ("b", "a"))
    (tmp_path / "notes").mkdir()
    dataset = load_folder(tmp_path)
    assert dataset.categories == ("a", "b")
    assert dataset.category("a").train[0].id == "a/train/good/000.png"
    with pytest.raises(DataError, match="no images in a known layout"):
        load_folder(tmp_path / "notes")
    with pytest.raises(UnknownNameError, match="category of folder 'c'"):
        load_folder(tmp_path, categories=["c"])


def test_catalog_official_totals() -> None:
    """The entries add up to the totals that the dataset papers state."""
    counts = CATALOG["mvtec_ad"].counts
    assert tuple(counts) == MVTEC_CATEGORIES
    assert sum(each.total for each in counts.values()) == 5354
    assert sum(each.train_nominal for each in counts.values()) == 3629
    assert sum(each.test_nominal for each in counts.values()) == 467
    assert sum(each.test_anomalous for each in counts.values()) == 1258
    assert CATALOG["ksdd2"].counts["ksdd2"].total == 3335


def test_open_dataset_finds_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset is found under its usual names, by argument, environment or path."""
    mvtec(tmp_path / "mvtec_anomaly_detection")
    for dataset in (
        open_dataset("mvtec_ad", tmp_path),
        open_dataset(f"mvtec_ad={tmp_path / 'mvtec_anomaly_detection'}"),
        open_dataset("mvtec_ad", path=tmp_path / "mvtec_anomaly_detection"),
    ):
        assert dataset.categories == ("bottle",)
        assert dataset.name == "mvtec_ad"
        assert not dataset.synthetic
    monkeypatch.setenv("ADREPRO_DATA", str(tmp_path))
    assert open_dataset("mvtec_ad").categories == ("bottle",)
    monkeypatch.delenv("ADREPRO_DATA")
    assert resolve_data_root() == Path("data")


def test_open_dataset_errors(tmp_path: Path) -> None:
    """Every way of not finding a dataset is one line that says what to do."""
    with pytest.raises(UnknownNameError, match="did you mean mvtec_ad"):
        open_dataset("mvtec-ad", tmp_path)
    with pytest.raises(DataError) as error:
        open_dataset("ksdd2", tmp_path)
    text = one_line(error)
    assert str(tmp_path / "ksdd2") in text
    assert f"reproduce data fetch ksdd2 --data-root {tmp_path}" in text
    assert "CC BY-NC-SA" in text
    with pytest.raises(DataError, match="folder=/path/to/images"):
        open_dataset("folder", tmp_path)
    with pytest.raises(DataError, match="no path after '='"):
        parse_dataset_spec("mvtec_ad=")
    with pytest.raises(DataError, match="two paths given"):
        open_dataset("folder=a", path=Path("b"))
    with pytest.raises(UnknownNameError):
        dataset_info("imagenet")


@pytest.mark.parametrize(
    ("name", "kind", "category", "drawn"),
    [
        ("synthetic", "mvtec", "cable", ("cable",)),
        ("synthetic_ksdd2", "ksdd2", "ksdd2", None),
    ],
)
def test_synthetic_is_drawn_on_first_use(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kind: str,
    category: str,
    drawn: tuple[str, ...] | None,
) -> None:
    """Only the wanted categories are drawn, below the data root, and marked as synthetic."""
    calls = []

    def materialise(root: Path, kind: str, *, categories: tuple[str, ...] | None = None) -> Path:
        calls.append((root, kind, categories))
        return ksdd2(root) if kind == "ksdd2" else mvtec(root, categories or ("bottle",))

    monkeypatch.setattr("adrepro.datasets.synthetic.materialise", materialise, raising=False)
    dataset = open_dataset(name, tmp_path, categories=[category])
    assert calls == [(tmp_path / name, kind, drawn)]
    assert (dataset.name, dataset.categories) == (name, (category,))
    assert dataset.synthetic


def test_drawn_images_keep_out_of_the_users_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a data root that was given; else in the cache, whatever the environment names."""
    data, kept, given = tmp_path / "data", tmp_path / "cache", tmp_path / "given"
    monkeypatch.setenv("ADREPRO_DATA", str(data))
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
    monkeypatch.setattr(
        "adrepro.datasets.synthetic.materialise", lambda root, _kind, categories: mvtec(root)
    )
    drawn = kept / "adrepro/drawn/synthetic"
    assert open_dataset("synthetic", categories=["bottle"]).root == drawn
    assert locate(CATALOG["synthetic"]) == drawn
    assert not data.exists()
    assert open_dataset("synthetic", given, categories=["bottle"]).root == given / "synthetic"


def test_importing_the_catalogue_is_light() -> None:
    """Neither NumPy nor Pillow is imported before an image is touched."""
    code = (
        "import sys, json, adrepro.datasets, adrepro.datasets.catalog;"
        "print(json.dumps([m for m in ('numpy', 'PIL', 'torch') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(done.stdout) == []


def test_public_names_resolve() -> None:
    """Every name that the package offers can be had, and no other."""
    import adrepro.datasets as package

    for name in package.__all__:
        assert getattr(package, name).__name__ == name
        assert name in dir(package)
    with pytest.raises(AttributeError, match="nothing_here"):
        package.nothing_here  # noqa: B018


@pytest.mark.skipif(not (SHARED_DATA / "mvtec_ad").is_dir(), reason="real images are not here")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bottle", (209, 0, 20, 63)),
        ("screw", (320, 0, 41, 119)),
        ("capsule", (196, 0, 23, 109)),
        ("toothbrush", (48, 0, 12, 30)),
    ],
)
def test_real_mvtec_counts(name: str, expected: tuple[int, ...]) -> None:
    """Real MVTec AD images are counted as their description states, all with masks."""
    category = open_dataset("mvtec_ad", SHARED_DATA, categories=[name]).category(name)
    assert numbers(category) == expected
    assert all(ref.mask_path for ref in category.test_anomalous)


@pytest.mark.skipif(
    not (SHARED_DATA / "ksdd_in_ksdd2_layout").is_dir(), reason="real images are not here"
)
def test_real_ksdd_counts() -> None:
    """Real KolektorSDD images in the other's layout are counted as described."""
    dataset = open_dataset("ksdd2", path=SHARED_DATA / "ksdd_in_ksdd2_layout")
    assert numbers(dataset.category("ksdd2")) == (277, 26, 70, 26)
