r"""Sampling variances of matching estimators.

Abadie and Imbens (2006) for a score that is known, and their correction (2016) for a
score that was estimated on the same sample.  Everything here works on arrays in the
order of the rows; the notation is theirs: :math:`W` treatment, :math:`F` the score,
:math:`f` its slope in the linear index, :math:`K` how often a unit serves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.matching import _search as search
from ftz.matching._covariates import whitened
from ftz.matching._matches import METHODS, Matches
from ftz.matching._score import ScoreResult

FORMS = ("difference", "sample")


def conditional_variance(
    y: np.ndarray, positions: np.ndarray, neighbours: int, form: str, tie: float
) -> np.ndarray:
    """Return the outcome's variance at each unit of a group from its nearest in the group."""
    if neighbours < 1 or neighbours != int(neighbours):
        raise EstimationError(f"neighbours must be a whole number from 0, not {neighbours}")
    one_of("variance", form, FORMS)
    if len(y) <= neighbours:
        raise EstimationError(f"{neighbours} neighbours asked for in a group of {len(y)}")
    # A unit is its own nearest neighbour: look for one more; it differs from itself by zero.
    rows, columns, counts = search.nearest(positions, positions, int(neighbours) + 1, tie)
    gaps: np.ndarray = y[columns] - y[rows]
    others: np.ndarray = counts - 1
    sums = np.bincount(rows, gaps)
    squares = np.bincount(rows, gaps**2)
    variance: np.ndarray = (
        others / counts * (sums / others) ** 2
        if form == "difference"
        else (squares - sums**2 / counts) / others
    )
    return variance


def common_variance(y: pd.Series, matches: Matches, effect: float) -> float:
    """Return the weighted sum of squared errors of the pairs, for one variance common to all."""
    pairs = matches.weights.tocoo()
    gaps = y[matches.treated].to_numpy()[pairs.row] - y[matches.controls].to_numpy()[pairs.col]
    return float(np.sum(pairs.data * (gaps - effect) ** 2))


# ---------------------------------------------------------- when the score was estimated


@dataclass(frozen=True)
class _Sample:
    """The rows of a matching, as arrays: outcome, treatment, position, and the score's model."""

    y: np.ndarray
    w: np.ndarray
    positions: np.ndarray
    x: np.ndarray
    score: np.ndarray
    density: np.ndarray
    neighbours: int
    k: int
    tie: float

    def local(self, group: bool, leave_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return, at each row, mean outcome and covariance with x among a group's nearest.

        ``neighbours + 1`` units of the group are used; the row itself is one of them if
        it belongs to the group, unless it is left out.
        """
        pool = np.flatnonzero(self.w == group)
        k = self.neighbours + 1 + leave_out
        if k > len(pool):
            raise EstimationError(f"{k} neighbours asked for in a group of {len(pool)}")
        k_here = np.where(leave_out & (self.w == group), k, self.neighbours + 1)
        mean, cross = np.empty(len(self.y)), np.empty_like(self.x)
        for size in np.unique(k_here):
            at = np.flatnonzero(k_here == size)
            rows, columns, _ = search.nearest(
                self.positions[at], self.positions[pool], int(size), self.tie
            )
            units = pool[columns]
            if leave_out:
                others = units != at[rows]
                rows, units = rows[others], units[others]
            mean[at], cross[at] = self._moments(rows, units, len(at))
        return mean, cross

    def _moments(
        self, rows: np.ndarray, units: np.ndarray, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        counts = np.bincount(rows, minlength=size)
        mean = np.bincount(rows, self.y[units], minlength=size) / counts
        gaps = self.y[units] - mean[rows]
        cross = np.column_stack(
            [np.bincount(rows, gaps * c[units], minlength=size) for c in self.x.T]
        )
        return mean, cross / (counts - 1)[:, None]

    def opposite_in_x(self, points: np.ndarray) -> np.ndarray:
        """Return, at each row, the mean outcome of the other group's k nearest in covariates."""
        mean = np.empty(len(self.y))
        for group in (True, False):
            at, pool = np.flatnonzero(self.w == group), np.flatnonzero(self.w != group)
            k = min(self.k, len(pool))
            rows, columns, counts = search.nearest(points[at], points[pool], k, search.TIE)
            mean[at] = np.bincount(rows, self.y[pool[columns]]) / counts
        return mean


def _sample(y: pd.Series, matches: Matches, fit: ScoreResult, neighbours: int) -> _Sample:
    if matches.method not in METHODS:
        raise EstimationError(
            f"abadie_imbens_2016 is for neighbours on a score, not for {matches.method}"
        )
    labels = matches.score.index.difference(matches.unmatched, sort=False)
    place = fit.score.index.get_indexer(labels)
    if (place < 0).any():
        raise EstimationError("the fitted score does not hold every row that was matched")
    return _Sample(
        y=y[labels].to_numpy(),
        w=fit.treated.to_numpy()[place],
        positions=matches.score[labels].to_numpy(),
        x=fit.design[place],
        score=fit.score.to_numpy()[place],
        density=fit.density.to_numpy()[place],
        neighbours=max(int(neighbours), 1),
        k=matches.k or 1,
        tie=matches.tie,
    )


def att_correction(
    y: pd.Series,
    effect: float,
    matches: Matches,
    fit: ScoreResult,
    neighbours: int,
    metric: str = "mahalanobis",
) -> float:
    r"""Return :math:`-c'\Omega c + d'\Omega d` of Abadie and Imbens (2016), as :func:`att` has it.

    What estimating the score adds to the variance of the effect on the treated; it can have
    either sign.
    """
    s = _sample(y, matches, fit, neighbours)
    n = s.w.sum()
    gap = s.local(True, leave_out=True)[0] - s.local(False, leave_out=True)[0] - effect
    # The slope of the score times its odds: zero where a score is one in floats.
    rest = 1 - s.score
    pull = np.divide(s.density * s.score, rest, out=np.zeros_like(rest), where=rest > 0)
    c = (s.density @ (s.x * gap[:, None] + s.local(True)[1]) + pull @ s.local(False)[1]) / n
    raw = s.x[:, 1:] * fit.scale
    names = [f"covariate {i}" for i in range(1, s.x.shape[1])]
    twins = s.opposite_in_x(whitened(raw, names, metric))
    d = s.density @ (s.x * ((2 * s.w - 1) * (s.y - twins) - effect)[:, None]) / n
    return float(d @ fit.covariance @ d - c @ fit.covariance @ c)


def ate_correction(y: pd.Series, matches: Matches, fit: ScoreResult, neighbours: int) -> float:
    r"""Return what estimating the score adds to the variance of the effect on everybody.

    Abadie and Imbens (2016): :math:`-c'\Omega c`, never positive, with

    .. math:: c = \frac{1}{N} \sum_i f_i \Big[ \frac{\widehat{cov}_1(x, y)}{F_i}
              + \frac{\widehat{cov}_0(x, y)}{1 - F_i} \Big].
    """
    s = _sample(y, matches, fit, neighbours)
    if (s.score <= 0).any() or (s.score >= 1).any():
        raise EstimationError("a score of exactly 0 or 1 has no effect on everybody beside it")
    cross = s.local(True)[1] / s.score[:, None] + s.local(False)[1] / (1 - s.score)[:, None]
    c = s.density @ cross / len(s.y)
    return -float(c @ fit.covariance @ c)
