"""Time flows trained together against the same flows one by one, and compare their losses.

    python tests/benchmarks/bench_flows.py [--preset demo|quick|paper] [--flows N] [--steps N]
                                           [--meta] [--device cpu|cuda] [--threads N]

A category's cells (noise levels × seeds) have flows of one shape: 18 of them are trained on random
features of the preset's size, one after the other and as one stack, in one process. Exit code 1 if
a loss differs by more than 1e-3.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import replace
from time import perf_counter

import torch

from adrepro.methods.flows.flow import build_flow
from adrepro.methods.flows.plan import Meta, TrainingPlan
from adrepro.methods.flows.settings import DEMO, QUICK, FlowSettings
from adrepro.methods.flows.stack import FlowStack
from adrepro.methods.flows.train import Training
from adrepro.methods.seeding import seeded

IMAGES, TOLERANCE = 96, 1e-3
DIMENSIONS = {"demo": 336, "quick": 336, "paper": 768}


def settings_of(preset: str) -> FlowSettings:
    """Return the shared settings of a preset."""
    changes = {"demo": DEMO, "quick": QUICK, "paper": {}}[preset]
    known = FlowSettings.__dataclass_fields__
    return FlowSettings(**{k: v for k, v in changes.items() if k in known})


def train(features: torch.Tensor, settings: FlowSettings, plan: TrainingPlan, first: int) -> tuple:
    """Train one flow per set of features; return seconds and each flow's last loss."""
    flows = []
    for index in range(len(features)):
        with seeded(first + index):
            flow = build_flow(
                features.shape[-1],
                blocks=settings.blocks,
                hidden=settings.hidden,
                hidden_layers=settings.hidden_layers,
            )
        flows.append(flow.to(features.device))
    seeds = [first + index for index in range(len(features))]
    training = Training(FlowStack(flows), features, [plan] * len(features), seeds)
    if features.is_cuda:
        torch.cuda.synchronize()
    start = perf_counter()
    training.run()
    if features.is_cuda:
        torch.cuda.synchronize()
    return perf_counter() - start, training.losses[-1]


def main() -> int:
    """Run both sides and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=tuple(DIMENSIONS), default="quick")
    parser.add_argument("--flows", type=int, default=18)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--meta", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = settings_of(options.preset)
    epochs = max(1, options.steps * settings.batch_images // IMAGES)
    plan = TrainingPlan(
        epochs=epochs,
        batch_images=settings.batch_images,
        views_per_step=settings.views_per_step,
        rate=settings.learning_rate,
        betas=settings.betas,
        epsilon=settings.epsilon,
        weight_decay=settings.weight_decay,
        meta=Meta(alpha=1e-4) if options.meta else None,
    )
    generator = torch.Generator().manual_seed(0)
    shape = (options.flows, IMAGES, settings.train_views, DIMENSIONS[options.preset])
    features = torch.randn(shape, generator=generator).to(options.device)
    train(features[:1], settings, replace(plan, epochs=1), 0)  # warms up
    singly, alone = 0.0, []
    for index in range(options.flows):
        seconds, losses = train(features[index : index + 1], settings, plan, index)
        singly += seconds
        alone += losses
    together, stacked = train(features, settings, plan, 0)
    difference = max(abs(a - b) for a, b in zip(alone, stacked, strict=True))
    steps = epochs * IMAGES // settings.batch_images
    found = {
        "preset": options.preset,
        "meta": options.meta,
        "flows": options.flows,
        "steps": steps,
        "ms_per_step_alone": round(1000 * singly / steps / options.flows, 3),
        "ms_per_step_stacked": round(1000 * together / steps / options.flows, 3),
        "ratio": round(singly / together, 2),
        "largest_loss_difference": difference,
        "device": torch.cuda.get_device_name() if options.device == "cuda" else platform.machine(),
        "threads": options.threads,
        "torch": torch.__version__,
    }
    print(json.dumps(found))
    return 0 if difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
