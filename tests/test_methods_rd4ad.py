"""Reverse distillation: shapes of the paper, loss and map by hand, the point of the student."""

import numpy as np
import pytest
import torch
from method_images import drawn_set, make_context
from sklearn.metrics import roc_auc_score
from torch import nn

from adrepro.datasets.errors import CellError, UsageError
from adrepro.methods.backbones import parse_backbone
from adrepro.methods.checkdata import write_sets
from adrepro.methods.features import FeatureProvider
from adrepro.methods.rd4ad.distil import anomaly_map, distillation_loss, train_student
from adrepro.methods.rd4ad.method import RD4ADSettings, ReverseDistillation
from adrepro.methods.rd4ad.networks import Block, Student, UpBlock
from adrepro.methods.seeding import seeded
from adrepro.methods.settings import make_settings

WIDE = (256, 512, 1024)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pyramid(count=4, channels=(4, 6, 8), side=16, seed=0):
    return [
        torch.randn(count, c, side >> k, side >> k, generator=generator(seed + k))
        for k, c in enumerate(channels)
    ]


def student(channels=(4, 6, 8), seed=0, *, signed=True):
    with seeded(seed):
        return Student(channels, (1, 1, 1), 1, signed=signed)


@pytest.fixture(scope="module")
def paper_student():
    with torch.device("meta"):
        return Student(WIDE, (3, 4, 6), 3, signed=False)


def test_student_has_the_papers_shapes(paper_student):
    """For WideResNet-50-2 at 256 px: 3072 channels in, 2048 × 8 × 8 embedded, mirrored out."""
    maps = [
        torch.empty(2, c, side, side, device="meta")
        for c, side in zip(WIDE, (64, 32, 16), strict=True)
    ]
    first = paper_student.embedding.stage[0]
    assert (first.conv1.in_channels, first.conv2.in_channels, first.bn3.num_features) == (
        3072,
        1024,
        2048,
    )
    assert paper_student.embedding(maps).shape == (2, 2048, 8, 8)
    assert [m.shape for m in paper_student(maps)] == [m.shape for m in maps]


