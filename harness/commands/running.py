"""Run what a store lacks of a plan, by the engine that the options name."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ...datasets.errors import StoreError, UsageError
from ..devices import default_jobs, device_note, resolve_devices, stack_limit
from ..engines.base import PULLING, EngineOptions, load_engine
from .again import command_line
from .asked import check_engine
from .options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ..plan import Plan
    from ..planned import PlannedCell
    from ..store import Record, Store

# So many damaged cells are named; of the others there is a count.
DAMAGED_SHOWN = 3


def devices_of(options: Options) -> tuple[str, ...]:
    """Return the devices that cells run on; those of workers elsewhere are their own affair.

    Raises
    ------
    UsageError
        No such device.
    """
    if options.engine in PULLING:
        return ("cpu",)
    joins = options.engine == "ray" and "address" in options.engine_settings
    if joins and options.device == "cuda":
        return ("cuda:0",)  # what a cluster has, the machine it is asked from need not have
    return resolve_devices(options.device)


def say_device(text: str, devices: Sequence[str], console: Console) -> None:
    """Print, where the CPU computes though a GPU seems to be there, why."""
    if note := device_note(text, devices):
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


def engine_options(options: Options, store: Store) -> EngineOptions:
    """Return how an engine is to run tasks, as the command line says.

    Raises
    ------
    UsageError
        No such device, or something that the engine cannot follow.
    """
    check_engine(options)
    devices = devices_of(options)
    return EngineOptions(
        cache=store.features.absolute(),
        jobs=options.jobs or default_jobs(devices),
        devices=devices,
        stack=stack_limit(options.stack, devices[0]),
        timeout_s=options.timeout,
        max_failures=1 if options.fail_fast else options.max_failures,
        worker_arguments=_worker_arguments(options),
        settings=options.engine_settings,
    )


def _worker_arguments(options: Options) -> tuple[str, ...]:
    """Return what workers are to be given that share this machine's folders."""
    found = _roots(options.data_root)
    for text in options.datasets:
        name, equals, path = text.partition("=")
        if equals:
            found += ["--dataset", f"{name}={Path(path).expanduser().absolute()}"]
    if options.stack != "auto":
        found += ["--stack", options.stack]
    if options.weights:
        found += ["--weights", str(Path(options.weights).expanduser().absolute())]
    return (*found, *_allowed(options))


def _roots(data_root: Path | None) -> list[str]:
    """Return where data lie; a data root that was not given is none to draw images below."""
    from ...datasets.catalog import CATALOG, locate

    if data_root is not None:
        return ["--data-root", str(data_root.absolute())]
    found = []
    for info in CATALOG.values():
        path = None if info.synthetic else locate(info)
        found += ["--dataset", f"{info.name}={path.absolute()}"] if path else []
    return found


def _allowed(options: Options) -> tuple[str, ...]:
    """Return what has a worker accept the methods that were named here as ``module:Class``."""
    from ...methods.trust import names_code

    named = [name for name in options.methods if names_code(name)]
    return tuple(part for name in named for part in ("--allow-method", name))


