"""Sobol, PAWN and Monte Carlo of the effect over unpublished choices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import did, index
from ftz.errors import EstimationError
from ftz.index._sensitivity import FactorialResult
from study import indicators

FACTORS = (
    index.Factor(
        "normalisation",
        {
            "min-max": {},
            "by year": {"normalise_within": "period"},
            "rank": {"normalisation": "rank"},
        },
    ),
    index.Factor.of("weights", "flat", "entropy", "pca"),
    index.Factor.of("shift", 1e-4, 1.0),
    index.Factor("nothing", {"this": {}, "that": {}}),
)


@pytest.fixture(scope="module")
def shipped():
    return indicators.load_indicators()


@pytest.fixture(scope="module")
def model(shipped):
    return index.att_model(index.Pipeline(shipped.indicators, shipped.tree), shipped.matched, "FTZ")


@pytest.fixture(scope="module")
def table(model):
    return index.factorial(model, FACTORS)


def test_the_model_is_building_and_regressing(model, shipped):
    spec = index.IndexSpec(weights="critic", aggregation="geometric", lift=0.02, outliers="clip")
    scores = index.build(shipped.indicators, shipped.tree, spec).scores["index"]
    rows = pd.MultiIndex.from_frame(shipped.matched[["city", "year"]])
    frame = shipped.matched.assign(y=np.log(scores.loc[rows].to_numpy()))
    assert model(spec) == pytest.approx(did.twfe(frame, "y", "FTZ").att, abs=1e-10)
    level = index.att_model(model.pipeline, shipped.matched, "FTZ", log=False)
    frame["y"] = scores.loc[rows].to_numpy()
    assert level(spec) == pytest.approx(did.twfe(frame, "y", "FTZ").att, abs=1e-10)


def test_two_identical_options_get_exactly_zero(table):
    assert table.sobol.loc["nothing"].tolist() == [0.0, 0.0]
    assert table.pawn.loc["nothing"].tolist() == [0.0, 0.0]
    sampled = index.sobol_of_choices(table, 256, seed=3).table
    assert sampled.loc["nothing", ["first", "total"]].tolist() == [0.0, 0.0]
    assert sampled.loc["nothing", ["total_low", "total_high"]].tolist() == [0.0, 0.0]
    assert (table.sobol.drop("nothing")["total"] > 0).all()
    assert (table.pawn.drop("nothing")["largest"] > 0).all()


def test_sampled_indices_find_the_exact_ones(table):
    exact = table.sobol
    sampled = index.sobol_of_choices(table, 4096, seed=1).table
    for kind in ("first", "total"):
        assert sampled[kind].tolist() == pytest.approx(exact[kind].tolist(), abs=0.03)


def test_the_decomposition_adds_up(table):
    """First orders never exceed totals; with one factor, both are one."""
    sobol = table.sobol
    assert (sobol["first"] <= sobol["total"] + 1e-12).all() and sobol["first"].sum() <= 1 + 1e-12
    one = FactorialResult(table.values.xs(("flat", "0.0001", "this"), level=[1, 2, 3]))
    rows = pd.MultiIndex.from_arrays([one.values.index], names=["normalisation"])
    alone = FactorialResult(pd.Series(one.values.to_numpy(), index=rows)).sobol
    assert alone.to_numpy().ravel().tolist() == pytest.approx([1, 1])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=12, max_size=12).filter(lambda x: np.std(x) > 1e-3))
def test_sobol_by_the_definition(values):
    rows = pd.MultiIndex.from_product([range(2), range(3), range(2)], names=["p", "q", "r"])
    series = pd.Series(values, index=rows)
    sobol = FactorialResult(series).sobol
    for name in ("p", "q", "r"):
        others = [n for n in ("p", "q", "r") if n != name]
        first = series.groupby(level=name).mean().var(ddof=0) / series.var(ddof=0)
        total = series.groupby(level=others).var(ddof=0).mean() / series.var(ddof=0)
        assert sobol.loc[name].tolist() == pytest.approx([first, total], abs=1e-9)


def test_pawn_agrees_with_the_two_sample_statistic_of_scipy(table):
    from scipy import stats

    held = [
        stats.ks_2samp(part, table.values).statistic
        for _, part in table.values.groupby(level="weights", sort=False)
    ]
    assert table.pawn.loc["weights", "largest"] == pytest.approx(max(held))
    assert table.pawn.loc["weights", "median"] == pytest.approx(np.median(held))


def test_the_shift_matters_under_entropy_weights_only(model):
    for weights, moves in (("entropy", True), ("flat", False)):
        results = {model(index.IndexSpec(weights=weights, shift=s)) for s in (1e-4, 0.01, 1.0)}
        assert (len(results) > 1) is moves


def test_uncertainty_follows_the_seed_and_disturbs_weights(model):
    first = index.uncertainty(model, FACTORS, draws=60, seed=4)
    again = index.uncertainty(model, FACTORS, draws=60, seed=4)
    assert first.effects.equals(again.effects) and first.ranks.equals(again.ranks)
    assert not first.effects.equals(index.uncertainty(model, FACTORS, draws=60, seed=5).effects)
    assert first.ranks.shape == (60, 13) and first.effects.nunique() == 60
    assert (np.sort(first.ranks.to_numpy(), axis=1) == np.arange(1, 14)).all()
    assert first.choices.columns.tolist() == [f.name for f in FACTORS]


def test_uncertainty_without_disturbance_gives_the_table(model, table):
    still = index.uncertainty(model, FACTORS, draws=40, spread=0.0, seed=0)
    for chosen, effect in zip(still.choices.itertuples(index=False), still.effects, strict=True):
        assert effect == pytest.approx(table.values[tuple(chosen)], abs=1e-12)
    quantiles = still.quantiles((0.0, 1.0))
    assert quantiles.tolist() == [still.effects.min(), still.effects.max()]
    assert still.share_of_sign() == (still.effects > 0).mean()


def test_refusals(model, shipped):
    with pytest.raises(EstimationError, match=r"spread must lie in \[0, 1\)"):
        index.uncertainty(model, FACTORS, draws=2, spread=1.0, seed=0)
    with pytest.raises(EstimationError, match="no variance to share out"):
        index.factorial(model, [FACTORS[-1]]).sobol  # noqa: B018
    with pytest.raises(EstimationError, match="does not vary"):
        index.sobol_indices(lambda x: np.ones(len(x)), {"x": (0, 1)}, 8, seed=0)
    with pytest.raises(EstimationError, match="no logarithm"):
        model(index.IndexSpec(normalisation="zscore", weights="flat"))
    with pytest.raises(EstimationError, match="lack a row"):
        index.att_model(
            model.pipeline, shipped.matched.assign(city=lambda f: f["city"] + "?"), "FTZ"
        )
