"""What cannot be had is refused first: data that are not there, options an engine would ignore."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.errors import DataError, UsageError
from ..engines.base import load_engine
from ..presets import PRESETS

if TYPE_CHECKING:
    from ..grid import Grid
    from .options import Options


def check_engine(options: Options) -> None:
    """Refuse, before images are scanned, what the engine that was named cannot follow.

    Raises
    ------
    UnknownNameError
        No such engine, or no such setting of it.
    MissingExtraError
        It is not installed.
    UsageError
        An option that it would ignore, with where to give it instead.
    """
    load_engine(options.engine)
    check = {"local": _local, "worker": _worker, "slurm": _slurm, "ray": _ray}[options.engine]
    check(options)


def _local(options: Options) -> None:
    _refuse_settings(options)


def _worker(options: Options) -> None:
    _refuse_settings(options)
    elsewhere = "--engine worker starts no process; give it to `reproduce worker`"
    given = {
        f"--jobs {options.jobs}": options.jobs is not None,
        f"--device {options.device}": options.device != "auto",
        f"--stack {options.stack}": options.stack != "auto",
    }
    for text, is_given in given.items():
        if is_given:
            raise UsageError(f"{text}: {elsewhere}")


def _slurm(options: Options) -> None:
    from ..engines.slurm import check_settings

    settings = check_settings(options.engine_settings)
    if options.jobs is not None:
        raise UsageError(
            f"--jobs {options.jobs}: --engine slurm has jobs of its own; give --engine-option "
            f"workers={options.jobs}, or --engine-option jobs={options.jobs} for processes in each"
        )
    fitting = ("auto", "cuda") if settings.gpus else ("auto", "cpu")
    if options.device not in fitting:
        asked = 0 if options.device == "cpu" else options.device.count(",") + 1
        raise UsageError(
            f"--device {options.device}: --engine slurm computes on what its jobs ask for, "
            f"gpus={settings.gpus}; give --engine-option gpus={asked} instead"
        )


def require_cluster(options: Options) -> None:
    """Refuse, before a run has touched its store, an array that cannot be submitted from here.

    Raises
    ------
    UsageError
        There is no SLURM on this machine.
    """
    if options.engine == "slurm":
        from ..engines.slurm import NO_SRUN, check_settings

        on_cluster = check_settings(options.engine_settings).cluster == "slurm"
        if on_cluster and shutil.which("srun") is None:
            raise UsageError(NO_SRUN)


def _ray(options: Options) -> None:
    from ..engines.ray_runtime import RaySettings, require_ray

    require_ray()
    settings = RaySettings.parse(options.engine_settings)
    if settings.address and options.jobs is not None:
        raise UsageError(
            f"--jobs {options.jobs}: a cluster runs as many processes as it has room for; give "
            "--engine-option cpus=N or gpu-fraction=F for what each takes of it"
        )
    devices = [name.strip() for name in options.device.split(",")]
    numbered = [name for name in devices if name.startswith("cuda:")]
    # Ray counts the GPUs that it declares from 0, whatever number was meant.
    first = {f"cuda:{index}" for index in range(len(numbered))}
    if numbered and (settings.address or set(numbered) != first):
        raise UsageError(
            f"--device {options.device}: --engine ray chooses among GPUs by itself; give --device "
            "cuda, and CUDA_VISIBLE_DEVICES for those of a machine that it may use"
        )


def _refuse_settings(options: Options) -> None:
    if options.engine_settings:
        keys = ", ".join(options.engine_settings)
        raise UsageError(
            f"--engine-option {keys}: --engine {options.engine} has none; ray and slurm do"
        )


def require_data(grid: Grid, data_root: Path | None) -> None:
    """Refuse a dataset that is needed and not there, before anything heavy is imported.

    Raises
    ------
    UnknownNameError
        No such dataset.
    DataError
        Where it was looked for, and which of the others are there and can be run without it.
    """
    from ...datasets.catalog import dataset_info, find_dataset, parse_dataset_spec
    from ..selection import not_needed

    absent = not_needed(grid, data_root)
    there: list[str] = []
    first: DataError | None = None
    for text in (text for text in grid.datasets if text not in absent):
        name, path = parse_dataset_spec(text)
        try:
            if path is None and not dataset_info(name).synthetic:
                find_dataset(name, data_root)
            there.append(text)
        except DataError as err:
            first = first or DataError(f"{err}{_drawn_instead(grid, name)}")
    if first is None:
        return
    without = f"; or go on without it: --datasets {','.join(there)}" if there else ""
    raise DataError(f"{first}{without}") from first


def _drawn_instead(grid: Grid, name: str) -> str:
    """Say how the images that a preset draws in place of a dataset are had; empty for others."""
    stand_in = PRESETS[grid.preset].datasets.get(name)
    if stand_in is None:
        return ""
    if grid.target == "run":  # it has no datasets of its own
        return f"; --datasets {stand_in} takes images that the {grid.preset} draws"
    return f"; leave out --datasets and the {grid.preset} draws its own images"
