"""What the chapters estimate on a study, each in a few calls of the library.

Every function takes a :class:`~ftz.own.study.Study` and returns a result of the estimators'
rooms, or raises an :class:`~ftz.errors.EstimationError` that says why there is none:
:mod:`ftz.own.sections` turns that into the sentence that stands in the section's place.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import pandas as pd

from ftz import design_study, did, inference, matching, mediation
from ftz.errors import EstimationError
from ftz.own.study import Study
from ftz.results import CoefficientResult

#: Estimators of the staggered comparison; synthetic DID needs a simulation of its own.
STAGGERED = (
    "two_way",
    "callaway_santanna",
    "sun_abraham",
    "imputation",
    "stacked",
    "dechaisemartin_dhaultfoeuille",
)
#: Tests of the design study; what the pages before it have used.
TESTS = (
    "clustered z (CR1)",
    "clustered t (CR2)",
    "wild bootstrap, null imposed",
    "paths, coefficient",
    "cells, coefficient",
)


class Keys(TypedDict):
    """Names of unit and time, as the estimators take them."""

    unit: str
    time: str


def keys(study: Study) -> Keys:
    """Return the names of unit and time, as the estimators take them."""
    return Keys(unit=study.unit, time=study.time)


def coefficient(study: Study, outcome: str | None = None) -> did.DidResult:
    """Estimate the two-way fixed-effects coefficient, errors by the study's clusters."""
    return did.twfe(study.panel, outcome or "")


def columns(study: Study) -> tuple[did.DidResult, ...]:
    """Estimate without controls, then with one more at a time."""
    controls, panel = study.varying_controls, study.panel
    return tuple(did.twfe(panel.with_(controls=controls[:j])) for j in range(len(controls) + 1))


def weighted(study: Study) -> CoefficientResult:
    """Estimate with the study's weights, errors clustered by its clusters.

    Weighted least squares by ``linearmodels.PanelOLS`` with unit and period effects.

    Raises
    ------
    EstimationError
        If the study names no weights, or a regressor is absorbed.
    """
    from linearmodels.panel import PanelOLS

    if study.weights is None:
        raise EstimationError("the spec names no weights")
    indexed = study.frame.set_index([study.unit, study.time], drop=False)
    slopes = [study.treatment, *study.varying_controls]
    groups = pd.factorize(indexed[study.cluster])[0].astype(np.int64)
    try:
        fit = PanelOLS(
            indexed[study.outcome].astype(float),
            indexed[slopes].astype(float),
            weights=indexed[study.weights].astype(float),
            entity_effects=True,
            time_effects=True,
        ).fit(cov_type="clustered", clusters=groups)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise EstimationError(f"weighted least squares: {error}") from None
    return CoefficientResult(
        params=fit.params.rename(None),
        std_errors=fit.std_errors.rename(None),
        nobs=int(fit.nobs),
        title=f"{study.outcome}, rows weighted by {study.weights}",
    )


def errors(study: Study) -> did.StandardErrors:
    """Lay the family of standard errors of the coefficient side by side."""
    return did.standard_errors(study.panel)


# --- matching -----------------------------------------------------------------------------


def score(study: Study) -> matching.ScoreResult:
    """Fit the logit of treatment on the covariates of the score, rows pooled."""
    if not study.match_on:
        raise EstimationError("the spec names no covariates to match on")
    return matching.propensity_score(study.frame, study.treatment, study.match_on)


def matches(
    study: Study,
    neighbours: int = 4,
    caliper: float = 0.25,
    support: str = "minmax",
) -> tuple[matching.ScoreResult, pd.Series, dict[str, matching.Matches]]:
    """Match rows on the linear index: k nearest, within a caliper, and both.

    Parameters
    ----------
    caliper : float
        In standard deviations of the linear index.

    Returns
    -------
    score, on the support (0/1 a row), matches by method
    """
    fit = score(study)
    on = matching.common_support(fit.score, study.frame[study.treatment], support)
    index, treated = fit.linear_index[on], study.frame.loc[on, study.treatment]
    if treated.nunique() < 2:
        raise EstimationError(f"the support rule {support} leaves one group only")
    width = float(caliper * fit.linear_index.std())
    return (
        fit,
        on,
        {
            f"{neighbours} nearest": matching.match(index, treated, k=neighbours),
            "caliper": matching.match(index, treated, method="caliper", caliper=width),
            f"{neighbours} nearest within the caliper": matching.match(
                index, treated, method="k_nearest_in_caliper", k=neighbours, caliper=width
            ),
        },
    )


def matching_effects(
    study: Study, found: dict[str, matching.Matches]
) -> dict[str, matching.AttResult]:
    """Estimate the effect on the treated by each matching, errors by the study's clusters."""
    outcome, units = study.frame[study.outcome], study.frame[study.cluster]
    return {
        name: matching.att(outcome, pairs, se="cluster", cluster=units)
        for name, pairs in found.items()
    }


def on_support(study: Study, on: pd.Series) -> did.DidResult:
    """Estimate the two-way coefficient on the rows of the common support."""
    return did.twfe(study.panel.with_(frame=study.frame[on.to_numpy(bool)]))


# --- difference-in-differences --------------------------------------------------------------


def event_study(study: Study, leads: int = 5, lags: int = 5) -> did.EventStudyResult:
    """Estimate the binned event study over as many leads and lags as are seen.

    Raises
    ------
    EstimationError
        If no coefficient before adoption is left beside the reference.
    """
    since = study.panel.without_always().since
    if np.isnan(since).all():
        raise EstimationError("no unit is seen before and after its treatment")
    first, last = int(max(np.nanmin(since), -leads)), int(min(np.nanmax(since), lags))
    if first >= -1:
        raise EstimationError("there is one period before adoption only: no trend can be seen")
    return did.event_study(study.panel, window=(first, last))


