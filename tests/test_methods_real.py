"""PatchCore's quick preset on real photographs, where they are at hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from method_images import make_context
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from adrepro.datasets.images import ImageSet, file_sha256, load_mask
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.features import FeatureProvider
from adrepro.methods.patchcore.method import PatchCore
from adrepro.methods.settings import make_settings, preset_image_size

ROOT = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "mvtec_ad" / "toothbrush"


def image_set(paths, size):
    return ImageSet(paths, [file_sha256(path) for path in paths], size)


@pytest.mark.skipif(not ROOT.is_dir(), reason="no real images beside the repository")
def test_quick_patchcore_finds_defective_toothbrushes():
    """With the packaged weights: image AUROC at least 98.5, pixel AUROC at least 98.5 percent."""
    size = preset_image_size(PatchCore, "quick")
    train = image_set(sorted((ROOT / "train" / "good").iterdir()), size)
    paths = sorted((ROOT / "test").glob("*/*"))
    labels = np.array([path.parent.name != "good" for path in paths])
    truth = ROOT / "ground_truth" / "defective"
    masks = np.stack(
        [
            load_mask(truth / f"{path.stem}_mask.png" if bad else None, (size, size))
            for path, bad in zip(paths, labels, strict=True)
        ]
    )
    context = make_context(FeatureProvider(parse_backbone("efficientnet_lite0")))
    method = PatchCore(make_settings(PatchCore, "quick")[0])
    method.fit(train, context)
    scores = method.score(image_set(paths, size), context)
    assert scores.maps is not None
    maps = functional.interpolate(
        torch.from_numpy(scores.maps)[:, None], size=(size, size), mode="bilinear"
    )
    smooth = gaussian_filter(
        maps[:, 0].numpy(), (0, method.smoothing_sigma, method.smoothing_sigma)
    )
    assert roc_auc_score(labels, scores.image) >= 0.985
    assert roc_auc_score(masks.ravel(), smooth.ravel()) >= 0.985
