"""The options that every command which plans or runs a grid shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ...datasets.errors import UsageError
from ..devices import STACK_MODES
from ..evaluations import EVALUATION, PER_IMAGE_MINMAX
from ..grid import Grid
from ..presets import PRESETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The shared options as given; None or empty where nothing was given."""

    preset: str
    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    categories: tuple[str, ...]
    noise: tuple[float, ...]
    seeds: int | None
    protocols: tuple[str, ...]
    per_image_minmax: bool
    data_root: Path | None
    backbone: str | None
    weights: str | None
    image_size: int | None
    overrides: dict[str, str]
    device: str
    jobs: int | None
    stack: str
    engine: str
    engine_settings: dict[str, str]
    timeout: float | None
    fail_fast: bool
    max_failures: int | None
    store: Path
    out: Path
    dry_run: bool
    keep_maps: bool
    papers: tuple[Path, ...]
    quiet: bool

    def grid(self, **defaults: Any) -> Grid:
        """Return the grid: what was given, else ``defaults``.

        A preset's stand-ins replace default datasets only: one that was named is the one meant.
        """
        given = {
            "methods": self.methods,
            "datasets": self.datasets,
            "noise": self.noise,
            "seeds": self.seeds,
            "protocols": self.protocols,
        }
        chosen = defaults | {
            name: value for name, value in given.items() if value not in ((), None)
        }
        # A preset's categories are those of its stand-ins.
        fallback = None if self.datasets else chosen.pop("categories", None)
        chosen.pop("categories", None)
        grid = Grid(
            **chosen,
            categories=self.categories or fallback,
            evaluations=(EVALUATION, PER_IMAGE_MINMAX) if self.per_image_minmax else (EVALUATION,),
            preset=self.preset,
            backbone=self.backbone,
            weights=self.weights,
            image_size=self.image_size,
            overrides=self.overrides,
        )
        return grid if self.datasets else grid.with_stand_ins()


