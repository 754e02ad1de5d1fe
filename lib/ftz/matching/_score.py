"""The propensity score: the probability of treatment given covariates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ftz._refusals import one_of
from ftz._results import CoefficientResult
from ftz.errors import EstimationError
from ftz.matching._checks import binary, numbers


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
    design : numpy.ndarray
        Constant and standardised covariates, n by 1 + p: the likelihood was maximised
        on these.
    covariance : numpy.ndarray
        Of the coefficients on ``design``: the inverse information.
    scale : numpy.ndarray
        Standard deviations by which the covariates were divided.
    """

    link: str
    treated: pd.Series
    score: pd.Series
    linear_index: pd.Series
    llf: float
    llnull: float
    design: np.ndarray
    covariance: np.ndarray
    scale: np.ndarray

    @property
    def density(self) -> pd.Series:
        """Slope of the score in the linear index, at each row."""
        if self.link == "logit":
            return self.score * (1 - self.score)
        return pd.Series(stats.norm.pdf(self.linear_index), self.score.index)

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
    one_of("link", link, models)
    covariates = list(covariates)
    treated = binary(frame, treatment)
    raw = numbers(frame, covariates)
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
        design=design,
        covariance=fit.cov_params(),
        scale=scale,
    )


def _maximise(model: type, treated: np.ndarray, design: np.ndarray, treatment: str) -> Any:
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


def _check_covariates(raw: np.ndarray, scale: np.ndarray, names: Sequence[str]) -> None:
    if not names:
        raise EstimationError("a propensity score needs at least one covariate")
    for name, spread, size in zip(names, scale, np.abs(raw).max(axis=0), strict=True):
        if spread <= 1e-12 * max(size, 1e-300):
            raise EstimationError(f"{name} is constant: it cannot predict treatment")
    if np.linalg.svd((raw - raw.mean(axis=0)) / scale, compute_uv=False)[-1] < 1e-8:
        raise EstimationError(f"{', '.join(names)} are collinear")
