"""Construct the witness panel, stage by stage.

1. The covariates of all 130 rows and the outcome of the 85 matched ones, such that
   Table 4 and the moments of Table 2 come out, and such that the logit of treatment on
   the covariates, with the min-max rule, has exactly the 85 rows on its support.
2. With the covariates settled, the outcome once more: Table 4 and Table 2 as before,
   now also the three matching estimates of Table 1 and what the text says of figure 2.
3. The four sub-indices: Table 2 and columns (9)-(12) of Table 5.
4. Industrial linkage: Table 2, column (7), and of column (8) the coefficient of the
   treatment with its statistic.  The coefficient of linkage in column (8) cannot be
   met by any panel that meets the rest (see :mod:`ftz.mediation`) and is not asked for.
5. Outcomes of the rows off the support, which enter no printed table: drawn around
   the printed means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ftz.errors import EstimationError
from ftz.matching._matches import Matches
from printproof.printed import Record
from printproof.witness import Array, Block, Design, Equation, Solution, Values, solve
from study import published
from study.replication import (
    CONTROLS,
    MATCHING,
    MEDIATOR,
    OUTCOME,
    PAPER,
    SUB_INDICES,
    TREATMENT,
    VARIABLES,
    cell,
    score,
)
from study.witness._sample import (
    OFF_SUPPORT_BOUNDS,
    OFFICIAL,
    Sample,
    official_bounds,
    position,
)

#: Decimals written to the file.
DECIMALS = 6
#: The seed of the panel that ships with the book.
SEED = 3
#: Share of a logistic score's half unit: the first-order conditions of the logit are
#: met to a fifth of this.
_SCORE_SCALE = 0.005
#: Distance on the linear index that keeps a row on its side of the support's ends.
_MARGIN = {"on": 0.03, "off": 0.05}
_MARGIN_SCALE = 0.02
#: Bounds on the statistics of the event study that stand for the text's words on
#: figure 2: no early coefficient is significant, the index is higher afterwards.
_LARGEST_PRE, _SMALLEST_POST = 1.3, 2.4
#: Starts tried for linkage, whose line of Table 2 and column (8) pull apart.
_LINKAGE_STARTS = 60

# Where the search starts: rough levels by city, our own and no data.
_OPENNESS = {
    "Beijing": 1.0,
    "Tianjin": 1.0,
    "Langfang": 0.7,
    "Tangshan": 0.6,
    "Shijiazhuang": 0.4,
    "Qinhuangdao": 0.3,
    "Baoding": 0.1,
    "Handan": -0.2,
    "Cangzhou": -0.3,
    "Zhangjiakou": -0.6,
    "Xingtai": -0.6,
    "Chengde": -0.7,
    "Hengshui": -0.8,
}
_URBAN = {
    "Beijing": 0.85,
    "Tianjin": 0.80,
    "Shijiazhuang": 0.62,
    "Tangshan": 0.60,
    "Langfang": 0.58,
    "Qinhuangdao": 0.57,
    "Handan": 0.53,
    "Zhangjiakou": 0.53,
    "Cangzhou": 0.52,
    "Baoding": 0.50,
    "Xingtai": 0.50,
    "Chengde": 0.49,
    "Hengshui": 0.49,
}


@dataclass(frozen=True)
class Witness:
    """A panel that meets the printed tables, and how it was found.

    Attributes
    ----------
    frame : pandas.DataFrame
        130 rows with the columns of the study, cells rounded to six decimals.
    seed : int
        What it was grown from.
    iterations : dict
        Steps of each stage.
    reading : str
        The reading of Tables 4 and 5 under which it returns them.
    """

    frame: pd.DataFrame
    seed: int
    iterations: dict[str, int]
    reading: str = "two-way"


@dataclass(frozen=True)
class _Targets:
    """Printed numbers with half a unit of their last digit, and where in it to aim."""

    record: Record
    aims: Mapping[str, float] = field(default_factory=dict)
    _known: dict[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)

    def number(self, *where: str) -> tuple[float, float]:
        if where not in self._known:  # asked for in every step of the search
            printed = self.record.get(cell(*where))
            self._known[where] = float(printed.value), float(printed.interval.width) / 2
        return self._known[where]

    def moment(self, variable: str, column: str) -> float:
        return self.number("table2", variable, column, "value")[0]

    def meet(self, where: tuple[str, ...], value: float, gradient: dict[str, Array]) -> Equation:
        """Return the equation that ``value`` equals the printed cell."""
        target, half = self.number(*where)
        deviation = (value - target) / half - self.aims.get(cell(*where), 0.0)
        return Equation(deviation, {k: g / half for k, g in gradient.items()})


def _mean_and_sd(values: Array) -> tuple[float, Array, float, Array]:
    """Return the mean, its gradient, the standard deviation (ddof 1) and its gradient."""
    n = len(values)
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    return mean, np.full(n, 1 / n), sd, (values - mean) / ((n - 1) * sd)


def _moment_equations(targets: _Targets, variable: str, values: Array) -> Iterator[Equation]:
    mean, mean_gradient, sd, sd_gradient = _mean_and_sd(values)
    yield targets.meet(("table2", variable, "mean", "value"), mean, {variable: mean_gradient})
    yield targets.meet(("table2", variable, "sd", "value"), sd, {variable: sd_gradient})


def _column_equations(
    targets: _Targets,
    table: str,
    column: str,
    outcome: str,
    regressors: dict[str, Array],
    y: Array,
    design: Design,
    asked: Iterable[str],
    errors: str = "clustered",
    statistics: Iterable[str] | None = None,
) -> Iterator[Equation]:
    """Yield the equations of one printed column, for the rows whose numbers are asked for."""
    names, wanted = list(regressors), list(asked)
    positions = [names.index(row) for row in wanted]
    found = design.regress(y, np.column_stack(list(regressors.values())), errors, positions)
    with_z = set(wanted if statistics is None else statistics)
    for which, value, by_y, by_x in (
        ("coef", found.value, found.value_by_outcome, found.value_by_regressors),
        ("statistic", found.statistic, found.statistic_by_outcome, found.statistic_by_regressors),
    ):
        for j, row in enumerate(wanted):
            if which == "statistic" and row not in with_z:
                continue
            gradient = {name: by_x[j, :, i] for i, name in enumerate(names)}
            where = (table, row, column, which)
            yield targets.meet(where, float(value[j]), gradient | {outcome: by_y[j]})


def _table4_equations(
    targets: _Targets, values: Values, treated: Array, design: Design
) -> Iterator[Equation]:
    base = {"const": np.ones(len(treated)), TREATMENT: treated}
    for step in range(1, len(CONTROLS) + 1):
        regressors = base | {name: values[name] for name in CONTROLS[:step]}
        yield from _column_equations(
            targets, "table4", f"({step})", OUTCOME, regressors, values[OUTCOME], design, regressors
        )


# --- stage 1: covariates and outcome --------------------------------------------------------


def _sloping(
    low: Array, high: Array, years: NDArray[Any], noise: float, rng: np.random.Generator
) -> Array:
    """Start inside the bounds, rising through the years."""
    share = 0.08 + 0.84 * (years - years.min()) / np.ptp(years)
    share = np.clip(share + noise * rng.standard_normal(len(years)), 0.05, 0.95)
    start: Array = low + (high - low) * share
    return start


def _bounds(targets: _Targets, rows: pd.DataFrame, variable: str, on: bool) -> tuple[Array, Array]:
    if on:
        low, high = (np.full(len(rows), targets.moment(variable, c)) for c in ("min", "max"))
    else:
        low, high = (np.full(len(rows), end) for end in OFF_SUPPORT_BOUNDS[variable])
    if variable in OFFICIAL:
        official = official_bounds(rows, variable, slack_share=1.0 if on else 0.5)
        low, high = np.maximum(low, official[0]), np.minimum(high, official[1])
    return low, high


def _start(
    targets: _Targets,
    rows: pd.DataFrame,
    variable: str,
    low: Array,
    high: Array,
    rng: np.random.Generator,
) -> Array:
    """Return rough starting values of a covariate: level of the city, trend, noise."""
    years = rows["year"].to_numpy()
    if variable in OFFICIAL:
        return _sloping(low, high, years, 0.04 if variable == "pgdp" else 0.12, rng)
    noise = rng.standard_normal(len(rows))
    if variable == "urba":
        trend = 0.07 * ((years - years.min()) / np.ptp(years) - 0.5)
        share: Array = rows["city"].map(_URBAN).to_numpy(float) + trend + 0.015 * noise
        return share
    level = rows["city"].map(_OPENNESS).to_numpy(float) - 0.1
    if (rows["matched"] == 1).all():
        return level + 0.35 * noise
    # off the support: treated rows above it, the others below
    return level + 0.2 * noise + np.where(rows["FTZ"] == 1, 1.0, -1.0)


def _outcome_start(targets: _Targets, rows: pd.DataFrame, rng: np.random.Generator) -> Array:
    cities, codes = np.unique(rows["city"], return_inverse=True)
    trend = (rows["year"] - 2017.5).to_numpy() / 4.5
    effect = targets.number("table4", TREATMENT, "(5)", "coef")[0]
    return (
        targets.moment(OUTCOME, "mean")
        + 0.11 * rng.standard_normal(len(cities))[codes]
        + 0.08 * trend
        + effect * (rows["FTZ"] - rows["FTZ"].mean()).to_numpy()
        + 0.04 * rng.standard_normal(len(rows))
    )


def _pins(
    targets: _Targets,
    rows: pd.DataFrame,
    variable: str,
    start: Array,
    places: Mapping[str, tuple[tuple[str, int], tuple[str, int]]] | None = None,
) -> dict[int, float]:
    """Hold one row at each printed extreme."""
    ends = (targets.moment(variable, "min"), targets.moment(variable, "max"))
    if places and variable in places:
        held = [position(rows, *row) for row in places[variable]]
    else:
        held = [int(np.argmin(start)), int(np.argmax(start))]
    return dict(zip(held, ends, strict=True))


def _off(variable: str) -> str:
    """Name of the block that holds a covariate's off-support rows."""
    return f"{variable} off support"


