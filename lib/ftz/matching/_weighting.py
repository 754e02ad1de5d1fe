"""Weighting instead of matching: inverse probability, and doubly robust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz._results import EffectResult
from ftz.errors import EstimationError
from ftz.matching._checks import effective_size, numbers, outcomes
from ftz.matching._score import ScoreResult


@dataclass(frozen=True, kw_only=True, repr=False)
class WeightingResult(EffectResult):
    """An average effect by weighting.

    Attributes
    ----------
    params, std_errors : pandas.Series
        One entry, ``ATT`` or ``ATE``, in units of the outcome; p values are normal.
    weights : pandas.Series
        What each row counts for in its group; each group's weights sum to one.
    influence : pandas.Series
        Each row's share in the estimate: the estimate's error is about their mean.
    treated : pandas.Series of bool
    """

    weights: pd.Series
    influence: pd.Series
    method: str
    treated: pd.Series

    @property
    def effective_controls(self) -> float:
        """How many equally weighted controls would be as precise (Kish 1965)."""
        return effective_size(self.weights[~self.treated].to_numpy())


def _result(
    name: str,
    effect: float,
    influence: np.ndarray,
    weights: np.ndarray,
    fit: ScoreResult,
    cluster: pd.Series | None,
    method: str,
    used: np.ndarray | None = None,
) -> WeightingResult:
    n, index = len(influence), fit.score.index
    errors, df = pd.Series(influence, index), None
    if cluster is not None:
        groups = cluster.reindex(index)
        if groups.isna().any() or groups.nunique() < 2:
            raise EstimationError("cluster must name a cluster in every row, and two at least")
        errors = errors.groupby(groups.to_numpy()).sum()
        df = len(errors) - 1
        scale = len(errors) / df
    else:
        scale = 1.0
    return WeightingResult(
        params=pd.Series({name: effect}),
        std_errors=pd.Series({name: np.sqrt(scale * (errors**2).sum()) / n}),
        nobs=n if used is None else int(used.sum()),
        df=df,
        title=f"{name} by {method}",
        weights=pd.Series(weights, index, name="weight"),
        influence=pd.Series(influence, index, name="influence"),
        method=method,
        treated=fit.treated[index],
    )


# ------------------------------------------------------- inverse probability weights


def ipw(
    outcome: pd.Series,
    fit: ScoreResult,
    *,
    estimand: str = "att",
    keep: pd.Series | None = None,
    cluster: pd.Series | None = None,
) -> WeightingResult:
    r"""Weight controls (and for the ATE everybody) by the inverse probability of their group.

    Parameters
    ----------
    outcome : pandas.Series
        Holds at least the rows of the fitted score.
    fit : ScoreResult
    estimand : {"att", "ate"}
        For the treated, controls weigh :math:`p / (1 - p)`; for everybody, treated weigh
        :math:`1/p` and controls :math:`1/(1 - p)`.  Weights are divided by their sum.
    keep : pandas.Series of bool, optional
        Rows to use, for instance :func:`common_support`; the score is not fitted anew, so
        that rows left out have a weight of zero and a part in its error.
    cluster : pandas.Series, optional
        Cluster of each row, for the standard error.

    Returns
    -------
    WeightingResult
        The standard error knows that the score was estimated (Lunceford and Davidian
        2004); with clusters it has their number over their number less one as factor,
        and a t distribution.

    Raises
    ------
    EstimationError
        Missing outcomes, unknown estimand, no treated or no controls among the kept.

    Notes
    -----
    Hirano, Imbens and Ridder (2003), normalised as Hájek does.
    """
    y, used, d, p, x, slope = _arrays(outcome, fit, keep)
    one, zero, one_slope, zero_slope = (used * w for w in _weights_of(estimand, d, p, slope))
    sides = []
    for weight, weight_slope in ((one, one_slope), (zero, zero_slope)):
        mean = weight @ y / weight.sum()
        own = weight * (y - mean)
        through_score = (weight_slope * (y - mean)) @ x
        influence = own + _score_terms(d, p, slope, x, fit) @ through_score
        sides.append((mean, influence / weight.mean()))
    weights = np.where(d == 1, one / one.sum(), zero / zero.sum())
    return _result(
        estimand.upper(),
        float(sides[0][0] - sides[1][0]),
        sides[0][1] - sides[1][1],
        weights,
        fit,
        cluster,
        "inverse probability weights",
        used,
    )


def _weights_of(
    estimand: str, d: np.ndarray, p: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the weights of treated and controls, and their slopes in the linear index."""
    one_of("estimand", estimand, ("att", "ate"))
    # Odds on controls only: a treated row's own score may be one without harm.
    rest = np.where(d == 1, 1.0, 1 - p)
    if estimand == "att":
        return d, (1 - d) * p / rest, 0 * d, (1 - d) * slope / rest**2
    _check_overlap(p)
    return d / p, (1 - d) / rest, -d * slope / p**2, (1 - d) * slope / rest**2


