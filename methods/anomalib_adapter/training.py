"""Training by anomalib's engine on images in memory, without a trace of it outside."""

from __future__ import annotations

import contextlib
import logging
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anomalib.callbacks.checkpoint import ModelCheckpoint  # pyright: ignore[reportMissingImports]
from anomalib.data import ImageBatch  # pyright: ignore[reportMissingImports]
from anomalib.engine import Engine  # pyright: ignore[reportMissingImports]
from lightning.pytorch import Callback, LightningDataModule, Trainer  # pyright: ignore[reportMissingImports]
from torch.utils.data import DataLoader, TensorDataset
from torchvision.tv_tensors import Image, Mask
from tqdm import tqdm

from ...datasets.errors import ContractError
from ..seeding import seeded

Progress = Callable[[float, str], None]


class TrainingImages(LightningDataModule):
    """The training images of a cell; there are no others for a model to look at.

    Parameters
    ----------
    images
        ``uint8 [N, H, W, 3]``, RGB.
    batch_size
        Images per step.
    seed
        Of the order in which they come.
    """

    name, category = "images", ""  # anomalib's engine names its folder by these

    def __init__(self, images: np.ndarray, batch_size: int, seed: int) -> None:
        super().__init__()
        self.train_batch_size = self.eval_batch_size = batch_size
        # Contiguous, as decoders hand images over: some models reshape by view.
        self._images = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).contiguous()
        self._order = torch.Generator().manual_seed(seed)

    def train_dataloader(self) -> DataLoader:
        """Return the images in a new random order, values in [0, 1], every label nominal."""
        return DataLoader(
            TensorDataset(self._images),
            batch_size=self.train_batch_size,
            shuffle=True,
            generator=self._order,
            collate_fn=_batch,
        )


def _batch(items: list[tuple[torch.Tensor]]) -> ImageBatch:
    images = torch.stack([image for (image,) in items]).float() / 255
    return ImageBatch(
        image=Image(images),
        gt_label=torch.zeros(len(items), dtype=torch.bool),
        gt_mask=Mask(torch.zeros(len(items), *images.shape[-2:], dtype=torch.bool)),
    )


class _Report(Callback):
    """Tells the harness how far training has come."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        total = max(1, trainer.max_epochs or 1)
        done = trainer.current_epoch + 1
        self._progress(min(1.0, done / total), f"epoch {done}/{total}")


def train(
    model: Any,
    data: TrainingImages,
    *,
    device: str,
    epochs: int | None,
    progress: Progress,
) -> None:
    """Train a model by anomalib's engine; nothing is validated, kept or written.

    Parameters
    ----------
    model
        An instance of anomalib's class.
    data
        What it is trained on.
    device
        Torch device string.
    epochs
        Passes over the images; None for a model that sets its own number.
    progress
        Called with the share done and a text.

    Raises
    ------
    ContractError
        Training did not come to its end.
    KeyboardInterrupt
        Training was interrupted: Lightning would return as if it had ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(
            callbacks=[ModelCheckpoint(dirpath=folder, save_top_k=0), _Report(progress)],
            logger=False,
            default_root_dir=Path(folder),
            accelerator="gpu" if device.startswith("cuda") else "cpu",
            max_epochs=epochs,
            limit_val_batches=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            engine.fit(model, datamodule=data)  # type: ignore[arg-type]
        except SystemExit as err:
            raise KeyboardInterrupt from err
        if engine.trainer.interrupted:
            raise KeyboardInterrupt
        if not engine.trainer.state.finished:
            raise ContractError(f"anomalib's training ended as {engine.trainer.state.status}")


def on_device(model: type, device: str) -> type:
    """Return the class with the device that its trainer takes: anomalib would take the first."""
    devices: Any = [torch.device(device).index or 0] if device.startswith("cuda") else 1

    def trainer_arguments(self: Any) -> dict[str, Any]:
        return {**model.trainer_arguments.fget(self), "devices": devices}  # type: ignore[attr-defined]

    return type(
        model.__name__,
        (model,),
        {"trainer_arguments": property(trainer_arguments), "__module__": model.__module__},
    )


@contextlib.contextmanager
def contained(seed: int, device: str) -> Iterator[None]:
    """Seed every global generator and keep libraries silent inside the block; undo both after."""
    state, silenced, bar = random.getstate(), logging.root.manager.disable, tqdm.__init__
    logging.disable(logging.WARNING)
    random.seed(seed)
    tqdm.__init__ = partialmethod(bar, disable=True)  # type: ignore[method-assign, assignment]
    try:
        with warnings.catch_warnings(), seeded(seed, device):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)
        logging.disable(silenced)
        tqdm.__init__ = bar  # type: ignore[method-assign]