def _levels(rows: pd.DataFrame, variable: str, spread: float, rng: np.random.Generator) -> Array:
    """Return random city levels on top of our guesses, in standard deviations."""
    cities = sorted(set(rows["city"]))
    drawn = dict(zip(cities, spread * rng.standard_normal(len(cities)), strict=True))
    return rows["city"].map(drawn).to_numpy(float)


def _covariate_blocks(
    targets: _Targets, plan: Sample, rng: np.random.Generator, dispersion: float = 0.0
) -> dict[str, Block]:
    blocks = {}
    for variable in CONTROLS:
        for rows, name in ((plan.on, variable), (plan.off, _off(variable))):
            on = name == variable
            low, high = _bounds(targets, rows, variable, on)
            start = _start(targets, rows, variable, low, high, rng)
            if dispersion:
                sd = targets.moment(variable, "sd")
                start = start + sd * _levels(rows, variable, dispersion, rng)
                start = start + 0.5 * dispersion * sd * rng.standard_normal(len(rows))
                start = np.clip(start, low + 0.02 * (high - low), high - 0.02 * (high - low))
            pins = _pins(targets, rows, variable, start, plan.extremes) if on else {}
            blocks[name] = Block(start, low, high, pins)
    start = _outcome_start(targets, plan.on, rng)
    if dispersion:
        start = start + 0.1 * _levels(plan.on, OUTCOME, 2 * dispersion, rng)
    low, high = (np.full(len(plan.on), targets.moment(OUTCOME, c)) for c in ("min", "max"))
    blocks[OUTCOME] = Block(start, low, high, _pins(targets, plan.on, OUTCOME, start))
    # the logit's constant and its slopes on standardised covariates
    blocks["logit"] = Block(np.array([-1.8, 0.1, 0.3, 0.6, 1.5, 0.3]))
    return blocks


