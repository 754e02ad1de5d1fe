"""The part of an effect that passes through a mediator: estimates and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from ftz import did
from ftz._kernel import ColumnSpace, Slope, variance
from ftz._refusals import one_of
from ftz._results import CoefficientResult, Result, checked_level
from ftz.did._regression import DidResult
from ftz.errors import EstimationError
from ftz.panel import Panel, on_panel

Array = np.ndarray


@dataclass(frozen=True, kw_only=True, repr=False)
class MediationResult(CoefficientResult):
    """The parts of the product of coefficients: ``total``, ``direct``, ``a``, ``b`` and *ab*.

    The standard error of *ab* is that of the delta method (Sobel 1982).  It treats the product
    as normal and the two estimates as independent, which in small samples they are not; read it
    as a first look.

    Attributes
    ----------
    total_column, mediator_column, joint_column : DidResult
        Outcome on treatment; mediator on treatment; outcome on both.
    """

    total_column: DidResult
    mediator_column: DidResult
    joint_column: DidResult

    @property
    def total(self) -> float:
        """Effect of the treatment on the outcome, *c*."""
        return float(self.params["total"])

    @property
    def a(self) -> float:
        """Effect of the treatment on the mediator."""
        return float(self.params["a"])

    @property
    def b(self) -> float:
        """Coefficient of the mediator beside the treatment."""
        return float(self.params["b"])

    @property
    def direct(self) -> float:
        """Coefficient of the treatment beside the mediator, *c'*."""
        return float(self.params["direct"])

    @property
    def indirect(self) -> float:
        """The product *ab*."""
        return self.a * self.b

    @property
    def identity_gap(self) -> float:
        """``total - direct - a*b``: zero up to rounding errors of the computer."""
        return self.total - self.direct - self.indirect

    @property
    def sobel_std_error(self) -> float:
        """Standard error of the product by the delta method."""
        return float(self.std_errors["indirect a*b"])

    @property
    def summary(self) -> pd.DataFrame:
        """The decomposition, one row a part."""
        return pd.DataFrame({"estimate": self.params, "std_error": self.std_errors})


@on_panel("outcome", "treatment", "mediator", "controls", weighted=True)
def mediate(panel: Panel, *, mediator: str) -> MediationResult:
    """Estimate the three columns with unit and period effects.

    Parameters
    ----------
    panel : Panel
        Or a frame, outcome, treatment, mediator and controls: see :func:`ftz.panel.on_panel`.
        Controls stand in all three columns.
    mediator : str
        Numeric column.

    Raises
    ------
    EstimationError
        As :func:`ftz.did.twfe`; also if the mediator is the outcome or the treatment.

    Notes
    -----
    Yan, Ye and Wang, Table 5, columns (7) and (8), beside Table 4, column (5).
    """
    if mediator in {panel.outcome, panel.treatment, *panel.controls}:
        raise EstimationError(f"the mediator {mediator} stands elsewhere in the regression already")
    total, first = did.twfe(panel), did.twfe(panel, mediator)
    joint = did.twfe(panel.with_(controls=(mediator, *panel.controls)))
    a, b = first.estimate, float(joint.params[mediator])
    b_error = float(joint.std_errors[mediator])
    rows = {
        "total": (total.estimate, total.std_error),
        "direct": (joint.estimate, joint.std_error),
        "a": (a, first.std_error),
        "b": (b, b_error),
        "indirect a*b": (a * b, float(np.hypot(b * first.std_error, a * b_error))),
    }
    estimates, errors = (pd.Series({n: row[i] for n, row in rows.items()}) for i in (0, 1))
    return MediationResult(
        params=estimates,
        std_errors=errors,
        nobs=total.nobs,
        title=f"mediation of {total.treatment} through {mediator}",
        notes=total.notes,
        total_column=total,
        mediator_column=first,
        joint_column=joint,
    )


# ----------------------------------------------------------- intervals of the product


@dataclass(frozen=True)
class _Columns:
    """The three regressions on one sample, by least squares with dummies and classical errors.

    ``outcome_sd``, ``mediator_sd`` and ``correlation`` are of the residuals of outcome and
    mediator given the treatment.
    """

    a: float
    b: float
    direct: float
    a_error: float
    b_error: float
    direct_error: float
    a_df: int
    b_df: int
    outcome_sd: float
    mediator_sd: float
    correlation: float


