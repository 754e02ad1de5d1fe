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

#: Up to this k a sweep over the neighbours is cheaper than a second search.
_STEPS = 32

#: Relative error of a difference of two floats and of its sum with one of them.
_ROUNDING = 4 * np.finfo(float).eps

#: Queries looked up at a time: what one sweep touches stays in the processor's cache.
_BLOCK = 1 << 15

Array = np.ndarray


def ascending(values: Array) -> Array:
    """Return the order that sorts finite ``values``, equal values in the order of the rows.

    A float's bits, read as a whole number, sort as the float does.  Their last bits make
    room for the row's number, so that one fast sort of whole numbers carries the rows
    along.  Rows whose remaining bits agree, few of them, are sorted again.
    """
    n = len(values)
    bits = (values + 0.0).view(np.uint64)  # + 0.0: minus zero is zero
    sign = np.uint64(1 << 63)
    keys = np.where(bits & sign, ~bits, bits | sign)
    room = np.uint64((1 << max(n - 1, 1).bit_length()) - 1)
    keys &= ~room
    keys |= np.arange(n, dtype=np.uint64)
    keys.sort()
    order = (keys & room).astype(np.intp)
    keys &= ~room
    same = keys[1:] == keys[:-1]
    if same.any():
        unsure = np.zeros(n, dtype=bool)
        unsure[1:] = same
        unsure[:-1] |= same
        at = np.flatnonzero(unsure)
        if len(at) > n // 8:
            return np.argsort(values, kind="stable")
        rows = np.sort(order[at])
        order[at] = rows[np.argsort(values[rows], kind="stable")]
    return order


def tolerance(pool: Array, tie: float = TIE) -> float:
    """Return what counts as no difference between distances, in units of the score."""
    return tie * max(1.0, float(np.abs(pool).max()))


def kth_distance(queries: Array, pool: Array, k: int) -> Array:
    """Return the distance to the k-th nearest point of a sorted pool."""
    return _kth(queries, _padded(pool, k), k, np.searchsorted(pool, queries) + k)


def _padded(pool: Array, width: int) -> Array:
    """Return the pool between points that are infinitely far away."""
    far = np.full(width, np.inf)
    return np.concatenate([-far, pool, far])


def _kth(queries: Array, padded: Array, k: int, place: Array) -> Array:
    """Return the distance to the k-th nearest; ``place`` is the first point not below.

    The k nearest are neighbours in the sorted pool: *a* of them below the query
    and k - a above it.  The k-th distance is the smallest, over a, of the larger
    of the two ends' distances.
    """
    best: Array = padded[place + (k - 1)] - queries
    for below in range(1, k):
        reach = np.maximum(
            queries - padded[place - below], padded[place + (k - below - 1)] - queries
        )
        np.minimum(best, reach, out=best)
    np.minimum(best, queries - padded[place - k], out=best)
    return best


def _sweep(
    queries: Array, padded: Array, radius: Array, k: int, place: Array
) -> tuple[Array, Array, Array]:
    """Count the neighbours on both sides by at most k steps; say where there are more.

    Where the step after the last is still inside the radius there are more ties than
    the sweep has counted.
    """
    low, high = queries - radius, queries + radius
    below = np.zeros(len(queries), dtype=np.intp)
    above = np.zeros(len(queries), dtype=np.intp)
    for step in range(1, k + 1):
        below += padded[place - step] >= low
        above += padded[place + (step - 1)] <= high
    more = (padded[place - (k + 1)] >= low) | (padded[place + k] <= high)
    return below, below + above, more


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
    order, turn = ascending(pool), ascending(queries)
    ranked, sorted_queries = pool[order], queries[turn]
    slack = tolerance(ranked[[0, -1]], tie)
    width = 0 if k is None else k + 1
    padded = _padded(ranked, width)
    first, counts = np.empty(len(queries), np.intp), np.empty(len(queries), np.intp)
    for start in range(0, len(queries), _BLOCK):
        block = sorted_queries[start : start + _BLOCK]
        place = np.searchsorted(ranked, block)
        radius = np.full(len(block), np.inf)
        if k is not None:
            radius = _kth(block, padded, k, place + width)
        if caliper is not None:
            np.minimum(radius, caliper, out=radius)
        radius += slack + _ROUNDING * (np.abs(block) + radius)
        if k is None or k > _STEPS:
            more = np.ones(len(block), dtype=bool)
            begin, number = place, np.empty_like(place)
        else:
            below, number, more = _sweep(block, padded, radius, k, place + width)
            begin = place - below
        if more.any():
            low, high = block[more] - radius[more], block[more] + radius[more]
            begin[more] = np.searchsorted(ranked, low, side="left")
            number[more] = np.searchsorted(ranked, high, side="right") - begin[more]
        rows = turn[start : start + _BLOCK]
        first[rows], counts[rows] = begin, number
    return order, first, counts


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
