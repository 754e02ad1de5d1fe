"""Mediation: the identity, its exact check on printed numbers, stars."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import mediation
from ftz.errors import EstimationError
from ftz.mediation._mediation import IndirectBootstrap
from printproof.printed import rounding_interval
from study import panel, printed_parts, published, replication


def study(seed=0, n_units=9, n_periods=8):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(i, t) for i in range(n_units) for t in range(n_periods)], columns=["city", "year"]
    )
    frame["d"] = ((frame["city"] < 4) & (frame["year"] >= 4)).astype(float)
    frame["x"] = rng.standard_normal(len(frame))
    frame["m"] = 0.7 * frame["d"] + 0.2 * frame["x"] + rng.standard_normal(len(frame))
    frame["y"] = 0.1 * frame["d"] + 0.5 * frame["m"] + rng.standard_normal(len(frame))
    return frame.drop(index=rng.choice(len(frame), 4, replace=False))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_the_identity_holds_on_any_sample_and_scale(seed, scale):
    frame = study(seed)
    found = mediation.mediate(frame, "y", "d", "m", ["x"])
    assert abs(found.identity_gap) < 1e-10
    scaled = mediation.mediate(frame.assign(m=scale * frame["m"]), "y", "d", "m", ["x"])
    assert scaled.indirect == pytest.approx(found.indirect, rel=1e-6, abs=1e-9)
    assert scaled.a == pytest.approx(scale * found.a, rel=1e-6, abs=1e-9)


def test_against_columns_with_explicit_dummies():
    frame = study(3)
    found = mediation.mediate(frame, "y", "d", "m", ["x"])
    dummies = "+ x + C(city) + C(year)"
    a = smf.ols(f"m ~ d {dummies}", frame).fit().params["d"]
    both = smf.ols(f"y ~ d + m {dummies}", frame).fit().params
    assert found.a == pytest.approx(a)
    assert (found.direct, found.b) == (pytest.approx(both["d"]), pytest.approx(both["m"]))


def test_known_answer_on_wage_panel():
    """linearmodels' wage panel: union membership through hours, by explicit projection."""
    from linearmodels.datasets import wage_panel

    data = wage_panel.load()[["nr", "year", "lwage", "union", "hours"]]
    data = data[data["nr"].isin(data["nr"].unique()[:60])].astype(float)
    found = mediation.mediate(data, "lwage", "union", "hours", unit="nr", time="year")

    def within(name):
        v = data[name]
        unit, period = (v.groupby(data[k]).transform("mean") for k in ("nr", "year"))
        return (v - unit - period + v.mean()).to_numpy()  # exact: the panel is balanced

    y, d, m = within("lwage"), within("union"), within("hours")
    direct, b = np.linalg.lstsq(np.column_stack([d, m]), y, rcond=None)[0]
    assert found.total == pytest.approx((d @ y) / (d @ d))
    assert found.indirect == pytest.approx((d @ m) / (d @ d) * b)
    assert found.direct == pytest.approx(direct)


def test_sobel_error_by_hand():
    found = mediation.mediate(study(1), "y", "d", "m")
    error_a = found.mediator_column.std_errors["d"]
    error_b = found.joint_column.std_errors["m"]
    by_hand = (found.b**2 * error_a**2 + found.a**2 * error_b**2) ** 0.5
    assert found.sobel_std_error == pytest.approx(by_hand)
    assert "indirect" in repr(found)