def _columns(y: Array, d: Array, m: Array, x: Array, unit: Array) -> _Columns:
    """Regress outcome and mediator on the treatment, by projecting the rest out first.

    ``x`` holds period dummies and controls, ``unit`` codes from zero: unit means are
    taken off, and what is left of ``x`` is projected out.
    """
    effects = ColumnSpace(unit, np.empty((len(y), 0)))
    within = effects.residual(np.column_stack([y, d, m, x]))
    left, length, _ = np.linalg.svd(within[:, 3:], full_matrices=False)
    span = replace(effects, extra=left[:, length > 1e-10 * max(length[0], 1e-300)])
    within = within[:, :3] - span.extra @ (span.extra.T @ within[:, :3])
    y, d, m = within.T
    if len(y) < span.rank + 3 or d @ d < 1e-10 * len(y):
        raise EstimationError("the treatment does not vary once effects and controls are out")
    both = Slope(within[:, [0, 2]], d, span, unit, unit)
    y_left, m_left = both.residuals.T
    if m_left @ m_left <= 1e-20 + 1e-12 * (m @ m):
        raise EstimationError("the mediator does not vary once treatment and controls are out")
    beside = replace(span, extra=both.columns)
    joint = Slope(y_left[:, None], m_left, beside, unit, unit)
    (c, a), b = both.estimate, joint.estimate[0]
    variances, b_variance = variance(both, "classical")[0], variance(joint, "classical")[0][0]
    spread = np.sqrt(joint.power * (y_left @ y_left))
    return _Columns(
        a=float(a),
        b=float(b),
        direct=float(c - a * b),
        a_error=float(np.sqrt(variances[1])),
        b_error=float(np.sqrt(b_variance)),
        direct_error=float(np.sqrt(b_variance * (joint.power / both.power + a**2))),
        a_df=both.dof,
        b_df=joint.dof,
        outcome_sd=float(np.sqrt((y_left @ y_left) / both.dof)),
        mediator_sd=float(np.sqrt((m_left @ m_left) / both.dof)),
        correlation=float((m_left @ y_left) / spread) if spread > 0 else 0.0,
    )


@dataclass(frozen=True)
class _Panel:
    """The sample of a mediation as arrays; ``x`` holds period dummies and controls."""

    y: Array
    d: Array
    m: Array
    x: Array
    unit: Array
    panel: Panel

    def columns(self, rows: Array | None = None, unit: Array | None = None) -> _Columns:
        """Estimate on some rows, under the units given or their own."""
        rows = np.arange(len(self.y)) if rows is None else rows
        if unit is None:
            unit = np.unique(self.unit[rows], return_inverse=True)[1]
        return _columns(self.y[rows], self.d[rows], self.m[rows], self.x[rows], unit)


def _panel(panel: Panel, mediator: str) -> _Panel:
    panel = panel.with_(controls=(mediator, *panel.controls))
    x = np.column_stack([np.eye(len(panel.periods))[panel.ranks - 1], panel.x[:, 1:]])
    return _Panel(panel.y, panel.d, panel.x[:, 0], x, panel.units[0], panel)


