r"""One projection, many regressions: the algebra that all of :mod:`ftz.inference` shares.

By the theorem of Frisch and Waugh (1933) and Lovell (1963) the slope of a regressor
beside unit effects, period effects and controls is the slope of its residuals.  The
residual maker *M* depends neither on the regressor nor on the outcome, so it is found
once, and any number of regressors or outcomes costs one matrix product:

.. math:: \hat\beta_b = \frac{(M d_b)' (M y)}{(M d_b)' (M d_b)},
          \qquad
          \widehat V_b = \frac{n}{n - k}
          \frac{\sum_g \big( \sum_{i \in g} (M d_b)_i \, \hat e_{ib} \big)^2}
               {\big( (M d_b)' (M d_b) \big)^2},

where *g* runs over the clusters and *k* counts the treatment, the controls and the
effects: the convention of ``linearmodels.PanelOLS`` and of :mod:`ftz.did`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz.did.projection import add_controls, effect_basis
from ftz.errors import EstimationError, no_column

#: Regressors estimated at a time: a block of them stays in the processor's cache.
_BLOCK = 512


def slopes_by_projection(
    outcome: np.ndarray, designs: np.ndarray, basis: np.ndarray, clusters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Regress one outcome on each of many regressors, beside the same nuisance terms.

    Parameters
    ----------
    outcome : array, shape (n,)
    designs : array, shape (n, B)
        One regressor a column.
    basis : array, shape (n, r)
        Orthonormal basis of the nuisance terms: :func:`ftz.did.nuisance_basis`.
    clusters : array, shape (n,)
        Labels; standard errors are clustered by them.

    Returns
    -------
    estimates, std_errors : arrays, shape (B,)
        NaN where a regressor lies in the span of the basis.

    Raises
    ------
    EstimationError
        If the parameters use up the observations.
    """
    estimates, std_errors, _ = regress_each(
        np.asarray(outcome)[:, None], designs, basis, pd.factorize(clusters)[0]
    )
    return estimates, std_errors


