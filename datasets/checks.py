"""What only shows when files are compared: masks against images, duplicates, leaks, leftovers."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .layout import empty_split, file_id, is_image_name, visible
from .manifest import FileRecord, Problem, ProblemKind, Severity
from .probe import link_finding
from .types import Category, Dataset, ImageRef

# Severity where it depends on the kind alone; EXIF_ROTATED and MASK_MISSING depend on more.
_SEVERITY = {
    ProblemKind.UNREADABLE: Severity.ERROR,
    ProblemKind.EMPTY_FILE: Severity.ERROR,
    ProblemKind.BROKEN_LINK: Severity.ERROR,
    ProblemKind.LINK_LOOP: Severity.ERROR,
    ProblemKind.TOO_LARGE: Severity.ERROR,
    ProblemKind.TOO_SMALL: Severity.ERROR,
    ProblemKind.TOO_DEEP: Severity.ERROR,
    ProblemKind.EMPTY_CATEGORY: Severity.ERROR,
    ProblemKind.MASK_MISSING: Severity.ERROR,
    ProblemKind.MASK_SIZE: Severity.ERROR,
    ProblemKind.MASK_EMPTY: Severity.ERROR,
    ProblemKind.MASK_ON_NOMINAL: Severity.ERROR,
    ProblemKind.MASK_NOT_BINARY: Severity.WARNING,
    ProblemKind.SIXTEEN_BIT: Severity.WARNING,
    ProblemKind.CMYK: Severity.WARNING,
    ProblemKind.EXIF_ROTATED: Severity.WARNING,
    ProblemKind.ALPHA: Severity.WARNING,
    ProblemKind.PALETTE: Severity.WARNING,
    ProblemKind.TRAIN_TEST_LEAK: Severity.WARNING,
    ProblemKind.LABEL_CONFLICT: Severity.WARNING,
    ProblemKind.DUPLICATE: Severity.NOTE,
    ProblemKind.UNUSED: Severity.NOTE,
}


def _problem(
    kind: ProblemKind, file: str, detail: str, severity: Severity | None = None
) -> Problem:
    return Problem(kind=kind, severity=severity or _SEVERITY[kind], file=file, detail=detail)


def check_category(
    category: Category, root: Path, records: Mapping[str, FileRecord]
) -> Iterator[Problem]:
    """Yield the problems of one category's files.

    Parameters
    ----------
    category
        The category.
    root
        The dataset's root.
    records
        A record of each of its images and masks, by id.
    """
    lacking = empty_split(category)
    if lacking:
        yield _problem(ProblemKind.EMPTY_CATEGORY, category.name, lacking)
    for ref in (*category.train, *category.test):
        yield from _check_file(records[ref.id], masked=ref.mask_path is not None)
        if ref.mask_path is not None:
            mask = records[file_id(root, ref.mask_path)]
            yield from _check_file(mask, masked=False)
            yield from _check_pair(ref, records[ref.id], mask)
        elif not ref.labelled:
            told = "without one nothing says whether the image is nominal or anomalous"
            yield _problem(ProblemKind.MASK_MISSING, ref.id, told)
    yield from _check_missing_masks(category)
    yield from _check_duplicates(category, records)


def check_leftovers(dataset: Dataset) -> Iterator[Problem]:
    """Yield links that lead nowhere or in circles, and image files that no loader rule covers."""
    used = {file_id(dataset.root, path) for path in dataset_files(dataset)}
    for folder in _folders_to_walk(dataset):
        for parent, folders, files in os.walk(folder):
            folders[:] = sorted(each for each in folders if visible(Path(each)))
            here = Path(parent)
            for name in sorted(files + folders):
                if visible(Path(name)):
                    yield from _check_entry(here / name, dataset.root, used)


def dataset_files(dataset: Dataset) -> Iterator[Path]:
    """Yield every image and mask of a dataset."""
    for category in dataset.members.values():
        for ref in (*category.train, *category.test):
            yield ref.path
            if ref.mask_path is not None:
                yield ref.mask_path


def _check_file(record: FileRecord, *, masked: bool) -> Iterator[Problem]:
    for kind, detail in record.findings:
        if kind is ProblemKind.EXIF_ROTATED and masked:
            told = f"{detail}, but its mask is not rotated with it"
            yield _problem(kind, record.id, told, Severity.ERROR)
        else:
            yield _problem(kind, record.id, detail)


def _check_pair(ref: ImageRef, image: FileRecord, mask: FileRecord) -> Iterator[Problem]:
    if not mask.pixels:  # already reported as unreadable
        return
    if ref.anomalous and not mask.foreground:
        yield _problem(ProblemKind.MASK_EMPTY, mask.id, f"all zero, but {ref.id} is anomalous")
    if not ref.labelled:  # a mask that failed on loading and can be read now
        told = f"failed when the label of {ref.id} was read off it; try again"
        yield _problem(ProblemKind.UNREADABLE, mask.id, told)
    elif not ref.anomalous and mask.foreground:
        told = f"{mask.foreground} defective pixels, but {ref.id} is nominal"
        yield _problem(ProblemKind.MASK_ON_NOMINAL, mask.id, told)
    if image.pixels and (image.width, image.height) != (mask.width, mask.height):
        told = f"{mask.width}×{mask.height}, but its image is {image.width}×{image.height}"
        yield _problem(ProblemKind.MASK_SIZE, mask.id, told)


def _check_missing_masks(category: Category) -> Iterator[Problem]:
    by_defect: dict[str, list[ImageRef]] = defaultdict(list)
    for ref in (*category.train_anomalous, *category.test_anomalous):
        by_defect[ref.defect].append(ref)
    for defect, refs in by_defect.items():
        missing = [ref for ref in refs if ref.mask_path is None]
        if len(missing) == len(refs):
            told = f"none of the {len(refs)} images of '{defect}' has a mask: not localised"
            yield _problem(ProblemKind.MASK_MISSING, missing[0].id, told, Severity.WARNING)
            continue
        for ref in missing:
            told = f"{len(refs) - len(missing)} other images of '{defect}' have one"
            yield _problem(ProblemKind.MASK_MISSING, ref.id, told)


def _check_duplicates(category: Category, records: Mapping[str, FileRecord]) -> Iterator[Problem]:
    groups: dict[str, list[ImageRef]] = defaultdict(list)
    for ref in (*category.train, *category.test):
        if records[ref.id].pixels:
            groups[records[ref.id].pixels].append(ref)
    for refs in groups.values():
        if len(refs) > 1:
            yield from _check_group(refs, records)


def _check_group(refs: list[ImageRef], records: Mapping[str, FileRecord]) -> Iterator[Problem]:
    first, *others = refs  # training images come first
    for ref in others:
        same_bytes = records[ref.id].sha256 == records[first.id].sha256
        told = f"same {'bytes' if same_bytes else 'pixels'} as {first.id}"
        if first.split != ref.split:
            yield _problem(ProblemKind.TRAIN_TEST_LEAK, ref.id, told)
        labelled = first.labelled and ref.labelled
        if labelled and first.anomalous != ref.anomalous:
            yield _problem(ProblemKind.LABEL_CONFLICT, ref.id, told)
        if first.split == ref.split and first.anomalous == ref.anomalous:
            yield _problem(ProblemKind.DUPLICATE, ref.id, told)


def _folders_to_walk(dataset: Dataset) -> Iterable[Path]:
    for category in dataset.members.values():
        refs = (*category.train, *category.test)
        below = all(ref.id.startswith(f"{category.name}/") for ref in refs)
        folder = dataset.root / category.name
        yield folder if below and folder.is_dir() else dataset.root


def _check_entry(path: Path, root: Path, used: set[str]) -> Iterator[Problem]:
    name = file_id(root, path)
    if name in used:
        return
    finding = link_finding(path)
    if finding is not None:
        yield _problem(finding[0], name, finding[1])
    elif path.is_dir():
        if path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve()):
            yield _problem(ProblemKind.LINK_LOOP, name, "a link to a folder that holds it")
    elif is_image_name(path):
        yield _problem(ProblemKind.UNUSED, name, "an image where the layout has none")
