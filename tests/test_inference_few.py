"""Few treated units, the jackknife and several outcomes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import did, inference
from ftz.errors import EstimationError
from ftz.inference._multiple import _step_down, holm
from test_inference import CONTROLS, panel

# ------------------------------------------------------------ the interval of a placebo


@pytest.mark.parametrize("scheme", inference.SCHEMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_placebo_interval_is_the_inversion_of_the_test(scheme, seed):
    frame = panel(seed, effect=1.0, units=8, treated=3)
    keys = {"seed": 0, "draws": 99, "scheme": scheme}
    lower, upper = inference.placebo(frame, "y", "d", CONTROLS, **keys).conf_int(0.8).iloc[0]

    def p(effect):
        adjusted = frame.assign(y=frame.y - effect * frame.d)
        return inference.placebo(adjusted, "y", "d", CONTROLS, **keys).p_value

    assert lower < upper
    for end, outward in ((lower, -1e-6), (upper, 1e-6)):
        assert p(end - outward) > 0.2
        assert p(end + outward) <= 0.2
        assert p(end + 10 * outward) <= 0.2


def test_placebo_interval_is_unbounded_below_the_smallest_p():
    result = inference.placebo(panel(1, units=5, treated=1), "y", "d", seed=0, scheme="units")
    assert result.smallest_p > 0.1
    assert result.conf_int(0.9).iloc[0].tolist() == [-np.inf, np.inf]


def test_dates_move_the_treated_and_nobody_else():
    frame = panel(3, units=6, treated=2, drop=0.0)
    result = inference.placebo(frame, "y", "d", seed=0, scheme="dates")
    assert result.exact and result.n_assignments == 9**2
    loop = []
    for first, second in product(range(2014, 2023), repeat=2):
        start = frame.city.map({"city 00": first, "city 01": second})
        loop.append(did.twfe(frame.assign(d=(frame.year >= start) * 1.0), "y", "d").att)
    assert np.sort(result.estimates) == pytest.approx(np.sort(loop), abs=1e-9)
    fewer = inference.placebo(frame, "y", "d", seed=0, scheme="dates", dates=[2016, 2018])
    assert fewer.n_assignments == 3**2  # the observed date is always among them


def test_dates_need_a_treated_unit():
    frame = panel(3)
    nobody = dict.fromkeys(frame.city.unique())
    with pytest.raises(EstimationError, match="no unit is treated"):
        inference.placebo(frame, "y", "d", seed=0, scheme="dates", adoption=nobody)


# -------------------------------------------------------------- Conley-Taber, Ferman-Pinto


def test_conley_taber_by_hand():
    """A balanced panel, one date: the swapped error is after minus before, averaged."""
    frame = panel(4, units=7, treated=2, drop=0.0, effect=0.5)
    result = inference.conley_taber(frame, "y", "d")
    assert result.estimate == pytest.approx(did.twfe(frame, "y", "d").att, abs=1e-10)
    wide = frame.pivot(index="city", columns="year", values="y")
    treated, others = wide.iloc[:2], wide.iloc[2:]
    change = others.loc[:, 2019:].mean(axis=1) - others.loc[:, :2018].mean(axis=1)
    noise = (change - change.mean()).to_numpy()
    wanted = [(a + b) / 2 for a, b in product(noise, repeat=2)]
    assert np.sort(result.errors) == pytest.approx(np.sort(wanted), abs=1e-9)
    assert result.exact and result.n_donors == 5 and result.n_treated == 2
    assert len(treated) == 2
    lower, upper = result.conf_int(0.9).iloc[0]
    assert lower < result.estimate < upper and "Conley-Taber" in repr(result)


def test_ferman_pinto_without_heteroskedasticity_is_conley_taber():
    frame = panel(4, units=9, treated=2, drop=0.0).assign(people=100.0)
    plain = inference.conley_taber(frame, "y", "d")
    sized = inference.ferman_pinto(frame, "y", "d", size="people")
    assert sized.errors == pytest.approx(plain.errors, abs=1e-9)
    assert sized.scales.to_numpy() == pytest.approx(1.0, abs=1e-9)


def test_ferman_pinto_widens_the_noise_of_a_small_unit():
    """Noise variance 1 / size: the size of the test is right where Conley-Taber's is not."""
    rejected = {"ct": 0, "fp": 0}
    panels = 150
    for seed in range(panels):
        rng = np.random.default_rng(seed)
        frame = panel(seed, units=31, treated=1, drop=0.0)
        size = np.r_[1.0, rng.uniform(4, 40, 30)]
        code = frame.city.str[-2:].astype(int)
        frame["y"] = rng.normal(size=len(frame)) / np.sqrt(size[code])
        frame["people"] = size[code]
        rejected["ct"] += inference.conley_taber(frame, "y", "d").p_value <= 0.1
        rejected["fp"] += inference.ferman_pinto(frame, "y", "d", size="people").p_value <= 0.1
    assert rejected["ct"] / panels > 0.3
    assert rejected["fp"] / panels < 0.25
    assert rejected["fp"] < rejected["ct"] / 2


