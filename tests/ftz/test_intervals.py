"""Every result shares one shape, and every interval inverts the test beside it."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_panel_cases import sim

import ftz
import specgrid
from ftz import did, index, inference, matching, mediation, size_and_power
from ftz._results import CoefficientResult, EffectResult, Result
from ftz.did._honest import contains
from ftz.errors import EstimationError
from ftz.random_effects import random_effects

COVARIATES = ["x", "z"]


def few(seed, units=6, shift=0.0):
    """One city treated in six periods, and four to seven that are not."""
    frame = sim(8, 6, seed=seed)
    frame = frame[frame.city.isin([f"c{i:03d}" for i in (0, *range(9 - units, 8))])].copy()
    return frame.assign(
        y=frame.y - (1.3 - shift) * frame.d, people=1.0 + frame.city.str[1:].astype(int)
    )


def one_treated(seed, units=6, shift=0.0):
    frame = few(seed, units, shift)
    start = frame.g.where(frame.city == "c000")
    return frame.assign(g=start, d=(frame.year >= start).astype(float))


def many(seed, units=6, shift=0.0):
    frame = sim(4 * units, 6, seed=seed)
    return frame.assign(y=frame.y - (1 - shift) * frame.d)


def rows(seed, units=6, shift=0.0):
    """Unrelated rows, treated by a score on two covariates."""
    rng = np.random.default_rng(seed)
    n = 10 * units
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    on = (0.5 * frame.x + rng.logistic(size=n) > 0).astype(float)
    on.iloc[:6] = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    return frame.assign(d=on, y=frame.x + shift * on + rng.normal(size=n))


def _score(frame):
    return matching.propensity_score(frame, "d", COVARIATES)


def _att(frame):
    return matching.att(frame.y, matching.match(_score(frame).linear_index, frame.d, k=2))


def _windowed(frame):
    return did.event_study(frame, "y", "g", window=(-3, 2))


def _weighed(frame):
    values = frame.set_index(["city", "year"])[["y", "x"]]
    return index.weigh_effects(values, frame, "d")


#: Class, and which way where it is made in several, to a sample and what makes it of one.
RESULTS = {
    "DidResult": (few, lambda f: did.twfe(f, "y", "d")),
    "DidResult, weighted": (few, lambda f: did.twfe(f, "y", "d", weights="people")),
    "CoefficientResult": (few, lambda f: did.constant(f, "y", "d")),
    "EventStudyResult": (few, lambda f: did.event_study(f, "y", "g")),
    "AttResult": (few, lambda f: did.stacked(f, "y", "g")),
    "Comparison": (few, lambda f: did.compare(f, "y", "g", estimators=["two_way", "stacked"])),
    "StandardErrors": (few, lambda f: did.standard_errors(f, "y", "d")),
    "SwitchersResult": (few, lambda f: did.switchers(f, "y", "d", draws=19, seed=0)),
    "RandomEffectsResult": (few, lambda f: random_effects(f, "y", "d", period_effects=False)),
    "FewTreatedResult, Conley-Taber": (few, lambda f: inference.conley_taber(f, "y", "d")),
    "FewTreatedResult, one treated": (one_treated, lambda f: inference.conley_taber(f, "y", "d")),
    "FewTreatedResult, Ferman-Pinto": (
        few,
        lambda f: inference.ferman_pinto(f, "y", "d", size="people"),
    ),
    "PlaceboResult": (few, lambda f: inference.placebo(f, "y", "d", scheme="units", seed=0)),
    "PlaceboResult, drawn": (few, lambda f: inference.placebo(f, "y", "d", draws=99, seed=0)),
    "PlaceboResult, one treated": (
        one_treated,
        lambda f: inference.placebo(f, "y", "d", scheme="units", seed=0),
    ),
    "WildBootstrapResult": (few, lambda f: inference.wild_cluster_bootstrap(f, "y", "d", seed=0)),
    "WildBootstrapResult, unrestricted": (
        few,
        lambda f: inference.wild_cluster_bootstrap(f, "y", "d", seed=0, impose_null=False),
    ),
    "WildBootstrapResult, Webb": (
        few,
        lambda f: inference.wild_cluster_bootstrap(f, "y", "d", seed=0, weights="webb", draws=99),
    ),
    "WildBootstrapResult, one treated": (
        one_treated,
        lambda f: inference.wild_cluster_bootstrap(f, "y", "d", seed=0),
    ),
    "LeaveOneOutResult, one treated": (
        one_treated,
        lambda f: inference.leave_one_cluster_out(f, "y", "d"),
    ),
    "StandardErrors, one treated": (one_treated, lambda f: did.standard_errors(f, "y", "d")),
    "LeaveOneOutResult": (few, lambda f: inference.leave_one_cluster_out(f, "y", "d")),
    "MediationResult": (few, lambda f: mediation.mediate(f, "y", "d", "x")),
    "IndirectBootstrap": (
        few,
        lambda f: mediation.bootstrap_indirect(
            f, "y", "d", "x", draws=49, seed=0, most_failures=0.9
        ),
    ),
    "MatchingResult": (rows, _att),
    "WeightingResult": (rows, lambda f: matching.ipw(f.y, _score(f))),
    "WeightingResult, doubly robust": (
        rows,
        lambda f: matching.doubly_robust(f.y, f, COVARIATES, _score(f)),
    ),
    "ScoreResult": (
        rows,
        lambda f: matching.propensity_score(f.assign(t=1.0 * (f.y > 0)), "t", ["x", "z"]),
    ),
    "WeighedEffects": (few, _weighed),
    "HonestBounds": (
        many,
        lambda f: did.smoothness(_windowed(f), (0.0, 0.1), breakdown=False),
    ),
}
#: What has no p value to agree with: see the breakdown value.
NO_P = ("HonestBounds",)
#: Quantiles of draws, which may all but lie on one side of the estimate.
NOT_ABOUT_THE_ESTIMATE = ("IndirectBootstrap",)
#: Whose outcome is no number that could be mirrored; a score's outcome is who is treated.
NO_MIRROR = ("ScoreResult",)


def _classes():
    """Return every result class of the two packages."""
    for package in (ftz, specgrid):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

    def below(cls):
        yield cls
        for one in cls.__subclasses__():
            yield from below(one)

    found = {c for c in below(Result) if c not in (Result, EffectResult)}
    return {c for c in found if c.__module__.split(".")[0] in ("ftz", "specgrid")}


def _made(name, seed=0, units=6, shift=0.0, flip=False):
    sample, make = RESULTS[name]
    frame = sample(seed, units, shift)
    return make(frame.assign(y=-frame.y) if flip else frame)


def test_a_class_has_a_tested_interval_or_says_why_it_has_none():
    tested = {name.split(",")[0] for name in RESULTS}
    for cls in _classes():
        why = f"{cls.__name__}: make one in RESULTS, or let its no_interval say why there is none"
        assert (cls.__name__ in tested) != bool(cls.no_interval), why
        assert {"__repr__", "_repr_html_"}.isdisjoint(vars(cls)), f"{cls} prints in its own way"
    assert tested <= {cls.__name__ for cls in _classes()}


@pytest.mark.parametrize("name", RESULTS)
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 500),
    units=st.integers(5, 8),
    level=st.sampled_from([0.5, 0.8, 0.9, 0.95]),
    shift=st.sampled_from([0.0, 0.3, 2.0]),
)
def test_mirror_and_agreement(name, seed, units, level, shift):
    result = _made(name, seed, units, shift)
    level = getattr(result, "level", level)
    bounds = result.conf_int(level)
    low, high = bounds["lower"], bounds["upper"]
    tiny = 1e-5 * (1 + bounds.abs().replace(np.inf, np.nan).max().max())
    assert list(bounds.columns) == ["lower", "upper"] and (low <= high)[low.notna()].all()
    if name not in NO_P:
        p, estimate = result.pvalues, result.params
        assert list(bounds.index) == list(p.index) == list(estimate.index)
        if name not in NOT_ABOUT_THE_ESTIMATE:
            assert not ((estimate < low - tiny) | (estimate > high + tiny)).any()
        clear = (bounds.abs().min(axis=1) > tiny) & ((p - (1 - level)).abs() > 1e-9) & p.notna()
        outside = (low > 0) | (high < 0)
        assert ((p < 1 - level) == outside)[clear].all()
    if name not in NO_MIRROR:
        other = _made(name, seed, units, shift, flip=True)
        mirrored = other.conf_int(level)
        own = ["y"] if name == "WeighedEffects" else list(bounds.index)  # x is no mirror of itself
        own = [n for n in own if n not in ("a",)]  # the treatment moves the mediator as before
        low, high = low[own].to_numpy(), high[own].to_numpy()
        np.testing.assert_allclose(mirrored.loc[own, "lower"], -high, atol=tiny)
        np.testing.assert_allclose(mirrored.loc[own, "upper"], -low, atol=tiny)


@pytest.mark.parametrize("name", RESULTS)
def test_the_shape_of_every_result(name):
    result = _made(name)
    with pytest.raises(EstimationError, match=r"write 0\.95"):
        result.conf_int(95)
    assert isinstance(result.summary, pd.DataFrame) and isinstance(result.notes, tuple)
    assert repr(result).startswith(result._head) and result._repr_html_().startswith("<p>")
    if isinstance(result, CoefficientResult):
        assert result.nobs > 0
        for series in (result.params, result.std_errors, result.tstats, result.pvalues):
            assert isinstance(series, pd.Series) and list(series.index) == list(result.params.index)
    if isinstance(result, EffectResult):
        assert result.att == result.estimate == result.params.iloc[0]
        assert result.p_value == result.pvalues.iloc[0]


def test_a_result_without_an_interval_says_why():
    frame = few(0)
    with pytest.raises(EstimationError, match="TwfeWeights has no interval: weights follow from"):
        did.twfe_weights(frame, "d").conf_int()
    several = inference.romano_wolf(frame, ["y", "x"], "d", seed=0)
    with pytest.raises(EstimationError, match="step-down adjusts p values"):
        several.conf_int()
    with pytest.raises(EstimationError, match=r"write 0\.95"):
        several.conf_int(95)
    assert several.pvalues.tolist() == several.table["p_romano_wolf"].tolist()
    assert several.tstats.to_numpy() == pytest.approx(several.table["statistic"].to_numpy())


def test_the_breakdown_value_is_where_honest_bounds_reach_zero():
    frame = sim(40)
    bounds = did.relative_magnitudes(_windowed(frame), (0.0, 1.0, 2.0), draws=500)
    sets = bounds.table
    outside = (sets["lower"] > 0) | (sets["upper"] < 0)
    assert outside.tolist() == [m < bounds.breakdown for m in sets.index]
    other = did.relative_magnitudes(_windowed(frame.assign(y=-frame.y)), (0.0, 1.0, 2.0), draws=500)
    # as near as the draws behind its critical value allow
    mirrored = -other.table[["upper", "lower"]].to_numpy()
    assert sets.to_numpy() == pytest.approx(mirrored, abs=0.1 * np.ptp(sets.to_numpy()))
    with pytest.raises(EstimationError, match=r"computed at 0\.95: ask for others with level=0\.9"):
        bounds.conf_int(0.9)


def test_a_level_of_95_is_refused_by_every_function():
    frame = sim(12)
    event = did.event_study(frame, "y", "g")
    shape = size_and_power.PanelDesign.of(frame, "d")
    run = size_and_power.study(shape, rho=0.0, panels=5, tests=["classical t"], seed=0)
    calls = (
        lambda: did.standard_errors(frame, "y", "d", level=95),
        lambda: event.simultaneous_band(95),
        lambda: event.pretrend_power(0.1, 95),
        lambda: event.detectable_slope(0.8, 95),
        lambda: did.relative_magnitudes(event, (0.5,), level=95),
        lambda: did.smoothness(event, (0.5,), level=95),
        lambda: contains(event, 0.0, 0.5, level=95),
        lambda: size_and_power.event_coverage(shape, rho=0.0, level=95, panels=5, seed=0),
        lambda: run.coverage(95),
        lambda: run.size(95),
        lambda: run.power(95),
        lambda: mediation.robustness_value(2.0, 30, level=95),
    )
    for call in calls:
        with pytest.raises(EstimationError, match=r"write 0\.95"):
            call()


def test_four_donors_cannot_reject_at_five_percent():
    frame = few(0, 5)
    result = inference.conley_taber(frame, "y", "d")
    assert result.n_donors == 4 and result.p_value >= 0.2
    assert result.conf_int(0.95).iloc[0].tolist() == [-np.inf, np.inf]
    low, high = result.conf_int(0.7).iloc[0]
    assert result.p_value_at(high) >= 0.3 > result.p_value_at(high + 1e-6)
    assert result.p_value_at(low) >= 0.3 > result.p_value_at(low - 1e-6)


def test_the_smallest_samples_have_an_interval_or_a_reason():
    """Two cities, two years: what has no degree of freedom says so, and nothing is false."""
    tiny = pd.DataFrame({"city": list("aabbcc"), "year": [1, 2] * 3, "y": [0.0, 3, 0, 1, 1, 1.5]})
    tiny = tiny.assign(
        d=[0.0, 1, 0, 0, 0, 0], g=[2.0, 2, None, None, None, None], people=1.0, x=0.0
    )
    answered = 0
    for name, (sample, make) in RESULTS.items():
        if sample is rows:
            continue
        try:
            bounds = make(tiny).conf_int()
        except EstimationError as error:
            assert str(error)
            continue
        answered += 1
        assert not (bounds["lower"] > bounds["upper"]).any(), name
    assert answered > 5
