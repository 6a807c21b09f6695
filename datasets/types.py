"""The nouns of the lowest room: an image reference, a category and a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Split = Literal["train", "test"]
GOOD = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """One image of a dataset, on disk; pixels are read only when asked for.

    Attributes
    ----------
    id
        Posix path below the dataset's root, unique in the dataset and the same on every machine.
    split
        Where the official split puts it.
    defect
        ``"good"`` for a nominal image, else the defect type.
    path
        The image file.
    mask_path
        The ground-truth mask, or None: for a nominal image an all-zero mask is meant, for an
        anomalous one that its defect is not localised.
    labelled
        False where ``defect`` is to be read off a mask that is missing or unreadable; such an
        image counts as nominal until then, and every scan reports it as an error.
    """

    id: str
    split: Split
    defect: str
    path: Path
    mask_path: Path | None = None
    labelled: bool = True

    @property
    def anomalous(self) -> bool:
        """Whether the image shows a defect, by the official label."""
        return self.defect != GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """All images of one category (a class of MVTec AD, or a whole single-class dataset).

    ``train`` and ``test`` are sorted by id. ``train`` may hold anomalous images (KolektorSDD2);
    they are never trained on as they are: label noise draws from them.
    """

    dataset: str
    name: str
    train: tuple[ImageRef, ...]
    test: tuple[ImageRef, ...]

    @property
    def train_nominal(self) -> tuple[ImageRef, ...]:
        """Nominal training images."""
        return tuple(ref for ref in self.train if not ref.anomalous)

    @property
    def train_anomalous(self) -> tuple[ImageRef, ...]:
        """Anomalous images of the official training split (KolektorSDD2 has some)."""
        return tuple(ref for ref in self.train if ref.anomalous)

    @property
    def test_nominal(self) -> tuple[ImageRef, ...]:
        """Nominal test images."""
        return tuple(ref for ref in self.test if not ref.anomalous)

    @property
    def test_anomalous(self) -> tuple[ImageRef, ...]:
        """Anomalous test images."""
        return tuple(ref for ref in self.test if ref.anomalous)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset that lies on disk.

    Attributes
    ----------
    name
        Registered name, e.g. ``"mvtec_ad"``.
    root
        The folder that holds it.
    categories
        In the order the papers print them where the dataset is a published one, else sorted.
    synthetic
        Whether the images are drawn by ``datasets.synthetic``; a report made from such a dataset
        says so and never sets its numbers beside a paper's.
    """

    name: str
    root: Path
    categories: tuple[str, ...]
    synthetic: bool = False
    members: dict[str, Category] = field(default_factory=dict, repr=False)

    def category(self, name: str) -> Category:
        """Return a category by name, to work with it.

        Raises
        ------
        UnknownNameError
            There is none of that name.
        DataError
            Its training or its test split is empty. Loading does not raise for that, so that an
            empty category disturbs nobody who does not use it, and a scan can list it.
        """
        from .layout import require_images

        if name not in self.members:
            from .errors import UnknownNameError

            raise UnknownNameError(f"category of {self.name}", name, self.categories)
        return require_images(self.members[name], self.root)
