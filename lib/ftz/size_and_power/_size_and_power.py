"""A Monte Carlo study of tests on a panel of one design, all panels at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import linalg, stats

from ftz import _kernel as kernel
from ftz import did
from ftz._kernel import membership, residual
from ftz._results import Result, checked_level
from ftz.did._events import assemble
from ftz.did._honest import contains
from ftz.errors import EstimationError
from ftz.inference._assignments import adoption_starts, rank_p, scheme_of
from ftz.inference._bootstrap import Scores, sign_vectors
from ftz.inference._few_treated import StandIns
from ftz.inference._projection import ProjectedPanel, prepare
from ftz.panel import Panel

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"panel": "simulated"}}

#: Panels worked on at a time; bounds the memory.
_BLOCK = 250
#: No more reassignments, sign vectors or combinations of donors than this are used.
_MOST = 999


@dataclass(frozen=True)
class PanelDesign:
    """A panel without outcomes, with what its tests need, found once.

    Attributes
    ----------
    design : ProjectedPanel
        Checked arrays; its outcome is a stand-in.
    starts : array, shape (N,)
        First treated period of each unit, infinite for never.
    draws : int
        Reassignments and combinations where there are more than that.
    seed : int
        Of those draws.
    """

    design: ProjectedPanel
    starts: np.ndarray
    draws: int = _MOST
    seed: int = 0

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        treatment: str,
        controls: Sequence[str] = (),
        *,
        adoption: Mapping[Hashable, float | None] | None = None,
        draws: int = _MOST,
        seed: int = 0,
        **roles: Any,
    ) -> PanelDesign:
        """Read the shape of a panel.

        Parameters
        ----------
        frame, treatment, controls, adoption, **roles
            As in :func:`ftz.inference.placebo`; the frame needs no outcome.
        draws, seed : int
            Of reassignments and combinations where there are more than ``draws``.

        Raises
        ------
        EstimationError
            As :func:`ftz.inference.placebo`; a treatment that is not 0/1 or switches off.
        """
        design = prepare(Panel.of(frame, treatment, treatment, controls, **roles))
        _ = design.fit
        return cls(design, adoption_starts(design, adoption), draws, seed)

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.design.d)

    @property
    def treated(self) -> np.ndarray:
        """The treatment, shape (n,)."""
        return self.design.d

    @cached_property
    def x(self) -> np.ndarray:
        """The treatment after effects and controls."""
        return self.design.fit.x

    @cached_property
    def scores(self) -> Scores:
        """What the wild bootstrap needs."""
        return Scores.of(self.design)

    @cached_property
    def member(self) -> np.ndarray:
        """Clusters by rows."""
        return membership(self.design.codes)

    def within(self, outcomes: np.ndarray) -> np.ndarray:
        """Return outcomes, panels by rows, after effects and controls."""
        return residual(outcomes.T, self.design.basis).T

    def fit(self, within: np.ndarray) -> kernel.Slope:
        """Return the two-way slope of each panel, panels by rows, from :meth:`within`."""
        return replace(self.design.fit, y=within.T)

    def describe(self) -> pd.Series:
        """Return the counts that a reader wants to know."""
        return pd.Series(
            {
                "rows": self.n,
                "units": len(self.design.names),
                "periods": len(np.unique(self.design.periods)),
                "treated units": self.design.n_treated,
                "treated rows": int(self.treated.sum()),
                "parameters": self.design.basis.shape[1] + 1,
            }
        )

    def errors(
        self,
        panels: int,
        *,
        rho: float,
        sigma: float = 1.0,
        treated_sigma: float | None = None,
        seed: int | np.random.Generator,
    ) -> np.ndarray:
        """Draw stationary AR(1) errors, shape (panels, n).

        Parameters
        ----------
        panels : int
        rho : float
            Correlation from one period to the next, between -1 and 1.
        sigma, treated_sigma : float
            Standard deviation, and that of treated units where it differs.
        seed : int or numpy.random.Generator
        """
        if not -1 < rho < 1:
            raise EstimationError(f"rho must lie between -1 and 1, not {rho:g}")
        if panels < 1:
            raise EstimationError(f"panels must be at least 1, not {panels}")
        times = np.unique(self.design.periods)
        gaps = np.diff(times, prepend=times[0])
        rng = np.random.default_rng(seed)
        shocks = rng.standard_normal((panels, len(self.design.names), len(times)))
        for t in range(1, len(times)):
            carried = rho ** gaps[t]
            shocks[:, :, t] *= np.sqrt(1 - carried**2)
            shocks[:, :, t] += carried * shocks[:, :, t - 1]
        scale = np.full(len(self.design.names), float(sigma))
        if treated_sigma is not None:
            scale[np.isfinite(self.starts)] = treated_sigma
        columns = np.searchsorted(times, self.design.periods)
        errors: np.ndarray = (shocks * scale[:, None])[:, self.design.units, columns]
        return errors

    def autocorrelation(self, outcomes: np.ndarray) -> np.ndarray:
        """Return the correlation of residuals in neighbouring periods, one a panel.

        Residuals are those of the two-way fixed-effects equation, outcomes (panels by
        rows).  Effects fitted to few periods bias it downwards; :meth:`persistence`
        takes that into account.
        """
        residuals = self.fit(self.within(np.atleast_2d(outcomes))).residuals.T
        now, before = self._neighbours
        pairs = np.einsum("ri,ri->r", residuals[:, now], residuals[:, before])
        power = np.square(residuals[:, now]).sum(axis=1) + np.square(residuals[:, before]).sum(
            axis=1
        )
        correlation: np.ndarray = 2 * pairs / power
        return correlation

    @cached_property
    def _neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows whose unit was observed one period before, and the rows of then."""
        place = {
            key: i for i, key in enumerate(zip(self.design.units, self.design.periods, strict=True))
        }
        pairs = [(i, place[u, t - 1]) for (u, t), i in place.items() if (u, t - 1) in place]
        if not pairs:
            raise EstimationError("no unit is observed in two neighbouring periods")
        now, before = np.array(pairs).T
        return now, before

    def persistence(self, outcome: np.ndarray, *, panels: int = 500, seed: int) -> float:
        """Estimate rho from one outcome, corrected for what the effects take away.

        The rho is returned under which panels of this shape have, on average, the residual
        autocorrelation that this outcome has (indirect inference); it lies between -0.95
        and 0.95.

        Parameters
        ----------
        outcome : array, shape (n,)
            In the order of the rows.
        panels : int
            Behind each average; the same shocks serve for all.
        seed : int
        """
        from scipy.optimize import brentq

        outcome = np.asarray(outcome, dtype=float)
        if outcome.shape != (self.n,) or not np.isfinite(outcome).all():
            raise EstimationError(f"the outcome must be {self.n} finite numbers")
        observed = float(self.autocorrelation(outcome)[0])

        def excess(rho: float) -> float:
            return (
                float(self.autocorrelation(self.errors(panels, rho=rho, seed=seed)).mean())
                - observed
            )

        low, high = excess(-0.95), excess(0.95)
        if low >= 0:
            return -0.95
        return 0.95 if high <= 0 else float(brentq(excess, -0.95, 0.95, xtol=1e-4))

    def covariance(self, *, rho: float, sigma: float = 1.0) -> np.ndarray:
        """Return the covariance of :meth:`errors`, shape (n, n)."""
        apart = np.abs(self.design.periods[:, None] - self.design.periods)
        same = self.design.units[:, None] == self.design.units
        return np.where(same, sigma**2 * float(rho) ** apart, 0.0)

    def estimate(self, outcomes: np.ndarray) -> np.ndarray:
        """Return the two-way fixed-effects coefficient of each panel."""
        return np.asarray(outcomes @ self.x / (self.x @ self.x))

    @cached_property
    def _reassigned(self) -> Mapping[str, tuple[np.ndarray, bool]]:
        """Treatment columns under each scheme, after projection, and whether they are all."""
        schemes = {}
        for name in ("units", "observations"):
            scheme = scheme_of(name, self.design, self.starts if name == "units" else None)
            exact = scheme.count <= self.draws
            rng = np.random.default_rng(self.seed)
            assigned = scheme.enumerate() if exact else scheme.draw(self.draws, rng)
            designs = scheme.treatment(assigned)
            x = residual(designs, self.design.basis)
            power = np.einsum("ib,ib->b", x, x)
            schemes[name] = (x[:, power > 1e-12 * len(x)], exact)
        return schemes