def _check_overlap(p: np.ndarray) -> None:
    if (p <= 0).any() or (p >= 1).any():
        count = int(((p <= 0) | (p >= 1)).sum())
        raise EstimationError(
            f"{count} rows have a score of exactly 0 or 1: no weight gives the effect on "
            "everybody there; use estimand='att', or fit on the common support"
        )


def _arrays(
    outcome: pd.Series, fit: ScoreResult, keep: pd.Series | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return outcome, who is kept, treatment, score, design and slope of all rows.

    A row that is not kept has no outcome here, and a part in the score all the same.
    """
    index = fit.score.index
    used = np.ones(len(index))
    if keep is not None:
        used = keep.reindex(index, fill_value=False).to_numpy(bool).astype(float)
    d = fit.treated.to_numpy(float)
    if not 0 < used @ d < used.sum():
        raise EstimationError("no treated or no controls among the rows that are kept")
    y = np.zeros(len(index))
    y[used == 1] = outcomes(outcome, index[used == 1]).to_numpy()
    return y, used, d, fit.score.to_numpy(), fit.design, fit.density.to_numpy()


def _score_terms(
    d: np.ndarray, p: np.ndarray, slope: np.ndarray, x: np.ndarray, fit: ScoreResult
) -> np.ndarray:
    """Return each row's part in the error of the score's coefficients, rows by coefficients."""
    spread = p * (1 - p)
    # Where the score is 0 or 1 in floats, it is right and moves nothing.
    pull = np.divide((d - p) * slope, spread, out=np.zeros_like(p), where=spread > 0)
    influence: np.ndarray = pull[:, None] * x @ fit.covariance
    return influence


# ----------------------------------------------------------------- doubly robust


def doubly_robust(
    outcome: pd.Series,
    frame: pd.DataFrame,
    covariates: Sequence[str],
    fit: ScoreResult,
    *,
    estimand: str = "att",
    method: str = "traditional",
    cluster: pd.Series | None = None,
) -> WeightingResult:
    r"""Estimate an effect by weights and a regression, one of which may be wrong.

    .. math::
        ATT &= E\Big[\Big(\frac{D}{E[D]} - \frac{w}{E[w]}\Big) (y - x'\hat\beta_0)\Big],
        \qquad w = \frac{p (1 - D)}{1 - p}, \\
        ATE &= E\Big[x'\hat\beta_1 + \frac{D (y - x'\hat\beta_1)}{p}\Big]
             - E\Big[x'\hat\beta_0 + \frac{(1 - D) (y - x'\hat\beta_0)}{1 - p}\Big],

    with :math:`\hat\beta_0` from the controls and :math:`\hat\beta_1` from the treated.

    Parameters
    ----------
    outcome : pandas.Series
        Levels, or the change between two periods: see :func:`doubly_robust_did`.
    frame : pandas.DataFrame
        Holds the covariates, on the rows of ``fit``.
    covariates : sequence of str
        Regressors of the outcome; a constant is added.
    fit : ScoreResult
        The score; ``improved`` uses its treatment and covariates and fits it anew.
    estimand : {"att", "ate"}
    method : {"traditional", "improved"}
        Maximum likelihood and least squares; or, for the ATT, the score by inverse
        probability tilting and the regression weighted by :math:`p/(1-p)`, which makes
        the standard error robust too.
    cluster : pandas.Series, optional

    Raises
    ------
    EstimationError
        Unusable input, unknown method or estimand, fewer rows of a group than
        coefficients or collinear covariates in it, a tilting that does not converge.

    Notes
    -----
    Sant'Anna and Zhao (2020) for the ATT; Robins, Rotnitzky and Zhao (1994) for the ATE,
    which is Stata's ``teffects aipw``.
    """
    one_of("method", method, ("traditional", "improved"))
    if estimand not in ("att", "ate") or (estimand, method) == ("ate", "improved"):
        raise EstimationError(f"unknown estimand {estimand!r} of method {method}: use att")
    y, _, d, p, x, slope = _arrays(outcome, fit, None)
    index = fit.score.index
    z = np.column_stack([np.ones(len(y)), numbers(frame.loc[index], list(covariates))])
    if estimand == "ate":
        _check_overlap(p)
        one, error_one = _augmented_mean(y, z, d, p, slope, x, fit)
        zero, error_zero = _augmented_mean(y, z, 1 - d, 1 - p, -slope, x, fit)
        weights = np.where(d == 1, d / p / (d / p).sum(), (1 - d) / (1 - p))
        weights[d == 0] /= weights[d == 0].sum()
        influence, name = error_one - error_zero, "augmented inverse probability weights"
        return _result("ATE", one - zero, influence, weights, fit, cluster, name)
    rest = np.where(d == 1, 1.0, 1 - p)  # odds are used on controls only
    odds = (1 - d) * p / rest if method == "traditional" else _tilting_odds(d, x)
    flat = np.ones(len(y)) if method == "traditional" else odds
    beta, bread = _group_regression(y, z, d == 0, flat)
    left = y - z @ beta
    w = (1 - d) * odds
    treated, control = d @ left / d.sum(), w @ left / w.sum()
    influence = d * (left - treated) / d.mean() - w * (left - control) / w.mean()
    if method == "traditional":
        through_score = ((1 - d) * slope / rest**2 * (left - control)) @ x / w.mean()
        influence -= _score_terms(d, p, slope, x, fit) @ through_score
        through_beta = d @ z / d.mean() - w @ z / w.mean()
        influence -= ((1 - d) * left)[:, None] * z @ (bread @ through_beta)
    weights = np.where(d == 1, d / d.sum(), w / w.sum())
    name = f"doubly robust estimation ({method})"
    return _result("ATT", float(treated - control), influence, weights, fit, cluster, name)


def _augmented_mean(
    y: np.ndarray,
    z: np.ndarray,
    d: np.ndarray,
    p: np.ndarray,
    slope: np.ndarray,
    x: np.ndarray,
    fit: ScoreResult,
) -> tuple[float, np.ndarray]:
    """Return the mean outcome if everybody were in the group ``d``, and each row's error."""
    beta, bread = _group_regression(y, z, d == 1, np.ones(len(y)))
    left = d * (y - z @ beta)
    parts = z @ beta + left / p
    mean = float(parts.mean())
    through_beta = ((1 - d / p) @ z) @ bread
    through_score = -(left * slope / p**2) @ x
    score_terms = _score_terms(fit.treated.to_numpy(float), *_of_fit(fit), x, fit)
    return mean, parts - mean + (left[:, None] * z) @ through_beta + score_terms @ through_score