def test_the_printed_columns_cannot_hold_together():
    record = published.load("yan_ye_wang")

    def cell(table, row, column):
        return record.get(replication.cell(table, row, column, "coef")).interval

    total, direct = cell("table4", "FTZ", "(5)"), cell("table5", "FTZ", "(8)")
    a, b = cell("table5", "FTZ", "(7)"), cell("table5", "IL", "(8)")
    check = printed_parts.identity_check(total, direct, a, b)
    assert check.verdict == "impossible"
    assert "[0.7835, 0.7862]" in check.reasoning and "do not meet" in check.reasoning
    forced = (total - direct) / a
    assert printed_parts.identity_check(total, direct, a, forced).verdict == "consistent"
    matched = panel.load_witness().matched
    witness = mediation.mediate(matched, "lnHQD", "FTZ", "IL", replication.CONTROLS)
    assert forced.contains(witness.b) and not b.contains(witness.b)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_honest_tables_are_never_called_impossible(seed, digits):
    found = mediation.mediate(study(seed), "y", "d", "m", ["x"])
    printed = [
        rounding_interval(f"{value:.{digits}f}")
        for value in (found.total, found.direct, found.a, found.b)
    ]
    assert printed_parts.identity_check(*printed).verdict == "consistent"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("2.25", ("**",)),
        ("-2.25", ("**",)),
        ("2.58", ("**", "***")),
        ("1.96", ("*", "**")),
        ("0.27", ("",)),
        ("0.0", ("",)),
        ("14.91", ("***",)),
        ("2", ("", "*", "**")),
    ],
)
def test_stars(text, allowed):
    assert printed_parts.stars_allowed(rounding_interval(text)) == allowed


def test_critical_values_are_those_of_the_normal():
    from scipy import stats

    for level, word in ((0.01, "***"), (0.05, "**"), (0.10, "*")):
        exact = Decimal(float(stats.norm.ppf(1 - level / 2)))
        assert abs(printed_parts._CRITICAL[word] - exact) < Decimal("1e-9")


def test_a_mediator_that_is_already_there():
    for mediator in ("d", "y", "x"):
        with pytest.raises(EstimationError, match="stands elsewhere"):
            mediation.mediate(study(), "y", "d", mediator, ["x"])
    twin = study()
    with pytest.raises(EstimationError, match="collinear"):
        mediation.mediate(twin.assign(m=2 * twin["d"]), "y", "d", "m")


# -- intervals of the product -----------------------------------------------------------


def test_bca_against_scipy():
    """scipy's BCa on its own draws, with the same jackknife."""
    from scipy import stats

    x = np.random.default_rng(0).exponential(size=40)
    theirs = stats.bootstrap((x,), np.mean, method="BCa", n_resamples=2000, rng=1)
    jackknife = np.array([np.delete(x, i).mean() for i in range(len(x))])
    both = ["percentile", "BCa"]
    ours = IndirectBootstrap(
        params=pd.Series(x.mean(), both),
        std_errors=pd.Series(1.0, both),
        nobs=len(x),
        draws=theirs.bootstrap_distribution,
        jackknife=jackknife,
        resampled="rows",
        times=pd.DataFrame(),
        answered=np.ones(2000, dtype=bool),
    )
    bounds = tuple(ours.conf_int().loc["BCa"])
    assert bounds == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)
    with pytest.raises(EstimationError, match="outside all bootstrap draws"):
        replace(ours, params=pd.Series(100.0, both)).conf_int()


@pytest.mark.parametrize("resample", ["unit", "rows"])
def test_bootstrap_draws_are_mediations_of_resampled_frames(resample):
    """One draw at a time, through ``mediate`` itself, with each copy a city of its own."""
    frame = study(4).reset_index(drop=True)
    options = {"draws": 6, "seed": 11, "resample": resample}
    found = mediation.bootstrap_indirect(frame, "y", "d", "m", ["x"], **options)
    again = mediation.bootstrap_indirect(frame, "y", "d", "m", ["x"], **options)
    assert (found.draws == again.draws).all()
    assert found.indirect == pytest.approx(mediation.mediate(frame, "y", "d", "m", ["x"]).indirect)
    rng, wanted = np.random.default_rng(11), []
    groups = [g for _, g in frame.groupby("city" if resample == "unit" else frame.index)]
    for draw in range(6):
        places = rng.integers(len(groups), size=len(groups))
        names = [frame["city"].unique()[i] if resample == "unit" else i for i in places]
        times = found.times.loc[draw]
        assert times[times > 0].to_dict() == {name: names.count(name) for name in names}
        drawn = [groups[i] for i in places]
        if resample == "unit":
            drawn = [g.assign(city=copy) for copy, g in enumerate(drawn)]
        columns = smf.ols("y ~ d + m + x + C(city) + C(year)", pd.concat(drawn)).fit().params
        first = smf.ols("m ~ d + x + C(city) + C(year)", pd.concat(drawn)).fit().params
        wanted.append(first["d"] * columns["m"])
    assert np.allclose(found.draws, wanted)
    assert found.answered.all() and found.n_failed == 0