@dataclass(frozen=True)
class _Logit:
    """The logit's first-order conditions and the order of rows on its index."""

    targets: _Targets
    plan: Sample

    def _standardised(self, values: Values, names: Iterable[str], n: int) -> Array:
        columns = [np.ones(n)]
        for variable, name in zip(CONTROLS, names, strict=True):
            mean, sd = (self.targets.moment(variable, c) for c in ("mean", "sd"))
            columns.append((values[name] - mean) / sd)
        return np.column_stack(columns)

    def equations(self, values: Values) -> Iterator[Equation]:
        on, off = self.plan.on, self.plan.off
        names_on, names_off = list(CONTROLS), [_off(v) for v in CONTROLS]
        x_on = self._standardised(values, names_on, len(on))
        x_off = self._standardised(values, names_off, len(off))
        yield from self._first_order(
            values["logit"],
            [(names_on, x_on, on["FTZ"].to_numpy()), (names_off, x_off, off["FTZ"].to_numpy())],
        )
        yield from self._order(values["logit"], x_on, x_off)

    def _first_order(self, b: Array, parts: list[Any]) -> Iterator[Equation]:
        sds = np.array([self.targets.moment(v, "sd") for v in CONTROLS])
        fitted = [1 / (1 + np.exp(-x @ b)) for _, x, _ in parts]
        for j in range(len(b)):
            value, gradient = 0.0, {"logit": np.zeros(len(b))}
            for (names, x, treated), p in zip(parts, fitted, strict=True):
                weight = p * (1 - p)
                value += x[:, j] @ (treated - p)
                gradient["logit"] -= x.T @ (x[:, j] * weight)
                for i, name in enumerate(names):
                    by_cell = -x[:, j] * weight * b[1 + i]
                    if j == 1 + i:
                        by_cell = by_cell + treated - p
                    gradient[name] = by_cell / sds[i]
            yield Equation(value / _SCORE_SCALE, {k: g / _SCORE_SCALE for k, g in gradient.items()})

    def _order(self, b: Array, x_on: Array, x_off: Array) -> Iterator[Equation]:
        """Keep matched rows between the two ends of the support and the others outside."""
        lowest = position(self.plan.on, *self.plan.lowest_treated)
        highest = position(self.plan.on, *self.plan.highest_control)
        index_on, index_off = x_on @ b, x_off @ b
        treated_off = self.plan.off["FTZ"].to_numpy() == 1
        above = index_on - index_on[lowest] - _MARGIN["on"]
        below = index_on[highest] - index_on - _MARGIN["on"]
        above[lowest] = below[highest] = 0.0
        for i in np.flatnonzero(above < 0):
            yield self._gap(b, x_on, x_on, int(i), lowest, +1, "on", above[i])
        for i in np.flatnonzero(below < 0):
            yield self._gap(b, x_on, x_on, int(i), highest, -1, "on", below[i])
        ends = np.where(treated_off, highest, lowest)
        sides = np.where(treated_off, 1, -1)
        outside = sides * (index_off - index_on[ends]) - _MARGIN["off"]
        for i in np.flatnonzero(outside < 0):
            side, end = int(sides[i]), int(ends[i])
            yield self._gap(b, x_on, x_off, int(i), end, side, "off", outside[i])

    def _gap(
        self,
        b: Array,
        x_on: Array,
        x: Array,
        i: int,
        end: int,
        side: int,
        where: str,
        short: float,
    ) -> Equation:
        """Return the equation of a row i on the wrong side of an end, or too near it."""
        gradient: dict[str, Array] = {"logit": side * (x[i] - x_on[end]) / _MARGIN_SCALE}
        for k, variable in enumerate(CONTROLS):
            pull = side * b[1 + k] / self.targets.moment(variable, "sd") / _MARGIN_SCALE
            gradient[variable] = np.zeros(len(x_on))
            gradient[variable][end] -= pull
            name = variable if where == "on" else _off(variable)
            gradient.setdefault(name, np.zeros(len(x)))[i] += pull
        return Equation(float(short) / _MARGIN_SCALE, gradient)


