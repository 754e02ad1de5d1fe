r"""Two-way fixed effects by ``linearmodels``: one column, stepwise columns, the constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ftz.did.projection import check_design, require
from ftz.errors import EstimationError
from ftz.results import CoefficientResult

if TYPE_CHECKING:
    from linearmodels.panel.results import PanelEffectsResults


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


def fit_panel_ols(
    frame: pd.DataFrame, outcome: str, slopes: Sequence[str], unit: str, time: str
) -> PanelEffectsResults:
    """Check a panel and fit it by PanelOLS, both effects in, errors clustered by unit."""
    from linearmodels.panel import PanelOLS

    require(frame, [unit, time, outcome, *slopes])
    if frame.duplicated([unit, time]).any():
        raise EstimationError(f"some ({unit}, {time}) pairs stand in more than one row")
    text = [c for c in (outcome, *slopes) if not pd.api.types.is_numeric_dtype(frame[c])]
    if text:
        raise EstimationError(
            f"{', '.join(text)}: text, where numbers are needed; convert with pandas.to_numeric"
        )
    if frame[outcome].nunique() == 1:
        raise EstimationError(f"{outcome} is constant")
    check_design(frame, slopes, unit, time)
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
    fit = fit_panel_ols(frame, outcome, slopes, unit, time)
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
    require(frame, [unit, time, outcome, *slopes])
    check_design(frame, slopes, unit, time)
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
