"""MeDS' first stage: scores against random memories, the cut, and methods behind the filter."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import make_context
from PIL import Image

from adrepro.datasets.catalog import open_dataset
from adrepro.datasets.errors import UsageError
from adrepro.datasets.images import ImageSet, file_sha256
from adrepro.datasets.noise import draw, parse_protocol
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.check import check_method
from adrepro.methods.checkdata import draw as draw_image
from adrepro.methods.differnet.method import DifferNet
from adrepro.methods.features import FeatureProvider
from adrepro.methods.meds import bootstrap
from adrepro.methods.meds.bootstrap import image_scores, patch_scores, select
from adrepro.methods.meds.method import (
    MedsDifferNet,
    MedsDifferNetSettings,
    MedsPatchCore,
    MedsPatchCoreSettings,
)
from adrepro.methods.patchcore.method import PatchCore, PatchCoreSettings
from adrepro.methods.settings import make_settings

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
CUTS = ("relaxed", "median", "mad")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def naive_patch_scores(tokens, draws):
    """The definition, patch by patch in double precision; memories of one's own left out."""
    unit = tokens / np.linalg.norm(tokens, axis=2, keepdims=True)
    scores = np.zeros(tokens.shape[:2])
    for image, patches in enumerate(unit):
        for place, patch in enumerate(patches):
            found = [
                min(1 - patch @ other for member in memory for other in unit[member])
                for memory in draws
                if image not in memory
            ]
            scores[image, place] = np.mean(found)
    return scores


@pytest.mark.parametrize("block", [2**24, 30])
def test_patch_scores_are_the_naive_ones(monkeypatch, block):
    """Distances to single images, shared by all memories and made in blocks, change nothing."""
    monkeypatch.setattr(bootstrap, "BLOCK", block)
    tokens = torch.randn(9, 4, 5, generator=generator(1))
    draws = torch.randint(9, (15, math.ceil(0.3 * 9)), generator=generator(2)).tolist()
    found = patch_scores(tokens, generator(2), memories=15, share=0.3)
    expected = naive_patch_scores(tokens.double().numpy(), draws)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_own_patches_do_not_count():
    """An image orthogonal to all others scores exactly 1, however often it is drawn itself."""
    tokens = torch.randn(10, 3, 6, generator=generator(3))
    tokens[:, :, 5] = 0
    tokens[4] = torch.eye(6)[5] * 3
    scores = patch_scores(tokens, generator(), memories=40, share=0.2)
    torch.testing.assert_close(scores[4], torch.ones(3))
    assert float(scores[:4].max()) < 1


def test_length_of_tokens_does_not_matter():
    """Cosine distances: scaling every patch by its own factor changes no score."""
    tokens = torch.randn(8, 4, 6, generator=generator(4))
    factors = torch.rand(8, 4, 1, generator=generator(5)) + 0.1
    expected = patch_scores(tokens, generator())
    torch.testing.assert_close(patch_scores(tokens * factors, generator()), expected)


@pytest.mark.parametrize(("count", "share"), [(1, 0.1), (5, 1.0)])
def test_nothing_to_compare_with(count, share):
    """Where an image is in every memory there is no score, and that is said."""
    with pytest.raises(UsageError, match=f"drawn from {count} training images"):
        patch_scores(torch.randn(count, 2, 3), generator(), memories=1, share=share)


@pytest.mark.parametrize(("top", "count"), [(0.01, 1), (0.1, 5), (1.0, 50)])
def test_image_score_is_the_mean_of_the_top(top, count):
    """The mean of the highest share of the patches, of one patch at least."""
    patches = torch.rand(6, 50, generator=generator())
    expected = np.sort(patches.numpy(), axis=1)[:, ::-1][:, :count].mean(axis=1)
    np.testing.assert_allclose(image_scores(patches, top), expected, rtol=1e-6)


scores_of_images = st.lists(
    st.floats(0, 2, width=16).map(lambda x: round(x, 2)), min_size=1, max_size=60
)