def _covariate_equations(targets: _Targets, plan: Sample) -> Callable[[Values], Iterator[Equation]]:
    """Return the equations of stage 1: Table 4, Table 2, the logit and its support."""
    treated = plan.on["FTZ"].to_numpy(float)
    design = Design.two_way(plan.on["city"].to_numpy(), plan.on["year"].to_numpy())
    logit = _Logit(targets, plan)

    def equations(values: Values) -> Iterator[Equation]:
        yield from _table4_equations(targets, values, treated, design)
        for variable in (OUTCOME, *CONTROLS):
            yield from _moment_equations(targets, variable, values[variable])
        yield from logit.equations(values)

    return equations


# --- stage 2: the outcome, with Table 1 and figure 2 ------------------------------------------


def _matching_rows(frame: pd.DataFrame) -> dict[str, Array]:
    """Return, for each method of Table 1, the weights whose product with the outcome is the ATT."""
    fitted = score(frame)
    on = MATCHING.on_support(frame, fitted)
    if list(on.astype(int)) != list(frame["matched"]):
        raise EstimationError("the logit's common support is not the set of matched rows")
    labels = frame.index[frame["matched"] == 1]
    return {
        method: _contrast(found).reindex(labels).to_numpy()
        for method, found in MATCHING.matches(frame, fitted).items()
    }


