"""What the chapters estimate on a study, each in a few calls of the library.

Every function takes a :class:`~userpanel.UserPanel` and returns a result of the estimators'
rooms, or raises an :class:`~ftz.errors.EstimationError` that says why there is none:
:mod:`userpanel` turns that into the sentence that stands in the section's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ftz import did, inference, matching, size_and_power
from ftz._results import CoefficientResult
from ftz.did._events import EventStudyResult
from ftz.did._honest import HonestBounds
from ftz.did._regression import DidResult
from ftz.did._staggered import AttResult, Comparison
from ftz.did._weights import BaconDecomposition
from ftz.errors import EstimationError
from ftz.inference._multiple import MultipleTestingResult
from ftz.matching._panels import PanelMatches
from ftz.matching._score import ScoreResult
from ftz.panel import Panel
from ftz.size_and_power._size_and_power import StudyResult
from userpanel._panel import UserPanel

#: Estimators of the staggered comparison; synthetic DID needs a simulation of its own.
STAGGERED = (
    "two_way",
    "callaway_santanna",
    "sun_abraham",
    "imputation",
    "stacked",
    "dechaisemartin_dhaultfoeuille",
)
#: Rows beyond which an estimator takes minutes, or more memory than a laptop has.
MOST_ROWS: Mapping[str, int] = {
    "callaway_santanna": 400_000,
    "sun_abraham": 200_000,
    "imputation": 200_000,
    "stacked": 200_000,
    "dechaisemartin_dhaultfoeuille": 20_000,
    "matching": 200_000,
    "design": 20_000,
    "trials": 200_000,
}
#: Tests of the design study; what the pages before it have used.
TESTS = (
    "clustered z (CR1)",
    "clustered t (CR2)",
    "wild bootstrap, null imposed",
    "units, coefficient",
    "observations, coefficient",
)


def columns(study: UserPanel) -> tuple[DidResult, ...]:
    """Estimate without controls, then with one more at a time."""
    controls, panel = study.varying_controls, study.settled
    return tuple(did.twfe(panel.with_(controls=controls[:j])) for j in range(len(controls) + 1))


def within_size(study: UserPanel, what: str) -> int:
    """Return the rows of a study, or refuse what takes too long on so many.

    Raises
    ------
    EstimationError
        With both sizes.
    """
    rows, most = len(study.frame), MOST_ROWS[what]
    if rows > most:
        raise EstimationError(f"left out at {rows:,} rows; it is computed up to {most:,}")
    return rows


# --- matching -----------------------------------------------------------------------------


def score(study: UserPanel) -> ScoreResult:
    """Fit the logit of treatment on the covariates of the score, rows pooled."""
    if not study.match_on:
        raise EstimationError("the spec names no covariates to match on")
    within_size(study, "matching")
    return matching.propensity_score(study.settled.frame, study.treatment, study.match_on)


def matches(
    study: UserPanel,
    neighbours: int | None = None,
    caliper: float | None = None,
    support: str | None = None,
    scheme: str | None = None,
) -> dict[str, PanelMatches]:
    """Match on the linear index: k nearest, within a caliper, both, and by the spec's kernel.

    Parameters
    ----------
    neighbours, caliper, support, scheme : optional
        What the spec chooses, where they are not given; the caliper in standard deviations
        of the pooled linear index.

    Returns
    -------
    dict
        Name of the way to its matches.
    """
    chosen = study.choices
    k = chosen.k if neighbours is None else neighbours
    wide = chosen.caliper if caliper is None else caliper
    width = float(wide * score(study).linear_index.std())
    near = {"method": "k_nearest_in_caliper", "k": k, "caliper": width}
    ways: dict[str, dict[str, Any]] = {
        f"{k} nearest": {"k": k},
        "caliper": {"method": "caliper", "caliper": width},
        f"{k} nearest within the caliper": near,
    }
    if chosen.kernel:
        ways[f"{chosen.kernel} kernel"] = {"kernel": chosen.kernel, "bandwidth": width}
    return {
        name: matching.match_panel(
            study.settled.frame,
            study.treatment,
            list(study.match_on),
            scheme=chosen.scheme if scheme is None else scheme,
            score="pooled",
            support=chosen.support if support is None else support,
            unit=study.unit,
            time=study.time,
            **way,
        )
        for name, way in ways.items()
    }


def matching_effects(study: UserPanel, found: Mapping[str, PanelMatches]) -> pd.DataFrame:
    """Estimate the effect on the treated by each matching, errors by the study's clusters.

    Returns
    -------
    pandas.DataFrame
        One row a way: ``estimate``, ``std_error``, ``treated``, and the ends of the interval
        ``lower`` and ``upper`` at the study's level.  Where units were matched by their
        baseline, rows of two periods are no effect, and there is none.
    """
    frame = study.settled.frame
    outcome, clusters = frame[study.outcome], frame[study.cluster]
    if any(one.scheme == "baseline" for one in found.values()):
        raise EstimationError("units are matched at their baseline: see the regression on them")
    rows = {
        name: one.effects(outcome, se="cluster", cluster=clusters).loc["all"]
        for name, one in found.items()
    }
    table = pd.DataFrame(rows).T
    effects = CoefficientResult(
        params=table["estimate"], std_errors=table["std_error"], nobs=len(frame)
    )
    return table.join(effects.conf_int(study.choices.level))


def on_matches(study: UserPanel, found: PanelMatches) -> DidResult:
    """Estimate the two-way coefficient on matched rows, each weighted by how often it serves."""
    panel, rows = study.settled, (found.weights > 0).to_numpy()
    share = panel.frame[study.weights] if study.weights else 1.0
    frame = panel.frame.assign(matched_weight=found.weights * share)[rows]
    why = f"{(~rows).sum()} rows without a match left out"
    dropped = (*panel.dropped, why)
    return did.twfe(panel.with_(frame=frame, weights="matched_weight", dropped=dropped))


# --- difference-in-differences --------------------------------------------------------------


def event_study(
    study: UserPanel, leads: int | None = None, lags: int | None = None
) -> EventStudyResult:
    """Estimate the binned event study over as many leads and lags as are seen.

    Leads and lags are those of the spec's event window, where they are not given.

    Raises
    ------
    EstimationError
        If no coefficient before adoption is left beside the reference.
    """
    low, high = study.choices.event_window
    since = study.panel.without_always().since
    if np.isnan(since).all():
        raise EstimationError("no unit is seen before and after its treatment")
    first = int(max(np.nanmin(since), low if leads is None else -leads))
    last = int(min(np.nanmax(since), high if lags is None else lags))
    reference = -1 - study.choices.anticipation
    if first >= reference:
        raise EstimationError("there is one period before adoption only: no trend can be seen")
    return did.event_study(study.panel, window=(first, last), reference=reference)


def bacon(study: UserPanel) -> BaconDecomposition:
    """Take the coefficient without controls apart into two-by-two comparisons.

    Raises
    ------
    EstimationError
        With one date of adoption, where there is one comparison; if the panel is not
        balanced.
    """
    if len(study.cohorts) < 2:
        only = ", ".join(map(study.period, study.cohorts))
        raise EstimationError(
            f"all treated units adopt in {only}: no unit serves as a control for one that is "
            "treated later, and the coefficient is one comparison"
        )
    panel = study.panel  # of all rows: without some of them nothing would be balanced
    return did.bacon(panel.frame, panel.outcome, study.cohort, unit=panel.unit, time=panel.time)


def staggered(study: UserPanel) -> Comparison:
    """Lay the estimators for staggered adoption side by side, by what the spec chooses.

    Units that are treated from the first period on have no before; they are left out, and
    a note says so.
    """
    chosen = study.choices
    early = {"anticipation": chosen.anticipation} if chosen.anticipation else {}

    def run(name: str, panel: Panel) -> AttResult:
        options: dict[str, Any] = dict(early)
        if name == "stacked" and all(start is not None for start in study.starts.values()):
            # the controls of a stack are then units that adopt after its window
            options["window"] = chosen.event_window
        if name == "callaway_santanna":
            return _callaway_santanna(study)
        if name in MOST_ROWS:
            within_size(study, name)
        if early and name == "dechaisemartin_dhaultfoeuille":
            raise EstimationError("it is offered without anticipation here")
        return did.ESTIMATORS[name](panel, **options)

    panel = study.panel.with_(controls=study.staggered_covariates)
    return did.compare(panel, estimators={name: partial(run, name) for name in STAGGERED})


def _callaway_santanna(study: UserPanel) -> AttResult:
    """Estimate by Callaway and Sant'Anna with all that the spec chooses of it."""
    within_size(study, "callaway_santanna")
    return did.callaway_santanna(
        study.panel.with_(controls=study.staggered_covariates),
        control_group=study.control_group,
        method=study.choices.method,
        aggregate=study.choices.estimand,
        anticipation=study.choices.anticipation,
    )


