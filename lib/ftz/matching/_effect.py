"""The effect on the treated, and how uncertain it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz._results import CoefficientResult, EffectResult
from ftz.errors import EstimationError
from ftz.matching import _variance as _variance
from ftz.matching._checks import outcomes
from ftz.matching._matches import Matches
from ftz.matching._score import ScoreResult

STANDARD_ERRORS = (
    "analytic",
    "abadie_imbens",
    "abadie_imbens_2016",
    "stratified",
    "cluster",
    "none",
)


@dataclass(frozen=True, kw_only=True, repr=False)
class MatchingResult(EffectResult):
    """Average effect of treatment on the treated.

    Attributes
    ----------
    params, std_errors : pandas.Series
        One entry, ``ATT``, in units of the outcome; p values are normal, but with clusters.
    mean_treated, mean_counterfactual : float
        Mean outcome of the matched treated and of their matches.
    n_treated, n_unmatched, n_controls_used : int
    method : str
        How the matches were made.
    se : str
        Which standard error.
    """

    mean_treated: float
    mean_counterfactual: float
    n_treated: int
    n_unmatched: int
    n_controls_used: int
    method: str
    se: str


def att(
    outcome: pd.Series,
    matches: Matches,
    *,
    se: str = "analytic",
    neighbours: int = 1,
    target: str = "population",
    variance: str = "sample",
    fit: ScoreResult | None = None,
    metric: str = "mahalanobis",
    cluster: pd.Series | None = None,
) -> MatchingResult:
    r"""Estimate the effect on the treated as the mean difference to their matches.

    Parameters
    ----------
    outcome : pandas.Series
        Holds at least the rows that were matched on.
    matches : Matches
    se : {"analytic", "abadie_imbens", "abadie_imbens_2016", "stratified", "cluster", "none"}
        See the notes.
    neighbours : int
        For Abadie-Imbens: nearest units of the *same* group behind the
        conditional variance; 0 assumes one variance for all.
    target : {"population", "sample"}
        For Abadie-Imbens: whether the effect's own variation between treated
        units counts as sampling error.
    variance : {"sample", "difference"}
        For Abadie-Imbens: how a unit is compared with its *J* neighbours: by the
        variance of the J + 1 outcomes, as R's Matching and Stata do, or by
        :math:`\frac{J}{J+1}(y - \bar y_J)^2`, equation (14) of the paper.  With
        one neighbour and no ties the two are the same.
    fit : ScoreResult, optional
        For ``abadie_imbens_2016``: the fitted score that was matched on.
    metric : {"mahalanobis", "inverse_variance", "euclidean"}
        For ``abadie_imbens_2016``: which distance finds :math:`\bar y^x` of the notes.
        Stata's is ``euclidean``, which depends on the units of the covariates.
    cluster : pandas.Series, optional
        For ``cluster``: the cluster of each row that was matched on.

    Raises
    ------
    EstimationError
        Missing outcomes, one matched treated unit or one used control only,
        unknown options, a correction without the fitted score.

    Notes
    -----
    *analytic*, as Stata's psmatch2 (to version 4.0.13) prints it: weights fixed,
    units independent, one variance in each group,

    .. math:: V = \frac{s_1^2}{N_1} + \frac{\sum_j w_j^2}{N_1^2}\, s_0^2 ,

    with :math:`w_j = \sum_i w_{ij}`, :math:`s_1^2` over matched treated and
    :math:`s_0^2` over the controls used.

    *abadie_imbens* (2006, theorems 6 and 7, equation 14), for a score taken as known:

    .. math::
        V_{pop} &= \frac{1}{N_1^2} \Big[ \sum_i (y_i - \hat y_{0i} - ATT)^2
                  + \sum_j \big(w_j^2 - \textstyle\sum_i w_{ij}^2\big)
                    \hat\sigma_j^2 \Big], \\
        V_{sample} &= \frac{1}{N_1^2} \Big[ \sum_i \hat\sigma_i^2
                  + \sum_j w_j^2 \hat\sigma_j^2 \Big].

    *abadie_imbens_2016* adds what estimating the score changes, with :math:`\Omega` the
    variance of its coefficients:

    .. math::
        V_{2016} &= V_{2006} - c' \Omega c + d' \Omega d, \\
        c &= \frac{1}{N_1} \sum_i f_i \Big[ x_i (\hat\mu_1 - \hat\mu_0 - ATT)
             + \widehat{cov}_1(x, y) + \frac{F_i}{1 - F_i} \widehat{cov}_0(x, y) \Big], \\
        d &= \frac{1}{N_1} \sum_i f_i x_i \big[ (2 W_i - 1)(y_i - \bar y^x_i) - ATT \big],

    where :math:`F` is the score and :math:`f` its slope in the linear index, means and
    covariances are those of the nearest in the score, and :math:`\bar y^x` is the other
    group's outcome nearest in the covariates.  For the effect on the treated the result
    may be larger or smaller.  The theorem is for k nearest neighbours; for a caliper it
    is an approximation.

    *stratified* is for :func:`stratify`: in each stratum two independent groups with
    their own variances.

    *cluster* is that of a regression of the outcome on treatment with the matching
    weights, rows of a cluster summed before squaring, with linearmodels' and Stata's
    factor and a t distribution with the clusters less one as degrees of freedom.  It takes the
    weights as fixed; with few treated clusters it is still too small.

    *none* leaves it out: one treated unit has an effect, and no standard error.

    City-years of one city are not independent, so in a panel all but *cluster* are too small.
    The bootstrap of rows is not valid for neighbours with replacement (Abadie and Imbens 2008).
    """
    y = outcomes(outcome, matches.score.index)
    treated, controls = y[matches.treated].to_numpy(), y[matches.controls].to_numpy()
    counterfactual = matches.weights @ controls
    effect, df = float(np.mean(treated - counterfactual)), None
    if se == "analytic":
        squared = _analytic(treated, controls, matches)
    elif se in ("abadie_imbens", "abadie_imbens_2016"):
        _check_abadie_imbens(se, target, fit)
        unit = _unit_variances(y, matches, neighbours, variance, effect)
        squared = _abadie_imbens(treated - counterfactual, matches, unit, target)
        if se == "abadie_imbens_2016" and fit is not None:
            squared += _variance.att_correction(y, effect, matches, fit, neighbours, metric)
    elif se == "stratified":
        squared = _stratified(y, matches)
    elif se == "cluster":
        squared, df = _clustered(y, matches, cluster)
    elif se == "none":
        squared = np.nan
    else:
        raise EstimationError(f"unknown standard error {se!r}: use {', '.join(STANDARD_ERRORS)}")
    return MatchingResult(
        params=pd.Series({"ATT": effect}),
        std_errors=pd.Series({"ATT": _root(squared)}),
        nobs=matches.n_treated + matches.n_controls_used,
        df=df,
        title=f"effect on the treated, {matches.method} matching, {se} standard error",
        mean_treated=float(treated.mean()),
        mean_counterfactual=float(counterfactual.mean()),
        n_treated=matches.n_treated,
        n_unmatched=matches.n_unmatched,
        n_controls_used=matches.n_controls_used,
        method=matches.method,
        se=se,
    )


def ate(
    outcome: pd.Series,
    to_controls: Matches,
    to_treated: Matches,
    *,
    se: str = "abadie_imbens",
    neighbours: int = 1,
    target: str = "population",
    variance: str = "sample",
    fit: ScoreResult | None = None,
) -> CoefficientResult:
    r"""Estimate the effect on everybody: each unit is compared with matches of the other group.

    Parameters
    ----------
    outcome : pandas.Series
    to_controls, to_treated : Matches
        Treated matched to controls, and controls matched to treated: the second is
        ``match(score, 1 - treated)`` with the same options.
    se : {"abadie_imbens", "abadie_imbens_2016"}
    neighbours, target, variance, fit
        As in :func:`att`.

    Returns
    -------
    CoefficientResult
        One coefficient, ``ATE``, in units of the outcome; p values are normal.

    Raises
    ------
    EstimationError
        As :func:`att`; also two matchings of different samples.

    Notes
    -----
    Abadie and Imbens (2006): with :math:`K_i` how much unit *i* serves and
    :math:`K'_i` the sum of its squared weights,

    .. math::
        V_{pop} &= \frac{1}{N^2} \sum_i \big[ (\hat\tau_i - ATE)^2
                   + (K_i^2 + 2 K_i - K'_i) \hat\sigma_i^2 \big], \\
        V_{sample} &= \frac{1}{N^2} \sum_i (1 + K_i)^2 \hat\sigma_i^2 .

    Stata's ``teffects psmatch`` is the 2016 standard error with one neighbour.
    """
    _check_abadie_imbens(se, target, fit)
    sides = (to_controls, to_treated)
    if not to_controls.controls.equals(_offered(to_treated)) or not to_treated.controls.equals(
        _offered(to_controls)
    ):
        raise EstimationError("the two matchings must be of one sample, with the groups exchanged")
    y = outcomes(outcome, to_controls.score.index)
    effects, means = pd.Series(np.nan, y.index), []
    for sign, side in zip((1, -1), sides, strict=True):
        gap = y[side.treated].to_numpy() - side.weights @ y[side.controls].to_numpy()
        effects[side.treated] = sign * gap
        means.append(sign * gap.mean())
    matched = effects.notna()
    effect, n = float(effects[matched].mean()), int(matched.sum())
    squared = 0.0 if target == "sample" else float(((effects[matched] - effect) ** 2).sum())
    for sign, side, other in zip((1, -1), sides, sides[::-1], strict=True):
        unit = _unit_variances(y, side, neighbours, variance, sign * effect, other)[1]
        total, squares = _served(side)
        if target == "sample":
            own = matched[side.controls].to_numpy()
            squared += float(((own + total) ** 2 * unit).sum())
        else:
            squared += float(((total**2 + 2 * total - squares) * unit).sum())
    squared /= n**2
    if se == "abadie_imbens_2016" and fit is not None:
        squared += _variance.ate_correction(y, to_controls, fit, neighbours)
    return CoefficientResult(
        params=pd.Series({"ATE": effect}),
        std_errors=pd.Series({"ATE": _root(squared)}),
        nobs=n,
        title=f"effect on everybody, {to_controls.method} matching, {se} standard error",
    )


def _offered(matches: Matches) -> pd.Index:
    """Return the units that looked for a match, in the order of the rows."""
    return matches.score.index[matches.score.index.isin(matches.treated.union(matches.unmatched))]


def _check_abadie_imbens(se: str, target: str, fit: ScoreResult | None) -> None:
    if se not in ("abadie_imbens", "abadie_imbens_2016"):
        raise EstimationError(
            f"unknown standard error {se!r}: use abadie_imbens or abadie_imbens_2016"
        )
    one_of("target", target, ("population", "sample"))
    if se == "abadie_imbens_2016" and fit is None:
        raise EstimationError(
            "abadie_imbens_2016 corrects for an estimated score: pass fit=, the fitted score"
        )


def _root(squared: float) -> float:
    if squared < 0:
        raise EstimationError(
            "the correction for the estimated score exceeds the variance itself: "
            "the sample is too small for it; use abadie_imbens"
        )
    return float(np.sqrt(squared))


def _analytic(treated: np.ndarray, controls: np.ndarray, matches: Matches) -> float:
    weights = matches.control_weights.to_numpy()
    used = controls[weights > 0]
    if len(treated) < 2 or len(used) < 2:
        raise EstimationError(
            f"{len(treated)} matched treated and {len(used)} used controls: "
            "a variance needs two of each"
        )
    n = len(treated)
    return float(treated.var(ddof=1) / n + (weights**2).sum() / n**2 * used.var(ddof=1))


def _served(matches: Matches) -> tuple[np.ndarray, np.ndarray]:
    """Return how much each offered control serves, and the sum of its squared weights."""
    total = np.asarray(matches.weights.sum(axis=0)).ravel()
    return total, np.asarray(matches.weights.multiply(matches.weights).sum(axis=0)).ravel()


def _unit_variances(
    y: pd.Series,
    matches: Matches,
    neighbours: int,
    form: str,
    effect: float,
    other: Matches | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the conditional variances of treated and of offered controls."""
    if neighbours == 0:
        squares, n = _variance.common_variance(y, matches, effect), matches.n_treated
        if other is not None:
            squares += _variance.common_variance(y, other, -effect)
            n += other.n_treated
        one = 0.5 * squares / n
        return np.full(matches.n_treated, one), np.full(len(matches.controls), one)
    both = [
        _variance.conditional_variance(
            y[labels].to_numpy(), matches.positions(labels), neighbours, form, matches.tie
        )
        for labels in (matches.treated, matches.controls)
    ]
    return both[0], both[1]


def _abadie_imbens(
    effects: np.ndarray, matches: Matches, unit: tuple[np.ndarray, np.ndarray], target: str
) -> float:
    n, (of_treated, of_controls) = len(effects), unit
    total, squares = _served(matches)
    if target == "sample":
        return float((of_treated.sum() + (total**2 * of_controls).sum()) / n**2)
    spread = np.sum((effects - effects.mean()) ** 2)
    return float((spread + ((total**2 - squares) * of_controls).sum()) / n**2)


def _clustered(y: pd.Series, matches: Matches, cluster: pd.Series | None) -> tuple[float, int]:
    """Return the variance of the weighted difference of means by clusters, and its freedom."""
    weights = matches.sample_weights
    weights = weights[weights > 0]
    if cluster is None or cluster.reindex(weights.index).isna().any():
        raise EstimationError("the standard error cluster needs cluster=, for every row matched")
    groups = cluster.reindex(weights.index).to_numpy()
    on = weights.index.isin(matches.treated)
    values, w, n = y[weights.index].to_numpy(), weights.to_numpy(), matches.n_treated
    share = np.where(on, 1 / n, -w / w[~on].sum())
    means = np.where(on, values[on].mean(), np.average(values[~on], weights=w[~on]))
    sums = pd.Series(share * (values - means)).groupby(groups).sum()
    clusters = len(sums)
    if clusters < 2:
        raise EstimationError("one cluster only: no standard error by clusters")
    factor = clusters / (clusters - 1) * (len(w) - 1) / (len(w) - 2)
    return float(factor * (sums**2).sum()), clusters - 1


def _stratified(y: pd.Series, matches: Matches) -> float:
    if matches.strata is None:
        raise EstimationError("the stratified standard error is for stratify()")
    squared = 0.0
    of_treated, of_controls = matches.strata[matches.treated], matches.strata[matches.controls]
    for stratum in sorted(set(of_treated)):
        labels = matches.treated[of_treated == stratum]
        ones, zeros = y[labels], y[matches.controls[of_controls == stratum]]
        if len(ones) < 2 or len(zeros) < 2:
            raise EstimationError(
                f"stratum {stratum} has {len(ones)} treated and {len(zeros)} controls: "
                "a variance needs two of each; use fewer strata"
            )
        share = len(ones) / matches.n_treated
        squared += share**2 * (ones.var() / len(ones) + zeros.var() / len(zeros))
    return squared