# --------------------------------------------------------------------------- the tests

PValues = np.ndarray


def _student(kind: str) -> Callable[[PanelDesign, np.ndarray], PValues]:
    def test(shape: PanelDesign, within: np.ndarray) -> PValues:
        fit = shape.fit(within)
        variance, df = kernel.variance(fit, kind)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(fit.estimate) / np.sqrt(variance)
        # A negative two-way variance is no variance: the test does not reject.
        return np.where(np.isfinite(t), 2 * stats.t(df).sf(np.where(np.isfinite(t), t, 0.0)), 1.0)

    test.__doc__ = f"Test by the coefficient over its {kind} standard error."
    return test


def _ranked(observed: np.ndarray, placebos: np.ndarray, exact: bool) -> PValues:
    count = (np.abs(placebos) >= np.abs(observed)[:, None] * (1 - 1e-10)).sum(axis=1)
    return np.asarray(rank_p(count, placebos.shape[1], exact))


def _placebo(name: str, studentised: bool) -> Callable[[PanelDesign, np.ndarray], PValues]:
    def test(shape: PanelDesign, within: np.ndarray) -> PValues:
        x, exact = shape._reassigned[name]
        if not studentised:
            placebos = within @ (x / np.einsum("ib,ib->b", x, x))
            return _ranked(shape.estimate(within), placebos, exact)
        observed = _tstats(within, shape.x[:, None], shape.member)[:, 0]
        return _ranked(observed, _tstats(within, x, shape.member), exact)

    kind = "studentised coefficient" if studentised else "coefficient"
    test.__doc__ = f"Test by the rank of the {kind} among reassigned {name}."
    return test


