r"""Difference-in-differences: two-way fixed effects, stepwise columns, event study.

The estimating equation is equation (1) of Yan, Ye and Wang,

.. math:: y_{it} = \alpha + \beta D_{it} + x_{it}'\gamma + \lambda_i + \mu_t + \epsilon_{it},

estimated by ``linearmodels.PanelOLS`` with unit and period effects.  Standard
errors are clustered by unit under linearmodels' own small-sample convention: the
factor :math:`n/(n-k)`, where *k* counts slopes and effects alike, and no factor
for the number of clusters.  :func:`ftz.did.cluster_factor` gives the ratio to
Stata's ``regress ..., vce(cluster)``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ftz.errors import EstimationError
from ftz.results import CoefficientResult


@dataclass(frozen=True, kw_only=True, repr=False)
class DidResult(CoefficientResult):
    """A two-way fixed-effects regression.

    Attributes
    ----------
    outcome, treatment : str
        Columns of the frame.
    covariance : pandas.DataFrame
        Clustered covariance of the slopes.
    n_units, n_periods, n_clusters : int
        Units, periods and clusters in the sample.
    rsquared_within : float
        Share of the variance left by the effects that the slopes explain.
    residuals : pandas.Series
        On the index of the frame that was passed.
    """

    outcome: str
    treatment: str
    covariance: pd.DataFrame
    n_units: int
    n_periods: int
    n_clusters: int
    rsquared_within: float
    residuals: pd.Series

    @property
    def att(self) -> float:
        """The coefficient of the treatment."""
        return float(self.params[self.treatment])


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
    pretrend_statistic, pretrend_pvalue : float
        Wald test that all coefficients before the reference are zero, and its
        chi-squared p value.  With few treated clusters the clustered covariance
        is nearly singular and the test over-rejects: read it with the placebo.
    pretrend_df : int
        Rank of the covariance behind the Wald test.
    """

    reference: int
    treated_units: dict[int, int]
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


