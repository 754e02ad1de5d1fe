"""Samples: the rows and the treatment that many specifications share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ftz.errors import EstimationError, FtzError
from specgrid._grid import INDICES, Specification

if TYPE_CHECKING:
    from ftz.matching._score import ScoreResult
    from userpanel import UserPanel

#: Names under which a sample holds what a specification codes anew.
TREATMENT, COHORT = "treatment (coded)", "cohort (coded)"
#: What other packages raise where a sample does not carry their estimator.
REFUSALS = (ArithmeticError, LookupError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Sample:
    """Rows of a panel with their treatment.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns of the study, and :data:`TREATMENT` and :data:`COHORT`.
    rows : array of int, shape (n,)
        Which rows of the study's frame they are.
    refusal : str
        Why there are none; else empty.
    """

    frame: pd.DataFrame
    rows: NDArray[np.int64]
    refusal: str = ""


def sample_of(
    study: UserPanel,
    specification: Specification,
    codings: dict[str, dict[str, float]] | None = None,
) -> Sample:
    """Return the rows on which a specification stands, after matching where it matches.

    Under ``matching_att`` the rows are those before matching, which is part of the estimate.
    ``codings`` keeps :func:`adoption` from one call to the next.
    """
    codings = {} if codings is None else codings
    if specification.adoption not in codings:
        codings[specification.adoption] = adoption(study, specification.adoption)
    frame, rows = _selected(study, specification, codings[specification.adoption])
    if specification.estimator == "matching_att" or specification.matching == "none":
        return Sample(frame, rows, "" if len(frame) else "no row is left")
    try:
        matched = _matched(study, frame, specification)
    except EstimationError as error:
        return Sample(frame, rows, " ".join(str(error).split()))
    except REFUSALS as error:
        return Sample(frame, rows, " ".join(f"{type(error).__name__}: {error}".split()))
    return Sample(frame[matched].reset_index(drop=True), rows[matched])


def _selected(
    study: UserPanel, specification: Specification, first: dict[str, float]
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    frame, window = study.frame, specification.window
    units = frame[study.unit].to_numpy(object)
    unknown = [u for u in specification.sample if u not in first]
    if unknown:
        raise FtzError(f"specification, sample: the study has no {study.unit} {unknown[0]!r}")
    start = np.array([first[u] for u in units], dtype=float)
    times = frame[study.time].to_numpy()
    on = (times >= start).astype(float)
    if specification.adoption == "launch":
        on = frame[study.treatment].to_numpy(float)
    out = set(specification.sample)
    inside = np.array([u not in out for u in units]) & (times >= window[0]) & (times <= window[1])
    rows = np.flatnonzero(inside)
    coded = frame.assign(**{TREATMENT: on, COHORT: start})
    return coded.iloc[rows].reset_index(drop=True), rows


def _matched(
    study: UserPanel, frame: pd.DataFrame, specification: Specification
) -> NDArray[np.bool_]:
    """Say which rows matching keeps; the score stands on the study's own covariates."""
    matches = matches_of(frame, tuple(study.match_on), specification)[1]
    weights = matches.sample_weights.reindex(frame.index, fill_value=0.0)
    return np.asarray(weights > 0, dtype=bool)


def matches_of(
    frame: pd.DataFrame, covariates: tuple[str, ...], specification: Specification
) -> tuple[ScoreResult, Any]:
    """Return the fitted score and the matches on its linear index, within the support.

    Under ``weights`` nobody is matched: the rows of the support come in their place.
    """
    from ftz import matching

    fit = matching.propensity_score(frame, TREATMENT, covariates)
    keep = matching.common_support(fit.score, frame[TREATMENT], specification.support)
    index, treated = fit.linear_index[keep], frame.loc[keep, TREATMENT]
    if specification.matching == "weights":
        return fit, keep
    if specification.matching == "kernel":
        assert specification.caliper is not None, "kernel matching without a caliper"
        return fit, matching.kernel_match(index, treated, bandwidth=specification.caliper)
    matches = matching.match(
        index,
        treated,
        method=specification.matching,
        k=specification.k,
        caliper=specification.caliper,
    )
    return fit, matches


# ---------------------------------------------------------------- adoption


def adoption(study: UserPanel, coding: str) -> dict[str, float]:
    """Return unit to first treated period under a coding; NaN for never.

    Raises
    ------
    FtzError
        If the study does not say when its units adopt under the coding.
    """
    first = study.frame.groupby(study.unit)[study.cohort].first().astype(float)
    if coding == "launch":
        return {str(u): float(s) for u, s in first.items()}
    if coding == "next_year":
        return {str(u): float(s) + 1 for u, s in first.items()}
    if coding not in study.codings:
        raise FtzError(
            f"specification, adoption: the study has no coding {coding!r} of its adoption years; "
            f"use {', '.join(('launch', 'next_year', *study.codings))}"
        )
    return dict(study.codings[coding])


# ---------------------------------------------------------------- outcomes


def with_indices(study: UserPanel) -> UserPanel:
    """Return the study with the composed index under each weighting as further columns.

    Notes
    -----
    The weights come from the parts scaled to [0, 1] (:func:`ftz.index.data_weights`)
    and weigh the parts as they stand: where these are logarithms, the index is the logarithm
    of a weighted geometric mean, in the units of the outcome.
    """
    from ftz.index._weights import data_weights

    parts = list(study.sub_outcomes)
    names = [f"index:{method}" for method in INDICES]
    if len(parts) < 2 or names[0] in study.frame.columns:
        return study
    values = study.frame[parts].astype(float)
    spread = values.max() - values.min()
    if not (spread > 0).all():
        return study
    scaled = (values - values.min()) / spread
    composed: dict[str, NDArray[np.float64]] = {}
    for name, method in zip(names, INDICES, strict=True):
        weights = pd.Series(1 / len(parts), parts)
        if method != "equal":
            try:
                weights = data_weights(scaled, method)
            except EstimationError:  # these weights do not exist: the row will say so
                weights = pd.Series(np.nan, parts)
        total = np.zeros(len(values))
        for part in parts:  # in this order, so that the last bit is always the same
            total = total + float(weights[part]) * values[part].to_numpy(float)
        composed[name] = total
    return replace(study, frame=study.frame.assign(**composed))
