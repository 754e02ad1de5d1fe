"""Mean, standard deviation, minimum, maximum and n of one variable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

from printproof._constraint import SIZES, Case, Check, Constraint, Premise
from printproof._declare import KINDS
from printproof._exact import Expr, cell, number
from printproof._study import Study
from printproof.errors import RecordError

_COLUMNS = ("n", "mean", "sd", "min", "max")


@dataclass(frozen=True)
class _Line:
    """One row of a table of moments, as expressions."""

    study: Study
    table: str
    variable: str

    def has(self, *columns: str) -> bool:
        return all(self.id(c) is not None for c in columns)

    def id(self, column: str) -> str | None:
        return self.study.where(self.table, self.variable, column).get("value")

    def __getattr__(self, column: str) -> Expr:
        if column in _COLUMNS and (identifier := self.id(column)):
            return cell(identifier)
        raise AttributeError(column)

    @property
    def name(self) -> str:
        return f"{self.table}, {self.variable}"

    @property
    def kind(self) -> str:
        return self.study.kind(self.table, self.variable)

    @property
    def plain(self) -> list[Premise]:
        """The premises that all moments are those of the n rows, in one unit, unweighted."""
        return self.study.plain(self.table)

    @property
    def step(self) -> Fraction | None:
        """The unit of which a row's value is a whole multiple, one over the declared items."""
        items = self.study.items(self.table, self.variable)
        unit = Fraction(str(self.properties.get("unit", 1)))
        return unit / (items or 1) if items or self.kind == "count" else None

    def declared(self, section: str) -> Premise:
        """Return the premise that the variable's kind is declared and no guess by its name."""
        guessed = "variables" in self.study.inferred and self.variable.casefold() not in (
            self.study.header.names(section, self.table, None)
        )
        return Premise(section, not guessed, f"{section}: [{self.variable}]")

    @property
    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self.study.get("variables", {}).get(self.variable, {})
        return found

    @property
    def counted(self) -> bool:
        """Whether n is printed, and a mean that is no bound and no "about"."""
        return self.has("n") and self.firm("mean")

    def firm(self, column: str) -> bool:
        """Say whether a number is printed that has two ends."""
        kind = self.study.record.get(self.id(column) or "").kind if self.has(column) else ""
        return kind in {"rounded", "count"}

    @property
    def is_dummy(self) -> bool:
        return self.kind == "dummy"


def lines(study: Study) -> Iterator[_Line]:
    """Yield every row that prints a mean and a standard deviation."""
    for table, cells in study.tables.items():
        for variable in dict.fromkeys(p.row for p in cells if p.column == "mean"):
            yield _Line(study, table, variable)


def order(study: Study) -> Iterator[Check]:
    """Demand a mean between minimum and maximum, and no negative standard deviation."""
    for line in lines(study):
        if not line.has("mean", "min", "max"):
            continue
        constraints = [
            Constraint(line.min, "at most", line.mean, "the minimum is at most the mean"),
            Constraint(line.mean, "at most", line.max, "the mean is at most the maximum"),
        ]
        premises = line.plain[:1]  # a weighted mean lies between the ends as well
        if line.has("sd"):
            says = "a standard deviation is not negative"
            constraints.append(Constraint(number(0), "at most", line.sd, says))
            if line.firm("sd") and not constraints[-1].possible(study.record):
                constraints, premises = constraints[-1:], []  # whatever the unit and the rows
        title = f"minimum, mean, maximum ({line.name})"
        yield study.decide(
            "order of moments", title, [Case("", tuple(constraints))], premises=premises
        )


def span_of_ends(study: Study) -> Iterator[Check]:
    """Demand a standard deviation of at most the range over the root of two.

    Two rows at either end reach it with the divisor n - 1, and no more rows exceed it,
    because a variance is a mean of half squared differences.
    """
    for line in lines(study):
        if not line.has("sd", "min", "max"):
            continue
        says = "twice the variance is at most the squared range"
        wanted = Constraint(
            number(2) * line.sd.square(), "at most", (line.max - line.min).square(), says
        )
        title = f"standard deviation against the range ({line.name})"
        yield study.decide("range", title, [Case("", (wanted,))], premises=line.plain)


