r"""How far trends may diverge before a conclusion falls: bounds of Rambachan and Roth.

Write :math:`\delta_t` for the difference in trends that would have been seen without
treatment, with :math:`\delta = 0` in the reference period.  Event-study coefficients before
adoption estimate it; after adoption it hides in them.  Two ways to say that it cannot be
much worse after than before:

* *relative magnitudes*: no step of :math:`\delta` from one period to the next after
  adoption is more than :math:`\bar M` times the largest step before;
* *smoothness*: no slope of :math:`\delta` changes by more than *M* between periods.

The first is a union of cones, one for each step before and each sign; a confidence set is
the union of theirs, each found by inverting the conditional/least-favourable hybrid test of
Andrews, Roth and Pakes for moment inequalities.  The second has an optimal interval of
fixed length.  ``diff-diff`` 3.13 offers the first too, as the bounds plus or minus a
standard error times 1.96; that is no such test, and is not used here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from scipy import optimize, stats

from ftz._results import Result, checked_level
from ftz.did._events import EventStudyResult
from ftz.errors import EstimationError

#: Share of the level that the hybrid test spends on its least-favourable first stage.
_FIRST_STAGE = 0.1
#: More candidates for a vertex than this are not tried.
_MOST_VERTICES = 200_000
#: Beyond this many standard errors an end of an interval counts as infinite.
_REACH = 1e4


@dataclass(frozen=True, kw_only=True, repr=False)
class HonestBounds(Result):
    """Confidence sets for an effect under ever weaker assumptions about trends.

    Attributes
    ----------
    restriction : str
        ``relative magnitudes`` or ``smoothness``.
    table : pandas.DataFrame
        Indexed by the restriction's parameter: ``lower``, ``upper``.
    original : tuple of float
        The interval if trends are parallel.
    breakdown : float
        The smallest parameter at which the set contains zero; zero if the original
        interval does, infinite if none was found, NaN if not looked for.
    level : float
    """

    restriction: str
    table: pd.DataFrame
    original: tuple[float, float]
    breakdown: float
    level: float
    title: str

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Return the sets, the original interval first; only at the level that was asked for."""
        if not np.isclose(checked_level(level), self.level):
            raise EstimationError(
                f"these sets were computed at {self.level:g}: ask for others with level={level:g}"
            )
        return self.summary

    @property
    def summary(self) -> pd.DataFrame:
        """The table, the original interval first."""
        first = pd.DataFrame([self.original], columns=["lower", "upper"], index=["parallel"])
        return pd.concat([first, self.table])

    @property
    def _head(self) -> str:
        return f"{self.title}; breakdown value {self.breakdown:.3f}"


def relative_magnitudes(
    result: EventStudyResult | tuple[np.ndarray, np.ndarray, int],
    grid: Sequence[float] = (0.5, 1.0, 1.5, 2.0),
    *,
    weights: Sequence[float] | None = None,
    level: float = 0.95,
    seed: int = 0,
    draws: int = 10_000,
    breakdown: bool = True,
) -> HonestBounds:
    r"""Return robust confidence sets under bounds on relative magnitudes.

    Parameters
    ----------
    result : EventStudyResult, or (coefficients, covariance, number before)
        Arrays in the order of event time, the reference period left out.
    grid : sequence of float
        Values of :math:`\bar M`, not negative.
    weights : sequence of float, optional
        Of the coefficients after adoption, which define the effect; the first one alone,
        if not given.
    level : float
        Of the confidence sets.
    seed, draws : int
        Of the least-favourable critical value.
    breakdown : bool
        Whether to look for the breakdown value, which takes longer than the grid.

    Raises
    ------
    EstimationError
        No coefficient before or after; no covariance, or a singular one; other weights
        than coefficients; a negative bound.

    Notes
    -----
    Rambachan and Roth (2023); Andrews, Roth and Pakes (2023).  Nuisance parameters (effects
    in other periods) are profiled out through the vertices of the dual programme, of which
    there are few, so that no linear programme is solved in the loop.
    """
    event = _Event.of(result, weights)
    grid = _grid(grid)
    level = checked_level(level)
    sets = [_relative_set(event, m, 1 - level, seed, draws) for m in grid]

    def covers(bound: float) -> bool:
        cones = _cones(event, bound)
        return any(_Hybrid.of(event, cone, 1 - level, seed, draws).accepts(0.0) for cone in cones)

    return HonestBounds(
        restriction="relative magnitudes",
        table=pd.DataFrame(sets, columns=["lower", "upper"], index=pd.Index(grid, name="Mbar")),
        original=event.parallel(level),
        breakdown=_breakdown(event.parallel(level), covers, 1.0) if breakdown else float("nan"),
        level=level,
        title=f"relative magnitudes, {level:.0%} confidence sets",
    )


