"""What the HTML page says around the numbers: methods, settings, data, keys, counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from ..tables.formatting import Mark, level
from ..tables.model import MethodRuns, TableModel
from ..tables.runs import Run, Status
from .context import ReportContext


def tiles(model: TableModel, context: ReportContext) -> list[dict[str, str]]:
    """Return the tiles at the head of the page."""
    done, failed = model.count(Status.DONE), model.count(Status.FAILED)
    pending = model.count(Status.PENDING)
    protocols = distinct(model, "protocol")
    seeds = sorted({run.seed for run in model.runs})
    return [
        {"name": "Data", "text": ", ".join(datasets(model)) or "none", "more": ""},
        {"name": "Preset", "text": context.preset, "more": ""},
        {
            "name": "Noise protocol",
            "text": ", ".join(p.partition("/")[0] for p in protocols) or "unknown",
            "more": "; ".join(p.partition(":")[2].replace(",", ", ") for p in protocols),
        },
        {"name": "Seeds", "text": str(len(seeds)), "more": ", ".join(map(str, seeds))},
        {
            "name": "Cells",
            "text": f"{done} of {len(model.runs)} done",
            "more": f"{failed} failed, {pending} pending",
        },
    ]


def datasets(model: TableModel) -> list[str]:
    """Return the names of the datasets, drawn ones under their own."""
    names = dict.fromkeys(str(run.facts.get("dataset", run.dataset)) for run in model.runs)
    return list(names)


def distinct(model: TableModel, fact: str) -> list[str]:
    """Return the distinct values of a fact over all methods."""
    return list(dict.fromkeys(v for method in model.methods for v in method.facts[fact]))


def made_with(method: MethodRuns) -> str:
    """Return the line below a method's title: citation, backbone, image size, seeds."""
    parts = [method.info.paper] if method.info and method.info.paper else []
    parts.append(f"backbone {', '.join(method.facts['backbone']) or 'unknown'}")
    if method.facts["image_size"]:
        parts.append(f"{', '.join(method.facts['image_size'])} px")
    parts.append(f"{method.seeds} seed{'s' if method.seeds != 1 else ''}")
    return " · ".join(parts)


def method_facts(model: TableModel, method: MethodRuns) -> list[dict[str, Any]]:
    """Return name and text pairs about one method; ``many`` holds a list instead of a text."""
    info = method.info
    facts: list[dict[str, Any]] = []

    def add(name: str, text: str = "", many: Sequence[str] = ()) -> None:
        if text or many:
            facts.append({"name": name, "text": text, "many": list(many)})

    if info is not None:
        own = [info.paper_backbone or "no backbone"]
        own += [f"{info.paper_image_size} px"] if info.paper_image_size else []
        add("In its own paper", ", ".join(own))
    add("Weights", ", ".join(_short(text) for text in method.facts["weights"]))
    if info is not None:
        add("Departs from its paper", many=info.departures)
        add("Settings not the paper's", many=info.overrides)
    runs = [r for r in model.runs if r.method == method.name and r.status is Status.DONE]
    add("Time", _timing(runs))
    add("Device", ", ".join(method.facts["device_name"] or method.facts["device"]))
    return facts


def _short(text: str) -> str:
    """Shorten a hash, which nobody reads to the end; names stay."""
    return f"{text[:12]}…" if len(text) > 40 else text


def _timing(runs: Iterable[Run]) -> str:
    runs = list(runs)
    fit = [float(v) for run in runs if (v := run.facts.get("fit_s")) is not None]
    score = [float(v) for run in runs if (v := run.facts.get("score_ms_per_image")) is not None]
    parts = [f"fit {median(fit):.3g} s per cell"] if fit else []
    parts += [f"scoring {median(score):.3g} ms per image"] if score else []
    if not parts:
        return ""
    latency = [float(v) for run in runs if (v := run.facts.get("latency_ms")) is not None]
    if latency:
        parts.append(f"a single image from file to map {median(latency):.3g} ms")
    shared = sum(not run.facts.get("exclusive") for run in runs)
    alone = "" if not shared else f"; {shared} of {len(runs)} cells shared the machine with others"
    return f"{', '.join(parts)} (medians; fit and scoring without shared frozen features{alone})"


def settings(method: MethodRuns) -> list[tuple[str, str]]:
    """Return name and value of each setting of a method's runs."""
    return settings_of(method.facts["settings"])


def settings_of(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Return name and value of each setting; text that is not a JSON object stands as it is."""
    pairs: dict[tuple[str, str], None] = {}
    for text in texts:
        try:
            document = json.loads(text)
        except json.JSONDecodeError:
            document = None
        if isinstance(document, dict):
            pairs |= dict.fromkeys((str(k), json.dumps(v)) for k, v in document.items())
        else:
            pairs[("settings", text)] = None
    return list(pairs)


def training(model: TableModel) -> list[dict[str, Any]]:
    """Return per category how many images were trained on at each level, and the test set."""
    rows = []
    for dataset, category, label in model.categories:
        runs = [r for r in model.runs if (r.dataset, r.category) == (dataset, category)]
        cells = []
        for noise in model.levels:
            here = [run for run in runs if run.noise == noise]
            cells.append({"taken": _counts(here), "effective": _effective(here, noise)})
        tests = dict.fromkeys(
            f"{_count(run, 'n_test_good')}+{_count(run, 'n_test_anomalous')}" for run in runs
        )
        rows.append({"label": label, "cells": cells, "test": " or ".join(tests)})
    return rows


def levels(model: TableModel) -> list[str]:
    """Return the heads of the noise levels."""
    return [f"{level(noise)}%" for noise in model.levels]


def _counts(runs: Sequence[Run]) -> str:
    found = dict.fromkeys(f"{_count(r, 'n_train_noisy')}/{_count(r, 'n_train')}" for r in runs)
    return " or ".join(found) or Mark.NOT_RUN.symbol


def _count(run: Run, name: str) -> str:
    value = run.facts.get(name)
    return "?" if value is None else str(int(value))


def _effective(runs: Sequence[Run], noise: float) -> str:
    levels = {float(v) for r in runs if (v := r.facts.get("noise_effective")) is not None}
    apart = sorted(value for value in levels if abs(value - noise) > 0.05)
    return ", ".join(f"{value:.1f}%" for value in apart)


def keys(model: TableModel) -> list[dict[str, Any]]:
    """Return per method and category the shortened cell keys of each level, by seed."""
    found = []
    ordered = sorted(model.runs, key=lambda run: run.seed)
    for method in model.methods:
        own = [run for run in ordered if run.method == method.name]
        rows = []
        for dataset, category, label in model.categories:
            runs = [r for r in own if (r.dataset, r.category) == (dataset, category)]
            if runs:
                columns = [[r.key[:10] for r in runs if r.noise == x] for x in model.levels]
                rows.append({"label": label, "cells": columns})
        found.append({"title": method.title, "rows": rows})
    return found
