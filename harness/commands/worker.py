"""``reproduce worker``: run what others have left in a store, on any machine that sees it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...datasets.errors import UsageError
from ..console import make_console
from ..devices import STACK_MODES, default_jobs, resolve_devices, stack_limit
from ..engines.base import SERVES, EngineOptions
from ..files import require_writable
from ..requests import Request, check_plan, list_requests, local_grid, read_request
from ..store import Status, Store
from .options import ALLOW_OPTION
from .running import say_device

if TYPE_CHECKING:
    from rich.console import Console

    from ..plan import Plan

LOOK_EVERY_S = 2.0


@click.command(name="worker")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="Folder of finished cells, shared with the run that asks.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that holds the datasets on this machine (default: $ADREPRO_DATA or ./data).",
)
@click.option(
    "--dataset",
    "-d",
    "datasets",
    multiple=True,
    metavar="NAME=PATH",
    help="Where a dataset lies that is not in the data root.",
)
@click.option("--weights", metavar="PATH", help="Local file with the backbone's weights.")
@click.option(
    "--device",
    default="auto",
    metavar="cpu|cuda:N,…|auto",
    show_default=True,
    help="Where to compute; auto: all GPUs, else the CPU.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes side by side (default: one per GPU or core).",
)
@click.option(
    "--stack",
    default="auto",
    metavar="auto|on|off",
    show_default=True,
    type=click.Choice(STACK_MODES),
    help="Fit cells of one category together.",
)
@ALLOW_OPTION
@click.option("--request", "wanted", metavar="KEY", help="Only this request (its beginning).")
@click.option("--wait", is_flag=True, help="Wait for more when nothing is left.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def worker(
    store: Path,
    data_root: Path | None,
    datasets: tuple[str, ...],
    weights: str | None,
    device: str,
    jobs: int | None,
    stack: str,
    allowed: tuple[str, ...],
    wanted: str | None,
    wait: bool,
    quiet: bool,
) -> int:
    """Run the cells that `--engine worker` has left in a store, until none is left.

    Any number of workers on any machines that share the folder divide them up; one that dies is
    replaced by the others. Each plans with its own copy of the data, and refuses where images,
    weights or code are not those of the run, or a method is a module:Class that --allow-method
    does not name.
    """
    while wait and not store.is_dir():
        time.sleep(LOOK_EVERY_S)  # whoever queues cells makes the folder
    if not store.is_dir():
        raise UsageError(
            f"nothing is queued in {store}: there is no such folder yet; start a run with "
            "--engine worker on it first, or give --wait"
        )
    opened = Store(store)
    require_writable(store, "--store")  # before images are scanned
    devices = resolve_devices(device)
    how = EngineOptions(
        cache=opened.features.absolute(),
        jobs=jobs or default_jobs(devices),
        devices=devices,
        stack=stack_limit(stack, devices[0]),
        alone=devices[0] != "cpu",  # there may be other workers, of other stores too
    )
    places = _Places(
        data_root=data_root, datasets=_paths(datasets), weights=weights, allowed=allowed
    )
    console = make_console(stderr=True, quiet=quiet)
    say_device(device, devices, console)
    plans: dict[str, Plan] = {}
    refused: set[str] = set()
    while True:
        keys = [key for key in list_requests(opened) if key.startswith(wanted or "")]
        if wanted and not keys and not wait:
            raise UsageError(f"--request {wanted}: no such request in {store}")
        for key in keys:
            request = None if key in refused else read_request(opened, key)
            if request is None:
                continue
            try:
                if key not in plans:
                    plans[key] = places.plan(request, opened, console)
            except UsageError as err:
                refused.add(key)  # the others may fit this machine
                click.echo(f"error: {err}", err=True)
                continue
            _serve(request, plans[key], opened, how, console, quiet=quiet)
        if not wait:
            break
        time.sleep(LOOK_EVERY_S)
    if not refused:
        console.print("nothing is left to do" if keys else "no requests here", highlight=False)
    return UsageError.exit_code if refused else 0


class _Places:
    """Where things lie on this machine."""

    def __init__(
        self,
        *,
        data_root: Path | None,
        datasets: dict[str, Path],
        weights: str | None,
        allowed: tuple[str, ...],
    ) -> None:
        self._data_root, self._datasets, self._weights = data_root, datasets, weights
        self._allowed = allowed

    def plan(self, request: Request, store: Store, console: Console) -> Plan:
        """Plan a request with this machine's data; refuse what comes out differently."""
        from ...methods.trust import refuse_code
        from ..devices import cores
        from ..grid import verify_backbones
        from ..plan import make_plan

        asked = f"request {request.key[:12]}"
        refuse_code(request.grid.methods, asked, option="--allow-method", allowed=self._allowed)
        grid = local_grid(request, weights=self._weights, datasets=self._datasets)
        with console.status("scanning images …"):
            made = make_plan(
                grid, data_root=self._data_root, cache=store.manifests, workers=cores()
            )
        check_plan(request, made)
        verify_backbones(made.methods)
        return made


def _serve(
    request: Request, made: Plan, store: Store, how: EngineOptions, console: Console, *, quiet: bool
) -> None:
    """Run what is left of a request; a cell that failed since it was made is not tried again."""
    from ..board import Board, both
    from ..engines.local import run_tasks
    from ..forecast import Forecast
    from ..missing import run_missing
    from ..progress import RunProgress

    pending = [
        cell
        for cell in made.pending(store, with_maps=request.keep_maps)
        # It may lie beside a result, of a cell that ran again for its maps.
        if store.read_failure(cell.key).status is not Status.FAILED
    ]
    if not pending:
        return
    tunings = made.pending_tunings(store, pending, how.devices[0])
    total = len(made.distinct)
    forecast = Forecast((cell.identity.cell for cell in pending), how.jobs)
    title = made.grid.target
    with (
        RunProgress(
            total,
            total - len(pending),
            quiet=quiet,
            console=console,
            tunings=len(tunings),
            forecast=forecast,
        ) as progress,
        Board(
            store, made.distinct, pending, title=title, engine=SERVES, forecast=forecast
        ) as board,
    ):
        run_missing(
            pending,
            tunings,
            store,
            engine=run_tasks,
            options=replace(how, timeout_s=request.timeout_s),
            keep_maps=request.keep_maps,
            listen=both(progress, board),
        )


def _paths(datasets: tuple[str, ...]) -> dict[str, Path]:
    found = {}
    for text in datasets:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise UsageError(f"--dataset {text}: expected NAME=PATH")
        found[name] = Path(path).expanduser()
    return found
