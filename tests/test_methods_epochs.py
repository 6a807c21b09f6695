"""The loop over epochs, against one written out by hand."""

import pytest
import torch
from reconstruction_world import generator
from torch import nn

from adrepro.methods.epochs import epoch_losses

pytestmark = pytest.mark.usefixtures("one_thread")


def start():
    """Return the same small network each time, an optimiser over it, and ten maps."""
    torch.manual_seed(0)
    network = nn.Conv2d(2, 1, 1)
    maps = torch.randn(10, 2, 3, 3, generator=generator(1))
    return network, torch.optim.SGD(network.parameters(), lr=0.1), maps


@pytest.mark.parametrize("largest", [None, 0.05])
def test_epochs_are_those_of_a_plain_loop(largest):
    """Order, steps, clipping and the mean over images agree with a loop written out."""
    network, optimiser, maps = start()
    found = list(
        epoch_losses(
            network, optimiser, [maps], lambda batch: network(batch[0]).square().mean(),
            epochs=3, batch_images=4, generator=generator(), largest_gradient=largest,
        )
    )  # fmt: skip
    assert not network.training
    other, _, _ = start()
    expected, draws = [], generator()
    for _ in range(3):
        order, losses = torch.randperm(10, generator=draws), []
        for rows in (order[:4], order[4:8], order[8:]):
            loss = other(maps[rows]).square().mean()
            gradients = torch.autograd.grad(loss, list(other.parameters()))
            norm = torch.cat([g.flatten() for g in gradients]).norm()
            shrink = 1.0 if largest is None else min(1.0, float(largest / (norm + 1e-6)))
            with torch.no_grad():
                for parameter, gradient in zip(other.parameters(), gradients, strict=True):
                    parameter.sub_(0.1 * shrink * gradient)
            losses += [float(loss)] * len(rows)
        expected.append(sum(losses) / 10)
    assert found == pytest.approx(expected, rel=1e-5)
    assert found[-1] < found[0]


def test_a_caller_that_stops_leaves_the_rest_undone():
    """Epochs run one by one: what is not asked for is not trained."""
    network, optimiser, maps = start()
    steps = []

    def loss_of(batch):
        steps.append(len(batch[0]))
        return network(batch[0]).square().mean()

    losses = epoch_losses(
        network, optimiser, [maps], loss_of, epochs=5, batch_images=4, generator=generator()
    )
    next(losses)
    assert steps == [4, 4, 2]
    assert network.training