def negative_weights(study: Study) -> did.TwfeWeights:
    """Return the weights with which the coefficient sums the effects of treated cells."""
    return did.twfe_weights(study.panel)


def bacon(study: Study) -> did.BaconDecomposition:
    """Take the coefficient without controls apart into two-by-two comparisons.

    Raises
    ------
    EstimationError
        With one date of adoption, where there is one comparison; if the panel is not
        balanced.
    """
    if len(study.cohorts) < 2:
        only = ", ".join(map(str, study.cohorts))
        raise EstimationError(
            f"all treated units adopt in {only}: no unit serves as a control for one that is "
            "treated later, and the coefficient is one comparison"
        )
    return did.bacon(study.frame, study.outcome, study.cohort, **keys(study))


def staggered(study: Study) -> did.Comparison:
    """Lay the estimators for staggered adoption side by side, without controls.

    Units that are treated from the first period on have no before; they are left out, and
    a note says so.
    """
    panel = study.panel.with_(controls=())
    return did.compare(panel, estimators=STAGGERED, control_group=study.control_group)


def honest(study: Study, leads: int = 5, lags: int = 5) -> did.HonestBounds:
    """Return confidence sets that allow trends to diverge after adoption as before it."""
    event = event_study(study, min(leads, 4), min(lags, 3))
    return did.relative_magnitudes(event, (0.5, 1.0, 1.5))


# --- inference ------------------------------------------------------------------------------


def assignments(study: Study) -> int:
    """Return in how many ways the adoption paths can be handed to the units."""
    starts = [np.inf if s is None else s for s in study.starts.values()]
    return inference.count_assignments(np.array(starts, dtype=float))


def placebo(study: Study, scheme: str, draws: int, seed: int) -> inference.PlaceboResult:
    """Reassign the treatment over ``cells``, ``paths`` or ``dates``."""
    return inference.placebo(study.panel, scheme=scheme, draws=draws, seed=seed)


def bootstrap(study: Study, draws: int, seed: int) -> inference.WildBootstrapResult:
    """Bootstrap the t statistic with signs by cluster, the null imposed."""
    return inference.wild_cluster_bootstrap(study.panel, draws=draws, seed=seed)


def leave_one_out(study: Study) -> inference.LeaveOneOutResult:
    """Estimate without one cluster at a time."""
    return inference.leave_one_cluster_out(study.panel)


def design(study: Study, panels: int, seed: int) -> tuple[design_study.StudyResult, float]:
    """Count on this design how often each test rejects a true null.

    Errors are drawn with the correlation of the residuals from one period to the next.

    Returns
    -------
    result, correlation
    """
    fit = coefficient(study)
    residual = fit.residuals.groupby(study.frame[study.unit])
    before = residual.shift(1)
    both = before.notna()
    correlation = float(np.corrcoef(fit.residuals[both], before[both])[0, 1])
    rho = float(np.clip(correlation, 0.0, 0.9))
    shape = design_study.Shape.of(
        study.frame,
        study.treatment,
        study.varying_controls,
        draws=199,
        seed=seed,
        **keys(study),
    )
    names = [name for name in TESTS if len(study.units) <= 60 or "bootstrap" not in name]
    result = design_study.study(shape, rho=rho, panels=panels, tests=names, seed=seed)
    return result, rho


# --- parts and channels ---------------------------------------------------------------------


def parts(study: Study) -> dict[str, did.DidResult]:
    """Estimate the coefficient for each part of the outcome."""
    if not study.sub_outcomes:
        raise EstimationError("the spec names no sub_outcomes")
    return {name: coefficient(study, name) for name in study.sub_outcomes}


def several(study: Study, draws: int, seed: int) -> inference.MultipleTestingResult:
    """Adjust the parts' p values for their number by Romano and Wolf's step-down."""
    if len(study.sub_outcomes) < 2:
        raise EstimationError("the spec names fewer than two sub_outcomes")
    return inference.romano_wolf(
        study.frame,
        list(study.sub_outcomes),
        study.treatment,
        study.varying_controls,
        seed=seed,
        draws=draws,
        **keys(study),
    )


def mediate(study: Study) -> mediation.MediationResult:
    """Split the coefficient into a direct part and one through the mediator."""
    outcome, treatment, mediator = _mediated(study)
    return mediation.mediate(study.panel, outcome, treatment, mediator, study.varying_controls)


def indirect(study: Study, draws: int, seed: int) -> mediation.IndirectBootstrap:
    """Bootstrap the indirect effect over the study's clusters."""
    outcome, treatment, mediator = _mediated(study)
    return mediation.bootstrap_indirect(
        study.panel,
        outcome,
        treatment,
        mediator,
        study.varying_controls,
        draws=draws,
        seed=seed,
    )


def confounding(study: Study) -> mediation.MediatorSensitivity:
    """Return the indirect effect as a function of the correlation no regression can see."""
    outcome, treatment, mediator = _mediated(study)
    return mediation.sensitivity(
        study.frame, outcome, treatment, mediator, study.varying_controls, **keys(study)
    )


def _mediated(study: Study) -> tuple[str, str, str]:
    if study.mediator is None:
        raise EstimationError("the spec names no mediator")
    return study.outcome, study.treatment, study.mediator
