"""The multiverse against specification_curve 0.3.9, in one run, on the book's panel.

    python -m pytest benchmarks/multiverse.py --benchmark-group-by=group -s

Both run the same regressions: all 32 sets of controls, unit and period effects (for the
peer as dummies that are always included), one treatment.  ``test_ratios`` holds the promise
of the README, and times 10 000 specifications under 500 reassigned treatments.
"""

from __future__ import annotations

import os
import time
import warnings

# One thread for us and for the peer, before numpy is imported: the matrices are small.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pytest  # noqa: E402

import specgrid as mv  # noqa: E402
from study.replication import witness_study  # noqa: E402

PERMUTATIONS = 500
SPECIFICATIONS = 10_000


@pytest.fixture(scope="module")
def study():
    return witness_study()


@pytest.fixture(scope="module")
def plain(study):
    """Two-way fixed effects without matching, clustered standard errors."""
    wanted = {"only": {"estimator": ["twfe"], "matching": ["none"], "error_type": ["CR1"]}}
    return mv.grid(study, wanted)


@pytest.fixture(scope="module")
def dummies(study):
    keys = study.frame[[study.unit, study.time]].astype(str)
    return pd.get_dummies(keys, drop_first=True, dtype=float)


def peer(study, dummies):
    from specification_curve import SpecificationCurve

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        curve = SpecificationCurve(
            pd.concat([study.frame, dummies], axis=1),
            y_endog=study.outcome,
            x_exog=study.treatment,
            controls=list(study.controls),
            always_include=list(dummies.columns),
        )
        curve.fit()
    return curve.df_r


def shuffled_paths(study, count):
    """Return treatment columns under reassigned adoption paths."""
    rng = np.random.default_rng(1)
    first = study.frame.groupby(study.unit)[study.cohort].first()
    columns = []
    for _ in range(count):
        start = pd.Series(rng.permutation(first.to_numpy()), first.index)
        columns.append(study.frame[study.time] >= study.frame[study.unit].map(start))
    return np.column_stack(columns).astype(float)


def best(function, times):
    """Return the shortest of some runs, in seconds of one core, and the last result."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        result = function()
        spent.append(time.process_time() - start)
    return min(spent), result


@pytest.mark.benchmark(group="specifications with classical errors")
def test_specification_curve(benchmark, study, dummies):
    benchmark.pedantic(peer, (study, dummies), rounds=2)


@pytest.mark.benchmark(group="specifications with classical errors")
def test_multiverse(benchmark, study):
    grid = mv.grid(study, {"controls": "subsets", "error_type": ["classical"]})
    benchmark.pedantic(mv.evaluate, (study, grid), rounds=5, warmup_rounds=1)


def test_ratios(study, plain, dummies):
    slow, theirs = best(lambda: peer(study, dummies), 2)
    grid = mv.Grid(plain.specifications[:SPECIFICATIONS])
    mv.evaluate(study, grid.sample(50, seed=1))  # imports
    fast, ours = best(lambda: mv.evaluate(study, grid), 3)
    assert len(ours) == SPECIFICATIONS
    assert (ours["status"] == "ok").all()
    by_peer, by_us = len(theirs) / slow, len(ours) / fast
    told = f"specifications a second of one core: {by_us:,.0f} with clustered errors"
    print(f"\n{told}, specification_curve {by_peer:,.1f}: {by_us / by_peer:,.0f} times")
    assert by_us > 100 * by_peer


def test_ten_thousand_under_five_hundred_treatments(study, plain):
    specifications = list(plain.specifications[:SPECIFICATIONS])
    treatments = shuffled_paths(study, PERMUTATIONS)
    spent, (estimates, _) = best(lambda: mv.estimate_many(study, specifications, treatments), 1)
    assert estimates.shape == (SPECIFICATIONS, PERMUTATIONS)
    print(f"\n{estimates.size:,} regressions with clustered errors in {spent:.1f} s on one core")
    assert spent < 180