@dataclass(frozen=True, kw_only=True, repr=False)
class IndirectBootstrap(CoefficientResult):
    """The bootstrap distribution of the indirect effect.

    The series have two entries, ``percentile`` and ``BCa``: one product and one standard
    deviation of the draws, two intervals, and the p values whose tests these invert.  Both are
    quantiles of the draws: at a low level, and with draws to one side, they can miss the product.

    Attributes
    ----------
    draws : numpy.ndarray
        On the resampled data.
    jackknife : numpy.ndarray
        Leaving out one cluster (or row) at a time, for the acceleration of BCa; without
        those that leave no treated unit.
    resampled : str
        What was drawn: the unit's column name, or ``rows``.
    times : pandas.DataFrame
        How often each cluster (or row, by its position) was drawn: one row a resample, in
        the order of drawing and also where there was no answer.
    answered : numpy.ndarray of bool
        Which resamples have an answer, as not where no treated city was drawn; their
        products are ``draws``.
    """

    draws: Array
    jackknife: Array
    resampled: str
    times: pd.DataFrame
    answered: np.ndarray

    @property
    def indirect(self) -> float:
        """The product *ab* on the sample."""
        return float(self.params.iloc[0])

    @property
    def std_error(self) -> float:
        """Standard deviation of the draws."""
        return float(self.std_errors.iloc[0])

    @property
    def n_failed(self) -> int:
        """Resamples without an answer, which are left out."""
        return int((~self.answered).sum())

    @cached_property
    def _bca(self) -> tuple[float, float]:
        """Bias, in standard normal units, and acceleration of the draws (Efron 1987)."""
        draws, estimate = self.draws, self.indirect
        below = float(np.mean(draws < estimate) + np.mean(draws <= estimate)) / 2
        if not 0 < below < 1:
            raise EstimationError("the estimate lies outside all bootstrap draws: no BCa interval")
        gaps = np.mean(self.jackknife) - self.jackknife
        scale = (gaps**2).sum() ** 1.5
        return float(stats.norm.ppf(below)), (gaps**3).sum() / (6 * scale) if scale > 0 else 0.0

    @property
    def pvalues(self) -> pd.Series:
        """One less the largest level at which zero lies outside the interval."""
        places = np.linspace(0, 1, len(self.draws))
        share = float(np.interp(0.0, np.sort(self.draws), places))
        bias, acceleration = self._bca
        pull = stats.norm.ppf(share) - bias
        tail = stats.norm.cdf(pull / (1 + acceleration * pull) - bias) if 0 < share < 1 else share
        return pd.Series({"percentile": 2 * min(share, 1 - share), "BCa": 2 * min(tail, 1 - tail)})

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        r"""Return the percentile interval, and Efron's bias-corrected and accelerated one.

        With :math:`z_0 = \Phi^{-1}` of the share of draws below the estimate and the
        acceleration *a* from the skewness of the jackknife, the ends of BCa are the draws'
        quantiles at :math:`\Phi\big(z_0 + \frac{z_0 + z_\alpha}{1 - a (z_0 + z_\alpha)}\big)`.
        """
        shares = np.array([(1 - checked_level(level)) / 2, (1 + level) / 2])
        bias, acceleration = self._bca
        tails = bias + stats.norm.ppf(shares)
        corrected = stats.norm.cdf(bias + tails / (1 - acceleration * tails))
        rows = {"percentile": shares, "BCa": corrected}
        bounds = {name: np.quantile(self.draws, at) for name, at in rows.items()}
        return pd.DataFrame.from_dict(bounds, orient="index", columns=["lower", "upper"])

    @property
    def summary(self) -> pd.DataFrame:
        """The intervals at 95%."""
        return self.conf_int()

    @property
    def _head(self) -> str:
        draws = f"{len(self.draws)} draws of {self.resampled}"
        return f"indirect effect {self.indirect:.4f}, {draws} ({self.n_failed} without an answer)"


