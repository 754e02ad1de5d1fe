"""Size and power: each of its tests is the library's own, and its errors are what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ftz import did, inference, size_and_power
from ftz._kernel import regress
from ftz.errors import EstimationError
from ftz.size_and_power._size_and_power import _event_dummies
from test_inference import CONTROLS, panel


@pytest.fixture(scope="module")
def frame():
    return panel(3, units=7, treated=2).drop(columns="y")


@pytest.fixture(scope="module")
def shape(frame):
    return size_and_power.PanelDesign.of(frame, "d", CONTROLS)


@pytest.fixture(scope="module")
def outcomes(shape):
    return shape.errors(4, rho=0.5, seed=1) + 0.6 * shape.treated


# ---------------------------------------------- every test is the one of the library

FAMILY = {
    "classical t": "classical",
    "HC1 t": "HC1",
    "HC3 t": "HC3",
    "clustered z (CR1)": "CR1",
    "clustered t (CR1S)": "CR1S",
    "clustered t (CR2)": "CR2",
    "Driscoll-Kraay z": "Driscoll-Kraay",
    "two-way z": "two-way",
}


@pytest.mark.parametrize("name", list(FAMILY))
def test_standard_errors_are_those_of_did(name, frame, shape, outcomes):
    found = size_and_power.TESTS[name](shape, shape.within(outcomes))
    for p, y in zip(found, outcomes, strict=True):
        table = did.standard_errors(frame.assign(y=y), "y", "d", CONTROLS).table
        wanted = table.loc[FAMILY[name], "p_value"]
        assert p == pytest.approx(1.0 if np.isnan(wanted) else wanted, rel=1e-8)


@pytest.mark.parametrize("imposed", [True, False])
def test_bootstraps_are_those_of_inference(imposed, frame, shape, outcomes):
    name = f"wild bootstrap, null {'imposed' if imposed else 'free'}"
    found = size_and_power.TESTS[name](shape, shape.within(outcomes))
    for p, y in zip(found, outcomes, strict=True):
        wanted = inference.wild_cluster_bootstrap(
            frame.assign(y=y), "y", "d", CONTROLS, impose_null=imposed
        )
        assert p == pytest.approx(wanted.p_value)


@pytest.mark.parametrize("scheme, test", [("units", "units"), ("observations", "observations")])
def test_placebos_are_those_of_inference(scheme, test, frame, shape, outcomes):
    for kind, field in (("coefficient", "p_value"), ("t", "p_value_t")):
        found = size_and_power.TESTS[f"{test}, {kind}"](shape, shape.within(outcomes))
        for p, y in zip(found, outcomes, strict=True):
            wanted = inference.placebo(
                frame.assign(y=y), "y", "d", CONTROLS, seed=0, draws=999, scheme=scheme
            )
            assert p == pytest.approx(getattr(wanted, field))


def test_conley_taber_is_that_of_inference():
    frame = panel(3, units=7, treated=2, drop=0.0)
    shape = size_and_power.PanelDesign.of(frame, "d")
    outcomes = shape.errors(4, rho=0.5, seed=1)
    found = size_and_power.TESTS["Conley-Taber"](shape, shape.within(outcomes))
    for p, y in zip(found, outcomes, strict=True):
        assert p == pytest.approx(inference.conley_taber(frame.assign(y=y), "y", "d").p_value)


# ------------------------------------------------------------------------------ errors


def test_errors_have_the_correlation_they_say():
    frame = panel(3, units=6, drop=0.2)
    shape = size_and_power.PanelDesign.of(frame, "d")
    noise = shape.errors(40_000, rho=0.7, sigma=2.0, seed=0)
    wanted = shape.covariance(rho=0.7, sigma=2.0)
    assert np.abs(np.cov(noise.T) - wanted).max() < 0.15
    double = shape.errors(20_000, rho=0.0, treated_sigma=3.0, seed=0).std(axis=0)
    treated = frame.city < "city 03"
    assert double[treated] == pytest.approx(3.0, rel=0.05)
    assert double[~treated] == pytest.approx(1.0, rel=0.05)


def test_same_seed_same_bytes(shape):
    first, second = (shape.errors(10, rho=0.3, seed=5).tobytes() for _ in range(2))
    assert first == second


def test_persistence_is_found_where_the_plain_correlation_misses_it():
    """Twelve units, ten years: residuals look independent when rho is one half."""
    shape = size_and_power.PanelDesign.of(panel(1, units=12, drop=0.1), "d")
    for rho in (0.0, 0.5, 0.8):
        drawn = shape.errors(30, rho=rho, seed=9)
        found = [shape.persistence(y, panels=200, seed=1) for y in drawn]
        assert np.mean(found) == pytest.approx(rho, abs=0.15)
        assert shape.autocorrelation(drawn).mean() < rho - 0.05
    with pytest.raises(EstimationError, match="finite numbers"):
        shape.persistence(np.ones(3), seed=1)


# --------------------------------------------------------------------------- the study


def test_an_exact_test_has_its_size():
    """Independent normal errors: the classical t test is exact, so is the one over paths."""
    shape = size_and_power.PanelDesign.of(panel(1, drop=0.0), "d")
    names = ["classical t", "units, coefficient", "HC1 t"]
    result = size_and_power.study(shape, rho=0.0, panels=4000, tests=names, seed=2)
    error = result.standard_error(0.05)
    assert result.size()["classical t"] == pytest.approx(0.05, abs=4 * error)
    assert result.size()["units, coefficient"] <= 0.05 + 4 * error
    assert result.bias == pytest.approx(0, abs=0.02)
    assert result.coverage()["classical t"] == pytest.approx(1 - result.size()["classical t"])


def test_persistence_breaks_what_it_should():
    shape = size_and_power.PanelDesign.of(panel(1, drop=0.0), "d")
    names = ["classical t", "observations, coefficient", "units, coefficient"]
    size = size_and_power.study(shape, rho=0.8, panels=2000, tests=names, seed=3).size()
    assert size["classical t"] > 0.2 and size["observations, coefficient"] > 0.2
    assert size["units, coefficient"] < 0.07


def test_power_and_the_errors_of_sign_and_size():
    """Against Gelman and Carlin's closed form for a normal estimate with known error."""
    shape = size_and_power.PanelDesign.of(panel(1, units=60, treated=30, drop=0.0), "d")
    error = 1 / np.sqrt(shape.x @ shape.x)
    truth = 0.6 * error
    result = size_and_power.study(
        shape, effect=truth, rho=0.0, panels=20_000, tests=["classical t"], seed=4
    )
    z = stats.norm.ppf(0.975)
    high, low = stats.norm.sf(z - 0.6), stats.norm.cdf(-z - 0.6)
    assert result.power()["classical t"] == pytest.approx(high + low, abs=0.01)
    assert result.type_s()["classical t"] == pytest.approx(low / (high + low), abs=0.03)
    expected = (0.6 * high + stats.norm.pdf(z - 0.6) - 0.6 * low + stats.norm.pdf(z + 0.6)) / (
        high + low
    )
    assert result.type_m()["classical t"] == pytest.approx(expected / 0.6, rel=0.03)


