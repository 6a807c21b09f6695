"""Toy methods that tune and that train together, named in tests as ``toys_tuning:Class``."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from adrepro.methods.base import Method, Scores, TuningResult
from toys import PixelMean


def note(path: str, text: str) -> None:
    """Append a line to a file that a test reads; nothing without a path."""
    if path:
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(text + "\n")


@dataclass(frozen=True)
class TunedSettings:
    """Where calls are written down, and at which level tuning goes wrong, in percent."""

    power: float = 2.0
    calls: str = ""
    oracle: bool = False
    raises_at: float = -1.0
    dies_at: float = -1.0
    waits_at: float = -1.0
    while_file: str = ""
    returns: str = "good"


class Tuned(PixelMean):
    """Chooses its power from the images it may see."""

    name = "toy-tuned"
    title = "Tuned"
    Settings = TunedSettings

    def wants_tuning(self):
        return True

    def wants_oracle(self):
        return self.settings.oracle

    def tune(self, sets, seed):
        level = float(sets[0].context.seed_axes[2])
        saw = [len(s.oracle.images) if s.oracle else 0 for s in sets]
        labels = [int(s.oracle.labels.sum()) if s.oracle else 0 for s in sets]
        note(self.settings.calls, f"tune {level:g} {saw} {labels} {time.time()}")
        if level == self.settings.waits_at:
            while Path(self.settings.while_file).exists():
                time.sleep(0.02)
        if level == self.settings.raises_at:
            raise RuntimeError("no optimum\nsecond line")
        if level == self.settings.dies_at:
            os.kill(os.getpid(), 9)
        if self.settings.returns == "nan":
            return TuningResult(chosen={"power": float("nan")}, objective="nothing", trials=({},))
        spread = np.mean([s.train.array().std() for s in sets])
        trials = tuple({"power": p, "value": float(abs(p - spread / 5))} for p in (1.0, 2.0, 3.0))
        best = min(trials, key=lambda trial: trial["value"])
        # The low bits of both seeds, so that a test can see which ones came.
        chosen = {"power": best["power"], "tuning_seed": seed % 2**20}
        chosen |= {f"seed{i}": s.context.seed("init") % 2**20 for i, s in enumerate(sets)}
        note(self.settings.calls, f"tuned {level:g} {time.time()}")
        return TuningResult(chosen=chosen, objective="distance to the spread, less is better",
                            trials=trials)  # fmt: skip

    def use_tuning(self, chosen):
        self.power = chosen["power"]

    def score(self, images, context):
        distance = np.abs(images.array() - self.mean).mean(axis=3) ** self.power
        maps = distance.astype(np.float32)
        return Scores(image=maps.max(axis=(1, 2)), maps=maps if context.want_maps else None)


@dataclass(frozen=True)
class StackedSettings:
    """What goes wrong, and where: ``stack`` or the number of a seed."""

    calls: str = ""
    raises: str = ""
    dies: str = ""
    waits: str = ""
    nan_seed: int = -1


class Stacked(Method):
    """A linear autoencoder, all cells of a stack in the same batched products."""

    name = "toy-stacked"
    title = "Stacked"
    image_size = 32
    localises = False
    stacks = True
    Settings = StackedSettings

    def fit(self, train, context):
        note(self.settings.calls, "fit 1")
        if self.settings.raises == str(context.seed_axes[-1]):
            raise RuntimeError("this one alone")
        self._train([self], [train], [context])

    @classmethod
    def fit_stack(cls, methods, trains, contexts):
        settings = methods[0].settings
        note(settings.calls, f"fit {len(methods)}")
        while settings.waits and Path(settings.waits).exists():
            time.sleep(0.02)
        if settings.dies == "stack":
            os.kill(os.getpid(), 9)
        if settings.raises == "stack":
            raise RuntimeError("too much at once\nsecond line")
        print(f"{len(methods)} together")
        cls._train(methods, trains, contexts)

    @staticmethod
    def _train(methods, trains, contexts):
        x_KNP = torch.stack([torch.from_numpy(_pixels(train)) for train in trains])
        draws = [torch.Generator().manual_seed(c.seed("init")) for c in contexts]
        shape = (x_KNP.shape[2], 8)
        w_KPR = torch.stack([torch.randn(shape, generator=g) / 55 for g in draws])
        for _ in range(30):
            code_KNR = torch.bmm(x_KNP, w_KPR)
            error_KNP = torch.bmm(code_KNR, w_KPR.transpose(1, 2)) - x_KNP
            gradient_KPR = torch.bmm(error_KNP.transpose(1, 2), code_KNR)
            w_KPR = w_KPR - 0.02 * gradient_KPR / x_KNP.shape[1]
        for method, w_PR in zip(methods, w_KPR, strict=True):
            method.w_PR = w_PR

    def score(self, images, context):
        x_NP = torch.from_numpy(_pixels(images))
        # Each image by itself: products of other shapes may be summed in another order.
        errors = [((x @ self.w_PR) @ self.w_PR.T - x).square().mean() for x in x_NP]
        scores = torch.stack(errors).numpy()
        bad = self.settings.nan_seed == context.seed_axes[-1]
        return Scores(image=scores * np.nan if bad else scores)


class StackedTuned(Stacked):
    """Tunes, too; what is chosen changes nothing but must be there."""

    name = "toy-stacked-tuned"
    title = "Stacked and tuned"

    def wants_tuning(self):
        return True

    def tune(self, sets, seed):
        return TuningResult(chosen={"a": 1}, objective="none", trials=({"value": 0.0},))

    def use_tuning(self, chosen):
        self.chosen = chosen


class Together(Stacked):
    """Without a stack of its own: the contract's default."""

    name = "toy-together"
    title = "Together"

    fit_stack = classmethod(Method.fit_stack.__func__)


def _pixels(images) -> np.ndarray:
    """Return centred pixels, ``float32 [N, P]``."""
    flat = images.array().astype(np.float32)[:, ::2, ::2].reshape(len(images), -1)
    return (flat - 120) / 60
