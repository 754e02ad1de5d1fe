r"""Two-way fixed effects: one column, stepwise columns, the constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftz._projection import check_design
from ftz.errors import EstimationError
from ftz.kernel import regress
from ftz.panel import Panel, on_panel
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


@on_panel("outcome", "treatment", "controls")
def twfe(panel: Panel, *, errors: str = "CR1") -> DidResult:
    """Estimate the effect of the treatment with unit and period effects.

    Parameters
    ----------
    panel : Panel
        Or a frame, outcome, treatment and controls: see :func:`ftz.panel.on_panel`.  Balanced or
        not; the treatment is 0/1 in the study, any number is allowed; weights are those of
        least squares.
    errors : {"CR1", "CR1N", "CR1S"}
        How the clustered variance counts parameters: see ``ftz.did.FAMILY``.

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
    panel.need("outcome", "treatment")
    given, panel = panel, panel.without_singletons()
    span, slopes = check_design(panel)
    fit = regress(span, panel.y, slopes, panel.clusters[0], panel.ranks - 1, errors)
    names = [panel.treatment or "treated", *panel.controls]
    residuals = pd.Series(0.0, given.frame.index, name="residual")
    root = 1.0 if span.root is None else span.root
    residuals[slice(None) if panel is given else ~given.alone] = fit.residuals / root
    return DidResult(
        params=pd.Series(fit.params, names),
        std_errors=pd.Series(np.sqrt(np.diag(fit.covariance)), names),
        nobs=len(panel.frame),
        title=f"{panel.outcome} on {', '.join(names)} with {panel.unit} and {panel.time} effects"
        + (f", rows weighted by {panel.weights}" if panel.weights else ""),
        notes=panel.dropped,
        outcome=panel.outcome,
        treatment=names[0],
        covariance=pd.DataFrame(fit.covariance, names, names),
        n_units=len(panel.units[1]),
        n_periods=len(panel.periods),
        n_clusters=len(panel.clusters[1]),
        rsquared_within=fit.rsquared,
        residuals=residuals,  # a row whose own effect fits it has nothing left
    )


def stepwise(
    frame: pd.DataFrame, outcome: str, treatment: str, controls: Sequence[str], **roles: Any
) -> tuple[DidResult, ...]:
    """Estimate the nested columns of a stepwise table: one control more in each.

    Column *j* uses the first *j* controls, as the columns (1) to (5) of Table 4 of
    Yan, Ye and Wang use ``fe``, ``lnstru``, ``urba``, ``fdi``, ``pgdp``.
    """
    return tuple(
        twfe(frame, outcome, treatment, controls[:j], **roles) for j in range(1, len(controls) + 1)
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
    check_design(Panel.of(frame, outcome, treatment, controls, unit=unit, time=time))
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
