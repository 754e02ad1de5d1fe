r"""Two-way fixed effects: one column, stepwise columns, the constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftz._kernel import regress, small_sample_factor
from ftz._projection import check_design
from ftz._results import CoefficientResult, EffectResult
from ftz.errors import EstimationError
from ftz.panel import Panel, on_panel


@dataclass(frozen=True, kw_only=True, repr=False)
class DidResult(EffectResult):
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


@on_panel("outcome", "treatment", "controls", weighted=True)
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


@on_panel("outcome", "treatment", "controls")
def constant(panel: Panel) -> CoefficientResult:
    """Return the constant of a two-way fixed-effects column, with its clustered error.

    A constant beside two sets of effects means nothing until they are normalised.
    This one is the normalisation of ``xtreg, fe`` with period dummies: the first
    period is the base and the unit effects average to zero over the sample.
    Slopes and their errors are those of :func:`twfe`.

    Raises
    ------
    EstimationError
        As :func:`twfe`.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": list("aabbcc"), "year": [1, 2] * 3})
    >>> frame = frame.assign(d=[0, 1, 0, 0, 0, 0], y=[1, 5, 3, 4, 2, 3])
    >>> round(float(constant(frame, "y", "d").params["const"]), 6)
    2.0
    """
    panel.need("outcome", "treatment")
    panel = panel.with_(weights=None)
    span, slopes = check_design(panel)
    fit = regress(span, panel.y, slopes, panel.clusters[0])
    units, periods = (np.eye(c.max() + 1)[c][:, 1:] for c in (panel.units[0], panel.ranks - 1))
    others = np.column_stack([panel.d, panel.x, units - units.mean(axis=0), periods])
    # What the other regressors leave of the constant has its slope (Frisch, Waugh, Lovell).
    ones = np.ones(len(others))
    alone = ones - others @ np.linalg.lstsq(others, ones, rcond=None)[0]
    scores = np.bincount(panel.clusters[0], alone * fit.residuals)
    factor = small_sample_factor(len(ones), span.rank + slopes.shape[1])
    power = alone @ alone
    names = [panel.treatment or "treated", *panel.controls]
    return CoefficientResult(
        params=pd.Series({"const": alone @ panel.y / power}),
        std_errors=pd.Series({"const": np.sqrt(factor * (scores @ scores)) / power}),
        nobs=len(ones),
        title=f"constant of {panel.outcome} on {', '.join(names)}: base {panel.label(1)}",
    )
