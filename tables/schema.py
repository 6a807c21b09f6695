"""Valid keys of the specification files; `tomlcheck` holds a file against them."""

from __future__ import annotations

from .spec import BoldRule
from .tomlcheck import Key

__all__ = ["PAPER", "TARGET"]

PAPER = {
    "title": Key(kind="text"),
    "short": Key(kind="text"),
    "authors": Key(kind="texts", required=False),
    "arxiv": Key(kind="text", required=False),
    "notes": Key(kind="texts", required=False),
    "methods": Key(kind="names", required=False),
}
DATASET = {
    "name": Key(kind="text"),
    "categories": Key(kind="texts"),
    "synthetic": Key(kind="text", required=False),
}
RUN = {
    "datasets": Key(kind="tables", table=DATASET),
    "methods": Key(kind="texts"),
    "noise": Key(kind="numbers", at_least=0),
    "seeds": Key(kind="integer", at_least=1),
    "protocol": Key(kind="text"),
    "evaluation": Key(kind="text"),
    "image_size": Key(kind="integer", required=False, at_least=1),
}
ROW = {
    "id": Key(kind="text"),
    "label": Key(kind="text"),
    "dataset": Key(kind="text", required=False),
    "category": Key(kind="text", required=False),
    "average_of": Key(kind="text", required=False),
    "group": Key(kind="text", required=False),
}
LAYOUT = {
    "label": Key(kind="text"),
    "columns": Key(kind="text", choices=("noise",)),
    "row_header": Key(kind="text"),
    "column_header": Key(kind="text"),
    "column_label": Key(kind="text"),
    "cell": Key(kind="text"),
    "cell_header": Key(kind="text"),
    "bold": Key(kind="text", choices=tuple(rule.value for rule in BoldRule)),
    "curve": Key(kind="texts", required=False),
    "rows": Key(kind="tables", table=ROW),
}
TARGET = {
    "title": Key(kind="text"),
    "caption": Key(kind="text"),
    "reported": Key(kind="text"),
    "reported_method": Key(kind="text"),
    "readings": Key(kind="texts", required=False),
    "run": Key(kind="table", table=RUN),
    "layout": Key(kind="table", table=LAYOUT),
    "tolerance": Key(
        kind="table",
        required=False,
        table={"points": Key(kind="number", at_least=0), "source": Key(kind="text")},
    ),
}