@on_panel("outcome", "treatment", "mediator", "controls")
def bootstrap_indirect(
    panel: Panel,
    *,
    mediator: str,
    draws: int = 999,
    seed: int | np.random.Generator,
    resample: str = "unit",
    most_failures: float = 0.2,
) -> IndirectBootstrap:
    """Draw cities (or rows) again and again and multiply the two coefficients anew.

    A product of two estimates is not normal; intervals from its own distribution need
    not be symmetric.  Drawing whole cities keeps their years together.

    Parameters
    ----------
    panel, mediator
        As :func:`mediate`.
    draws : int
    seed : int or numpy.random.Generator
        The same seed gives the same draws.
    resample : {"unit", "rows"}
        Whole units, each copy with an effect of its own; or rows, which is right only if
        the years of a city are independent.
    most_failures : float
        Share of resamples without an answer beyond which the result is refused.

    Raises
    ------
    EstimationError
        Unusable input, too few draws, too many resamples without an answer.

    Notes
    -----
    With three to five treated cities a resample often holds two of them, or none: the
    interval is a description of what the sample can say, not a guarantee of coverage.
    """
    if draws < 2 or draws != int(draws):
        raise EstimationError(f"draws must be a whole number from 2, not {draws}")
    one_of("resample", resample, ("unit", "rows"))
    sample = _panel(panel, mediator)
    whole = sample.columns()
    drawn_from = sample.panel.clusters[0]
    labels = drawn_from if resample == "unit" else np.arange(len(sample.y))
    order = pd.unique(labels)  # of appearance, whatever the names: a seed keeps its draws
    members = [np.flatnonzero(labels == g) for g in order]
    times, answered = np.zeros((int(draws), len(members)), dtype=int), np.zeros(int(draws), bool)
    rng, values = np.random.default_rng(seed), []
    for draw in range(int(draws)):
        drawn = rng.integers(len(members), size=len(members))
        times[draw] = np.bincount(drawn, minlength=len(members))
        chosen = [members[g] for g in drawn]
        rows = np.concatenate(chosen)
        copies = np.repeat(np.arange(len(chosen)), [len(c) for c in chosen])
        try:
            own = copies * (sample.unit.max() + 1) + sample.unit[rows]  # a copy's own units
            apart = np.unique(own, return_inverse=True)[1] if resample == "unit" else None
            fit = sample.columns(rows, apart)
        except EstimationError:
            continue
        values.append(fit.a * fit.b)
        answered[draw] = True
    unit_names = sample.panel.clusters[1]
    names = [unit_names[g] for g in order] if resample == "unit" else range(len(members))
    failed = int(draws) - len(values)
    if failed > most_failures * draws or len(values) < 2:
        raise EstimationError(
            f"{failed} of {draws} resamples have no answer: too few treated units"
        )
    both = ["percentile", "BCa"]
    return IndirectBootstrap(
        params=pd.Series(whole.a * whole.b, both),
        std_errors=pd.Series(float(np.std(values, ddof=1)), both),
        nobs=len(sample.y),
        draws=np.array(values),
        jackknife=_jackknife(sample, members),
        resampled=(sample.panel.cluster or sample.panel.unit) if resample == "unit" else "rows",
        times=pd.DataFrame(times, columns=names),
        answered=answered,
        notes=sample.panel.dropped,
    )


def _jackknife(sample: _Panel, members: list[Array]) -> Array:
    """Leave out one member at a time; without the only treated unit there is no answer."""
    values = []
    for left_out in members:
        rows = np.setdiff1d(np.arange(len(sample.y)), left_out)
        try:
            fit = sample.columns(rows)
        except EstimationError:
            continue
        values.append(fit.a * fit.b)
    return np.array(values)


# ------------------------------------------------------- confounding of the mediator


@dataclass(frozen=True, repr=False)
class MediatorSensitivity(Result):
    r"""How the indirect effect changes with a confounder of mediator and outcome.

    Attributes
    ----------
    curve : pandas.Series
        Indirect effect by :math:`\rho`, the correlation of what moves the mediator and
        what moves the outcome, given treatment and controls.
    rho_at_zero : float
        The correlation at which the indirect effect is nil.
    indirect : float
        At :math:`\rho = 0`, where there is no confounder: the product *ab*.
    """

    no_interval = "it traces an assumption; bootstrap_indirect has intervals of the product"
    _brief = True

    curve: pd.Series
    rho_at_zero: float
    indirect: float

    @property
    def summary(self) -> pd.DataFrame:
        """The curve."""
        return self.curve.to_frame()

    @property
    def _head(self) -> str:
        return (
            f"indirect effect {self.indirect:.4f} without confounding; nil at "
            f"rho = {self.rho_at_zero:.3f}"
        )


@on_panel("outcome", "treatment", "mediator", "controls")
def sensitivity(
    panel: Panel, *, mediator: str, rho: Sequence[float] | None = None
) -> MediatorSensitivity:
    r"""Trace the indirect effect over the correlation that no regression can estimate.

    .. math::
        \delta(\rho) = \frac{a\,\sigma_1}{\sigma_2}
        \Big( \tilde\rho - \rho \sqrt{\frac{1 - \tilde\rho^2}{1 - \rho^2}} \Big)

    with :math:`\sigma_1, \sigma_2` the residual deviations of outcome and mediator given
    the treatment and :math:`\tilde\rho` the correlation of these residuals.

    Parameters
    ----------
    panel, mediator
        As :func:`mediate`.
    rho : sequence of float, optional
        Values strictly between -1 and 1; a grid in steps of 0.05 if not given.

    Raises
    ------
    EstimationError
        Unusable input, a correlation outside (-1, 1).

    Notes
    -----
    Imai, Keele and Yamamoto (2010).  At :math:`\rho = 0` it is the product
    *ab*; it is nil exactly at :math:`\rho = \tilde\rho`.
    """
    grid = np.round(np.arange(-0.95, 0.951, 0.05), 10) if rho is None else np.asarray(rho, float)
    if not (np.abs(grid) < 1).all():
        raise EstimationError("rho is a correlation: strictly between -1 and 1")
    fit = _panel(panel, mediator).columns()
    seen, product = fit.correlation, fit.a * fit.b
    scale = fit.a * fit.outcome_sd / fit.mediator_sd
    effect = scale * (seen - grid * np.sqrt((1 - seen**2) / (1 - grid**2)))
    curve = pd.Series(effect, pd.Index(grid, name="rho"), name="indirect")
    return MediatorSensitivity(curve, seen, product)