def smoothness(
    result: EventStudyResult | tuple[np.ndarray, np.ndarray, int],
    grid: Sequence[float],
    *,
    weights: Sequence[float] | None = None,
    level: float = 0.95,
    breakdown: bool = True,
) -> HonestBounds:
    """Return optimal fixed-length intervals under bounds on the change of slope.

    Parameters
    ----------
    result, weights, level, breakdown
        As in :func:`relative_magnitudes`.
    grid : sequence of float
        Values of *M*, in units of the outcome a period; zero allows a linear trend.

    Raises
    ------
    EstimationError
        As :func:`relative_magnitudes`.

    Notes
    -----
    Rambachan and Roth (2023), following Armstrong and Kolesar (2018): among estimators that
    are linear in the coefficients and free of bias from linear trends, the one whose
    interval, widened for its largest bias, is shortest.
    """
    event = _Event.of(result, weights)
    grid = _grid(grid)
    level = checked_level(level)
    sets = [_fixed_length(event, m, level) for m in grid]

    def covers(bound: float) -> bool:
        lower, upper = _fixed_length(event, bound, level)
        return lower <= 0 <= upper

    scale = float(np.sqrt(np.diag(event.covariance)).mean())
    return HonestBounds(
        restriction="smoothness",
        table=pd.DataFrame(sets, columns=["lower", "upper"], index=pd.Index(grid, name="M")),
        original=event.parallel(level),
        breakdown=_breakdown(event.parallel(level), covers, scale) if breakdown else float("nan"),
        level=level,
        title=f"smoothness, {level:.0%} fixed-length intervals",
    )


def contains(
    result: EventStudyResult | tuple[np.ndarray, np.ndarray, int],
    effect: float,
    bound: float,
    *,
    weights: Sequence[float] | None = None,
    level: float = 0.95,
    seed: int = 0,
    draws: int = 10_000,
) -> bool:
    """Tell whether the set of :func:`relative_magnitudes` holds an effect, without its ends.

    Parameters, errors and source as :func:`relative_magnitudes`.
    """
    event = _Event.of(result, weights)
    (bound,) = _grid([bound])
    cones = _cones(event, bound)
    level = checked_level(level)
    return any(_Hybrid.of(event, c, 1 - level, seed, draws).accepts(effect) for c in cones)


