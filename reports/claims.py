"""What the paper claims, and which method wins here: a line per dataset and noise level."""

from __future__ import annotations

from dataclasses import dataclass

from ..tables.formatting import level
from ..tables.model import TableModel
from ..tables.spec import Claim
from ..tables.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """One line: who wins on a dataset at a level, and where the paper's own method stands.

    All fields are texts as printed; ``aside`` says how many methods stand in no order.
    """

    dataset: str
    noise: str
    methods: str
    value: str
    rank: str
    aside: str


HEADS = ("Dataset", "Level", "Best method", "Image AUROC (%)", "{} stands", "Left out")
CAPTION = (
    "Methods in the order of their mean image AUROC over all categories of a dataset; "
    "methods with an incomplete set stand in no order."
)


def heading(model: TableModel) -> str:
    """Return the title of the section: claims are shown beside real data only."""
    if claims(model):
        return "What the paper claims, and what was measured"
    return "Which method wins"


def claims(model: TableModel) -> tuple[Claim, ...]:
    """Return the claims that these results speak to; none beside synthetic data."""
    return () if model.synthetic else model.target.claims


def heads(model: TableModel) -> list[str]:
    """Return the heads of the lines' columns; the last only where a method is left out."""
    own = model.target.reported_method
    found = [text.format(model.method_title(own) if own else "") for text in HEADS]
    return found if any(line.aside for line in winners(model)) else found[:-1]


def winners(model: TableModel) -> list[Winner]:
    """Return the lines, where there is more than one method to compare."""
    if len(model.methods) < 2 or model.target.reported_method is None:
        return []
    return [_winner(model, standing) for standing in model.standings if standing.order]


def nothing(model: TableModel) -> str:
    """Say that no method can be ranked yet, where claims wait for it; else empty."""
    if claims(model) and model.standings and not any(s.order for s in model.standings):
        return "No method has a complete set of categories and seeds yet: nothing is ranked."
    return ""


def _winner(model: TableModel, standing: Standing) -> Winner:
    own = model.target.reported_method or ""
    rank, count = standing.rank(own), len(standing.order)
    ran = any(method.name == own for method in model.methods)
    missing = "incomplete" if own in standing.incomplete else "no result" if ran else "not run"
    return Winner(
        dataset=standing.dataset,
        noise=f"{level(standing.noise)}%",
        methods=", ".join(model.method_title(name) for name in standing.winners),
        value=standing.order[0][1].text,
        rank=f"{rank} of {count}" if rank is not None else missing,
        aside=", ".join(model.method_title(name) for name in standing.incomplete),
    )
