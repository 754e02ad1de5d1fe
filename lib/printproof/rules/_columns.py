r"""Nested least-squares columns on one sample, and the algebra of a mediator.

When regressor *k* enters a least-squares column, the inverse moment matrix of the
longer column differs from the shorter one's by an outer product, and every other
coefficient *j* obeys

.. math::

    b^S_j - b^L_j = \delta_j b^L_k, \qquad
    \frac{se_{L,j}^2}{s_L^2} = \frac{se_{S,j}^2}{s_S^2} + \delta_j^2 \frac{se_{L,k}^2}{s_L^2},
    \qquad
    \frac{s_S^2}{s_L^2} = \Bigl(1 + \frac{t_k^2}{df_L}\Bigr)\frac{df_L}{df_L + 1}.

The first holds whatever the standard errors.  The others need the homoskedastic
formula; with :math:`\delta_j = (b^S_j-b^L_j)/b^L_k` and
:math:`t_k = b^L_k/se_{L,k}` they leave only printed numbers and the residual degrees of
freedom, for which every plausible count is tried.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from printproof._constraint import (
    IMPOSSIBLE,
    UNDECIDED,
    Case,
    Check,
    Constraint,
    Premise,
    undecided,
)
from printproof._exact import Expr, Span, cell, number, total
from printproof._study import CONSTANTS, Study, declared_list
from printproof.errors import RecordError

if TYPE_CHECKING:
    import pandas as pd

#: Counts of absorbed effects shown for a paper, and the most that are tried where it declares
#: none; beyond, not all that leave a degree of freedom are.
MOST_EFFECTS, MOST_TRIED = 40, 500
_FIT = ("R2", "R-squared", "R²", "r2")


def numbering(study: Study) -> Iterator[Check]:
    """Numbered columns follow each other through a paper's tables."""
    labels: dict[int, str] = {}
    for p in study.record:
        if p.statistic == "coef" and (match := re.fullmatch(r"\((\d+)\)", p.column)):
            labels.setdefault(int(match[1]), p.id)
    if len(labels) < 2:
        return
    missing = [k for k in range(min(labels), max(labels)) if k not in labels]
    around = [labels[j] for k in missing for j in (k - 1, k + 1) if j in labels]
    title = f"columns ({min(labels)}) to ({max(labels)}) follow each other"
    if missing:
        names = ", ".join(f"({k})" for k in missing)
        text = (
            f"The columns run from ({min(labels)}) to ({max(labels)}), but no table prints "
            f"{names}: what stood there cannot be known from the print."
        )
        yield undecided(study.paper, "columns", around, text, title)


def column_groups(study: Study) -> list[Mapping[str, Any]]:
    """Return the declared groups of nested columns: ``table`` and ``columns``."""
    return list(declared_list(study, "nested"))


