r"""Printed regression numbers as smooth functions of the panel, with exact gradients.

A clustered statistic in a table is a function of the outcome *y* (n) and of the
regressors *X* (n x k).  After the fixed effects are projected out,

.. math::

    b = (X'X)^{-1} X'y, \qquad e = y - Xb, \qquad w_j = X (X'X)^{-1} \iota_j,

    V_{jj} = c \sum_g \Bigl( \sum_{i \in g} w_{ij} e_i \Bigr)^2, \qquad
    t_j = b_j / \sqrt{V_{jj}}, \qquad c = \frac{n}{n-k-\text{effects}}.

The gradients below follow from differentiating these lines once; a test holds them
against finite differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """What stays fixed while a witness is sought: effects and clusters.

    Attributes
    ----------
    effects : ndarray, n x r
        Orthonormal basis of the absorbed effects.
    clusters : ndarray of int, n
        Cluster codes 0 .. G-1.
    """

    effects: Array
    clusters: NDArray[np.int64]

    def within(self, values: Array) -> Array:
        """Project the effects out of a vector or of the columns of a matrix."""
        return values - self.effects @ (self.effects.T @ values)

    def cluster_sums(self, values: Array) -> Array:
        """Sum a vector by cluster."""
        return np.bincount(self.clusters, values)


def two_way_design(units: NDArray, periods: NDArray, *, keep_constant: bool = True) -> Design:
    """Return the design with unit and period effects, clustered by unit.

    With ``keep_constant`` the constant is left in, normalised as
    :func:`ftz.did.constant` does (unit effects average to zero, first period is the
    base), so that it can be asked for as one more regressor.  Slopes do not change.
    """
    codes = np.unique(units, return_inverse=True)[1]
    unit_dummies = np.eye(codes.max() + 1)[codes]
    steps = np.unique(periods, return_inverse=True)[1]
    period_dummies = np.eye(steps.max() + 1)[steps]
    if keep_constant:
        unit_dummies = unit_dummies - unit_dummies.mean(axis=0)
        period_dummies = period_dummies[:, 1:]
    left, singular, _ = np.linalg.svd(
        np.hstack([unit_dummies, period_dummies]), full_matrices=False
    )
    return Design(left[:, singular > 1e-9 * singular[0]], codes)


@dataclass(frozen=True)
class Coefficient:
    """One slope and its clustered statistic, with gradients in the raw panel.

    ``*_by_outcome`` has shape n, ``*_by_regressors`` n x k.
    """

    value: float
    statistic: float
    value_by_outcome: Array
    value_by_regressors: Array
    statistic_by_outcome: Array
    statistic_by_regressors: Array


def regression(outcome: Array, regressors: Array, design: Design) -> list[Coefficient]:
    """Return every coefficient of a fixed-effects regression with its gradients.

    Parameters
    ----------
    outcome : ndarray, n
    regressors : ndarray, n x k
    design : Design
        Effects (r of them) and clusters; the variance carries ``n / (n - k - r)``.
    """
    y, x = design.within(outcome), design.within(regressors)
    n, k = x.shape
    scale = n / (n - k - design.effects.shape[1])
    inverse = np.linalg.inv(x.T @ x)
    b = inverse @ (x.T @ y)
    e = y - x @ b
    weights = x @ inverse
    return [_coefficient(j, x, b, e, weights[:, j], inverse, scale, design) for j in range(k)]


def _coefficient(
    j: int, x: Array, b: Array, e: Array, w: Array, inverse: Array, scale: float, design: Design
) -> Coefficient:
    scores = design.cluster_sums(w * e)
    error = np.sqrt(scale * (scores**2).sum())
    value_by_outcome = w
    value_by_regressors = np.outer(e, inverse[:, j]) - np.outer(w, b)
    # d(sum of squared scores)/2 = u'dw + v'de with these two vectors
    u, v = scores[design.clusters] * e, scores[design.clusters] * w
    z, h = inverse @ (x.T @ u), inverse @ (x.T @ v)
    by_outcome = 2 * scale * (v - x @ h)
    by_regressors = (2 * scale) * (
        np.outer(u - x @ z, inverse[:, j])
        - np.outer(w, z)
        - np.outer(v - x @ h, b)
        - np.outer(e, h)
    )
    slope = b[j] / (2 * error**3)
    return Coefficient(
        value=float(b[j]),
        statistic=float(b[j] / error),
        value_by_outcome=design.within(value_by_outcome),
        value_by_regressors=design.within(value_by_regressors),
        statistic_by_outcome=design.within(value_by_outcome / error - slope * by_outcome),
        statistic_by_regressors=design.within(value_by_regressors / error - slope * by_regressors),
    )


def mean_and_sd(values: Array) -> tuple[float, Array, float, Array]:
    """Return the mean, its gradient, the standard deviation (ddof 1) and its gradient."""
    n = len(values)
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    return mean, np.full(n, 1 / n), sd, (values - mean) / ((n - 1) * sd)