@dataclass(frozen=True)
class _Event:
    """Coefficients before and after, their covariance, and the effect's weights."""

    beta: np.ndarray
    covariance: np.ndarray
    before: int
    weights: np.ndarray

    @classmethod
    def of(
        cls,
        result: EventStudyResult | tuple[np.ndarray, np.ndarray, int],
        weights: Sequence[float] | None,
    ) -> _Event:
        if isinstance(result, EventStudyResult):
            times = list(result.covariance.index)
            beta = result.params.loc[times].to_numpy(float)
            covariance = result.covariance.to_numpy(float)
            before = sum(k < result.reference for k in times)
        else:
            beta, covariance, before = result
            beta, covariance = np.asarray(beta, float), np.asarray(covariance, float)
        after = len(beta) - before
        if before < 1 or after < 1:
            raise EstimationError("bounds need a coefficient before adoption and one after")
        if covariance.shape != (len(beta), len(beta)) or not np.isfinite(covariance).all():
            raise EstimationError("bounds need the covariance of all coefficients")
        scale = np.sqrt(np.diag(covariance))
        if (scale == 0).any() or np.linalg.cond(covariance / np.outer(scale, scale)) > 1e12:
            raise EstimationError(
                f"the covariance of the {len(beta)} coefficients is singular: there are fewer "
                "clusters than coefficients; bin the ends of the event study"
            )
        chosen = np.eye(after)[0] if weights is None else np.asarray(weights, float)
        if chosen.shape != (after,) or not chosen.any():
            raise EstimationError(f"weights must be {after} numbers, one a period after adoption")
        return cls(beta, covariance, before, chosen)

    @property
    def after(self) -> int:
        return len(self.beta) - self.before

    @property
    def estimate(self) -> float:
        return float(self.weights @ self.beta[self.before :])

    @property
    def std_error(self) -> float:
        block = self.covariance[self.before :, self.before :]
        return float(np.sqrt(self.weights @ block @ self.weights))

    def parallel(self, level: float) -> tuple[float, float]:
        half = stats.norm.ppf(0.5 + level / 2) * self.std_error
        return self.estimate - half, self.estimate + half

    @property
    def steps(self) -> np.ndarray:
        """Rows that turn the coefficients into first differences, the reference put in as zero."""
        levels = np.insert(np.eye(len(self.beta)), self.before, 0.0, axis=0)
        return np.diff(levels, axis=0)


def _grid(grid: Sequence[float]) -> list[float]:
    values = [float(m) for m in grid]
    if not values or min(values) < 0 or not np.isfinite(values).all():
        raise EstimationError("bounds are finite numbers that are not negative")
    return values


def _breakdown(
    original: tuple[float, float], covers: Callable[[float], bool], step: float
) -> float:
    """Find the smallest bound at which the set contains zero."""
    if original[0] <= 0 <= original[1] or covers(0.0):
        return 0.0
    low, high = 0.0, step
    while not covers(high):
        low, high = high, 2 * high
        if high > 1000 * step:
            return float("inf")
    while high - low > 1e-3 * step:
        middle = (low + high) / 2
        low, high = (low, middle) if covers(middle) else (middle, high)
    return high


# ------------------------------------------------------------------- relative magnitudes


def _cones(event: _Event, bound: float) -> list[np.ndarray]:
    """Return matrices *A* such that the trends with ``A delta <= 0`` make up the restriction.

    One for each step before adoption and sign: that step, with that sign, is the largest
    before, and no step after is more than ``bound`` times as large.
    """
    steps = event.steps
    before, after = steps[: event.before], steps[event.before :]
    cones = []
    for largest in before:
        for sign in (1.0, -1.0):
            top = sign * largest
            rows = [s * row - top for row in before for s in (1.0, -1.0)]
            rows += [s * row - bound * top for row in after for s in (1.0, -1.0)]
            cone = np.array(rows)
            cones.append(cone[np.abs(cone).max(axis=1) > 1e-12])
    return cones