def test_decoder_mirrors_the_teacher(paper_student):
    """Stages of 3, 4 and 6 blocks, each opened by transposed convolutions, half as wide inside."""
    stages = paper_student.decoder.stages
    assert [len(stage) for stage in stages] == [3, 4, 6]
    for stage, planes in zip(stages, (1024, 512, 256), strict=True):
        assert isinstance(stage[0], UpBlock)
        for block in stage:
            assert isinstance(block, Block)
            assert (block.conv2.out_channels, block.conv3.out_channels) == (planes // 2, planes)
        kinds = (stage[0].conv2, stage[0].downsample[0])
        assert all(isinstance(k, nn.ConvTranspose2d) and k.stride == (2, 2) for k in kinds)
    assert not any(isinstance(m, nn.Conv2d) and m.bias is not None for m in paper_student.modules())


def test_loss_by_hand():
    """Per scale the cosine of the flattened maps, averaged over images and summed over scales."""
    teacher, other = pyramid(), pyramid(seed=9)
    expected = 0.0
    for t, s in zip(teacher, other, strict=True):
        rows = [(a.ravel(), b.ravel()) for a, b in zip(t.numpy(), s.numpy(), strict=True)]
        cosines = [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in rows]
        expected += 1 - np.mean(cosines)
    assert float(distillation_loss(teacher, other)) == pytest.approx(expected, rel=1e-5)
    assert float(distillation_loss(teacher, [3 * t for t in teacher])) == pytest.approx(0, abs=1e-5)


def test_map_by_hand():
    """Per position 1 − cosine over channels; corners of a coarse map stay corners; scales add."""
    teacher, other = pyramid(count=1), pyramid(count=1, seed=9)
    found = anomaly_map(teacher, other, 16)[0]
    distances = [
        1 - (t * s).sum(dim=1)[0] / (t.norm(dim=1) * s.norm(dim=1))[0]
        for t, s in zip(teacher, other, strict=True)
    ]
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        expected = sum(float(d[row, column]) for d in distances)
        assert float(found[row, column]) == pytest.approx(expected, rel=1e-4)
    only_finest = anomaly_map(teacher[:1], other[:1], 16)[0]
    torch.testing.assert_close(only_finest, distances[0], rtol=1e-4, atol=1e-5)
    assert float(anomaly_map(teacher, teacher, 16).abs().max()) < 1e-5


def test_signed_maps_can_be_rebuilt():
    """Negative values are out of a ReLU's reach; the closing convolution brings them in."""
    maps = pyramid()
    for signed, reached in ((True, True), (False, False)):
        net = student(signed=signed).eval()
        with torch.no_grad():
            assert any(bool((m < 0).any()) for m in net(maps)) is reached


def test_training_rebuilds_what_it_saw():
    """Training lowers the loss, and rebuilds training maps better than strange ones."""
    seen = [m.repeat(4, 1, 1, 1) for m in pyramid(count=2)]
    net = student()
    options = {"epochs": 25, "batch_images": 4, "learning_rate": 0.01, "betas": (0.5, 0.999)}
    losses = train_student(net, seen, generator=generator(), **options)
    assert losses[-1] < 0.5 * losses[0]
    assert not net.training
    strange = pyramid(count=2, seed=50)
    with torch.no_grad():
        known = float(distillation_loss(seen, net(seen)))
        assert known < 0.7 * float(distillation_loss(strange, net(strange)))


def test_divergence_is_a_failure():
    """Features that are no numbers never turn into scores."""
    maps = [m * float("nan") for m in pyramid()]
    options = {"epochs": 1, "batch_images": 4, "learning_rate": 0.01, "betas": (0.5, 0.999)}
    with pytest.raises(CellError, match="diverged: loss nan in epoch 1 of 1"):
        train_student(student(), maps, generator=generator(), **options)


@pytest.fixture(scope="module")
def provider():
    return FeatureProvider(parse_backbone("efficientnet_lite0"))


def small(**changes):
    plain = {"depths": (1, 1, 1), "embedding_depth": 1, "epochs": 8, "batch_images": 4}
    return ReverseDistillation(RD4ADSettings(**(plain | changes)))


def test_distillation_is_what_finds_defects(tmp_path, provider):
    """A trained student finds the drawn defects; one that learned nothing ranks by chance."""
    train, test, labels, masks = write_sets(tmp_path, 64)
    context = make_context(provider)
    margins = []
    for rate in (0.01, 1e-9):
        method = small(learning_rate=rate)
        method.fit(train, context)
        scores = method.score(test, context)
        assert scores.maps.shape == (len(test), 64, 64)
        bad = scores.maps[labels]
        margins.append(bad[masks[labels]].mean() / bad[~masks[labels]].mean())
        if rate == 0.01:
            assert roc_auc_score(labels, scores.image) == 1.0
    assert margins[0] > 1.5
    assert margins[1] < 1.1


def test_a_resnet_is_taken_as_published(tmp_path):
    """With a ResNet as teacher no scale gets a closing convolution, as its maps are not signed."""
    images = drawn_set(tmp_path, 2)
    context = make_context(FeatureProvider(parse_backbone("resnet18.random")))
    method = small(epochs=1)
    method.fit(images, context)
    assert all(isinstance(head, nn.Identity) for head in method._student.decoder.heads)
    assert method.score(images, context).image.shape == (2,)


def test_defaults_are_published_values():
    """The settings that the paper and its code print."""
    s = RD4ADSettings()
    assert (s.epochs, s.batch_images, s.learning_rate, s.betas) == (200, 16, 0.005, (0.5, 0.999))
    assert (ReverseDistillation.image_size, ReverseDistillation.smoothing_sigma) == (256, 4.0)


def test_image_size_must_fit(tmp_path, provider):
    """A size that cannot be halved and doubled again is one line."""
    with pytest.raises(UsageError, match="images of 48 px, expected a multiple of 32"):
        small().fit(drawn_set(tmp_path, 2, size=48), make_context(provider))


@pytest.mark.parametrize(
    ("key", "value"), [("strides", "4,16,32"), ("depths", "3,4"), ("epochs", "0")]
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(ReverseDistillation, "paper", {key: value})