@dataclass(frozen=True)
class Robustness:
    """How strong a confounder would have to be to explain a coefficient away.

    Attributes
    ----------
    statistic : float
        Classical t.
    df : int
        Residual degrees of freedom.
    partial_r2 : float
        Share of the outcome's residual variance that the regressor explains.
    value : float
        Robustness value: a confounder that explains this share of the residual variance
        of *both* regressor and outcome makes the coefficient ``1 - q`` times itself.
    value_at_level : float
        The same for making it insignificant.
    """

    statistic: float
    df: int
    partial_r2: float
    value: float
    value_at_level: float


def robustness_value(statistic: float, df: int, q: float = 1.0, level: float = 0.05) -> Robustness:
    r"""Return the robustness values of Cinelli and Hazlett (2020) for one coefficient.

    .. math:: RV_q = \tfrac12 \Big( \sqrt{f_q^4 + 4 f_q^2} - f_q^2 \Big), \qquad
              f_q = q \frac{|t|}{\sqrt{df}}

    and, for losing significance, the same with :math:`f_q` less the critical value of *t*
    over :math:`\sqrt{df - 1}`.

    Parameters
    ----------
    statistic : float
        Classical t of the coefficient; partial R squared has no cluster-robust version.
    df : int
        Residual degrees of freedom.
    q : float
        Share of the coefficient to be explained away.
    level : float
        Significance level.

    Raises
    ------
    EstimationError
        Fewer than two degrees of freedom, a share that is not positive, a level outside
        (0, 1).

    Notes
    -----
    Cinelli and Hazlett (2020).
    """
    checked_level(level)
    if df < 2 or not q > 0 or not np.isfinite(statistic):
        raise EstimationError("needs a finite t, df from 2 and q above 0")
    f = q * abs(statistic) / np.sqrt(df)
    critical = stats.t.ppf(1 - level / 2, df - 1) / np.sqrt(df - 1)
    less = f - critical
    if less <= 0:
        at_level = 0.0
    elif f < 1 / critical:
        at_level = _robustness(less)
    else:  # the confounder binds through the mediator alone
        at_level = (f**2 - critical**2) / (1 + f**2)
    share = statistic**2 / (statistic**2 + df)
    return Robustness(float(statistic), int(df), float(share), _robustness(f), float(at_level))


def _robustness(f: float) -> float:
    return float((np.sqrt(f**4 + 4 * f**2) - f**2) / 2)


@on_panel("outcome", "treatment", "mediator", "controls")
def robustness(panel: Panel, *, mediator: str, q: float = 1.0, level: float = 0.05) -> pd.DataFrame:
    """Return robustness values of *a*, *b* and the direct effect.

    Parameters
    ----------
    panel, mediator
        As :func:`mediate`.
    q, level : float
        As :func:`robustness_value`.

    Returns
    -------
    pandas.DataFrame
        Rows ``a``, ``b``, ``direct``; columns ``estimate``, ``t``, ``partial_r2``,
        ``robustness_value``, ``robustness_value_at_level``.

    Raises
    ------
    EstimationError
        Unusable input.
    """
    fit = _panel(panel, mediator).columns()
    rows = {}
    for name in ("a", "b", "direct"):
        estimate, error = getattr(fit, name), getattr(fit, f"{name}_error")
        value = robustness_value(estimate / error, fit.a_df if name == "a" else fit.b_df, q, level)
        shares = (value.partial_r2, value.value, value.value_at_level)
        rows[name] = (estimate, value.statistic, *shares)
    columns = ["estimate", "t", "partial_r2", "robustness_value", "robustness_value_at_level"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