@dataclass(frozen=True)
class _Hybrid:
    """The hybrid test of one cone, which says whether an effect is compatible with it.

    The moments are ``y = A beta``, of which ``A_after effects`` is subtracted; effects
    other than the one of interest are free.  ``vertices`` are the dual vertices, in whose
    terms the statistic is a maximum of linear functions of *y*.
    """

    moments: np.ndarray
    direction: np.ndarray
    vertices: np.ndarray
    covariance: np.ndarray
    first: float
    alpha: float

    @classmethod
    def of(cls, event: _Event, cone: np.ndarray, alpha: float, seed: int, draws: int) -> _Hybrid:
        rows = cone[np.abs(cone[:, event.before :]).max(axis=1) > 1e-12]
        # Turn the effects so that the first is the one of interest.
        turn = _completed(event.weights)
        effects = rows[:, event.before :] @ np.linalg.inv(turn)
        covariance = rows @ event.covariance @ rows.T
        deviation = np.sqrt(np.diag(covariance))
        varying = deviation > 1e-12 * deviation.max()
        rows, effects = rows[varying], effects[varying]
        covariance, deviation = covariance[np.ix_(varying, varying)], deviation[varying]
        vertices = _dual_vertices(effects[:, 1:], deviation)
        spread = vertices @ rows
        root = np.linalg.cholesky(event.covariance)
        normal = np.random.default_rng(seed).standard_normal((draws, len(event.beta)))
        largest = (normal @ (spread @ root).T).max(axis=1)
        first = float(np.quantile(largest, 1 - _FIRST_STAGE * alpha))
        return cls(rows @ event.beta, effects[:, 0], vertices, covariance, first, alpha)

    def accepts(self, effect: float) -> bool:
        values = self.vertices @ (self.moments - self.direction * effect)
        best = int(np.argmax(values))
        statistic = values[best]
        if statistic > self.first:
            return False
        along = self.vertices @ (self.covariance @ self.vertices[best])
        variance = along[best]
        if variance < 1e-14:
            return bool(statistic <= 0)
        slopes = along / variance
        rest = values - slopes * statistic
        with np.errstate(divide="ignore", invalid="ignore"):
            limits = rest / (1 - slopes)
        low = np.max(limits[slopes < 1 - 1e-9], initial=-np.inf)
        high = min(np.min(limits[slopes > 1 + 1e-9], initial=np.inf), self.first)
        level = (self.alpha - _FIRST_STAGE * self.alpha) / (1 - _FIRST_STAGE * self.alpha)
        critical = _truncated_quantile(1 - level, np.sqrt(variance), low, high)
        return bool(statistic <= max(critical, 0.0))


def _completed(weights: np.ndarray) -> np.ndarray:
    """Return an invertible matrix whose first row is ``weights``."""
    others = np.delete(np.eye(len(weights)), int(np.argmax(np.abs(weights))), axis=0)
    return np.vstack([weights, others])


