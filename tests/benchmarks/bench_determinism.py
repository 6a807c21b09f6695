"""What torch's deterministic kernels cost, and what they buy.

    python tests/benchmarks/bench_determinism.py [--device cpu|cuda] [--rounds N] [--threads N]

Methods are fitted and scored on drawn images in fresh processes that take turns, with torch's
flags for deterministic kernels and without. The ratio says how much longer it takes with them; the
bytes of the scores say whether goes agree. Exit code 1 if they differ although the flags are set.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

# Method → settings beside the quick preset's: a memory bank, a flow with gradient maps, a
# discriminator; few epochs, as it is the ratio that is asked for.
METHODS = {
    "patchcore": {"coreset_fraction": "0.05"},
    "differnet": {"epochs": "2"},
    "simplenet": {"epochs": "2"},
}
IMAGES, SIZE = 24, 256
# cuBLAS reads it when a process first uses it.
WORKSPACE = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def main() -> int:
    """Print one table; return the exit code."""
    parser = argparse.ArgumentParser(description="Time deterministic kernels against the others.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--arm", choices=("flags", "plain"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.arm:
        print(json.dumps(dict(measure(given.device, given.threads, given.arm == "flags"))))
        return 0
    goes: dict[str, list[dict[str, Any]]] = {"plain": [], "flags": []}
    for _ in range(given.rounds):
        for arm, found in goes.items():
            found.append(in_fresh_process(arm, given))
    return print_table(goes, given.device)


def in_fresh_process(arm: str, given: argparse.Namespace) -> dict[str, Any]:
    """Measure one arm in a process of its own."""
    line = [sys.executable, str(HERE / "bench_determinism.py"), "--arm", arm]
    line += ["--device", given.device, "--threads", str(given.threads)]
    environment = {**os.environ, **(WORKSPACE if arm == "flags" else {})}
    done = subprocess.run(line, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(device: str, threads: int, flags: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each method with its seconds, or why it cannot run, and the digest of its scores."""
    import torch
    from method_images import drawn_set

    from adrepro.methods.backbones import LITE0, parse_backbone
    from adrepro.methods.base import Context
    from adrepro.methods.features import FeatureProvider
    from adrepro.methods.registry import method_class
    from adrepro.methods.settings import make_settings

    torch.set_num_threads(threads)
    if flags:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    with tempfile.TemporaryDirectory() as folder:
        images = drawn_set(Path(folder) / "images", IMAGES, SIZE)

        def go(name: str, count: int) -> str:
            provider = FeatureProvider(parse_backbone(LITE0), device)
            context = Context(device=device, features=provider, seed_axes=("bench", name))
            cls = method_class(name)
            method: Any = cls(make_settings(cls, "quick", METHODS[name])[0])
            some = images.subset(list(range(count)))
            method.fit(some, context)
            scores = method.score(some, context)
            digest = hashlib.sha256(scores.image.tobytes())
            digest.update(b"" if scores.maps is None else scores.maps.tobytes())
            return digest.hexdigest()

        for name in METHODS:
            try:
                go(name, 8)  # imports, and what libraries set up when first used
                start = perf_counter()
                digest = go(name, IMAGES)
            except RuntimeError as err:
                if not flags or "deterministic" not in str(err):
                    raise
                yield name, {"refused": str(err).splitlines()[0]}  # an operation without a kernel
                continue
            yield name, {"seconds": perf_counter() - start, "digest": digest}


def print_table(goes: dict[str, list[dict[str, Any]]], device: str) -> int:
    """Print what each method takes with and without the flags, and whether goes agree."""
    differ = False
    print(f"deterministic kernels on {device}, {IMAGES} images of {SIZE} px, fit and score")
    for name in METHODS:
        refused = [one[name]["refused"] for one in goes["flags"] if "refused" in one[name]]
        if refused:
            print(f"{name:10} refused with the flags: {refused[0]}")
            continue
        seconds = {arm: [one[name]["seconds"] for one in found] for arm, found in goes.items()}
        digests = {arm: {one[name]["digest"] for one in found} for arm, found in goes.items()}
        said = {arm: "equal bytes" if len(d) == 1 else "differ" for arm, d in digests.items()}
        ratio = median(seconds["flags"]) / median(seconds["plain"])
        differ |= len(digests["flags"]) > 1
        print(
            f"{name:10} with {median(seconds['flags']):6.2f} s ({said['flags']}), "
            f"without {median(seconds['plain']):6.2f} s ({said['plain']}): {ratio:.2f} x as long"
        )
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