def run_plan(made: Plan, store: Store, options: Options, console: Console) -> None:
    """Run every cell of a plan that has no valid result.

    Raises
    ------
    UsageError
        No such engine or device, or a grid that the engine cannot run.
    TooManyFailures
        A limit that the options set was reached.
    """
    from ..board import Board, both
    from ..forecast import Forecast
    from ..missing import run_missing
    from ..progress import RunProgress
    from ..requests import list_requests, remove_request, request_stamp, write_request

    engine = load_engine(options.engine)
    how = engine_options(options, store)
    damaged: list[Record] = []
    pending = made.pending(store, with_maps=options.keep_maps, damaged=damaged.append)
    if damaged:
        console.print(_damage_line(damaged), markup=False, highlight=False, soft_wrap=True)
    tunings = made.pending_tunings(store, pending, how.devices[0])
    if pending and options.engine not in PULLING:
        say_device(options.device, how.devices, console)
    queued, stamp = list_requests(store), None  # another run may wait for the very same cells
    if pending and options.engine in PULLING:
        key = write_request(store, made, keep_maps=options.keep_maps, timeout_s=options.timeout)
        how = replace(how, request=key)
        stamp = None if key in queued else request_stamp(store, key)
        line = _queued_line(key, store, options)
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    forecast = Forecast((cell.cell for cell in pending), how.jobs)
    title = made.grid.target
    with (
        RunProgress(
            len(made.distinct),
            len(made.distinct) - len(pending),
            quiet=options.quiet,
            console=console,
            tunings=len(tunings),
            forecast=forecast,
        ) as progress,
        Board(
            store,
            made.distinct,
            pending,
            title=title,
            engine=options.engine,
            forecast=forecast,
            command=command_line((title,), _with_data_root(made, options)),
        ) as board,
    ):
        try:
            run_missing(
                pending,
                tunings,
                store,
                engine=engine,
                options=how,
                keep_maps=options.keep_maps,
                listen=both(progress, board),
            )
        except UsageError as err:
            # Refused before anybody was asked to run it; what jobs left undone stays queued.
            own = stamp is not None and request_stamp(store, how.request) == stamp
            if own and not isinstance(err, StoreError):
                remove_request(store, how.request)
            raise
    if how.request:
        remove_request(store, how.request)


def _queued_line(key: str, store: Store, options: Options) -> str:
    """Return one line that says who runs a request, and with which command workers join in."""
    command = shlex.join(("worker", "--store", str(store.root), *_allowed(options)))
    who = "start workers with" if options.engine == "worker" else "more workers join by"
    return f"queued as {key[:12]}; {who}: reproduce {command}"


def _with_data_root(made: Plan, options: Options) -> Options:
    """Return options that find the same images from any folder.

    Images that are drawn get no data root that was not given, as they would be drawn below it; of
    what is asked for beside them, each dataset is named with its own folder.
    """
    from ...datasets.catalog import resolve_data_root

    if options.data_root is not None:
        return options
    if not made.synthetic:
        return replace(options, data_root=resolve_data_root())
    datasets = tuple(map(_located, made.grid.datasets))
    if options.datasets or datasets == made.grid.datasets:
        return replace(options, datasets=options.datasets and datasets)
    # Where datasets are named, a target's own categories and a preset's are not taken.
    own = made.grid.categories or dict.fromkeys(one.cell.category for one in made.cells)
    return replace(options, datasets=datasets, categories=tuple(own))


def _located(text: str) -> str:
    """Return ``NAME=PATH`` for a dataset that was found below the default data root."""
    from ...datasets.catalog import dataset_info, locate, parse_dataset_spec

    name, path = parse_dataset_spec(text)
    info = dataset_info(name)
    found = None if path or info.synthetic else locate(info)
    return f"{name}={found.absolute()}" if found else text


def _damage_line(damaged: Sequence[Record]) -> str:
    """Return one line with the cells whose files are not to be believed, the first few by file."""
    from ..progress import plural

    count = plural(len(damaged), "damaged cell runs again", "damaged cells run again")
    named = [f"{record.key[:16]}: {record.reason}" for record in damaged[:DAMAGED_SHOWN]]
    more = len(damaged) - len(named)
    return f"note: {count}: {'; '.join(named)}" + (f"; and {more} more" if more else "")


def forecast_line(left: Sequence[PlannedCell], cells: pa.Table, jobs: int | None) -> str:
    """Return how long cells will take by what a store's finished cells took; empty if unknown.

    Parameters
    ----------
    left
        Cells to run.
    cells
        The store's, as `Forecast.learn` takes them.
    jobs
        Processes side by side; None = one per core or, where the cells ran on one, a GPU.
    """
    from ..forecast import Forecast
    from ..progress import duration, plural

    outlook = Forecast((cell.cell for cell in left), 1)
    device = outlook.learn(cells)
    if not device:
        return ""
    outlook.jobs = jobs = jobs or default_jobs((device,))
    seconds = outlook.seconds()
    if not left or seconds is None:
        return ""
    line = f"forecast: about {duration(seconds)} with {plural(jobs, 'process', 'processes')}, "
    line += f"by {plural(outlook.learned)} that finished on {device} before"
    if outlook.unknown:
        line += f"; a guess for {', '.join(outlook.unknown)}, of which none has"
    return line