def _contrast(found: Matches) -> pd.Series:
    """Return the weights on outcomes whose sum is the effect on the treated."""
    weights = found.sample_weights / found.n_treated
    return weights.where(weights.index.isin(found.treated), -weights)


def _event_dummies(rows: pd.DataFrame) -> dict[str, Array]:
    """Return event-time dummies by name, the last year before adoption left out."""
    from study import register

    cohorts = register.PAPER.cohorts(rows["city"].unique())
    since = rows["year"] - rows["city"].map(cohorts).astype(float)
    steps = sorted(int(s) for s in since.dropna().unique() if s != -1)
    return {f"event {s:+d}": (since == s).to_numpy().astype(np.float64) for s in steps}


def _event_equations(
    y: Array, dummies: dict[str, Array], controls: list[Array], design: Design
) -> Iterator[Equation]:
    """Yield an equation for each event-study statistic that contradicts the text."""
    regressors = np.column_stack([np.ones(len(y)), *dummies.values(), *controls])
    fit = design.regress(y, regressors)
    for j, name in enumerate(dummies, start=1):
        z, gradient = float(fit.statistic[j]), fit.statistic_by_outcome[j]
        before = "-" in name
        if before and abs(z) > _LARGEST_PRE:
            excess, sign = abs(z) - _LARGEST_PRE + 0.1, np.sign(z)
        elif not before and z < _SMALLEST_POST:
            excess, sign = z - _SMALLEST_POST - 0.1, 1.0
        else:
            continue
        yield Equation(excess / 0.5, {OUTCOME: sign * gradient / 0.5})


def _outcome(
    targets: _Targets,
    plan: Sample,
    values: Values,
    frame: pd.DataFrame,
    *,
    figure2: bool,
    max_iterations: int = 3000,
    patience: int | None = None,
) -> Solution:
    """Solve for the outcome with Table 1 and, where asked, what the text says of figure 2."""
    rows = plan.on
    treated = rows["FTZ"].to_numpy(float)
    design = Design.two_way(rows["city"].to_numpy(), rows["year"].to_numpy())
    contrasts = _matching_rows(frame)
    dummies = _event_dummies(rows)
    fixed = {name: values[name] for name in CONTROLS}
    start = values[OUTCOME]
    low, high = (np.full(len(rows), targets.moment(OUTCOME, c)) for c in ("min", "max"))
    block = Block(start, low, high, _pins(targets, rows, OUTCOME, start))

    def equations(free: Values) -> Iterator[Equation]:
        y = free[OUTCOME]
        yield from _table4_equations(targets, fixed | free, treated, design)
        yield from _moment_equations(targets, OUTCOME, y)
        for method, weights in contrasts.items():
            where = ("table1", method, "ATT", "coef")
            yield targets.meet(where, float(weights @ y), {OUTCOME: weights})
        if figure2:
            yield from _event_equations(y, dummies, list(fixed.values()), design)

    return solve({OUTCOME: block}, equations, max_iterations=max_iterations, patience=patience)


