"""From a specification to a row: one, a batch of them, or all under reassigned treatment."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from ftz._kernel import ColumnSpace, Slope, regress_each, residual, variance
from ftz.errors import EstimationError
from ftz.panel import Panel
from specgrid._grid import Specification, outcome_levels
from specgrid._samples import COHORT, REFUSALS, TREATMENT, Sample, matches_of, sample_of
from specgrid._samples import with_indices as _with_indices

if TYPE_CHECKING:
    from userpanel import UserPanel

Floats = NDArray[np.float64]
Row = dict[str, Any]
#: What a specification gives beside its choices, in the order of the table.
RESULTS = (
    "estimate",
    "std_error",
    "statistic",
    "p_value",
    "lower",
    "upper",
    "df",
    "nobs",
    "n_units",
    "n_treated_units",
    "n_clusters",
    "status",
)
#: Wild bootstrap weights where the sign vectors are too many to enumerate.
DRAWS, SEED = 999, 1
_LEVEL = 0.95
_NORMAL = float(special.ndtri(0.5 + _LEVEL / 2))
#: Below this a treatment counts as explained by effects and controls, and the reference decides.
_FLAT = 1e-6
# Threads of one worker take turns: warnings filters and thread limits belong to the process.
_TURN = threading.Lock()


def estimate(study: UserPanel, specification: Specification) -> Row:
    """Estimate one specification.

    Parameters
    ----------
    study : userpanel.UserPanel
    specification : Specification

    Returns
    -------
    dict
        The choices as :attr:`Specification.columns` writes them; ``estimate`` in units of
        the outcome, ``std_error``, ``statistic``, ``p_value``, the 95% interval ``lower``
        and ``upper``; ``df`` of the t distribution, NaN for the normal; ``nobs``,
        ``n_units``, ``n_treated_units``, ``n_clusters`` of the rows used; ``status``, ``ok``
        or why there is no number; ``study`` (its digest), ``key``, and ``specification``
        (its JSON).

    Notes
    -----
    The bits of a row depend on study and specification alone.
    """
    return estimate_batch(study, [specification])[0]


def evaluate(study: UserPanel, specifications: Iterable[Specification]) -> pd.DataFrame:
    """Estimate specifications one after the other, in memory.

    Parameters
    ----------
    study : userpanel.UserPanel
    specifications : iterable of Specification
        For instance those of :func:`specgrid.grid`.

    Returns
    -------
    pandas.DataFrame
        One row a specification, in their order, as :func:`specgrid.run` keeps it.
    """
    from specgrid._store import typed

    return typed(estimate_batch(study, list(specifications)))


def estimate_batch(study: UserPanel, specifications: Sequence[Specification]) -> list[Row]:
    """Estimate specifications, sharing what neighbours have in common.

    Parameters, rows and bits as :func:`estimate`.
    """
    from threadpoolctl import threadpool_limits

    digest, study = study.digest, _with_indices(study)
    rows: list[Row] = []
    codings: dict[str, dict[str, float]] = {}
    with _TURN, threadpool_limits(1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for _, alike in groupby(specifications, key=lambda s: (s.estimator, s.sample_key)):
            same = list(alike)
            shared = _Shared(study, sample_of(study, same[0], codings))
            rows += [_row(shared, s, digest) for s in same]
    return rows


@dataclass(frozen=True)
class _Projected:
    """Columns of a sample, treatment and outcomes first, and those two after the effects."""

    span: ColumnSpace
    values: Floats
    within: Floats
    places: dict[str, int]
    codes: NDArray[np.int64]
    periods: NDArray[np.int64]

    def beside(self, controls: tuple[str, ...]) -> tuple[Slope, NDArray[np.bool_]] | None:
        """Regress every outcome on the treatment beside controls; None if that is ill posed.

        Beside the regression: of which outcomes more than rounding errors is left.
        """
        span = self.span.beside(self.values[:, [self.places[c] for c in controls]], controls)
        within = self.within - span.extra @ (span.extra.T @ self.within)
        if np.linalg.norm(within[:, 0]) < _FLAT * np.linalg.norm(self.values[:, 0]):
            return None
        fit = Slope(within[:, 1:], within[:, 0], span, self.codes, self.periods)
        outcomes = slice(1, self.within.shape[1])
        size = np.linalg.norm(self.within[:, outcomes], axis=0)
        spread = self.values[:, outcomes].std(axis=0) * len(self.values) ** 0.5
        left = np.linalg.norm(fit.residuals, axis=0)
        return fit, (left > 1e-9 * size) & (size > 1e-8 * spread)


class _Shared:
    """A sample and what was already computed in it."""

    def __init__(self, study: UserPanel, sample: Sample) -> None:
        self.study, self.sample = study, sample
        self.columns = set(sample.frame.columns)
        self.outcomes = [c for c in outcome_levels(study) if c in self.columns]
        self._fits: dict[tuple[str, ...], tuple[Slope, NDArray[np.bool_]] | None] = {}
        self._errors: dict[tuple[object, ...], tuple[Floats, float]] = {}
        self._matches: dict[tuple[str, ...], Any] = {}
        self.blank = dict.fromkeys(RESULTS, math.nan) | {"status": "ok"}
        self.blank |= _sizes(self.count(sample.frame))

    @property
    def cluster(self) -> str:
        return self.study.cluster or self.study.unit

    def panel(self, specification: Specification) -> Panel:
        return Panel.from_spec(
            self.sample.frame,
            self.study,
            outcome=specification.outcome,
            treatment=TREATMENT,
            controls=specification.controls,
            cohort=None,
            weights=None,
            cluster=self.cluster,
        )

    def count(self, frame: pd.DataFrame) -> tuple[int, int, int, int]:
        on = frame[TREATMENT] == 1
        units = frame[self.study.unit]
        return len(frame), units.nunique(), units[on].nunique(), frame[self.cluster].nunique()

    @cached_property
    def informative(self) -> pd.DataFrame:
        """The sample without rows that their own effect fits."""
        return self.sample.frame[_informative(self.study, self.sample.frame)]

    @cached_property
    def informative_sizes(self) -> Row:
        """Counts of these rows, once a sample."""
        return _sizes(self.count(self.informative))

    @cached_property
    def _projected(self) -> _Projected | None:
        """The sample after its effects; None where :mod:`ftz.did` must say what is wrong."""
        study, keys = self.study, [self.study.unit, self.study.time]
        if self.sample.frame.empty or self.sample.frame.duplicated(keys).any():
            return None
        frame = self.informative
        units, periods, codes = (
            pd.factorize(frame[c], sort=True)[0] for c in (*keys, self.cluster)
        )
        if len(frame) < 3 or min(units.max(), codes.max()) < 1:
            return None
        names = [TREATMENT, *self.outcomes, *dict.fromkeys((*study.controls, *study.match_on))]
        values = frame[names].to_numpy(float)
        values = np.where(np.isfinite(values).all(axis=0), values, np.nan)
        span = ColumnSpace.of(units, periods)
        within = span.residual(np.nan_to_num(values[:, : 1 + len(self.outcomes)]))
        places = {name: place for place, name in enumerate(names)}
        return _Projected(span, values, within, places, codes, periods)

    def fit(self, specification: Specification) -> tuple[Slope, int] | None:
        """Return the regression of all outcomes beside some controls, and the outcome's place.

        None where :mod:`ftz.did` must decide.  Every product has a shape that depends on the
        sample and on the controls alone: a row has the same bits in every batch.
        """
        whole, controls = self._projected, specification.controls
        if whole is None:
            return None
        if controls not in self._fits:
            try:
                self._fits[controls] = whole.beside(controls)
            except (EstimationError, np.linalg.LinAlgError):
                self._fits[controls] = None
        fitted, place = self._fits[controls], self.outcomes.index(specification.outcome)
        return (fitted[0], place) if fitted and fitted[1][place] else None

    def error(self, specification: Specification, fit: Slope, place: int) -> tuple[float, float]:
        """Return a standard error of ``ftz._kernel.MEATS`` and its degrees of freedom."""
        key = (specification.controls, specification.error_type)
        if key not in self._errors:
            self._errors[key] = variance(fit, specification.error_type)
        squared, df = self._errors[key]
        return math.sqrt(squared[place]), df

    def matches(self, specification: Specification) -> Any:
        covariates = specification.controls
        if covariates not in self._matches:
            try:
                self._matches[covariates] = matches_of(self.sample.frame, covariates, specification)
            except REFUSALS as error:
                self._matches[covariates] = error
        matches = self._matches[covariates]
        if isinstance(matches, Exception):
            raise matches
        return matches


def _row(shared: _Shared, specification: Specification, digest: str) -> Row:
    row: Row = {
        "key": specification.key,
        "study": digest,
        **specification.columns,
        **shared.blank,
        "specification": specification.text,
    }
    try:
        if shared.sample.refusal:
            raise EstimationError(shared.sample.refusal)
        row |= _numbers(shared, specification)
    except EstimationError as error:
        row["status"] = " ".join(str(error).split())
    except REFUSALS as error:
        row["status"] = " ".join(f"{type(error).__name__}: {error}".split())
    if row["status"] == "ok" and not math.isfinite(row["estimate"]):
        row["status"] = "the estimate is not a finite number"
    elif row["status"] == "ok" and not row["std_error"] > 0:
        row["status"] = "the standard error is not a positive number"
    return row


def _informative(study: UserPanel, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which rows are not alone in their unit or period; all, where every row is."""
    alone = Panel.of(frame, unit=study.unit, time=study.time).alone
    return ~alone if not alone.all() else np.ones(len(frame), dtype=bool)