def test_intervals_find_a_strong_channel_and_not_an_absent_one():
    frame = study(5, n_units=30, n_periods=10)
    rng = np.random.default_rng(0)
    clear = frame.assign(m=2 * frame.d + 0.3 * rng.standard_normal(len(frame)))
    clear["y"] = clear.m + 0.3 * rng.standard_normal(len(frame))
    found = mediation.bootstrap_indirect(clear, "y", "d", "m", draws=200, seed=0)
    absent = clear.assign(m=rng.standard_normal(len(frame)))
    none = mediation.bootstrap_indirect(absent, "y", "d", "m", draws=200, seed=0)
    for low, high in found.conf_int().to_numpy():
        assert 0 < low < 2 < high
    for low, high in none.conf_int().to_numpy():
        assert low < 0 < high
    table = found.conf_int(0.5)
    assert list(table.index) == ["percentile", "BCa"]
    assert (table.lower < table.upper).all() and (table.lower > found.conf_int().lower).all()
    assert found.std_error == pytest.approx(found.draws.std(ddof=1))
    assert "without an answer" in repr(found)


def test_resamples_without_a_treated_city_are_counted():
    frame = study(0)
    lonely = frame.assign(d=frame.d * (frame.city == 0))
    found = mediation.bootstrap_indirect(lonely, "y", "d", "m", draws=60, seed=0, most_failures=0.9)
    assert found.n_failed == 60 - len(found.draws) > 10
    with pytest.raises(EstimationError, match="too few treated units"):
        mediation.bootstrap_indirect(lonely, "y", "d", "m", draws=60, seed=0)


# -- confounding of the mediator --------------------------------------------------------


def test_the_curve_passes_through_the_product_and_through_zero():
    frame = study(2)
    found = mediation.sensitivity(frame, "y", "d", "m", ["x"])
    product = mediation.mediate(frame, "y", "d", "m", ["x"]).indirect
    assert found.curve[0.0] == pytest.approx(product) == found.indirect
    at_zero = mediation.sensitivity(frame, "y", "d", "m", ["x"], rho=[found.rho_at_zero])
    assert at_zero.curve.iloc[0] == pytest.approx(0, abs=1e-12)
    assert found.curve.is_monotonic_decreasing == (found.curve.iloc[0] > found.curve.iloc[-1])
    assert "nil at rho" in repr(found)