def _dual_vertices(nuisance: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the vertices of ``{v >= 0, nuisance' v = 0, deviation' v = 1}``, one a row."""
    constraints = np.column_stack([nuisance, deviation]).T
    target = np.zeros(len(constraints))
    target[-1] = 1.0
    size = len(constraints)
    if comb(len(deviation), size) > _MOST_VERTICES:
        raise EstimationError(
            f"{size} periods after adoption are too many for these bounds: bin the ends of the "
            "event study"
        )
    vertices = []
    for support in combinations(range(len(deviation)), size):
        block = constraints[:, support]
        if abs(np.linalg.det(block / np.abs(block).max())) < 1e-12:
            continue
        solution = np.linalg.solve(block, target)
        if solution.min() > -1e-10:
            vertex = np.zeros(len(deviation))
            vertex[list(support)] = np.clip(solution, 0, None)
            vertices.append(vertex)
    return np.unique(np.round(np.array(vertices), 12), axis=0)


def _truncated_quantile(share: float, deviation: float, low: float, high: float) -> float:
    """Return a quantile of a normal with mean zero between two limits."""
    a, b = low / deviation, high / deviation
    if a >= b:
        return low
    return float(deviation * stats.truncnorm.ppf(share, a, b))


def _relative_set(
    event: _Event, bound: float, alpha: float, seed: int, draws: int
) -> tuple[float, float]:
    tests = [_Hybrid.of(event, cone, alpha, seed, draws) for cone in _cones(event, bound)]

    def accepted(effect: float) -> bool:
        return any(test.accepts(effect) for test in tests)

    # Walk outwards in half standard errors, then close in on each end.
    return _edge(accepted, event, -1), _edge(accepted, event, 1)


def _edge(accepted: Callable[[float], bool], event: _Event, side: int) -> float:
    """Find where acceptance ends on one side of the estimate, from far outside inwards."""
    far = 4.0
    while accepted(event.estimate + side * far * event.std_error):
        far *= 2
        if far > _REACH:
            return side * float("inf")
    # The set of one cone is an interval, their union need not be: look from outside.
    places = np.arange(far, -far, -0.25)
    held = (p for p in places if accepted(event.estimate + side * p * event.std_error))
    inner = next(held, None)
    if inner is None:
        raise EstimationError("no effect is compatible with the bound and these coefficients")
    outer = inner + 0.25
    while outer - inner > 1e-5:
        middle = (inner + outer) / 2
        if accepted(event.estimate + side * middle * event.std_error):
            inner = middle
        else:
            outer = middle
    return float(event.estimate + side * inner * event.std_error)


# --------------------------------------------------------------------------- smoothness


def _fixed_length(event: _Event, bound: float, level: float) -> tuple[float, float]:
    """Return the optimal fixed-length interval for a bound on second differences."""
    before, after = event.before, event.after
    # Estimator: effect's weights on coefficients after, free weights on those before.  A
    # trend is a slope and second differences; each column is what one of them adds.
    times = np.r_[np.arange(-before, 0), np.arange(1, after + 1)].astype(float)
    kinks = np.arange(-before + 1, after)
    kink = np.where(
        kinks < 0,
        np.clip(kinks - times[:, None], 0, None),
        np.clip(times[:, None] - kinks, 0, None),
    )
    fixed = np.r_[np.zeros(before), event.weights]

    def estimator(v: np.ndarray) -> np.ndarray:
        weights: np.ndarray = fixed + np.r_[v, np.zeros(after)]
        return weights

    def length(parameters: np.ndarray) -> float:
        v, sizes = parameters[:before], parameters[before:]
        a = estimator(v)
        deviation = np.sqrt(a @ event.covariance @ a)
        return float(deviation) * _folded_quantile(bound * sizes.sum() / deviation, level)

    slope = fixed @ times
    start = _least_bias(times[:before], slope, kink, fixed, before, event)
    sizes = np.abs(kink.T @ estimator(start))
    if bound == 0:
        best = start
    else:
        constraints = [
            {"type": "eq", "fun": lambda p: estimator(p[:before]) @ times},
            {"type": "ineq", "fun": lambda p: p[before:] - kink.T @ estimator(p[:before])},
            {"type": "ineq", "fun": lambda p: p[before:] + kink.T @ estimator(p[:before])},
        ]
        unit = event.std_error
        solved = optimize.minimize(
            lambda p: length(p) / unit,
            np.r_[start, sizes],
            method="SLSQP",
            constraints=constraints,
            options={"maxiter": 1000, "ftol": 1e-12},
        )
        best = solved.x[:before]
    a = estimator(best)
    half = length(np.r_[best, np.abs(kink.T @ a)])
    return float(a @ event.beta - half), float(a @ event.beta + half)


def _least_bias(
    times: np.ndarray, slope: float, kink: np.ndarray, fixed: np.ndarray, before: int, event: _Event
) -> np.ndarray:
    """Return the weights before adoption of least variance among those free of linear trends."""
    block = event.covariance[:before, :before]
    cross = event.covariance[:before, before:] @ fixed[before:]
    system = np.block([[block, times[:, None]], [times[None, :], np.zeros((1, 1))]])
    return np.linalg.solve(system, np.r_[-cross, -slope])[:before]


def _folded_quantile(shift: float, level: float) -> float:
    """Return the quantile of the absolute value of a normal with this mean, variance one."""
    if shift > 25:  # the folded tail has vanished
        return float(shift + stats.norm.ppf(level))
    return float(np.sqrt(stats.ncx2.ppf(level, 1, shift**2)))