def test_heterogeneous_effects_are_tested_at_their_mean(shape):
    effects = np.linspace(0, 2, shape.n)
    result = size_and_power.study(
        shape, effect=effects, rho=0.0, panels=50, tests=["HC1 t"], seed=1
    )
    assert result.truth == pytest.approx(effects[shape.treated == 1].mean())
    assert "50 panels" in repr(result) and "<table" in result._repr_html_()
    assert {"size", "coverage", "power", "type_s", "type_m"} == set(result.summary.columns)


def test_the_same_panels_for_any_choice_of_tests(shape):
    one = size_and_power.study(shape, rho=0.5, panels=300, tests=["HC1 t"], seed=1)
    two = size_and_power.study(shape, rho=0.5, panels=300, tests=["classical t", "HC1 t"], seed=1)
    assert one.estimates.tobytes() == two.estimates.tobytes()
    pd.testing.assert_series_equal(one.zero["HC1 t"], two.zero["HC1 t"])


# ------------------------------------------------------------------------ event studies


def test_event_fits_are_those_of_did(frame, shape, outcomes):
    cohort = frame.city.map(dict(zip(shape.design.names, shape.starts, strict=True)))
    cohort = cohort.where(np.isfinite(cohort))
    times, dummies = _event_dummies(shape, (-3, 2), -1)
    x = dummies - shape.design.basis @ (shape.design.basis.T @ dummies)
    for y in outcomes:
        fit = regress(shape.design.span, y, x, shape.design.codes)
        b, v = fit.params, fit.covariance
        wanted = did.event_study(
            frame.assign(y=y, cohort=cohort), "y", "cohort", CONTROLS, window=(-3, 2)
        )
        assert b == pytest.approx(wanted.params.drop(-1).to_numpy(), abs=1e-9)
        assert v == pytest.approx(wanted.covariance.to_numpy(), abs=1e-9)
    assert times == list(wanted.covariance.index)