# --- stages 3 to 5: sub-indices, linkage, rows off the support --------------------------------


def _city_walk(
    targets: _Targets, variable: str, rows: pd.DataFrame, effect: float, rng: np.random.Generator
) -> Array:
    """Start a variable at city levels with a trend, noise and the printed effect."""
    cities, codes = np.unique(rows["city"], return_inverse=True)
    mean, sd = (targets.moment(variable, c) for c in ("mean", "sd"))
    low, high = (targets.moment(variable, c) for c in ("min", "max"))
    start = (
        mean
        + 0.5 * sd * rng.standard_normal(len(cities))[codes]
        + 0.3 * sd * (rows["year"] - 2017.5).to_numpy() / 4.5
        + effect * (rows["FTZ"] - rows["FTZ"].mean()).to_numpy()
        + 0.5 * sd * rng.standard_normal(len(rows))
    )
    return np.clip(start, low + 0.02 * (high - low), high - 0.02 * (high - low))


def _single(
    targets: _Targets,
    variable: str,
    start: Array,
    rows: pd.DataFrame,
    equations: Callable[[Array], Iterator[Equation]],
    max_iterations: int = 3000,
    patience: int | None = None,
) -> Solution:
    """Solve for one variable of the matched rows under its line of Table 2 and more."""
    low, high = (np.full(len(rows), targets.moment(variable, c)) for c in ("min", "max"))
    block = Block(start, low, high, _pins(targets, rows, variable, start))

    def system(values: Values) -> Iterator[Equation]:
        yield from _moment_equations(targets, variable, values[variable])
        yield from equations(values[variable])

    return solve({variable: block}, system, max_iterations=max_iterations, patience=patience)


def _sub_index(
    targets: _Targets,
    plan: Sample,
    column: str,
    values: Values,
    rng: np.random.Generator,
    design: Design | None = None,
    errors: str = "clustered",
) -> Solution:
    rows, variable = plan.on, SUB_INDICES[column]
    treated = rows["FTZ"].to_numpy(float)
    fixed = design or Design.two_way(rows["city"].to_numpy(), rows["year"].to_numpy())
    regressors = {"const": np.ones(len(rows)), TREATMENT: treated}
    regressors |= {name: values[name] for name in CONTROLS}
    effect = targets.number("table5", TREATMENT, column, "coef")[0]
    start = _city_walk(targets, variable, rows, effect, rng)
    return _single(
        targets,
        variable,
        start,
        rows,
        lambda y: _column_equations(
            targets, "table5", column, variable, regressors, y, fixed, [TREATMENT], errors
        ),
    )


