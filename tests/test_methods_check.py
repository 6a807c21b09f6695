"""What a method returns is checked, and the contract check finds every breach."""

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from adrepro.datasets.errors import ContractError, UsageError
from adrepro.harness.cli import invoke
from adrepro.methods.base import Method, Scores, Variant
from adrepro.methods.check import check_method
from adrepro.methods.template import write_template
from adrepro.methods.validate import validate_scores

F32 = np.float32


def test_good_scores_pass_unchanged():
    """Values stay; other float types become float32."""
    image, maps = np.arange(3, dtype=np.float64), np.random.rand(3, 2, 2).astype(F32)
    scores, warnings = validate_scores(Scores(image=image, maps=maps), 3, True)
    assert scores.image.dtype == F32
    assert np.array_equal(scores.image, image)
    assert scores.maps is not None
    assert np.array_equal(scores.maps, maps)
    assert warnings == ()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, 2.0, 3.0], "returned list"),
        (Scores(image=[1.0, 2.0, 3.0]), r"Scores.image is list"),  # type: ignore[arg-type]
        (Scores(image=np.zeros(2, F32)), r"shape \[2\], expected \[3\]"),
        (Scores(image=np.zeros((3, 1), F32)), r"shape \[3, 1\], expected \[3\]"),
        (Scores(image=np.array([0, 1, 2])), "dtype int64"),
        (Scores(image=np.array([0.0, 1, None])), "dtype object"),
        (Scores(image=np.array([0, np.nan, np.inf], F32)), r"2 values .* first nan at \[1\]"),
        (Scores(image=np.array([0, 1e39, 2], np.float64)), "not finite"),
        (Scores(image=np.arange(3.0)), "Scores.maps is None"),
        (Scores(image=np.arange(3.0), maps=np.zeros((2, 4, 4))), r"expected \[3, any, any\]"),
        (Scores(image=np.arange(3.0), maps=np.zeros((3, 0, 4))), r"expected \[3, any, any\]"),
        (Scores(image=np.arange(3.0), maps=np.full((3, 2, 2), -np.inf)), "12 values"),
    ],
)
def test_bad_scores_are_named(scores, message):
    """Each breach is one line that names the hook and what was wrong."""
    with pytest.raises(ContractError, match=message) as caught:
        validate_scores(scores, 3, True)
    assert str(caught.value).startswith("score")
    assert "\n" not in str(caught.value)


def test_constant_scores_are_suspicious():
    """All scores equal is allowed, and said."""
    _, warnings = validate_scores(Scores(image=np.ones(3, F32)), 3, False)
    assert warnings == ("score: all 3 image scores are equal (1)",)


def test_maps_that_nobody_wants_are_dropped():
    """A method may return maps where none are expected."""
    both = Scores(image=np.arange(3.0), maps=np.zeros((3, 2, 2)))
    assert validate_scores(both, 3, False)[0].maps is None


class Good(Method):
    """Distance to the mean training image; the base of all bad methods below."""

    name, title, image_size = "good", "Good", 64

    def fit(self, train, context):
        self.mean = train.array().mean(axis=0)

    def score(self, images, context):
        maps = np.abs(images.array() - self.mean).mean(axis=3).astype(F32)
        return Scores(image=maps.max(axis=(1, 2)), maps=maps)


class NoTitle(Good):
    title = ""


class MutableSettings(Good):
    class Settings:
        pass


class BadPreset(Good):
    presets = {"quick": {"no_such_setting": 1}}  # noqa: RUF012


class BadVariant(Good):
    variants = {"none": Variant(title="None", settings={"no_such_setting": 1})}  # noqa: RUF012


class BadContent(Good):
    content_settings = ("no_such_setting",)


class WrongWeights(Good):
    def fit(self, train, context):
        super().fit(train, context)
        self.train_weights = np.full(len(train), 2.0, dtype=np.float32)


class FailsInFit(Good):
    def fit(self, train, context):
        raise RuntimeError("first line\nsecond line")


class ReturnsFromFit(Good):
    def fit(self, train, context):
        super().fit(train, context)
        return self


class WrongShape(Good):
    def score(self, images, context):
        return Scores(image=super().score(images, context).image[:-1])


class NotANumber(Good):
    def score(self, images, context):
        good = super().score(images, context)
        good.image[0] = np.nan
        return good


