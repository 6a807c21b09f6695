"""Compare a copy of a dataset with what it should be: official counts, or recorded hashes."""

from __future__ import annotations

from dataclasses import dataclass

from .catalog import Counts, DatasetInfo
from .manifest import Manifest
from .types import Category, Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One departure from what was expected.

    Attributes
    ----------
    kind
        ``"missing"``, ``"extra"`` or ``"changed"``.
    where
        A category, with the split where counts are compared, or a file id.
    detail
        What was found and what was expected.
    """

    kind: str
    where: str
    detail: str

    def line(self) -> str:
        """Return the difference as one line of text."""
        return f"{self.where}: {self.kind}: {self.detail}"


def count(category: Category) -> Counts:
    """Count a category's images as the catalogue does."""
    return Counts(
        train_nominal=len(category.train_nominal),
        train_anomalous=len(category.train_anomalous),
        test_nominal=len(category.test_nominal),
        test_anomalous=len(category.test_anomalous),
    )


def verify_counts(dataset: Dataset, info: DatasetInfo) -> list[Difference]:
    """Compare the number of images per category and split with the official ones.

    Parameters
    ----------
    dataset
        All categories that are there.
    info
        The catalogue's entry; one without official counts gives no difference.
    """
    found: list[Difference] = []
    for name, official in info.counts.items():
        if name not in dataset.members:
            told = f"no such category, {official.total} images expected"
            found.append(Difference(kind="missing", where=name, detail=told))
            continue
        have = count(dataset.members[name])
        for split, expected in official.as_dict().items():
            got = have.as_dict()[split]
            if got != expected:
                kind = "missing" if got < expected else "extra"
                told = f"{got} images, {expected} expected"
                found.append(Difference(kind=kind, where=f"{name} {split}", detail=told))
    for member in dataset.members.values():
        for ref in (*member.train, *member.test):
            if not ref.labelled:
                told = "its mask is missing or unreadable, so it has no label"
                found.append(Difference(kind="missing", where=ref.id, detail=told))
    if info.counts:
        for name in dataset.categories:
            if name not in info.counts:
                told = "not a category of the official dataset"
                found.append(Difference(kind="extra", where=name, detail=told))
    return found


def verify_manifest(manifest: Manifest, recorded: dict[str, str]) -> list[Difference]:
    """Compare a fresh scan of a whole dataset with recorded hashes.

    Parameters
    ----------
    manifest
        The scan.
    recorded
        sha256 by file id, as `read_manifest` returns it.
    """
    found: list[Difference] = []
    for name in sorted(recorded.keys() | manifest.records.keys()):
        if name not in manifest.records:
            found.append(Difference(kind="missing", where=name, detail="recorded, not there"))
        elif name not in recorded:
            found.append(Difference(kind="extra", where=name, detail="there, not recorded"))
        elif manifest.records[name].sha256 != recorded[name]:
            got = manifest.records[name].sha256[:12] or "unreadable"
            told = f"sha256 {got}…, {recorded[name][:12]}… recorded"
            found.append(Difference(kind="changed", where=name, detail=told))
    return found