def spread(study: Study) -> Iterator[Check]:
    r"""Bound the standard deviation by mean, minimum, maximum and n.

    With both ends attained, the squared deviations add up to at least
    ``(mean-min)^2 + (max-mean)^2 + (min+max-2 mean)^2/(n-2)`` (the other n - 2 values in
    one point), and to at most ``n (max-mean)(mean-min)`` (Bhatia and Davis 2000).  The
    divisor of the variance is n - 1 or n; the weaker bound of the two is used.
    """
    for line in lines(study):
        if not line.has("n", "mean", "sd", "min", "max") or line.is_dummy:
            continue
        n = study.count(line.id("n") or "")
        if n is None or n < 3:
            continue
        below, above = line.mean - line.min, line.max - line.mean
        rest = (above - below).square() / number(n - 2)
        least = below.square() + above.square() + rest
        most = number(n) * above * below
        constraints = (
            Constraint(
                least, "at most", number(n) * line.sd.square(), "both ends are attained, so n sd^2"
            ),
            Constraint(
                number(n - 1) * line.sd.square(),
                "at most",
                most,
                "no value lies beyond the ends, so (n-1) sd^2",
            ),
        )
        title = f"standard deviation against mean, ends and n ({line.name})"
        yield study.decide(
            "spread",
            title,
            [Case("", constraints)],
            premises=line.plain,
            uses=[line.id("n") or ""],
        )


def dummies(study: Study) -> Iterator[Check]:
    """Find the counts that a 0/1 variable's mean and standard deviation allow."""
    for line in lines(study):
        if not line.is_dummy or not line.counted:
            continue
        n = study.count(line.id("n") or "")
        if not n:
            continue
        yield _dummy(study, line, n)


#: Counts that are tried one by one; more are an interval, and arithmetic does it.
MOST_COUNTS = 60


def _dummy(study: Study, line: _Line, n: int) -> Check:
    record, title = study.record, f"which counts give the mean and sd ({line.name})"
    times = number(n) * line.mean
    low, high = whole_ends(times, study)
    if low > high:
        whole = Constraint(times, "is whole", None, "n times the mean of a 0/1 variable counts")
        cases = [Case("", (whole,))]
    elif high - low >= MOST_COUNTS:
        cases = _many_ones(line, n)
    else:
        cases = [b for count in range(low, high + 1) for b in _ones(line, n, count)]
    possible = [b.assume for b in cases if b.failing(record) is None and b.assume]
    counted = possible and high - low < MOST_COUNTS
    remark = f"Possible: {'; '.join(possible)}." if counted else ""
    return study.decide(
        "0/1 variable",
        title,
        cases,
        premises=[line.declared("dummies"), *line.plain],
        uses=[line.id("n") or ""],
        remark=remark,
    )


def _ones(line: _Line, n: int, count: int) -> Iterator[Case]:
    """Yield the readings of one count of ones: the variance has the divisor n - 1 or n."""
    fits = Constraint(number(Fraction(count, n)), "equals", line.mean, "count over n")
    if not line.firm("sd") or n < 2:
        yield Case(f"a count of {count}", (fits,))
        return
    for divisor in (n - 1, n):
        square = Fraction(count * (n - count), n * divisor)
        says = f"with {count} ones and divisor {divisor} the variance is p(1-p)n/divisor"
        moment = Constraint(number(square), "equals", line.sd.square(), says)
        yield Case(f"a count of {count} and divisor {divisor}", (fits, moment))


def _many_ones(line: _Line, n: int) -> list[Case]:
    """Return the same for more counts than one would try: any share in the mean's interval."""
    away = (line.mean - number(Fraction(1, 2))).square()
    least = Constraint(number(0), "at most", line.mean, "no share is negative")
    if not line.firm("sd"):
        return [Case("", (least,))]
    cases = []
    for divisor in (n - 1, n):
        variance = (number(Fraction(1, 4)) - away) * number(Fraction(n, divisor))
        says = f"with divisor {divisor} the variance is p(1-p)n/divisor"
        moment = Constraint(variance, "equals", line.sd.square(), says)
        cases.append(Case(f"divisor {divisor}", (least, moment)))
    return cases


def whole_ends(expression: Expr, study: Study) -> tuple[int, int]:
    """Return the first and the last whole number inside an expression's interval."""
    span = expression.span(study.record)
    if span.low is None or span.high is None:
        raise RecordError(f"a number without an end: {span}")
    return ceil(span.low), floor(span.high)