class WantsFeatures(Good):
    def fit(self, train, context):
        context.features.maps(train, (8,))


class SeedsNumpy(Good):
    def fit(self, train, context):
        np.random.seed(0)
        super().fit(train, context)


class SeedsTorch(Good):
    def score(self, images, context):
        torch.manual_seed(0)
        return super().score(images, context)


class SeedsPython(Good):
    def fit(self, train, context):
        random.random()
        super().fit(train, context)


class ChangesFolder(Good):
    def fit(self, train, context):
        os.chdir("/")
        super().fit(train, context)


class ChangesThreads(Good):
    def fit(self, train, context):
        torch.set_num_threads(3)
        super().fit(train, context)


class ChangesDtype(Good):
    def score(self, images, context):
        torch.set_default_dtype(torch.float64)
        return super().score(images, context)


class Forgetful(Good):
    def score(self, images, context):
        self.mean = self.mean + 30
        return super().score(images, context)


class Unseeded(Good):
    def fit(self, train, context):
        super().fit(train, context)
        self.mean = self.mean + np.random.default_rng().normal(0, 20, self.mean.shape)


class Draws(Good):
    """By the cell's seed, as a method should; but it says that it does not draw."""

    deterministic = True

    def fit(self, train, context):
        super().fit(train, context)
        self.mean = self.mean + np.random.default_rng(context.seed("noise")).normal(
            0, 1e-3, self.mean.shape
        )


class DrawsWeights(Good):
    deterministic = True

    def fit(self, train, context):
        super().fit(train, context)
        self.train_weights = np.random.default_rng(context.seed("weights")).random(
            len(train), dtype=F32
        )


class DrawsUnseeded(Good):
    """So little that the same cell may pass for giving the same scores."""

    deterministic = True

    def fit(self, train, context):
        super().fit(train, context)
        self.mean = self.mean + np.random.default_rng().normal(0, 1e-4, self.mean.shape)


class DrawsNothing(Good):
    deterministic = True


class LooksAtBatch(Good):
    def score(self, images, context):
        good = super().score(images, context)
        return Scores(image=good.image / good.image.max(), maps=good.maps)


class UpsideDown(Good):
    def score(self, images, context):
        good = super().score(images, context)
        return Scores(image=-good.image, maps=good.maps)


class InvertedMaps(Good):
    def score(self, images, context):
        good = super().score(images, context)
        assert good.maps is not None
        return Scores(image=good.image, maps=-good.maps)


class OtherWithoutMaps(Good):
    def score(self, images, context):
        good = super().score(images, context)
        return good if context.want_maps else Scores(image=good.image[::-1].copy())


def failures(cls):
    return {r.name: r.detail for r in check_method(cls) if not r.passed}


def test_a_good_method_passes():
    """The base of the bad methods breaks nothing."""
    results = check_method(Good)
    assert len(results) == 11
    assert all(result.passed for result in results), results
    assert "not claimed" in [result.detail for result in results]


def test_a_true_claim_of_drawing_nothing_passes():
    """The base draws nothing, and may say so."""
    results = check_method(DrawsNothing)
    assert all(result.passed for result in results), results
    assert "another seed gives the same bytes" in [result.detail for result in results]