@pytest.mark.parametrize("rho", [-0.6, 0.3, 0.7])
def test_the_true_correlation_returns_the_true_effect(rho):
    """Errors of mediator and outcome are correlated: ab is wrong, the curve at rho is right."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame([(i, t) for i in range(400) for t in range(10)], columns=["city", "year"])
    frame["d"] = ((frame.city < 200) & (frame.year >= 5)).astype(float)
    errors = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=len(frame))
    frame["m"] = 0.8 * frame.d + errors[:, 0]
    frame["y"] = 0.2 * frame.d + 0.5 * frame.m + 1.5 * errors[:, 1]
    found = mediation.sensitivity(frame, "y", "d", "m", rho=[rho])
    assert found.curve.iloc[0] == pytest.approx(0.8 * 0.5, abs=0.06)
    assert abs(found.indirect - 0.8 * 0.5) > 0.2


def test_robustness_table_against_statsmodels():
    frame = study(6)
    table = mediation.robustness(frame, "y", "d", "m", ["x"])
    dummies = "+ x + C(city) + C(year)"
    mediator = smf.ols(f"m ~ d {dummies}", frame).fit()
    both = smf.ols(f"y ~ d + m {dummies}", frame).fit()
    for row, fit, name in (("a", mediator, "d"), ("b", both, "m"), ("direct", both, "d")):
        assert table.loc[row, "estimate"] == pytest.approx(fit.params[name])
        assert table.loc[row, "t"] == pytest.approx(fit.tvalues[name])
        without = smf.ols(fit.model.formula.replace(f"{name} +", "", 1), frame).fit()
        share = 1 - fit.ssr / without.ssr
        assert table.loc[row, "partial_r2"] == pytest.approx(share)
        value = mediation.robustness_value(fit.tvalues[name], int(fit.df_resid))
        assert table.loc[row, "robustness_value"] == pytest.approx(value.value)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 200), st.integers(5, 5000), st.floats(0.05, 1))
def test_a_robustness_value_does_what_it_says(t, df, q):
    """A confounder with both partial R squared at the value has a bias of q times the estimate.

    Cinelli and Hazlett: bias over estimate is f * sqrt(R2y R2d / (1 - R2d)) / |t|.
    """
    found = mediation.robustness_value(t, df, q)
    assert 0 <= found.value_at_level <= found.value < 1
    bias = np.sqrt(df) * np.sqrt(found.value**2 / (1 - found.value)) / t
    assert bias == pytest.approx(q)
    assert mediation.robustness_value(-t, df, q).value == found.value


def test_an_insignificant_coefficient_needs_no_confounder():
    assert mediation.robustness_value(1.0, 50).value_at_level == 0
    assert mediation.robustness_value(1e4, 5).value_at_level < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: mediation.bootstrap_indirect(f, "y", "d", "m", seed=0, draws=1), "from 2"),
        (
            lambda f: mediation.bootstrap_indirect(f, "y", "d", "m", seed=0, resample="pairs"),
            "unknown resample",
        ),
        (lambda f: mediation.sensitivity(f, "y", "d", "nowhere"), "no column nowhere"),
        (lambda f: mediation.sensitivity(f, "y", "d", "m", rho=[1.0]), "strictly between"),
        (lambda f: mediation.sensitivity(f.assign(d=1.0), "y", "d", "m"), "treatment does not"),
        (lambda f: mediation.sensitivity(f.assign(m=f.d), "y", "d", "m"), "mediator does not"),
        (lambda f: mediation.robustness(f.assign(m=np.nan), "y", "d", "m"), "values in m"),
        (lambda f: mediation.robustness_value(np.nan, 50), "finite t"),
        (lambda f: mediation.robustness_value(2.0, 1), "df from 2"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(EstimationError, match=message):
        call(study())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_what_may_not_matter(seed, scale):
    """Row order, names of cities, city effects, units of mediator and outcome."""
    frame = study(seed)
    rng = np.random.default_rng(seed)
    names = {city: f"city {place}" for place, city in enumerate(rng.permutation(9))}
    effects = dict(enumerate(rng.normal(0, 50, 9)))
    other = frame.assign(
        y=3 * frame.y + frame.city.map(effects),
        m=scale * frame.m - frame.city.map(effects),
        city=frame.city.map(names),
    ).iloc[rng.permutation(len(frame))]
    here, there = (mediation.sensitivity(f, "y", "d", "m", ["x"]) for f in (frame, other))
    assert np.allclose(there.curve, 3 * here.curve, rtol=1e-5, atol=1e-7)
    assert there.rho_at_zero == pytest.approx(here.rho_at_zero, abs=1e-6)
    one, two = (mediation.robustness(f, "y", "d", "m", ["x"]) for f in (frame, other))
    columns = ["t", "partial_r2", "robustness_value", "robustness_value_at_level"]
    assert np.allclose(one[columns], two[columns], atol=1e-5)