def _linkage(
    targets: _Targets,
    plan: Sample,
    values: Values,
    rng: np.random.Generator,
    patience: int | None = None,
) -> Solution:
    """Solve for linkage: its line of Table 2, columns (7) and (8) of Table 5."""
    rows = plan.on
    treated = rows["FTZ"].to_numpy(float)
    design = Design.two_way(rows["city"].to_numpy(), rows["year"].to_numpy())
    base = {"const": np.ones(len(rows)), TREATMENT: treated}
    controls = {name: values[name] for name in CONTROLS}
    cities, codes = np.unique(rows["city"], return_inverse=True)

    def start() -> Array:
        # skewed: the largest value lies more than five standard deviations above the mean
        level = 3.2 * np.exp(0.9 * rng.standard_normal(len(cities)))[codes]
        level = level * np.exp(0.05 * (rows["year"] - 2017.5).to_numpy())
        noise = 0.3 * rng.standard_normal(len(rows))
        return np.clip(level + noise + 0.7 * treated, 0.4, 20.0)

    def equations(linkage: Array) -> Iterator[Equation]:
        yield from _column_equations(
            targets, "table5", "(7)", MEDIATOR, base | controls, linkage, design, [TREATMENT]
        )
        both = base | {MEDIATOR: linkage} | controls
        yield from _column_equations(
            targets, "table5", "(8)", OUTCOME, both, values[OUTCOME], design, [TREATMENT]
        )

    for _ in range(_LINKAGE_STARTS):
        found = _single(
            targets, MEDIATOR, start(), rows, equations, max_iterations=400, patience=patience
        )
        if found.converged:
            break
    return found


def _others(
    targets: _Targets,
    plan: Sample,
    values: Values,
    rng: np.random.Generator,
    linkage: Callable[[], Solution],
    design: Design | None = None,
    errors: str = "clustered",
) -> tuple[Values, dict[str, int]]:
    """Solve for the sub-indices, then linkage; return their cells and the steps of each stage."""
    stages = {
        name: partial(_sub_index, targets, plan, column, values, rng, design, errors)
        for column, name in SUB_INDICES.items()
    }
    cells: Values = {}
    steps: dict[str, int] = {}
    for stage, search in (stages | {"linkage": linkage}).items():
        found = search()
        _require(found, stage)
        cells |= found.values
        steps[stage] = found.iterations
    return cells, steps


def _off_support_outcomes(
    targets: _Targets, plan: Sample, rng: np.random.Generator
) -> dict[str, Array]:
    outcomes = {}
    for variable in (OUTCOME, MEDIATOR, *SUB_INDICES.values()):
        mean, sd, low, high = (targets.moment(variable, c) for c in ("mean", "sd", "min", "max"))
        draw = mean + 0.5 * sd * rng.standard_normal(len(plan.off))
        outcomes[variable] = np.clip(draw, low, high)
    return outcomes


# --- all of it --------------------------------------------------------------------------------


def _require(solution: Solution, stage: str) -> None:
    if not solution.converged:
        raise EstimationError(
            f"no witness from this seed: stage '{stage}' stopped {solution.worst:.2f} half units "
            f"off after {solution.iterations} steps; try another seed"
        )


def _assemble(plan: Sample, on: Values, off: Values) -> pd.DataFrame:
    frame = plan.rows[["city", "year", "matched", TREATMENT]].copy()
    for variable in VARIABLES:
        if variable in on:
            frame[variable] = np.nan
            frame.loc[frame["matched"] == 1, variable] = np.round(on[variable], DECIMALS)
            frame.loc[frame["matched"] == 0, variable] = np.round(off[variable], DECIMALS)
    return frame


def build(seed: int = SEED) -> Witness:
    """Construct a witness panel."""
    targets, plan = _Targets(published.load(PAPER)), Sample.printed()
    blocks = _covariate_blocks(targets, plan, np.random.default_rng(seed))
    rng = np.random.default_rng([seed, 1])

    found = solve(blocks, _covariate_equations(targets, plan))
    _require(found, "covariates")
    iterations = {"covariates": found.iterations}
    values = {name: np.round(found.values[name], DECIMALS) for name in (OUTCOME, *CONTROLS)}
    off = {name: np.round(found.values[_off(name)], DECIMALS) for name in CONTROLS}
    off |= _off_support_outcomes(targets, plan, rng)

    found = _outcome(targets, plan, values, _assemble(plan, values, off), figure2=True)
    _require(found, "outcome")
    iterations["outcome"] = found.iterations
    values[OUTCOME] = found.values[OUTCOME]

    linkage = partial(_linkage, targets, plan, values, rng)
    cells, steps = _others(targets, plan, values, rng, linkage)
    return Witness(_assemble(plan, values | cells, off), seed, iterations | steps)
