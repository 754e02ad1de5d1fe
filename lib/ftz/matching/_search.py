"""Nearest neighbours on a line: arrays in, intervals out.

On a line the neighbours of a point are an interval of the sorted pool, so two
sorts and a few sweeps in sorted order find them all: n log n, and fast, since
every sweep reads memory from one end to the other.
"""

from __future__ import annotations

import numpy as np

from ftz.errors import EstimationError

#: Distances that differ by less are one distance; scores carry rounding errors.
TIE = 1e-12

#: Most pairs that one set of matches may hold (about 1.6 GB).
MOST_PAIRS = 100_000_000

#: Relative error of a difference of two floats and of its sum with one of them.
_ROUNDING = 4 * np.finfo(float).eps

Array = np.ndarray


def tolerance(pool: Array, tie: float = TIE) -> float:
    """Return what counts as no difference between distances, in units of the score."""
    return tie * max(1.0, float(np.abs(pool).max()))


def kth_distance(queries: Array, pool: Array, k: int) -> Array:
    """Return the distance to the k-th nearest point of a sorted pool.

    The k nearest are neighbours in the sorted pool: *a* of them below the query
    and k - a above it.  The k-th distance is the smallest, over a, of the larger
    of the two ends' distances.
    """
    far = np.full(k, np.inf)
    padded = np.concatenate([-far, pool, far])
    place = np.searchsorted(pool, queries) + k
    best = np.full(len(queries), np.inf)
    for below in range(k + 1):
        low, high = queries - padded[place - below], padded[place + (k - below - 1)] - queries
        ends = (low if below else high, high if below < k else low)
        np.minimum(best, np.maximum(*ends), out=best)
    return best


def neighbours(
    queries: Array, pool: Array, k: int | None, caliper: float | None, tie: float = TIE
) -> tuple[Array, Array, Array]:
    """Find the neighbours of every query.

    Parameters
    ----------
    queries, pool : numpy.ndarray
        Scores, in any order; finite.
    k : int or None
        The k nearest, and all at the distance of the k-th; None for all.
    caliper : float or None
        Largest distance; None for no limit.
    tie : float
        Distances that differ by less are equal.

    Returns
    -------
    order : numpy.ndarray
        Positions in the pool, sorted by score.
    first, counts : numpy.ndarray
        The neighbours of query *i* are ``order[first[i] : first[i] + counts[i]]``.
    """
    order, turn = np.argsort(pool, kind="stable"), np.argsort(queries)
    ranked, near = pool[order], queries[turn]  # in order, so that memory is read once through
    radius = np.full(len(near), np.inf) if k is None else kth_distance(near, ranked, k)
    if caliper is not None:
        np.minimum(radius, caliper, out=radius)
    radius += tolerance(ranked[[0, -1]], tie) + _ROUNDING * (np.abs(near) + radius)
    first, counts = np.empty(len(near), np.intp), np.empty(len(near), np.intp)
    first[turn] = np.searchsorted(ranked, near - radius, side="left")
    counts[turn] = np.searchsorted(ranked, near + radius, side="right")
    return order, first, counts - first


def members(order: Array, first: Array, counts: Array) -> tuple[Array, Array]:
    """Write the intervals out: row pointer and columns of a compressed sparse matrix."""
    pointer = np.zeros(len(counts) + 1, dtype=np.intp)
    np.cumsum(counts, out=pointer[1:])
    total = int(pointer[-1])
    if total > MOST_PAIRS:
        raise EstimationError(
            f"{total:.2g} pairs of treated and controls do not fit into memory: "
            "narrow the caliper, the bandwidth or the strata, or use k nearest neighbours"
        )
    if total == len(counts) and (counts == 1).all():
        return pointer, order[first]
    return pointer, order[np.arange(total) + np.repeat(first - pointer[:-1], counts)]


