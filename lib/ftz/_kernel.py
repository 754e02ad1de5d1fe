r"""One regression, every variance.

After unit effects, period effects and controls are projected out (Frisch and Waugh 1933,
Lovell 1963), the slope of any number of outcomes on one regressor costs a product, and all
its variances are

.. math:: \widehat V(\hat\beta) = \frac{c}{(\tilde x'\tilde x)^2}
          \sum_g \bigl(\tilde x_g' A_g e_g\bigr)^2,

where *g* are rows (HC), clusters (CR), or periods (with neighbours: Driscoll-Kraay), and
*A* and *c* are what the estimators differ in.  Units have no column of their own anywhere,
so that memory grows with the rows and not with rows times units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ftz._refusals import one_of
from ftz.errors import EstimationError

#: Regressors estimated at a time: a block of them stays in the processor's cache.
_BLOCK = 512
#: Up to this many numbers a dense matrix of dummies is faster than a sparse one.
DENSE = 1_000_000


@dataclass(frozen=True)
class ColumnSpace:
    """What unit effects, period effects and controls span.

    Attributes
    ----------
    units : array of int, shape (n,)
        Number of each row's unit.
    extra : array, shape (n, r)
        Orthonormal directions beside the effects, of controls.
    periods : array of int, shape (n,), optional
        Number of each row's period; without it, there are unit effects only.
    root : array, shape (n,), optional
        Roots of the rows' weights, by which values are multiplied before projection.
    """

    units: np.ndarray
    extra: np.ndarray
    periods: np.ndarray | None = None
    root: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        units: np.ndarray,
        periods: np.ndarray,
        controls: np.ndarray | None = None,
        names: Sequence[str] = (),
        weights: np.ndarray | None = None,
    ) -> ColumnSpace:
        """Return the span of two sets of effects and controls of shape (n, K), rows weighted.

        Raises
        ------
        EstimationError
            If a control lies in the span of the effects, or controls are collinear.
        """
        codes = pd.factorize(periods, sort=True)[0]
        root = None if weights is None else np.sqrt(weights / weights.mean())
        effects = cls(units, np.empty((len(units), 0)), codes, root)
        return effects if controls is None else effects.beside(controls, names)

    def beside(self, controls: np.ndarray, names: Sequence[str]) -> ColumnSpace:
        """Return the span of these effects and controls; see :meth:`of`."""
        if not controls.shape[1]:
            return self
        within = self.residual(controls)
        size = np.linalg.norm(within, axis=0)
        flat = (size < 1e-9 * np.linalg.norm(controls, axis=0)) | (size == 0)
        if flat.any():
            which = ", ".join(n for n, f in zip(names, flat, strict=True) if f)
            raise EstimationError(f"a control does not vary once the effects are removed: {which}")
        left, singular, _ = np.linalg.svd(within / size, full_matrices=False)
        if singular[-1] < 1e-8:
            raise EstimationError(f"{', '.join(names)} are collinear within unit and period")
        both = replace(self, extra=left)
        both.__dict__.update({n: v for n, v in vars(self).items() if n in ("size", "_root")})
        return both

    @cached_property
    def size(self) -> np.ndarray:
        """Rows of each unit, or their weight."""
        return np.bincount(self.units, self._weights)

    @property
    def _weights(self) -> np.ndarray | None:
        return None if self.root is None else self.root**2

    def _rooted(self, values: np.ndarray) -> np.ndarray:
        return values if self.root is None else (values.T * self.root).T

    @cached_property
    def _root(self) -> np.ndarray:
        """What makes demeaned period dummies orthonormal, shape (T, rank)."""
        if self.periods is None:
            return np.empty((0, 0))
        # Cross products of the dummies within units, from a count of rows by unit and period.
        each = np.ones(len(self.units)) if self._weights is None else self._weights
        counts = sparse.csr_array((each, (self.units, self.periods)))
        shares = counts.T @ sparse.diags_array(1 / self.size) @ counts
        values, vectors = np.linalg.eigh(
            np.diag(np.bincount(self.periods, self._weights)) - shares.toarray()
        )
        positive = values > 1e-10 * max(values[-1], 1.0)
        return np.asarray(vectors[:, positive] / np.sqrt(values[positive]))

    @cached_property
    def basis(self) -> np.ndarray:
        """Orthonormal directions of periods and controls beside the unit effects, shape (n, r)."""
        if self.periods is None:
            return self.extra
        return np.hstack([self._demeaned(self._rooted(self._root[self.periods])), self.extra])

    @property
    def rank(self) -> int:
        """Number of parameters."""
        return len(self.size) + int(self._root.shape[1]) + int(self.extra.shape[1])

    def _demeaned(self, columns: np.ndarray) -> np.ndarray:
        sums = by_group(self.units, self._rooted(columns))
        return np.asarray(columns - self._rooted((sums / self.size[:, None])[self.units]))

    def residual(self, values: np.ndarray) -> np.ndarray:
        """Return values, shape (n,) or (n, R), after projection."""
        within = self._demeaned(self._rooted(values[:, None] if values.ndim == 1 else values))
        if self.periods is not None:
            sums = by_group(self.periods, self._rooted(within))
            effects = self._root @ (self._root.T @ sums)
            within = within - self._demeaned(self._rooted(effects[self.periods]))
        if self.extra.shape[1]:
            within = within - self.extra @ (self.extra.T @ within)
        return within[:, 0] if values.ndim == 1 else within

    def block(self, rows: np.ndarray) -> np.ndarray:
        """Return the square of the hat matrix that belongs to some rows."""
        same = self.units[rows][:, None] == self.units[rows]
        hat: np.ndarray = same / self.size[self.units[rows]] + self.basis[rows] @ self.basis[rows].T
        return hat

    def dense(self) -> np.ndarray:
        """Return an orthonormal basis with a column a unit, for what needs one."""
        dummies = sparse.csr_array(members(self.units).T / np.sqrt(self.size)).toarray()
        return np.hstack([dummies, self.basis])


def by_group(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the sums of values, shape (n, R), by group: (G, R)."""
    return np.stack([np.bincount(codes, column) for column in values.T], axis=1)


