"""How often does the audit err?  Honest tables by the thousand, and single altered digits.

An honest study draws a panel, estimates its tables and prints them, rounded.  No rule
may call any of them impossible.  Then one digit of one cell is altered, and the trial
counts how often a rule notices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ftz.audit.ledger import audit
from ftz.audit.reading import study as read_study
from ftz.audit.statement import IMPOSSIBLE
from ftz.audit.study import Study
from ftz.published import Printed
from ftz.results import stars

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"*": {"panel": "simulated"}}

Array = NDArray[np.float64]
_CONTROLS = ("x1", "x2", "x3")


@dataclass(frozen=True)
class _Panel:
    """A drawn panel: unit and period codes and the variables."""

    units: NDArray[np.int64]
    periods: NDArray[np.int64]
    data: dict[str, Array]


def _draw(rng: np.random.Generator) -> _Panel:
    units, periods = (g.ravel() for g in np.meshgrid(np.arange(13), np.arange(10), indexing="ij"))
    keep = np.sort(rng.permutation(130)[: int(rng.integers(70, 131))])
    units, periods = units[keep], periods[keep]
    n = len(keep)
    start = rng.integers(3, 9, 13)
    start[rng.permutation(13)[: int(rng.integers(6, 10))]] = 99
    treat = (periods >= start[units]).astype(float)
    level = rng.standard_normal(13)[units] + 0.1 * periods
    data = {"treat": treat}
    for name in _CONTROLS:
        scale = np.exp(rng.normal(0, 1))
        data[name] = scale * (
            0.5 * level + rng.standard_normal(n) + 0.5 * treat * rng.standard_normal()
        )
    data["m"] = 2 + treat + 0.3 * level + rng.standard_normal(n)
    data["y"] = (
        3 + 0.2 * treat + 0.1 * data["m"] + 0.1 * data["x1"] + 0.2 * level
        + 0.3 * rng.standard_normal(n)
    )  # fmt: skip
    data["count"] = rng.poisson(4, n).astype(float)
    return _Panel(units, periods, data)


@dataclass(frozen=True)
class _Fit:
    coef: Array
    se: Array
    r2: float


def _ols(panel: _Panel, outcome: str, regressors: list[str], clustered: bool) -> _Fit:
    """Least squares with a constant and two-way dummies, the constant first."""
    n = len(panel.units)
    unit = np.eye(13)[panel.units]
    period = np.eye(10)[panel.periods]
    dummies = np.hstack([unit[:, unit.any(0)][:, 1:], period[:, period.any(0)][:, 1:]])
    x = np.column_stack([np.ones(n), *(panel.data[r] for r in regressors), dummies])
    y = panel.data[outcome]
    inverse = np.linalg.inv(x.T @ x)
    b = inverse @ (x.T @ y)
    e = y - x @ b
    df = n - x.shape[1]
    if clustered:
        sums = np.array([x[panel.units == g].T @ e[panel.units == g] for g in set(panel.units)])
        variance = inverse @ (sums.T @ sums) @ inverse * n / df
    else:
        variance = inverse * (e @ e) / df
    k = 1 + len(regressors)
    r2 = 1 - e @ e / ((y - y.mean()) @ (y - y.mean()))
    return _Fit(b[:k], np.sqrt(np.diag(variance)[:k]), float(r2))


def _marks(t: float, df: int | None) -> str:
    return stars(2 * float(stats.norm.sf(abs(t)) if df is None else stats.t.sf(abs(t), df)))


def honest_tables(rng: np.random.Generator, *, clustered: bool = False) -> dict[str, Any]:
    """Draw a panel and print its tables in the shape that :mod:`ftz.audit.reading` reads.

    Parameters
    ----------
    rng : numpy.random.Generator
    clustered : bool
        Standard errors clustered by unit instead of classical.  The rule on classical
        errors is declared only where they are classical.

    Returns
    -------
    dict
        One paper's tables: effects, moments, nested columns, mediation, parts with
        percentages and their totals.
    """
    panel = _draw(rng)
    n = len(panel.units)
    df = None if rng.random() < 0.5 else (12 if clustered else n - 30)
    digits = int(rng.integers(2, 5))

    def number(value: float, places: int = digits) -> str:
        text = f"{value:.{places}f}"
        return text.removeprefix("-") if float(text) == 0 else text

    def column(
        outcome: str, regressors: list[str], outcome_name: str | None = None
    ) -> dict[str, Any]:
        fit = _ols(panel, outcome, regressors, clustered)
        rows: dict[str, Any] = {"outcome": outcome_name or outcome}
        for name, b, se in zip(["const", *regressors], fit.coef, fit.se, strict=True):
            rows[name] = [number(b), _marks(b / se, df), number(b / se, 2)]
        return {**rows, "N": str(n), "R2": number(fit.r2)}

    steps = [["treat", *_CONTROLS[:k]] for k in range(1, len(_CONTROLS) + 1)]
    effects = {}
    for method in ("nearest", "radius"):
        effect, error = rng.normal(0.2, 0.1), float(rng.uniform(0.02, 0.2))
        t = effect / error
        effects[method] = [number(effect), _marks(t, df), number(error), number(t, 2)]
    return {
        "table1": {"columns": ["att", "stars", "se", "t"], "rows": effects},
        "table2": {
            "columns": ["n", "mean", "sd", "min", "max"],
            "rows": {
                k: [str(n), *(number(v) for v in (x.mean(), x.std(ddof=1), x.min(), x.max()))]
                for k, x in panel.data.items()
            },
        },
        "table4": {f"({i})": column("y", r) for i, r in enumerate(steps, start=1)},
        "table5": {
            "(4)": column("m", steps[-1]),
            "(5)": column("y", ["treat", "m", *_CONTROLS]),
        },
        **_batches(rng),
        "checks": {
            "errors": "unknown" if clustered else "classical",
            "absorbed": 22,
            "clusters": 13,
            "variables": {"treat": {"kind": "dummy"}, "count": {"kind": "count"}},
        },
    }


def _batches(rng: np.random.Generator) -> dict[str, Any]:
    counts = rng.integers(1, 40, (5, 2))
    lines = [
        {
            "batch": str(i),
            "direct": str(a),
            "indirect": str(b),
            "pct": [f"{100 * v / (a + b):.0f}" for v in (a, b)],
        }
        for i, (a, b) in enumerate(counts, start=1)
    ]
    totals = {"direct": str(counts[:, 0].sum()), "direct_and_indirect": str(counts.sum())}
    return {"batches": lines, "text_totals": totals}


def honest_study(seed: int, *, clustered: bool = False) -> Study:
    """Return an honest study as the audit reads it."""
    rng = np.random.default_rng([seed, int(clustered)])
    return read_study(f"simulated {seed}", honest_tables(rng, clustered=clustered))


def false_positives(studies: int, *, seed: int = 0) -> pd.DataFrame:
    """Audit honest tables, half with classical and half with clustered errors.

    Returns
    -------
    pandas.DataFrame
        By rule: ``checks`` made and how many were ``impossible`` (none should be),
        ``undecided`` and ``consistent``.
    """
    rows = [
        (check.rule, check.verdict)
        for i in range(studies)
        for check in audit([honest_study(seed + i, clustered=bool(i % 2))])
    ]
    frame = pd.DataFrame(rows, columns=["rule", "verdict"])
    counts = pd.crosstab(frame["rule"], frame["verdict"])
    counts = counts.reindex(columns=["impossible", "undecided", "consistent"], fill_value=0)
    return counts.assign(checks=counts.sum(axis=1))


def alter_digit(printed: Printed, rng: np.random.Generator) -> tuple[Printed, int]:
    """Change one digit of a printed number.

    Returns
    -------
    Printed
        With another digit in one place.
    int
        The position of the digit from the right: 1 is the last printed digit.
    """
    places = [i for i, c in enumerate(printed.text) if c.isdigit()]
    which = int(rng.integers(len(places)))
    place = places[which]
    others = [d for d in "0123456789" if d != printed.text[place]]
    digit = others[int(rng.integers(9))]
    text = printed.text[:place] + digit + printed.text[place + 1 :]
    return replace(printed, text=text), len(places) - which


def power(studies: int, *, seed: int = 0) -> pd.DataFrame:
    """Alter one digit of one cell in honest tables and see who notices.

    For each study every rule gets one alteration of a cell that it uses.

    Returns
    -------
    pandas.DataFrame
        One row an alteration: ``rule``, ``digit`` (1 is the last printed), ``by_rule``
        (this rule says impossible) and ``by_any`` (some rule does).
    """
    rows = []
    for i in range(studies):
        study = honest_study(seed + i)
        rng = np.random.default_rng([seed + i, 7])
        used: dict[str, set[str]] = {}
        for check in audit([study]):
            used.setdefault(check.rule, set()).update(check.cells)
        for rule in sorted(used):
            cells = sorted(used[rule])
            changed, digit = alter_digit(
                study.record.get(cells[int(rng.integers(len(cells)))]), rng
            )
            altered = replace(study, record=study.record.replace(changed))
            noticed = {c.rule for c in audit([altered]) if c.verdict == IMPOSSIBLE}
            rows.append((rule, digit, rule in noticed, bool(noticed)))
    return pd.DataFrame(rows, columns=["rule", "digit", "by_rule", "by_any"])
