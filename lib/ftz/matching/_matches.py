"""Matches: which controls stand in for which treated unit, and with what weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.matching import _search as search
from ftz.matching._checks import aligned, effective_size, generator
from ftz.matching._search import TIE

METHODS = ("k_nearest", "caliper", "k_nearest_in_caliper")

#: Weight at distance u, in bandwidths; all but the Gaussian vanish beyond one.
KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "epanechnikov": lambda u: 1 - u**2,
    "gaussian": lambda u: np.exp(-(u**2) / 2),
    "biweight": lambda u: (1 - u**2) ** 2,
    "tricube": lambda u: (1 - np.abs(u) ** 3) ** 3,
    "uniform": np.ones_like,
}


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
        Treated units without a control in reach, or for whom none was left: dropped.
    score : pandas.Series
        What was matched on; NaN where that is several covariates.
    k : int or None
    caliper : float or None
        In units of ``score``; for kernel matching the bandwidth.
    replacement : bool
        Whether a control may serve more than once.
    strata : pandas.Series or None
        Stratum of each row, for stratification.
    space : pandas.DataFrame or None
        Coordinates of each row, for matching on several covariates: Euclidean
        distance in them is the distance of the metric.
    tie : float
        Distances (squared ones in ``space``) that differ by less are equal.
    """

    weights: sparse.csr_array
    treated: pd.Index
    controls: pd.Index
    unmatched: pd.Index
    score: pd.Series
    method: str
    k: int | None
    caliper: float | None
    replacement: bool = True
    strata: pd.Series | None = None
    space: pd.DataFrame | None = None
    tie: float = TIE

    def positions(self, labels: pd.Index) -> np.ndarray:
        """Return where units stand: rows by one score, or by coordinates."""
        if self.space is None:
            return self.score.loc[labels].to_numpy(float)
        return self.space.loc[labels].to_numpy(float)

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
        weights: pd.Series = pd.concat([ones, zeros, self.control_weights])
        return weights.reindex(self.score.index)

    @property
    def effective_controls(self) -> float:
        """How many equally weighted controls would be as precise (Kish 1965)."""
        return effective_size(self.control_weights.to_numpy())

    @property
    def pairs(self) -> pd.DataFrame:
        """One row a pair; treated, control, weight, distance."""
        cells = self.weights.tocoo()
        treated, controls = self.treated[cells.row], self.controls[cells.col]
        gaps = self.positions(treated) - self.positions(controls)
        distance = np.abs(gaps) if gaps.ndim == 1 else np.linalg.norm(gaps, axis=1)
        return pd.DataFrame(
            {"treated": treated, "control": controls, "weight": cells.data, "distance": distance}
        )

    def __repr__(self) -> str:
        setting = ", ".join(
            f"{name} = {value:.4g}"
            for name, value in (("k", self.k), ("caliper", self.caliper))
            if value is not None
        )
        method = self.method if self.replacement else f"{self.method} (without replacement)"
        return (
            f"{method} matching ({setting}): {self.n_treated} treated matched, "
            f"{self.n_unmatched} dropped, {self.n_controls_used} of {len(self.controls)} "
            f"controls used"
        )


def collect(
    weights: sparse.csr_array, score: pd.Series, status: np.ndarray, why: str, **how: Any
) -> Matches:
    """Leave out the treated without a match, and label rows and columns."""
    matched = np.diff(weights.indptr) > 0
    if not matched.any():
        raise EstimationError(f"no treated unit has a control {why}")
    labels, controls = score.index[status], score.index[~status]
    if matched.all():
        return Matches(
            weights=weights,
            treated=labels,
            controls=controls,
            unmatched=labels[:0],
            score=score,
            **how,
        )
    return Matches(
        weights=weights[np.flatnonzero(matched)],
        treated=labels[matched],
        controls=controls,
        unmatched=labels[~matched],
        score=score,
        **how,
    )


# --------------------------------------------------------------- nearest neighbours


