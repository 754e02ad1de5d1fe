"""Matching on several covariates at once, without a score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.matching import _search as search
from ftz.matching._checks import as_groups, numbers
from ftz.matching._matches import Matches, collect

METRICS = ("inverse_variance", "mahalanobis", "euclidean")


def match_covariates(
    frame: pd.DataFrame,
    treated: pd.Series,
    covariates: Sequence[str],
    *,
    metric: str = "inverse_variance",
    k: int = 1,
    caliper: float | None = None,
    tie: float = 1e-5,
) -> Matches:
    """Match treated units to their k nearest controls in the space of the covariates.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a unit, an index without duplicates.
    treated : pandas.Series of 0/1
        On the frame's index.
    covariates : sequence of str
        Numeric columns; one is enough, for instance a score.
    metric : {"inverse_variance", "mahalanobis", "euclidean"}
        Differences are divided by standard deviations; by the root of the covariance
        matrix; by nothing.
    k : int
        Neighbours; all at the distance of the k-th are used.
    caliper : float, optional
        Largest distance in the metric: standard deviations, for one covariate and
        inverse variances.  Treated units without a control in reach are dropped; those with
        some, but fewer than k, keep the ones they have.  R's Matching drops them as well.
    tie : float
        *Squared* distances that exceed the k-th by no more are ties.

    Returns
    -------
    Matches
        With replacement.

    Raises
    ------
    EstimationError
        Unusable input, unknown metric, constant or collinear covariates, more
        neighbours than controls.

    Notes
    -----
    Abadie and Imbens (2006).  Metric, tolerance and ties are those of R's Matching and
    Stata's nnmatch, so that their numbers can be compared; with more than one
    continuous covariate the estimator's bias does not vanish fast enough.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": [1.0, 4.0, 1.2, 3.9, 9.0]})
    >>> match_covariates(frame, pd.Series([1, 1, 0, 0, 0]), ["x"]).pairs["control"].tolist()
    [2, 3]
    """
    names = list(covariates)
    values = numbers(frame, names)
    status = as_groups(treated)
    if not frame.index.equals(status.index):
        raise EstimationError("frame and treatment status stand on different indexes")
    on = status.to_numpy()
    if k < 1 or k != int(k) or k > (~on).sum():
        raise EstimationError(f"k must be a whole number from 1 to {(~on).sum()}, not {k}")
    if caliper is not None and not caliper > 0:
        raise EstimationError(f"a caliper must be positive, not {caliper}")
    space = pd.DataFrame(whitened(values, names, metric), frame.index)
    points = space.to_numpy()
    pointer, columns, counts = search.neighbours_in_space(
        points[on], points[~on], int(k), tie, caliper
    )
    shape = (int(on.sum()), int((~on).sum()))
    values = np.repeat(1 / np.maximum(counts, 1), counts)
    weights = sparse.csr_array((values, columns, pointer), shape=shape)
    score = pd.Series(np.nan, frame.index, name="score")
    why = "" if caliper is None else f"within the caliper {caliper:.4g}"
    how = {"method": f"{metric} distance", "k": int(k), "caliper": caliper}
    return collect(weights, score, on, why, space=space, tie=tie, **how)


def whitened(values: np.ndarray, names: Sequence[str], metric: str) -> np.ndarray:
    """Return coordinates in which Euclidean distance is the metric's distance."""
    one_of("metric", metric, METRICS)
    centred: np.ndarray = values - values.mean(axis=0)
    if metric == "euclidean":
        return centred
    spread = values.std(axis=0, ddof=1)
    constant = [n for n, s in zip(names, spread, strict=True) if not s > 0]
    if constant:
        raise EstimationError(f"{', '.join(constant)} is constant: no distance can use it")
    scaled: np.ndarray = centred / spread
    if metric == "inverse_variance":
        return scaled
    roots, vectors = np.linalg.eigh(np.atleast_2d(np.cov(scaled, rowvar=False)))
    if roots[0] < 1e-10:
        raise EstimationError(f"{', '.join(names)} are collinear: no Mahalanobis distance")
    white: np.ndarray = scaled @ (vectors / np.sqrt(roots))
    return white