def cells(study: UserPanel) -> pd.DataFrame:
    """Return the effect on each cohort in each period by Callaway-Sant'Anna, in the file's words.

    Returns
    -------
    pandas.DataFrame
        ``cohort``, ``period``, ``estimate``, ``std_error`` (none in the period of reference).
    """
    return by_cell(study, _callaway_santanna(study))


def by_cell(study: UserPanel, result: AttResult) -> pd.DataFrame:
    """Return the effects by cohort and period that a result holds; see :func:`cells`."""
    table = result.by_cell
    assert table is not None
    order = list(dict.fromkeys(map(study.period, study.periods)))
    words = {c: [study.period(v) for v in table[c]] for c in ("cohort", "period")}
    return table.assign(**{c: pd.Categorical(w, order, ordered=True) for c, w in words.items()})


def honest(study: UserPanel) -> HonestBounds:
    """Return confidence sets that allow trends to diverge after adoption as before it.

    They rest on the event study of the spec's window, with at most four leads and three lags of
    their own: the sets take minutes with more.
    """
    low, high = study.choices.event_window
    event = event_study(study, min(-low, 4), min(high, 3))
    return did.relative_magnitudes(event, (0.5, 1.0, 1.5), level=study.choices.level)


# --- inference ------------------------------------------------------------------------------