def members(codes: np.ndarray) -> sparse.csr_array:
    """Return the sparse 0/1 matrix, groups by rows of the panel, that sums by group."""
    shape = (int(codes.max()) + 1, len(codes))
    return sparse.csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=shape)


@dataclass(frozen=True)
class LeastSquares:
    """One outcome on several regressors: slopes, their clustered covariance (CR1), the rest."""

    params: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    rsquared: float


def regress(
    span: ColumnSpace,
    y: np.ndarray,
    x: np.ndarray,
    clusters: np.ndarray,
    periods: np.ndarray | None = None,
    errors: str = "CR1",
) -> LeastSquares:
    """Regress ``y``, shape (n,), on ``x``, shape (n, K), with the effects of a span.

    Parameters
    ----------
    x : array
        After projection, which the checks of a design have done.
    errors : {"CR1", "CR1N", "CR1S"}
        How parameters are counted: see :func:`variance_factor`; ``CR1N`` needs the periods.

    Raises
    ------
    EstimationError
        If the parameters use up the observations, or the errors are unknown.
    """
    factor = variance_factor(errors, span, x.shape[1], clusters, periods)
    left = span.residual(y)
    # Columns of one size: years beside shares would spoil the cross product.
    size = np.linalg.norm(x, axis=0)
    bread = np.linalg.inv((x / size).T @ (x / size)) / np.outer(size, size)
    params = bread @ (x.T @ left)
    rest = left - x @ params
    scores = members(clusters) @ (x * rest[:, None])
    covariance = factor * bread @ (scores.T @ scores) @ bread
    return LeastSquares(params, covariance, rest, 1 - float(rest @ rest / (left @ left)))


def variance_factor(
    kind: str, span: ColumnSpace, slopes: int, clusters: np.ndarray, periods: np.ndarray | None
) -> float:
    """Return the small-sample factor of a clustered variance.

    ``CR1`` is n/(n - k), as in linearmodels.  The others are G/(G - 1) (n - 1)/(n - k):
    ``CR1S`` counts all effects, as ``regress`` does with dummies; ``CR1N`` leaves out effects
    nested in clusters, each of which lies in one cluster, but for a constant: as ``xtreg``,
    ``reghdfe``, ``fixest`` and ``pyfixest`` do.
    """
    n, k, g = len(clusters), span.rank + slopes, int(clusters.max()) + 1
    plain = small_sample_factor(n, k)
    if kind == "CR1":
        return plain
    one_of("errors", kind, ("CR1", "CR1N", "CR1S"))
    for codes in (span.units, periods) if kind == "CR1N" else ():
        if codes is not None:
            meets = members(codes) @ members(clusters).T
            k -= int(codes.max()) * int((meets > 0).sum(axis=1).max() < 2)
    return g / (g - 1) * (n - 1) / (n - k)


def small_sample_factor(n: int, k: int) -> float:
    """Return ``n / (n - k)``.

    Raises
    ------
    EstimationError
        If the parameters use up the observations.
    """
    if n <= k:
        raise EstimationError(f"{n} observations cannot carry {k} parameters and a variance")
    return n / (n - k)


