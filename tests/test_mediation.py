"""Mediation: the identity, its exact check on printed numbers, stars."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import mediation, panel, published, replication
from ftz.errors import EstimationError
from ftz.published import rounding_interval


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
    assert 0 < found.sobel_pvalue < 1
    assert "indirect" in repr(found)


def test_the_printed_columns_cannot_hold_together():
    record = published.load("yan_ye_wang")

    def cell(table, row, column):
        return record.get(replication.cell(table, row, column, "coef")).interval

    total, direct = cell("table4", "FTZ", "(5)"), cell("table5", "FTZ", "(8)")
    a, b = cell("table5", "FTZ", "(7)"), cell("table5", "IL", "(8)")
    check = mediation.identity_check(total, direct, a, b)
    assert check.verdict == "impossible"
    assert str(check.implied) in check.reasoning and "do not meet" in check.reasoning
    forced = mediation.implied_mediator_coefficient(total, direct, a)
    assert mediation.identity_check(total, direct, a, forced).verdict == "consistent"
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
    assert mediation.identity_check(*printed).verdict == "consistent"


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
    assert mediation.stars_allowed(rounding_interval(text)) == allowed


def test_critical_values_are_those_of_the_normal():
    from scipy import stats

    for level, word in ((0.01, "***"), (0.05, "**"), (0.10, "*")):
        exact = Decimal(float(stats.norm.ppf(1 - level / 2)))
        assert abs(mediation._CRITICAL[word] - exact) < Decimal("1e-9")


def test_a_mediator_that_is_already_there():
    for mediator in ("d", "y", "x"):
        with pytest.raises(EstimationError, match="stands elsewhere"):
            mediation.mediate(study(), "y", "d", mediator, ["x"])
    twin = study()
    with pytest.raises(EstimationError, match="collinear"):
        mediation.mediate(twin.assign(m=2 * twin["d"]), "y", "d", "m")
