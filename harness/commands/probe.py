"""``reproduce probe``: hold two runs of one cell against each other, byte by byte."""

from __future__ import annotations

import click

from ...datasets.errors import UsageError
from ..console import make_console
from .options import Options, grid_options


@click.command(name="probe")
@click.argument("cell")
@click.argument("target", required=False)
@grid_options
def probe(cell: str, target: str | None, options: Options) -> int:
    """Run CELL (a label or part of one) twice in fresh processes and compare every byte.

    TARGET and the other options name the plan that the cell belongs to. Where --store holds the
    cell's result already, that is compared too. Exit code 1 where anything differs.
    """
    from ..devices import resolve_device
    from ..grid import verify_backbones
    from ..probe import differences, run_twice, stored_arrays
    from ..store import Status, Store
    from ..storefolder import is_store
    from .run import grid_of, plan_grid
    from .running import say_device

    console = make_console(quiet=options.quiet)
    device = resolve_device(options.device)
    notes = make_console(stderr=True)
    say_device(options.device, (device,), notes)
    made = plan_grid(grid_of(target, options), options, notes, None)
    found = [c for c in made.distinct if cell in c.label or c.key.startswith(cell)]
    if len(found) != 1:
        some = ", ".join(c.label for c in (found or made.distinct)[:3])
        raise UsageError(
            f"{len(found)} cells of the plan match '{cell}', expected one; labels look like {some}"
        )
    planned = found[0]
    verify_backbones((planned.method,))
    store = Store(options.store) if is_store(options.store) else None
    first, second = run_twice(made, planned, device)
    pairs = {"two runs in fresh processes": (first, second)}
    if store is not None and store.read(planned.key).status is Status.DONE:
        kept = stored_arrays(store, planned.key)
        # Maps are stored only where they were asked for.
        mine = {name: a for name, a in first.items() if name != "maps" or name in kept}
        pairs["the first of them and the stored result"] = (mine, kept)
    worst = 0
    for title, (a, b) in pairs.items():
        shared = [name for name in a if name in b]
        values = sum(a[name].size for name in shared)
        apart = differences(a, b)
        worst = max(worst, len(apart))
        of = f"{values} values of {', '.join(shared)}"
        verdict = "differ" if apart else f"equal, byte by byte ({of})"
        console.print(f"{planned.label}: {title}: {verdict}", highlight=False, soft_wrap=True)
        for one in apart:
            what = f"{one.count} of {one.size} values, by {one.largest:.3g} at most"
            what = "other shapes or types" if one.count < 0 else what
            what = "only one of the two has it" if one.missing else what
            console.print(f"  {one.name}: {what}", highlight=False, soft_wrap=True)
    return 1 if worst else 0