def _of_fit(fit: ScoreResult) -> tuple[np.ndarray, np.ndarray]:
    return fit.score.to_numpy(), fit.density.to_numpy()


def _group_regression(
    y: np.ndarray, z: np.ndarray, rows: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients of the outcome in a group, and the inverse cross product."""
    root = np.sqrt(weight[rows])
    design = z[rows] * root[:, None]
    size = np.linalg.norm(design, axis=0)
    if len(design) < design.shape[1] or not (size > 0).all():
        raise EstimationError(f"{rows.sum()} rows of a group for {z.shape[1]} coefficients")
    if np.linalg.svd(design / size, compute_uv=False)[-1] < 1e-9:
        raise EstimationError("the covariates of the outcome are collinear within a group")
    bread = np.linalg.inv((design / size).T @ (design / size)) / np.outer(size, size)
    return bread @ (design.T @ (y[rows] * root)), bread


def _tilting_odds(d: np.ndarray, x: np.ndarray) -> np.ndarray:
    r"""Return p / (1 - p) such that weighted controls have the treated's means, exactly.

    Newton's method on the convex :math:`E[(1 - D) e^{x'\gamma} - D x'\gamma]`, whose
    gradient is the difference of the means (Graham, Pinto and Egel 2012).
    """
    gamma = np.zeros(x.shape[1])
    gamma[0] = np.log(d.sum() / (1 - d).sum())
    controls, target = x[d == 0], d @ x

    def loss(g: np.ndarray) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(controls @ g).sum() - target @ g)

    for _ in range(200):
        mass = np.exp(controls @ gamma)
        gradient = mass @ controls - target
        if np.abs(gradient).max() < 1e-10 * len(d):
            return np.exp(np.minimum(x @ gamma, 700))  # the treated's own odds are not used
        try:
            step = np.linalg.solve((controls * mass[:, None]).T @ controls, gradient)
        except np.linalg.LinAlgError:
            break
        length, here = 1.0, loss(gamma)
        while length > 1e-12 and not loss(gamma - length * step) <= here:
            length /= 2
        gamma = gamma - length * step
        if np.abs(controls @ gamma).max() > 500:  # the means cannot be reached: it runs away
            break
    raise EstimationError(
        "no weights on the controls give them the treated's means: there is no overlap; "
        "use method='traditional' on the common support"
    )


def doubly_robust_did(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    covariates: Sequence[str],
    *,
    before: int,
    after: int,
    unit: str = "city",
    time: str = "year",
    method: str = "traditional",
    link: str = "logit",
) -> WeightingResult:
    """Estimate the effect on the treated from two periods, doubly robust.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a unit and period.
    outcome : str
    treatment : str
        0/1; a unit is treated if it is 1 in ``after``, and nobody may be in ``before``.
    covariates : sequence of str
        Values of ``before``, in the score and in the regression of the change.
    before, after : int
        The two periods.
    unit, time : str
    method, link : str
        As in :func:`doubly_robust` and :func:`propensity_score`.

    Returns
    -------
    WeightingResult
        Its rows are units.

    Raises
    ------
    EstimationError
        As both functions; also a period without rows, units treated before, and fewer
        units than the covariates need.

    Notes
    -----
    Sant'Anna and Zhao (2020): in a panel the estimator is :func:`doubly_robust` on the
    change of the outcome.  Parallel trends need hold only among units alike in the
    covariates.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": list("aabbccddeeff"), "year": [1, 2] * 6})
    >>> frame["x"] = frame["city"].map(dict(zip("abcdef", [1, 2, 4, 1, 3, 4])))
    >>> frame["d"] = frame["city"].isin(["a", "b", "c"]) & (frame["year"] == 2)
    >>> frame["y"] = frame["x"] * frame["year"] + 2 * frame["d"]
    >>> round(doubly_robust_did(frame, "y", "d", ["x"], before=1, after=2).att, 6)
    2.0
    """
    from ftz.matching._score import propensity_score

    names = [outcome, treatment, *covariates]
    numbers(frame[frame[time].isin([before, after])], names)
    wide = {t: frame[frame[time] == t].set_index(unit)[names] for t in (before, after)}
    for period, rows in wide.items():
        if rows.empty or not rows.index.is_unique:
            raise EstimationError(f"{time} {period}: no rows, or a {unit} twice")
    both = wide[before].index.intersection(wide[after].index)
    early, late = wide[before].loc[both], wide[after].loc[both]
    if (early[treatment] != 0).any():
        raise EstimationError(f"a {unit} is treated in {time} {before} already: leave it out")
    change = late[outcome] - early[outcome]
    units = early[list(covariates)].assign(**{treatment: late[treatment]})
    fit = propensity_score(units, treatment, list(covariates), link)
    return doubly_robust(change, units, covariates, fit, method=method)
