"""Numbers in the text against the tables: every ``[[claims.checks]]`` of a paper, computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..claim_checks import ClaimCheck, Kind
from ..quantities import QUANTITIES
from ..spec import Claim
from .claim_cases import Case, cases_of, match, peers
from .finding import Finding, Outcome, Severity
from .ledger import Ledger, listed, told_apart
from .numbers import Digits, Interval, Reading, shown

CHECK = "claim"
# "About 1.5 times" is taken to mean within a tenth of it.
ABOUT = Fraction(1, 10)
# What is called steady may vary by this factor between its smallest and its largest value.
STEADY = Fraction(3, 2)


def check_claims(claims: Mapping[str, Claim], ledger: Ledger, paper: str) -> Outcome:
    """Compute what the text of a paper says about its tables.

    A computed number and the digits that the text gives agree if something prints as all of them,
    rounded everywhere or truncated everywhere.

    Parameters
    ----------
    claims
        The paper's claims.
    ledger
        Its printed numbers.
    paper
        Its name; addresses are within it.

    Raises
    ------
    UsageError
        An address names a table, row or column that is not there.
    """
    findings: list[Finding] = []
    checked = 0
    for name, claim in claims.items():
        for check in claim.checks:
            checked += 1
            findings += _check(_Claim(name, claim, check, ledger, paper))
    reason = () if checked else ("no claim of a text goes with the tables",)
    return Outcome(tuple(findings), checked, reason)


@dataclass(frozen=True, slots=True)
class _Claim:
    """One check with all that it needs."""

    name: str
    claim: Claim
    check: ClaimCheck
    ledger: Ledger
    paper: str

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f"{self.paper}/{a.target}" for a in self.check.of))

    def finding(self, severity: Severity, printed: str, computed: str, sentence: str) -> Finding:
        return Finding(
            check=CHECK,
            severity=severity,
            where=f"{self.claim.where.partition(';')[0]}, claim {self.name}",
            claim=self.claim.text,
            printed=printed,
            computed=computed,
            sentence=sentence,
            tables=self.tables,
        )

    @property
    def said(self) -> str:
        """What the text says, as digits."""
        return f"place {self._said}" if self.check.kind is Kind.RANK else self._said

    @property
    def _said(self) -> str:
        check = self.check
        if check.between:
            return f"{check.between[0]} to {check.between[1]}"
        if check.above is not None:
            return f"above {check.above}"
        if check.below is not None:
            return f"below {check.below}"
        words = {Kind.BEST: "best", Kind.SUPERADDITIVE: "more than the sum"}
        if check.printed is None:
            return words.get(check.kind, "the same everywhere")
        return f"{'about ' if check.about else ''}{check.printed}"

    def cases(self) -> list[Case] | None:
        """Return all computations, or None where a number is not printed."""
        return cases_of(self.check, self.ledger, self.paper)


def _check(asked: _Claim) -> list[Finding]:
    cases = asked.cases()
    if cases is None:
        absent = [str(a) for a in asked.check.of if not match(a, asked.ledger, asked.paper)]
        names = f" ({', '.join(absent)})" if absent else ""
        sentence = f"The paper prints no number to hold this against{names}."
        return [asked.finding(Severity.NOTE, asked.said, "", sentence)]
    if asked.check.kind is Kind.SUPERADDITIVE:
        return _superadditive(asked, cases)
    if asked.check.kind is Kind.BEST:
        return _best(asked, cases)
    if asked.check.steady:
        return _steady(asked, cases)
    wrong = [case for case in cases if not _fits(asked.check, case)]
    if wrong:
        return [_disagrees(asked, cases, wrong)]
    return [*_only_points(asked, cases), *_below_mean(asked, cases)]


def _fits(check: ClaimCheck, case: Case) -> bool:
    """Tell whether what the text says may be what the digits stand for."""
    whole = Interval(min(s.low for s in case.spans), max(s.high for s in case.spans))
    if check.between:
        low, high = map(Fraction, check.between)
        return whole.low <= high and low <= whole.high
    if check.above is not None:
        return whole.high >= Fraction(check.above)
    if check.below is not None:
        return whole.low <= Fraction(check.below)
    digits = Digits.of(check.printed or "0")
    if check.about:
        margin = abs(digits.value) * ABOUT
        return whole.meets(Interval(digits.value - margin, digits.value + margin))
    spans = zip(Reading, case.spans, strict=True)
    rest = check.kind is Kind.REST
    return any(_overlap(span, digits.interval(reading), rest=rest) for reading, span in spans)


def _overlap(computed: Interval, printed: Interval, *, rest: bool) -> bool:
    """Tell whether some number lies in both.

    Digits stand for their lower end, a tie, and not for their upper one. What is computed from two
    of them has neither of its ends; a rest of one number has the upper one.
    """
    if computed.low >= printed.high:
        return False
    return printed.low <= computed.high if rest else printed.low < computed.high


def _disagrees(asked: _Claim, cases: Sequence[Case], wrong: Sequence[Case]) -> Finding:
    computed = _listed(asked, wrong, cases)
    of = f"In {len(wrong)} of {len(cases)} places the" if len(cases) > 1 else "The"
    sentence = f"{of} printed numbers give something else than the text says."
    if asked.check.kind is Kind.RANK:
        count = len(peers(cases[0].entries[0], asked.ledger))
        sentence += f" Places count from the best of {count} categories."
    if asked.check.kind is Kind.DIFFERENCE and asked.check.written == "percent":
        sentence += f" As percent of the first: {_relative(wrong)}."
    return asked.finding(Severity.INCONSISTENT, asked.said, computed, sentence)


def _listed(asked: _Claim, some: Sequence[Case], cases: Sequence[Case]) -> str:
    kind = asked.check.kind
    places = {Kind.RATIO: 2, Kind.RANK: 0}.get(kind, max(e.digits.places for e in cases[0].entries))
    return _labelled([shown(c.value, places) for c in some], some, cases, kind)


def _labelled(texts: Sequence[str], some: Sequence[Case], cases: Sequence[Case], kind: Kind) -> str:
    """Write texts of some cases with what tells these cases from all others."""
    if len(cases) == 1:
        return texts[0]
    labels = dict(zip(map(id, cases), told_apart([c.entry(kind) for c in cases]), strict=True))
    pairs = [f"{text} ({labels[id(case)]})" for text, case in zip(texts, some, strict=True)]
    return ", ".join(pairs[:8]) + (f" and {len(pairs) - 8} more" if len(pairs) > 8 else "")


def _relative(cases: Sequence[Case]) -> str:
    firsts = [(c.value, c.entries[0].value) for c in cases]
    return ", ".join(shown(100 * x / first, 1) if first else "undefined" for x, first in firsts)


def _only_points(asked: _Claim, cases: Sequence[Case]) -> Iterable[Finding]:
    """Note a difference in points that the text writes with a percent sign."""
    check = asked.check
    if check.kind is Kind.DIFFERENCE and check.written == "percent":
        sentence = f"These are percentage points; relative to the first it is {_relative(cases)} %."
        yield asked.finding(
            Severity.NOTE, f"{asked.said} %", _listed(asked, cases, cases), sentence
        )


def _below_mean(asked: _Claim, cases: Sequence[Case]) -> Iterable[Finding]:
    """Note the categories that do not keep a bound which their mean keeps."""
    bound = asked.check.above
    if bound is None or asked.check.kind is not Kind.VALUE:
        return
    means = [case.entries[0] for case in cases if case.entries[0].average]
    under = [
        e
        for mean in means
        for e in asked.ledger.entries
        if (e.table, e.block, e.method, e.noise, e.metric)
        == (mean.table, mean.block, mean.method, mean.noise, mean.metric)
        and not e.average
        and e.categories[0] in mean.categories
        and e.digits.either.high < Fraction(bound)
    ]
    if under:
        sentence = f"The bound holds for the mean; {len(under)} single categories are below it."
        yield asked.finding(Severity.NOTE, asked.said, listed(under), sentence)


def _best(asked: _Claim, cases: Sequence[Case]) -> list[Finding]:
    lower = QUANTITIES[asked.check.of[0].metric].lower_is_better
    sign = -1 if lower else 1
    lost = [c for c in cases if all((s.high if sign > 0 else -s.low) < 0 for s in c.spans)]
    if not lost:
        return []
    texts = [
        f"{c.entries[0].text} against {', '.join(e.text for e in c.entries[1:])}" for c in lost
    ]
    sentence = "What the text puts first is not the best of the printed numbers" + (
        f" in {len(lost)} of {len(cases)} places." if len(cases) > 1 else "."
    )
    computed = _labelled(texts, lost, cases, Kind.BEST)
    return [asked.finding(Severity.INCONSISTENT, asked.said, computed, sentence)]


def _steady(asked: _Claim, cases: Sequence[Case]) -> list[Finding]:
    low = min(min(s.high for s in c.spans) for c in cases)
    high = max(max(s.low for s in c.spans) for c in cases)
    # Judged on what rounding leaves certain.
    if low > 0 and high <= STEADY * low:
        return []
    sentence = "What the text calls steady grows or shrinks by more than half between these places."
    return [
        asked.finding(Severity.INCONSISTENT, asked.said, _listed(asked, cases, cases), sentence)
    ]


def _superadditive(asked: _Claim, cases: Sequence[Case]) -> list[Finding]:
    above = sum(all(s.low > 0 for s in c.spans) for c in cases)
    below = sum(all(s.high < 0 for s in c.spans) for c in cases)
    if above:
        return []
    sentence = (
        f"At none of {len(cases)} places does the joint loss exceed the sum of the single losses"
        f" by more than rounding leaves open; at {below} it is clearly below."
    )
    return [
        asked.finding(Severity.INCONSISTENT, asked.said, _listed(asked, cases, cases), sentence)
    ]
