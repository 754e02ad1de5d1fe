"""The index: one build, every weighting, every combination, ten thousand replications.

    python -m pytest benchmarks/index.py

One process on one thread; thirteen cities, ten years, sixty-one simulated indicators.  The
full uncertainty analysis is held to a minute.
"""

from __future__ import annotations

import pytest

from ftz import index
from study import indicators

DRAWS = 10_000
BASE = index.IndexSpec(lift=0.01)
FACTORS = (
    index.Factor.of("outliers", "none", "winsorise_log"),
    index.Factor.of("normalisation", "minmax", "rank", "distance"),
    index.Factor.of("normalise_within", "all", "period"),
    index.Factor.of("weights", "equal", "flat", "entropy", "critic", "pca", "cv"),
    index.Factor.of("weights_within", "all", "period"),
    index.Factor.of("shift", 1e-4, 1e-2, 1.0),
    index.Factor.of("aggregation", "arithmetic", "geometric", "topsis"),
)


@pytest.fixture(scope="module")
def panel():
    return indicators.load_indicators()


@pytest.fixture(scope="module")
def built(panel):
    flat = index.IndexSpec(weights="flat", level_weights={1: "equal"})
    return index.build(panel.indicators, panel.tree, flat)


@pytest.fixture
def model(panel):
    pipeline = index.Pipeline(panel.indicators, panel.tree)  # nothing kept from the last round
    return index.att_model(pipeline, panel.matched, "FTZ")


def test_one_index_with_every_check(benchmark, panel):
    result = benchmark(lambda: index.build(panel.indicators, panel.tree))
    assert result.scores.shape == (130, 7)


def test_sixty_one_regressions_give_every_weighting(benchmark, panel, built):
    found = benchmark(lambda: index.weigh_effects(built.normalised, panel.matched, "FTZ"))
    assert len(found.effects) == 61


def test_where_the_sign_turns(benchmark, panel, built):
    weighed = index.weigh_effects(built.normalised, panel.matched, "FTZ")
    assert benchmark(lambda: weighed.flip(panel.tree, built.shares.to_dict())) > 1


def test_every_combination_of_choices(benchmark, model):
    table = benchmark.pedantic(lambda: index.factorial(model, FACTORS, BASE), rounds=1)
    assert len(table.values) == 1296


def test_ten_thousand_replications_take_less_than_a_minute(benchmark, model):
    result = benchmark.pedantic(
        lambda: index.uncertainty(model, FACTORS, BASE, draws=DRAWS, seed=0), rounds=1
    )
    assert len(result.effects) == DRAWS and result.ranks.shape == (DRAWS, 13)
    assert benchmark.stats["max"] < 60
