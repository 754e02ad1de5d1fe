"""What the text says, held against what the tables print."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from printproof._constraint import IMPOSSIBLE, Case, Check, Constraint, Premise, undecided
from printproof._exact import Expr, cell, critical_value, number
from printproof._study import Study, declared_list
from printproof.errors import RecordError
from printproof.rules._numbers import constraint as declared_constraint
from printproof.rules._ratios import degrees_of_freedom

_KINDS = ("all", "significant", "insignificant", "stable", "printed")


def claims(study: Study) -> Iterator[Check]:
    """Check each declared claim: its words, its reading in numbers, the cells it is about."""
    for entry in declared_list(study, "claims"):
        key = str(entry.get("claim", ""))
        words, where = study.claims.get(key, (str(entry.get("words", key)), ""))
        kinds = [k for k in _KINDS if k in entry]
        if len(kinds) != 1:
            raise RecordError(
                f"{study.paper}: claim {key!r} needs exactly one of {', '.join(_KINDS)}"
            )
        title = f'"{words}"' + (f" ({where})" if where else "")
        yield _claim(study, entry, kinds[0], title)


def _claim(study: Study, entry: Mapping[str, Any], kind: str, title: str) -> Check:
    remark = str(entry.get("remark", ""))
    verdict = str(entry.get("otherwise", IMPOSSIBLE))
    if kind == "printed":
        return _printed(study, entry, title, remark)
    cases = {"all": _all, "stable": _stable}.get(kind, _significance)(study, entry)
    return study.decide(
        "words",
        title,
        cases,
        strength="wording",
        all_agree=True,
        if_impossible=verdict,
        remark=remark,
    )


def _all(study: Study, entry: Mapping[str, Any]) -> list[Case]:
    shared = {"cells": entry.get("cells", {})}
    constraints = tuple(declared_constraint(study, {**shared, **part}) for part in entry["all"])
    return [Case("", constraints)]


def _significance(study: Study, entry: Mapping[str, Any]) -> list[Case]:
    """Coefficients are (in)significant at a level, perhaps with a sign."""
    kind = "significant" if "significant" in entry else "insignificant"
    wanted = entry[kind]
    level = Fraction(str(wanted.get("level", "0.1")))
    sign = wanted.get("sign")
    places = [study.where(*study.place(place)) for place in wanted["cells"]]
    if not all("coef" in p and ("statistic" in p or "se" in p) for p in places):
        raise RecordError(f"{study.paper}: {wanted['cells']} are not coefficients with statistics")
    readings = dict.fromkeys(
        df
        for place in wanted["cells"]
        for df in degrees_of_freedom(study, *study.place(place)[::2])
    )
    cases = []
    for df in readings:
        constraints = []
        for place in places:
            constraints += _signed(cell(place["coef"]), sign)
            constraints.append(_tail(_statistic(place).size(), level, df, kind))
        name = "the normal distribution" if df is None else f"t with {df} degrees of freedom"
        cases.append(Case(name, tuple(constraints)))
    return cases


def _statistic(place: Mapping[str, str]) -> Expr:
    if "statistic" in place:
        return cell(place["statistic"])
    return cell(place["coef"]) / cell(place["se"])


def _signed(coefficient: Expr, sign: str | None) -> list[Constraint]:
    if sign == "positive":
        return [Constraint(number(0), "less than", coefficient, "the coefficient is positive")]
    if sign == "negative":
        return [Constraint(coefficient, "less than", number(0), "the coefficient is negative")]
    return []


def _tail(size: Expr, level: Fraction, df: int | None, kind: str) -> Constraint:
    bound = critical_value(level, df)
    percent = f"{float(100 * level):g} percent"
    if kind == "significant":
        return Constraint(bound, "at most", size, f"significance at {percent}")
    return Constraint(size, "at most", bound, f"no significance at {percent}")


def _stable(study: Study, entry: Mapping[str, Any]) -> list[Case]:
    """No coefficient changes its sign from one column to the next in which it stands."""
    wanted = entry["stable"]
    table = wanted["table"]
    constraints = []
    for row in wanted["rows"]:
        found = [study.where(table, row, c) for c in wanted["columns"]]
        pairs = itertools.pairwise(p["coef"] for p in found if "coef" in p)
        for before, after in pairs:
            columns = " and ".join(study.record.get(i).column for i in (before, after))
            says = f"{row} keeps its sign between {columns}"
            product = cell(before) * cell(after)
            constraints.append(Constraint(number(0), "less than", product, says))
    return [Case("", tuple(constraints))]


def _printed(study: Study, entry: Mapping[str, Any], title: str, remark: str) -> Check:
    """Look for the column with exactly these regressors, to which the text refers."""
    wanted = entry["printed"]
    table, regressors = wanted["table"], set(wanted["regressors"])
    ignored = set(wanted.get("beside", []))
    columns = study.columns(table)
    sets = {c: [r for r in study.regressors(table, c) if r not in ignored] for c in columns}
    found = [c for c, rows in sets.items() if set(rows) == regressors]
    cells = tuple(study.where(table, r, c)["coef"] for c in columns for r in sets[c])
    shown = "; ".join(f"{c} holds {', '.join(rows)}" for c, rows in sets.items())
    answer = (
        f"column {found[0]} is that regression"
        if found
        else f"no printed column holds {', '.join(sorted(regressors))} alone"
    )
    text = " ".join(p for p in (f"{shown}: {answer}.", remark) if p)
    verdict = "consistent" if found else str(entry.get("otherwise", IMPOSSIBLE))
    says = "one such column, and the columns that hold exactly these regressors"
    case = Case("", (Constraint(number(1), "at most", number(len(found)), says),))
    return Check(study.paper, "words", cells, verdict, text, (case,), title, strength="wording")


def undecidable(study: Study) -> Iterator[Check]:
    """Claims and numbers that the print alone cannot settle, each with the reason."""
    for entry in declared_list(study, "undecidable"):
        places: Sequence[str] = entry.get("cells", [])
        cells = [study.id(p) for p in places]
        for identifier in cells:
            study.record.get(identifier)
        key = str(entry.get("claim"))
        words = study.claims.get(key, (str(entry.get("title", key)), ""))[0]
        check = undecided(study.paper, "not decidable", cells, str(entry["because"]), f'"{words}"')
        line = str(entry.get("declare", ""))
        premises = (Premise(line.partition(":")[0], False, line),) if line else ()
        yield replace(check, premises=premises)
