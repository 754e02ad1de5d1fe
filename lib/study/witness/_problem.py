"""The measuring paper's Tables 2 and 4 as a problem on the matched rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from printproof.printed import Record
from printproof.witness import Design, Model, Problem, Target, Values, Variable
from study import published
from study.replication import CONTROLS, OUTCOME, PAPER, TREATMENT, cell
from study.witness import _stages as stages
from study.witness._sample import OFFICIAL, Sample, official_bounds

#: The year before the zone of most treated rows: left out of the event study.
_REFERENCE = 2018


def problem(
    plan: Sample | None = None,
    record: Record | None = None,
    *,
    errors: str = "clustered",
    factor: float = 1.0,
    design: Design | None = None,
    constants: bool = True,
    statistics: bool = True,
    official: bool = True,
) -> Problem:
    """Return Tables 2 and 4 as a problem.

    Parameters
    ----------
    plan : Layout, optional
        Which city-years are matched.
    record : Record, optional
        The printed cells.
    errors, factor, design
        The reading of the standard errors: see :class:`~printproof.witness.Model`.
    constants, statistics : bool
        Whether the constants and the z values have to be met.
    official : bool
        Whether the controls have to lie in their official ranges too.

    Returns
    -------
    Problem
        Its variables are the outcome, the controls, the treatment, ones, and dummies for
        the event years of the treated cities.
    """
    plan = Sample.printed() if plan is None else plan
    record = published.load(PAPER) if record is None else record
    rows = plan.on
    cities, years = rows["city"].to_numpy(), rows["year"].to_numpy()
    base = Design.two_way(cities, years) if design is None else design
    base = Design(base.effects, base.clusters, factor, base.transform)
    variables = [
        Variable.given("one", np.ones(len(rows))),
        Variable.given(TREATMENT, rows["FTZ"].to_numpy(float)),
        *_event_dummies(rows),
        *(_variable(record, rows, name, official) for name in (OUTCOME, *CONTROLS)),
    ]
    ends, targets = {}, []
    for name in (OUTCOME, *CONTROLS):
        low, high = (_interval(record, name, end) for end in ("min", "max"))
        ends[name] = (low, high)
        for kind in ("mean", "sd"):
            targets.append(_target(record, ("table2", name, kind, "value"), kind, name, ""))
    models = []
    for step in range(1, len(CONTROLS) + 1):
        column = f"({step})"
        names = ("one", TREATMENT, *CONTROLS[:step])
        models.append(Model(column, OUTCOME, names, base, errors))
        for name in names:
            if name == "one" and not constants:
                continue
            row = "const" if name == "one" else name
            kinds = ("coef", "statistic") if statistics else ("coef",)
            for kind in kinds:
                targets.append(_target(record, ("table4", row, column, kind), kind, column, name))
    return Problem(tuple(variables), tuple(models), tuple(targets), ends)


def _target(record: Record, where: tuple[str, ...], kind: str, of: str, row: str) -> Target:
    printed = record.get(cell(*where))
    half = float(printed.interval.width) / 2
    return Target(printed.id, kind, of, row, float(printed.value), half)  # type: ignore[arg-type]


def _interval(record: Record, name: str, end: str) -> tuple[float, float]:
    interval = record.get(cell("table2", name, end, "value")).interval
    return float(interval.low), float(interval.high)


def _variable(record: Record, rows: pd.DataFrame, name: str, official: bool) -> Variable:
    low = np.full(len(rows), _interval(record, name, "min")[0])
    high = np.full(len(rows), _interval(record, name, "max")[1])
    if official and name in OFFICIAL:
        ranges = official_bounds(rows, name)
        low, high = np.maximum(low, ranges[0]), np.minimum(high, ranges[1])
        # an official figure a little beyond a printed end is as good as that end
        low, high = np.minimum(low, high - 1e-3), np.maximum(high, low + 1e-3)
    return Variable(name, low, high)


def _event_dummies(rows: pd.DataFrame) -> Iterable[Variable]:
    treated = rows.groupby("city")["FTZ"].transform("max") == 1
    years = sorted(set(rows.loc[treated, "year"]) - {_REFERENCE})
    return [
        Variable.given(f"event {year}", ((rows["year"] == year) & treated).to_numpy(float))
        for year in years
    ]


def values(frame: pd.DataFrame, plan: Sample | None = None) -> Values:
    """Return a panel's matched rows as the values of the problem's variables."""
    plan = Sample.printed() if plan is None else plan
    matched = frame[frame["matched"] == 1].reset_index(drop=True)
    found = {n: matched[n].to_numpy(float) for n in (OUTCOME, TREATMENT, *CONTROLS)}
    found["one"] = np.ones(len(matched))
    return found | {v.name: v.lower for v in _event_dummies(plan.on)}


def start(wanted: Problem, plan: Sample, rng: np.random.Generator) -> Values:
    """Set out from city levels, a trend and the printed effect; given cells stay as they are."""
    targets = stages._Targets(published.load(PAPER))
    first = wanted.start(rng)
    for variable in wanted.variables:
        if variable.known:
            continue
        low, high = variable.lower, variable.upper
        if variable.name == OUTCOME:
            guess = stages._outcome_start(targets, plan.on, rng)
        else:
            guess = stages._start(targets, plan.on, variable.name, low, high, rng)
        width = high - low
        first[variable.name] = np.clip(guess, low + 0.02 * width, high - 0.02 * width)
    return first