@settings(max_examples=200, deadline=None)
@given(scores_of_images, st.sampled_from(CUTS), st.floats(0, 4))
def test_every_cut_keeps_the_cleaner_half(values, cut, factor):
    """At least half is kept, nothing kept scores above anything removed, and scale is free."""
    scores = np.array(values, dtype=np.float32)
    kept = select(scores, cut, factor)
    assert 2 * kept.sum() >= len(scores)
    assert kept.all() or scores[kept].max() < scores[~kept].min()
    assert (kept | ~select(scores, "median")).all()
    assert np.array_equal(select(scores * 4, cut, factor), kept)


def test_median_cut_keeps_half():
    """Of different scores exactly half are kept, rounded up."""
    for count in (1, 2, 7, 100):
        scores = np.random.default_rng(count).permutation(count)
        assert np.array_equal(select(scores, "median"), scores < (count + 1) // 2)


def planted(share, seed):
    """A hundred scores, of which a share belongs to anomalous images and is clearly higher."""
    rng = np.random.default_rng(seed)
    bad = np.arange(100) < round(100 * share)
    return np.where(bad, rng.normal(2, 0.2, 100), rng.normal(1, 0.1, 100)), bad


@pytest.mark.parametrize("seed", range(5))
def test_half_contaminated_scores_are_cut_in_the_gap(seed):
    """At 45 % the relaxed cut removes the anomalous, Q3 + 1.5 · IQR none, median + 3 · MAD some."""
    scores, bad = planted(0.45, seed)
    removed = ~select(scores, "relaxed")
    assert removed[bad].mean() > 0.95
    assert removed[~bad].mean() < 0.25
    low, high = np.quantile(scores, [0.25, 0.75])
    assert not (scores > high + 1.5 * (high - low)).any()
    assert (~select(scores, "mad"))[bad].mean() < removed[bad].mean()


def test_clean_scores_lose_little():
    """Without anomalies the relaxed cut removes a tenth at most, averaged; the median cut half."""
    lost = [(~select(planted(0.0, seed)[0], "relaxed")).mean() for seed in range(40)]
    assert np.mean(lost) < 0.1


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


@pytest.fixture(scope="module")
def contaminated(tmp_path_factory):
    """Twenty checkerboards, eight of them, the last ones, with a blot of coarse random colours."""
    folder, rng, paths = tmp_path_factory.mktemp("board"), np.random.default_rng(0), []
    for index in range(20):
        pixels, mask = draw_image(rng, 64, defect=index >= 12)
        blot = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
        pixels[mask] = blot[mask]
        paths.append(Path(folder, f"{index}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return ImageSet(paths, [file_sha256(path) for path in paths], 64)


SMALL = {"strides": (8, 16), "layer_dim": 32, "dim": 32, "coreset_fraction": 1.0}


def test_training_anomalies_are_still_found(contaminated, provider):
    """Filtered out they score above all others; with nothing filtered they score zero."""
    context = make_context(provider)
    method = MedsPatchCore(MedsPatchCoreSettings(**SMALL, meds_stride=8))
    method.fit(contaminated, context)
    assert method.train_weights.dtype == np.float32
    assert not method.train_weights[12:].any()
    assert method.train_weights[:12].sum() >= 10
    scores = method.score(contaminated, context).image
    assert scores[12:].min() > 2 * scores[:12].max()
    plain = PatchCore(PatchCoreSettings(**SMALL))
    plain.fit(contaminated, context)
    assert plain.score(contaminated, context).image.max() == 0


def test_the_method_behind_sees_what_was_kept(contaminated, provider):
    """Scores and maps are those of PatchCore on the kept images, in their order."""
    context = make_context(provider)
    method = MedsPatchCore(MedsPatchCoreSettings(**SMALL | {"coreset_fraction": 0.1}))
    method.fit(contaminated, context)
    kept = np.flatnonzero(method.train_weights).tolist()
    plain = PatchCore(PatchCoreSettings(**SMALL | {"coreset_fraction": 0.1}))
    plain.fit(contaminated.subset(kept), context)
    found, expected = method.score(contaminated, context), plain.score(contaminated, context)
    np.testing.assert_array_equal(found.image, expected.image)
    np.testing.assert_array_equal(found.maps, expected.maps)


def test_differnet_behind_the_filter(contaminated, provider):
    """It trains on the kept images alone, of any number, and localises only if told to."""
    changes = {"epochs": "2", "hidden": "8", "blocks": "1", "localise": "false", "meds_stride": "8"}
    chosen = make_settings(MedsDifferNet, "demo", overrides=changes)[0]
    context, method = make_context(provider), MedsDifferNet(chosen)
    assert not method.localises
    method.fit(contaminated, context)
    plain = DifferNet(chosen)
    plain.fit(contaminated.subset(np.flatnonzero(method.train_weights).tolist()), context)
    expected = plain.score(contaminated, context).image
    np.testing.assert_array_equal(method.score(contaminated, context).image, expected)
    assert method.train_weights[12:].sum() == 0 < method.train_weights[:12].sum() < 13


def test_the_seed_decides_the_memories(contaminated, provider):
    """The same seed gives the same suspicion, another seed other memories."""
    method = MedsPatchCore(MedsPatchCoreSettings(meds_memories=10))
    found = [method._suspicion(contaminated, make_context(provider, s)) for s in (0, 0, 1)]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_defaults():
    """MeDS' published values, and the inner methods' own beside them."""
    s = MedsPatchCoreSettings()
    assert (s.meds_memories, s.meds_share, s.meds_top, s.meds_factor) == (100, 0.1, 0.01, 3.0)
    assert (s.coreset_fraction, s.dim) == (0.1, 1024)
    assert MedsDifferNetSettings().epochs == 240
    assert MedsDifferNet().strides() == (16,)
    assert MedsPatchCore(MedsPatchCoreSettings(strides=(8, 32))).strides() == (8, 16, 32)


@pytest.mark.parametrize(("cls", "inner"), [(MedsPatchCore, PatchCore), (MedsDifferNet, DifferNet)])
def test_settings_are_the_inner_ones_and_the_filters(cls, inner):
    """A cell's key holds the filter's settings beside all those of the method behind it."""
    chosen, text = make_settings(cls, "quick", overrides={"meds_cut": "median"})
    document, bare = json.loads(text), json.loads(make_settings(inner, "quick")[1])
    assert chosen.meds_cut == document["meds_cut"] == "median"
    assert {key: document[key] for key in bare} == bare
    assert all(key.startswith("meds_") for key in document.keys() - bare.keys())
    assert len(document) - len(bare) == 6


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("meds_cut", "iqr"),
        ("meds_share", "0"),
        ("meds_top", "1.5"),
        ("meds_memories", "0"),
        ("meds_factor", "-1"),
        ("coreset_fraction", "0"),
    ],
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line, those of the method behind included."""
    with pytest.raises(UsageError, match=key):
        make_settings(MedsPatchCore, "paper", overrides={key: value})


@pytest.mark.parametrize("name", ["meds-patchcore", "meds-differnet"])
def test_keeps_the_contract(name):
    """Every contract test passes, whatever method is behind the filter."""
    assert [r for r in check_method(name) if not r.passed] == []


@pytest.mark.skipif(not (DATA / "mvtec_ad").is_dir(), reason="no real images beside the repository")
@pytest.mark.parametrize(("level", "lost"), [(0, 0.2), (50, 0.1)])
def test_filter_on_real_bottles(provider, level, lost):
    """Packaged weights, 256 pixels: nearly every broken bottle goes, most whole ones stay."""
    bottle = open_dataset("mvtec_ad", DATA, categories=("bottle",)).category("bottle")
    drawn = draw(bottle, level, 0, parse_protocol("fixed-test"))
    paths = [ref.path for ref in drawn.train]
    train = ImageSet(paths, [file_sha256(path) for path in paths], 256)
    bad = np.isin([ref.id for ref in drawn.train], [ref.id for ref in drawn.injected])
    method = MedsPatchCore()
    kept = select(method._suspicion(train, make_context(provider)), "relaxed")
    assert (~kept)[~bad].mean() <= lost
    assert kept[bad].sum() <= 0.05 * bad.sum()