def granularity(study: Study) -> Iterator[Check]:
    """Means and variances of whole numbers come in steps (GRIM and GRIMMER).

    The sum of a count variable is whole (Brown and Heathers 2017), and so is the sum of
    its squares, which is odd exactly if the sum is (Anaya 2016): x and its square have
    the same parity.  Nor do whole numbers vary less than their mean, which is none, allows
    (Allard 2018).  The mean of several items is a whole number of fractions.
    """
    for line in lines(study):
        n = study.count(line.id("n") or "") if line.step and line.counted else None
        if n:
            yield _granular(study, line, n, number(line.step or 1))


def _granular(study: Study, line: _Line, n: int, unit: Expr) -> Check:
    title = f"steps of a mean of counts ({line.name})"
    times = number(n) * line.mean / unit
    low, high = whole_ends(times, study)
    whole = Constraint(times, "is whole", None, "n times the mean of counts is whole")
    ends = [
        Constraint(getattr(line, end) / unit, "is whole", None, f"the {end}imum is a count")
        for end in ("min", "max")
        if line.has(end)
    ]
    cases = []
    few = line.has("sd") and n > 1 and high - low < MOST_COUNTS
    for amount in range(low, high + 1) if few else ():
        for divisor in (n - 1, n):
            squares = number(divisor) * (line.sd / unit).square() + number(Fraction(amount**2, n))
            # the sum of squares less the sum is even
            half = (squares - number(amount)) / number(2)
            says = f"with sum {amount} and divisor {divisor}, (sum of squares - sum)/2"
            parity = Constraint(half, "is whole", None, says)
            rest = amount % n  # so many rows lie one step above the others at the least spread
            least = number(Fraction(rest * (n - rest), n * divisor))
            says = f"with sum {amount} and divisor {divisor}, the least variance of whole numbers"
            vary = Constraint(least, "at most", (line.sd / unit).square(), says)
            cases.append(Case(f"a sum of {amount}", (*ends, vary, parity)))
    return study.decide(
        "granularity",
        title,
        cases or [Case("", (whole, *ends))],
        premises=[
            Premise("items", True, "")
            if study.items(line.table, line.variable)
            else line.declared("counts"),
            *line.plain,
        ],
        uses=[i for i in (line.id("n"), line.id("mean")) if i],
    )


def percentages(study: Study) -> Iterator[Check]:
    """Hold a count that is printed in percent, or of a thousand, against its n.

    A heading or a row is declared as such; n stands beside it, or under its column.
    """
    for p in study.record:
        whole = study.percent(p.table, p.row, p.column) if p.statistic == "value" else None
        if whole is None or {p.row, p.column} & set(SIZES) or p.kind not in {"rounded", "count"}:
            continue
        places = [(p.row, c) for c in SIZES] + [(r, p.column) for r in SIZES]
        found = (study.where(p.table, *place).get("value") for place in places)
        size = next((i for i in found if i), None)
        n = study.count(size or "")
        if not size or not n:
            continue
        value = cell(p.id)
        times = number(n) * value / number(whole)
        constraints = (
            Constraint(times, "is whole", None, f"n times the number over {whole} is a count"),
            Constraint(number(0), "at most", value, "no count is negative"),
            Constraint(value, "at most", number(whole), "no count exceeds n"),
        )
        yield study.decide(
            "percentage",
            f"which count of n it is ({p.table}, {p.row}, {p.column})",
            [Case("", constraints)],
            premises=study.plain(p.table),
            uses=[p.id, size],
        )


#: Where the values of a variable can lie, by kind.
_DOMAINS = {"share": (0, 1), "amount": (0, None), "count": (0, None), "dummy": (0, 1)}
_NOUNS = {"share": "a share", "amount": "an amount", "count": "a count", "dummy": "a 0/1 variable"}


def domain(study: Study) -> Iterator[Check]:
    """Bound minimum and maximum by what the text says that the variable measures."""
    for line in lines(study):
        if line.kind not in _DOMAINS or not line.has("min", "max"):
            continue
        low, high = _DOMAINS[line.kind]
        noun = _NOUNS[line.kind]
        constraints = [Constraint(number(low), "at most", line.min, f"{noun} is not negative")]
        if high is not None:
            says = f"{noun} is at most one"
            constraints.append(Constraint(line.max, "at most", number(high), says))
        remark = str(line.properties.get("remark", ""))
        title = f"values of {noun} ({line.name})"
        case = Case("", tuple(constraints))
        yield study.decide(
            "domain",
            title,
            [case],
            premises=[line.declared(next(k for k, v in KINDS.items() if v == line.kind))],
            strength="wording",
            remark=remark,
        )