def test_donors_need_the_periods_of_the_treated():
    frame = panel(4, units=6, treated=2, drop=0.0)
    gap = frame[~((frame.city == "city 05") & (frame.year == 2020))]
    assert inference.conley_taber(gap, "y", "d").n_donors == 3
    none = frame[(frame.city < "city 02") | (frame.year < 2018) | (frame.city == "city 03")]
    with pytest.raises(EstimationError, match="stand in"):
        inference.conley_taber(none, "y", "d")


def test_few_treated_refusals():
    frame = panel(4, units=14, treated=5, drop=0.0).assign(people=lambda f: f.year * 1.0)
    with pytest.raises(EstimationError, match="pass a seed"):
        inference.conley_taber(frame, "y", "d")
    drawn = inference.conley_taber(frame, "y", "d", seed=1, draws=199)
    assert not drawn.exact and len(drawn.errors) == 199 and drawn.p_value >= 1 / 200
    with pytest.raises(EstimationError, match="positive and the same"):
        inference.ferman_pinto(frame, "y", "d", size="people")
    with pytest.raises(EstimationError, match="no column sizes"):
        inference.ferman_pinto(frame, "y", "d", size="sizes")
    with pytest.raises(EstimationError, match="0 or 1"):
        inference.conley_taber(frame.assign(d=2 * frame.d), "y", "d")


# ---------------------------------------------------------------------------- jackknife


def test_leaving_out_is_estimating_without():
    frame = panel(5, effect=0.7)
    result = inference.leave_one_cluster_out(frame, "y", "d", CONTROLS)
    for city, row in result.table.iterrows():
        rest = frame[frame.city != city]
        assert row["without"] == pytest.approx(did.twfe(rest, "y", "d", CONTROLS).att, abs=1e-9)
        assert row["rows"] == (frame.city == city).sum()
    changes = result.table["change"].to_numpy()
    assert result.std_error == pytest.approx(np.sqrt(10 / 11 * np.square(changes).sum()))
    assert result.table["leverage"].sum() == pytest.approx(1)
    assert 1 <= result.n_effective <= 11 and 0 < result.p_value < 1
    assert result.summary.index[0] == result.table["change"].abs().idxmax()
    assert "jackknife" in repr(result) and "<table" in result._repr_html_()


@pytest.mark.parametrize("clusters", ["region", "year"])
def test_leaving_out_clusters_that_are_not_the_units(clusters):
    """Whole regions, or whole years: effects of theirs vanish with them, or do not."""
    frame = panel(5, effect=0.7).assign(region=lambda f: f.city.str[-1].astype(int) % 4)
    result = inference.leave_one_cluster_out(frame, "y", "d", CONTROLS, cluster=clusters)
    for name, row in result.table.iterrows():
        rest = frame[frame[clusters] != name]
        assert row["without"] == pytest.approx(did.twfe(rest, "y", "d", CONTROLS).att, abs=1e-9)


