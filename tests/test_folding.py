"""Folding batch normalisation: equal outputs; doubtful networks are left alone."""

import copy

import pytest
import timm
import torch
import torchvision
from torch import nn

from adrepro.methods.backbones import load_backbone, parse_backbone, published_state
from adrepro.methods.folding import folded


def lived_in(model):
    """Give a network's normalisations statistics and scales that are not the initial ones."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low in (
                (module.running_mean, -0.5),
                (module.running_var, 0.5),
                (module.weight.data, 0.5),
                (module.bias.data, -0.5),
            ):
                values.copy_(low + torch.rand(values.shape, generator=generator))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: timm.create_model("tf_efficientnet_lite0"),
        lambda: timm.create_model("resnet18"),
        torchvision.models.resnet18,
        torchvision.models.mobilenet_v3_small,
    ],
    ids=["timm-lite0", "timm-resnet18", "torchvision-resnet18", "torchvision-mobilenet"],
)
def test_folded_equals_the_network(make):
    """Outputs and input gradients are the same, and no normalisation is left."""
    torch.manual_seed(0)
    model = lived_in(make())
    before = copy.deepcopy(model.state_dict())
    fast = folded(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert not any(p.requires_grad for p in fast.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    found = []
    for network in (model, fast):
        # In double precision, since rounding decides on which side of a kink a gradient is taken.
        batch = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(2)).double()
        output = network.double()(batch.requires_grad_())
        found.append((output, *torch.autograd.grad(output.square().mean(), batch)))
    for expected, got in zip(*found, strict=True):
        assert float((got - expected).detach().norm() / expected.detach().norm()) < 1e-3


class Twice(nn.Module):
    """Uses the convolution's output beside the normalisation, or the convolution twice."""

    def __init__(self, again):
        super().__init__()
        self.conv, self.norm, self.again = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), again

    def forward(self, batch):
        inside = self.conv(batch)
        beside = self.conv(inside) if self.again else inside
        return (self.norm(inside) + beside).mean(dim=(2, 3))


class Picky(Twice):
    """Takes no input of the probe's size."""

    def forward(self, batch):
        if batch.shape[-1] < 200:
            raise RuntimeError("too small")
        return super().forward(batch)


class Several(Twice):
    """Returns more than one tensor."""

    def forward(self, batch):
        return [self.norm(self.conv(batch))]


@pytest.mark.parametrize(
    "model", [Twice(False), Twice(True), Picky(False), Several(False), nn.Conv2d(3, 4, 3)]
)
def test_doubtful_networks_are_left_alone(model):
    """Where a fold would change the output, or nothing is known, the network stays as it is."""
    model = lived_in(model)
    fast = folded(model)
    batch = torch.rand(1, 3, 224, 224)
    torch.testing.assert_close(fast(batch), model(batch))
    assert isinstance(getattr(fast, "norm", None), nn.BatchNorm2d) or fast is model


def test_backbone_is_folded_and_its_published_state_is_not():
    """The packaged network runs without normalisation; its weights can be had as published."""
    spec = parse_backbone("efficientnet_lite0")
    modules = load_backbone(spec).model.modules()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in modules)
    state = published_state(spec)
    assert "bn1.running_var" in state
    model = timm.create_model("tf_efficientnet_lite0")
    model.load_state_dict(state)
    batch = torch.rand(1, 3, 64, 64)
    expected = model.eval()(batch)
    torch.testing.assert_close(load_backbone(spec).logits(batch), expected, rtol=1e-3, atol=1e-3)
