r"""Random effects as ``xtreg y x i.year, re`` computes them, and where they silently pool.

The variance of the unit effect comes from two regressions: within units, which gives
:math:`\hat\sigma_e^2`, and between the *G* unit means, which gives

.. math:: \hat\sigma_u^2 = \max\Bigl(0,\; \frac{RSS_b}{G - K_b} - \hat\sigma_e^2/\bar T\Bigr),
          \qquad
          \theta_i = 1 - \sqrt{\frac{\hat\sigma_e^2}{T_i\hat\sigma_u^2 + \hat\sigma_e^2}},

with :math:`\bar T` the harmonic mean of the :math:`T_i`.  Least squares on
:math:`y_{it} - \theta_i\bar y_i` does the rest.  :math:`K_b` is the rank of the unit means of
*all* regressors.  In a balanced panel the means of the period dummies are constants; in an
unbalanced one they are each unit's shares of the periods, and enter the rank.  With few units
nothing is left between, :math:`RSS_b/(G - K_b)` has no value, the variance counts as zero,
every :math:`\theta_i` is zero, and what is printed is pooled least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz._kernel import by_group
from ftz._results import CoefficientResult
from ftz.errors import EstimationError
from ftz.panel import Panel, on_panel


@dataclass(frozen=True, kw_only=True, repr=False)
class RandomEffectsResult(CoefficientResult):
    """Random effects with Stata's variance components; p values are normal, as it prints z.

    Attributes
    ----------
    theta : pandas.Series
        By unit, the share of the unit mean that is taken off; zero is least squares.
    sigma_u, sigma_e : float
        Standard deviations of the unit effect and of the rest, as theta rests on them.
    sigma_last : float
        That of the last regression, behind the standard errors.
    df_between, df_within, df_residual : int
        Residual degrees of freedom between units, within units, and of the last regression.
    """

    theta: pd.Series
    sigma_u: float
    sigma_e: float
    sigma_last: float
    df_between: int
    df_within: int
    df_residual: int

    @property
    def pooled(self) -> bool:
        """Whether every theta is zero, so that the result *is* pooled least squares."""
        return bool((self.theta == 0).all())


@on_panel("outcome", "treatment", "controls")
def random_effects(panel: Panel, *, period_effects: bool = True) -> RandomEffectsResult:
    """Estimate ``xtreg outcome treatment controls i.time, re``.

    Parameters
    ----------
    panel : Panel
        As in :func:`ftz.did.twfe`.
    period_effects : bool
        Whether period dummies (the first period is the base) are among the regressors.

    Returns
    -------
    RandomEffectsResult
        ``params`` are the slopes, the period dummies that were kept, and ``const``.

    Raises
    ------
    EstimationError
        A slope that is collinear with those before it; no degree of freedom within units.

    Notes
    -----
    Stata's manual, *xtreg*, Methods and formulas, random effects; the formula of the standard
    errors is that of the last regression, RSS/(n - K).  Stata itself was not run.
    """
    names, x = _regressors(panel, period_effects)
    codes, labels = panel.units
    sizes = np.bincount(codes)
    y_mean, x_mean = _means(panel.y[:, None], codes)[:, 0], _means(x, codes)
    rss_within, rank_within = _rss(x - x_mean[codes], panel.y - y_mean[codes])
    df_within = len(x) - len(sizes) - rank_within
    if df_within < 1:
        raise EstimationError("no degree of freedom within units: more rows or fewer regressors")
    sigma_e2 = rss_within / df_within
    rss_between, rank_between = _rss(x_mean, y_mean)
    df_between = len(sizes) - rank_between
    harmonic = len(sizes) / (1 / sizes).sum()
    # Without degrees of freedom the between variance is missing, and max(0, missing) is zero.
    sigma_u2 = max(0.0, rss_between / df_between - sigma_e2 / harmonic) if df_between else 0.0
    theta = 1 - np.sqrt(sigma_e2 / (sizes * sigma_u2 + sigma_e2))
    x_star, y_star = x - theta[codes, None] * x_mean[codes], panel.y - (theta * y_mean)[codes]
    params = np.linalg.lstsq(x_star, y_star, rcond=None)[0]
    df = len(x) - x.shape[1]
    variance = ((y_star - x_star @ params) ** 2).sum() / df
    errors = np.sqrt(variance * np.diag(np.linalg.inv(x_star.T @ x_star)))
    return RandomEffectsResult(
        params=pd.Series(params, names),
        std_errors=pd.Series(errors, names),
        nobs=len(x),
        title=f"{panel.outcome}, random effects of {panel.unit}",
        notes=(*panel.dropped, *_remarks(df_between, sigma_u2, len(sizes), panel.unit)),
        theta=pd.Series(theta, labels, name="theta"),
        sigma_u=float(np.sqrt(sigma_u2)),
        sigma_e=float(np.sqrt(sigma_e2)),
        sigma_last=float(np.sqrt(variance)),
        df_between=df_between,
        df_within=df_within,
        df_residual=df,
    )


def trap(panel: Panel, *, period_effects: bool = True) -> str:
    """Say whether ``xtreg, re`` could not estimate the unit effect's variance on this panel.

    Parameters
    ----------
    panel : ftz.panel.Panel
        Treatment, controls, units and periods; no outcome is needed.

    Returns
    -------
    str
        A warning in one sentence, or nothing where degrees of freedom are left between units.
    """
    codes, labels = panel.units
    x = _regressors(panel, period_effects)[1]
    left = len(labels) - np.linalg.matrix_rank(_means(x, codes))
    if left > 0:
        return ""
    return (
        f"the means of {len(labels)} units ({panel.unit}) leave no degree of freedom between them: "
        "xtreg, re with these regressors would set the variance of the effects to zero and print "
        "pooled least squares, without a warning; use fixed effects, or maximum likelihood and "
        "look at its variance"
    )


def _remarks(df_between: int, sigma_u2: float, units: int, unit: str) -> tuple[str, ...]:
    if not df_between:
        return (
            f"the {units} means leave no degree of freedom between, so that the variance of "
            f"the {unit} effect is taken for zero: this is pooled least squares",
        )
    if sigma_u2 == 0:
        return (
            f"the estimated variance of the {unit} effect is negative and cut off at zero: this "
            "is pooled least squares",
        )
    return ()


def _regressors(panel: Panel, period_effects: bool) -> tuple[list[str], np.ndarray]:
    """Return names and columns: slopes, period dummies that add rank, the constant last."""
    n = len(panel.frame)
    slopes = [*([panel.treatment] if panel.treatment else []), *panel.controls]
    dummies = panel.ranks[:, None] == np.arange(2, panel.ranks.max() + 1)
    named = [(name, panel.column(name)) for name in slopes]
    if period_effects:
        named += [
            (f"{panel.label(j + 2)}.{panel.time}", column.astype(float))
            for j, column in enumerate(dummies.T)
        ]
    regressors: list[tuple[str, np.ndarray]] = []
    basis = np.ones((n, 1)) / np.sqrt(n)
    for name, column in named:
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        size = float(np.linalg.norm(rest))
        if size > 1e-9 * (float(np.linalg.norm(column)) or 1.0):
            regressors.append((name, column))
            basis = np.column_stack([basis, rest / size])
        elif name in slopes:
            raise EstimationError(
                f"{name} is collinear with the regressors before it: leave it out"
            )
    regressors.append(("const", np.ones(n)))
    return [name for name, _ in regressors], np.column_stack([column for _, column in regressors])


def _means(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return unit means of columns, shape (N, R)."""
    return np.asarray(by_group(codes, values) / np.bincount(codes)[:, None])


def _rss(x: np.ndarray, y: np.ndarray) -> tuple[float, int]:
    """Return the residual sum of squares and the rank of the regressors."""
    rank = int(np.linalg.matrix_rank(x))
    return float(((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2).sum()), rank