def _sizes(counts: tuple[int, int, int, int]) -> Row:
    names = ("nobs", "n_units", "n_treated_units", "n_clusters")
    return dict(zip(names, counts, strict=True))


def _numbers(shared: _Shared, specification: Specification) -> Row:
    for name in (specification.outcome, *specification.controls):
        if name not in shared.columns:
            raise EstimationError(f"the study has no column {name}")
    if specification.estimator == "twfe":
        return _two_way(shared, specification) | shared.informative_sizes
    if specification.estimator == "matching_att":
        return _matching(shared, specification)
    return _staggered(shared, specification)


def _inference(estimate: float, std_error: float, df: float = math.nan) -> Row:
    """Return the numbers of a row; a missing ``df`` means the normal distribution."""
    statistic = estimate / std_error if std_error > 0 else math.nan
    if math.isfinite(df):
        p = 2 * special.stdtr(df, -abs(statistic))
        half = special.stdtrit(df, 0.5 + _LEVEL / 2) * std_error
    else:
        p, half, df = 2 * special.ndtr(-abs(statistic)), _NORMAL * std_error, math.nan
    return {
        "estimate": float(estimate),
        "std_error": float(std_error),
        "statistic": float(statistic),
        "p_value": float(p),
        "lower": float(estimate - half),
        "upper": float(estimate + half),
        "df": float(df),
    }


