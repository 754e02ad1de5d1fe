r"""Propensity-score matching: score, common support, matches, effect, balance.

The parameter is the average effect of treatment on the treated, equation (2) of
Yan, Ye and Wang,

.. math:: ATT = \frac{1}{N_1} \sum_{i: D_i = 1} (y_i - \hat y_{0i}),
          \qquad \hat y_{0i} = \sum_{j: D_j = 0} w_{ij} y_j ,

where every row of the weights :math:`w` sums to one.  All methods of this room
are one idea: a treated unit uses the controls inside an interval around its
score, with equal weights.  They differ in the interval's half-width, the
*radius*.  Controls may serve more than once, and all controls at the same
distance are used, so that no estimate depends on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats

from ftz.errors import EstimationError
from ftz.results import CoefficientResult

METHODS = ("k_nearest", "caliper", "k_nearest_in_caliper")

#: Distances that differ by less are one distance: scores carry rounding errors.
TIE = 1e-12


# --------------------------------------------------------------------------- score


@dataclass(frozen=True, kw_only=True, repr=False)
class ScoreResult(CoefficientResult):
    """A fitted model of treatment status.

    Attributes
    ----------
    link : str
        ``logit`` or ``probit``.
    treated : pandas.Series of bool
        Treatment status, on the frame's index.
    score : pandas.Series
        Estimated probability of treatment, strictly between 0 and 1.
    linear_index : pandas.Series
        The score before the link: log odds for the logit.
    llf, llnull : float
        Log likelihood of the model and of the constant alone.
    """

    link: str
    treated: pd.Series
    score: pd.Series
    linear_index: pd.Series
    llf: float
    llnull: float

    @property
    def pseudo_r2(self) -> float:
        """McFadden's pseudo R squared."""
        return 1 - self.llf / self.llnull

    @property
    def lr_statistic(self) -> float:
        """Likelihood-ratio statistic that no covariate predicts treatment."""
        return 2 * (self.llf - self.llnull)

    @property
    def lr_pvalue(self) -> float:
        """Its chi-squared p value; degrees of freedom are the covariates."""
        return float(stats.chi2.sf(self.lr_statistic, len(self.params) - 1))


def propensity_score(
    frame: pd.DataFrame, treatment: str, covariates: Sequence[str], link: str = "logit"
) -> ScoreResult:
    """Estimate the probability of treatment given covariates by maximum likelihood.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a unit (here a city-year); n rows, an index without duplicates.
    treatment : str
        Column of 0 and 1.
    covariates : sequence of str
        Numeric columns; a constant is added.
    link : {"logit", "probit"}

    Returns
    -------
    ScoreResult
        Coefficients in units of the linear index per unit of the covariate.

    Raises
    ------
    EstimationError
        Missing columns or values, treatment that is not 0/1, no treated or no
        controls, a constant covariate, collinear covariates, or covariates that
        separate treated from controls, where no maximum exists.

    Notes
    -----
    Rosenbaum and Rubin (1983); Yan, Ye and Wang use the logit.  The likelihood is
    maximised on standardised covariates and mapped back, because powers of a
    covariate in raw units spoil the Hessian.
    """
    import statsmodels.api as sm

    models = {"logit": sm.Logit, "probit": sm.Probit}
    if link not in models:
        raise EstimationError(f"unknown link {link!r}: use {' or '.join(models)}")
    covariates = list(covariates)
    treated = _binary(frame, treatment)
    raw = _numbers(frame, covariates)
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    _check_covariates(raw, scale, covariates)
    design = np.column_stack([np.ones(len(raw)), (raw - centre) / scale])
    fit = _maximise(models[link], treated.to_numpy(float), design, treatment)

    back = np.diag(np.r_[1.0, 1 / scale])
    back[0, 1:] = -centre / scale
    names = ["const", *covariates]
    index = pd.Series(design @ fit.params, frame.index, name="linear_index")
    return ScoreResult(
        params=pd.Series(back @ fit.params, names),
        std_errors=pd.Series(np.sqrt(np.diag(back @ fit.cov_params() @ back.T)), names),
        nobs=len(frame),
        title=f"{link} of {treatment} on {', '.join(covariates)}",
        link=link,
        treated=treated,
        score=pd.Series(fit.predict(), frame.index, name="score"),
        linear_index=index,
        llf=float(fit.llf),
        llnull=float(fit.llnull),
    )


