r"""Placebo and randomisation inference for two-way fixed-effects estimates.

A placebo reassigns the treatment and estimates the same equation again, many
times.  By the theorem of Frisch and Waugh (1933) and Lovell (1963) nothing but
the treatment changes from draw to draw: unit effects, period effects and
controls are projected out once, with residual maker *M*, and then all draws
:math:`D = (d_1, \dots, d_B)` are estimated in one matrix product,

.. math:: \hat\beta_b = \frac{(M d_b)' (M y)}{(M d_b)' (M d_b)},
          \qquad
          \widehat V_b = \frac{n}{n - k}
          \frac{\sum_g \big( \sum_{i \in g} (M d_b)_i \, \hat e_{ib} \big)^2}
               {\big( (M d_b)' (M d_b) \big)^2},

where *g* runs over the clusters and *k* counts the treatment, the controls and
the effects: the convention of ``linearmodels.PanelOLS`` and of :mod:`ftz.did`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, prod

import numpy as np
import pandas as pd
from scipy import stats

from ftz import did
from ftz.errors import EstimationError

SCHEMES = ("cells", "paths")

#: With no more distinct assignments than this, all of them are estimated.
ENUMERATE_UP_TO = 20_000


@dataclass(frozen=True, kw_only=True)
class PlaceboResult:
    """Estimates under reassigned treatment beside the one that was observed.

    Attributes
    ----------
    estimates, std_errors : numpy.ndarray, shape (B,)
        One entry an assignment, in units of the outcome; NaN where the reassigned
        treatment does not vary once effects and controls are removed.
    observed_estimate, observed_std_error : float
        The same regression with the treatment as it was.
    scheme : str
        ``cells`` or ``paths``.
    exact : bool
        Whether the assignments are all there are (then the observed one is among
        them) or random draws.
    n_assignments : int
        Distinct assignments that the scheme allows.
    seed : int or None
        What the draws started from; ``None`` if a Generator was passed, or none used.
    nobs : int
    title : str
    """

    estimates: np.ndarray
    std_errors: np.ndarray
    observed_estimate: float
    observed_std_error: float
    scheme: str
    exact: bool
    n_assignments: int
    seed: int | None
    nobs: int
    title: str

    @property
    def valid(self) -> np.ndarray:
        """Which assignments have an estimate."""
        return np.isfinite(self.estimates)

    @property
    def n_degenerate(self) -> int:
        """Assignments without an estimate; they enter no p value."""
        return int((~self.valid).sum())

    @property
    def tstats(self) -> np.ndarray:
        """Coefficient over clustered standard error, by assignment."""
        return self.estimates / self.std_errors

    @property
    def pvalues(self) -> np.ndarray:
        """Two-sided normal p value of each assignment, as the paper prints z."""
        return 2 * stats.norm.sf(np.abs(self.tstats))

    @property
    def observed_tstat(self) -> float:
        """Coefficient over clustered standard error as observed."""
        return self.observed_estimate / self.observed_std_error

    @property
    def observed_pvalue(self) -> float:
        """Its two-sided normal p value."""
        return float(2 * stats.norm.sf(abs(self.observed_tstat)))

    @property
    def p_value(self) -> float:
        """Randomisation p value of the coefficient, two-sided."""
        return self._rank(self.estimates, self.observed_estimate)

    @property
    def p_value_t(self) -> float:
        """Randomisation p value of the studentised coefficient, two-sided."""
        return self._rank(self.tstats, self.observed_tstat)

    @property
    def smallest_p(self) -> float:
        """The smallest p value that this many assignments can give."""
        n = int(self.valid.sum())
        return 1 / n if self.exact else 1 / (n + 1)

    def share_above(self, level: float = 0.1) -> float:
        """Return the share of the assignments' normal p values above ``level``."""
        return float(np.mean(self.pvalues[self.valid] > level))

    def _rank(self, placebos: np.ndarray, observed: float) -> float:
        values = np.abs(placebos[self.valid])
        # The observed assignment must count as being as large as itself.
        as_large = int(np.sum(values >= abs(observed) * (1 - 1e-10)))
        return as_large / len(values) if self.exact else (1 + as_large) / (1 + len(values))

    @property
    def summary(self) -> pd.DataFrame:
        """Observed estimate and placebo distribution side by side, one column."""
        placebos = self.estimates[self.valid]
        low, high = np.quantile(placebos, [0.025, 0.975])
        entries = {
            "observed coefficient": self.observed_estimate,
            "observed z": self.observed_tstat,
            "mean of the placebo coefficients": placebos.mean(),
            "their 2.5% quantile": low,
            "their 97.5% quantile": high,
            "share of placebo p values above 0.1": self.share_above(0.1),
            "randomisation p value, coefficient": self.p_value,
            "randomisation p value, z": self.p_value_t,
            "smallest p value possible": self.smallest_p,
        }
        return pd.Series(entries, name=self.scheme).to_frame()

    def __repr__(self) -> str:
        how = "all" if self.exact else f"{len(self.estimates)} draws of"
        return f"{self.title}: {how} {self.n_assignments:,} assignments\n" + (
            self.summary.round(4).to_string()
        )

    def _repr_html_(self) -> str:
        head = repr(self).splitlines()[0]
        return f"<p>{head}</p>{self.summary.round(4).to_html(border=0)}"


