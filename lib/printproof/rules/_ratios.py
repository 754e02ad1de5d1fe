"""A coefficient, its standard error, its statistic, its p value, its interval and its stars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from printproof._constraint import Case, Check, Constraint, Premise
from printproof._exact import Expr, Span, cell, critical_value, number
from printproof._study import CONSTANTS, Study
from printproof.errors import RecordError
from printproof.printed import Printed

#: Significance level of each number of stars where nobody says otherwise.
LEVELS = {"*": Fraction(1, 10), "**": Fraction(1, 20), "***": Fraction(1, 100)}


def _name(study: Study, identifier: str) -> str:
    printed = study.record.get(identifier)
    return f"{printed.table}, {printed.row}, {printed.column}"


def _at(study: Study, identifier: str) -> list[tuple[str, str | None]]:
    printed = study.record.get(identifier)
    return [(printed.table, printed.column)]


def statistic(study: Study) -> Iterator[Check]:
    """Divide the coefficient by the standard error beside it and compare with t or z.

    Where nobody says whether the statistic carries a sign, both readings are laid open.
    An error printed as zero is no divisor: the effect is then held against statistic
    times error.
    """
    for place in study.places():
        if not {"coef", "se", "statistic"} <= place.keys():
            continue
        at = _at(study, place["coef"])
        yield study.decide(
            "statistic",
            f"statistic = effect / standard error ({_name(study, place['coef'])})",
            _quotients(study, place, study.header.get("statistic", *at[0])),
            premises=[study.says("scale", "linear", at=at)],
        )


def _quotients(study: Study, place: Mapping[str, str], sign: str | None) -> list[Case]:
    effect, error, t = (cell(place[k]) for k in ("coef", "se", "statistic"))
    low, high = (span(study, place[k]).low for k in ("se", "coef"))
    says = "the statistic is effect over standard error"
    if low is not None and low <= 0:
        says = "the effect is statistic times standard error"
        signed = Constraint(effect, "equals", t * error, says)
        size = Constraint(effect.size(), "equals", t.size() * error.size(), says)
    else:
        signed = Constraint(effect / error, "equals", t, says)
        size = Constraint((effect / error).size(), "equals", t, says)
    if high is not None and high > 0 and low is not None and low > 0:
        return [Case("", (signed,))]
    cases = {"signed": Case("a sign", (signed,)), "absolute": Case("no sign", (size,))}
    return [cases[sign]] if sign in cases else list(cases.values())


def span(study: Study, identifier: str) -> Span:
    """Return the interval of a cell; a number printed as "about" has no ends."""
    about = study.record.get(identifier).kind in {"about", "fraction"}
    return Span(None, None) if about else cell(identifier).span(study.record)


def not_negative(study: Study) -> Iterator[Check]:
    """Demand that no standard error and no p value is negative."""
    nouns = {"se": "a standard error", "p": "a p value"}
    for place in study.places():
        for key in [k for k in nouns if k in place]:
            wanted = Constraint(
                number(0), "at most", cell(place[key]), f"{nouns[key]} is not negative"
            )
            title = f"{nouns[key]} is not negative ({_name(study, place[key])})"
            premises = [study.p_values(*_at(study, place["p"])[0])] if key == "p" else []
            yield study.decide("not negative", title, [Case("", (wanted,))], premises=premises)


def _size(study: Study, place: Mapping[str, str]) -> tuple[Expr, list[Premise]] | None:
    """Return the size of a statistic, printed or as effect over error, and its premises."""
    if "statistic" in place:
        return cell(place["statistic"]).size(), []
    if {"coef", "se"} <= place.keys():
        at = _at(study, place["coef"])
        return (cell(place["coef"]) / cell(place["se"])).size(), [
            study.says("scale", "linear", at=at)
        ]
    return None


def p_value(study: Study) -> Iterator[Check]:
    """Hold a printed two-sided p value against the statistic beside it."""
    for place in study.places():
        found = _size(study, place)
        if "p" not in place or found is None or "coef" not in place:
            continue
        size, premises = found
        table, column = _at(study, place["p"])[0]
        if study.header.get("tails", table, column) == "one":
            continue
        ends = span(study, place["p"])
        frees, premise, uses = distributions(study, table, str(column), place)
        cases = []
        for df in frees:
            constraints = []
            if ends.high is not None and 0 < ends.high < 1:
                least = critical_value(ends.high, df)
                constraints.append(
                    Constraint(least, "at most", size, "so small a p needs so large a statistic")
                )
            if ends.low is not None and 0 < ends.low < 1:
                most = critical_value(ends.low, df)
                constraints.append(
                    Constraint(size, "at most", most, "so large a p allows no larger statistic")
                )
            cases.append(Case(_reading(df), tuple(constraints)))
        if cases and cases[0].constraints:
            yield study.decide(
                "p value",
                f"the p value beside the statistic ({_name(study, place['p'])})",
                cases,
                premises=[
                    *premises,
                    premise,
                    study.says("tails", "two", at=[(table, column)]),
                    study.p_values(table, column),
                    digits(study, place["p"]),
                ],
                uses=(place["p"], *uses),
            )


def digits(study: Study, identifier: str) -> Premise:
    """Return the premise about the rounding of a cell whose interval went in as numbers."""
    exact = study.record.get(identifier).kind != "rounded"
    known = _rounding(study, identifier) != "unknown"
    return Premise("rounding", exact or known, "rounding: nearest")


def _rounding(study: Study, identifier: str) -> str:
    printed = study.record.get(identifier)
    return study.header.get("rounding", printed.table, printed.column) or "unknown"


def interval(study: Study) -> Iterator[Check]:
    """Hold a printed interval against the estimate inside it and the error behind it.

    An interval of odds ratios can stand beside a coefficient in logarithms, so that the
    scale must be declared.  One by quantiles of a bootstrap need not hold the estimate.
    """
    for place in study.places():
        if not {"coef", "ci_low", "ci_high"} <= place.keys():
            continue
        table, column = at = _at(study, place["coef"])[0]
        if study.header.get("errors", *at) == "bootstrap":
            continue
        low, effect, high = (cell(place[k]) for k in ("ci_low", "coef", "ci_high"))
        inside = [
            Constraint(low, "at most", effect, "the estimate is not below its interval"),
            Constraint(effect, "at most", high, "the estimate is not above its interval"),
        ]
        scale = study.says("scale", "linear", at=[at])
        level = study.header.get("level", *at)
        premises = [study.says("scale", at=[at])]
        uses: tuple[str, ...] = ()
        cases = [Case("", tuple(inside))]
        if scale.declared:
            says = "the estimate is the middle of its interval"
            middle = Constraint((low + high) / number(2), "equals", effect, says)
            cases = [Case("", (*inside, middle))]
            if level is not None and "se" in place:
                width = (high - low) / (number(2) * cell(place["se"]))
                frees, premise, uses = distributions(study, table, str(column), place)
                premises += [premise, study.says("level", at=[at])]
                cases = [
                    Case(_reading(df), (*inside, middle, _half_width(width, level, df)))
                    for df in frees
                ]
        title = f"the interval around the estimate ({_name(study, place['coef'])})"
        yield study.decide("interval", title, cases, premises=premises, uses=uses)


def _half_width(width: Expr, level: object, df: int | None) -> Constraint:
    says = "half the width of the interval over the error is the critical value"
    return Constraint(critical_value(1 - Fraction(str(level)), df), "equals", width, says)


def stars(study: Study) -> Iterator[Check]:
    """Hold the number of stars against the size of the statistic.

    Constants without stars are passed over, since many tables star none of them, and so
    are cells that carry a dagger or another mark.  A row or column without any star may print
    means beside tests: its missing stars say something only where ``unmarked: tested`` does.
    """
    starred = {p.table for p in study.record if p.stars}
    for place in study.places():
        if "coef" not in place:
            continue
        printed = study.record.get(place["coef"])
        bare = printed.row in CONSTANTS and not printed.stars
        found = _size(study, place)
        if printed.table in starred and found and not bare and not printed.note.startswith("mark"):
            yield _stars(study, place, *found)


def _stars(study: Study, place: Mapping[str, str], size: Expr, premises: list[Premise]) -> Check:
    coefficient = place["coef"]
    printed = study.record.get(coefficient)
    table, column = at = (printed.table, printed.column)
    declared = study.header.get("stars", table, column)
    levels = LEVELS if declared is None else {k: Fraction(str(v)) for k, v in declared.items()}
    if printed.stars and printed.stars not in levels:
        raise RecordError(
            f"{printed.id}: {printed.stars} is printed, but `stars` declares {', '.join(levels)}"
        )
    tails = study.header.get("tails", table, column)
    frees, premise, uses = distributions(study, table, column, place)
    cases = [Case(_reading(df), _needed(printed.stars, levels, size, df, tails)) for df in frees]
    shown = f"'{printed.stars}'" if printed.stars else "no stars"
    return study.decide(
        "stars",
        f"{shown} beside the statistic ({_name(study, coefficient)})",
        cases,
        premises=[
            *premises,
            study.says("stars", at=[at]),
            *([] if printed.stars else [_tested(study, printed)]),
            Premise("tails", tails is not None, "tails: two"),
            premise,
        ],
        uses=(coefficient, *uses),
        all_agree=not premise.declared,
    )


def _tested(study: Study, printed: Printed) -> Premise:
    """Return the premise that a cell without stars was tested, as its row and column were."""
    at, cells = [(printed.table, printed.column)], study.tables[printed.table]
    row = any(p.stars for p in cells if p.row == printed.row)
    column = any(p.stars for p in cells if p.column == printed.column)
    said = study.says("unmarked", "tested", at=at)
    return replace(said, declared=said.declared or (row and column))


def _reading(df: int | None) -> str:
    return "the normal distribution" if df is None else f"t with {df} degrees of freedom"


def _needed(
    marks: str, levels: Mapping[str, Fraction], size: Expr, df: int | None, tails: str | None
) -> tuple[Constraint, ...]:
    """Return what the number of stars asks of the statistic's size.

    A one-sided test has half the tail, and says nothing of a statistic on the other side.
    """
    order = ["", *sorted(levels, key=len)]
    sides = 2 if tails == "one" else 1
    constraints = []
    if marks and sides * levels[marks] < 1:
        least = critical_value(sides * levels[marks], df)
        says = f"{marks} needs a statistic of at least the {_percent(levels[marks])} critical value"
        constraints.append(Constraint(least, "at most", size, says))
    if marks != order[-1] and sides == 1:
        above = order[order.index(marks) + 1]
        most = critical_value(levels[above], df)
        says = f"without {above} the statistic stays under the {_percent(levels[above])} value"
        constraints.append(Constraint(size, "at most", most, says))
    return tuple(constraints)


def _percent(level: Fraction) -> str:
    return f"{float(100 * level):g} percent"


def distributions(
    study: Study, table: str, column: str, place: Mapping[str, str]
) -> tuple[list[int | None], Premise, tuple[str, ...]]:
    """Return the distributions of a statistic, the premise about them, and the cells used.

    Degrees of freedom that are printed beside the statistic come before declared ones.
    ``residual`` is n less the printed coefficients, and one more where no constant is
    printed.
    """
    printed = study.count(place["df"]) if "df" in place else None
    declared = study.header.get("df", table, column)
    if printed and printed > 0:
        return [printed], Premise("df", True, ""), (place["df"],)
    if declared == "normal":
        return [None], Premise("df", True, "df: normal"), ()
    if isinstance(declared, int):
        return [declared], Premise("df", True, f"df: {declared}"), ()
    n = study.sample_size(table, column) if declared == "residual" else None
    rows = study.regressors(table, column)
    frees = [(n or 0) - len(rows) - k for k in ((0,) if set(rows) & set(CONSTANTS) else (0, 1))]
    if n and min(frees) > 0:
        cells = study.size_cells(table, column)
        return list(frees), Premise("df", True, "df: residual"), cells
    return degrees_of_freedom(study, table, column), Premise("df", False, "df: normal"), ()


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
