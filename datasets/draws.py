"""A drawn training and test set, and the proof that nothing leaks from one into the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import DataError
from .protocols import NoiseProtocol
from .types import ImageRef

__all__ = ["NoisyDraw", "identical_train_test", "leak_check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyDraw:
    """Training and test images of one category at one noise level.

    Attributes
    ----------
    train
        In an order that does not tell injected images from nominal ones, and that keeps the
        relative order of images which two levels share.
    injected
        The anomalies among ``train``, in the order of injection.
    test
        In the category's order.
    level
        The level asked for, in percent.
    protocol
        The protocol drawn by.
    note
        Why the training set is not what the level alone would give; empty where it is.
    """

    train: tuple[ImageRef, ...]
    injected: tuple[ImageRef, ...]
    test: tuple[ImageRef, ...]
    level: float
    protocol: NoiseProtocol
    note: str

    @property
    def protocol_id(self) -> str:
        """Canonical text of the protocol with its parameters."""
        return self.protocol.protocol_id

    @property
    def n_train(self) -> int:
        """Number of training images."""
        return len(self.train)

    @property
    def n_injected(self) -> int:
        """Number of anomalies among them."""
        return len(self.injected)

    @property
    def effective(self) -> float:
        """True contamination ``n_injected / n_train``, in [0, 1]."""
        return self.n_injected / self.n_train


def leak_check(drawn: NoisyDraw, hashes: Mapping[str, str]) -> None:
    """Prove by content that no injected image is tested on; an overlapping protocol may do so.

    Parameters
    ----------
    drawn
        The draw.
    hashes
        Image id → sha256 of the file, for every image of the draw.

    Raises
    ------
    DataError
        An injected image, or a byte-identical copy of one, is in the test set; or a hash is
        missing.
    """
    if drawn.protocol.overlaps:
        return
    tested = {_hash(ref, hashes): ref for ref in drawn.test}
    for ref in drawn.injected:
        twin = tested.get(_hash(ref, hashes))
        if twin is not None:
            raise DataError(
                f"{ref.id}: injected into training and tested on as {twin.id}; "
                "remove the duplicate from the dataset or use the protocol overlap"
            )


def identical_train_test(drawn: NoisyDraw, hashes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the ids of every (training, test) pair of different images with the same content.

    An image that an overlapping protocol both injects and tests on is no pair.

    Raises
    ------
    DataError
        A hash is missing.
    """
    tested: dict[str, list[str]] = {}
    for ref in drawn.test:
        tested.setdefault(_hash(ref, hashes), []).append(ref.id)
    return [
        (ref.id, twin)
        for ref in drawn.train
        for twin in tested.get(_hash(ref, hashes), ())
        if twin != ref.id
    ]


def _hash(ref: ImageRef, hashes: Mapping[str, str]) -> str:
    if ref.id not in hashes:
        raise DataError(f"{ref.id}: no content hash given; expected one for every image drawn")
    return hashes[ref.id]
