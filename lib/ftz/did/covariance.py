r"""One coefficient, many standard errors: the family side by side.

After effects and controls are projected out, the treatment :math:`\tilde x` and the
residuals *e* are all that any of them needs:

.. math:: \widehat V(\hat\beta) = \frac{c}{(\tilde x'\tilde x)^2}
          \sum_g \bigl(\tilde x_g' A_g e_g\bigr)^2,

where *g* are rows (HC), clusters (CR), or periods (with neighbours: Driscoll-Kraay), and
*A* and *c* are what the estimators differ in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ftz.did.projection import check_design, nuisance_basis, require
from ftz.errors import EstimationError
from ftz.results import stars

#: What each standard error allows for, in the order of the table.
FAMILY = {
    "classical": "independent errors of one variance",
    "HC1": "any variance in each row",
    "HC2": "any variance in each row, leverage corrected",
    "HC3": "any variance in each row, jackknife",
    "CR0": "any correlation within a cluster, no correction",
    "CR1": "the same, factor n/(n - k): linearmodels, and the book's tables",
    "CR1S": "the same, factor G/(G - 1) (n - 1)/(n - k): Stata",
    "CR2": "the same, bias-reduced, degrees of freedom of Satterthwaite",
    "CR3": "the same, jackknife",
    "Driscoll-Kraay": "any correlation across units, fading over time",
    "two-way": "any correlation within a unit and within a period",
}


@dataclass(frozen=True, kw_only=True)
class StandardErrors:
    """One coefficient under each of :data:`FAMILY`.

    Attributes
    ----------
    estimate : float
        The coefficient, the same for all.
    table : pandas.DataFrame
        Indexed by the name of the standard error: ``std_error``, ``df`` (degrees of
        freedom of the t distribution; infinite for the normal), ``statistic``,
        ``p_value``, ``lower``, ``upper``, ``allows`` (in words).
    nobs, n_clusters : int
    bandwidth : int
        Lags of the Driscoll-Kraay estimator.
    title : str
    """

    estimate: float
    table: pd.DataFrame
    nobs: int
    n_clusters: int
    bandwidth: int
    title: str

    @property
    def summary(self) -> pd.DataFrame:
        """The table with stars."""
        return self.table.assign(stars=[stars(p) for p in self.table["p_value"]])

    def __repr__(self) -> str:
        shown = self.summary.drop(columns="allows").round(4)
        return f"{self.title}: {self.estimate:.4f} (N = {self.nobs})\n{shown.to_string()}"

    def _repr_html_(self) -> str:
        head = f"{self.title}: {self.estimate:.4f} (N = {self.nobs})"
        return f"<p>{head}</p>{self.summary.round(4).to_html(border=0)}"


def standard_errors(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    controls: Sequence[str] = (),
    *,
    clusters: str | None = None,
    bandwidth: int | None = None,
    level: float = 0.95,
    unit: str = "city",
    time: str = "year",
) -> StandardErrors:
    """Estimate the effect once and its standard error in every way of :data:`FAMILY`.

    Parameters
    ----------
    frame, outcome, treatment, controls
        As in :func:`ftz.did.twfe`.
    clusters : str, optional
        Column of the clusters; the units, if not given.
    bandwidth : int, optional
        Lags of Driscoll-Kraay; ``floor(4 (T / 100)^(2/9))`` if not given.
    level : float
        Of the intervals.
    unit, time : str
        Columns of the effects.

    Returns
    -------
    StandardErrors

    Raises
    ------
    EstimationError
        As :func:`ftz.did.twfe`; one cluster, or no degree of freedom.

    Notes
    -----
    HC: MacKinnon and White (1985).  CR2 with its degrees of freedom: Bell and McCaffrey
    (2002), with fixed effects as in Pustejovsky and Tipton (2018), working model the
    identity.  Two-way: Cameron, Gelbach and Miller (2011); a negative variance, which that
    difference of matrices allows, gives NaN.  Driscoll and Kraay (1998), Bartlett kernel.
    With few treated clusters CR2's degrees of freedom fall to one or two, which is a
    warning: the normal distribution behind CR1 is far off then.  With a single one there
    is no warning: unit effects and treatment fit its residuals so well that no clustered
    variance sees them, and every one of them is far too small.
    """
    fit = _Fit.of(frame, outcome, treatment, controls, clusters, unit, time)
    lags = int(4 * (fit.n_periods / 100) ** (2 / 9)) if bandwidth is None else int(bandwidth)
    few = fit.n_clusters - 1
    cr2, satterthwaite = fit.bias_reduced()
    found = {
        "classical": (fit.classical(), fit.n - fit.k),
        "HC1": (fit.rows(np.full(fit.n, fit.n / (fit.n - fit.k))), fit.n - fit.k),
        "HC2": (fit.rows(1 / fit.one_less_leverage), fit.n - fit.k),
        "HC3": (fit.rows(1 / fit.one_less_leverage**2), fit.n - fit.k),
        "CR0": (fit.groups(fit.codes), few),
        "CR1": (fit.n / (fit.n - fit.k) * fit.groups(fit.codes), np.inf),
        "CR1S": (fit.stata_factor * fit.groups(fit.codes), few),
        "CR2": (cr2, satterthwaite),
        "CR3": (fit.jackknife(), few),
        "Driscoll-Kraay": (fit.n / (fit.n - fit.k) * fit.kernel(lags), np.inf),
        "two-way": (fit.n / (fit.n - fit.k) * fit.two_way(), np.inf),
    }
    errors = np.array([np.sqrt(v) if v >= 0 else np.nan for v, _ in found.values()])
    df = np.array([d for _, d in found.values()], dtype=float)
    statistic = fit.estimate / errors
    half = stats.t(df).ppf(0.5 + level / 2) * errors
    table = pd.DataFrame(
        {
            "std_error": errors,
            "df": df,
            "statistic": statistic,
            "p_value": 2 * stats.t(df).sf(np.abs(statistic)),
            "lower": fit.estimate - half,
            "upper": fit.estimate + half,
            "allows": [FAMILY[name] for name in found],
        },
        index=pd.Index(list(found), name="standard error"),
    )
    return StandardErrors(
        estimate=fit.estimate,
        table=table,
        nobs=fit.n,
        n_clusters=fit.n_clusters,
        bandwidth=lags,
        title=f"{outcome} on {treatment}",
    )


def stepwise_errors(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    controls: Sequence[str],
    *,
    clusters: str | None = None,
    bandwidth: int | None = None,
    unit: str = "city",
    time: str = "year",
) -> tuple[StandardErrors, ...]:
    """Estimate the family for the nested columns of :func:`ftz.did.stepwise`.

    Parameters and errors as :func:`standard_errors`; column *j* uses the first *j* controls.

    Returns
    -------
    tuple of StandardErrors
    """
    keys: dict[str, Any] = {
        "clusters": clusters,
        "bandwidth": bandwidth,
        "unit": unit,
        "time": time,
    }
    return tuple(
        standard_errors(frame, outcome, treatment, controls[:j], **keys)
        for j in range(1, len(controls) + 1)
    )


@dataclass(frozen=True)
class _Fit:
    """A least-squares fit reduced to its one coefficient of interest."""

    x: np.ndarray
    e: np.ndarray
    estimate: float
    basis: np.ndarray
    codes: np.ndarray
    units: np.ndarray
    periods: np.ndarray

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        outcome: str,
        treatment: str,
        controls: Sequence[str],
        clusters: str | None,
        unit: str,
        time: str,
    ) -> _Fit:
        keys = [unit, time, *([clusters] if clusters else [])]
        require(frame, [*keys, outcome, treatment, *controls])
        if frame.duplicated([unit, time]).any():
            raise EstimationError(f"some ({unit}, {time}) pairs stand in more than one row")
        if frame[outcome].nunique() == 1:
            raise EstimationError(f"{outcome} is constant")
        check_design(frame, [treatment, *controls], unit, time)
        basis = nuisance_basis(frame, controls, unit, time)
        y, x = (
            v - basis @ (basis.T @ v)
            for v in (frame[outcome].to_numpy(float), frame[treatment].to_numpy(float))
        )
        codes, units, periods = (
            pd.factorize(frame[c], sort=True)[0] for c in (clusters or unit, unit, time)
        )
        if codes.max() < 1:
            raise EstimationError(f"one {clusters} only: a clustered variance needs at least two")
        if len(x) <= basis.shape[1] + 1:
            raise EstimationError(
                f"{len(x)} observations cannot carry {basis.shape[1] + 1} parameters and a variance"
            )
        estimate = float(x @ y / (x @ x))
        return cls(x, y - estimate * x, estimate, basis, codes, units, periods)

    @property
    def n(self) -> int:
        return len(self.x)

    @property
    def k(self) -> int:
        return int(self.basis.shape[1]) + 1

    @property
    def n_clusters(self) -> int:
        return int(self.codes.max()) + 1

    @property
    def n_periods(self) -> int:
        return int(self.periods.max()) + 1

    @property
    def power(self) -> float:
        return float(self.x @ self.x)

    @property
    def stata_factor(self) -> float:
        g = self.n_clusters
        return g / (g - 1) * (self.n - 1) / (self.n - self.k)

    @property
    def directions(self) -> np.ndarray:
        """Orthonormal basis of all regressors; their hat matrix is its product with itself."""
        return np.column_stack([self.basis, self.x / np.sqrt(self.power)])

    @property
    def one_less_leverage(self) -> np.ndarray:
        rest = 1 - np.square(self.directions).sum(axis=1)
        # A row that its own dummy fits has no residual; its correction multiplies zero.
        return np.where(rest > 1e-10, rest, np.inf)

    def classical(self) -> float:
        return float(self.e @ self.e) / (self.n - self.k) / self.power

    def rows(self, weights: np.ndarray) -> float:
        return float((self.x**2 * self.e**2) @ weights) / self.power**2

    def groups(self, codes: np.ndarray) -> float:
        sums = np.bincount(codes, weights=self.x * self.e)
        return float(sums @ sums) / self.power**2

    def two_way(self) -> float:
        ones = np.ones(self.n)
        return self.groups(self.codes) + self.groups(self.periods) - self.rows(ones)

    def kernel(self, lags: int) -> float:
        scores = np.bincount(self.periods, weights=self.x * self.e)
        meat = float(scores @ scores)
        for lag in range(1, min(lags, len(scores) - 1) + 1):
            meat += 2 * (1 - lag / (lags + 1)) * float(scores[lag:] @ scores[:-lag])
        return meat / self.power**2

    def _adjusted(self, power: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return by cluster its rows and ``(I - H_gg)^power x_g``, pseudo-inverted."""
        directions, found = self.directions, []
        for g in range(self.n_clusters):
            rows = np.flatnonzero(self.codes == g)
            block = np.eye(len(rows)) - directions[rows] @ directions[rows].T
            values, vectors = np.linalg.eigh(block)
            kept = values > 1e-10
            scaled = np.where(kept, np.where(kept, values, 1.0) ** power, 0.0)
            found.append((rows, vectors @ (scaled * (vectors.T @ self.x[rows]))))
        return found

    def jackknife(self) -> float:
        sums = [ax @ self.e[rows] for rows, ax in self._adjusted(-1.0)]
        return float(np.square(sums).sum()) / self.power**2

    def bias_reduced(self) -> tuple[float, float]:
        """Return the CR2 variance and the Satterthwaite degrees of freedom."""
        adjusted = self._adjusted(-0.5)
        sums = np.array([ax @ self.e[rows] for rows, ax in adjusted])
        spread = np.zeros((self.n, len(adjusted)))
        for g, (rows, ax) in enumerate(adjusted):
            spread[rows, g] = ax
        directions = self.directions
        spread -= directions @ (directions.T @ spread)
        cross = spread.T @ spread
        df = np.trace(cross) ** 2 / np.square(cross).sum()
        return float(sums @ sums) / self.power**2, float(df)