def _require(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise EstimationError(f"the frame has no column {', '.join(missing)}")
    numbers = frame[list(columns)].select_dtypes("number")
    bad = numbers.columns[~np.isfinite(numbers.to_numpy(float)).all(axis=0)]
    if len(bad):
        raise EstimationError(
            f"missing or infinite values in {', '.join(bad)}: drop or impute these rows first"
        )


def effect_dummies(frame: pd.DataFrame, unit: str = "city", time: str = "year") -> np.ndarray:
    """Return an orthonormal basis of the unit and period effects, n rows.

    The basis is exact on an unbalanced panel, where demeaning once by unit and
    once by period is not.
    """
    units = pd.get_dummies(frame[unit], dtype=float).to_numpy()
    periods = pd.get_dummies(frame[time], dtype=float).to_numpy()
    left, singular, _ = np.linalg.svd(np.hstack([units, periods]), full_matrices=False)
    return left[:, singular > 1e-9 * singular[0]]


def project(
    frame: pd.DataFrame, columns: Sequence[str], unit: str = "city", time: str = "year"
) -> pd.DataFrame:
    """Return the residuals of ``columns`` after unit and period effects.

    By the theorem of Frisch and Waugh (1933) and Lovell (1963) a regression on
    these residuals has the slopes of the regression with all dummies.
    """
    _require(frame, [unit, time, *columns])
    basis = effect_dummies(frame, unit, time)
    values = frame[list(columns)].to_numpy(float)
    return pd.DataFrame(
        values - basis @ (basis.T @ values), index=frame.index, columns=list(columns)
    )


def cluster_factor(n: int, k: int, clusters: int) -> float:
    """Return Stata's clustered standard error as a multiple of linearmodels' default.

    Parameters
    ----------
    n, k, clusters : int
        Observations; estimated parameters, effects included; clusters.

    Notes
    -----
    Stata's ``regress, vce(cluster)`` scales the variance by
    ``G/(G-1) * (n-1)/(n-k)``, linearmodels by ``n/(n-k)``.
    """
    if clusters < 2 or n <= k:
        raise EstimationError("a clustered variance needs two clusters and n > k")
    return float(np.sqrt(clusters / (clusters - 1) * (n - 1) / n))


def _check_design(frame: pd.DataFrame, slopes: Sequence[str], unit: str, time: str) -> None:
    """Refuse designs that least squares cannot answer, naming the column at fault."""
    if frame[unit].nunique() < 2:
        raise EstimationError(f"one {unit} only: clustering and effects need at least two")
    within = project(frame, slopes, unit, time)
    total = frame[list(slopes)].to_numpy(float).std(axis=0)
    for column, scale in zip(slopes, total, strict=True):
        if scale == 0 or within[column].std() < 1e-9 * max(scale, 1e-300):
            raise EstimationError(
                f"{column} does not vary within {unit} and {time} once their effects are "
                "removed, so its coefficient is not identified"
            )
    normed = within.to_numpy() / within.to_numpy().std(axis=0)
    if np.linalg.svd(normed, compute_uv=False)[-1] < 1e-8:
        raise EstimationError(f"{', '.join(slopes)} are collinear within {unit} and {time}")


def _fit(frame: pd.DataFrame, outcome: str, slopes: Sequence[str], unit: str, time: str):
    from linearmodels.panel import PanelOLS

    _require(frame, [unit, time, outcome, *slopes])
    if frame.duplicated([unit, time]).any():
        raise EstimationError(f"some ({unit}, {time}) pairs stand in more than one row")
    if frame[outcome].nunique() == 1:
        raise EstimationError(f"{outcome} is constant")
    _check_design(frame, slopes, unit, time)
    indexed = frame.set_index([unit, time])
    return PanelOLS(
        indexed[outcome], indexed[list(slopes)], entity_effects=True, time_effects=True
    ).fit(cov_type="clustered", cluster_entity=True)


def twfe(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    controls: Sequence[str] = (),
    *,
    unit: str = "city",
    time: str = "year",
) -> DidResult:
    """Estimate the effect of ``treatment`` with unit and period effects.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a unit and period; n rows, balanced or not.
    outcome, treatment : str
        Numeric columns; the treatment is 0/1 in the study, any number is allowed.
    controls : sequence of str
        Further regressors.
    unit, time : str
        Columns of the effects; clusters are the units.

    Returns
    -------
    DidResult
        Slopes in units of the outcome, statistics with normal p values, since
        the paper prints z.

    Raises
    ------
    EstimationError
        Missing columns or values, duplicate keys, constant outcome, a regressor
        without variation within units and periods, collinear regressors, one unit.

    Notes
    -----
    Yan, Ye and Wang, equation (1) and Table 4.
    """
    slopes = [treatment, *controls]
    fit = _fit(frame, outcome, slopes, unit, time)
    return DidResult(
        params=fit.params.rename(None),
        std_errors=fit.std_errors.rename(None),
        nobs=int(fit.nobs),
        title=f"{outcome} on {', '.join(slopes)} with {unit} and {time} effects",
        outcome=outcome,
        treatment=treatment,
        covariance=fit.cov,
        n_units=frame[unit].nunique(),
        n_periods=frame[time].nunique(),
        n_clusters=frame[unit].nunique(),
        rsquared_within=float(fit.rsquared),
        residuals=pd.Series(np.asarray(fit.resids), index=frame.index, name="residual"),
    )


def stepwise(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    controls: Sequence[str],
    *,
    unit: str = "city",
    time: str = "year",
) -> tuple[DidResult, ...]:
    """Estimate the nested columns of a stepwise table: one control more in each.

    Column *j* uses the first *j* controls, as the columns (1) to (5) of Table 4 of
    Yan, Ye and Wang use ``fe``, ``lnstru``, ``urba``, ``fdi``, ``pgdp``.
    """
    return tuple(
        twfe(frame, outcome, treatment, controls[:j], unit=unit, time=time)
        for j in range(1, len(controls) + 1)
    )


def constant(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    controls: Sequence[str] = (),
    *,
    unit: str = "city",
    time: str = "year",
) -> CoefficientResult:
    """Return the constant of a two-way fixed-effects column, with its clustered error.

    A constant beside two sets of effects means nothing until they are normalised.
    This one is the normalisation of ``xtreg, fe`` with period dummies: the first
    period is the base and the unit effects average to zero over the sample.
    Slopes and their errors are those of :func:`twfe`.

    Raises
    ------
    EstimationError
        As :func:`twfe`.
    """
    from linearmodels.panel import PanelOLS

    slopes = [treatment, *controls]
    _require(frame, [unit, time, outcome, *slopes])
    _check_design(frame, slopes, unit, time)
    units = pd.get_dummies(frame[unit], dtype=float, drop_first=True)
    periods = pd.get_dummies(frame[time], dtype=float, drop_first=True).add_prefix("period ")
    design = pd.concat(
        [frame[[unit, time, outcome, *slopes]].assign(const=1.0), units - units.mean(), periods],
        axis=1,
    ).set_index([unit, time])
    regressors = ["const", *slopes, *units.columns, *periods.columns]
    fit = PanelOLS(design[outcome], design[regressors]).fit(
        cov_type="clustered", cluster_entity=True
    )
    return CoefficientResult(
        params=fit.params[["const"]].rename(None),
        std_errors=fit.std_errors[["const"]].rename(None),
        nobs=int(fit.nobs),
        title=f"constant of {outcome} on {', '.join(slopes)}: base {frame[time].min()}",
    )


def event_time(frame: pd.DataFrame, cohort: str, time: str = "year") -> pd.Series:
    """Return periods since adoption; missing for units that are never treated."""
    return (frame[time] - frame[cohort]).where(frame[cohort].notna())


def event_study(
    frame: pd.DataFrame,
    outcome: str,
    cohort: str,
    controls: Sequence[str] = (),
    *,
    reference: int = -1,
    window: tuple[int, int] | None = None,
    unit: str = "city",
    time: str = "year",
) -> EventStudyResult:
    """Estimate one coefficient for each period before and after adoption.

    Parameters
    ----------
    cohort : str
        Column with the first treated period, missing for never-treated units.
    reference : int
        Omitted event time.
    window : (int, int), optional
        First and last event time with a coefficient of their own; earlier and
        later ones are binned into the ends.  Default: all that are observed.

    Raises
    ------
    EstimationError
        As :func:`twfe`; also if nobody is treated, nobody serves as a control,
        or nobody is observed at the reference period.

    Notes
    -----
    Yan, Ye and Wang, figure 2, without naming the reference period; with several
    cohorts the coefficients can mix effects of other periods (Sun and Abraham 2021).
    """
    _require(frame, [unit, time, outcome, *controls])
    if cohort not in frame.columns:
        raise EstimationError(f"the frame has no column {cohort}")
    since = event_time(frame, cohort, time)
    if since.notna().sum() == 0:
        raise EstimationError(f"{cohort} names no treated unit")
    if window is not None:
        since = since.clip(*window)
    steps = sorted(int(s) for s in since.dropna().unique())
    if reference not in steps:
        raise EstimationError(f"no unit is observed at the reference event time {reference}")
    names: dict[Hashable, int] = {f"event {s:+d}": s for s in steps if s != reference}
    dummies = pd.DataFrame({n: (since == s).astype(float) for n, s in names.items()})
    design = pd.concat([frame[[unit, time, outcome, *controls]], dummies], axis=1)
    fit = _fit(design, outcome, [*names, *controls], unit, time)
    pick = list(names)
    params = pd.Series({s: float(fit.params[n]) for n, s in names.items()} | {reference: 0.0})
    errors = pd.Series(
        {s: float(fit.std_errors[n]) for n, s in names.items()} | {reference: np.nan}
    )
    before = [n for n in pick if names[n] < reference]
    wald, rank = _wald(fit.params[before].to_numpy(), fit.cov.loc[before, before].to_numpy())
    return EventStudyResult(
        params=params.sort_index(),
        std_errors=errors.sort_index(),
        nobs=int(fit.nobs),
        title=f"event study of {outcome}, reference {reference:+d}",
        reference=reference,
        treated_units={s: int(frame.loc[since == s, unit].nunique()) for s in steps},
        pretrend_statistic=wald,
        pretrend_pvalue=float(stats.chi2.sf(wald, rank)) if rank else float("nan"),
        pretrend_df=rank,
    )


def _wald(params: np.ndarray, covariance: np.ndarray) -> tuple[float, int]:
    """Return the Wald statistic of ``params = 0`` and the rank of its covariance."""
    if params.size == 0:
        return float("nan"), 0
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    rank = int(np.linalg.matrix_rank(correlation, tol=1e-8))
    standard = params / scale
    return float(standard @ np.linalg.pinv(correlation, rcond=1e-8) @ standard), rank
