"""Flows trained together against the same flows one by one, ours and FrEIA's, and their cost.

    python tests/benchmarks/bench_flows.py [--preset demo|quick|paper] [--flows N] [--steps N]
                                           [--meta] [--device cpu|cuda] [--threads N]

A category's cells (6 noise levels × 3 seeds) have flows of one shape: 18 of them are trained on
random features of the preset's size, one after the other and in stacks as the harness makes them on
the device (a CPU: six; a GPU: all), in one process. FrEIA's
own modules take the same steps on the same batches. What no training can undercut is the matrix
products that its steps consist of: these alone, on ready memory, are the last row. Called by
itself it measures one case and prints a JSON line; exit code 1 if a loss differs by more than 1e-3.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from common import Given, Row, duel
from FrEIA.framework import SequenceINN

from adrepro.harness.devices import stack_limit
from adrepro.methods.differnet.method import DifferNet, DifferNetSettings
from adrepro.methods.flows.flow import build_flow
from adrepro.methods.flows.plan import Meta
from adrepro.methods.flows.settings import DEMO, QUICK
from adrepro.methods.flows.stack import FlowStack, Weights
from adrepro.methods.flows.train import Training
from adrepro.methods.seeding import seeded

IMAGES, TOLERANCE, FLOWS, STEPS, GOAL = 96, 1e-3, 18, 20, 3.0
DIMENSIONS = {"demo": 336, "quick": 336, "paper": 768}


def rows(given: Given) -> list[Row]:
    """Race the reduced presets on CPU, as DifferNet trains and as RAD (first-order MAML) does."""
    flows, steps = (4, 4) if given.quick else (FLOWS, STEPS)
    cases = [(preset, meta) for preset in ("demo", "quick") for meta in (False, True)]
    return [
        row
        for preset, meta in cases
        for row in Case(preset, meta=meta, flows=flows, steps=steps).rows(given)
    ]


class Case:
    """Flows of a preset's size, their features and their plan."""

    def __init__(
        self, preset: str, *, meta: bool, flows: int, steps: int, device: str = "cpu"
    ) -> None:
        changes = {"demo": DEMO, "quick": QUICK, "paper": {}}[preset]
        known = DifferNetSettings.__dataclass_fields__
        self.settings = DifferNetSettings(**{k: v for k, v in changes.items() if k in known})
        self.preset, self.meta, self.device = preset, meta, torch.device(device)
        chosen = self.settings
        self.plan = replace(
            DifferNet(chosen).plan(),
            epochs=max(1, steps * chosen.batch_images // IMAGES),
            meta=Meta(alpha=1e-4) if meta else None,
        )
        self.steps = self.plan.epochs * IMAGES // chosen.batch_images
        shape = (flows, IMAGES, chosen.train_views, DIMENSIONS[preset])
        features = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        self.features = features.to(self.device)
        self.flows = [self.build(seed) for seed in range(flows)]

    def build(self, seed: int) -> SequenceINN:
        """Build one flow."""
        chosen, dim = self.settings, self.features.shape[-1]
        with seeded(seed):
            flow = build_flow(
                dim, blocks=chosen.blocks, hidden=chosen.hidden, hidden_layers=chosen.hidden_layers
            )
        return flow.to(self.device)

    def train(self, first: int, last: int, *, plain: bool = False) -> list[float]:
        """Train flows as one stack, or FrEIA's module of one flow; return their last losses."""
        chosen: Any = self.flows[first:last]
        stack: Any = Plain(chosen[0]) if plain else FlowStack(chosen)
        seeds = list(range(first, last))
        plans = [self.plan] * len(seeds)
        training = Training(stack, self.features[first:last], plans, seeds)
        training.run()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return training.losses[-1]

    def together(self) -> dict[str, float]:
        """Train all in stacks of the size that the harness makes on this device."""
        return named([loss for first, last in self.parts() for loss in self.train(first, last)])

    def parts(self) -> list[tuple[int, int]]:
        """Return first and last flow of each stack."""
        count, size = len(self.flows), stack_limit("on", self.device.type)
        return [(i, min(i + size, count)) for i in range(0, count, size)]

    def singly(self, *, plain: bool = False) -> dict[str, float]:
        """Train one after the other."""
        count = len(self.flows)
        return named([x for i in range(count) for x in self.train(i, i + 1, plain=plain)])

    def products(self) -> dict[str, float]:
        """Do the matrix products of all steps and nothing else, stack by stack."""
        for first, last in self.parts():
            self.products_of(last - first)
        return {}

    def products_of(self, count: int) -> None:
        """Do the matrix products of one stack."""
        chosen, dim = self.settings, self.features.shape[-1]
        vectors = chosen.batch_images * chosen.views_per_step
        widths = [dim // 2] + [chosen.hidden] * chosen.hidden_layers + [2 * (dim - dim // 2)]
        layers = [
            [torch.randn(count, *shape, device=self.device) for shape in shapes]
            for shapes in (
                ((wide, narrow), (narrow, vectors), (wide, vectors))
                for narrow, wide in pairwise(widths)
            )
        ]
        outs = [[torch.empty_like(t) for t in tensors] for tensors in layers]
        passes = self.steps * (2 if self.meta else 1)
        for _ in range(passes * 2 * chosen.blocks):  # both subnets of a block
            for (weight, below, above), (to_weight, to_below, to_above) in zip(
                layers, outs, strict=True
            ):
                torch.bmm(weight, below, out=to_above)  # forward
                torch.bmm(weight.mT, above, out=to_below)  # gradient of its input
                torch.bmm(above, below.mT, out=to_weight)  # gradient of the weight
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def rows(self, given: Given) -> list[Row]:
        """Race stacks, one by one, FrEIA and the products."""
        replace_plan, self.plan = self.plan, replace(self.plan, epochs=1)
        self.train(0, 1)  # warms up
        self.plan = replace_plan
        kind = "RAD's meta steps" if self.meta else "DifferNet's steps"
        what = f"{len(self.flows)} flows of {self.preset} size, {self.steps} of {kind}, in stacks"
        peers = (
            ("one by one", self.singly, GOAL),
            ("FrEIA's modules, one by one", lambda: self.singly(plain=True), GOAL),
            ("the bare matrix products (the ratio is the share reached)", self.products, None),
        )
        return [
            duel(
                given,
                bench="flows",
                what=what,
                name=name,
                ours=self.together,
                peer=peer,
                judge=lambda losses: losses,
                goal=goal,
                tolerance=TOLERANCE if goal else None,
            )
            for name, peer, goal in peers
        ]


class Plain:
    """One flow as FrEIA runs it, in a stack's place: the same steps, its own forward pass."""

    def __init__(self, flow: SequenceINN) -> None:
        self._flow = flow
        named_weights = [(n, p) for n, p in flow.named_parameters() if p.requires_grad]
        self.weights = {n: p.detach().clone()[None].requires_grad_() for n, p in named_weights}

    def __len__(self) -> int:
        return 1

    def nll(self, batch: torch.Tensor, weights: Weights | None = None) -> torch.Tensor:
        """Return what `FlowStack.nll` does, ``[1, B]``."""
        chosen = self.weights if weights is None else weights
        own = {name: weight[0] for name, weight in chosen.items()}
        z, log_det = torch.func.functional_call(self._flow, own, (batch[0],))
        return ((0.5 * z.square().sum(dim=1) - log_det) / batch.shape[2])[None]


def named(losses: list[float]) -> dict[str, float]:
    """Name the losses of flows by their place."""
    return {f"loss {index}": loss for index, loss in enumerate(losses)}


def main() -> int:
    """Measure one case and print one JSON line."""
    parser = argparse.ArgumentParser(description="Time flows trained together and one by one.")
    parser.add_argument("--preset", choices=tuple(DIMENSIONS), default="quick")
    parser.add_argument("--flows", type=int, default=FLOWS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--meta", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    case = Case(
        given.preset, meta=given.meta, flows=given.flows, steps=given.steps, device=given.device
    )
    alone, freia, bare = case.rows(Given(threads=given.threads, repeats=3))
    each = 1000 / case.steps / given.flows
    gaps = [abs(r.ours[k] - r.peers[k]) for r in (alone, freia) for k in r.ours]
    found = {
        **{k: v for k, v in vars(given).items() if k != "steps"},
        "steps": case.steps,
        "ms_per_step_alone": round(each * median(alone.peer_s), 3),
        "ms_per_step_freia": round(each * median(freia.peer_s), 3),
        "ms_per_step_stacked": round(each * median(alone.ours_s), 3),
        "ratio": round(alone.ratio or 0, 2),
        "ratio_freia": round(freia.ratio or 0, 2),
        "share_of_products": round(bare.ratio or 0, 3),
        "largest_loss_difference": max(gaps),
        "device": torch.cuda.get_device_name() if given.device == "cuda" else platform.machine(),
        "torch": torch.__version__,
    }
    print(json.dumps(found))
    return 0 if max(gaps) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
