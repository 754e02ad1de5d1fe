r"""Weights against the estimate: the effects that *some* weighting can give.

If the index is a weighted mean of normalised indicators, :math:`y_{it} = \sum_j w_j z_{jit}`,
and the weights do not depend on the data, then the difference-in-differences coefficient is
linear in them, because least squares is linear in the outcome:

.. math:: \beta(w) = \sum_j w_j \beta_j,

with :math:`\beta_j` the coefficient for indicator *j* alone.  One regression an indicator
gives the effect, and its clustered standard error, for *all* weights at once, and the
smallest and largest effect over a set of weights is a linear programme.  On a tree whose
shares among siblings may each move within bounds, the programme falls apart into one
knapsack a node, and is solved exactly from the leaves up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

from ftz._kernel import ColumnSpace
from ftz._projection import check_design, span_of
from ftz._refusals import one_of
from ftz._results import CoefficientResult
from ftz.errors import EstimationError
from ftz.index._tree import IndexTree
from ftz.index._weights import leaf_weights
from ftz.panel import Panel, on_panel

SCALES = ("level", "log_geometric")


@dataclass(frozen=True)
class WeightRange:
    """The smallest and the largest effect over a set of weights.

    Attributes
    ----------
    low, high : float
        Effects.
    low_weights, high_weights : pandas.Series
        Weights of the leaves that attain them.
    """

    low: float
    high: float
    low_weights: pd.Series
    high_weights: pd.Series

    @property
    def both_signs(self) -> bool:
        """True if some weighting gives a negative and some a positive effect."""
        return self.low < 0 < self.high

    def __repr__(self) -> str:
        return f"effects from {self.low:.4f} to {self.high:.4f}"


@dataclass(frozen=True)
class LogRange:
    """What is known about the range of the effect on the *logarithm* of a weighted mean.

    Attributes
    ----------
    found_low, found_high : float
        Effects that some weights attain (local search).
    bound_low, bound_high : float
        No weights of the set give an effect outside (a proof, see
        :meth:`WeighedEffects.log_range`).
    """

    found_low: float
    found_high: float
    bound_low: float
    bound_high: float


@dataclass(frozen=True, kw_only=True, repr=False)
class WeighedEffects(CoefficientResult):
    """The effect of the treatment for every weighting of the indicators.

    Attributes
    ----------
    params : pandas.Series
        One coefficient an indicator, on the scale of the index; errors clustered by unit,
        as :func:`ftz.did.twfe` has them.
    clusters : pandas.DataFrame
        Units by indicators: U such that U'U is the covariance of ``params``.
    functional : pandas.Series
        One number a row: the coefficient of any outcome is its product with the outcome.
    values : pandas.DataFrame
        The indicators on the rows of the regression, on the scale of the index.
    """

    _brief = True

    clusters: pd.DataFrame
    functional: pd.Series
    values: pd.DataFrame

    @property
    def effects(self) -> pd.Series:
        """The coefficients."""
        return self.params

    @property
    def _head(self) -> str:
        range_ = f"{self.effects.min():.4g} to {self.effects.max():.4g}"
        return f"Effects on {len(self.effects)} indicators, {range_} (N = {self.nobs})"

    def att(self, weights: pd.Series) -> float:
        """Return the effect for weights of the leaves that sum to one."""
        return float(self.effects.to_numpy() @ self._checked(weights).to_numpy())

    def std_error(self, weights: pd.Series) -> float:
        """Return its clustered standard error."""
        return float(np.linalg.norm(self.clusters.to_numpy() @ self._checked(weights).to_numpy()))

    def log_att(self, weights: pd.Series) -> float:
        """Return the effect on the logarithm of the weighted mean (not linear in the weights)."""
        whole = self.values @ self._checked(weights)
        if not (whole > 0).all():
            raise EstimationError("the weighted mean is not positive in every row: no logarithm")
        return float(self.functional @ np.log(whole))

    def _checked(self, weights: pd.Series) -> pd.Series:
        if set(weights.index) != set(self.effects.index):
            raise EstimationError("the weights do not name the indicators of the effects")
        return weights[self.effects.index]

    def all_weights(self) -> WeightRange:
        """Return the range over all weights that are not negative and sum to one."""
        low, high = int(self.effects.argmin()), int(self.effects.argmax())
        unit = pd.Series(0.0, index=self.effects.index)
        return WeightRange(
            float(self.effects.iloc[low]),
            float(self.effects.iloc[high]),
            unit.where(np.arange(len(unit)) != low, 1.0),
            unit.where(np.arange(len(unit)) != high, 1.0),
        )

    def range(
        self,
        tree: IndexTree,
        shares: Mapping[str, float],
        factor: float = np.inf,
        levels: Sequence[int] | None = None,
    ) -> WeightRange:
        """Return the range when shares among siblings may move by a factor.

        Parameters
        ----------
        tree : IndexTree
        shares : mapping
            Node to its share among its siblings, the point of departure.
        factor : float
            At least one: every share may lie between itself over ``factor`` and itself
            times ``factor``, and siblings still sum to one.  Infinity frees them wholly.
        levels : sequence of int, optional
            Levels whose shares move; all by default.

        Raises
        ------
        EstimationError
            A factor below one.
        """
        if not factor >= 1:
            raise EstimationError(f"the factor must be one or more, and is {factor}")
        ends = [
            _extreme(tree, shares, sign * self.effects, factor, levels)[1] for sign in (-1.0, 1.0)
        ]
        return WeightRange(self.att(ends[0]), self.att(ends[1]), *ends)

    def range_path(
        self,
        tree: IndexTree,
        shares: Mapping[str, float],
        factors: Sequence[float],
        levels: Sequence[int] | None = None,
    ) -> pd.DataFrame:
        """Return the range at several factors: columns ``low`` and ``high``, indexed by factor."""
        ranges = {f: self.range(tree, shares, f, levels) for f in factors}
        return pd.DataFrame(
            {f: (r.low, r.high) for f, r in ranges.items()}, index=["low", "high"]
        ).T

    def flip(
        self, tree: IndexTree, shares: Mapping[str, float], levels: Sequence[int] | None = None
    ) -> float:
        """Return the smallest factor at which some weights turn the sign of the effect.

        Infinity if none does.  See :meth:`range` for the factor.
        """
        base = self.att(leaf_weights(tree, shares))

        def far_end(factor: float) -> float:
            reached = self.range(tree, shares, factor, levels)
            return reached.low if base > 0 else -reached.high

        if far_end(np.inf) >= 0:
            return np.inf
        top = 2.0
        while far_end(top) > 0:
            top *= 2
        return float(optimize.brentq(far_end, 1.0, top, xtol=1e-12))

    # --- the logarithm of a weighted mean ---

    def log_range(
        self,
        tree: IndexTree,
        shares: Mapping[str, float],
        factor: float,
        levels: Sequence[int] | None = None,
        steps: int = 60,
    ) -> LogRange:
        r"""Return what is known about the range of the effect on the log of the index.

        The effect :math:`\sum_i a_i \ln(z_i'w)` is neither convex nor concave in *w*.
        *Found* are values of a conditional-gradient search (Frank and Wolfe 1956), which some
        weights attain.  *Bound* replaces each logarithm by its tangent where that raises
        the sum and by its secant over the range of :math:`z_i'w` where that does; the
        result is linear in *w*, and its extreme is exact.

        Raises
        ------
        EstimationError
            If some weights of the set make the index zero in a row: the effect on its
            logarithm is then unbounded.
        """
        a, z = self.functional.to_numpy(), self.values

        def best(slopes: np.ndarray) -> np.ndarray:
            named = pd.Series(slopes, index=z.columns)
            return _extreme(tree, shares, named, factor, levels)[1][z.columns].to_numpy()

        matrix = z.to_numpy()
        low = np.array([row @ best(-row) for row in matrix])
        high = np.array([row @ best(row) for row in matrix])
        if not (low > 1e-12).all():
            row = z.index[int(np.argmin(low))]
            raise EstimationError(
                f"some weights make the index zero in row {row}: its logarithm has no bound"
            )
        start = leaf_weights(tree, shares)[z.columns].to_numpy()
        ends = []
        for sign in (-1.0, 1.0):
            reached, weights = _maximise(sign * a, matrix, best, start, steps)
            ends.append((sign * reached, sign * _outer(sign * a, matrix, best, weights, low, high)))
        (found_low, bound_low), (found_high, bound_high) = ends
        return LogRange(found_low, found_high, bound_low, bound_high)


def weigh_effects(
    normalised: pd.DataFrame,
    frame: pd.DataFrame,
    treatment: str,
    controls: Sequence[str] = (),
    *,
    scale: str = "level",
    lift: float = 0.0,
    unit: str = "city",
    time: str = "year",
) -> WeighedEffects:
    """Estimate the two-way fixed-effects coefficient for every indicator at once.

    Parameters
    ----------
    normalised : pandas.DataFrame
        Indexed by (unit, period), one column an indicator, on one scale.
    frame : pandas.DataFrame
        One row a unit and period, all of them in ``normalised``: treatment and controls.
    treatment : str
    controls : sequence of str
    scale : {"level", "log_geometric"}
        ``level``: effects on 100 times the weighted mean.  ``log_geometric``: on the
        logarithm of the weighted geometric mean, which is linear in the weights too.
    lift : float
        Added to the indicators under ``"log_geometric"``.

    Raises
    ------
    EstimationError
        Rows of the frame that the indicators lack, an indicator that is not positive under
        a logarithm, and whatever :func:`ftz.did.twfe` refuses in a design.
    """
    one_of("scale", scale, SCALES)
    rows = pd.MultiIndex.from_frame(frame[[unit, time]])
    absent = rows[~rows.isin(normalised.index)].sort_values()
    if len(absent):
        raise EstimationError(f"the indicators have no row {absent[0]}")
    values = normalised.loc[rows]
    if scale == "level":
        values = 100 * values
    else:
        if not ((values + lift) > 0).all(axis=None):
            raise EstimationError(
                f"indicator {values.min().idxmin()} is not positive: give a lift above zero"
            )
        values = (values + lift).apply(np.log)
    functional, residual_maker, spent = linear_functional(
        frame, treatment, controls, unit=unit, time=time
    )
    outcomes = values.to_numpy()
    n = len(frame)
    scored = functional[:, None] * residual_maker(outcomes) * np.sqrt(n / (n - spent))
    clusters = pd.DataFrame(scored, columns=values.columns).groupby(frame[unit].to_numpy()).sum()
    return WeighedEffects(
        params=pd.Series(functional @ outcomes, index=values.columns, name="effect"),
        std_errors=np.sqrt((clusters**2).sum()).rename("std_error"),
        clusters=clusters,
        functional=pd.Series(functional, index=rows, name=treatment),
        values=values,
        nobs=n,
    )


@on_panel("treatment", "controls")
def linear_functional(panel: Panel) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray], int]:
    """Return what turns any outcome into its two-way fixed-effects coefficient.

    Returns
    -------
    functional : numpy.ndarray
        n numbers; their product with an outcome is the coefficient of the treatment.
    residuals : callable
        Outcome (n,) or (n, m) to residuals of the full regression.
    spent : int
        Parameters of the regression, effects included.

    Raises
    ------
    EstimationError
        Missing columns or values, duplicate rows, a regressor without variation within
        units and periods, collinear regressors.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": list("aabb"), "year": [1, 2] * 2, "d": [0, 1, 0, 0]})
    >>> [float(f) for f in linear_functional(frame, "d")[0].round(12)]
    [-1.0, 1.0, 1.0, -1.0]
    """
    check_design(panel)
    own = span_of(panel).residual(panel.d)
    both, names = np.column_stack([panel.d, panel.x]), [panel.treatment or "", *panel.controls]
    full = ColumnSpace.of(panel.units[0], panel.ranks, both, names)
    return own / (own @ own), full.residual, full.rank


# --- the extreme of a linear function over weights on a tree ------------------------------------


def _extreme(
    tree: IndexTree,
    shares: Mapping[str, float],
    slopes: pd.Series,
    factor: float,
    levels: Sequence[int] | None,
) -> tuple[float, pd.Series]:
    """Return the largest value of ``slopes @ weights`` and the weights that attain it."""
    chosen: dict[str, float] = {}

    def best_below(node: str, level: int) -> float:
        below = tree.children(node)
        if not below:
            return float(slopes[node])
        values = np.array([best_below(child, level + 1) for child in below])
        base = np.array([shares[child] for child in below])
        moves = levels is None or level + 1 in levels
        best = _knapsack(values, base, factor) if moves else base
        chosen.update(zip(below, best, strict=True))
        return float(values @ best)

    largest = best_below("", 0)
    return largest, leaf_weights(tree, chosen)


def _knapsack(values: np.ndarray, base: np.ndarray, factor: float) -> np.ndarray:
    """Fill shares between base/factor and base*factor, best first, until they sum to one."""
    if np.isinf(factor):
        low, high = np.zeros_like(base), np.ones_like(base)
    else:
        low, high = base / factor, np.minimum(base * factor, 1.0)
    best, left = low.copy(), 1.0 - low.sum()
    for place in np.argsort(-values, kind="stable"):
        step = min(high[place] - low[place], left)
        best[place] += step
        left -= step
    return best


def _maximise(
    a: np.ndarray,
    matrix: np.ndarray,
    best: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    steps: int,
) -> tuple[float, np.ndarray]:
    """Maximise a'ln(Zw) by conditional gradients, from the base and from the linear optimum."""
    largest, weights = -np.inf, start
    for w in (start, best(a @ matrix)):
        for _ in range(steps):
            slope = (a / (matrix @ w)) @ matrix
            way = best(slope) - w
            if slope @ way < 1e-12:
                break
            line = optimize.minimize_scalar(
                lambda t, w=w, way=way: -(a @ np.log(matrix @ (w + t * way))),
                bounds=(0.0, 1.0),
                method="bounded",
            )
            w = w + line.x * way
        value = float(a @ np.log(matrix @ w))
        if value > largest:
            largest, weights = value, w
    return largest, weights


def _outer(
    a: np.ndarray,
    matrix: np.ndarray,
    best: Callable[[np.ndarray], np.ndarray],
    weights: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> float:
    """Return a number that a'ln(Zw) never exceeds, from tangents and secants of the logarithm."""
    at = matrix @ weights
    spread = np.where(high > low, high - low, 1.0)
    secant = np.where(high > low, np.log(high / low) / spread, 1.0 / low)
    slope = np.where(a > 0, 1.0 / at, secant)
    constant = np.where(a > 0, np.log(at) - 1.0, np.log(low) - secant * low)
    linear = (a * slope) @ matrix
    return float(a @ constant + linear @ best(linear))
