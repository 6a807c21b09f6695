"""GLASS: the direction of the ascent matters, with the projection in place."""

import pytest
import torch
from torch.nn import functional

from adrepro.methods.glass.ascent import Ascent
from adrepro.methods.glass.train import Training, TrainingPlan
from adrepro.methods.simplenet.network import OptimiserSpec, PatchNet, grid_outputs

pytestmark = pytest.mark.usefixtures("one_thread")

DIM, RADIUS, RATE, TINY_RATE = 8, 1.0, 0.2, 1e-9
SPREAD = 0.05  # of the nominal features
NOISE = 1.0  # noise of length √8: the projection brings nearly all of it to twice the radius


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def found_at_the_radius(rate):
    """Train in a world of one nominal cluster; return how many defects at the radius it flags.

    Defects lie in random directions at the least distance that a projected anomaly may have, and
    count as flagged where they are more likely anomalous than not.
    """
    torch.manual_seed(0)
    net = PatchNet(DIM, 32, bias=True)
    ascent = Ascent(noise=NOISE, steps=8, rate=rate, project_every=4)
    plan = TrainingPlan(
        epochs=30, batch_images=2, image_limit=None, patches_per_step=None, ascent=ascent,
        hypersphere=False, radius=RADIUS, radius_quantile=0.75, hard_quantile=0.5,
        adaptor=OptimiserSpec(kind="adam", rate=1e-4, decay=0.0),
        discriminator=OptimiserSpec(kind="adam", rate=1e-2, decay=0.0),
    )  # fmt: skip
    nominal = SPREAD * draw(8, 8, 8, DIM, seed=50)
    Training(net, nominal, None, plan, torch.Generator().manual_seed(0)).run(lambda _f, _t: None)
    clean = SPREAD * draw(200, DIM, seed=51)
    away = RADIUS * functional.normalize(draw(200, DIM, seed=52), dim=1)
    defects = SPREAD * draw(200, DIM, seed=53) + away
    flags = grid_outputs(net, torch.cat([clean, defects]).reshape(1, 20, 20, DIM)).flatten() > 0
    assert not flags[:200].any(), "nominal features are told apart whatever the ascent does"
    return float(flags[200:].float().mean())


def test_the_ascent_brings_the_boundary_closer():
    """Steps uphill find defects at the radius; vanishing or downhill steps, projected too, few."""
    assert found_at_the_radius(RATE) > 0.4
    assert found_at_the_radius(TINY_RATE) < 0.3
    assert found_at_the_radius(-RATE) < 0.3