def placebo(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    controls: Sequence[str] = (),
    *,
    seed: int | np.random.Generator,
    draws: int = 500,
    scheme: str = "cells",
    adoption: Mapping[Hashable, float | None] | None = None,
    enumerate_up_to: int = ENUMERATE_UP_TO,
    unit: str = "city",
    time: str = "year",
) -> PlaceboResult:
    """Estimate the equation again under reassigned treatment.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a unit and period; n rows, balanced or not.
    outcome, treatment : str
        Numeric columns.
    controls : sequence of str
        Columns that keep their values.
    seed : int or numpy.random.Generator
        The same seed gives the same draws.
    draws : int
        Random assignments, where they are too many to enumerate.
    scheme : {"cells", "paths"}
        ``cells`` shuffles the treatment column over all rows, as the paper shuffles
        its interaction term; ``paths`` hands whole adoption paths to other units.
    adoption : mapping, optional
        For ``paths``: first treated period by unit, ``None`` or NaN for never.  Read
        off the treatment if not given; needed where the first treated period of a
        unit is not among the rows.
    enumerate_up_to : int
        Enumerate all assignments, instead of drawing, if there are no more.
    unit, time : str
        Columns of the effects; clusters are the units.

    Returns
    -------
    PlaceboResult

    Raises
    ------
    EstimationError
        As :func:`ftz.did.twfe`; also unknown scheme, fewer than one draw, constant
        treatment, or, for ``paths``, treatment that is not 0/1 or switches off.

    Notes
    -----
    Yan, Ye and Wang, figure 3 (500 draws).  Shuffled cells have no persistence
    within a city while outcomes do, so ``cells`` understates how far a null
    coefficient strays; ``paths`` is the randomisation test of Bertrand, Duflo and
    Mullainathan's (2004) placebo laws and of MacKinnon and Webb (2020), and is
    valid if the paths could have fallen to any unit with equal chance.
    """
    if scheme not in SCHEMES:
        raise EstimationError(f"unknown scheme {scheme!r}: use {' or '.join(SCHEMES)}")
    if draws < 1:
        raise EstimationError(f"draws must be at least 1, not {draws}")
    _check_panel(frame, [outcome, treatment, *controls], unit, time)
    if frame[treatment].nunique() < 2:
        raise EstimationError(f"{treatment} is constant: there is nothing to reassign")
    labels, to_treatment = _slots(frame, treatment, scheme, adoption, unit, time)
    n_assignments = count_assignments(labels)
    exact = n_assignments <= enumerate_up_to
    if exact:
        assigned = enumerate_assignments(labels)
    else:
        generator = np.random.default_rng(seed)
        assigned = generator.permuted(np.tile(labels, (draws, 1)), axis=1)

    observed = frame[treatment].to_numpy(float)
    designs = np.column_stack([observed, to_treatment(assigned)])
    estimates, errors = slopes_by_projection(
        frame[outcome].to_numpy(float),
        designs,
        nuisance_basis(frame, controls, unit, time),
        frame[unit].to_numpy(),
    )
    if not np.isfinite(estimates[0]):
        raise EstimationError(
            f"{treatment} does not vary once effects and controls are removed, "
            "so its coefficient is not identified"
        )
    return PlaceboResult(
        estimates=estimates[1:],
        std_errors=errors[1:],
        observed_estimate=float(estimates[0]),
        observed_std_error=float(errors[0]),
        scheme=scheme,
        exact=exact,
        n_assignments=n_assignments,
        seed=int(seed) if isinstance(seed, int | np.integer) and not exact else None,
        nobs=len(frame),
        title=f"placebo over {scheme}: {outcome} on {treatment}",
    )


# ------------------------------------------------------------------- all draws at once


