"""Rich tables that are right, with groups, claims, gaps and deviations, raise nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from audit_rich_worlds import PAPER, rich_table
from audit_worlds import ledger, stated, with_copy

from adrepro.tables.audit.finding import Finding, Severity
from adrepro.tables.audit.run import audit_ledger
from adrepro.tables.claim_checks import Kind

# Claims that are made wrong.
PLANTED = 20


def _wrongly_found(seed: int) -> list[Finding]:
    """Return findings on a rich table, but for values below chance, which must be found."""
    rich = rich_table(np.random.default_rng(seed))
    entries = ledger(with_copy(rich.entries))
    found = audit_ledger(entries, "rich", rich.claims, (stated(rich.world),), PAPER).findings
    chance = [f for f in found if f.check == "trivial" and "AUROC" in f.where]
    assert bool(chance) == rich.below_chance
    return [f for f in found if f not in chance]


def test_rich_tables_raise_nothing() -> None:
    """Groups, claims, gaps, deviations and hard categories raise nothing that is not there."""
    wrong = {seed: found for seed in range(100) if (found := _wrongly_found(seed))}
    assert wrong == {}


def test_rich_tables_are_held_against_all_that_they_have() -> None:
    """Every check compares something in some of them."""
    checked: dict[str, int] = {}
    for seed in range(40):
        rich = rich_table(np.random.default_rng(seed))
        protocols = (stated(rich.world),)
        audit = audit_ledger(ledger(with_copy(rich.entries)), "rich", rich.claims, protocols, PAPER)
        for name, count in audit.checked.items():
            checked[name] = checked.get(name, 0) + count
    assert min(checked.values()) > 0


def test_wrong_claims_about_rich_tables_are_found() -> None:
    """A claimed number that is five units of the last digit off is found."""
    planted = 0
    for seed in range(200):
        rich = rich_table(np.random.default_rng(seed))
        for name, claim in rich.claims.items():
            (check,) = claim.checks
            if check.printed is None or check.kind not in (Kind.VALUE, Kind.DIFFERENCE, Kind.REST):
                continue
            off = f"{Decimal(check.printed) + Decimal(5).scaleb(-rich.world.places):f}"
            claims = rich.claims | {name: replace(claim, checks=(replace(check, printed=off),))}
            found = audit_ledger(ledger(rich.entries), "rich", claims, (), PAPER).findings
            (wrong,) = [f for f in found if f.check == "claim"]
            assert wrong.severity is Severity.INCONSISTENT
            assert wrong.where.endswith(f"claim {name}")
            planted += 1
            break
        if planted == PLANTED:
            return
    pytest.fail("too few claims to plant errors in")


@pytest.mark.slow
def test_ten_thousand_tables_raise_nothing() -> None:
    """The same, for ten thousand rich tables."""
    wrong = {seed: found for seed in range(10_000) if (found := _wrongly_found(seed))}
    assert wrong == {}
