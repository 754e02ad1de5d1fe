"""How strong a hidden bias would have to be: Rosenbaum's bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from ftz._results import Result, checked_level
from ftz.errors import EstimationError
from ftz.matching._checks import outcomes
from ftz.matching._matches import Matches

#: Pairs up to which the bounds on the estimate are computed; memory grows with the square.
MOST_FOR_ESTIMATES = 6000


@dataclass(frozen=True, repr=False)
class RosenbaumBounds(Result):
    r"""What hidden bias of a given strength could do to a matched comparison.

    Attributes
    ----------
    table : pandas.DataFrame
        Indexed by ``gamma``; ``p_upper`` and ``p_lower`` bound the one-sided p value
        of Wilcoxon's signed-rank test that the effect is positive; ``hl_lower`` and
        ``hl_upper`` bound the Hodges-Lehmann estimate, in units of the outcome.
    statistic : float
        Sum of the ranks of the positive differences.
    differences : numpy.ndarray
        Treated less matches, one a pair.
    """

    no_interval = "it bounds p values and the estimate; hidden bias has no sampling error"

    table: pd.DataFrame
    n_pairs: int
    statistic: float
    differences: np.ndarray

    def critical_gamma(self, level: float = 0.05) -> float:
        r"""Return the strength of bias from which the effect may be due to bias alone.

        The :math:`\Gamma` at which the upper bound of the one-sided p value reaches
        ``level``; 1 if it is above without any bias, infinity if it never gets there.
        """
        checked_level(level)

        def excess(log_gamma: float) -> float:
            return _p_values(self.differences, np.exp(log_gamma))[0] - level

        if excess(0.0) >= 0:
            return 1.0
        if excess(np.log(1e6)) < 0:
            return np.inf
        return float(np.exp(optimize.brentq(excess, 0.0, np.log(1e6), xtol=1e-12)))

    @property
    def _head(self) -> str:
        head = f"Rosenbaum bounds, {self.n_pairs} pairs; 5% reached at gamma "
        return f"{head}{self.critical_gamma():.3g}"


def rosenbaum_bounds(
    outcome: pd.Series | np.ndarray,
    matches: Matches | None = None,
    gammas: Sequence[float] = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0),
) -> RosenbaumBounds:
    r"""Bound p value and estimate when matched units differ in an unseen covariate.

    Two units with the same score may have odds of treatment that differ by a factor of
    up to :math:`\Gamma`.  Under it the sum of the ranks of the positive differences lies
    between two known distributions.

    Parameters
    ----------
    outcome : pandas.Series or numpy.ndarray
        With ``matches``: the outcome of every row.  Without: the differences, treated
        less control, one a pair.
    matches : Matches, optional
        A treated unit with several matches is compared with their weighted mean.
    gammas : sequence of float
        Strengths of bias, from 1 (none).

    Raises
    ------
    EstimationError
        No difference other than zero, missing values, a gamma below one.

    Notes
    -----
    Rosenbaum (2002, chapter 4).  The theory is for pairs that share no unit: match with
    ``replacement=False`` and one neighbour.  With shared controls or several matches the
    bounds are a description.  p values use the normal approximation with mean ranks.
    """
    differences = _differences(outcome, matches)
    if not all(g >= 1 for g in gammas) or not len(gammas):
        raise EstimationError("every gamma must be at least one: one is no hidden bias")
    rows = []
    for gamma in gammas:
        upper, lower = _p_values(differences, gamma)
        rows.append((upper, lower, *_estimates(differences, gamma)))
    table = pd.DataFrame(
        rows,
        index=pd.Index(gammas, name="gamma", dtype=float),
        columns=["p_upper", "p_lower", "hl_lower", "hl_upper"],
    )
    ranks = stats.rankdata(np.abs(differences))
    return RosenbaumBounds(
        table, len(differences), float(ranks[differences > 0].sum()), differences
    )


def _differences(outcome: pd.Series | np.ndarray, matches: Matches | None) -> np.ndarray:
    if matches is None:
        gaps = np.asarray(outcome, float)
        if not np.isfinite(gaps).all():
            raise EstimationError("missing or infinite differences")
    else:
        y = outcomes(pd.Series(outcome), matches.score.index)
        gaps = y[matches.treated].to_numpy() - matches.weights @ y[matches.controls].to_numpy()
    if not (gaps != 0).any():
        raise EstimationError("no pair differs: there is nothing to bound")
    return gaps


def _p_values(differences: np.ndarray, gamma: float) -> tuple[float, float]:
    """Return the bounds on the one-sided p value, the unfavourable one first.

    Pairs without a difference take part in the ranking and in nothing else.
    """
    ranks = stats.rankdata(np.abs(differences))
    statistic = ranks[differences > 0].sum()
    ranks = ranks[differences != 0]
    bounds = []
    for share in (gamma / (1 + gamma), 1 / (1 + gamma)):
        deviation = np.sqrt(share * (1 - share) * (ranks**2).sum())
        bounds.append(float(stats.norm.sf((statistic - share * ranks.sum()) / deviation)))
    return bounds[0], bounds[1]


def _estimates(differences: np.ndarray, gamma: float) -> tuple[float, float]:
    """Return the bounds on the Hodges-Lehmann estimate: quantiles of the pairwise means."""
    n = len(differences)
    if n > MOST_FOR_ESTIMATES:
        return np.nan, np.nan
    first, second = np.triu_indices(n)
    means = (differences[first] + differences[second]) / 2
    low, high = np.quantile(means, [1 / (1 + gamma), gamma / (1 + gamma)])
    return float(low), float(high)
