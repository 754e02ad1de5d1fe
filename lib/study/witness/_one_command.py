r"""The witness of the leading reading: one command returns every number of Table 4.

Columns (2) to (5) are pooled least squares with year dummies and the classical formula because
:func:`ftz.random_effects.random_effects` itself sets the variance of the city effect to zero
there; in column (1) it estimates one.  The stages:

1. A parent that meets Tables 2 and 4 inside the official ranges, on
   :func:`~study.witness._within_city.poorer_rows`.
2. The other 45 rows: Newton steps move all cells until the logit's common support is the 85
   rows.  The estimated ratio of variances is held as one more equation.
3. Table 1, first in all cells with the pairs of the matching held, then in the outcome alone.
4. The sub-indices and linkage under the formula of column (5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from printproof.printed import Record
from printproof.witness import Array, Block, Equation, Solution, Values, newton
from study import published
from study.replication import CONTROLS, MATCHING, MEDIATOR, OUTCOME, PAPER, TREATMENT
from study.witness import _stages as stages
from study.witness import _within_city as within_city
from study.witness._sample import Sample
from study.witness._within_city import Grown

READING = "one command"
#: Where the parent's random numbers come from, and the start of the other rows.
PARENT, START = (1, 197), 0
#: Distances on the index: treated rows at its top have the highest control alone inside the
#: caliper, so that k neighbours and k neighbours within the caliper can differ as printed.
_TOP, _NEAR, _FAR = 3, 0.58, 0.74
#: One unit of these deviations: of the relative ratio in (1), of a variance that is to be cut off.
_RATIO_SCALE, _CUT = 1e-3, 0.02
_ROUNDS = 8

Equations = Callable[[Values], Iterator[Equation]]


# --- the parent ---------------------------------------------------------------------------------


def parent(seed: int, number: int) -> Grown:
    """Grow a panel of the 85 rows that meets Tables 2 and 4 inside the official ranges."""
    rng = np.random.default_rng([seed, number])
    grown = within_city.attempted(READING, within_city.poorer_rows(rng), rng, official=True)
    if grown is None:
        raise EstimationError(f"no panel of the one command from number {number} of seed {seed}")
    return grown


# --- the ratio of variances that the command estimates ------------------------------------------


@dataclass(frozen=True)
class VarianceRatio:
    """The ratio of variances that the command estimates in a column, before the cut at zero.

    Attributes
    ----------
    plan : Layout
    controls : int
        How many the column has.
    """

    plan: Sample
    controls: int

    @property
    def name(self) -> str:
        """What the number is called."""
        return f"ratio of variances ({self.controls})"

    def evaluate(self, values: Values) -> tuple[float, dict[str, Array]]:
        """Return the ratio and its gradients; not a number without degrees of freedom between."""
        rows, names = self.plan.on, CONTROLS[: self.controls]
        codes = np.unique(rows["city"], return_inverse=True)[1]
        size = np.bincount(codes).astype(float)
        n, units = len(rows), len(size)
        years = np.eye(len(set(rows["year"])))[np.unique(rows["year"], return_inverse=True)[1]]
        treated = rows[TREATMENT].to_numpy(float)
        x = np.column_stack([treated, *(values[name] for name in names), years])
        y = values[OUTCOME]
        means = np.eye(units)[codes].T / size[:, None]
        x_mean, y_mean = means @ x, means @ y
        between, rank = _residual(x_mean, y_mean)
        left = units - rank
        if left == 0:
            return np.nan, {}
        within, rank = _residual(x - x_mean[codes], y - y_mean[codes])
        noise = within[1] @ within[1] / (n - units - rank)
        spread = between[1] @ between[1] / left
        value = float(spread / noise - (1 / size).sum() / units)
        by_mean = 2 * between[1][codes] / size[codes] / left / noise
        by_row = -2 * spread / noise**2 * within[1] / (n - units - rank)
        gradient = {OUTCOME: by_mean + by_row}
        for j, name in enumerate(names, start=1):
            gradient[name] = -between[0][j] * by_mean - within[0][j] * by_row
        return value, gradient


def _residual(x: Array, y: Array) -> tuple[tuple[Array, Array], int]:
    b = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], dtype=np.float64)
    return (b, y - x @ b), int(np.linalg.matrix_rank(x))


def _ratios(plan: Sample, ratio: float) -> Equations:
    """Hold the ratio of column (1), and keep those of the later columns below zero."""
    asked = [VarianceRatio(plan, k) for k in range(1, len(CONTROLS) + 1)]

    def equations(values: Values) -> Iterator[Equation]:
        for number, quantity in enumerate(asked):
            value, by = quantity.evaluate(values)
            if number == 0:
                scale = ratio * _RATIO_SCALE
                yield Equation((value - ratio) / scale, {k: g / scale for k, g in by.items()})
            elif value > -_CUT:
                yield Equation((value + _CUT) * 100, {k: g * 100 for k, g in by.items()})

    return equations


# --- Tables 2 and 4 -----------------------------------------------------------------------------


def _tables(targets: stages._Targets, grown: Grown, *, outcome_only: bool = False) -> Equations:
    """Return the equations of Tables 2 and 4, without those that follow from the others.

    With the controls settled, column (5) and one z of it fix columns (2) to (4) and all their z.
    """
    problem = within_city.declare(grown.plan, grown.ratio)
    treated = grown.plan.on[TREATMENT].to_numpy(float)

    def equations(values: Values) -> Iterator[Equation]:
        base = {"const": np.ones(len(treated)), TREATMENT: treated}
        for step, model in enumerate(problem.models, start=1):
            names = CONTROLS[:step]
            regressors = base | {name: values[name] for name in names}
            ends = step in (1, len(CONTROLS))
            if outcome_only and not ends:
                continue
            with_z = ([TREATMENT] if outcome_only else [*regressors]) if ends else []
            yield from stages._column_equations(
                targets, "table4", model.name, OUTCOME, regressors, values[OUTCOME],
                model.design, regressors, model.errors, with_z,
            )  # fmt: skip
        for name in (OUTCOME,) if outcome_only else (OUTCOME, *CONTROLS):
            yield from stages._moment_equations(targets, name, values[name])

    return equations


# --- matching -----------------------------------------------------------------------------------


def _scaled(targets: stages._Targets, values: Values) -> Array:
    return np.column_stack(
        [(values[v] - targets.moment(v, "mean")) / targets.moment(v, "sd") for v in CONTROLS]
    )


def contrasts(index: Array, treated: Array) -> dict[str, Array]:
    """Return, for each method of Table 1, the weights on outcomes whose sum is the effect."""
    pairs = MATCHING.match_each(pd.Series(index), pd.Series(treated))
    return {method: stages._contrast(found).to_numpy() for method, found in pairs.items()}


def _effects(targets: stages._Targets, weights: Mapping[str, Array]) -> Equations:
    def equations(values: Values) -> Iterator[Equation]:
        for method, w in weights.items():
            where = ("table1", method, "ATT", "coef")
            yield targets.meet(where, float(w @ values[OUTCOME]), {OUTCOME: w})

    return equations


def _sparse_top(targets: stages._Targets, top: list[int], highest: int, others: Array) -> Equations:
    """Keep all controls but the highest out of the caliper of the treated rows at the top."""
    sds = [targets.moment(v, "sd") for v in CONTROLS]

    def equations(values: Values) -> Iterator[Equation]:
        x, b = _scaled(targets, values), values["logit"][1:]
        index = x @ b
        pairs = [(i, int(k), index[i] - index[k] - _FAR) for i in top for k in others]
        pairs += [(i, highest, _NEAR - index[highest] + index[i]) for i in top]
        for i, k, short in pairs:
            if short < 0:
                gradient = {"logit": np.concatenate([[0.0], x[i] - x[k]]) / 0.02}
                for j, name in enumerate(CONTROLS):
                    by = np.zeros(len(index))
                    by[i], by[k] = b[j] / sds[j] / 0.02, -b[j] / sds[j] / 0.02
                    gradient[name] = by
                yield Equation(float(short) / 0.02, gradient)

    return equations


def _blocks(
    targets: stages._Targets, grown: Grown, logit: Array, rng: np.random.Generator
) -> dict[str, Block]:
    problem = within_city.declare(grown.plan, grown.ratio, official=True)._around(grown.values)
    bounds = {v.name: v for v in problem.variables}
    blocks = {
        name: Block(grown.values[name], bounds[name].lower, bounds[name].upper)
        for name in (OUTCOME, *CONTROLS)
    }
    for name in CONTROLS:
        low, high = stages._bounds(targets, grown.plan.off, name, False)
        start = stages._start(targets, grown.plan.off, name, low, high, rng)
        blocks[stages._off(name)] = Block(start, low, high)
    return blocks | {"logit": Block(logit)}


def _from(blocks: Mapping[str, Block], values: Values) -> dict[str, Block]:
    return {name: replace(block, start=values[name]) for name, block in blocks.items()}


def _direction(rng: np.random.Generator) -> Array:
    """Draw the slopes of the logit to set out from: openness and urban share lead."""
    middle, spread = np.array([0, 0, 0.5, 0.9, 0]), np.array([0.3, 0.3, 0.5, 0.5, 0.3])
    drawn = middle + spread * rng.standard_normal(len(CONTROLS))
    drawn[2:4] = np.abs(drawn[2:4])
    return drawn


def _supported(
    record: Record, grown: Grown, start: int
) -> tuple[Grown, dict[str, Array], dict[str, int]]:
    """Give a parent its other rows and Table 1; return it, those rows' controls, and the steps."""
    rng = np.random.default_rng(start)
    slopes = _direction(np.random.default_rng([start, 99]))
    rows = grown.plan.on
    treated = rows[TREATMENT].to_numpy(float)
    own = within_city.declare(grown.plan, grown.ratio, official=True).deviations(grown.values)
    targets = stages._Targets(record, own)
    index = _scaled(targets, grown.values) @ slopes
    low = int(np.where(treated == 1, index, np.inf).argmin())
    high = int(np.where(treated == 0, index, -np.inf).argmax())
    low_row, high_row = ((rows["city"][i], int(rows["year"][i])) for i in (low, high))
    grown = replace(
        grown, plan=replace(grown.plan, lowest_treated=low_row, highest_control=high_row)
    )
    top = np.argsort(np.where(treated == 1, index, -np.inf))[-_TOP:]
    others = np.flatnonzero(treated == 0)
    parts: list[Equations] = [
        _tables(targets, grown),
        _ratios(grown.plan, grown.ratio),
        stages._Logit(targets, grown.plan).equations,
        _sparse_top(targets, [int(i) for i in top], high, others[others != high]),
    ]
    constant = -(index[low] + index[high]) / 2
    blocks = _blocks(targets, grown, np.array([constant, *slopes]), rng)
    found = newton(blocks, _joined(parts))
    stages._require(found, "support")
    steps = {"support": found.iterations}
    for _ in range(_ROUNDS):
        weights = contrasts(_scaled(targets, found.values) @ found.values["logit"][1:], treated)
        found = newton(
            _from(blocks, found.values),
            _joined([*parts, _effects(targets, weights)]),
            max_iterations=60,
            longest=0.4,
        )
        steps["matching"] = steps.get("matching", 0) + found.iterations
        stages._require(found, "matching")
        moved = _outcome(targets, grown, blocks, found.values)
        if moved.converged:
            steps["outcome"] = moved.iterations
            on, off = _settled(found.values)
            on[OUTCOME] = np.round(moved.values[OUTCOME], stages.DECIMALS)
            return replace(grown, values=grown.values | on), off, steps
    raise EstimationError(f"no witness from start {start}: the pairs of the matching do not settle")


