"""From a specification to a row: one, a batch of them, or all under reassigned treatment."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from ftz.errors import EstimationError
from ftz.inference.projection import regress_each, residual
from ftz.kernel import Span
from specgrid.batched import Projected, Regressions, projected
from specgrid.cells import COHORT, REFUSALS, TREATMENT, Cell, cell_of, matches_of
from specgrid.cells import with_indices as _with_indices
from specgrid.grid import Specification

if TYPE_CHECKING:
    from ftz.own.study import Study

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
# Threads of one worker take turns: warnings filters and thread limits belong to the process.
_TURN = threading.Lock()


def estimate(study: Study, specification: Specification) -> Row:
    """Estimate one specification.

    Parameters
    ----------
    study : ftz.own.study.Study
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


def evaluate(study: Study, specifications: Iterable[Specification]) -> pd.DataFrame:
    """Estimate specifications one after the other, in memory.

    Parameters
    ----------
    study : ftz.own.study.Study
    specifications : iterable of Specification
        For instance a :class:`specgrid.Grid`.

    Returns
    -------
    pandas.DataFrame
        One row a specification, in their order, as :func:`specgrid.read` gives it.
    """
    from specgrid.store import typed

    return typed(estimate_batch(study, list(specifications)))


def estimate_batch(study: Study, specifications: Sequence[Specification]) -> list[Row]:
    """Estimate specifications, sharing what neighbours have in common.

    Parameters, rows and bits as :func:`estimate`.
    """
    from threadpoolctl import threadpool_limits

    digest, study = study.digest, _with_indices(study)
    rows: list[Row] = []
    codings: dict[str, dict[str, float]] = {}
    with _TURN, threadpool_limits(1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for _, alike in groupby(specifications, key=lambda s: (s.estimator, s.cell)):
            found = list(alike)
            shared = _Shared(study, cell_of(study, found[0], codings))
            rows += [_row(shared, s, digest) for s in found]
    return rows


class _Shared:
    """A cell and what was already computed in it."""

    def __init__(self, study: Study, cell: Cell) -> None:
        self.study, self.cell = study, cell
        self.columns = set(cell.frame.columns)
        self._projected: Projected | None = None
        self._tried = False
        self._regressions: dict[tuple[str, ...], Regressions | None] = {}
        self._families: dict[tuple[object, ...], pd.DataFrame] = {}
        self._matches: dict[tuple[str, ...], Any] = {}
        self.blank = dict.fromkeys(RESULTS, math.nan) | {"status": "ok"}
        self.blank |= _sizes(self.count(cell.frame))

    @property
    def cluster(self) -> str:
        return self.study.cluster or self.study.unit

    def count(self, frame: pd.DataFrame) -> tuple[int, int, int, int]:
        on = frame[TREATMENT] == 1
        units = frame[self.study.unit]
        return len(frame), units.nunique(), units[on].nunique(), frame[self.cluster].nunique()

    def regressions(self, controls: tuple[str, ...]) -> tuple[Projected, Regressions] | None:
        if not self._tried:
            self._projected, self._tried = projected(self.study, self.cell), True
        if self._projected is None:
            return None
        if controls not in self._regressions:
            self._regressions[controls] = self._projected.regressions(controls)
        found = self._regressions[controls]
        return None if found is None else (self._projected, found)

    def family(self, specification: Specification) -> pd.DataFrame:
        """Return the table of :func:`ftz.did.standard_errors`, once a regression."""
        from ftz import did

        key = (specification.outcome, specification.controls)
        if key not in self._families:
            found = did.standard_errors(
                self.cell.frame,
                specification.outcome,
                TREATMENT,
                specification.controls,
                cluster=self.cluster,
                unit=self.study.unit,
                time=self.study.time,
            )
            self._families[key] = found.table
        return self._families[key]

    def error(self, specification: Specification) -> tuple[float, float]:
        """Return a standard error of the family and its degrees of freedom."""
        table, kind = self.family(specification), specification.error_type
        place = table.index.get_loc(kind)
        return float(table["std_error"].to_numpy()[place]), float(table["df"].to_numpy()[place])

    def matches(self, specification: Specification) -> Any:
        covariates = specification.controls
        if covariates not in self._matches:
            try:
                self._matches[covariates] = matches_of(self.cell.frame, covariates, specification)
            except REFUSALS as error:
                self._matches[covariates] = error
        found = self._matches[covariates]
        if isinstance(found, Exception):
            raise found
        return found


def _row(shared: _Shared, specification: Specification, digest: str) -> Row:
    row: Row = {
        "key": specification.key,
        "study": digest,
        **specification.columns,
        **shared.blank,
        "specification": specification.text,
    }
    try:
        if shared.cell.refusal:
            raise EstimationError(shared.cell.refusal)
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


def _sizes(counts: tuple[int, int, int, int]) -> Row:
    names = ("nobs", "n_units", "n_treated_units", "n_clusters")
    return dict(zip(names, counts, strict=True))


def _numbers(shared: _Shared, specification: Specification) -> Row:
    for name in (specification.outcome, *specification.controls):
        if name not in shared.columns:
            raise EstimationError(f"the study has no column {name}")
    if specification.estimator == "twfe":
        return _two_way(shared, specification)
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
    found = shared.regressions(specification.controls)
    if found is None:
        return _reference(shared, specification)
    columns, fits = found
    place = columns.outcomes.index(specification.outcome)
    if not fits.sound[place]:
        return _reference(shared, specification)
    estimate, kind = float(fits.estimates[place]), specification.error_type
    if kind == "CR1":
        return _inference(estimate, float(fits.clustered[place]))
    if kind == "classical":
        return _inference(estimate, float(fits.classical[place]), fits.residual_df)
    if kind == "HC1":
        return _inference(estimate, float(fits.robust[place]), fits.residual_df)
    if kind == "wild":
        return _wild(shared, specification, estimate, float(fits.clustered[place]))
    return _inference(estimate, *shared.error(specification))


def _reference(shared: _Shared, specification: Specification) -> Row:
    """Let :func:`ftz.did.twfe` say what is wrong, or estimate what is merely ill-conditioned."""
    from ftz import did

    fit = did.twfe(
        shared.cell.frame,
        specification.outcome,
        TREATMENT,
        specification.controls,
        unit=shared.study.unit,
        time=shared.study.time,
    )
    if specification.error_type == "CR1" and shared.cluster == shared.study.unit:
        return _inference(fit.att, float(fit.std_errors[TREATMENT]))
    if specification.error_type == "wild":
        return _wild(shared, specification, fit.att, float(fit.std_errors[TREATMENT]))
    return _inference(fit.att, *shared.error(specification))


def _wild(shared: _Shared, specification: Specification, estimate: float, std_error: float) -> Row:
    """Return a row whose p value is that of the wild cluster bootstrap; it has no interval."""
    from ftz import inference

    found = inference.wild_cluster_bootstrap(
        shared.cell.frame,
        specification.outcome,
        TREATMENT,
        specification.controls,
        cluster=shared.cluster,
        draws=DRAWS,
        seed=SEED,
        unit=shared.study.unit,
        time=shared.study.time,
    )
    return _inference(estimate, std_error) | {
        "p_value": float(found.p_value),
        "lower": math.nan,
        "upper": math.nan,
    }


# ---------------------------------------------------------------- other estimators


def _staggered(shared: _Shared, specification: Specification) -> Row:
    from ftz import did

    estimator = did.ESTIMATORS[specification.estimator]
    frame = shared.cell.frame
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

    frame = shared.cell.frame
    fit, found = shared.matches(specification)
    outcome, cluster = frame[specification.outcome], frame[shared.cluster]
    clustered = specification.error_type == "cluster"
    if specification.matching == "weights":
        groups = cluster if clustered else None
        weighted = matching.ipw(outcome, fit, keep=found, cluster=groups)
        att, error, df = weighted.effect, weighted.std_error, weighted.df
        used = frame.loc[weighted.weights.index]
    else:
        result = matching.att(
            outcome,
            found,
            se=specification.error_type,
            cluster=cluster if clustered else None,
        )
        att, error, df = result.att, result.std_error, result.df
        weights = found.sample_weights
        used = frame.loc[weights.index[weights > 0]]
    return _inference(att, error, math.nan if df is None else df) | _sizes(shared.count(used))


# ---------------------------------------------------------------- reassigned treatment


def is_reassignable(specification: Specification) -> bool:
    """Say whether :func:`estimate_many` takes a specification: two-way, CR1, nobody matched."""
    s = specification
    return (s.estimator, s.matching, s.error_type) == ("twfe", "none", "CR1")


def estimate_many(
    study: Study, specifications: Sequence[Specification], treatments: Floats
) -> tuple[Floats, Floats]:
    """Estimate two-way fixed-effects specifications again under many reassigned treatments.

    Parameters
    ----------
    study : ftz.own.study.Study
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
    found = np.full((2, len(specifications), treatments.shape[1]), np.nan)
    order = sorted(range(len(specifications)), key=lambda i: specifications[i].order)
    with threadpool_limits(1), np.errstate(all="ignore"):
        for _, alike in groupby(order, key=lambda i: specifications[i].cell):
            places = list(alike)
            cell = cell_of(study, specifications[places[0]])
            if not cell.refusal:
                _reassigned(study, cell, specifications, places, treatments[cell.rows], found)
    return found[0], found[1]


def _reassigned(
    study: Study,
    cell: Cell,
    specifications: Sequence[Specification],
    places: list[int],
    treatments: Floats,
    found: Floats,
) -> None:
    """Fill the rows of ``found`` that belong to specifications of one cell."""
    units, periods, codes = (
        pd.factorize(cell.frame[c], sort=True)[0]
        for c in (study.unit, study.time, study.cluster or study.unit)
    )
    n, basis = len(cell.frame), Span.of(units, periods).dense()
    left = residual(treatments, basis)  # once a cell; controls are a few directions more
    flat = np.square(left).sum(axis=0) < 1e-12 * np.square(treatments).sum(axis=0)
    left[:, flat] = 0.0
    spans: dict[tuple[str, ...], Span | None] = {}
    for place in places:
        names = specifications[place].controls
        if names not in spans:
            try:
                controls = cell.frame[list(names)].to_numpy(float)
                spans[names] = Span.of(units, periods, controls, names)
            except EstimationError:
                spans[names] = None
        span = spans[names]
        if span is None or n <= span.rank + 1:
            continue  # not identified under any treatment: NaN
        outcome = residual(cell.frame[[specifications[place].outcome]].to_numpy(float), basis)
        slopes, errors, _ = regress_each(outcome, left, span.extra, codes)
        # The effects are parameters, too.
        errors *= np.sqrt((n - span.extra.shape[1] - 1) / (n - span.rank - 1))
        # Residuals of rounding errors alone give no statistic.
        found[:, place] = slopes, slopes / np.where(errors > 0, errors, np.nan)