def _tstats(within: np.ndarray, x: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return t statistics, panels by regressors, up to one constant factor.

    The score of a cluster is linear in the outcome: no residual is formed.
    """
    power = np.einsum("ib,ib->b", x, x)
    estimates = within @ (x / power)
    by_cluster = member @ (x * x)
    meat = np.zeros_like(estimates)
    for g, rows in enumerate(member.astype(bool)):
        scores = within[:, rows] @ x[rows]
        scores -= estimates * by_cluster[g]
        meat += scores * scores
    tstats: np.ndarray = estimates * power / np.sqrt(meat)
    return tstats


def _bootstrap(impose_null: bool) -> Callable[[PanelDesign, np.ndarray], PValues]:
    def test(shape: PanelDesign, within: np.ndarray) -> PValues:
        fit, signs = shape.fit(within), _signs(shape)
        observed = np.abs(fit.estimate) / np.sqrt(kernel.variance(fit, "CR1")[0])
        residuals = within if impose_null else fit.residuals.T
        parts = map(shape.scores.parts, residuals)
        draws = np.array([np.abs(shape.scores.tstats(p, signs)) for p in parts])
        # A pair of mirrored vectors counts twice; without the null the observed one is extra.
        count = 2 * (draws >= observed[:, None] * (1 - 1e-10)).sum(axis=1)
        return np.asarray(rank_p(count, 2 * len(signs), impose_null and _all_signs(shape)))

    test.__doc__ = (
        f"Test by the wild cluster bootstrap, null {'imposed' if impose_null else 'free'}."
    )
    return test


def _signs(shape: PanelDesign) -> np.ndarray:
    """Return sign vectors, one of each mirrored pair: their statistics differ in sign only."""
    g = shape.design.n_clusters
    if _all_signs(shape):
        signs: np.ndarray = sign_vectors(g - 1) @ np.eye(g - 1, g) + np.eye(g)[-1]
        return signs
    return np.random.default_rng(shape.seed).choice([-1.0, 1.0], size=(shape.draws, g))


def _all_signs(shape: PanelDesign) -> bool:
    return shape.design.n_clusters <= 12


def _conley_taber(shape: PanelDesign, within: np.ndarray) -> PValues:
    """Test by the errors that untreated units would have put in the place of the treated."""
    swaps = StandIns.of(shape.design, shape.starts).swaps(shape.fit(within).residuals.T)
    n_treated, n_donors = swaps.shape[1:]
    rng = np.random.default_rng(shape.seed)
    if n_donors**n_treated <= shape.draws:
        picks = np.indices((n_donors,) * n_treated).reshape(n_treated, -1)
    else:
        picks = rng.integers(n_donors, size=(n_treated, shape.draws))
    errors = np.asarray(sum(swaps[:, g, picks[g]] for g in range(n_treated)))
    return _ranked(shape.estimate(within), errors, exact=False)


#: Tests of no effect, by name; a design and outcomes as :meth:`PanelDesign.within` leaves them,
#: panels by rows, to p values.
TESTS: Mapping[str, Callable[[PanelDesign, np.ndarray], PValues]] = {
    "classical t": _student("classical"),
    "HC1 t": _student("HC1"),
    "HC3 t": _student("HC3"),
    "clustered z (CR1)": _student("CR1"),
    "clustered t (CR1S)": _student("CR1S"),
    "clustered t (CR2)": _student("CR2"),
    "Driscoll-Kraay z": _student("Driscoll-Kraay"),
    "two-way z": _student("two-way"),
    "wild bootstrap, null imposed": _bootstrap(True),
    "wild bootstrap, null free": _bootstrap(False),
    "units, coefficient": _placebo("units", False),
    "units, t": _placebo("units", True),
    "observations, coefficient": _placebo("observations", False),
    "observations, t": _placebo("observations", True),
    "Conley-Taber": _conley_taber,
}


# --------------------------------------------------------------------------- the study


@dataclass(frozen=True, kw_only=True, repr=False)
class StudyResult(Result):
    """What the tests said on panels whose effect is known.

    Attributes
    ----------
    estimates : numpy.ndarray, shape (panels,)
        The two-way fixed-effects coefficient.
    truth : float
        The average effect on treated rows.
    zero, true : pandas.DataFrame
        P values, panels by tests: of no effect, and of the true average effect.
    rho, sigma : float
        Of the errors.
    """

    no_interval = "its numbers are shares of panels; standard_error gives their simulation error"

    estimates: np.ndarray
    truth: float
    zero: pd.DataFrame
    true: pd.DataFrame
    rho: float
    sigma: float

    @property
    def panels(self) -> int:
        """How many were drawn."""
        return len(self.estimates)

    @property
    def bias(self) -> float:
        """Mean estimate less truth."""
        return float(self.estimates.mean() - self.truth)

    def size(self, level: float = 0.05) -> pd.Series:
        """Return how often each test rejects the truth."""
        return (self.true <= checked_level(level) + 1e-12).mean()

    def coverage(self, level: float = 0.95) -> pd.Series:
        """Return how often the interval that inverts each test holds the truth."""
        return 1 - self.size(1 - checked_level(level))

    def power(self, level: float = 0.05) -> pd.Series:
        """Return how often each test rejects no effect."""
        return (self.zero <= checked_level(level) + 1e-12).mean()

    def type_s(self, level: float = 0.05) -> pd.Series:
        """Return the share of rejections of no effect whose estimate has the wrong sign."""
        wrong = np.sign(self.estimates) != np.sign(self.truth)
        return self._among_rejections(wrong.astype(float), level)

    def type_m(self, level: float = 0.05) -> pd.Series:
        """Return by what factor the estimates among the rejections exaggerate the truth."""
        return self._among_rejections(np.abs(self.estimates / self.truth), level)

    def _among_rejections(self, values: np.ndarray, level: float) -> pd.Series:
        if self.truth == 0:
            raise EstimationError("without an effect there is no sign and no size to get wrong")
        rejected = self.zero <= checked_level(level) + 1e-12
        return rejected.mul(values, axis=0).sum() / rejected.sum().where(rejected.sum() > 0)

    def standard_error(self, share: float) -> float:
        """Return the simulation error of a share."""
        return float(np.sqrt(share * (1 - share) / self.panels))

    @property
    def summary(self) -> pd.DataFrame:
        """One row a test, at the five per cent level."""
        table = pd.DataFrame({"size": self.size(), "coverage": self.coverage()})
        if self.truth != 0:
            table = table.assign(power=self.power(), type_s=self.type_s(), type_m=self.type_m())
        return table.rename_axis("test")

    @property
    def _head(self) -> str:
        return (
            f"{self.panels:,} panels, effect {self.truth:.4g}, errors with correlation "
            f"{self.rho:g} and standard deviation {self.sigma:.4g}"
        )


def study(
    shape: PanelDesign,
    *,
    effect: float | np.ndarray = 0.0,
    rho: float,
    sigma: float = 1.0,
    treated_sigma: float | None = None,
    panels: int = 1_000,
    tests: Sequence[str] | None = None,
    seed: int,
) -> StudyResult:
    """Run the tests on panels whose effect is known.

    Parameters
    ----------
    shape : PanelDesign
    effect : float or array, shape (n,)
        On treated rows, in units of the outcome; the truth is its mean over them.
    rho, sigma, treated_sigma
        Of the errors: :meth:`PanelDesign.errors`.
    panels : int
    tests : sequence of str, optional
        Names from ``TESTS``; all, if not given.
    seed : int
        The same seed gives the same panels, whatever the tests.

    Raises
    ------
    EstimationError
        Unknown tests, no panel, correlation outside (-1, 1), or effects that are not one a
        row.
    """
    names = list(TESTS) if tests is None else list(tests)
    unknown = [n for n in names if n not in TESTS]
    if unknown:
        raise EstimationError(f"unknown tests {', '.join(unknown)}: use {', '.join(TESTS)}")
    effects = np.broadcast_to(np.asarray(effect, dtype=float), np.shape(effect) or (shape.n,))
    if effects.shape != (shape.n,):
        raise EstimationError(f"effects must be one number, or one for each of {shape.n} rows")
    truth = float(effects[shape.treated == 1].mean())
    noise = shape.errors(panels, rho=rho, sigma=sigma, treated_sigma=treated_sigma, seed=seed)
    # Projected once for all tests; less the truth it is what a test of the truth sees.
    within = shape.within(noise + effects * shape.treated)
    zero = _pvalues(shape, within, names)
    true = zero if truth == 0 else _pvalues(shape, within - truth * shape.x, names)
    return StudyResult(
        estimates=shape.estimate(within), truth=truth, zero=zero, true=true, rho=rho, sigma=sigma
    )


def _pvalues(shape: PanelDesign, within: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    parts = [
        {name: TESTS[name](shape, within[start : start + _BLOCK]) for name in names}
        for start in range(0, len(within), _BLOCK)
    ]
    return pd.DataFrame({n: np.concatenate([p[n] for p in parts]) for n in names})


# ------------------------------------------------------------------------ event studies


@dataclass(frozen=True, kw_only=True, repr=False)
class EventCoverage(Result):
    """How an event study's intervals and its pre-trend test do where nothing happens.

    Attributes
    ----------
    table : pandas.DataFrame
        Indexed by event time: ``coverage`` of the pointwise interval, ``length`` of it in
        standard deviations of the errors, ``treated_units``.
    band : float
        Share of panels in which the simultaneous band holds all coefficients.
    pretrend : float
        Share of panels in which the joint pre-trend test rejects.
    honest : pandas.Series
        Share of panels in which the set of :func:`ftz.did.relative_magnitudes` holds the
        effect in the period of adoption, by bound.
    panels : int
    level : float
    rho : float
    """

    no_interval = "its numbers are shares of simulated panels"

    table: pd.DataFrame
    band: float
    pretrend: float
    honest: pd.Series
    panels: int
    level: float
    rho: float

    @property
    def _head(self) -> str:
        return (
            f"{self.panels:,} panels, correlation {self.rho:g}: band {self.band:.3f}, pre-trend "
            f"test rejects {self.pretrend:.3f}"
        )


def event_coverage(
    shape: PanelDesign,
    *,
    rho: float,
    window: tuple[int, int] | None = None,
    reference: int = -1,
    level: float = 0.95,
    panels: int = 1_000,
    draws: int = 2_000,
    bounds: Sequence[float] = (),
    honest_panels: int = 200,
    seed: int,
) -> EventCoverage:
    """Count how often the intervals of :func:`ftz.did.event_study` hold the truth.

    Parameters
    ----------
    shape : PanelDesign
    rho : float
        Of the errors; their scale does not matter.
    window, reference
        As in :func:`ftz.did.event_study`.
    level : float
        Of intervals and band; the pre-trend test has the level one less it.
    panels, draws : int
        Panels, and draws behind the critical value of the band in each.
    bounds : sequence of float
        Bounds on relative magnitudes for which sets are formed, too; none by default.
    honest_panels : int
        Panels for them: they take longer.
    seed : int

    Raises
    ------
    EstimationError
        As :meth:`PanelDesign.errors`; nobody is observed at the reference, or coefficients are
        collinear.
    """
    times, dummies = _event_dummies(shape, window, reference)
    design, z = shape.design, stats.norm.ppf(0.5 + checked_level(level) / 2)
    x = design.span.residual(dummies)
    if np.linalg.matrix_rank(x, tol=1e-8) < x.shape[1]:
        raise EstimationError("the event-time indicators are collinear: name a shorter window")
    seen = {k: len(np.unique(design.units[d == 1])) for k, d in zip(times, dummies.T, strict=True)}
    results = []
    for y in shape.errors(panels, rho=rho, seed=seed):
        fit = kernel.regress(design.span, y, x, design.codes)
        covariance = pd.DataFrame(fit.covariance, times, times)
        params = dict(zip(times, fit.params.tolist(), strict=True))
        how: dict[str, Any] = {"reference": reference, "treated_units": seen, "nobs": shape.n}
        results.append(assemble(params, covariance, title="", **how))
    errors = np.array([r.std_errors[times] for r in results])
    reach = np.abs([r.params[times] for r in results]) / errors
    critical = [r.critical_value(level, seed=seed, draws=draws) for r in results]
    table = pd.DataFrame(
        {
            "coverage": (reach <= z).mean(axis=0),
            "length": 2 * z * errors.mean(axis=0),
            "treated_units": [seen[k] for k in times],
        },
        index=pd.Index(times, name="event time"),
    )
    honest = {
        bound: np.mean(
            [contains(r, 0.0, bound, level=level, draws=1_000) for r in results[:honest_panels]]
        )
        for bound in bounds
    }
    return EventCoverage(
        table=table,
        band=float((reach.max(axis=1) <= critical).mean()),
        pretrend=float(np.mean([r.pretrend_pvalue <= 1 - level for r in results])),
        honest=pd.Series(honest, dtype=float, name="coverage").rename_axis("bound"),
        panels=panels,
        level=level,
        rho=rho,
    )


def _event_dummies(
    shape: PanelDesign, window: tuple[int, int] | None, reference: int
) -> tuple[list[int], np.ndarray]:
    since = shape.design.periods - shape.starts[shape.design.units]
    if window is not None:
        since = np.where(np.isfinite(since), np.clip(since, *window), since)
    steps = sorted(int(s) for s in np.unique(since[np.isfinite(since)]))
    if reference not in steps:
        raise EstimationError(f"no unit is observed at the reference event time {reference}")
    times = [s for s in steps if s != reference]
    return times, np.column_stack([(since == s).astype(float) for s in times])


# ------------------------------------------------------------------- estimators as weights


def weights_of(shape: PanelDesign, estimator: str) -> np.ndarray:
    """Return the weights with which an estimator of ``ftz.did.ESTIMATORS`` sums outcomes.

    All of them but synthetic DID are linear in the outcome when there are no controls, so
    that the weights are found by giving each row in turn an outcome of one.  With them,
    mean and variance under any effects and errors are known without a simulation.

    Parameters
    ----------
    shape : PanelDesign
        Without controls.
    estimator : str

    Returns
    -------
    array, shape (n,)

    Raises
    ------
    EstimationError
        If the estimator is synthetic DID or unknown, or has no answer on this shape.
    """
    if estimator not in did.ESTIMATORS or estimator == "synthetic":
        raise EstimationError(f"{estimator!r} is no linear estimator of ftz.did.ESTIMATORS")
    starts = shape.starts[shape.design.units]
    frame = pd.DataFrame(
        {
            "u": shape.design.units,
            "t": shape.design.periods.astype(int),
            "g": np.where(np.isfinite(starts), starts, np.nan),
        }
    )
    if estimator == "two_way":
        functional: np.ndarray = shape.x / (shape.x @ shape.x)
        return functional
    run = did.ESTIMATORS[estimator]
    weights = np.empty(shape.n)
    # Units of one cohort with the same periods are exchangeable: one of them stands for all.
    for rows in _exchangeable(frame):
        row = np.zeros(shape.n)
        row[rows[0]] = 1.0
        weights[rows] = run(frame.assign(y=row), "y", "g", unit="u", time="t").att
    return weights


def _exchangeable(frame: pd.DataFrame) -> list[np.ndarray]:
    """Return the rows of one period in units of one cohort with the same periods."""
    seen = frame.groupby("u")["t"].transform(lambda t: hash(tuple(sorted(t))))
    groups = frame.groupby([frame["g"].fillna(0), seen, "t"]).indices
    return [np.asarray(rows) for rows in groups.values()]


def bias_and_spread(
    shape: PanelDesign,
    effects: Mapping[str, np.ndarray],
    estimators: Mapping[str, np.ndarray],
    *,
    rho: float,
    sigma: float,
) -> pd.DataFrame:
    """Return mean, bias and spread of linear estimators, exactly.

    Parameters
    ----------
    shape : PanelDesign
    effects : mapping
        Name of a scenario to effects, shape (n,); what is not treated is left out.
    estimators : mapping
        Name to weights: :func:`weights_of`.
    rho, sigma : float
        Of the errors.

    Returns
    -------
    pandas.DataFrame
        One row a scenario and estimator: ``truth`` (mean effect on treated rows),
        ``mean``, ``bias``, ``sd``, ``rmse``.
    """
    root = linalg.cholesky(shape.covariance(rho=rho, sigma=sigma), lower=True)
    rows = []
    for scenario, effect in effects.items():
        truth = float(effect[shape.treated == 1].mean())
        for name, weights in estimators.items():
            mean = float(weights @ (effect * shape.treated))
            spread = float(np.linalg.norm(weights @ root))
            bias = mean - truth
            rows.append((scenario, name, truth, mean, bias, spread, float(np.hypot(bias, spread))))
    columns = ["scenario", "estimator", "truth", "mean", "bias", "sd", "rmse"]
    return pd.DataFrame(rows, columns=columns).set_index(["scenario", "estimator"])
