"""The contract of `methods.base` as tests that run on anybody's class."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.errors import ContractError
from ..datasets.images import ImageSet
from .backbones import LITE0, parse_backbone
from .base import Context, Method, Scores
from .checkdata import write_sets
from .checkstate import global_state, one_thread, put_back
from .culprit import place_of
from .features import FeatureProvider
from .registry import method_class, split_variant
from .settings import PAPER, field_types, make_settings, preset_image_size, preset_of
from .validate import validate_scores, validate_weights

# Sums in another order change the last digits; a method that looks at its batch changes more.
TOLERANCE = 1e-3
OBVIOUS = 0.9  # AUROC that an obvious defect must reach
LARGEST_SIDE = 128  # pixels; the check is about behaviour, not accuracy


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Outcome of one contract test.

    Attributes
    ----------
    name
        The property, in words.
    passed
        Whether it holds.
    detail
        One line: what was wrong, or what the test ran with.
    """

    name: str
    passed: bool
    detail: str = ""


def check_method(method: type[Method] | str) -> list[CheckResult]:
    """Run the contract tests on a method.

    The method runs on the CPU with its ``demo`` preset if it has one, else with its defaults, on
    28 small drawn images; if its class names a backbone, on the packaged EfficientNet-Lite0.

    Parameters
    ----------
    method
        A class, or a name as on the command line, also of a variant.

    Returns
    -------
    list of CheckResult
        One per test, in order. Tests that need a run are left out when the run fails.
    """
    cls = method_class(method) if isinstance(method, str) else method
    with tempfile.TemporaryDirectory() as folder, one_thread():
        variant = split_variant(method)[1] if isinstance(method, str) else ""
        trial = _Trial(cls, Path(folder), variant)
        results = [_run(name, test, trial) for name, test in _TESTS[:FIRST]]
        if all(result.passed for result in results):
            results += [_run(name, test, trial) for name, test in _TESTS[FIRST:]]
    return results


def _run(name: str, test: Callable[[_Trial], str], trial: _Trial) -> CheckResult:
    trial.phase = ""
    try:
        return CheckResult(name, True, test(trial))
    except ContractError as err:
        return CheckResult(name, False, str(err))
    except Exception as err:  # a method under test may fail in any way
        first_line = (str(err).splitlines() or [""])[0]
        place = place_of(err, trial.cls)
        where = f"{trial.phase} raised {type(err).__name__}{place and f' at {place}'}"
        return CheckResult(name, False, f"{where.lstrip()}: {first_line}")


class _Trial:
    """A method class, drawn images, and the runs made so far."""

    def __init__(self, cls: type[Method], folder: Path, variant: str = "") -> None:
        self.cls, self.variant = cls, variant
        self.preset = "demo" if "demo" in getattr(cls, "presets", {}) else PAPER
        self.changed: list[str] = []
        self.phase = ""  # the hook that runs; after an error the one that raised it
        size = min(preset_image_size(cls, self.preset, variant), LARGEST_SIDE)
        self.train, self.test, self.labels, self.masks = write_sets(folder, size)
        self.context = Context(
            device="cpu",
            features=FeatureProvider(parse_backbone(LITE0) if cls.backbone else None),
            seed_axes=("check", cls.__name__, 0),
        )

    def seeded(self, seed: int) -> Context:
        """Return the context under which a cell of this seed runs."""
        return replace(self.context, seed_axes=(*self.context.seed_axes[:-1], seed))

    def fitted(self, seed: int = 0) -> Method:
        """Return a new instance, fitted."""
        method = self.cls(make_settings(self.cls, self.preset, variant=self.variant)[0])
        context = self.seeded(seed)
        with self.watched("fit"):
            returned: Any = method.fit(self.train, context)
        if returned is not None:
            raise ContractError(f"fit returned {type(returned).__name__}, expected None")
        validate_weights(method.train_weights, len(self.train))
        return method

    @cached_property
    def method(self) -> Method:
        """The instance that most tests share."""
        return self.fitted()

    def scores(self, images: ImageSet, method: Method | None = None, seed: int = 0) -> Scores:
        """Score images and check what comes back."""
        method, context = method or self.method, self.seeded(seed)
        with self.watched("score"):
            raw = method.score(images, context)
        return validate_scores(raw, len(images), method.localises)[0]

    @cached_property
    def first(self) -> Scores:
        """The test set's scores by the shared instance."""
        return self.scores(self.test)

    @contextlib.contextmanager
    def watched(self, hook: str) -> Iterator[None]:
        """Note, and undo, what a hook does to global state."""
        before = global_state()
        self.phase = hook
        try:
            yield
            self.phase = ""
        finally:
            after = global_state()
            self.changed += [f"{hook} changed the {k}" for k in before if before[k] != after[k]]
            put_back(before)


def _check_class(trial: _Trial) -> str:
    cls = trial.cls
    for attribute in ("name", "title"):
        if not isinstance(getattr(cls, attribute, None), str) or not getattr(cls, attribute):
            raise ContractError(f"{cls.__qualname__}.{attribute} must be a text that is not empty")
    if int(cls.image_size) < 1 or float(cls.smoothing_sigma) < 0:
        raise ContractError("image_size must be positive and smoothing_sigma not negative")
    return f"{cls.__module__}:{cls.__qualname__}"


