"""Statements about printed numbers, and checks that decide them.

A :class:`Constraint` says what two expressions must obey.  A :class:`Case` is a
reading under which several constraints must hold together.  A :class:`Check` lays all
readings of one rule side by side: *impossible* if each has a constraint that no numbers
inside the rounding intervals can obey.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from printproof._exact import Digits, Expr, Span, cells_of, decimal
from printproof.errors import RecordError
from printproof.printed import Record

CONSISTENT, IMPOSSIBLE, UNDECIDED = "consistent", "impossible", "undecided"

#: Names under which a number of observations is printed.
SIZES = ("N", "n", "Observations", "obs")

Relation = Literal["equals", "at most", "less than", "is whole"]


@dataclass(frozen=True)
class Constraint:
    """What the numbers behind the print must obey.

    Attributes
    ----------
    left : Expr
    relation : {"equals", "at most", "less than", "is whole"}
    right : Expr or None
        ``None`` for "is whole".
    says : str
        The constraint in words, for instance "t is effect over standard error".
    """

    left: Expr
    relation: Relation
    right: Expr | None = None
    says: str = ""

    @property
    def sides(self) -> tuple[Expr, ...]:
        """The left side and, where there is one, the right."""
        return (self.left,) if self.right is None else (self.left, self.right)

    @property
    def cells(self) -> tuple[str, ...]:
        """Cells on either side, each once."""
        return cells_of(side.tree for side in self.sides)

    def spans(self, record: Record) -> tuple[Span, Span | None]:
        """Return the intervals of both sides."""
        return self.left.span(record), None if self.right is None else self.right.span(record)

    def possible(self, record: Record) -> bool:
        """Say whether some numbers inside the intervals obey the constraint."""
        left, right = self.spans(record)
        return related(left, self.relation, right)

    def miss(self, record: Record) -> Fraction:
        """Return how far apart the two sides are: zero where the constraint is possible."""
        left, right = self.spans(record)
        if related(left, self.relation, right):
            return Fraction(0)
        if right is None:
            assert left.low is not None and left.high is not None, "related() lets it pass"
            return min(left.low - floor(left.low), ceil(left.high) - left.high)
        gaps = [Fraction(0)]
        if left.low is not None and right.high is not None:
            gaps.append(left.low - right.high)
        if self.relation == "equals" and right.low is not None and left.high is not None:
            gaps.append(right.low - left.high)
        return max(gaps)

    def reasoning(self, record: Record) -> str:
        """Write the deciding arithmetic so that it can be followed with a pencil."""
        left, right = self.spans(record)
        told = f"{self.says}: " if self.says else ""
        first = _located(self.left, left, record)
        if self.right is None or right is None:
            inside = "a" if related(left, self.relation, None) else "no"
            return f"{told}{first}, which holds {inside} whole number"
        second = _located(self.right, right, record)
        return f"{told}{first} and {second}; {self._outcome(record, left, right)}"

    def _outcome(self, record: Record, left: Span, right: Span) -> str:
        possible = related(left, self.relation, right)
        if self.relation == "equals":
            if possible:
                single = left.low == left.high and right.low == right.high
                return "the two are equal" if single else "the two share a point"
            apart = decimal(self.miss(record), up=False, digits=3)
            return f"the two share no point and lie {apart} apart"
        than = "at most" if self.relation == "at most" else "less than"
        return f"the first can{'' if possible else 'not'} be {than} the second"


def _located(expr: Expr, span: Span, record: Record) -> str:
    """Say where an expression lies; a single number needs no interval."""
    shown = expr.show(record)
    if span.low is None or span.low != span.high:
        return f"{shown} lies in {span}"
    value = decimal(span.low, up=False)
    return shown if expr.tree[0] in {"number", "cell"} else f"{shown} = {value}"


def related(left: Span, relation: Relation, right: Span | None) -> bool:
    """Say whether a member of ``left`` can stand in the relation to a member of ``right``."""
    if relation == "is whole":
        if left.low is None or left.high is None:
            return True
        return ceil(left.low) <= left.high
    assert right is not None, f"{relation} needs two sides"
    if relation == "less than":
        return left.low is None or right.high is None or left.low < right.high
    below = left.low is None or right.high is None or left.low <= right.high
    if relation == "at most":
        return below
    above = right.low is None or left.high is None or right.low <= left.high
    return below and above


@dataclass(frozen=True)
class Case:
    """One reading: constraints that must all hold if it is the right one.

    Attributes
    ----------
    assume : str
        What the reading supposes; empty where there is only one.
    constraints : tuple of Constraint
    """

    assume: str
    constraints: tuple[Constraint, ...]

    def failing(self, record: Record) -> Constraint | None:
        """Return the first constraint that cannot hold, or ``None``."""
        return next((s for s in self.constraints if not s.possible(record)), None)


#: How much a verdict rests on, the least first.
STRENGTHS = ("arithmetic", "convention", "wording")
#: Premises that say what a heading means: digits and these are arithmetic.
_DEFINITIONS = {"scale", "counts", "parts", "p_column"}


@dataclass(frozen=True)
class Premise:
    """What a verdict rests on beside the digits.

    Attributes
    ----------
    name : str
        ``stars``, ``estimator``, ``sample`` ...
    declared : bool
        Whether it is printed or declared; a premise that the program infers is neither.
    remedy : str
        The line that would declare it.
    """

    name: str
    declared: bool
    remedy: str


@dataclass(frozen=True)
class Check:
    """One row of the ledger.

    Attributes
    ----------
    paper, rule : str
    cells : tuple of str
        Identifiers of the printed cells that were used.
    verdict : str
        *consistent*, *impossible* or *undecided*.
    reasoning : str
        The deciding arithmetic in one paragraph.
    cases : tuple of Case
        The readings; empty where nothing could be computed.
    title : str
        What was asked, in a few words.
    premises : tuple of Premise
        What the verdict rests on beside the digits.
    strength : str
        *arithmetic* (digits and what a heading means), *convention* (a declared
        convention) or *wording* (a reading of a sentence).

    Examples
    --------
    >>> Check("p", "stars", (), "undecided", "No level is declared.").verdict
    'undecided'
    """

    paper: str
    rule: str
    cells: tuple[str, ...]
    verdict: str
    reasoning: str
    cases: tuple[Case, ...] = ()
    title: str = ""
    premises: tuple[Premise, ...] = ()
    strength: str = "arithmetic"

    @property
    def declare(self) -> str:
        """The lines that would decide the check if they were declared; empty if none would."""
        return ", ".join(_lines(self.premises))


def decide(
    record: Record,
    paper: str,
    rule: str,
    title: str,
    cases: Sequence[Case],
    *,
    premises: Sequence[Premise] = (),
    uses: Sequence[str] = (),
    strength: str = "",
    all_agree: bool = False,
    if_impossible: str = IMPOSSIBLE,
    remark: str = "",
) -> Check:
    """Evaluate all readings and word the verdict.

    *Impossible* needs every premise declared, that of the digits too; otherwise the check
    is *undecided*, with the line that would decide it.
    """
    stated = cells_of(e.tree for b in cases for s in b.constraints for e in s.sides)
    cells = tuple(dict.fromkeys((*uses, *stated)))
    try:
        verdict, reasoning = _weigh(record, cases, all_agree)
        rests = (*premises,)
        if isinstance(record, Digits):
            narrow = record.only(cells).with_rounding("nearest", undeclared_only=True)
            rests += tuple(_of_digits(record, narrow, cases, cells, verdict))
            guessed = any(p.name == "rounding" and not p.declared for p in rests)
            if verdict == CONSISTENT and guessed:
                verdict, reasoning = _weigh(narrow, cases, all_agree)
    except RecordError as error:  # a number printed as "about", or a divisor around zero
        return Check(paper, rule, cells, UNDECIDED, f"{title}: {error}.", (), title)
    missing = [p for p in rests if not p.declared]
    known = {p.name for p in rests} <= _DEFINITIONS
    if verdict != IMPOSSIBLE or if_impossible != IMPOSSIBLE:
        verdict = if_impossible if verdict == IMPOSSIBLE else verdict
        rests = tuple(p for p in rests if p.declared)
    elif missing:
        verdict = UNDECIDED
        lines = " and ".join(_lines(missing))
        reasoning += f". This rests on what is not declared; {lines} would decide it"
    text = " ".join(part for part in (_sentence(reasoning), remark) if part)
    strength = strength or ("arithmetic" if known else "convention")
    return Check(paper, rule, cells, verdict, text, tuple(cases), title, rests, strength)


def _lines(premises: Iterable[Premise]) -> list[str]:
    """Return the lines that would declare what is not declared, each once."""
    return list(dict.fromkeys(f"`{p.remedy}`" for p in premises if not p.declared))


def _weigh(record: Record, cases: Sequence[Case], all_agree: bool) -> tuple[str, str]:
    """Return the verdict of the constraints alone, and the arithmetic behind it."""
    failing = _failing(record, cases, to_the_end=all_agree)
    possible = [b for b, f in zip(cases, failing, strict=False) if f is None]
    if not possible:
        return IMPOSSIBLE, _impossible(record, cases, failing)
    if all_agree and len(possible) < len(cases):
        against = next(f for f in failing if f is not None)
        names = " or ".join(b.assume for b in possible)
        return UNDECIDED, f"possible with {names}; otherwise {against.reasoning(record)}"
    return CONSISTENT, _consistent(record, possible[0])


def _of_digits(
    record: Digits, narrow: Digits, cases: Sequence[Case], cells: Sequence[str], verdict: str
) -> Iterator[Premise]:
    """Yield what an *impossible* rests on about the digits: exact counts, and rounding.

    Rounding is none where the constraints fail under truncation as well.  Where they hold
    as widely read and fail if rounded, rounding is a premise that is not declared.
    """
    names = dict.fromkeys(_label(record, c) for c in cells if c in record.inferred)
    if names:
        yield Premise("counts", False, f"counts: [{', '.join(names)}]")
    modes = {record.rounding[c] for c in cells if record.get(c).kind == "rounded"}
    rounding = Premise("rounding", "unknown" not in modes, "rounding: nearest")
    if verdict == IMPOSSIBLE:
        wide = record.only(cells).with_rounding("unknown")
        if modes - {"unknown"} and not all(b.failing(wide) for b in cases):
            yield rounding
    elif verdict == CONSISTENT and "unknown" in modes and all(b.failing(narrow) for b in cases):
        yield rounding


def _label(record: Record, identifier: str) -> str:
    """Return the name under which a cell would be declared a count."""
    p = record.get(identifier)
    return p.row if p.column == "value" or p.row in SIZES else p.column


def _failing(record: Record, cases: Sequence[Case], *, to_the_end: bool) -> list[Constraint | None]:
    """Return each reading's failing constraint; stop at the first possible one if allowed."""
    found: list[Constraint | None] = []
    for case in cases:
        found.append(case.failing(record))
        if found[-1] is None and not to_the_end:
            break
    return found


def _impossible(record: Record, cases: Sequence[Case], failing: Sequence[Constraint | None]) -> str:
    """Word the narrowest miss, which is the hardest case."""
    pairs = [(f.miss(record), b, f) for b, f in zip(cases, failing, strict=True) if f]
    _, case, constraint = min(pairs, key=lambda pair: pair[0])
    text = constraint.reasoning(record)
    if len(cases) == 1:
        return text
    return f"in each of {len(cases)} cases; nearest with {case.assume}: {text}"


def _consistent(record: Record, case: Case) -> str:
    text = "; ".join(s.reasoning(record) for s in case.constraints)
    return f"with {case.assume}: {text}" if case.assume else text


def _sentence(text: str) -> str:
    text = text.strip()
    starts_with_symbol = len(text) > 1 and not text[1].isalpha()  # t, z, n, s^2 keep their case
    head = text if starts_with_symbol else text[:1].upper() + text[1:]
    return head + ("" if text.endswith(".") else ".")


def undecided(
    paper: str, rule: str, cells: Sequence[str], reasoning: str, title: str = ""
) -> Check:
    """Return a check that the print does not settle, with the reason."""
    return Check(paper, rule, tuple(cells), UNDECIDED, reasoning, (), title)
