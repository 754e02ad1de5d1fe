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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    factor : float
        Multiple of the clustered variance beside ``n / (n - k - r)``.
    transform : ndarray, n x n, optional
        Symmetric matrix applied before the effects are projected out: quasi-demeaning
        for random effects, weights for feasible least squares.

    Examples
    --------
    >>> Design.two_way(np.repeat([0, 1], 3), np.tile([0, 1, 2], 2)).effects.shape
    (6, 3)
    """

    effects: Array
    clusters: NDArray[np.int64]
    factor: float = 1.0
    transform: Array | None = None

    def within(self, values: Array) -> Array:
        """Project the effects out of a vector or of the columns of a matrix."""
        if self.transform is not None:
            values = self.transform @ values
        return values - self.effects @ (self.effects.T @ values)

    def within_rows(self, gradients: Array) -> Array:
        """Project gradients (a x n x k) along their second axis, the rows of the panel."""
        turned = gradients.transpose(0, 2, 1)
        projected = turned - (turned @ self.effects) @ self.effects.T
        if self.transform is not None:
            projected = projected @ self.transform
        return projected.transpose(0, 2, 1)

    @classmethod
    def two_way(
        cls, units: NDArray[Any], periods: NDArray[Any], *, keep_constant: bool = True
    ) -> Design:
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
        return cls(left[:, singular > 1e-9 * singular[0]], codes)

    def regress(
        self,
        outcome: Array,
        regressors: Array,
        errors: str = "clustered",
        asked: Sequence[int] | None = None,
    ) -> Column:
        """Return coefficients and standard errors with exact gradients.

        Parameters
        ----------
        outcome : ndarray, n
        regressors : ndarray, n x k
        errors : {"clustered", "robust", "jackknife", "classical", "likelihood"}
            The first two carry the factor ``n / (n - k - r)`` (HC1 for "robust"), times
            :attr:`factor`; "jackknife" is HC3; the last two divide the residual sum
            of squares by ``n - k - r`` and by ``n``.
        asked : sequence of int, optional
            Positions of the coefficients wanted; all by default.
        """
        y, x = self.within(outcome), self.within(regressors)
        n, k = x.shape
        df = n - k - self.effects.shape[1]
        inverse = np.linalg.inv(x.T @ x).astype(np.float64, copy=False)
        b = inverse @ (x.T @ y)
        e: Array = y - x @ b
        rows = np.arange(k) if asked is None else np.asarray(asked)
        w: Array = (x @ inverse)[:, rows]
        own: Array = inverse[rows]
        by_regressors = e[None, :, None] * own[:, None, :] - w.T[:, :, None] * b
        if errors in {"classical", "likelihood"}:
            divisor = df if errors == "classical" else n
            variance, by_y, by_x = _classical(b, e, w, own, np.diag(inverse)[rows], divisor)
        elif errors == "jackknife":
            variance, by_y, by_x = _jackknife(x, b, e, w, own, inverse, self)
        else:
            clusters = self.clusters if errors == "clustered" else np.arange(n)
            scale = self.factor * n / df
            variance, by_y, by_x = _sandwich(x, b, e, w, own, inverse, clusters, scale)
        error = np.sqrt(variance)
        by_y, by_x = by_y / (2 * error)[:, None], by_x / (2 * error)[:, None, None]
        vectors = self.within_rows(np.concatenate([w.T, by_y])[:, :, None])[:, :, 0]
        matrices = self.within_rows(np.concatenate([by_regressors, by_x]))
        a = len(rows)
        return Column(b[rows], error, vectors[:a], matrices[:a], vectors[a:], matrices[a:])


@dataclass(frozen=True)
class Column:
    """Coefficients of one regression, stacked; gradients in the raw panel.

    ``value``, ``error`` and ``statistic`` have shape a (the coefficients asked for),
    ``*_by_outcome`` a x n and ``*_by_regressors`` a x n x k.
    """

    value: Array
    error: Array
    value_by_outcome: Array
    value_by_regressors: Array
    error_by_outcome: Array
    error_by_regressors: Array

    @property
    def statistic(self) -> Array:
        """Coefficient over standard error."""
        return self.value / self.error

    @property
    def statistic_by_outcome(self) -> Array:
        """Gradient of the statistic in the outcome."""
        error, slope = self.error[:, None], (self.value / self.error**2)[:, None]
        return self.value_by_outcome / error - slope * self.error_by_outcome

    @property
    def statistic_by_regressors(self) -> Array:
        """Gradient of the statistic in the regressors."""
        error = self.error[:, None, None]
        slope = (self.value / self.error**2)[:, None, None]
        return self.value_by_regressors / error - slope * self.error_by_regressors


#: Standard errors whose gradients are known.
ERRORS = ("clustered", "robust", "jackknife", "classical", "likelihood")


def _sandwich(
    x: Array,
    b: Array,
    e: Array,
    w: Array,
    own: Array,
    inverse: Array,
    clusters: NDArray[Any],
    scale: float,
) -> tuple[Array, Array, Array]:
    """Return squared errors (a) and their derivatives in outcome (a x n) and regressors."""
    scores = np.zeros((int(clusters.max()) + 1, w.shape[1]))
    np.add.at(scores, clusters, w * e[:, None])
    variance = scale * (scores**2).sum(axis=0)
    # d(sum of squared scores)/2 = u'dw + v'de with these two matrices, a column a coefficient
    spread = scores[clusters]
    u, v = spread * e[:, None], spread * w
    z, h = inverse @ (x.T @ u), inverse @ (x.T @ v)
    rest_u, rest_v = u - x @ z, v - x @ h
    by_outcome = 2 * scale * rest_v.T
    by_regressors = (2 * scale) * (
        rest_u.T[:, :, None] * own[:, None, :]
        - w.T[:, :, None] * z.T[:, None, :]
        - rest_v.T[:, :, None] * b
        - e[None, :, None] * h.T[:, None, :]
    )
    return variance, by_outcome, by_regressors


def _jackknife(
    x: Array, b: Array, e: Array, w: Array, own: Array, inverse: Array, design: Design
) -> tuple[Array, Array, Array]:
    """Return HC3's squared errors and derivatives: residuals over one less leverage."""
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x) + (design.effects**2).sum(axis=1)
    room = 1 - leverage
    a = e / room
    variance = ((w * a[:, None]) ** 2).sum(axis=0)
    u, v = w * (a**2)[:, None], w**2 * (a / room)[:, None]
    by_leverage = w**2 * (a * a / room)[:, None]
    z, h = inverse @ (x.T @ u), inverse @ (x.T @ v)
    rest_u, rest_v = u - x @ z, v - x @ h
    by_outcome = 2 * rest_v.T
    by_regressors = 2 * (
        rest_u.T[:, :, None] * own[:, None, :]
        - w.T[:, :, None] * z.T[:, None, :]
        - rest_v.T[:, :, None] * b
        - e[None, :, None] * h.T[:, None, :]
    )
    # d(leverage of x) = 2 (M dX inv X')_ii, weighted by what each leverage does to the variance
    w_all = x @ inverse
    for j in range(w.shape[1]):
        weighted = by_leverage[:, j][:, None] * w_all
        by_regressors[j] += 4 * (weighted - x @ (inverse @ (x.T @ weighted)))
    return variance, by_outcome, by_regressors


def _classical(
    b: Array, e: Array, w: Array, own: Array, diagonal: Array, df: int
) -> tuple[Array, Array, Array]:
    s2 = e @ e / df
    by_outcome = 2 / df * diagonal[:, None] * e
    by_regressors = (
        -2 / df * diagonal[:, None, None] * (e[:, None] * b)
        - 2 * s2 * w.T[:, :, None] * own[:, None, :]
    )
    return s2 * diagonal, by_outcome, by_regressors