def assignments(study: UserPanel) -> int:
    """Return in how many ways the adoption paths can be handed to the units."""
    starts = [np.inf if s is None else s for s in study.starts.values()]
    return inference.count_assignments(np.array(starts, dtype=float))


def design(study: UserPanel, panels: int, seed: int) -> tuple[StudyResult, float]:
    """Count on this design how often each test rejects a true null.

    Errors are drawn with the correlation of the residuals from one period to the next.

    Returns
    -------
    result, correlation
    """
    within_size(study, "design")
    panel = study.unweighted
    fit = did.twfe(panel)
    residual = fit.residuals.groupby(panel.frame[study.unit])
    before = residual.shift(1)
    both = before.notna()
    correlation = float(np.corrcoef(fit.residuals[both], before[both])[0, 1])
    rho = float(np.clip(correlation, 0.0, 0.9))
    shape = size_and_power.PanelDesign.of(
        panel.frame,
        study.treatment,
        study.varying_controls,
        draws=199,
        seed=seed,
        unit=study.unit,
        time=study.time,
    )
    names = [name for name in TESTS if len(study.units) <= 60 or "bootstrap" not in name]
    result = size_and_power.study(shape, rho=rho, panels=panels, tests=names, seed=seed)
    return result, rho


# --- parts and channels ---------------------------------------------------------------------


def parts(study: UserPanel) -> dict[str, DidResult]:
    """Estimate the coefficient for each part of the outcome."""
    if not study.sub_outcomes:
        raise EstimationError("the spec names no sub_outcomes")
    return {name: did.twfe(study.settled, name) for name in study.sub_outcomes}


def several(study: UserPanel, draws: int, seed: int) -> MultipleTestingResult:
    """Adjust the parts' p values for their number by Romano and Wolf's step-down."""
    if len(study.sub_outcomes) < 2:
        raise EstimationError("the spec names fewer than two sub_outcomes")
    panel = study.unweighted
    return inference.romano_wolf(
        panel, list(study.sub_outcomes), study.treatment, seed=seed, draws=draws
    )