@dataclass(frozen=True)
class Slope:
    """The slope of every outcome on one regressor, effects and controls projected out.

    Attributes
    ----------
    y : array, shape (n, R)
    x : array, shape (n,)
        Both after projection.
    span : ColumnSpace
    clusters, periods : arrays of int, shape (n,)
    bandwidth : int, optional
        Lags of Driscoll-Kraay; ``floor(4 (T / 100)^(2/9))`` if not given.
    """

    y: np.ndarray
    x: np.ndarray
    span: ColumnSpace
    clusters: np.ndarray
    periods: np.ndarray
    bandwidth: int | None = None

    def __post_init__(self) -> None:
        small_sample_factor(len(self.x), self.span.rank + 1)

    @cached_property
    def power(self) -> float:
        """Sum of squares of the regressor."""
        return float(self.x @ self.x)

    @cached_property
    def estimate(self) -> np.ndarray:
        """The slopes, shape (R,)."""
        return np.asarray(self.x @ self.y / self.power)

    @cached_property
    def residuals(self) -> np.ndarray:
        """What is left of the outcomes, shape (n, R)."""
        return self.y - np.outer(self.x, self.estimate)

    @property
    def dof(self) -> int:
        """Observations less parameters."""
        return len(self.x) - self.span.rank - 1

    @property
    def groups(self) -> int:
        """Number of clusters."""
        return int(self.clusters.max()) + 1

    @property
    def lags(self) -> int:
        """Lags of Driscoll-Kraay."""
        t = int(self.periods.max()) + 1
        return int(4 * (t / 100) ** (2 / 9)) if self.bandwidth is None else int(self.bandwidth)

    @cached_property
    def columns(self) -> np.ndarray:
        """Orthonormal directions beside the unit effects, of periods, controls, regressor."""
        return np.column_stack([self.span.basis, self.x / np.sqrt(self.power)])

    def sums(self, codes: np.ndarray) -> np.ndarray:
        """Return the scores summed by group, shape (G, R)."""
        return np.asarray(members(codes) @ (self.x[:, None] * self.residuals))

    def adjusted(self, power: float) -> np.ndarray:
        """Return x after ``(I - H_gg)^power``, pseudo-inverted, cluster by cluster."""
        full, out = ColumnSpace(self.span.units, self.columns), np.empty(len(self.x))
        order = np.argsort(self.clusters, kind="stable")
        for rows in np.split(order, np.cumsum(np.bincount(self.clusters))[:-1]):
            values, vectors = np.linalg.eigh(np.eye(len(rows)) - full.block(rows))
            positive = values > 1e-10
            scale = np.where(positive, np.where(positive, values, 1.0) ** power, 0.0)
            out[rows] = vectors @ (scale * (vectors.T @ self.x[rows]))
        return out


def _hc(f: Slope, power: int) -> np.ndarray:
    rest = 1 - 1 / f.span.size[f.span.units] - np.square(f.columns).sum(axis=1)
    # A row that its own dummy fits has no residual; its correction multiplies zero.
    weights = f.x**2 * np.where(rest > 1e-10, np.maximum(rest, 1e-10) ** -power, 0.0)
    return np.asarray(weights @ f.residuals**2)


def _reduced(f: Slope) -> tuple[np.ndarray, float]:
    """Return the meat of CR2 and the degrees of freedom of Satterthwaite.

    The cross products of the adjusted regressors, clusters by clusters, are a diagonal less
    what unit effects (sparse) and the other directions (few) explain of them.
    """
    a = f.adjusted(-0.5)
    member = members(f.clusters)
    own = np.asarray(member @ a**2)
    shared = members(f.span.units).multiply((a / np.sqrt(f.span.size)[f.span.units])[None, :])
    by_unit = sparse.csr_array(shared @ member.T)  # units by clusters
    few = member @ (a[:, None] * f.columns)
    sparse_part = sparse.csr_array(sparse.diags_array(own) - by_unit.T @ by_unit)
    inner = few.T @ few
    squares = sparse_part.power(2).sum() - 2 * np.sum(few * (sparse_part @ few)) + np.sum(inner**2)
    df = (sparse_part.trace() - np.trace(inner)) ** 2 / squares
    return _squares(member @ (a[:, None] * f.residuals)), float(df)


def _kernel(f: Slope) -> np.ndarray:
    s = f.sums(f.periods)
    meat = _squares(s)
    for lag in range(1, min(f.lags, len(s) - 1) + 1):
        meat = meat + 2 * (1 - lag / (f.lags + 1)) * (s[lag:] * s[:-lag]).sum(axis=0)
    return meat