def _maximise(model: type, treated: np.ndarray, design: np.ndarray, treatment: str):
    """Run Newton's method; tell a separated sample from a merely extreme score."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = model(treated, design).fit(method="newton", maxiter=100, disp=0)
        except np.linalg.LinAlgError:
            fit = None
    fitted = fit is not None and fit.mle_retvals["converged"]
    extreme = not fitted or np.min(np.minimum(fit.predict(), 1 - fit.predict())) < 1e-8
    if extreme and _separated(treated, design):
        raise EstimationError(
            f"the covariates separate {treatment} = 1 from {treatment} = 0: the likelihood "
            "has no maximum, so there is no score; drop a covariate or widen the sample"
        )
    if not fitted:
        raise EstimationError(f"the likelihood of {treatment} did not converge")
    return fit


def _separated(treated: np.ndarray, design: np.ndarray) -> bool:
    """Say whether some index classifies without error (Albert and Anderson 1984).

    The linear programme maximises the sum of the margins, each held in [0, 1];
    its value is positive exactly when the sample is (quasi-)separated.
    """
    from scipy.optimize import linprog

    margin = np.where(treated[:, None] == 1, design, -design)
    bounds = np.r_[np.ones(len(margin)), np.zeros(len(margin))]
    answer = linprog(
        -margin.sum(axis=0),
        A_ub=np.vstack([margin, -margin]),
        b_ub=bounds,
        bounds=(None, None),
        method="highs",
    )
    return bool(answer.status == 0 and -answer.fun > 1e-6)


def _binary(frame: pd.DataFrame, treatment: str) -> pd.Series:
    values = pd.Series(_numbers(frame, [treatment])[:, 0], frame.index, name=treatment)
    return _as_groups(values)


def _as_groups(treated: pd.Series) -> pd.Series:
    """Return treatment status as bool; refuse other values and empty groups."""
    if treated.isna().any() or not treated.isin([0, 1]).all():
        raise EstimationError("treatment status must be 0 or 1 in every row")
    status = treated.astype(bool)
    if status.all() or not status.any():
        raise EstimationError(f"no {'controls' if status.any() else 'treated'} in the sample")
    if not status.index.is_unique:
        raise EstimationError("the index has duplicates: reset_index() before matching")
    return status


def _numbers(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise EstimationError(f"the frame has no column {', '.join(missing)}")
    values = frame[list(columns)].to_numpy(float)
    bad = [c for c, ok in zip(columns, np.isfinite(values).all(axis=0), strict=True) if not ok]
    if bad:
        raise EstimationError(f"missing or infinite values in {', '.join(bad)}")
    return values


def _check_covariates(raw: np.ndarray, scale: np.ndarray, names: Sequence[str]) -> None:
    if not names:
        raise EstimationError("a propensity score needs at least one covariate")
    for name, spread, size in zip(names, scale, np.abs(raw).max(axis=0), strict=True):
        if spread <= 1e-12 * max(size, 1e-300):
            raise EstimationError(f"{name} is constant: it cannot predict treatment")
    if np.linalg.svd((raw - raw.mean(axis=0)) / scale, compute_uv=False)[-1] < 1e-8:
        raise EstimationError(f"{', '.join(names)} are collinear")


# ------------------------------------------------------------------------- support


def common_support(score: pd.Series, treated: pd.Series, rule: str = "minmax") -> pd.Series:
    """Say which rows lie where treated and controls overlap.

    Parameters
    ----------
    score : pandas.Series
        Score or linear index.
    treated : pandas.Series of 0/1
        On the same index.
    rule : str
        ``"minmax"`` keeps the scores inside both groups' ranges (Dehejia and
        Wahba 1999); ``"treated_minmax"`` drops only the treated outside the
        controls' range, as psmatch2's ``common``; ``"crump"`` keeps the scores in
        [a, 1 - a] with the *a* that minimises the variance bound of Crump, Hotz,
        Imbens and Mitnik (2009); ``"none"`` keeps all.

    Returns
    -------
    pandas.Series of bool

    Raises
    ------
    EstimationError
        Unknown rule, unusable input, or a support without treated or controls.
    """
    score, status = _aligned(score, treated)
    low_t, high_t = score[status].min(), score[status].max()
    low_c, high_c = score[~status].min(), score[~status].max()
    if rule == "minmax":
        keep = score.between(max(low_t, low_c), min(high_t, high_c))
    elif rule == "treated_minmax":
        keep = ~status | score.between(low_c, high_c)
    elif rule == "crump":
        cut = crump_cutoff(score)
        keep = score.between(cut, 1 - cut)
    elif rule == "none":
        keep = pd.Series(True, score.index)
    else:
        raise EstimationError(
            f"unknown support rule {rule!r}: use minmax, treated_minmax, crump or none"
        )
    if not keep[status].any() or not keep[~status].any():
        raise EstimationError(f"the rule {rule} leaves no treated or no controls: no overlap")
    return keep.rename("support")


def crump_cutoff(score: pd.Series) -> float:
    """Return the optimal trimming point *a* of Crump et al. (2009), in [0, 1/2).

    Zero where trimming cannot lower the variance bound.  Their rule of thumb is 0.1.
    """
    values = np.asarray(score, float)
    if not ((values > 0) & (values < 1)).all():
        raise EstimationError("the rule crump needs probabilities strictly between 0 and 1")
    inverse_variance = np.sort(1 / (values * (1 - values)))
    means = np.cumsum(inverse_variance) / np.arange(1, len(values) + 1)
    inside = inverse_variance <= 2 * means
    if inside.all():
        return 0.0
    # The bound 2 E[g | g <= gamma] is a step function of gamma: take its last fixed point.
    gamma = 2 * means[np.flatnonzero(inside)[-1]]
    return float(0.5 - np.sqrt(0.25 - 1 / gamma))


def caliper_width(value: float, score: pd.Series, unit: str = "score") -> float:
    """Return a caliper in the units of ``score``.

    Parameters
    ----------
    value : float
        The caliper as a paper states it.
    score : pandas.Series
        What is matched on: pass the score or the linear index.
    unit : {"score", "sd"}
        Whether ``value`` counts units of ``score`` or its standard deviations.

    Raises
    ------
    EstimationError
        A caliper that is not positive, or an unknown unit.
    """
    if not value > 0:
        raise EstimationError(f"a caliper must be positive, not {value}")
    if unit == "score":
        return float(value)
    if unit == "sd":
        return float(value * np.std(np.asarray(score, float), ddof=1))
    raise EstimationError(f"unknown caliper unit {unit!r}: use score or sd")


def _aligned(score: pd.Series, treated: pd.Series) -> tuple[pd.Series, pd.Series]:
    status = _as_groups(treated)
    if not score.index.equals(status.index):
        raise EstimationError("score and treatment status stand on different indexes")
    if not np.isfinite(score.to_numpy(float)).all():
        raise EstimationError("missing or infinite scores")
    return score.astype(float), status


# ------------------------------------------------------------------------- matches


@dataclass(frozen=True, kw_only=True)
class Matches:
    """Which controls stand in for which treated unit.

    Attributes
    ----------
    weights : scipy.sparse.csr_array
        Matched treated by controls; every row sums to one.
    treated, controls : pandas.Index
        Labels of the rows and columns of ``weights``; ``controls`` are all that
        were offered, used or not.
    unmatched : pandas.Index
        Treated units without a control inside the caliper: dropped.
    score : pandas.Series
        What was matched on.
    method : str
    k : int or None
    caliper : float or None
        In units of ``score``.
    """

    weights: sparse.csr_array
    treated: pd.Index
    controls: pd.Index
    unmatched: pd.Index
    score: pd.Series
    method: str
    k: int | None
    caliper: float | None

    @property
    def n_treated(self) -> int:
        """Treated units with at least one match."""
        return len(self.treated)

    @property
    def n_unmatched(self) -> int:
        """Treated units dropped for want of a match."""
        return len(self.unmatched)

    @property
    def n_controls_used(self) -> int:
        """Controls that serve at least once."""
        return int((self.control_weights > 0).sum())

    @property
    def control_weights(self) -> pd.Series:
        """How much each offered control serves; sums to the matched treated."""
        return pd.Series(np.asarray(self.weights.sum(axis=0)).ravel(), self.controls)

    @property
    def sample_weights(self) -> pd.Series:
        """One for each matched treated unit, ``control_weights`` for controls, else zero."""
        ones = pd.Series(1.0, self.treated)
        zeros = pd.Series(0.0, self.unmatched)
        return pd.concat([ones, zeros, self.control_weights]).reindex(self.score.index)

    @property
    def pairs(self) -> pd.DataFrame:
        """One row a pair: treated, control, weight, distance."""
        cells = self.weights.tocoo()
        treated, controls = self.treated[cells.row], self.controls[cells.col]
        distance = np.abs(self.score[treated].to_numpy() - self.score[controls].to_numpy())
        return pd.DataFrame(
            {"treated": treated, "control": controls, "weight": cells.data, "distance": distance}
        )

    def __repr__(self) -> str:
        setting = ", ".join(
            f"{name} = {value:.4g}"
            for name, value in (("k", self.k), ("caliper", self.caliper))
            if value is not None
        )
        return (
            f"{self.method} matching ({setting}): {self.n_treated} treated matched, "
            f"{self.n_unmatched} dropped, {self.n_controls_used} of {len(self.controls)} "
            f"controls used"
        )


def match(
    score: pd.Series,
    treated: pd.Series,
    *,
    method: str = "k_nearest",
    k: int | None = None,
    caliper: float | None = None,
    tie: float = TIE,
) -> Matches:
    """Match treated units to controls on a scalar, with replacement and shared ties.

    Parameters
    ----------
    score : pandas.Series
        Score or linear index: the distance is its absolute difference.
    treated : pandas.Series of 0/1
        On the same index.
    method : {"k_nearest", "caliper", "k_nearest_in_caliper"}
        The k nearest controls; all controls within the caliper (radius
        matching); the k nearest among those.
    k : int, optional
        Neighbours, for both nearest-neighbour methods; 1 if not given.
    caliper : float, optional
        Largest distance, in units of ``score``: see :func:`caliper_width`.
    tie : float
        Distances that differ by less are equal, from each other and from the
        caliper; relative to the largest score in absolute value if that exceeds one.

    Returns
    -------
    Matches

    Raises
    ------
    EstimationError
        Unusable input, arguments that the method needs or has no use for, more
        neighbours than controls, or no treated unit with a match.

    Notes
    -----
    All controls at the distance of the k-th neighbour are used, k or more, so
    that neither the order of the rows nor a seed decides (as ``ties = TRUE`` of
    R's Matching).  The search sorts once and costs n log n.
    """
    k = _check_settings(method, k, caliper)
    score, status = _aligned(score, treated)
    pool, queries = score[~status].to_numpy(), score[status].to_numpy()
    if k is not None and k > len(pool):
        raise EstimationError(f"{k} neighbours asked for, {len(pool)} controls in the sample")
    order = np.argsort(pool, kind="stable")
    weights, counts = _interval_weights(
        queries, pool, order, _radius(queries, pool[order], k, caliper, tie)
    )
    matched = counts > 0
    if not matched.any():
        raise EstimationError(f"no treated unit has a control within the caliper {caliper:.4g}")
    labels = score.index[status]
    return Matches(
        weights=weights[np.flatnonzero(matched)],
        treated=labels[matched],
        controls=score.index[~status],
        unmatched=labels[~matched],
        score=score,
        method=method,
        k=k,
        caliper=caliper,
    )


def _check_settings(method: str, k: int | None, caliper: float | None) -> int | None:
    """Return k, 1 where it is needed and not given; refuse what the method does not use."""
    if method not in METHODS:
        raise EstimationError(f"unknown method {method!r}: use {', '.join(METHODS)}")
    if ("caliper" in method) != (caliper is not None):
        word = "needs a" if "caliper" in method else "takes no"
        raise EstimationError(f"{method} {word} caliper")
    if caliper is not None and not caliper > 0:
        raise EstimationError(f"a caliper must be positive, not {caliper}")
    if method == "caliper":
        if k is not None:
            raise EstimationError("caliper takes no k: use k_nearest_in_caliper")
        return None
    if k is not None and (k < 1 or k != int(k)):
        raise EstimationError(f"k must be a whole number from 1, not {k}")
    return 1 if k is None else int(k)


def _radius(
    queries: np.ndarray, pool: np.ndarray, k: int | None, caliper: float | None, tie: float = TIE
) -> np.ndarray:
    """Return how far each query looks into the sorted pool."""
    reach = np.inf if k is None else _kth_distance(queries, pool, k)
    within = np.full(len(queries), np.inf if caliper is None else caliper)
    return np.minimum(reach, within) + tie * max(1.0, np.abs(pool).max())


def _kth_distance(queries: np.ndarray, pool: np.ndarray, k: int) -> np.ndarray:
    """Return the distance to the k-th nearest point of a sorted pool.

    The k nearest are neighbours in the sorted pool: *a* of them below the query
    and k - a above it.  The k-th distance is the smallest, over a, of the larger
    of the two ends' distances.
    """
    padded = np.r_[np.full(k, -np.inf), pool, np.full(k, np.inf)]
    place = np.searchsorted(pool, queries) + k
    best = np.full(len(queries), np.inf)
    for below in range(k + 1):
        reach = np.zeros(len(queries))
        if below > 0:
            reach = queries - padded[place - below]
        if below < k:
            reach = np.maximum(reach, padded[place + k - below - 1] - queries)
        best = np.minimum(best, reach)
    return best


def _interval_weights(
    queries: np.ndarray, pool: np.ndarray, order: np.ndarray, radius: np.ndarray
) -> tuple[sparse.csr_array, np.ndarray]:
    """Return equal weights on the pool within each query's radius, and their counts."""
    ranked = pool[order]
    first = np.searchsorted(ranked, queries - radius, side="left")
    counts = np.searchsorted(ranked, queries + radius, side="right") - first
    pointer = np.r_[0, np.cumsum(counts)]
    columns = order[np.arange(pointer[-1]) + np.repeat(first - pointer[:-1], counts)]
    values = np.repeat(1 / np.maximum(counts, 1), counts)
    shape = (len(queries), len(pool))
    return sparse.csr_array((values, columns, pointer), shape=shape), counts


# -------------------------------------------------------------------------- effect


@dataclass(frozen=True, kw_only=True, repr=False)
class AttResult(CoefficientResult):
    """Average effect of treatment on the treated.

    Attributes
    ----------
    params, std_errors : pandas.Series
        One entry, ``ATT``, in units of the outcome; p values are normal.
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

    @property
    def att(self) -> float:
        """The estimate."""
        return float(self.params["ATT"])

    @property
    def std_error(self) -> float:
        """Its standard error."""
        return float(self.std_errors["ATT"])

    @property
    def t(self) -> float:
        """Estimate over standard error."""
        return self.att / self.std_error

    @property
    def p(self) -> float:
        """Two-sided normal p value."""
        return float(self.pvalues["ATT"])


def att(
    outcome: pd.Series,
    matches: Matches,
    *,
    se: str = "analytic",
    neighbours: int = 1,
    target: str = "population",
) -> AttResult:
    r"""Estimate the effect on the treated as the mean difference to their matches.

    Parameters
    ----------
    outcome : pandas.Series
        Holds at least the rows that were matched on.
    matches : Matches
    se : {"analytic", "abadie_imbens"}
        See the notes.
    neighbours : int
        For Abadie-Imbens: nearest units of the *same* group behind the
        conditional variance; 0 assumes one variance for all.
    target : {"population", "sample"}
        For Abadie-Imbens: whether the effect's own variation between treated
        units counts as sampling error.

    Returns
    -------
    AttResult

    Raises
    ------
    EstimationError
        Missing outcomes, one matched treated unit or one used control only,
        unknown options.

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
                  + \sum_j w_j^2 \hat\sigma_j^2 \Big],

    where :math:`\hat\sigma^2 = \frac{J}{J+1}(y - \bar y_J)^2` compares a unit with its
    *J* nearest in its own group.  City-years of one city are not independent, so
    in a panel both are too small.
    """
    y = outcome.reindex(matches.score.index).astype(float)
    if not np.isfinite(y.to_numpy()).all():
        raise EstimationError("missing or infinite outcomes among the rows that were matched")
    treated, controls = y[matches.treated].to_numpy(), y[matches.controls].to_numpy()
    counterfactual = matches.weights @ controls
    effect = float(np.mean(treated - counterfactual))
    if se == "analytic":
        variance = _analytic_variance(treated, controls, matches)
    elif se == "abadie_imbens":
        variance = _abadie_imbens(y, treated - counterfactual, matches, neighbours, target)
    else:
        raise EstimationError(f"unknown standard error {se!r}: use analytic or abadie_imbens")
    return AttResult(
        params=pd.Series({"ATT": effect}),
        std_errors=pd.Series({"ATT": np.sqrt(variance)}),
        nobs=matches.n_treated + matches.n_controls_used,
        title=f"effect on the treated, {matches.method} matching, {se} standard error",
        mean_treated=float(treated.mean()),
        mean_counterfactual=float(counterfactual.mean()),
        n_treated=matches.n_treated,
        n_unmatched=matches.n_unmatched,
        n_controls_used=matches.n_controls_used,
        method=matches.method,
        se=se,
    )


def _analytic_variance(treated: np.ndarray, controls: np.ndarray, matches: Matches) -> float:
    weights = matches.control_weights.to_numpy()
    used = controls[weights > 0]
    if len(treated) < 2 or len(used) < 2:
        raise EstimationError(
            f"{len(treated)} matched treated and {len(used)} used controls: "
            "a variance needs two of each"
        )
    n = len(treated)
    return treated.var(ddof=1) / n + (weights**2).sum() / n**2 * used.var(ddof=1)


def _abadie_imbens(
    y: pd.Series, effects: np.ndarray, matches: Matches, neighbours: int, target: str
) -> float:
    if target not in ("population", "sample"):
        raise EstimationError(f"unknown target {target!r}: use population or sample")
    n = len(effects)
    total = np.asarray(matches.weights.sum(axis=0)).ravel()
    if neighbours == 0:
        pairs = matches.weights.tocoo()
        gaps = y[matches.treated].to_numpy()[pairs.row] - y[matches.controls].to_numpy()[pairs.col]
        common = 0.5 * np.sum(pairs.data * (gaps - effects.mean()) ** 2) / n
        of_treated, of_controls = np.full(n, common), np.full(len(total), common)
    else:
        of_treated = _conditional_variance(y, matches.score, matches.treated, neighbours)
        of_controls = _conditional_variance(y, matches.score, matches.controls, neighbours)
    if target == "sample":
        return (of_treated.sum() + (total**2 * of_controls).sum()) / n**2
    squares = np.asarray(matches.weights.multiply(matches.weights).sum(axis=0)).ravel()
    spread = np.sum((effects - effects.mean()) ** 2)
    return (spread + ((total**2 - squares) * of_controls).sum()) / n**2


def _conditional_variance(
    y: pd.Series, score: pd.Series, group: pd.Index, neighbours: int
) -> np.ndarray:
    """Return the outcome's variance at each unit's score from its own group's neighbours."""
    if neighbours < 0 or neighbours != int(neighbours):
        raise EstimationError(f"neighbours must be a whole number from 0, not {neighbours}")
    if len(group) <= neighbours:
        raise EstimationError(f"{neighbours} neighbours asked for in a group of {len(group)}")
    own, outcomes = score[group].to_numpy(), y[group].to_numpy()
    order = np.argsort(own, kind="stable")
    # A unit is its own nearest neighbour: look for one more, then leave it out.
    radius = _radius(own, own[order], neighbours + 1, None)
    means, counts = _interval_weights(own, own, order, radius)
    others = counts - 1
    mean_others = ((means @ outcomes) * counts - outcomes) / others
    return others / (others + 1) * (outcomes - mean_others) ** 2