# ---------------------------------------------------------------- two-way fixed effects


def _two_way(shared: _Shared, specification: Specification) -> Row:
    if (fitted := shared.fit(specification)) is None:
        return _reference(shared, specification)
    estimate = float(fitted[0].estimate[fitted[1]])
    if specification.error_type == "wild":
        return _wild(shared, specification, estimate)
    return _inference(estimate, *shared.error(specification, *fitted))


def _reference(shared: _Shared, specification: Specification) -> Row:
    """Let :mod:`ftz.did` say what is wrong, or estimate what is merely ill-conditioned."""
    from ftz import did

    family = did.standard_errors(shared.panel(specification))
    if specification.error_type == "wild":
        return _wild(shared, specification, family.estimate)
    columns = (family.table[name][specification.error_type] for name in ("std_error", "df"))
    return _inference(family.estimate, *map(float, columns))


def _wild(shared: _Shared, specification: Specification, estimate: float) -> Row:
    """Return a row whose p value is that of the wild cluster bootstrap; it has no interval."""
    from ftz import inference

    drawn = inference.wild_cluster_bootstrap(shared.panel(specification), draws=DRAWS, seed=SEED)
    blank = {"p_value": float(drawn.p_value), "lower": math.nan, "upper": math.nan}
    return _inference(estimate, drawn.std_error) | blank


# ---------------------------------------------------------------- other estimators


def _staggered(shared: _Shared, specification: Specification) -> Row:
    from ftz import did

    estimator = did.ESTIMATORS[specification.estimator]
    frame = shared.sample.frame
    if specification.estimator == "callaway_santanna":
        start, last = frame[COHORT], frame[shared.study.time].max()
        if not (start.isna() | (start > last)).any():
            estimator = partial(estimator, control_group="not_yet")
    fit = estimator(
        frame,
        specification.outcome,
        COHORT,
        specification.controls,
        unit=shared.study.unit,
        time=shared.study.time,
    )
    df = math.nan if fit.df is None else fit.df
    return _inference(fit.att, fit.std_error, df) | {
        "nobs": fit.nobs,
        "n_units": fit.n_units,
        "n_treated_units": fit.n_treated,
        "n_clusters": fit.n_units,
    }


