"""The catalogue's entries: where each dataset comes from and what it should hold.

A published dataset is added here; a dataset of one's own needs no entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Layout(StrEnum):
    """How a dataset lies on disk."""

    MVTEC = "mvtec"
    KSDD2 = "ksdd2"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Number of images of one category."""

    train_nominal: int
    train_anomalous: int = 0
    test_nominal: int
    test_anomalous: int

    @property
    def total(self) -> int:
        """All images."""
        return sum(self.as_dict().values())

    def as_dict(self) -> dict[str, int]:
        """Return the fields as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A published archive.

    Attributes
    ----------
    url
        Where public loaders fetch it from.
    filename
        Name under which it is kept.
    sha256
        Of the archive, hexadecimal; it decides whether a download is accepted.
    size
        In bytes, or None where it is not known.
    """

    url: str
    filename: str
    sha256: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """A catalogue entry.

    Attributes
    ----------
    name, title
        On the command line; in tables.
    layout
        Which loader reads it.
    licence, citation, homepage
        What a user has to know before using it.
    folders
        Names that it is looked for under, below the data root; the first is where it is put.
    archive
        Where to get it, or None.
    counts
        Official number of images by category; empty where there is none.
    synthetic
        Whether ``datasets.synthetic`` draws it.
    """

    name: str
    title: str
    layout: Layout
    licence: str
    citation: str = ""
    homepage: str = ""
    folders: tuple[str, ...] = ()
    archive: Archive | None = None
    counts: Mapping[str, Counts] = field(default_factory=dict)
    synthetic: bool = False


def _mvtec_counts() -> dict[str, Counts]:
    # category: train / anomalous test / good test
    text = """bottle 209/63/20, cable 224/92/58, capsule 219/109/23, carpet 280/89/28,
        grid 264/57/21, hazelnut 391/70/40, leather 245/92/32, metal_nut 220/93/22,
        pill 267/141/26, screw 320/119/41, tile 230/84/33, toothbrush 60/30/12,
        transistor 213/40/60, wood 247/60/19, zipper 240/119/32"""
    counts = {}
    for entry in text.split(","):
        name, numbers = entry.split()
        train, anomalous, nominal = map(int, numbers.split("/"))
        counts[name] = Counts(train_nominal=train, test_nominal=nominal, test_anomalous=anomalous)
    return counts


_ENTRIES = (
    DatasetInfo(
        name="mvtec_ad",
        title="MVTec AD",
        layout=Layout.MVTEC,
        licence="CC BY-NC-SA 4.0 (no commercial use)",
        citation=(
            "P. Bergmann, K. Batzner, M. Fauser, D. Sattlegger, C. Steger: The MVTec Anomaly"
            " Detection Dataset, IJCV 129(4), 2021; P. Bergmann, M. Fauser, D. Sattlegger,"
            " C. Steger: MVTec AD, CVPR 2019"
        ),
        homepage="https://www.mvtec.com/research-teaching/datasets/mvtec-ad",
        folders=("mvtec_ad", "mvtec_anomaly_detection", "MVTec", "MVTecAD"),
        archive=Archive(
            url=(
                "https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download/"
                "420938113-1629960298/mvtec_anomaly_detection.tar.xz"
            ),
            filename="mvtec_anomaly_detection.tar.xz",
            sha256="cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
        ),
        counts=_mvtec_counts(),
    ),
    DatasetInfo(
        name="ksdd2",
        title="KolektorSDD2",
        layout=Layout.KSDD2,
        licence="CC BY-NC-SA 4.0 (no commercial use)",
        citation=(
            "J. Božič, D. Tabernik, D. Skočaj: Mixed supervision for surface-defect detection:"
            " from weakly to fully supervised learning, Computers in Industry 129, 2021"
        ),
        homepage="https://www.vicos.si/resources/kolektorsdd2/",
        folders=("ksdd2", "KolektorSDD2", "KSDD2"),
        archive=Archive(
            url="https://data.vicos.si/datasets/KSDD/KolektorSDD2.zip",
            filename="KolektorSDD2.zip",
            sha256="edcdb486809b24f1d17b785e30c52fafc5999554dd5fe18ddf77b61ceb6f36a8",
            size=853_126_555,
        ),
        counts={
            "ksdd2": Counts(
                train_nominal=2085, train_anomalous=246, test_nominal=894, test_anomalous=110
            )
        },
    ),
    DatasetInfo(
        name="folder",
        title="Your own images",
        layout=Layout.FOLDER,
        licence="yours",
    ),
    DatasetInfo(
        name="synthetic",
        title="Synthetic (MVTec AD layout)",
        layout=Layout.MVTEC,
        licence="Apache-2.0, drawn by adrepro",
        folders=("synthetic",),
        synthetic=True,
    ),
    DatasetInfo(
        name="synthetic_ksdd2",
        title="Synthetic (KolektorSDD2 layout)",
        layout=Layout.KSDD2,
        licence="Apache-2.0, drawn by adrepro",
        folders=("synthetic_ksdd2",),
        synthetic=True,
    ),
)

CATALOG: Mapping[str, DatasetInfo] = {entry.name: entry for entry in _ENTRIES}
