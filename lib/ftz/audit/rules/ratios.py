"""A coefficient, its standard error, its statistic and its stars."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ftz.audit.exact import Expr, cell, critical_value
from ftz.audit.statement import Branch, Check, Statement, decide
from ftz.audit.study import Study

#: Significance level of each number of stars, as the note under a table defines them.
LEVELS = {"*": Fraction(1, 10), "**": Fraction(1, 20), "***": Fraction(1, 100)}


def _name(study: Study, identifier: str) -> str:
    printed = study.record.get(identifier)
    return f"{printed.table}, {printed.row}, {printed.column}"


def statistic(study: Study) -> Iterator[Check]:
    """Divide the coefficient by the standard error beside it and compare with t or z."""
    for place in study.places():
        if not {"coef", "se", "statistic"} <= place.keys():
            continue
        ratio = cell(place["coef"]) / cell(place["se"])
        wanted = Statement(
            ratio, "equals", cell(place["statistic"]), "the statistic is effect over standard error"
        )
        title = f"statistic = effect / standard error ({_name(study, place['coef'])})"
        yield decide(study.record, study.paper, "statistic", title, [Branch("", (wanted,))])


def stars(study: Study) -> Iterator[Check]:
    """Hold the number of stars against the size of the statistic."""
    starred = {p.table for p in study.record if p.stars}
    for place in study.places():
        if "coef" not in place or study.record.get(place["coef"]).table not in starred:
            continue
        if "statistic" in place:
            size = cell(place["statistic"]).size()
        elif "se" in place:
            size = (cell(place["coef"]) / cell(place["se"])).size()
        else:
            continue
        yield _stars(study, place["coef"], size)


def _stars(study: Study, coefficient: str, size: Expr) -> Check:
    printed = study.record.get(coefficient)
    branches = [
        Branch(_reading(df), _needed(printed.stars, size, df))
        for df in degrees_of_freedom(study, printed.table, printed.column)
    ]
    shown = f"'{printed.stars}'" if printed.stars else "no stars"
    check = decide(
        study.record,
        study.paper,
        "stars",
        f"{shown} beside the statistic ({_name(study, coefficient)})",
        branches,
        all_agree=True,
    )
    # the coefficient carries the stars, so it belongs to the cells of the check
    return Check(
        check.paper,
        check.rule,
        tuple(dict.fromkeys((coefficient, *check.cells))),
        check.verdict,
        check.reasoning,
        check.branches,
        check.title,
    )


def _reading(df: int | None) -> str:
    return "the normal distribution" if df is None else f"t with {df} degrees of freedom"


def _needed(marks: str, size: Expr, df: int | None) -> tuple[Statement, ...]:
    """Return what the number of stars asks of the statistic's size."""
    order = ["", "*", "**", "***"]
    statements = []
    if marks:
        least = critical_value(LEVELS[marks], df)
        says = f"{marks} needs a statistic of at least the {_percent(LEVELS[marks])} critical value"
        statements.append(Statement(least, "at most", size, says))
    if marks != "***":
        above = order[order.index(marks) + 1]
        most = critical_value(LEVELS[above], df)
        says = f"without {above} the statistic stays under the {_percent(LEVELS[above])} value"
        statements.append(Statement(size, "at most", most, says))
    return tuple(statements)


def _percent(level: Fraction) -> str:
    return f"{int(100 * level)} percent"


def degrees_of_freedom(study: Study, table: str, column: str) -> list[int | None]:
    """Return the distributions that a statistic may have been held against.

    The normal; t with n less the printed coefficients and the effects that may have
    been absorbed; t with one less than the clusters.
    """
    found: list[int | None] = [None]
    n = study.sample_size(table, column)
    if n is not None:
        slopes = len(study.regressors(table, column))
        absorbed = int(study.get("absorbed", 0))
        found += [df for df in (n - slopes, n - slopes - absorbed) if df > 0]
    clusters = study.get("clusters")
    if clusters:
        found.append(int(clusters) - 1)
    return list(dict.fromkeys(found))