# ------------------------------------------------------------------------- balance


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
    scale : {"pooled", "treated"}
        Standard deviation under the differences, always from before matching, so
        that a difference shrinks only if the means approach: the root of the two
        groups' mean variance (Rosenbaum and Rubin 1985) or the treated's own.

    Returns
    -------
    pandas.DataFrame
        Indexed by covariate; columns (``before`` | ``after``) by (``treated``,
        ``control``: means; ``std_difference``; ``variance_ratio``: treated over control).

    Raises
    ------
    EstimationError
        Unusable input, unknown scale, or no weight left in a group.
    """
    covariates = list(covariates)
    values = _numbers(frame, covariates)
    status = _as_groups(treated.reindex(frame.index)).to_numpy()
    sample = weights.sample_weights if isinstance(weights, Matches) else weights
    after = sample.reindex(frame.index).fillna(0.0).to_numpy(float)
    if not after[status].sum() > 0 or not after[~status].sum() > 0:
        raise EstimationError("no treated or no controls carry weight after matching")
    spreads = values[status].var(axis=0, ddof=1), values[~status].var(axis=0, ddof=1)
    if scale not in ("pooled", "treated"):
        raise EstimationError(f"unknown scale {scale!r}: use pooled or treated")
    sd = np.sqrt(np.mean(spreads, axis=0) if scale == "pooled" else spreads[0])
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
            },
            index=pd.Index(covariates, name="covariate"),
        )
    return pd.concat(blocks, axis=1)


def _weighted_moments(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances; the n - 1 counts rows that carry weight."""
    share, n = weights / weights.sum(), np.count_nonzero(weights)
    mean = share @ values
    correction = n / (n - 1) if n > 1 else np.nan
    return mean, correction * (share @ (values - mean) ** 2)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
