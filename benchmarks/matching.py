"""Nearest neighbours on a score: ours against scikit-learn's, in one run.

    python -m pytest benchmarks/matching.py

Both search 100 000 controls for each of 100 000 treated units, on one thread, from the raw
score to the matches.  Before anything is timed the matches are compared.  The last test does
not compare: it shows how our time grows to ten million.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from ftz import matching
from ftz.matching._matches import Matches

SIZE = 100_000
CALIPER = 2e-5
#: Rounds of the peer and of us: the fastest counts.
ROUNDS = 7

SETTINGS = {
    "nearest": {"k": 1},
    "four nearest": {"k": 4},
    "nearest in caliper": {"method": "k_nearest_in_caliper", "k": 1, "caliper": CALIPER},
    "caliper": {"method": "caliper", "caliper": 5 * CALIPER},
}


@cache
def sample(size: int) -> tuple[pd.Series, pd.Series]:
    """Return a score as a logit would give it, and who is treated."""
    rng = np.random.default_rng(0)
    index = np.r_[rng.normal(0.5, 1, size), rng.normal(-0.5, 1, size)]
    treated = pd.Series(np.repeat([1, 0], size))
    return pd.Series(1 / (1 + np.exp(-index))), treated


def ours(setting: str) -> Matches:
    return matching.match(*sample(SIZE), **SETTINGS[setting])


def peer(setting: str) -> tuple:
    """The same by scikit-learn, which does not look for ties; rows of pairs or lists."""
    from sklearn.neighbors import NearestNeighbors

    score, treated = sample(SIZE)
    on = treated.to_numpy() == 1
    values = score.to_numpy()[:, None]
    options = SETTINGS[setting]
    search = NearestNeighbors(n_neighbors=options.get("k", 1), radius=options.get("caliper", 1.0))
    search.fit(values[~on])
    if setting == "caliper":
        return search.radius_neighbors(values[on])
    distance, place = search.kneighbors(values[on])
    if "caliper" in options:
        near = distance[:, 0] <= options["caliper"]
        return distance[near], place[near]
    return distance, place


@pytest.mark.parametrize("setting", SETTINGS)
def test_same_matches(setting):
    """Same controls for every treated unit, whatever the order in which they are listed."""
    found, (_, place) = ours(setting), peer(setting)
    if setting == "caliper":
        place = [row for row in place if len(row)]
        assert found.weights.nnz == sum(map(len, place))
        their_columns = np.concatenate([np.sort(row) for row in place])
    else:
        assert found.weights.nnz == place.size
        their_columns = np.sort(place, axis=1).ravel()
    rows = np.repeat(np.arange(found.n_treated), np.diff(found.weights.indptr))
    order = np.lexsort((found.weights.indices, rows))
    assert (found.weights.indices[order] == their_columns).all()


@pytest.mark.parametrize("setting", SETTINGS)
def test_ours(benchmark, setting):
    benchmark.group = setting
    benchmark.pedantic(ours, args=(setting,), rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("setting", SETTINGS)
def test_scikit_learn(benchmark, setting):
    benchmark.group = setting
    rounds = 2 if setting == "caliper" else ROUNDS
    benchmark.pedantic(peer, args=(setting,), rounds=rounds, warmup_rounds=1)


@pytest.mark.parametrize("size", [10**5, 10**6, 10**7])
def test_growth(benchmark, size):
    """Up to ten million against ten million on one core, beside n log n in ``extra_info``."""
    benchmark.group = "growth"
    benchmark.pedantic(matching.match, args=sample(size), rounds=3, warmup_rounds=1)
    if benchmark.stats:
        fastest = benchmark.stats.stats.min
        benchmark.extra_info["nanoseconds per n log2 n"] = 1e9 * fastest / (size * np.log2(size))