def _check_settings(trial: _Trial) -> str:
    unknown = set(trial.cls.content_settings) - set(field_types(trial.cls))
    if unknown:
        raise ContractError(f"content_settings names {sorted(unknown)}, expected settings")
    for preset in (PAPER, *trial.cls.presets):
        for variant in ("", *trial.cls.variants):
            make_settings(trial.cls, preset, variant=variant)
            if preset_image_size(trial.cls, preset, variant) < 1:
                raise ContractError(f"image_size of variant '{variant}' must be positive")
        preset_of(trial.cls, preset)
    variant = f", variant {trial.variant}" if trial.variant else ""
    return f"preset {trial.preset}{variant}, {trial.train.size} px"


def _check_run(trial: _Trial) -> str:
    shape = None if trial.first.maps is None else list(trial.first.maps.shape[1:])
    return f"maps {shape}" if shape else "no maps"


def _check_global_state(trial: _Trial) -> str:
    assert trial.first is not None
    if trial.changed:
        raise ContractError("; ".join(dict.fromkeys(trial.changed)))
    return ""


def _compare(given: Scores, expected: Scores, what: str) -> str:
    for field in ("image", "maps"):
        a, b = getattr(given, field), getattr(expected, field)
        if a is None or b is None:
            continue
        spread = max(float(np.ptp(b)), 1e-12)
        worst = float(np.abs(a - b).max()) / spread
        if a.shape != b.shape or worst > TOLERANCE:
            raise ContractError(f"Scores.{field} differs by {worst:.2g} of its range {what}")
    return ""


def _check_repeatable(trial: _Trial) -> str:
    return _compare(trial.scores(trial.test), trial.first, "when the same images are scored again")


def _check_deterministic(trial: _Trial) -> str:
    again = trial.scores(trial.test, trial.fitted())
    return _compare(again, trial.first, "when the same cell is run again")


def _check_claim(trial: _Trial) -> str:
    if not trial.cls.deterministic:
        return "not claimed"
    for seed, when in ((0, "when the same cell is run again"), (1, "with another seed")):
        method = trial.fitted(seed)
        found = trial.scores(trial.test, method, seed)
        pairs = {
            "Scores.image": (found.image, trial.first.image),
            "Scores.maps": (found.maps, trial.first.maps),
            "train_weights": (method.train_weights, trial.method.train_weights),
        }
        for what, (given, expected) in pairs.items():
            if not _same_bytes(given, expected):
                raise ContractError(
                    f"the class says deterministic = True, but {what} differs {when}: take the "
                    "claim back"
                )
    return "another seed gives the same bytes"


def _same_bytes(given: Any, expected: Any) -> bool:
    if given is None or expected is None:
        return given is expected
    return np.asarray(given).tobytes() == np.asarray(expected).tobytes()


def _check_batch(trial: _Trial) -> str:
    order = list(range(len(trial.test)))[::-1]
    parts = [trial.scores(trial.test.subset([i])) for i in order]
    maps = None if trial.first.maps is None else np.concatenate([p.maps for p in parts])[::-1]  # type: ignore[arg-type]
    alone = Scores(image=np.concatenate([p.image for p in parts])[::-1], maps=maps)
    return _compare(alone, trial.first, "when an image is scored alone")


def _check_direction(trial: _Trial) -> str:
    from sklearn.metrics import roc_auc_score

    auroc = float(roc_auc_score(trial.labels, trial.first.image))
    if auroc < OBVIOUS:
        hint = "; are the scores upside down?" if auroc < 0.5 else ""
        raise ContractError(
            f"image AUROC {auroc:.2f} on an obvious defect, expected {OBVIOUS}{hint}"
        )
    return f"image AUROC {auroc:.2f}"


def _check_maps(trial: _Trial) -> str:
    from PIL import Image

    if trial.first.maps is None:
        return "no maps"
    if trial.cls.gradient_maps:
        return "not tested: gradients may be lower on a flat defect than beside it"
    size = trial.test.size
    inside, outside = [], []
    for index in np.flatnonzero(trial.labels):
        image = Image.fromarray(trial.first.maps[index])
        full = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
        inside.append(full[trial.masks[index]].mean())
        outside.append(full[~trial.masks[index]].mean())
    if np.mean(inside) <= np.mean(outside):
        raise ContractError(
            f"maps are lower on an obvious defect ({np.mean(inside):.3g}) than beside it "
            f"({np.mean(outside):.3g}); transposed or upside down?"
        )
    return ""


def _check_without_maps(trial: _Trial) -> str:
    context = replace(trial.context, want_maps=False)
    with trial.watched("score"):
        raw = trial.method.score(trial.test, context)
    scores, _ = validate_scores(raw, len(trial.test), False)
    return _compare(scores, Scores(image=trial.first.image), "when no maps are wanted")


FIRST = 3  # without these three nothing else can be tested
_TESTS: tuple[tuple[str, Callable[[_Trial], str]], ...] = (
    ("the class has a name, a title and sound attributes", _check_class),
    ("settings are a frozen dataclass that presets and variants fit", _check_settings),
    ("fit and score run and return finite values of the right shape", _check_run),
    ("global state is left alone", _check_global_state),
    ("scoring twice gives the same scores", _check_repeatable),
    ("the same cell gives the same scores", _check_deterministic),
    ("a class that says deterministic = True draws nothing", _check_claim),
    ("an image's score does not depend on the others", _check_batch),
    ("an obvious defect scores higher", _check_direction),
    ("maps point at an obvious defect", _check_maps),
    ("scores are the same when no maps are wanted", _check_without_maps),
)
