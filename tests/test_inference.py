"""Placebo inference: equal to PanelOLS draw by draw, exact where it can be, honest under a null."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import did, inference
from ftz._kernel import regress_each
from ftz.errors import EstimationError
from ftz.inference._assignments import enumerate_assignments

CONTROLS = ["x1", "x2"]


def panel(seed=0, units=11, periods=10, treated=3, start=6, effect=0.0, rho=0.0, drop=0.25):
    """An unbalanced panel with unit and period effects and AR(1) errors."""
    rng = np.random.default_rng(seed)
    shock = rng.normal(size=(units, periods))
    for t in range(1, periods):
        shock[:, t] += rho * shock[:, t - 1]
    frame = pd.MultiIndex.from_product(
        [[f"city {u:02d}" for u in range(units)], range(2013, 2013 + periods)],
        names=["city", "year"],
    ).to_frame(index=False)
    u, t = np.divmod(np.arange(units * periods), periods)
    frame["d"] = ((u < treated) & (t >= start)).astype(float)
    frame[CONTROLS] = rng.normal(size=(len(frame), 2)) + shock.ravel()[:, None] * [0.5, 0.0]
    frame["y"] = effect * frame.d + rng.normal(size=units)[u] + 0.1 * t + shock.ravel()
    keep = np.ones(len(frame), bool)
    optional = np.flatnonzero((u >= treated) | (t != start))  # adoption years stay
    keep[rng.choice(optional, int(drop * len(frame)), replace=False)] = False
    return frame[keep].reset_index(drop=True)


# -------------------------------------------------------------------- same as PanelOLS


@pytest.mark.parametrize("controls", [[], CONTROLS])
def test_every_draw_is_a_panelols(controls):
    from linearmodels.panel import PanelOLS

    frame = panel(3)
    result = inference.placebo(frame, "y", "d", controls, seed=7, draws=8)
    labels = np.tile(frame.d.to_numpy(), (8, 1))
    shuffled = np.random.default_rng(7).permuted(labels, axis=1)
    for b in range(8):
        indexed = frame.assign(d=shuffled[b]).set_index(["city", "year"])
        fit = PanelOLS(
            indexed.y, indexed[["d", *controls]], entity_effects=True, time_effects=True
        ).fit(cov_type="clustered", cluster_entity=True)
        assert result.estimates[b] == pytest.approx(fit.params["d"], abs=1e-10)
        assert result.placebos["std_error"][b] == pytest.approx(fit.std_errors["d"], abs=1e-10)


@pytest.mark.parametrize("scheme", inference.SCHEMES)
def test_observed_is_the_did_estimate(scheme):
    frame = panel(1, effect=1.0)
    result = inference.placebo(frame, "y", "d", CONTROLS, seed=0, draws=5, scheme=scheme)
    wanted = did.twfe(frame, "y", "d", CONTROLS)
    assert result.estimate == pytest.approx(wanted.params["d"], abs=1e-10)
    assert result.std_error == pytest.approx(wanted.std_errors["d"], abs=1e-10)
    assert result.p_value_normal == pytest.approx(wanted.pvalues["d"], abs=1e-10)


def test_every_path_is_a_did_estimate():
    """Enumerated paths against a loop over all pairs of cities."""
    frame = panel(2, units=6, treated=2, drop=0.1)
    result = inference.placebo(frame, "y", "d", seed=0, scheme="units")
    assert result.exact
    assert result.n_assignments == len(result.estimates) == 15
    cities = sorted(frame.city.unique())
    start = frame.loc[frame.d == 1, "year"].min()
    loop = []
    for i in range(6):
        for j in range(i):
            on = frame.city.isin([cities[i], cities[j]]) & (frame.year >= start)
            loop.append(did.twfe(frame.assign(d=on.astype(float)), "y", "d").params["d"])
    assert np.allclose(np.sort(result.estimates), np.sort(loop), atol=1e-10)


# ------------------------------------------------------------------------- assignments


@given(labels=st.lists(st.sampled_from([np.inf, 2019.0, 2015.0]), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_enumeration_is_complete(labels):
    table = enumerate_assignments(np.array(labels))
    assert {tuple(row) for row in table} == set(permutations(labels))
    assert len(table) == inference.count_assignments(np.array(labels))


def test_three_treated_of_eleven():
    labels = np.r_[[2019.0] * 3, [np.inf] * 8]
    assert inference.count_assignments(labels) == len(enumerate_assignments(labels)) == 165


def test_exact_p_value_counts_the_observed_assignment():
    frame = panel(4, effect=25.0)
    result = inference.placebo(frame, "y", "d", seed=0, scheme="units")
    assert result.exact
    assert result.smallest_p == pytest.approx(1 / 165)
    assert result.p_value == result.smallest_p
    assert np.isclose(result.estimates, result.estimate).sum() == 1
    assert result.seed is None


def test_drawn_p_value_is_never_zero():
    frame = panel(4, effect=25.0)
    drawn = inference.placebo(frame, "y", "d", seed=0, draws=99, scheme="observations")
    assert not drawn.exact
    assert drawn.p_value == drawn.smallest_p == 1 / 100


def test_drawing_approaches_enumerating():
    frame = panel(8, rho=0.6)
    exact = inference.placebo(frame, "y", "d", seed=0, scheme="units")
    drawn = inference.placebo(
        frame, "y", "d", seed=0, draws=5000, scheme="units", enumerate_up_to=0
    )
    assert not drawn.exact
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.03)
    assert drawn.p_value_t == pytest.approx(exact.p_value_t, abs=0.03)


def test_adoption_can_be_named():
    """A unit whose first treated year is missing from the rows keeps its path."""
    frame = panel(5, drop=0.0)
    start = int(frame.loc[frame.d == 1, "year"].min())
    cities = sorted(frame.city.unique())
    frame = frame[~((frame.city == cities[0]) & (frame.year == start))]
    read = inference.placebo(frame, "y", "d", seed=0, scheme="units")
    named = inference.placebo(
        frame,
        "y",
        "d",
        seed=0,
        scheme="units",
        adoption={c: start if i < 3 else None for i, c in enumerate(cities)},
    )
    assert read.n_assignments == 11 * 10 * 9 // 2
    assert named.n_assignments == 165
    assert named.estimate == read.estimate


# -------------------------------------------------------------------- what theory says


@pytest.mark.parametrize("scheme", inference.SCHEMES)
def test_same_seed_same_bytes(scheme):
    frame = panel(6)
    first, second = (
        inference.placebo(
            frame, "y", "d", seed=seed, draws=50, scheme=scheme, enumerate_up_to=0
        ).estimates.tobytes()
        for seed in (12, np.random.default_rng(12))
    )
    assert first == second


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10), shift=st.floats(-10, 10))
@settings(max_examples=15, deadline=None)
def test_what_may_not_matter(seed, scale, shift):
    """Row order, labels of cities, unit constants; and scale goes through."""
    frame = panel(9, effect=0.5)
    rng = np.random.default_rng(seed)
    names = dict(zip(frame.city.unique(), rng.permutation(11), strict=True))
    other = frame.assign(y=scale * frame.y + shift * frame.city.map(names))
    other = other.assign(city=other.city.map(lambda c: f"place {names[c]}"))
    other = other.sample(frac=1, random_state=seed)
    one, two = (
        inference.placebo(f, "y", "d", CONTROLS, seed=0, scheme="units") for f in (frame, other)
    )
    assert np.allclose(np.sort(one.estimates * scale), np.sort(two.estimates), atol=1e-8)
    assert one.p_value == two.p_value
    assert one.p_value_t == two.p_value_t


def test_whole_paths_reject_a_true_null_as_often_as_they_say():
    """With persistent errors: exact for paths; too often for shuffled cells."""
    level, panels = 0.1, 200
    reject = {scheme: 0 for scheme in inference.SCHEMES}
    for seed in range(panels):
        frame = panel(1000 + seed, rho=0.9, drop=0.0)
        for scheme in reject:
            result = inference.placebo(frame, "y", "d", seed=seed, draws=199, scheme=scheme)
            reject[scheme] += result.p_value <= level
    tolerance = 3 * np.sqrt(level * (1 - level) / panels)
    assert reject["units"] / panels <= level + tolerance
    assert reject["observations"] / panels > 2 * level


def test_degenerate_assignments_are_counted():
    """A path that falls on a unit without later rows treats nobody."""
    frame = panel(7, units=5, treated=1, drop=0.0)
    last = frame.city == "city 04"
    frame = frame[~(last & (frame.year >= 2019))]
    result = inference.placebo(frame, "y", "d", seed=0, scheme="units")
    assert result.n_degenerate == 1
    assert np.isfinite(result.p_value)
    assert 0 <= result.share_above() <= 1


def test_summary_and_repr():
    result = inference.placebo(panel(1), "y", "d", seed=1, draws=20)
    assert "20 draws of" in repr(result)
    assert result.summary.loc["observed coefficient", "observations"] == result.estimate
    assert "all 165 assignments" in repr(
        inference.placebo(panel(1), "y", "d", seed=1, scheme="units")
    )


# --------------------------------------------------------------------- clear refusals


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f, {"scheme": "weeks"}, "unknown scheme"),
        (lambda f: f, {"draws": 0}, "at least 1"),
        (lambda f: f.assign(d=0.0), {}, "d is constant"),
        (lambda f: f.assign(y=1.0), {}, "y is constant"),
        (lambda f: f.assign(y=np.nan), {}, "missing or infinite values in y"),
        (lambda f: f.drop(columns="d"), {}, "no column d"),
        (lambda f: f[f.city == "city 00"], {}, "one city only"),
        (lambda f: pd.concat([f, f.head(1)]), {}, "more than one row"),
        (lambda f: f.assign(d=(f.year > 2018) * 1.0), {}, "not identified"),
        (lambda f: f.assign(x1=f.x2), {}, "collinear"),
        (lambda f: f.assign(x1=f.year * 2.0), {}, "control does not vary"),
        (lambda f: f.assign(d=(f.year == 2016) * f.d.max()), {"scheme": "units"}, "switches off"),
        (lambda f: f.assign(d=f.d * 2), {"scheme": "units"}, "0 or 1"),
        (lambda f: f, {"scheme": "units", "adoption": {"city 00": 2019}}, "does not name"),
        (lambda f: f[f.year < 2015].assign(d=np.arange(22) % 3), {}, None),
    ],
)
def test_placebo_refuses(change, options, message):
    frame = change(panel(0, drop=0.0))
    if message is None:
        inference.placebo(frame, "y", "d", seed=0, draws=3)
        return
    with pytest.raises(EstimationError, match=message):
        inference.placebo(frame, "y", "d", CONTROLS, seed=0, **options)


def test_too_few_observations():
    with pytest.raises(EstimationError, match="cannot carry"):
        regress_each(np.ones((3, 1)), np.ones((3, 1)), np.eye(3), np.arange(3))


def test_known_answer_on_the_castle_doctrine_data():
    """Cheng and Hoekstra (2013), as shipped: coefficient 0.069398, by projection as by PanelOLS."""
    castle = pytest.importorskip("causaldata").castle.load_pandas().data
    castle = castle.astype({"sid": int, "year": int})
    keys = {"unit": "sid", "time": "year"}
    result = inference.placebo(
        castle, "l_homicide", "post", draws=999, seed=1, scheme="units", **keys
    )
    book = did.twfe(castle, "l_homicide", "post", **keys)
    assert result.estimate == pytest.approx(0.069398, abs=5e-7)
    assert result.tstat == pytest.approx(book.tstats["post"], rel=1e-9)
    assert not result.exact and len(result.estimates) == 999
    beyond = int((np.abs(result.estimates) >= abs(result.estimate)).sum())
    assert result.p_value == (1 + beyond) / 1000
