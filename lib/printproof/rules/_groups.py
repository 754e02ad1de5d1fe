"""The difference of two groups' means, its error, its statistic and its p value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from printproof._constraint import Case, Check, Constraint, Premise
from printproof._exact import Expr, cell, critical_value, number
from printproof._study import Study, declared_list
from printproof.errors import RecordError
from printproof.rules._ratios import digits, span

_Row = tuple[str, str, list[dict[str, str]], dict[str, str], Premise]


def _rows(study: Study) -> Iterator[_Row]:
    """Yield a table and row with a difference: the groups' moments, its cells, the premise."""
    for entry in declared_list(study, "differences"):
        table, *tables = (str(entry.get(key)) for key in ("table", "first", "second"))
        for name in () if "differences" in study.inferred else (table, *tables):
            if name not in study.tables:
                known = ", ".join(study.tables)
                raise RecordError(f"{study.paper}: differences names {name!r}; there are {known}")
        line = f"{{table: {table}, first: {tables[0]}, second: {tables[1]}}}"
        premise = study.section("differences", f"differences: [{line}]")
        for row in dict.fromkeys(p.row for p in study.tables.get(table, ())):
            groups = [
                {c: study.where(t, row, c).get("value", "") for c in ("n", "mean", "sd")}
                for t in tables
            ]
            if all(group["mean"] for group in groups):
                yield table, row, groups, study.where(table, row, "ATT"), premise


def _apart(groups: list[dict[str, str]]) -> Expr:
    return cell(groups[0]["mean"]) - cell(groups[1]["mean"])


def means(study: Study) -> Iterator[Check]:
    """Hold a printed difference against the two means, of which it is declared to be one."""
    for table, row, groups, place, premise in _rows(study):
        if "coef" in place:
            says = "the first mean less the second is the difference"
            wanted = Constraint(_apart(groups), "equals", cell(place["coef"]), says)
            yield study.decide(
                "difference",
                f"the difference of two means ({table}, {row})",
                [Case("", (wanted,))],
                premises=[premise],
            )


def errors(study: Study) -> Iterator[Check]:
    """Hold error, statistic and p value of a difference against the groups' deviations and n.

    Welch's formula or the pooled one must be declared; the printed deviations have the
    divisor n - 1 or n.
    """
    for table, row, groups, place, premise in _rows(study):
        sizes = [study.count(group["n"]) or 0 for group in groups]
        if min(sizes) < 2 or not all(group["sd"] for group in groups):
            continue
        said = study.header.get("variances", table)
        tables = [study.record.get(group["mean"]).table for group in groups]
        premises = [
            premise,
            Premise("variances", said is not None, "variances: welch"),
            *study.plain(*tables),
        ]
        for tail in (False, True):
            cases = []
            for kind in (said,) if said else ("welch", "pooled"):
                for more, divisor in enumerate(("n - 1", "n")):
                    square = _square(groups, sizes, kind == "pooled", more)
                    least = sum(sizes) - 2 if kind == "pooled" else min(sizes) - 1
                    told = (
                        _p(study, groups, place, square, least)
                        if tail
                        else _error(groups, place, square)
                    )
                    cases.append(Case(f"{kind}, divisor {divisor}", tuple(told)))
            if not cases[0].constraints:
                continue
            of_p = (
                [
                    study.says("tails", "two", at=[(table, "ATT")]),
                    study.p_values(table, "ATT"),
                    digits(study, place["p"]),
                ]
                if tail
                else []
            )
            yield study.decide(
                "difference error",
                f"the {'p value' if tail else 'error'} of a difference of means ({table}, {row})",
                cases,
                premises=[*premises, *of_p],
                uses=[*([place["p"]] if tail else []), *(group["n"] for group in groups)],
            )


def _square(groups: list[dict[str, str]], sizes: list[int], pooled: bool, more: int) -> Expr:
    """Return the squared error; the printed deviations have the divisor ``n - 1 + more``."""
    squares = [
        cell(group["sd"]).square() * number(Fraction(n - 1 + more, n - 1))
        for group, n in zip(groups, sizes, strict=True)
    ]
    if pooled:
        free = sum(sizes) - 2
        parts = [s * number(Fraction(n - 1, free)) for s, n in zip(squares, sizes, strict=True)]
        squares = [parts[0] + parts[1]] * 2
    return squares[0] / number(sizes[0]) + squares[1] / number(sizes[1])


def _error(
    groups: list[dict[str, str]], place: Mapping[str, str], square: Expr
) -> Iterator[Constraint]:
    if "se" in place:
        says = "the squared error of the difference"
        yield Constraint(cell(place["se"]).square(), "equals", square, says)
    if "statistic" in place:
        says = "the squared difference over its squared error is the squared statistic"
        implied = cell(place["statistic"]).square() * square
        yield Constraint(implied, "equals", _apart(groups).square(), says)
        if "coef" in place:
            yield Constraint(implied, "equals", cell(place["coef"]).square(), says)


def _p(
    study: Study,
    groups: list[dict[str, str]],
    place: Mapping[str, str],
    square: Expr,
    least: int,
) -> Iterator[Constraint]:
    """Bound the statistic by its p value; t has at least so many degrees of freedom."""
    if (
        "p" not in place
        or study.header.get("tails", study.record.get(place["p"]).table, "ATT") == "one"
    ):
        return
    ends = span(study, place["p"])
    apart = _apart(groups).square()
    if ends.high is not None and 0 < ends.high < 1:
        bound = critical_value(ends.high, None).square() * square
        yield Constraint(bound, "at most", apart, "so small a p needs so large a difference")
    if ends.low is not None and 0 < ends.low < 1:
        bound = critical_value(ends.low, least).square() * square
        yield Constraint(apart, "at most", bound, "so large a p allows no larger difference")