def nuisance_basis(
    frame: pd.DataFrame, controls: Sequence[str] = (), unit: str = "city", time: str = "year"
) -> np.ndarray:
    """Return an orthonormal basis of unit effects, period effects and controls, n rows."""
    effects = did.effect_dummies(frame, unit, time)
    if not controls:
        return effects
    values = frame[list(controls)].to_numpy(float)
    within = values - effects @ (effects.T @ values)
    size = np.linalg.norm(within, axis=0)
    if (size < 1e-9 * np.linalg.norm(values, axis=0)).any():
        raise EstimationError("a control does not vary once the effects are removed")
    left, singular, _ = np.linalg.svd(within / size, full_matrices=False)
    if singular[-1] < 1e-8:
        raise EstimationError(f"{', '.join(controls)} are collinear within {unit} and {time}")
    return np.hstack([effects, left])


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
        Orthonormal basis of the nuisance terms: :func:`nuisance_basis`.
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
    n, k = len(outcome), basis.shape[1] + 1
    if n <= k:
        raise EstimationError(f"{n} observations cannot carry {k} parameters and a variance")
    y = outcome - basis @ (basis.T @ outcome)
    x = designs - basis @ (basis.T @ designs)
    power = np.einsum("ib,ib->b", x, x)
    flat = power < 1e-12 * np.maximum(np.einsum("ib,ib->b", designs, designs), 1e-300)
    power[flat] = np.nan
    estimates = (y @ x) / power
    scores = x * (y[:, None] - x * estimates)
    codes, groups = pd.factorize(clusters)
    member = (codes == np.arange(len(groups))[:, None]).astype(float)
    meat = np.square(member @ scores).sum(axis=0)
    return estimates, np.sqrt(n / (n - k) * meat) / power


# ------------------------------------------------------------------------ assignments


def count_assignments(labels: np.ndarray) -> int:
    """Return how many distinct orders a sequence of labels has."""
    counts = np.unique(labels, return_counts=True)[1]
    return factorial(len(labels)) // prod(factorial(int(c)) for c in counts)


def enumerate_assignments(labels: np.ndarray) -> np.ndarray:
    """Return every distinct order of ``labels``, one a row.

    The most frequent label fills all places; each other label in turn takes every
    combination of the places that are still free.
    """
    levels, counts = np.unique(labels, return_counts=True)
    by_size = np.argsort(-counts, kind="stable")
    levels, counts = levels[by_size], counts[by_size]
    table = np.full((1, len(labels)), levels[0])
    free = np.arange(len(labels))[None, :]
    for level, count in zip(levels[1:], counts[1:], strict=True):
        chosen = np.array(list(combinations(range(free.shape[1]), int(count))))
        taken = np.tile(chosen, (len(free), 1))
        table, free = (np.repeat(a, len(chosen), axis=0) for a in (table, free))
        np.put_along_axis(table, np.take_along_axis(free, taken, axis=1), level, axis=1)
        left = np.ones(free.shape, dtype=bool)
        np.put_along_axis(left, taken, False, axis=1)
        free = free[left].reshape(len(free), -1)
    return table


def _slots(
    frame: pd.DataFrame,
    treatment: str,
    scheme: str,
    adoption: Mapping[Hashable, float | None] | None,
    unit: str,
    time: str,
):
    """Return the labels to shuffle and how an order of them becomes a treatment column.

    Cells: a label a row, its treatment.  Paths: a label a unit, its first treated
    period, infinite for never.
    """
    if scheme == "cells":
        return frame[treatment].to_numpy(float), np.transpose
    codes, units = pd.factorize(frame[unit], sort=True)
    if adoption is None:
        starts = _adoption(frame, treatment, unit, time).reindex(units)
    else:
        absent = [u for u in units if u not in adoption]
        if absent:
            raise EstimationError(f"adoption does not name {', '.join(map(str, absent))}")
        starts = pd.Series({u: adoption[u] for u in units}, dtype=float)
    periods = frame[time].to_numpy(float)[:, None]
    return (
        starts.fillna(np.inf).to_numpy(float),
        lambda assigned: (periods >= assigned[:, codes].T).astype(float),
    )


def _adoption(frame: pd.DataFrame, treatment: str, unit: str, time: str) -> pd.Series:
    """Return the first treated period of each unit; NaN for never."""
    if not frame[treatment].isin([0, 1]).all():
        raise EstimationError(f"{treatment} must be 0 or 1 to have adoption paths")
    ordered = frame.sort_values([unit, time])
    if (ordered.groupby(unit)[treatment].diff() < 0).any():
        raise EstimationError(f"{treatment} switches off: it has no adoption path")
    first = ordered[ordered[treatment] == 1].groupby(unit)[time].min()
    return first.reindex(ordered[unit].unique()).astype(float)


def _check_panel(frame: pd.DataFrame, columns: Sequence[str], unit: str, time: str) -> None:
    missing = [c for c in (unit, time, *columns) if c not in frame.columns]
    if missing:
        raise EstimationError(f"the frame has no column {', '.join(missing)}")
    values = frame[list(columns)].to_numpy(float)
    bad = [c for c, ok in zip(columns, np.isfinite(values).all(axis=0), strict=True) if not ok]
    if bad:
        raise EstimationError(f"missing or infinite values in {', '.join(bad)}")
    if frame.duplicated([unit, time]).any():
        raise EstimationError(f"some ({unit}, {time}) pairs stand in more than one row")
    if frame[unit].nunique() < 2:
        raise EstimationError(f"one {unit} only: clustering and effects need at least two")
    if frame[columns[0]].nunique() == 1:
        raise EstimationError(f"{columns[0]} is constant")
