"""Mean, standard deviation, minimum, maximum and n of one variable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

from ftz.audit.exact import Expr, cell, number
from ftz.audit.statement import Branch, Check, Statement, decide
from ftz.audit.study import Study

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
        return str(self.properties.get("kind", ""))

    @property
    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self.study.get("variables", {}).get(self.variable, {})
        return found

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
        statements = [
            Statement(line.min, "at most", line.mean, "the minimum is at most the mean"),
            Statement(line.mean, "at most", line.max, "the mean is at most the maximum"),
        ]
        if line.has("sd"):
            says = "a standard deviation is not negative"
            statements.append(Statement(number(0), "at most", line.sd, says))
        title = f"minimum, mean, maximum ({line.name})"
        yield decide(
            study.record, study.paper, "order of moments", title, [Branch("", tuple(statements))]
        )


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
        statements = (
            Statement(
                least, "at most", number(n) * line.sd.square(), "both ends are attained, so n sd^2"
            ),
            Statement(
                number(n - 1) * line.sd.square(),
                "at most",
                most,
                "no value lies beyond the ends, so (n-1) sd^2",
            ),
        )
        title = f"standard deviation against mean, ends and n ({line.name})"
        yield decide(study.record, study.paper, "spread", title, [Branch("", statements)])


def dummies(study: Study) -> Iterator[Check]:
    """Find the counts that a 0/1 variable's mean and standard deviation allow."""
    for line in lines(study):
        if not line.is_dummy or not line.has("n", "mean"):
            continue
        n = study.count(line.id("n") or "")
        if not n:
            continue
        yield _dummy(study, line, n)


def _dummy(study: Study, line: _Line, n: int) -> Check:
    record, title = study.record, f"which counts give the mean and sd ({line.name})"
    times = number(n) * line.mean
    counts = whole_numbers(times, study)
    if not counts:
        statement = Statement(times, "is whole", None, "n times the mean of a 0/1 variable counts")
        return decide(record, study.paper, "0/1 variable", title, [Branch("", (statement,))])
    branches = []
    for count in counts:
        fits = Statement(number(Fraction(count, n)), "equals", line.mean, "count over n")
        for divisor in (n - 1, n):
            if not line.has("sd"):
                branches.append(Branch(f"a count of {count}", (fits,)))
                break
            square = Fraction(count * (n - count), n * divisor)
            says = f"with {count} ones and divisor {divisor} the variance is p(1-p)n/divisor"
            moment = Statement(number(square), "equals", line.sd.square(), says)
            branches.append(Branch(f"a count of {count} and divisor {divisor}", (fits, moment)))
    possible = [b.assume for b in branches if b.failing(record) is None]
    remark = f"Possible: {'; '.join(possible)}." if possible else ""
    return decide(record, study.paper, "0/1 variable", title, branches, remark=remark)


def whole_numbers(expression: Expr, study: Study) -> list[int]:
    """Return the whole numbers inside an expression's interval."""
    span = expression.span(study.record)
    assert span.low is not None and span.high is not None
    return list(range(ceil(span.low), floor(span.high) + 1))


def granularity(study: Study) -> Iterator[Check]:
    """Means and variances of whole numbers come in steps (GRIM and GRIMMER).

    The sum of a count variable is whole (Brown and Heathers 2017), and so is the sum of
    its squares, which is odd exactly if the sum is (Anaya 2016): x and its square have
    the same parity.
    """
    for line in lines(study):
        if line.kind != "count" or not line.has("n", "mean"):
            continue
        n = study.count(line.id("n") or "")
        if not n:
            continue
        unit = number(str(line.properties.get("unit", 1)))
        yield _granular(study, line, n, unit)


def _granular(study: Study, line: _Line, n: int, unit: Expr) -> Check:
    record, title = study.record, f"steps of a mean of counts ({line.name})"
    times = number(n) * line.mean / unit
    sums = whole_numbers(times, study)
    whole = Statement(times, "is whole", None, "n times the mean of counts is whole")
    ends = [
        Statement(getattr(line, end) / unit, "is whole", None, f"the {end}imum is a count")
        for end in ("min", "max")
        if line.has(end)
    ]
    if not sums or not line.has("sd") or len(sums) > 50:
        branch = Branch("", (whole, *ends))
        return decide(record, study.paper, "granularity", title, [branch])
    branches = []
    for amount in sums:
        for divisor in (n - 1, n):
            squares = number(divisor) * (line.sd / unit).square() + number(Fraction(amount**2, n))
            # the sum of squares less the sum is even
            half = (squares - number(amount)) / number(2)
            says = f"with sum {amount} and divisor {divisor}, (sum of squares - sum)/2"
            parity = Statement(half, "is whole", None, says)
            branches.append(Branch(f"a sum of {amount}", (*ends, parity)))
    return decide(record, study.paper, "granularity", title, branches)


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
        statements = [Statement(number(low), "at most", line.min, f"{noun} is not negative")]
        if high is not None:
            says = f"{noun} is at most one"
            statements.append(Statement(line.max, "at most", number(high), says))
        remark = str(line.properties.get("remark", ""))
        title = f"values of {noun} ({line.name})"
        branch = Branch("", tuple(statements))
        yield decide(study.record, study.paper, "domain", title, [branch], remark=remark)