def _matching(shared: _Shared, specification: Specification) -> Row:
    from ftz import matching

    frame = shared.sample.frame
    fit, matches = shared.matches(specification)
    outcome, cluster = frame[specification.outcome], frame[shared.cluster]
    clustered = specification.error_type == "cluster"
    if specification.matching == "weights":
        groups = cluster if clustered else None
        weighted = matching.ipw(outcome, fit, keep=matches, cluster=groups)
        att, error, df = weighted.estimate, weighted.std_error, weighted.df
        used = frame.loc[weighted.weights.index]
    else:
        result = matching.att(
            outcome, matches, se=specification.error_type, cluster=cluster if clustered else None
        )
        att, error, df = result.att, result.std_error, result.df
        weights = matches.sample_weights
        used = frame.loc[weights.index[weights > 0]]
    return _inference(att, error, math.nan if df is None else df) | _sizes(shared.count(used))


# ---------------------------------------------------------------- reassigned treatment


def is_reassignable(specification: Specification) -> bool:
    """Say whether :func:`estimate_many` takes a specification: two-way, CR1, nobody matched."""
    s = specification
    return (s.estimator, s.matching, s.error_type) == ("twfe", "none", "CR1")


def estimate_many(
    study: UserPanel, specifications: Sequence[Specification], treatments: Floats
) -> tuple[Floats, Floats]:
    """Estimate two-way fixed-effects specifications again under many reassigned treatments.

    Parameters
    ----------
    study : userpanel.UserPanel
    specifications : sequence of Specification
        ``twfe`` with clustered errors (CR1), without matching, which would have to match again
        for each treatment.
    treatments : array, shape (n, B)
        0/1 treatment columns on the rows of ``study.frame``, taken as they are, whatever a
        specification's coding of the adoption year.

    Returns
    -------
    estimates, tstats : arrays, shape (S, B)
        NaN where a treatment is not identified.

    Raises
    ------
    EstimationError
        A specification of another kind; columns of another length.
    """
    from threadpoolctl import threadpool_limits

    study, treatments = _with_indices(study), np.asarray(treatments, dtype=float)
    if treatments.ndim != 2 or len(treatments) != len(study.frame):
        raise EstimationError(
            f"treatments have shape {treatments.shape}; the study has {len(study.frame)} rows"
        )
    odd = [s for s in specifications if not is_reassignable(s)]
    if odd:
        raise EstimationError(
            f"{len(odd)} specifications have rows or errors that cannot be had for every "
            f"reassignment, the first: {odd[0].text}; keep to twfe with CR1, without matching: "
            "eligible(grid)"
        )
    results = np.full((2, len(specifications), treatments.shape[1]), np.nan)
    order = sorted(range(len(specifications)), key=lambda i: specifications[i].order)
    with threadpool_limits(1), np.errstate(all="ignore"):
        for _, alike in groupby(order, key=lambda i: specifications[i].sample_key):
            places = list(alike)
            sample = sample_of(study, specifications[places[0]])
            if not sample.refusal:
                _reassigned(study, sample, specifications, places, treatments[sample.rows], results)
    return results[0], results[1]


def _reassigned(
    study: UserPanel,
    sample: Sample,
    specifications: Sequence[Specification],
    places: list[int],
    treatments: Floats,
    results: Floats,
) -> None:
    """Fill the rows of ``found`` that belong to specifications of one sample."""
    rows = _informative(study, sample.frame)
    frame, treatments = sample.frame[rows], treatments[rows]
    units, periods, codes = (
        pd.factorize(frame[c], sort=True)[0]
        for c in (study.unit, study.time, study.cluster or study.unit)
    )
    n, basis = len(frame), ColumnSpace.of(units, periods).dense()
    left = residual(treatments, basis)  # once a sample; controls are a few directions more
    flat = np.square(left).sum(axis=0) < 1e-12 * np.square(treatments).sum(axis=0)
    left[:, flat] = 0.0
    spans: dict[tuple[str, ...], ColumnSpace | None] = {}
    for place in places:
        names = specifications[place].controls
        if names not in spans:
            try:
                controls = frame[list(names)].to_numpy(float)
                spans[names] = ColumnSpace.of(units, periods, controls, names)
            except EstimationError:
                spans[names] = None
        span = spans[names]
        if span is None or n <= span.rank + 1:
            continue  # not identified under any treatment: NaN
        outcome = residual(frame[[specifications[place].outcome]].to_numpy(float), basis)
        slopes, errors, _ = regress_each(outcome, left, span.extra, codes)
        # The effects are parameters, too.
        errors *= np.sqrt((n - span.extra.shape[1] - 1) / (n - span.rank - 1))
        # Residuals of rounding errors alone give no statistic.
        results[:, place] = slopes, slopes / np.where(errors > 0, errors, np.nan)
