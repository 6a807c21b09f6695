"""Runs every check on a paper or on tables of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..papers import list_targets, load_target
from ..spec import Claim, Target
from ..stated import StatedProtocol
from .agreement import check_bold, check_tables
from .averages import check_averages
from .claims import check_claims
from .collect import ledger_of
from .columns import check_columns
from .counts import check_attainable, check_trivial
from .decisions import check_f1
from .finding import CHECKS, Audit, Finding, Outcome, ordered
from .ledger import Ledger
from .names import check_names
from .protocol import check_protocols
from .shape import check_monotone, check_steps

# Checks that need nothing but the numbers.
_ON_NUMBERS: Mapping[str, Callable[[Ledger], Outcome]] = {
    "average": check_averages,
    "f1": check_f1,
    "attainable": check_attainable,
    "trivial": check_trivial,
    "tables": check_tables,
    "names": check_names,
    "bold": check_bold,
    "steps": check_steps,
    "columns": check_columns,
}


def audit_ledger(
    ledger: Ledger,
    subject: str,
    claims: Mapping[str, Claim] | None = None,
    protocols: Iterable[StatedProtocol] = (),
    paper: str = "",
) -> Audit:
    """Run every check on a ledger.

    Parameters
    ----------
    ledger
        The printed numbers.
    subject
        What is audited, for headings.
    claims, protocols
        What the paper's text claims about its numbers and states about its data.
    paper
        The paper's name, which the addresses of its claims are within.
    """
    stated = tuple(protocols)
    found = {name: check(ledger) for name, check in _ON_NUMBERS.items()}
    found["claim"] = check_claims(claims or {}, ledger, paper)
    found["protocol"] = check_protocols(stated, ledger.tests, ledger.tables)
    found["monotone"] = check_monotone(ledger, stated)
    findings = [finding for outcome in found.values() for finding in outcome.findings]
    return Audit(
        subject=subject,
        findings=ordered(findings),
        numbers=len(ledger.entries),
        checked={name: found[name].checked for name in CHECKS},
        unmade={name: found[name].unmade for name in CHECKS if found[name].unmade},
    )


def audit_targets(targets: Iterable[Target]) -> Audit:
    """Audit all targets of one paper; its claims may be about any of them."""
    found = [target for target in targets if target.numbers or target.misprints]
    paper = found[0].paper if found else None
    name = found[0].name.partition("/")[0] if found else ""
    return audit_ledger(
        ledger_of(found),
        paper.short if paper else name,
        paper.claims if paper else {},
        paper.protocols if paper else (),
        name,
    )


def audit_paper(name: str, papers_dirs: Iterable[Path | str] = ()) -> Audit:
    """Audit every table of a paper.

    Raises
    ------
    UnknownNameError
        No such paper.
    SpecError
        Its files say something impossible.
    """
    from ...datasets.errors import UnknownNameError

    dirs = tuple(papers_dirs)
    names = list_targets(dirs)
    own = [target for target in names if target.partition("/")[0] == name]
    if not own:
        raise UnknownNameError("paper", name, {target.partition("/")[0] for target in names})
    return audit_targets(load_target(target, dirs) for target in own)


def findings_on(target: Target) -> tuple[Finding, ...]:
    """Return what an audit of a target's whole paper finds about the target itself."""
    if target.paper is None or target.paper.folder is None or not target.numbers:
        return ()
    folder = target.paper.folder
    audit = audit_paper(target.name.partition("/")[0], () if _built_in(target) else (folder,))
    return audit.concerning(target.name)


def _built_in(target: Target) -> bool:
    return target.name in list_targets()
