"""The event study: a coefficient for each period before and after adoption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from ftz._kernel import ColumnSpace, regress
from ftz._projection import check_slopes
from ftz._results import CoefficientResult, checked_level
from ftz.errors import EstimationError
from ftz.panel import Panel, on_panel


@dataclass(frozen=True, kw_only=True, repr=False)
class EventStudyResult(CoefficientResult):
    """Coefficients by years since adoption, relative to the reference period.

    Attributes
    ----------
    params, std_errors : pandas.Series
        Indexed by event time; the reference period stands with 0 and no error.
    reference : int
        The omitted event time.
    treated_units : dict
        Event time to the number of units observed there.
    covariance : pandas.DataFrame
        Of the coefficients other than the reference; NaN where an estimator gives none.
    pretrend_statistic, pretrend_pvalue : float
        Wald test that all coefficients before the reference are zero, and its
        chi-squared p value.  With few treated clusters the clustered covariance
        is nearly singular and the test over-rejects: read it with the placebo.
    pretrend_df : int
        Rank of the covariance behind the Wald test.
    """

    reference: int
    treated_units: dict[int, int]
    covariance: pd.DataFrame
    pretrend_statistic: float
    pretrend_pvalue: float
    pretrend_df: int

    @property
    def event_times(self) -> list[int]:
        """Event times in order."""
        return [int(k) for k in self.params.index]

    @property
    def pre(self) -> pd.DataFrame:
        """Summary rows before the reference period."""
        return self.summary.loc[[k for k in self.event_times if k < self.reference]]

    @property
    def post(self) -> pd.DataFrame:
        """Summary rows from adoption on."""
        return self.summary.loc[[k for k in self.event_times if k >= 0]]

    def critical_value(
        self, level: float = 0.95, *, seed: int | np.random.Generator = 0, draws: int = 100_000
    ) -> float:
        """Return how many standard errors a band must reach to cover all coefficients at once.

        The quantile of the largest of correlated normal t statistics (sup-t), simulated.

        Notes
        -----
        Montiel Olea and Plagborg-Moller (2019), "Simultaneous confidence bands: theory,
        implementation, and an application to SVARs".
        """
        covariance = self._known_covariance()
        scale = np.sqrt(np.diag(covariance))
        values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
        root = vectors * np.sqrt(np.clip(values, 0, None))
        normal = np.random.default_rng(seed).standard_normal((draws, len(scale)))
        return float(np.quantile(np.abs(normal @ root.T).max(axis=1), checked_level(level)))

    def simultaneous_band(
        self, level: float = 0.95, *, seed: int | np.random.Generator = 0, draws: int = 100_000
    ) -> pd.DataFrame:
        """Return bands that cover all coefficients at once, columns ``lower`` and ``upper``."""
        half = self.critical_value(level, seed=seed, draws=draws) * self.std_errors
        return pd.DataFrame({"lower": self.params - half, "upper": self.params + half})

    def pretrend_power(self, slope: float, level: float = 0.95) -> float:
        """Return how often the joint pre-trend test would find a linear trend.

        Parameters
        ----------
        slope : float
            Difference in trends a period, in units of the outcome.
        level : float
            One minus the level of the test.

        Notes
        -----
        Roth (2022): a test that would seldom find a trend large enough to matter says
        little when it finds none.  The covariance is taken as known.
        """
        before = [k for k in self.covariance.index if k < self.reference]
        if not before:
            raise EstimationError("there is no coefficient before the reference period")
        trend = slope * (np.array(before, dtype=float) - self.reference)
        shift, rank = wald(trend, self._known_covariance(before))
        threshold = stats.chi2.ppf(checked_level(level), rank)
        return float(stats.ncx2.sf(threshold, rank, shift)) if shift > 0 else 1 - level

    def detectable_slope(self, power: float = 0.8, level: float = 0.95) -> float:
        """Return the linear trend that the joint pre-trend test finds with this power."""
        if not 1 - checked_level(level) < power < 1:
            raise EstimationError(f"power must lie between {1 - level:g} and 1, not {power:g}")
        high = float(np.nanmax(self.std_errors))
        while self.pretrend_power(high, level) < power:
            high *= 2
        return float(
            optimize.brentq(lambda s: self.pretrend_power(s, level) - power, 0.0, high, xtol=1e-12)
        )

    def average(self, first: int = 0, last: int | None = None) -> tuple[float, float]:
        """Return the mean coefficient over event times, and its standard error."""
        times = [k for k in self.covariance.index if first <= k and (last is None or k <= last)]
        if not times:
            raise EstimationError(f"no coefficient at event times from {first} on")
        weights = np.full(len(times), 1 / len(times))
        variance = weights @ self.covariance.loc[times, times].to_numpy() @ weights
        return float(self.params.loc[times].mean()), float(np.sqrt(variance))

    def _known_covariance(self, times: Sequence[int] | None = None) -> np.ndarray:
        times = list(self.covariance.index) if times is None else list(times)
        covariance = self.covariance.loc[times, times].to_numpy(float)
        if not np.isfinite(covariance).all():
            raise EstimationError("the estimator gives no covariance of these coefficients")
        return covariance


def assemble(
    params: Mapping[int, float],
    covariance: pd.DataFrame,
    *,
    reference: int,
    treated_units: Mapping[int, int],
    nobs: int,
    title: str,
    std_errors: Mapping[int, float] | None = None,
    notes: Sequence[str] = (),
) -> EventStudyResult:
    """Build the result from coefficients and covariance by event time, reference left out.

    ``std_errors`` replace the roots of the diagonal where an estimator gives no covariance.
    """
    times = sorted(params)
    errors = dict(
        zip(covariance.index, np.sqrt(np.clip(np.diag(covariance), 0, None)), strict=True)
    )
    errors = {k: float(v) for k, v in (errors if std_errors is None else std_errors).items()}
    before = [k for k in times if k < reference]
    known = covariance.loc[before, before].to_numpy(float)
    statistic, rank = float("nan"), 0
    if np.isfinite(known).all():
        statistic, rank = wald(np.array([params[k] for k in before]), known)
    return EventStudyResult(
        params=pd.Series({**params, reference: 0.0}, dtype=float).sort_index(),
        std_errors=pd.Series({**errors, reference: np.nan}, dtype=float).sort_index(),
        nobs=nobs,
        title=title,
        notes=tuple(notes),
        reference=reference,
        treated_units={int(k): int(v) for k, v in treated_units.items()},
        covariance=covariance.loc[times, times],
        pretrend_statistic=statistic,
        pretrend_pvalue=float(stats.chi2.sf(statistic, rank)) if rank else float("nan"),
        pretrend_df=rank,
    )


@on_panel("outcome", "cohort", "controls", weighted=True)
def event_study(
    panel: Panel, *, reference: int = -1, window: tuple[int, int] | None = None, errors: str = "CR1"
) -> EventStudyResult:
    """Estimate one coefficient for each period before and after adoption.

    Parameters
    ----------
    panel : Panel
        Or a frame, outcome, cohort and controls: see :func:`ftz.panel.on_panel`.
    reference : int
        Omitted event time.
    window : (int, int), optional
        First and last event time with a coefficient of their own; earlier and
        later ones are binned into the ends.  Default: all that are observed.
    errors : {"CR1", "CR1N", "CR1S"}
        As in :func:`ftz.did.twfe`.

    Raises
    ------
    EstimationError
        As :func:`twfe`; also if nobody is treated, nobody serves as a control,
        or nobody is observed at the reference period.

    Notes
    -----
    Event time counts observed periods, not years: every second year is one step.  Units
    that are treated from their first row on have no before; they are left out, and a note
    says so.

    Yan, Ye and Wang, figure 2, without naming the reference period; with several
    cohorts the coefficients can mix effects of other periods (Sun and Abraham 2021).
    """
    if not (panel.first > 0).any():
        raise EstimationError(f"{panel.cohort} names no treated {panel.unit} within the panel")
    panel = panel.without_always().without_singletons()
    since = panel.since if window is None else np.clip(panel.since, *window)
    steps = [int(s) for s in np.unique(since[~np.isnan(since)])]
    if reference not in steps:
        raise EstimationError(f"no unit is observed at the reference event time {reference}")
    times = [s for s in steps if s != reference]
    names = [f"event {s:+d}" for s in times]
    dummies = (since[:, None] == np.array(times, dtype=float)).astype(float)
    slopes = np.column_stack([dummies, panel.x])
    span = ColumnSpace.of(panel.units[0], panel.ranks, weights=panel.w)
    within = check_slopes(span, slopes, [*names, *panel.controls], panel.unit, panel.time)
    fit = regress(span, panel.y, within, panel.clusters[0], panel.ranks - 1, errors)
    own = slice(0, len(times))
    counted = {s: len(np.unique(panel.units[0][since == s])) for s in steps}
    return assemble(
        dict(zip(times, fit.params[own].tolist(), strict=True)),
        pd.DataFrame(fit.covariance[own, own], index=times, columns=times),
        reference=reference,
        treated_units=counted,
        nobs=len(panel.frame),
        title=f"event study of {panel.outcome}, reference {reference:+d}",
        notes=panel.dropped,
    )


def wald(params: np.ndarray, covariance: np.ndarray) -> tuple[float, int]:
    """Return the Wald statistic of ``params = 0`` and the rank of its covariance.

    NaN and zero where there is nothing to test.
    """
    if params.size == 0:
        return float("nan"), 0
    scale = np.sqrt(np.clip(np.diag(covariance), 0, None))
    if not (scale > 0).all():  # a coefficient that is fitted without error has no test
        return float("nan"), 0
    correlation = covariance / np.outer(scale, scale)
    rank = int(np.linalg.matrix_rank(correlation, tol=1e-8))
    standard = params / scale
    return float(standard @ np.linalg.pinv(correlation, rcond=1e-8) @ standard), rank