def split_names(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> tuple:
    """Accept ``a,b`` and repeated options alike; keep the order, drop repeats."""
    names = [part.strip() for text in value for part in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def split_protocols(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> tuple:
    """Part ``fixed-test:total=60,shortage=cap,overlap`` into protocols; keep the order.

    What stands behind a comma belongs to the protocol before it if it reads ``key=value``, else it
    is the next protocol.
    """
    protocols: list[str] = []
    for text in value:
        own: list[str] = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            if own and "=" in part and ":" not in part.partition("=")[0]:
                own[-1] += f",{part}"
            else:
                own.append(part)
        protocols += own
    return tuple(dict.fromkeys(protocols))


def split_levels(_ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple:
    """Parse noise levels in percent; a bare number between 0 and 1 is surely meant as a share."""
    levels = []
    for text in split_names(_ctx, param, value):
        try:
            level = float(text.removesuffix("%"))
        except ValueError:
            level = float("nan")
        if not 0 <= level <= 100:
            raise UsageError(
                f"--noise {text}: expected percent from 0 to 100, e.g. --noise 0,10,50"
            )
        if 0 < level < 1 and not text.endswith("%"):
            raise UsageError(
                f"--noise {text}: noise is in percent; for {100 * level:g} % write "
                f"{100 * level:g}, for {level:g} % write {text}%"
            )
        levels.append(level)
    return tuple(dict.fromkeys(levels))


def parse_seeds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Parse the number of repetitions; a list of seeds is refused with the number to give."""
    if value is None or value.strip().lstrip("-").isdigit():
        return None if value is None else int(value)
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if len(parts) > 1 and all(part.isdigit() for part in parts):
        count = max(map(int, parts)) + 1
        raise UsageError(
            f"--seeds {value}: expected how many repetitions, not a list of seeds; "
            f"--seeds {count} runs the seeds 0 to {count - 1}"
        )
    raise UsageError(f"--seeds {value}: expected an integer, the number of repetitions")


def split_settings(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> dict:
    """Parse ``method.key=value``."""
    settings = {}
    for text in value:
        key, equals, given = text.partition("=")
        if not equals or "." not in key:
            raise UsageError(f"--set {text}: expected method.key=value")
        settings[key.strip()] = given.strip()
    return settings


def split_engine_options(
    _ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    """Parse ``key=value``; a value may hold commas and equals signs."""
    settings = {}
    for text in value:
        key, equals, given = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--engine-option {text}: expected key=value")
        settings[key.strip()] = given.strip()
    return settings


def parse_duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Parse a time span, ``90``, ``90s``, ``10m`` or ``2h``, into seconds; None stays None."""
    if value is None:
        return None
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    text = value.strip().lower()
    number, factor = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        seconds = float(number) * factor
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < float("inf"):
        raise UsageError(f"--timeout {value}: expected a time above 0, e.g. 90, 10m or 2h")
    return seconds


ALLOW_OPTION = click.option(
    "--allow-method", "allowed", multiple=True, callback=split_names, metavar="MODULE:CLASS",
    help="Let this method's code run where only the store names it.",
)  # fmt: skip
PRESET_HELP = "; ".join(f"{p.name}: {p.summary}" for p in PRESETS.values())

OPTIONS: tuple[Callable, ...] = (
    click.option(
        "--preset", default="paper", metavar="|".join(PRESETS), show_default=True, help=PRESET_HELP
    ),
    click.option(
        "--methods", "--method", "-m", multiple=True, callback=split_names,
        metavar="A,B", help="Methods, name@variant, module:Class, or scores:FOLDER.",
    ),
    click.option(
        "--datasets", "--dataset", "-d", multiple=True, callback=split_names,
        metavar="A,B", help="Datasets, or name=path.",
    ),
    click.option(
        "--categories", "--category", "-c", multiple=True, callback=split_names,
        metavar="A,B", help="Only these categories.",
    ),
    click.option(
        "--noise", multiple=True, callback=split_levels,
        metavar="0,10,50", help="Noise levels in percent (default: the target's; 0 for run).",
    ),
    click.option(
        "--seeds", type=click.UNPROCESSED, callback=parse_seeds, metavar="N",
        help="Repetitions (default: the target's; 3 for run).",
    ),
    click.option(
        "--protocol", "protocols", multiple=True, callback=split_protocols,
        metavar="fixed-test|overlap|added",
        help="Label-noise protocols (default: the target's; fixed-test for run), a table each, "
        "with parameters if wanted: overlap or fixed-test:total=60,shortage=cap,overlap.",
    ),
    click.option(
        "--per-image-minmax", is_flag=True,
        help="One more table, of the same models and maps after each map was stretched to [0, 1] "
        "by itself: shows what that fault does.",
    ),
    click.option(
        "--data-root", type=click.Path(path_type=Path), metavar="DIR",
        help="Folder that holds the datasets (default: $ADREPRO_DATA or ./data).",
    ),
    click.option("--backbone", metavar="NAME", help="Backbone instead of each method's own."),
    click.option("--weights", metavar="PATH", help="Local file with the backbone's weights."),
    click.option("--image-size", type=int, metavar="N", help="Side of the square input in pixels."),
    click.option(
        "--set", "overrides", multiple=True, callback=split_settings,
        metavar="METHOD.KEY=VALUE",
        help="Override a setting of a method and its variants, or of METHOD@VARIANT alone.",
    ),
    click.option(
        "--device", default="auto", metavar="cpu|cuda:N,…|auto", show_default=True,
        help="Where to compute; auto: all GPUs, else the CPU.",
    ),
    click.option(
        "--jobs", "-j", type=int, metavar="N",
        help="Processes side by side, shared between the GPUs (default: one per GPU or core).",
    ),
    click.option(
        "--engine", default="local", metavar="local|worker|ray|slurm", show_default=True,
        help="What runs the cells; worker: leave them to `reproduce worker` on other machines.",
    ),
    click.option(
        "--engine-option", "engine_settings", multiple=True, callback=split_engine_options,
        metavar="KEY=VALUE", help="A setting of the engine, e.g. gpu-fraction=0.5 of ray.",
    ),
    click.option(
        "--timeout", callback=parse_duration, metavar="SECONDS|10m",
        help="A cell that takes longer has failed (default: no limit).",
    ),
    click.option("--fail-fast", is_flag=True, help="Stop at the first cell that fails."),
    click.option(
        "--max-failures", type=click.IntRange(min=1), metavar="N",
        help="Stop when N cells have failed.",
    ),
    click.option(
        "--stack", default="auto", metavar="auto|on|off", show_default=True,
        type=click.Choice(STACK_MODES),
        help="Fit cells of one category together where the method can (auto: on a GPU).",
    ),
    click.option(
        "--store", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
        metavar="DIR", help="Folder of finished cells.",
    ),
    click.option(
        "--out", type=click.Path(path_type=Path), default=Path("report"), show_default=True,
        metavar="DIR", help="Folder for tables and figures.",
    ),
    click.option("--dry-run", is_flag=True, help="Show the plan and stop."),
    click.option("--keep-maps", is_flag=True, help="Keep the anomaly maps in the store."),
    click.option(
        "--papers", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
        help="Folder with more papers.",
    ),
    click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors."),
)  # fmt: skip


def grid_options(command: Callable) -> Callable:
    """Decorate a command with all shared options; it gets them as one ``Options``."""
    import functools

    @functools.wraps(command)
    def wrapper(**given: Any) -> Any:
        names = Options.__slots__
        shared = {name: given.pop(name) for name in names}
        if shared["jobs"] is not None and shared["jobs"] < 1:
            raise UsageError(f"--jobs {shared['jobs']}: expected at least 1")
        return command(options=Options(**shared), **given)

    for option in reversed(OPTIONS):
        wrapper = option(wrapper)
    return wrapper