def match(
    score: pd.Series,
    treated: pd.Series,
    *,
    method: str = "k_nearest",
    k: int | None = None,
    caliper: float | None = None,
    tie: float = TIE,
    replacement: bool = True,
    ties: str = "share",
    order: str = "largest",
    seed: int | np.random.Generator | None = None,
) -> Matches:
    """Match treated units to controls on a scalar.

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
    replacement : bool
        Whether a control may serve several treated units.
    ties : {"share", "first", "random"}
        What becomes of controls at the distance of the k-th neighbour: all share the
        weight, those that stand first in the frame serve, or ``seed`` chooses.
        Without replacement ties cannot be shared, and ``share`` is ``first``.
    order : {"largest", "smallest", "data", "random"}
        Without replacement: who chooses first, by score, by row or by ``seed``.
    seed : int or numpy.random.Generator, optional

    Raises
    ------
    EstimationError
        Unusable input, arguments that the method needs or has no use for, more
        neighbours than controls, randomness without a seed, more pairs than memory
        holds, or no treated unit with a match.

    Notes
    -----
    With replacement and shared ties neither the order of the rows nor a seed decides
    (as ``ties = TRUE`` of R's Matching): this is the default.  Without replacement
    the result depends on who chooses first; every unit chooses once before any
    chooses again, as in MatchIt.  The search sorts once and costs n log n.
    """
    k = _check_settings(method, k, caliper)
    _check_choice(method, ties, order, replacement)
    score, status = aligned(score, treated)
    on = status.to_numpy()
    values = score.to_numpy()
    pool, queries = values[~on], values[on]
    if k is not None and k > len(pool):
        raise EstimationError(f"{k} neighbours asked for, {len(pool)} controls in the sample")
    if not replacement and k is not None:
        weights = _greedy(queries, pool, k, caliper, ties, order, seed)
    else:
        weights = _equal_weights(queries, pool, k, caliper, tie)
        if ties != "share" and k is not None:
            rng = generator(seed, "ties='random'") if ties == "random" else None
            weights = _break_ties(weights, queries, pool, k, rng)
    why = "" if caliper is None else f"within the caliper {caliper:.4g}"
    how = {"method": method, "k": k, "caliper": caliper, "replacement": replacement, "tie": tie}
    return collect(weights, score, on, why, **how)


def _check_settings(method: str, k: int | None, caliper: float | None) -> int | None:
    """Return k, 1 where it is needed and not given; refuse what the method does not use."""
    one_of("method", method, METHODS)
    if ("caliper" in method) != (caliper is not None):
        if "caliper" in method:
            raise EstimationError(f"{method} needs a caliper: give caliper=, the widest distance")
        raise EstimationError(f"{method} takes no caliper: leave it out, or use caliper matching")
    if caliper is not None and not caliper > 0:
        raise EstimationError(f"a caliper must be positive, not {caliper}")
    if method == "caliper":
        if k is not None:
            raise EstimationError("caliper takes no k: use k_nearest_in_caliper")
        return None
    if k is not None and (k < 1 or k != int(k)):
        raise EstimationError(f"k must be a whole number from 1, not {k}")
    return 1 if k is None else int(k)


def _check_choice(method: str, ties: str, order: str, replacement: bool) -> None:
    one_of("ties", ties, ("share", "first", "random"))
    one_of("order", order, ("largest", "smallest", "data", "random"))
    if method == "caliper" and (ties != "share" or not replacement):
        raise EstimationError(
            "caliper uses every control within reach: it has no ties to break and cannot "
            "match without replacement; use k_nearest_in_caliper"
        )


def _equal_weights(
    queries: np.ndarray, pool: np.ndarray, k: int | None, caliper: float | None, tie: float
) -> sparse.csr_array:
    """Return equal weights on each query's neighbours."""
    order, first, counts = search.neighbours(queries, pool, k, caliper, tie)
    pointer, columns = search.members(order, first, counts)
    if (counts == 1).all():
        return _sparse(np.ones(len(columns)), columns, pointer, len(pool))
    values = np.repeat(1 / np.maximum(counts, 1), counts)
    return _sparse(values, columns, pointer, len(pool))


