"""What lies behind the Python interface: options, how a frame was made, and frames of findings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..datasets.errors import UnknownNameError, UsageError
from .commands.options import Options, grid_options

if TYPE_CHECKING:
    import pandas as pd

    from ..reports.build import Prepared
    from ..reports.context import ReportContext
    from ..tables.model import MethodInfo
    from ..tables.spec import Target
    from ..tables.verdicts.places import Scope
    from ..tables.verdicts.verdict import Check
    from .grid import Grid, MethodPlan

# Where a frame says how it was made.
ATTRIBUTE = "adrepro"
# Preset of a frame that does not say: nothing of it is compared.
UNKNOWN = "unknown"


def options_of(given: Mapping[str, Any]) -> Options:
    """Return the options of a command line that gives these; None and False are left out.

    Raises
    ------
    UsageError
        An unknown name, or a value that the command line refuses.
    """

    @click.command()
    @grid_options
    def parse(options: Options) -> Options:
        return options

    known = {param.name: param for param in parse.params}
    arguments = []
    for name, value in given.items():
        if name not in known:
            raise UnknownNameError("argument", name, [str(one) for one in known])
        flag = f"--{known[name].opts[0].lstrip('-')}"
        if value is True:
            arguments.append(flag)
        elif value is not None and value is not False:
            several = not isinstance(value, str | Path | float | int)
            arguments += [f"{flag}={one}" for one in (value if several else (value,))]
    try:
        with parse.make_context("adrepro.harness", arguments) as context:
            return parse.invoke(context)
    except click.ClickException as err:
        raise UsageError(err.format_message()) from err


def facts_of(
    target: Target | None, grid: Grid, options: Options, methods: Iterable[MethodPlan]
) -> dict[str, Any]:
    """Return how results were made, in plain types that travel with a frame."""
    from .commands.show import method_info
    from .commands.stored import scope_in
    from .env import package_version
    from .scorefolder import shown_names

    scope = None if target is None else scope_in(target, grid, options)
    facts = {
        "target": target.name if target else "",
        "preset": options.preset,
        "version": package_version("adrepro"),
        "methods": [asdict(method_info(method)) for method in methods],
        "asked": {
            "methods": shown_names(grid.methods),
            "noise": grid.noise,
            "seeds": grid.seeds,
        },
        "scope": None if scope is None else _plain_scope(scope),
        "store": str(options.store.absolute()),
        "data_root": str(options.data_root.absolute()) if options.data_root else None,
        "datasets": grid.datasets,
    }
    return json.loads(json.dumps(facts))


def _plain_scope(scope: Scope) -> dict[str, Any]:
    places = None if scope.places is None else sorted(scope.places)
    return {"methods": scope.methods, "noise": scope.noise, "places": places}


def prepared(target: str | None, frame: pd.DataFrame, papers: Sequence[str | Path]) -> Prepared:
    """Lay results out as a target's table.

    Raises
    ------
    UsageError
        What was given is no frame of results.
    """
    from ..reports.build import prepare
    from ..tables.generic import generic_target

    _require_frame(frame)
    known = frame.attrs.get(ATTRIBUTE, {})
    loaded = generic_target(frame) if target is None else load(target, papers)
    if known and target is not None:
        asked = known["asked"]
        run = replace(
            loaded.run,
            methods=tuple(asked["methods"]),
            noise=tuple(asked["noise"]),
            seeds=asked["seeds"],
        )
        loaded = replace(loaded, run=run)
    return prepare(loaded, frame, _context(known, loaded.name, frame))


def _require_frame(given: object) -> None:
    import pandas as pd

    if not isinstance(given, pd.DataFrame):
        what = "None" if given is None else f"a {type(given).__name__}"
        raise UsageError(f"results: {what} was given, expected the frame that run or load returned")


def load(target: str, papers: Sequence[str | Path]) -> Target:
    """Read a target's files."""
    from ..tables.papers import load_target

    return load_target(target, tuple(map(Path, papers)))