def regress_each(
    outcomes: np.ndarray, designs: np.ndarray, basis: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Do the work of :func:`slopes_by_projection`, and regress a second outcome beside it.

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
    within, factor = residual(outcomes, basis), small_sample_factor(basis)
    member = membership(codes)
    found = np.empty((3, designs.shape[1]))
    for start in range(0, designs.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        found[:, part] = _regress_block(within, designs[:, part], basis, member, factor)
    return found[0], found[1], found[2]


def _regress_block(
    within: np.ndarray, designs: np.ndarray, basis: np.ndarray, member: np.ndarray, factor: float
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


def residual(values: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return values after projection on an orthonormal basis."""
    left: np.ndarray = values - basis @ (basis.T @ values)
    return left


def membership(codes: np.ndarray) -> np.ndarray:
    """Return the 0/1 matrix, clusters by rows of the panel, that sums by cluster."""
    member: np.ndarray = (codes == np.arange(codes.max() + 1)[:, None]).astype(float)
    return member


def small_sample_factor(basis: np.ndarray) -> float:
    """Return ``n / (n - k)``, where *k* counts the basis and one regressor.

    Raises
    ------
    EstimationError
        If the parameters use up the observations.
    """
    n, k = len(basis), basis.shape[1] + 1
    if n <= k:
        raise EstimationError(f"{n} observations cannot carry {k} parameters and a variance")
    return float(n / (n - k))


@dataclass(frozen=True)
class Design:
    """A panel made ready: checked, turned into arrays, projected.

    Attributes
    ----------
    y, d : arrays, shape (n,)
        Outcome and treatment as they are.
    basis : array, shape (n, r)
        Orthonormal basis of effects and controls.
    codes : array of int, shape (n,)
        Cluster of each row, numbered in the order of their sorted labels.
    clusters : array, shape (G,)
        Labels of the clusters.
    units : array of int, shape (n,)
        Unit of each row, numbered likewise.
    names : array, shape (N,)
        Labels of the units.
    periods : array of float, shape (n,)
        Period of each row.
    treatment : str
        What the treatment is called.
    """

    y: np.ndarray
    d: np.ndarray
    basis: np.ndarray
    codes: np.ndarray
    clusters: np.ndarray
    units: np.ndarray
    names: np.ndarray
    periods: np.ndarray
    treatment: str

    @property
    def y_within(self) -> np.ndarray:
        """Outcome after effects and controls."""
        return residual(self.y, self.basis)

    @property
    def d_within(self) -> np.ndarray:
        """Treatment after effects and controls.

        Raises
        ------
        EstimationError
            If nothing is left of it.
        """
        within = residual(self.d, self.basis)
        if within @ within < 1e-12 * max(self.d @ self.d, 1e-300):
            raise EstimationError(
                f"{self.treatment} does not vary once effects and controls are removed, "
                "so its coefficient is not identified"
            )
        return within

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.clusters)

    @property
    def n_treated(self) -> int:
        """Clusters in which the treatment is not zero throughout."""
        return len(np.unique(self.codes[self.d != 0]))


def prepare(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    controls: Sequence[str] = (),
    *,
    clusters: str | None = None,
    unit: str = "city",
    time: str = "year",
) -> Design:
    """Check a panel and turn it into arrays.

    Raises
    ------
    EstimationError
        Missing columns or values, text where numbers belong, rows that stand twice, one
        unit or one cluster, a constant outcome or treatment, a control without variation
        once effects are removed, collinear controls.
    """
    columns = [outcome, treatment, *controls]
    values = _numbers(frame, columns, [unit, time, *([clusters] if clusters else [])])
    units, names = _codes(frame[unit])
    periods, times = _codes(frame[time])
    if len(np.unique(units * len(times) + periods)) < len(frame):
        raise EstimationError(f"some ({unit}, {time}) pairs stand in more than one row")
    if len(names) < 2:
        raise EstimationError(f"one {unit} only: clustering and effects need at least two")
    for column, name in zip(values.T[:2], (outcome, treatment), strict=True):
        if (column == column[0]).all():
            told = ": there is nothing to reassign" if name == treatment else ""
            raise EstimationError(f"{name} is constant{told}")
    codes, labels = (units, names) if clusters is None else _codes(frame[clusters])
    if len(labels) < 2:
        raise EstimationError(f"one {clusters} only: a clustered variance needs at least two")
    effects = effect_basis(units, periods)
    basis = add_controls(effects, values[:, 2:], controls, unit, time)
    return Design(
        y=values[:, 0],
        d=values[:, 1],
        basis=basis,
        codes=codes,
        clusters=labels,
        units=units,
        names=names,
        periods=np.asarray(times, dtype=float)[periods] if _is_number(times) else periods,
        treatment=treatment,
    )


def _is_number(labels: np.ndarray) -> bool:
    return np.issubdtype(np.asarray(labels).dtype, np.number)


def _codes(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    codes, labels = pd.factorize(column, sort=True)
    if (codes < 0).any():
        raise EstimationError(f"missing values in {column.name}")
    return codes, np.asarray(labels)


def _numbers(frame: pd.DataFrame, columns: Sequence[str], keys: Sequence[str]) -> np.ndarray:
    """Return columns as a float array; refuse what an estimator cannot use, by name."""
    missing = [c for c in (*keys, *columns) if c not in frame.columns]
    if missing:
        raise no_column(missing, frame.columns)
    if len(frame) == 0:
        raise EstimationError("the frame has no rows")
    try:
        values = frame[list(columns)].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        text = [c for c in columns if not pd.api.types.is_numeric_dtype(frame[c])]
        raise EstimationError(f"{', '.join(text)}: a number is needed in every row") from None
    bad = [c for c, ok in zip(columns, np.isfinite(values).all(axis=0), strict=True) if not ok]
    if bad:
        raise EstimationError(f"missing or infinite values in {', '.join(bad)}")
    return values
