"""Valid keys of the specification files; `tomlcheck` holds a file against them."""

from __future__ import annotations

from .claim_checks import CLAIM_CHECK
from .layout import METHODS, NOISE, BoldRule
from .spec import Essential
from .stated import PROTOCOL
from .tomlcheck import Key

__all__ = ["PAPER", "TARGET"]

CLAIM = {
    "id": Key(kind="text"),
    "text": Key(kind="text"),
    "where": Key(kind="text"),
    "checks": Key(kind="tables", required=False, table=CLAIM_CHECK),
}
PAPER = {
    "title": Key(kind="text"),
    "short": Key(kind="text"),
    "authors": Key(kind="texts", required=False),
    "arxiv": Key(kind="text", required=False),
    "notes": Key(kind="texts", required=False),
    "methods": Key(kind="names", required=False),
    "claims": Key(kind="tables", required=False, table=CLAIM),
    "protocol": Key(kind="tables", required=False, table=PROTOCOL),
}
DATASET = {
    "name": Key(kind="text"),
    "categories": Key(kind="texts"),
    "synthetic": Key(kind="text", required=False),
    "label": Key(kind="text", required=False),
}
GROUP = {
    "name": Key(kind="text"),
    "dataset": Key(kind="text"),
    "categories": Key(kind="texts"),
}
PRESET = {
    "methods": Key(kind="texts", required=False),
    "categories": Key(kind="texts", required=False),
}
RUN = {
    "datasets": Key(kind="tables", table=DATASET),
    "groups": Key(kind="tables", required=False, table=GROUP),
    "methods": Key(kind="texts"),
    "noise": Key(kind="numbers", at_least=0),
    "seeds": Key(kind="integer", at_least=1),
    "protocol": Key(kind="text"),
    "evaluation": Key(kind="text"),
    "image_size": Key(kind="integer", required=False, at_least=1),
    "hardware": Key(kind="text", required=False),
    "presets": Key(
        kind="table",
        required=False,
        table={
            name: Key(kind="table", required=False, table=PRESET)
            for name in ("paper", "quick", "demo")
        },
    ),
}
# Part of a place: a line of the layout, or its ``at``, says as much of it as it knows.
PLACE = {
    "method": Key(kind="text", required=False),
    "dataset": Key(kind="text", required=False),
    "category": Key(kind="text", required=False),
    "average_of": Key(kind="text", required=False),
    "noise": Key(kind="number", required=False, at_least=0),
    "cell": Key(kind="text", required=False),
}
LINE = PLACE | {
    "id": Key(kind="text", required=False),
    "label": Key(kind="text"),
    "group": Key(kind="text", required=False),
    "header": Key(kind="text", required=False),
    "printed": Key(kind="text", required=False),
}
LAYOUT = {
    "label": Key(kind="text", required=False),
    "at": Key(kind="table", required=False, table=PLACE),
    "blocks": Key(kind="tables", required=False, table=LINE),
    "rows": Key(kind="lines", choices=(METHODS,), table=LINE),
    "columns": Key(kind="lines", choices=(METHODS, NOISE), table=LINE),
    "row_header": Key(kind="text", required=False),
    "column_header": Key(kind="text", required=False),
    "column_label": Key(kind="text", required=False),
    "cell_header": Key(kind="text", required=False),
    "bold": Key(kind="text", required=False, choices=tuple(rule.value for rule in BoldRule)),
    "curve": Key(kind="texts", required=False),
    "always_reported": Key(kind="boolean", required=False),
}
TARGET = {
    "title": Key(kind="text"),
    "caption": Key(kind="text"),
    "reported": Key(kind="text", required=False),
    "reported_method": Key(kind="text", required=False),
    "readings": Key(kind="texts", required=False),
    "claims": Key(kind="texts", required=False),
    "notes": Key(kind="texts", required=False),
    "essential": Key(kind="texts", required=False, choices=tuple(Essential)),
    "run": Key(kind="table", table=RUN),
    "layout": Key(kind="table", table=LAYOUT),
    "tolerance": Key(
        kind="table",
        required=False,
        table={"points": Key(kind="number", at_least=0), "source": Key(kind="text")},
    ),
}