def neighbours_in_space(
    queries: Array, pool: Array, k: int, tie: float, caliper: float | None = None
) -> tuple[Array, Array, Array]:
    """Find the k nearest points in several dimensions, ties included.

    Parameters
    ----------
    queries, pool : numpy.ndarray
        Points by coordinates.
    k : int
    tie : float
        *Squared* distances that exceed the k-th by no more are ties.
    caliper : float, optional
        Largest distance.

    Returns
    -------
    pointer, columns, counts : numpy.ndarray
        As a compressed sparse matrix; columns ascend within a row.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(pool)
    reach = tree.query(queries, k=[k])[0].ravel()
    radius = np.sqrt(reach**2 * (1 + 1e-12) + tie)  # rounding must not lose the k-th itself
    if caliper is not None:
        radius = np.minimum(radius, caliper + TIE)
    counts = tree.query_ball_point(queries, radius, return_length=True)
    if counts.sum() > MOST_PAIRS:
        raise EstimationError(f"{counts.sum():.2g} tied pairs do not fit into memory")
    lists = tree.query_ball_point(queries, radius, return_sorted=True)
    columns = np.fromiter((j for row in lists for j in row), np.intp, count=counts.sum())
    return np.concatenate([[0], np.cumsum(counts)]), columns, counts


def nearest(queries: Array, pool: Array, k: int, tie: float = TIE) -> tuple[Array, Array, Array]:
    """Find the k nearest, on the line or in space: rows and columns of the pairs, counts."""
    if queries.ndim == 1:
        order, first, counts = neighbours(queries, pool, k, None, tie)
        _, columns = members(order, first, counts)
    else:
        _, columns, counts = neighbours_in_space(queries, pool, k, tie)
    return np.repeat(np.arange(len(queries)), counts), columns, counts


def without_replacement(
    queries: Array, pool: Array, k: int, caliper: float | None, turn: Array, rank: Array
) -> tuple[Array, Array]:
    """Give each query its nearest free point of the pool, in turns.

    Every query chooses once before any chooses again, as in MatchIt.  Free points
    are kept in two forests of intervals (one looking down, one up) whose paths are
    halved as they are walked: nearly linear after the sorts.

    Parameters
    ----------
    queries, pool : numpy.ndarray
    k : int
        Rounds.
    caliper : float or None
    turn : numpy.ndarray
        Positions of the queries in the order in which they choose.
    rank : numpy.ndarray
        Of two points at the same distance, the one of lower rank is taken.

    Returns
    -------
    rows, columns : numpy.ndarray
        Positions of the pairs.
    """
    order = np.lexsort((rank, pool))
    ranked = pool[order]
    values, names, limit = ranked.tolist(), rank[order].tolist(), len(ranked)
    starts = np.searchsorted(ranked, ranked, side="left").tolist()
    places = np.searchsorted(ranked, queries, side="left").tolist()
    up, down = list(range(limit + 1)), list(range(limit + 1))  # down is shifted by one
    widest = np.inf if caliper is None else caliper + tolerance(pool)
    scores, chooser = queries.tolist(), turn.tolist()
    rows, columns = [], []

    def free(forest: list[int], node: int) -> int:
        while forest[node] != node:
            forest[node] = forest[forest[node]]
            node = forest[node]
        return node

    for _ in range(k):
        for query in chooser:
            score, place = scores[query], places[query]
            right, left = free(up, place), free(down, place) - 1
            if left >= 0:  # of equal points below, the first that is free
                left = free(up, starts[left])
            gap_left = score - values[left] if left >= 0 else np.inf
            gap_right = values[right] - score if right < limit else np.inf
            if gap_left == gap_right < np.inf:
                best = left if names[left] < names[right] else right
            else:
                best = left if gap_left < gap_right else right
            if min(gap_left, gap_right) <= widest and best < limit:
                rows.append(query)
                columns.append(best)
                up[best], down[best + 1] = best + 1, best
    return np.array(rows, dtype=np.intp), order[np.array(columns, dtype=np.intp)]