def _joined(parts: list[Equations]) -> Equations:
    def equations(values: Values) -> Iterator[Equation]:
        for part in parts:
            yield from part(values)

    return equations


def _settled(values: Values) -> tuple[Values, Values]:
    """Return the controls on and off the support as they are written."""
    on = {v: np.round(values[v], stages.DECIMALS) for v in CONTROLS}
    return on, {v: np.round(values[stages._off(v)], stages.DECIMALS) for v in CONTROLS}


def _outcome(
    targets: stages._Targets, grown: Grown, blocks: Mapping[str, Block], values: Values
) -> Solution:
    """Meet Table 1 in the outcome alone, with the pairs that the settled controls make."""
    fixed, off = _settled(values)
    weights = stages._matching_rows(stages._assemble(grown.plan, fixed, off))
    parts = [
        _tables(targets, grown, outcome_only=True),
        _ratios(grown.plan, grown.ratio),
        _effects(targets, weights),
    ]
    whole = _joined(parts)
    block = replace(blocks[OUTCOME], start=values[OUTCOME])
    return newton({OUTCOME: block}, lambda v: whole(fixed | v), max_iterations=60, longest=0.5)


# --- Table 5 ------------------------------------------------------------------------------------


def _linkage(targets: stages._Targets, grown: Grown, rng: np.random.Generator) -> Solution:
    """Solve for linkage: its line of Table 2 and the coefficient of column (7)."""
    rows, design = grown.plan.on, within_city._pooled(grown.plan)
    regressors = {"const": np.ones(len(rows)), TREATMENT: rows[TREATMENT].to_numpy(float)}
    regressors |= {name: grown.values[name] for name in CONTROLS}
    start = np.clip(3.2 * np.exp(0.8 * rng.standard_normal(len(rows))), 0.4, 20.0)
    return stages._single(
        targets, MEDIATOR, start, rows,
        lambda y: stages._column_equations(
            targets, "table5", "(7)", MEDIATOR, regressors, y, design, [TREATMENT], "classical", []
        ),
    )  # fmt: skip


def build(start: int = START) -> stages.Witness:
    """Construct the panel of the leading reading."""
    record = published.load(PAPER)
    grown, off, steps = _supported(record, parent(*PARENT), start)
    targets = stages._Targets(record)
    rng = np.random.default_rng([start, 1])
    off |= stages._off_support_outcomes(targets, grown.plan, rng)
    values = {name: grown.values[name] for name in (OUTCOME, *CONTROLS)}
    design, linkage = within_city._pooled(grown.plan), partial(_linkage, targets, grown, rng)
    cells, more = stages._others(targets, grown.plan, values, rng, linkage, design, "classical")
    frame = stages._assemble(grown.plan, values | cells, off)
    return stages.Witness(frame, start, steps | more, READING)