def test_many_clusters_cover_and_few_do_not():
    many = size_and_power.PanelDesign.of(
        panel(1, units=80, treated=40, periods=6, start=3, drop=0.0), "d"
    )
    result = size_and_power.event_coverage(
        many, rho=0.5, panels=600, bounds=(0.0, 1.0), honest_panels=200, seed=1
    )
    assert result.honest[0.0] == pytest.approx(0.95, abs=0.05)
    assert result.honest[1.0] >= max(0.95, result.honest[0.0])  # trends are parallel: it is wide
    assert result.table["coverage"].to_numpy() == pytest.approx(0.95, abs=0.04)
    assert result.band == pytest.approx(0.95, abs=0.05)
    assert result.pretrend == pytest.approx(0.05, abs=0.05)
    few = size_and_power.PanelDesign.of(panel(1, units=11, treated=3, drop=0.0), "d")
    small = size_and_power.event_coverage(few, rho=0.5, panels=600, seed=1)
    assert small.table["coverage"].max() < 0.93 and small.band < 0.9
    assert small.pretrend > 0.15
    assert "600 panels" in repr(small) and "<table" in small._repr_html_()
    with pytest.raises(EstimationError, match="reference"):
        size_and_power.event_coverage(few, rho=0.5, panels=5, seed=1, reference=-40)


# ------------------------------------------------------------------ estimators as weights


@pytest.fixture(scope="module")
def small():
    frame = panel(2, units=6, periods=6, treated=2, start=3, drop=0.0)
    second = (frame.city == "city 01") & (frame.year == 2016)
    return frame.assign(d=frame.d.mask(second, 0.0))  # a second cohort


@pytest.mark.parametrize("name", [n for n in did.ESTIMATORS if n != "synthetic"])
def test_weights_are_the_estimator(name, small):
    shape = size_and_power.PanelDesign.of(small, "d")
    weights = size_and_power.weights_of(shape, name)
    start = shape.starts[shape.design.units]
    cohort = np.where(np.isfinite(start), start, np.nan)
    found = did.ESTIMATORS[name](small.assign(cohort=cohort), "y", "cohort").att
    assert weights @ small.y.to_numpy() == pytest.approx(found, abs=1e-9)


def test_bias_and_spread_are_those_of_a_simulation(small):
    shape = size_and_power.PanelDesign.of(small, "d")
    effects = np.arange(shape.n) / shape.n
    weights = {"two-way": size_and_power.weights_of(shape, "two_way")}
    table = size_and_power.bias_and_spread(shape, {"any": effects}, weights, rho=0.6, sigma=0.5)
    row = table.loc[("any", "two-way")]
    drawn = shape.errors(40_000, rho=0.6, sigma=0.5, seed=0) + effects * shape.treated
    estimates = shape.estimate(drawn)
    assert row["mean"] == pytest.approx(estimates.mean(), abs=4 * estimates.std() / 200)
    assert row["sd"] == pytest.approx(estimates.std(), rel=0.02)
    assert row["rmse"] == pytest.approx(np.hypot(row["bias"], row["sd"]))


# --------------------------------------------------------------------- clear refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rho": 1.0}, "rho must lie"),
        ({"panels": 0}, "at least 1"),
        ({"tests": ["magic"]}, "unknown tests magic"),
        ({"effect": np.ones(3)}, "one for each"),
    ],
)
def test_refusals(shape, options, message):
    with pytest.raises(EstimationError, match=message):
        size_and_power.study(shape, **({"rho": 0.5, "panels": 3, "seed": 1} | options))


def test_refusals_of_shapes_and_weights(frame, shape):
    with pytest.raises(EstimationError, match="d is constant"):
        size_and_power.PanelDesign.of(frame.assign(d=0.0), "d")
    with pytest.raises(EstimationError, match="0 or 1"):
        size_and_power.PanelDesign.of(frame.assign(d=2 * frame.d), "d")
    with pytest.raises(EstimationError, match="no linear estimator"):
        size_and_power.weights_of(shape, "synthetic")
    nothing = size_and_power.study(shape, rho=0.0, panels=5, tests=["HC1 t"], seed=1)
    with pytest.raises(EstimationError, match="without an effect"):
        nothing.type_s()
