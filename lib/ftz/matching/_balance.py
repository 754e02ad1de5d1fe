"""Balance: whether the matched groups are alike, in each covariate and in all together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.matching._checks import as_groups, binary, effective_size, numbers
from ftz.matching._matches import Matches

SCALES = ("pooled", "treated", "control")


def balance(
    frame: pd.DataFrame,
    covariates: Sequence[str],
    treated: pd.Series,
    weights: Matches | pd.Series,
    scale: str = "pooled",
) -> pd.DataFrame:
    """Compare treated and controls before and after matching, covariate by covariate.

    Parameters
    ----------
    frame : pandas.DataFrame
        All rows before matching.
    covariates : sequence of str
    treated : pandas.Series of 0/1
        On the frame's index.
    weights : Matches or pandas.Series
        What each row counts for after matching; rows that are absent count zero.
    scale : {"pooled", "treated", "control"}
        Standard deviation under the differences, always from before matching, so
        that a difference shrinks only if the means approach: the root of the two
        groups' mean variance (Rosenbaum and Rubin 1985) or one group's own.

    Returns
    -------
    pandas.DataFrame
        Indexed by covariate; columns (``before`` | ``after``) by (``treated``,
        ``control``: means; ``std_difference``; ``variance_ratio``: treated over
        control; ``ks``: largest distance of the two weighted distribution functions,
        the statistic of Kolmogorov and Smirnov).

    Raises
    ------
    EstimationError
        Unusable input, unknown scale, or no weight left in a group.
    """
    covariates = list(covariates)
    values = numbers(frame, covariates)
    status = as_groups(treated.reindex(frame.index)).to_numpy()
    after = _after(frame, weights, status)
    spreads = values[status].var(axis=0, ddof=1), values[~status].var(axis=0, ddof=1)
    one_of("scale", scale, SCALES)
    square = {"pooled": np.mean(spreads, axis=0), "treated": spreads[0], "control": spreads[1]}
    sd = np.sqrt(square[scale])
    blocks = {}
    for when, weight in (("before", np.ones(len(frame))), ("after", after)):
        mean_t, var_t = _weighted_moments(values[status], weight[status])
        mean_c, var_c = _weighted_moments(values[~status], weight[~status])
        blocks[when] = pd.DataFrame(
            {
                "treated": mean_t,
                "control": mean_c,
                "std_difference": _ratio(mean_t - mean_c, sd),
                "variance_ratio": _ratio(var_t, var_c),
                "ks": [_ks(column, status, weight) for column in values.T],
            },
            index=pd.Index(covariates, name="covariate"),
        )
    return pd.concat(blocks, axis=1)


def _after(frame: pd.DataFrame, weights: Matches | pd.Series, status: np.ndarray) -> np.ndarray:
    sample = weights.sample_weights if isinstance(weights, Matches) else weights
    after = sample.reindex(frame.index).fillna(0.0).to_numpy(float)
    if not after[status].sum() > 0 or not after[~status].sum() > 0:
        raise EstimationError("no treated or no controls carry weight after matching")
    return after


def _weighted_moments(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances; the n - 1 counts rows that carry weight."""
    share, n = weights / weights.sum(), np.count_nonzero(weights)
    mean = share @ values
    correction = n / (n - 1) if n > 1 else np.nan
    return mean, correction * (share @ (values - mean) ** 2)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
    return ratio


def _ks(values: np.ndarray, status: np.ndarray, weights: np.ndarray) -> float:
    """Return the largest distance between two weighted distribution functions, in [0, 1]."""
    order = np.argsort(values, kind="stable")
    step = np.where(status, weights / weights[status].sum(), -weights / weights[~status].sum())
    path = np.cumsum(step[order])
    last_of_its_value = np.append(np.diff(values[order]) > 0, True)
    return float(np.abs(path[last_of_its_value]).max())


def overall_balance(
    frame: pd.DataFrame,
    covariates: Sequence[str],
    treatment: str,
    weights: Matches | pd.Series,
    link: str = "logit",
) -> pd.DataFrame:
    """Ask whether all covariates together still tell treated from controls.

    The score is fitted again on the weighted sample.  After good matching it explains
    nothing: a pseudo R squared near zero and a small likelihood-ratio statistic.

    Parameters
    ----------
    frame : pandas.DataFrame
    covariates : sequence of str
    treatment : str
        Column of 0 and 1.
    weights : Matches or pandas.Series
        What each row counts for after matching.
    link : {"logit", "probit"}

    Returns
    -------
    pandas.DataFrame
        Rows ``before`` and ``after``; columns ``pseudo_r2``, ``lr_statistic``,
        ``lr_pvalue``, ``mean_bias`` and ``median_bias`` (absolute standardised
        differences in per cent), ``rubin_b`` (the linear index's, in per cent) and
        ``rubin_r`` (the ratio of its variances), ``effective_treated`` and
        ``effective_controls``.

    Raises
    ------
    EstimationError
        As :func:`propensity_score`, on the sample before or after; so also where the
        covariates separate the matched groups.

    Notes
    -----
    The figures of Stata's ``pstest``.  Rubin (2001) asks for B below 25 per cent and R
    between one half and two.  Matched rows are no random sample and their weights no
    counts: read the p value after matching as a description.
    """
    covariates = list(covariates)
    status = binary(frame, treatment).to_numpy()
    after = _after(frame, weights, status)
    table = balance(frame, covariates, binary(frame, treatment), pd.Series(after, frame.index))
    rows = {}
    for when, weight in (("before", np.ones(len(frame))), ("after", after)):
        used = weight > 0
        likelihoods, index = _weighted_fit(frame[used], covariates, treatment, weight[used], link)
        group, mass = status[used], weight[used]
        mean_t, var_t = _weighted_moments(index[group, None], mass[group])
        mean_c, var_c = _weighted_moments(index[~group, None], mass[~group])
        statistic = 2 * (likelihoods[0] - likelihoods[1])
        gaps = 100 * table[when]["std_difference"].abs()
        rows[when] = {
            "pseudo_r2": 1 - likelihoods[0] / likelihoods[1],
            "lr_statistic": statistic,
            "lr_pvalue": float(stats.chi2.sf(statistic, len(covariates))),
            "mean_bias": gaps.mean(),
            "median_bias": gaps.median(),
            "rubin_b": 100 * abs(_ratio(mean_t - mean_c, np.sqrt((var_t + var_c) / 2))[0]),
            "rubin_r": _ratio(var_t, var_c)[0],
            "effective_treated": effective_size(mass[group]),
            "effective_controls": effective_size(mass[~group]),
        }
    return pd.DataFrame(rows).T


def _weighted_fit(
    frame: pd.DataFrame, covariates: list[str], treatment: str, weight: np.ndarray, link: str
) -> tuple[tuple[float, float], np.ndarray]:
    """Return log likelihoods (model, constant) and the linear index of a weighted fit."""
    import statsmodels.api as sm

    from ftz.matching._score import propensity_score

    start = propensity_score(frame, treatment, covariates, link)  # refuses what has no maximum
    links = {"logit": sm.families.links.Logit(), "probit": sm.families.links.Probit()}
    family = sm.families.Binomial(link=links[link])
    y = frame[treatment].to_numpy(float)
    model = sm.GLM(y, start.design, family=family, freq_weights=weight).fit(tol=1e-12)
    share = np.average(y, weights=weight)
    null = weight.sum() * (share * np.log(share) + (1 - share) * np.log(1 - share))
    return (float(model.llf), float(null)), start.design @ model.params