def _sparse(
    values: np.ndarray, columns: np.ndarray, pointer: np.ndarray, width: int
) -> sparse.csr_array:
    return sparse.csr_array((values, columns, pointer), shape=(len(pointer) - 1, width))


def _break_ties(
    weights: sparse.csr_array,
    queries: np.ndarray,
    pool: np.ndarray,
    k: int,
    rng: np.random.Generator | None,
) -> sparse.csr_array:
    """Keep at most k neighbours of each query, the first or at random among the farthest."""
    counts = np.diff(weights.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    distance = np.abs(queries[rows] - pool[weights.indices])
    reach = np.repeat(search.kth_distance(queries, np.sort(pool), k), counts)
    edge = distance >= reach - search.tolerance(pool)
    preference = weights.indices if rng is None else rng.random(len(rows))
    place = np.lexsort((preference, edge, rows))
    chosen = place[np.arange(len(rows)) - weights.indptr[rows] < k]
    counts = np.minimum(counts, k)
    pointer = np.r_[0, np.cumsum(counts)]
    values = np.repeat(1 / np.maximum(counts, 1), counts)
    return _sparse(values, weights.indices[chosen], pointer, len(pool))


def _greedy(
    queries: np.ndarray,
    pool: np.ndarray,
    k: int,
    caliper: float | None,
    ties: str,
    order: str,
    seed: int | np.random.Generator | None,
) -> sparse.csr_array:
    """Return equal weights on the controls that each query got, none used twice."""
    needs_seed = "ties='random'" if ties == "random" else "order='random'"
    rng = generator(seed if "random" in (ties, order) else 0, needs_seed)
    turns: dict[str, Callable[[], np.ndarray]] = {
        "largest": lambda: np.argsort(-queries, kind="stable"),
        "smallest": lambda: np.argsort(queries, kind="stable"),
        "data": lambda: np.arange(len(queries)),
        "random": lambda: rng.permutation(len(queries)),
    }
    turn = turns[order]()
    rank = rng.permutation(len(pool)) if ties == "random" else np.arange(len(pool))
    rows, columns = search.without_replacement(queries, pool, k, caliper, turn, rank)
    counts = np.bincount(rows, minlength=len(queries))
    place = np.argsort(rows, kind="stable")
    values = np.repeat(1 / np.maximum(counts, 1), counts)
    return _sparse(values, columns[place], np.r_[0, np.cumsum(counts)], len(pool))


# ---------------------------------------------------------------- kernels and strata


def kernel_match(
    score: pd.Series, treated: pd.Series, *, kernel: str = "epanechnikov", bandwidth: float = 0.06
) -> Matches:
    r"""Match each treated unit to a weighted average of the controls around it.

    Parameters
    ----------
    score, treated : pandas.Series
        As in :func:`match`.
    kernel : {"epanechnikov", "gaussian", "biweight", "tricube", "uniform"}
        How weights fall with distance.  The uniform kernel is radius matching.  The
        Gaussian gives every control some weight.
    bandwidth : float
        In units of ``score``; psmatch2's default is 0.06 on the probability.

    Returns
    -------
    Matches
        Treated units without a control inside the bandwidth are dropped.

    Raises
    ------
    EstimationError
        Unusable input, unknown kernel, a bandwidth that is not positive, no treated
        unit with a control in reach.

    Notes
    -----
    Heckman, Ichimura and Todd (1997): :math:`w_{ij} = K_{ij} / \sum_l K_{il}` with
    :math:`K_{ij} = K((p_i - p_j)/h)`.
    """
    one_of("kernel", kernel, KERNELS)
    if not 0 < bandwidth < np.inf:
        raise EstimationError(f"a bandwidth must be positive and finite, not {bandwidth}")
    score, status = aligned(score, treated)
    on, values = status.to_numpy(), score.to_numpy()
    pool, queries = values[~on], values[on]
    # A Gaussian falls below the smallest float beyond 38 bandwidths.
    reach = 38 * bandwidth if kernel == "gaussian" else bandwidth
    order, first, counts = search.neighbours(queries, pool, None, reach, 0.0)
    pointer, columns = search.members(order, first, counts)
    rows = np.repeat(np.arange(len(queries)), counts)
    distance = (queries[rows] - pool[columns]) / bandwidth
    mass = KERNELS[kernel](distance)
    if kernel not in ("gaussian", "uniform"):
        # At one bandwidth the weight is zero, whatever the last bit of the distance says.
        mass[np.abs(distance) > 1 - 1e-9] = 0.0
    heights = sparse.csr_array((mass, columns, pointer), shape=(len(queries), len(pool)))
    totals = np.asarray(heights.sum(axis=1)).ravel()
    positive = mass > 0
    scale = np.divide(1, totals, out=np.zeros(len(totals)), where=totals > 0)
    rows, columns, mass = rows[positive], columns[positive], mass[positive] * scale[rows[positive]]
    pointer = np.r_[0, np.cumsum(np.bincount(rows, minlength=len(queries)))]
    weights = _sparse(mass, columns, pointer, len(pool))
    why = f"within the bandwidth {bandwidth:.4g}"
    how = {"method": f"{kernel} kernel", "k": None, "caliper": bandwidth}
    return collect(weights, score, on, why, **how)


def stratify(score: pd.Series, treated: pd.Series, strata: int | Sequence[float] = 5) -> Matches:
    """Compare treated and controls within strata of the score.

    Parameters
    ----------
    score, treated : pandas.Series
        As in :func:`match`.
    strata : int or sequence of float
        Number of strata, cut at quantiles of the *treated* units' scores so that each
        holds as many treated; or the cuts between strata, ascending.

    Returns
    -------
    Matches
        Every treated unit is matched to all controls of its stratum, with equal
        weight; treated units of a stratum without controls are dropped.

    Raises
    ------
    EstimationError
        Unusable input, fewer than one stratum, cuts that do not ascend, no stratum
        with treated and controls.

    Notes
    -----
    Rosenbaum and Rubin (1984); Dehejia and Wahba (1999).  The estimate is the mean of
    the strata's differences, weighted by their treated units.
    """
    score, status = aligned(score, treated)
    on, values = status.to_numpy(), score.to_numpy()
    stratum = np.searchsorted(_cuts(values[on], strata), values, side="right")
    of_controls, of_treated = stratum[~on], stratum[on]
    order = np.argsort(of_controls, kind="stable")
    ranked = of_controls[order]
    first = np.searchsorted(ranked, of_treated, side="left")
    counts = np.searchsorted(ranked, of_treated, side="right") - first
    pointer, columns = search.members(order, first, counts)
    weights = _sparse(
        np.repeat(1 / np.maximum(counts, 1), counts), columns, pointer, len(of_controls)
    )
    groups = pd.Series(stratum, score.index, name="stratum")
    how = {"method": "stratification", "k": None, "caliper": None, "strata": groups}
    return collect(weights, score, on, "in its stratum", **how)


def _cuts(treated_scores: np.ndarray, strata: int | Sequence[float]) -> np.ndarray:
    if np.ndim(strata) > 0:
        cuts = np.asarray(strata, float)
        if not (np.diff(cuts) > 0).all() or not np.isfinite(cuts).all():
            raise EstimationError("the cuts between strata must be finite and ascend")
        return cuts
    count = float(strata)  # type: ignore[arg-type]  # np.ndim has told a number from a sequence
    if count < 1 or count != int(count):
        raise EstimationError(f"strata must be a whole number from 1, not {strata}")
    inner = np.linspace(0, 1, int(count) + 1)[1:-1]
    return np.unique(np.quantile(treated_scores, inner))