def _steps(study: Study, group: Mapping[str, Any]) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield short column, long column, the regressor that enters, and the common ones.

    Steps that add more than one regressor are left out: the identity is for one.
    """
    table = group["table"]
    for short, long in itertools.pairwise(group.get("columns") or study.columns(table)):
        before, after = (study.regressors(table, c) for c in (short, long))
        entering = [name for name in after if name not in before]
        if len(entering) == 1 and set(before) <= set(after):
            yield short, long, entering[0], before


def _least_squares(study: Study, *at: tuple[str, str]) -> list[Premise]:
    """Return the premises that columns are least squares on one sample."""
    return [study.says("estimator", "ols", at=at), study.one_sample(*at)]


def _nesting(study: Study, group: Mapping[str, Any]) -> list[Premise]:
    """Return the premises that columns are nested, by least squares, on one sample.

    That nothing unprinted enters or leaves with a regressor has to be declared: fixed
    effects are often named in words only.
    """
    columns = group.get("columns") or study.columns(group["table"])
    listed = ", ".join(f'"{c}"' for c in columns)
    line = f"nested: [{{table: {group['table']}, columns: [{listed}]}}]"
    return [
        study.section("nested", line),
        *_least_squares(study, *((group["table"], c) for c in columns)),
    ]


def _variance(place: Mapping[str, str]) -> Expr:
    """Return the squared standard error: printed, or coefficient over statistic."""
    if "se" in place:
        return cell(place["se"]).square()
    return (cell(place["coef"]) / cell(place["statistic"])).square()


def _t(place: Mapping[str, str]) -> Expr:
    if "statistic" in place:
        return cell(place["statistic"])
    return cell(place["coef"]) / cell(place["se"])


@dataclass(frozen=True)
class Move:
    """A coefficient in two nested columns, and the regressor that enters between them.

    Attributes
    ----------
    step, coefficient : str
    short, long, entering : mapping
        Statistic to identifier: the coefficient in either column, and the regressor that
        enters, in the longer one.
    free : int
        Residual degrees of freedom of the longer column with nothing absorbed; below one
        where no sample size is printed.

    Examples
    --------
    >>> x, z = ({"coef": f"p/t/{v}/coef", "se": f"p/t/{v}/se"} for v in "xz")
    >>> Move("(1) to (2)", "x", x, x, z, 80).identity(3).relation
    'equals'
    """

    step: str
    coefficient: str
    short: Mapping[str, str]
    long: Mapping[str, str]
    entering: Mapping[str, str]
    free: int

    @cached_property
    def _parts(self) -> tuple[Expr, Expr, Expr, Expr]:
        """What no degrees of freedom enter, once, since intervals are kept by their parts."""
        t2 = _t(self.entering).square()
        moved = (cell(self.short["coef"]) - cell(self.long["coef"])).square()
        return t2, moved / t2, _variance(self.short), _variance(self.long)

    def identity(self, absorbed: int) -> Constraint:
        """Return the identity of classical errors at a count of absorbed effects."""
        df = self.free - absorbed
        t2, moved, before, after = self._parts
        # s2_short / s2_long
        ratio = (number(1) + t2 / number(df)) * number(Fraction(df, df + 1))
        says = "squared standard error implied by the shorter column, and the longer column's"
        return Constraint(before / ratio + moved, "equals", after, says)


def classical_step(
    short: Mapping[str, str], long: Mapping[str, str], entering: Mapping[str, str], df: int
) -> Constraint:
    """Return the identity for one coefficient when one regressor enters; see :class:`Move`.

    Parameters
    ----------
    short, long, entering : mapping
        Statistic to identifier.
    df : int
        Residual degrees of freedom of the longer column.
    """
    return Move("", "", short, long, entering, df).identity(0)


def moves(study: Study, group: Mapping[str, Any]) -> Iterator[Move]:
    """Yield every coefficient of every step of a group of nested columns.

    >>> from printproof.reading import study
    >>> short = {"x": ["0.2", "", "2.0"], "N": "85"}
    >>> long = short | {"z": ["0.1", "", "1.0"]}
    >>> paper = study("p", {"table1": {"(1)": short, "(2)": long}})
    >>> [(m.step, m.coefficient, m.free) for m in moves(paper, {"table": "table1"})]
    [('(1) to (2)', 'x', 83)]
    """
    table = group["table"]
    for short, long, entering, common in _steps(study, group):
        slopes = [r for r in study.regressors(table, long) if r not in CONSTANTS]
        free = (study.sample_size(table, long) or 0) - len(slopes)
        enters = study.where(table, entering, long)
        for name in common:
            a, b = (study.where(table, name, c) for c in (short, long))
            yield Move(f"{short} to {long}", name, a, b, enters, free)


def _most_effects(study: Study) -> int:
    """Return the largest count of absorbed effects to try."""
    return int(study.get("absorbed", MOST_TRIED))


def _counted(study: Study, cases: Sequence[Case]) -> Premise:
    """Return the premise that every count of absorbed effects that could be is among the tried."""
    all_tried = len(cases) <= MOST_TRIED  # no further count leaves a degree of freedom
    line = "absorbed: the largest number of effects that can have been absorbed"
    return Premise("absorbed", all_tried or study.get("absorbed") is not None, line)


def _classical_cases(study: Study, group: Mapping[str, Any]) -> list[Case]:
    """Return one reading for each number of absorbed effects, with all steps and coefficients."""
    found = [
        move
        for move in moves(study, group)
        if all(_complete(place) for place in (move.short, move.long, move.entering))
    ]
    return _cases(study, found)


def _cases(study: Study, found: Sequence[Move]) -> list[Case]:
    cases = []
    for absorbed in range(_most_effects(study) + 1):
        constraints = [move.identity(absorbed) for move in found if move.free - absorbed > 0]
        if constraints:
            cases.append(Case(f"{absorbed} absorbed effects", tuple(constraints)))
    return cases


def _complete(place: Mapping[str, str]) -> bool:
    return "coef" in place and ("statistic" in place or "se" in place)


def classical(study: Study) -> Iterator[Check]:
    """Ask whether nested columns can carry classical standard errors.

    *Impossible* is a verdict on that reading.  Where a record does not say that its
    standard errors are classical, and does not ask, a contradiction leaves the table
    *undecided*: some other formula was used.
    """
    for group in column_groups(study):
        cases = _classical_cases(study, group)
        if cases:
            at = [(group["table"], c) for s in _steps(study, group) for c in s[:2]]
            title = f"{group['table']}: statistics over classical standard errors"
            yield _classical(study, title, cases, at, _nesting(study, group))
    for entry in declared_list(study, "mediation"):
        yield from _classical_mediation(study, entry)


def _classical(
    study: Study,
    title: str,
    cases: list[Case],
    at: Sequence[tuple[str, str]],
    premises: list[Premise],
) -> Check:
    """Decide whether errors can be classical; an impossible excludes the formula alone."""
    says = {str(study.header.get("errors", *a) or study.get("errors", "")) for a in at}
    declared = Premise("errors", says <= {"classical", "ask"}, "errors: classical")
    cells = [i for a in dict.fromkeys(at) for i in study.size_cells(*a)]
    check = study.decide(
        "classical errors",
        title,
        cases,
        premises=[
            *premises,
            declared,
            _counted(study, cases),
            study.says("scale", "linear", at=at),
        ],
        uses=list(dict.fromkeys(cells)),
        if_impossible=UNDECIDED if says & {"robust", "clustered", "bootstrap"} else IMPOSSIBLE,
    )
    if check.verdict == "consistent" or says == {"classical"}:
        return check
    remark = "This excludes the homoskedastic formula, not the coefficients."
    return replace(check, reasoning=f"{check.reasoning} {remark}")


def _classical_mediation(study: Study, entry: Mapping[str, Any]) -> Iterator[Check]:
    """Take the column into which the mediator enters as one more step of the identity."""
    short, long, path = (_place(study, entry[k]) for k in ("total", "direct", "path"))
    table, _, column = study.place(entry["direct"])
    n = study.sample_size(table, column)
    slopes = entry.get("slopes")
    if n is None or not slopes or not all(_complete(p) for p in (short, long, path)):
        return
    cases = _cases(study, [Move("", "", short, long, path, n - int(slopes))])
    title = f"{entry['direct']}: the mediator enters, classical standard errors"
    at = [study.place(entry[k])[::2] for k in ("total", "direct")]
    premises = [study.section("mediation", _entry(entry)), *_least_squares(study, *at)]
    yield _classical(study, title, cases, at, premises)


def _entry(entry: Mapping[str, Any]) -> str:
    """Write the line that declares a mediation."""
    places = ", ".join(f"{k}: {entry[k]}" for k in ("total", "mediator", "direct", "path"))
    return f"mediation: [{{{places}}}]"


def classical_table(study: Study, group: Mapping[str, Any], absorbed: int) -> pd.DataFrame:
    """Lay out every step and coefficient for one count of absorbed effects.

    Returns
    -------
    pandas.DataFrame
        ``step``, ``coefficient``, ``implied`` and ``printed`` (spans of the *squared*
        standard error), ``verdict`` and ``miss``: by which factor the nearest implied
        standard error differs from the nearest printed one (1 where they meet).
    """
    import pandas as pd

    rows = []
    for move in moves(study, group):
        constraint = move.identity(absorbed)
        implied, printed = constraint.spans(study.record)
        assert printed is not None, "an identity has two sides"
        possible = constraint.possible(study.record)
        rows.append(
            {
                "step": move.step,
                "coefficient": move.coefficient,
                "implied": implied,
                "printed": printed,
                "verdict": "consistent" if possible else IMPOSSIBLE,
                "miss": _factor(implied, printed),
            }
        )
    return pd.DataFrame(rows)


def _factor(implied: Span, printed: Span) -> float:
    """Return implied over printed standard error at the nearest ends; 1 where they overlap."""
    if not (implied.finite and printed.finite):
        raise RecordError(f"standard errors without an end: {implied}, {printed}")
    if implied.low > printed.high:  # type: ignore[operator]
        larger = float(implied.low / printed.high)  # type: ignore[operator]
        return float(larger**0.5)
    if implied.high < printed.low:  # type: ignore[operator]
        smaller = float(implied.high / printed.low)  # type: ignore[operator]
        return float(smaller**0.5)
    return 1.0


def fit(study: Study) -> Iterator[Check]:
    """Demand that a longer least-squares column does not fit worse."""
    for group in column_groups(study):
        table = group["table"]
        for short, long, _, _ in _steps(study, group):
            found = [
                next((p for r in _FIT if (p := study.where(table, r, c).get("value"))), None)
                for c in (short, long)
            ]
            if all(found):
                wanted = Constraint(
                    cell(found[0] or ""), "at most", cell(found[1] or ""), "R2 does not fall"
                )
                title = f"R2 from {short} to {long} ({table})"
                yield study.decide(
                    "fit",
                    title,
                    [Case("", (wanted,))],
                    premises=_nesting(study, {"table": table, "columns": [short, long]}),
                )


#: Names under which the adjusted R2 and the F statistic are printed.
_ADJUSTED = ("adj. R2", "Adj. R2", "Adjusted R2", "adjusted R2", "R2 adj.")
_F = ("F", "F statistic", "F-statistic")


def overall(study: Study) -> Iterator[Check]:
    """Hold R2, adjusted R2 and F of a least-squares column against each other, N and k.

    With k coefficients in all, the constant among them, ``1 - adj = (1 - R2)(N - 1)/(N - k)``
    and, for classical errors, ``F = R2 (N - k) / ((1 - R2)(k - 1))``.  Residual degrees of
    freedom must be declared as those of the printed coefficients.
    """
    for table, column in dict.fromkeys((p.table, p.column) for p in study.record):
        r2, adjusted, f = (
            next((i for r in rows if (i := study.where(table, r, column).get("value"))), None)
            for rows in (_FIT, _ADJUSTED, _F)
        )
        n, rows = study.sample_size(table, column), study.regressors(table, column)
        if not r2 or not (adjusted or f) or n is None or not rows:
            continue
        k = len(rows) + (not set(rows) & set(CONSTANTS))
        if n <= k or k < 2:
            continue
        at = [(table, column)]
        left = number(1) - cell(r2)
        constraints = []
        premises = [*_least_squares(study, *at)[:1], study.says("df", "residual", at=at)]
        if adjusted:
            shrunk = left * number(Fraction(n - 1, n - k))
            says = "one less adjusted R2 is the rest of R2 times (N-1)/(N-k)"
            constraints.append(Constraint(number(1) - cell(adjusted), "equals", shrunk, says))
        if f and (not adjusted or study.header.get("errors", *at[0]) == "classical"):
            ratio = cell(r2) / left * number(Fraction(n - k, k - 1))
            says = "F is R2/(k-1) over (1-R2)/(N-k)"
            constraints.append(Constraint(cell(f), "equals", ratio, says))
            premises.append(study.says("errors", "classical", at=at))
        yield study.decide(
            "overall fit",
            f"R2, adjusted R2, F, N and k ({table}, {column})",
            [Case("", tuple(constraints))],
            premises=premises,
            uses=study.size_cells(table, column),
        )


def constant(study: Study) -> Iterator[Check]:
    """Hold the constant against the means, as if every absorbed effect were centred on zero.

    Least squares passes through the means.  If all fixed effects average to zero over
    the sample, the constant is the mean outcome less the coefficients times the means.
    Programs differ (a base year is common), so a contradiction rules out a convention
    and not the table.
    """
    for group in column_groups(study):
        outcome, means = group.get("outcome"), group.get("moments")
        if not outcome or not means:
            continue
        for column in group.get("columns", []):
            check = _constant(study, group, outcome, means, column)
            if check is not None:
                yield check


def _constant(
    study: Study, group: Mapping[str, Any], outcome: str, means: str, column: str
) -> Check | None:
    table = group["table"]
    rows = study.regressors(table, column)
    name = next((r for r in rows if r in CONSTANTS), None)
    slopes = [r for r in rows if r != name]
    mean = {r: study.where(means, r, "mean").get("value") for r in (outcome, *slopes)}
    if name is None or not all(mean.values()):
        return None
    fitted = total(
        [cell(study.where(table, r, column)["coef"]) * cell(mean[r] or "") for r in slopes]
    )
    centred = cell(mean[outcome] or "") - fitted
    wanted = Constraint(
        cell(study.where(table, name, column)["coef"]),
        "equals",
        centred,
        "with all effects centred the constant is the mean outcome less slopes times means",
    )
    return study.decide(
        "constant",
        f"the constant of column {column} and the means ({table})",
        [Case("", (wanted,))],
        if_impossible=UNDECIDED,
        remark="The convention behind the constant is not printed; a base year moves it.",
    )


def _place(study: Study, place: str) -> dict[str, str]:
    return study.where(*study.place(place))


def _needed_path(study: Study, c: Expr, direct: Expr, a: Expr) -> str:
    try:
        needed = ((c - direct) / a).span(study.record)
    except RecordError:  # an a around zero leaves b open
        return ""
    return f"With the other three as printed, b must lie in {needed}."


def mediation(study: Study) -> Iterator[Check]:
    r"""Demand that the total effect is the direct effect plus *a* times *b*.

    With *y* on treatment (total *c*), mediator on treatment (*a*) and *y* on both
    (direct *c'*, path *b*), all with the same controls on one sample,
    :math:`c = c' + ab` for least squares under any standard error and in any unit.
    """
    for entry in declared_list(study, "mediation"):
        places = {k: _place(study, entry[k]) for k in ("total", "mediator", "direct", "path")}
        if not all("coef" in p for p in places.values()):
            continue
        c, a, direct, b = (cell(places[k]["coef"]) for k in ("total", "mediator", "direct", "path"))
        wanted = Constraint(
            direct + a * b, "equals", c, "direct effect plus a times b is the total effect"
        )
        remark = _needed_path(study, c, direct, a)
        title = f"total = direct + a*b ({entry['direct']})"
        at = [study.place(entry[k])[::2] for k in ("total", "mediator", "direct")]
        yield study.decide(
            "mediation",
            title,
            [Case("", (wanted,))],
            premises=[study.section("mediation", _entry(entry)), *_least_squares(study, *at)],
            remark=remark,
        )