def test_the_only_treated_cluster_cannot_be_left_out():
    result = inference.leave_one_cluster_out(panel(5, treated=1), "y", "d")
    assert np.isnan(result.table.loc["city 00", "without"])
    assert np.isfinite(result.std_error)
    with pytest.raises(EstimationError, match="at most one"):
        inference.leave_one_cluster_out(panel(5, units=2, treated=1, drop=0.0), "y", "d")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 500), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_what_may_not_matter(seed, scale, shift):
    """Row order, labels, a unit's level; the outcome's scale goes through."""
    frame = panel(9, effect=0.5, drop=0.0)
    names = dict(zip(frame.city.unique(), np.random.default_rng(seed).permutation(11), strict=True))
    other = frame.assign(y=scale * (frame.y + shift * frame.city.map(names)))
    other = other.assign(city=other.city.map(lambda c: f"place {names[c]}"))
    other = other.sample(frac=1, random_state=seed)
    one, two = (inference.leave_one_cluster_out(f, "y", "d", CONTROLS) for f in (frame, other))
    assert two.std_error == pytest.approx(scale * one.std_error, rel=1e-7)
    assert np.sort(two.table["leverage"]) == pytest.approx(np.sort(one.table["leverage"]))
    one, two = (inference.conley_taber(f, "y", "d") for f in (frame, other))
    assert np.sort(two.errors) == pytest.approx(scale * np.sort(one.errors), rel=1e-6, abs=1e-9)
    assert two.p_value == one.p_value
    one, two = (inference.placebo(f, "y", "d", seed=0, scheme="dates") for f in (frame, other))
    assert two.p_value == one.p_value
    assert two.conf_int(0.9).to_numpy() == pytest.approx(
        scale * np.array(one.conf_int(0.9)), rel=1e-6, abs=1e-8
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda f: inference.leave_one_cluster_out(f, "y", "d"),
        lambda f: inference.conley_taber(f, "y", "d"),
        lambda f: inference.romano_wolf(f, ["y", "x1"], "d", seed=1),
        lambda f: inference.placebo(f, "y", "d", seed=1, scheme="dates"),
    ],
    ids=["jackknife", "conley-taber", "romano-wolf", "dates"],
)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.assign(y=1.0), "y is constant"),
        (lambda f: f.assign(y=np.nan), "missing or infinite values in y"),
        (lambda f: f.assign(d=0.0), "d is constant"),
        (lambda f: f.assign(d=(f.year > 2018) * 1.0), "not identified"),
        (lambda f: f[f.city == "city 00"], "one city only"),
        (lambda f: pd.concat([f, f.head(1)]), "more than one row"),
        (lambda f: f.drop(columns="year"), "no column year"),
    ],
)
def test_every_method_refuses(call, damage, message):
    with pytest.raises(EstimationError, match=message):
        call(damage(panel(0, drop=0.0)))


# ------------------------------------------------------------------------ Romano and Wolf


def step_down_by_definition(observed, draws, exact):
    """The step-down of Romano and Wolf with the p values of their paper of 2016, as a loop."""
    order = sorted(range(len(observed)), key=lambda s: -abs(observed[s]))
    adjusted, last = {}, 0.0
    for place, s in enumerate(order):
        rest = order[place:]
        count = sum(max(abs(row[r]) for r in rest) >= abs(observed[s]) for row in draws)
        p = count / len(draws) if exact else (1 + count) / (1 + len(draws))
        adjusted[s] = last = max(last, p)
    return [adjusted[s] for s in range(len(observed))]


@pytest.mark.parametrize("exact", [True, False])
def test_step_down_is_the_definition(exact):
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(500, 5)) @ rng.normal(size=(5, 5))
    observed = rng.normal(size=5) * 2
    wanted = step_down_by_definition(observed, draws, exact)
    assert _step_down(observed, draws, exact=exact) == pytest.approx(wanted)


def test_holm_is_the_textbook():
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") gives 0.03 0.06 0.06 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("method", ["bootstrap", "units"])
def test_romano_wolf_on_a_panel(method):
    frame = panel(1, effect=0.0)
    rng = np.random.default_rng(1)
    frame["z"] = frame["y"]  # the same outcome twice: asking it again costs nothing
    frame["strong"] = frame["y"] + 6 * frame["d"]
    frame["noise"] = rng.normal(size=len(frame))
    outcomes = ["y", "z", "strong", "noise"]
    result = inference.romano_wolf(frame, outcomes, "d", seed=1, method=method)
    table = result.table
    assert (table["p_romano_wolf"] >= table["p_value"] - 1e-12).all()
    assert table.loc["y", "p_romano_wolf"] == table.loc["z", "p_romano_wolf"]
    if method == "units":
        assert (table["p_romano_wolf"] <= table["p_bonferroni"] + 1e-12).all()
    pair = inference.romano_wolf(frame, ["y", "z"], "d", seed=1, method=method).table
    assert pair["p_romano_wolf"].to_numpy() == pytest.approx(pair["p_value"].to_numpy())
    assert "outcomes on d" in repr(result) and "<table" in result._repr_html_()


def test_romano_wolf_refusals():
    frame = panel(1)
    for outcomes, method, message in (
        (["y"], "units", "two outcomes"),
        (["y", "y"], "units", "two outcomes"),
        (["y", "x1"], "magic", "unknown method"),
    ):
        with pytest.raises(EstimationError, match=message):
            inference.romano_wolf(frame, outcomes, "d", seed=1, method=method)
    with pytest.raises(EstimationError, match="3 columns"):
        _step_down(np.ones(3), np.ones((5, 2)))


def test_a_generator_serves_as_seed():
    frame = panel(1)
    tables = [
        inference.romano_wolf(frame, ["y", "x1"], "d", seed=np.random.default_rng(4)).table
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(*tables)