def _context(known: Mapping[str, Any], target: str, frame: pd.DataFrame) -> ReportContext:
    """Return what a report says beside the numbers, from what a frame knows of its making."""
    from ..reports.context import ReportContext
    from ..tables.verdicts.places import Scope
    from .env import of_cells
    from .evidence import evidence_source, files_of_datasets
    from .store import Store
    from .storefolder import MARK

    if not known:
        return ReportContext(preset=UNKNOWN)
    scope = None
    if known["scope"] is not None and known["target"] == target:
        wanted = known["scope"]
        places = wanted["places"]
        scope = Scope(
            methods=_tuple(wanted["methods"]),
            noise=_tuple(wanted["noise"]),
            places=None if places is None else frozenset((d, c) for d, c in places),
        )
    evidence, environment, store = None, {}, Path(known["store"])
    if (store / MARK).is_file():
        opened, done = Store(store), frame.loc[frame["status"] == "done", "key"]
        # Cells may have been deleted since the frame was made; its numbers still stand.
        kept = (key for key in done if (opened.folder(key) / "env.json").is_file())
        environment = of_cells(opened.load_json(key, "env") for key in kept)
        root = Path(known["data_root"]) if known["data_root"] else None
        evidence = evidence_source(Store(store), files_of_datasets(known["datasets"], root))
    return ReportContext(
        methods=tuple(map(_info, known["methods"])),
        environment=environment,
        preset=known["preset"],
        version=known["version"],
        evidence=evidence,
        scope=scope,
    )


def _info(known: Mapping[str, Any]) -> MethodInfo:
    from ..tables.model import MethodInfo

    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
    return MethodInfo(**values)


def _tuple(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


def judged(target: Target, made: Prepared, frame: pd.DataFrame, margin: float | None) -> Check:
    """Judge every printed number of a target; what is planned and not run is no result."""
    from ..tables.verdicts.judge import judge
    from ..tables.verdicts.verdict import Margin

    if margin is not None and not 0 <= margin <= 100:
        raise UsageError(f"margin {margin:g}: expected points from 0 to 100")
    context = made.context
    return judge(
        target,
        frame.loc[frame["status"] != "pending"],
        methods=context.methods,
        preset=context.preset,
        scope=context.scope,
        margin=None if margin is None else Margin(points=margin, source="given by the caller"),
    )


def verdicts(found: Check) -> pd.DataFrame:
    """Return verdicts as a frame, a row per printed number."""
    import pandas as pd

    names = ("method", "dataset", "category", "noise", "metric", "where", "reference")
    columns = (*names, "achieved", "difference", "verdict", "sd", "n", "low", "high", "reason")
    rows = [
        {name: getattr(cell, name) for name in names}
        | {
            "reference": float(cell.reference),
            "achieved": float(cell.achieved) if cell.achieved else None,
            "difference": cell.difference,
            "verdict": cell.verdict.label,
            "sd": cell.tested.sd if cell.tested else None,
            "n": cell.tested.n if cell.tested else None,
            "low": cell.tested.low if cell.tested else None,
            "high": cell.tested.high if cell.tested else None,
            "reason": cell.reason,
        }
        for cell in found.cells
    ]
    frame = pd.DataFrame(rows, columns=list(columns))
    frame.attrs["notes"] = list(found.notes)
    return frame


def findings(subjects: Sequence[str], papers: tuple[Path, ...]) -> pd.DataFrame:
    """Return what audits find as a frame, a row per finding."""
    import pandas as pd

    from ..tables.audit.run import audit_ledger, audit_paper
    from ..tables.audit.user_csv import read_tables
    from ..tables.papers import list_targets

    known = dict.fromkeys(name.partition("/")[0] for name in list_targets(papers))
    files = [text for text in subjects if text.lower().endswith(".csv")]
    names = [text for text in subjects if text not in files] if subjects else list(known)
    audits = [audit_paper(name, papers) for name in dict.fromkeys(names)]
    if files:
        ledger = read_tables(files, "", None, None)
        audits.append(audit_ledger(ledger, ", ".join(Path(name).name for name in files)))
    columns = ["subject", "severity", "check", "where", "printed", "computed", "sentence", "claim"]
    rows = [
        {name: getattr(one, name) for name in columns[2:]}
        | {"subject": audit.subject, "severity": one.severity.word}
        for audit in audits
        for one in audit.findings
    ]
    return pd.DataFrame(rows, columns=columns)


def draw(made: Prepared, out: Path, formats: Sequence[str], width: str) -> list[Path]:
    """Draw every figure that results allow."""
    from ..reports.figures import (
        FORMATS,
        WIDTHS,
        Material,
        available,
        default_cells,
        render_named,
    )
    from .files import require_writable, write_atomic

    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("figure format", name, FORMATS)
    if width not in WIDTHS:
        raise UnknownNameError("width of a figure", width, WIDTHS)
    require_writable(out, "out")
    model = made.model
    material = Material(model=model, evidence=made.context.evidence, cells=default_cells(model))
    written = []
    for one in available(material):
        for name in formats:
            path = out / f"{model.target.slug}_{one.name}.{name}"
            write_atomic(path, render_named(one.name, material, name, width=width))
            written.append(path)
    return written