def _squares(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.square(values).sum(axis=0))


def _factor(f: Slope) -> float:
    return small_sample_factor(len(f.x), f.span.rank + 1)


def _clustered(f: Slope, kind: str) -> np.ndarray:
    factor = variance_factor(kind, f.span, 1, f.clusters, f.periods)
    return np.asarray(factor * _squares(f.sums(f.clusters)))


def _jackknife(f: Slope) -> np.ndarray:
    return _squares(members(f.clusters) @ (f.adjusted(-1.0)[:, None] * f.residuals))


def _two_way(f: Slope) -> np.ndarray:
    both = _squares(f.sums(f.clusters)) + _squares(f.sums(f.periods))
    return np.asarray(both - _hc(f, 0))


#: Name of a variance to its meat and the degrees of freedom of its t distribution.
MEATS: Mapping[str, Callable[[Slope], tuple[np.ndarray, float]]] = {
    "classical": lambda f: (_squares(f.residuals) / f.dof * f.power, f.dof),
    "HC1": lambda f: (_factor(f) * _hc(f, 0), f.dof),
    "HC2": lambda f: (_hc(f, 1), f.dof),
    "HC3": lambda f: (_hc(f, 2), f.dof),
    "CR0": lambda f: (_squares(f.sums(f.clusters)), f.groups - 1),
    "CR1": lambda f: (_clustered(f, "CR1"), np.inf),
    "CR1N": lambda f: (_clustered(f, "CR1N"), f.groups - 1),
    "CR1S": lambda f: (_clustered(f, "CR1S"), f.groups - 1),
    "CR2": _reduced,
    "CR3": lambda f: (_jackknife(f), f.groups - 1),
    "Driscoll-Kraay": lambda f: (_factor(f) * _kernel(f), np.inf),
    "two-way": lambda f: (_factor(f) * _two_way(f), np.inf),
}


def variance(fit: Slope, kind: str) -> tuple[np.ndarray, float]:
    """Return a variance of :data:`MEATS` for every outcome, and its degrees of freedom."""
    meat, df = MEATS[kind](fit)
    return np.asarray(meat / fit.power**2), df


# --- one outcome on many regressors, one at a time --------------------------------------------


def regress_each(
    outcomes: np.ndarray, designs: np.ndarray, basis: np.ndarray | ColumnSpace, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regress outcomes on each of many regressors, one at a time.

    Parameters
    ----------
    outcomes : array, shape (n, m)
        The first column gets a standard error, the last one a slope only.
    codes : array of int, shape (n,)
        Numbers of the clusters.

    Returns
    -------
    estimates, std_errors, last : arrays, shape (B,)
    """
    rank = basis.rank if isinstance(basis, ColumnSpace) else basis.shape[1]
    within, factor = residual(outcomes, basis), small_sample_factor(len(outcomes), rank + 1)
    large = len(codes) * (int(codes.max()) + 1) > DENSE
    member = members(codes) if large else membership(codes)
    table = np.empty((3, designs.shape[1]))
    for start in range(0, designs.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        table[:, part] = _regress_block(within, designs[:, part], basis, member, factor)
    return table[0], table[1], table[2]


def _regress_block(
    within: np.ndarray,
    designs: np.ndarray,
    basis: np.ndarray | ColumnSpace,
    member: Any,
    factor: float,
) -> np.ndarray:
    x = residual(designs, basis)
    power = np.einsum("ib,ib->b", x, x)
    flat = power < 1e-12 * np.maximum(np.einsum("ib,ib->b", designs, designs), 1e-300)
    power[flat] = np.nan
    first, last = (within[:, [0, -1]].T @ x) / power
    errors = np.multiply(x, -first)
    errors += within[:, [0]]
    x *= errors  # the scores; their sums by cluster make the variance
    meat = np.square(member @ x).sum(axis=0)
    return np.array([first, np.sqrt(factor * meat) / power, last])


def residual(values: np.ndarray, basis: np.ndarray | ColumnSpace) -> np.ndarray:
    """Return values after projection on an orthonormal basis, or on a span."""
    if isinstance(basis, ColumnSpace):
        return basis.residual(values)
    left: np.ndarray = values - basis @ (basis.T @ values)
    return left


def membership(codes: np.ndarray) -> np.ndarray:
    """Return the 0/1 matrix, clusters by rows of the panel, that sums by cluster."""
    member: np.ndarray = (codes == np.arange(codes.max() + 1)[:, None]).astype(float)
    return member