@pytest.mark.parametrize(
    ("cls", "test", "detail"),
    [
        (NoTitle, "name, a title", "NoTitle.title"),
        (MutableSettings, "frozen dataclass", "must be a frozen dataclass"),
        (BadPreset, "presets and variants", "no_such_setting"),
        (BadVariant, "presets and variants", "no_such_setting"),
        (BadContent, "presets and variants", "no_such_setting"),
        (WrongWeights, "fit and score run", "train_weights holds"),
        (FailsInFit, "fit and score run", "fit raised RuntimeError at test_methods_check.py:"),
        (ReturnsFromFit, "fit and score run", "fit returned ReturnsFromFit"),
        (WrongShape, "fit and score run", "expected [12]"),
        (NotANumber, "fit and score run", "not finite"),
        (WantsFeatures, "fit and score run", "names no backbone"),
        (SeedsNumpy, "global state", "fit changed the random numbers of numpy"),
        (SeedsTorch, "global state", "score changed the random numbers of torch"),
        (SeedsPython, "global state", "fit changed the random numbers of Python"),
        (ChangesFolder, "global state", "fit changed the working folder"),
        (ChangesThreads, "global state", "fit changed the number of torch threads"),
        (ChangesDtype, "global state", "score changed the default dtype of torch"),
        (Forgetful, "scoring twice", "scored again"),
        (Unseeded, "same cell", "run again"),
        (Draws, "deterministic = True", "Scores.image differs with another seed: take the claim"),
        (DrawsWeights, "deterministic = True", "train_weights differs with another seed"),
        (DrawsUnseeded, "deterministic = True", "Scores.image differs when the same cell is run"),
        (LooksAtBatch, "does not depend on the others", "scored alone"),
        (UpsideDown, "obvious defect scores higher", "upside down"),
        (InvertedMaps, "maps point", "maps are lower"),
        (OtherWithoutMaps, "no maps are wanted", "no maps are wanted"),
    ],
)
def test_every_breach_is_found(cls, test, detail):
    """A method that breaks one rule fails the test of that rule, with a reason."""
    folder, threads = Path.cwd(), torch.get_num_threads()
    found = failures(cls)
    matching = [text for name, text in found.items() if test in name]
    assert len(matching) == 1, found
    assert detail in matching[0]
    assert (Path.cwd(), torch.get_num_threads()) == (folder, threads)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("name", ["patchcore", "differnet"])
def test_builtin_methods_keep_the_contract(name):
    """The built-in methods pass the tests that anybody's must."""
    assert failures(name) == {}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_template_passes_its_own_check(here, capsys):
    """``methods new`` writes a short method that ``methods check`` accepts as it is."""
    assert invoke(["methods", "new", "my-first_method"]) == 0
    assert "reproduce methods check my_first_method:MyFirstMethod" in capsys.readouterr().out
    assert len((here / "my_first_method.py").read_text().splitlines()) < 45
    assert invoke(["methods", "check", "my_first_method:MyFirstMethod"]) == 0
    assert capsys.readouterr().out.count("ok  ") == 11


def test_template_overwrites_nothing(here):
    """An existing file stays as it is; a name that is no name is refused."""
    path, _ = write_template("mine", here)
    path.write_text("precious")
    with pytest.raises(UsageError, match="File exists"):
        write_template("mine", here)
    assert path.read_text() == "precious"
    for bad in ("1st", "../x", "Mine", ""):
        with pytest.raises(UsageError, match="expected lower-case"):
            write_template(bad, here)


def test_check_command_says_what_failed(here, capsys):
    """A broken method makes exit code 1 and one line on stderr."""
    (here / "upside_down_plugin.py").write_text(
        "from adrepro.methods.base import Method, Scores\n"
        "class Mine(Method):\n"
        "    name, title, localises, image_size = 'm', 'M', False, 32\n"
        "    def fit(self, train, context): pass\n"
        "    def score(self, images, context):\n"
        "        return Scores(image=-images.array().mean(axis=(1, 2, 3)).astype('f4'))\n"
    )
    assert invoke(["methods", "check", "upside_down_plugin:Mine"]) == 1
    captured = capsys.readouterr()
    assert "FAIL  an obvious defect scores higher" in captured.out
    assert captured.err.count("\n") == 1
    assert "breaks the contract" in captured.err


def test_list_keeps_names_whole(capsys, monkeypatch):
    """In 80 columns every method, variant and backbone stands on one line, and none is cut."""
    from adrepro.methods.registry import all_methods

    monkeypatch.setenv("COLUMNS", "80")
    assert invoke(["methods", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for info in all_methods():
        (own, paper) = (line for line in lines if line.split()[:1] == [info.name])
        assert own.split()[1] == (info.backbone or "none")
        assert info.paper.startswith(" ".join(paper.split()[1:]))
        for variant in info.variants:
            assert sum(line.split()[:1] == [f"{info.name}@{variant}"] for line in lines) == 1


def test_list_command(capsys):
    """Both listings name every method; JSON carries settings and departures."""
    import json

    assert invoke(["methods", "list"]) == 0
    assert "patchcore" in capsys.readouterr().out
    assert invoke(["methods", "list", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert found["patchcore"]["settings"]["coreset_fraction"] == 0.1
    assert found["differnet"]["departures"]
