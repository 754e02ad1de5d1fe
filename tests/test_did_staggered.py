"""The estimators of staggered adoption: where theory says that they agree, they do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ftz import did
from ftz.errors import EstimationError
from test_did import panel


def one_cohort(seed=0, units=16, treated=5, years=8, effect=1.0, noise=0.3):
    """A balanced panel with one adoption date and effects that grow."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(f"u{i:02d}", 2013 + t) for i in range(units) for t in range(years)],
        columns=["city", "year"],
    )
    frame["cohort"] = np.where(frame.city < f"u{treated:02d}", 2018.0, np.nan)
    frame["d"] = (frame.year >= frame.cohort).astype(float)
    frame["x"] = rng.normal(size=len(frame))
    level = frame.city.map(dict(zip(frame.city.unique(), rng.normal(size=units), strict=True)))
    growing = effect * (1 + (frame.year - 2018).clip(lower=0))
    frame["y"] = level + 0.1 * frame.year + frame.d * growing + noise * rng.normal(size=len(frame))
    return frame


@pytest.fixture(scope="module")
def single():
    return did.compare(one_cohort(), "y", "cohort")


# --------------------------------------------------------------- one cohort: agreement


def test_all_estimators_have_an_answer_on_one_cohort(single):
    assert set(single.results) == set(did.ESTIMATORS) and not single.refusals


def test_one_cohort_those_that_use_all_earlier_periods_agree(single):
    """Two-way, stacked, imputation, and Bacon: after minus before, treated minus others."""
    frame = one_cohort()
    wide = frame.pivot(index="city", columns="year", values="y")
    change = wide.loc[:, 2018:].mean(axis=1) - wide.loc[:, :2017].mean(axis=1)
    by_hand = change.iloc[:5].mean() - change.iloc[5:].mean()
    for name in ("two_way", "stacked", "imputation"):
        assert single.results[name].att == pytest.approx(by_hand, abs=1e-9), name
    assert did.bacon(frame, "y", "cohort").estimate == pytest.approx(by_hand, abs=1e-9)


def test_one_cohort_those_that_use_the_last_period_before_agree(single):
    """Callaway-Sant'Anna, Sun-Abraham, de Chaisemartin-D'Haultfoeuille."""
    wide = one_cohort().pivot(index="city", columns="year", values="y")
    change = wide.loc[:, 2018:].mean(axis=1) - wide[2017]
    by_hand = change.iloc[:5].mean() - change.iloc[5:].mean()
    for name in ("callaway_santanna", "sun_abraham", "dechaisemartin_dhaultfoeuille"):
        assert single.results[name].att == pytest.approx(by_hand, abs=1e-9), name


def test_one_cohort_event_studies_agree(single):
    wanted = single.results["two_way"].event_study.params
    for name in ("callaway_santanna", "sun_abraham", "stacked"):
        found = single.results[name].event_study.params
        assert found.to_numpy() == pytest.approx(wanted.to_numpy(), abs=1e-9), name
    found = single.results["dechaisemartin_dhaultfoeuille"].event_study.params
    assert found.to_numpy() == pytest.approx(wanted.loc[found.index].to_numpy(), abs=1e-9)


def test_one_cohort_relevant_errors_agree(single):
    """The stacked regression of one experiment is the two-way regression."""
    assert single.results["stacked"].std_error == pytest.approx(
        single.results["two_way"].std_error, rel=1e-9
    )


# ----------------------------------------------------------- several cohorts: who is right


def staggered(seed, units=60, years=10, noise=0.1):
    """Effects that grow and differ by cohort; the truth is returned beside."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(i, 2013 + t) for i in range(units) for t in range(years)], columns=["city", "year"]
    )
    frame["cohort"] = frame.city.map(lambda i: [2015.0, 2019.0, np.nan][i % 3])
    frame["d"] = (frame.year >= frame.cohort).astype(float)
    effect = frame.d * (frame.year - frame.cohort.fillna(0) + 1) * (1 + (frame.cohort == 2015))
    shock = rng.normal(size=years)[frame.year - 2013]
    frame["y"] = rng.normal(size=units)[frame.city] + shock + effect
    frame["y"] += noise * rng.normal(size=len(frame))
    return frame, effect


def test_heterogeneous_effects_bias_two_way_and_not_the_others():
    frame, effect = staggered(1)
    truth = effect[frame.d == 1].mean()
    found = did.compare(frame, "y", "cohort")
    errors = {name: abs(r.att - truth) for name, r in found.results.items()}
    assert errors["two_way"] > 0.5
    for name in ("callaway_santanna", "sun_abraham", "imputation"):
        assert errors[name] < 0.1, name
    by_event = effect[frame.d == 1].groupby(frame.year - frame.cohort).mean()
    for name in ("callaway_santanna", "sun_abraham", "imputation"):
        events = found.results[name].event_study.params
        assert events.loc[0:].to_numpy() == pytest.approx(by_event.to_numpy(), abs=0.15), name
    assert "synthetic" in found.refusals
    assert "one cohort" in repr(found) and "<table" in found._repr_html_()


def test_aggregates_are_means_of_the_parts():
    frame, effect = staggered(2, noise=0.0)
    on = frame.d == 1
    group = effect[on].groupby(frame.cohort).mean()
    sizes = frame.drop_duplicates("city").cohort.value_counts().reindex(group.index)
    wanted = {
        "simple": effect[on].mean(),
        "group": (group * sizes).sum() / sizes.sum(),
        "dynamic": effect[on].groupby(frame.year - frame.cohort).mean().mean(),
    }
    for aggregate, truth in wanted.items():
        result = did.callaway_santanna(frame, "y", "cohort", aggregate=aggregate)
        assert result.att == pytest.approx(truth, abs=1e-9)
    assert result.by_cohort["estimate"].to_numpy() == pytest.approx(group.to_numpy(), abs=1e-9)


def test_not_yet_treated_controls_serve_where_nobody_is_never_treated():
    frame, effect = staggered(3)
    frame = frame[frame.cohort.notna()]
    with pytest.raises(EstimationError, match="never treated"):
        did.callaway_santanna(frame, "y", "cohort", control_group="never")
    with pytest.raises(EstimationError, match="never treated"):
        did.sun_abraham(frame, "y", "cohort")
    result = did.callaway_santanna(frame, "y", "cohort", control_group="not_yet")
    default = did.callaway_santanna(frame, "y", "cohort")
    assert default.att == result.att and "not treated yet" in repr(default)
    before_2019 = (frame.cohort == 2015) & frame.year.between(2015, 2018)
    assert result.att == pytest.approx(effect[frame.index][before_2019].mean(), abs=0.15)
    with pytest.raises(EstimationError, match="clean control"):
        did.stacked(frame, "y", "cohort")
    short = did.stacked(frame, "y", "cohort", window=(-2, 2))
    assert short.att == pytest.approx(4, abs=0.3)  # two, four, six in the first experiment


def test_units_treated_throughout_are_left_out_and_named():
    frame = one_cohort()
    early = frame.assign(cohort=frame.cohort.where(frame.city != "u00", 2010.0))
    result = did.imputation(early, "y", "cohort")
    assert result.n_units == 15 and "left out" in result.notes[0]
    late = frame.assign(cohort=frame.cohort.where(frame.city != "u09", 2090.0))
    assert did.imputation(late, "y", "cohort").n_treated == 5


def test_recovers_an_effect_beside_controls():
    frame = one_cohort(5, units=60, treated=20, effect=0.0)
    frame["y"] = frame["y"] + 2 * frame["x"] + 1.5 * frame["d"]
    for name in ("two_way", "stacked", "imputation"):
        result = did.ESTIMATORS[name](frame, "y", "cohort", ["x"])
        assert result.att == pytest.approx(1.5, abs=0.15), name
        assert result.std_error < 0.2


def test_synthetic_weights_repair_a_trend_that_some_controls_share():
    """Treated units drift as half of the controls do: synthetic DID finds them."""
    frame = one_cohort(6, units=30, treated=5, years=16, effect=0.0, noise=0.05)
    number = frame.city.str[1:].astype(int)
    frame["cohort"] = np.where(number < 5, 2023.0, np.nan)
    drifting = (number < 5) | (number % 2 == 0)
    frame["y"] = frame["y"] + 0.3 * drifting * (frame.year - 2013)
    assert abs(did.synthetic(frame, "y", "cohort", draws=20).att) < 0.3
    assert did.two_way(frame, "y", "cohort").att > 0.8
    first, second = (did.synthetic(frame, "y", "cohort", draws=20, seed=3) for _ in range(2))
    assert first.std_error == second.std_error


# ------------------------------------------------------------------ what may not matter


@pytest.mark.parametrize("name", [n for n in did.ESTIMATORS if n != "synthetic"])
def test_order_labels_level_and_scale(name):
    frame = one_cohort(8)
    other = frame.sample(frac=1, random_state=1)
    other = other.assign(
        city=other.city.map(lambda c: f"z{c[::-1]}"),
        y=3 * (other.y + 7 * (other.city == "u03") - 2 * (other.year == 2015)),
    )
    one, two = (did.ESTIMATORS[name](f, "y", "cohort") for f in (frame, other))
    assert two.att == pytest.approx(3 * one.att, rel=1e-8)
    assert two.std_error == pytest.approx(3 * one.std_error, rel=1e-6)


# --------------------------------------------------------------------- clear refusals


@pytest.mark.parametrize("name", list(did.ESTIMATORS))
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.assign(y=1.0), "constant"),
        (lambda f: f.assign(y=np.nan), "missing or infinite"),
        (lambda f: f.assign(cohort=np.nan), "no city that is treated"),
        (lambda f: f.assign(cohort=2018.0), "at once"),
        (lambda f: f.drop(columns="cohort"), "no column cohort"),
        (lambda f: pd.concat([f, f.head(1)]), "more than one row"),
        (lambda f: f[f.city == "u00"], "one city only"),
        (lambda f: f.assign(cohort=f.year * 1.0), "changes within"),
    ],
)
def test_every_estimator_refuses(name, damage, message):
    with pytest.raises(EstimationError, match=message):
        did.ESTIMATORS[name](damage(one_cohort()), "y", "cohort")


def test_choices_that_do_not_exist():
    frame = one_cohort()
    with pytest.raises(EstimationError, match="unknown aggregate"):
        did.callaway_santanna(frame, "y", "cohort", aggregate="mean")
    with pytest.raises(EstimationError, match="unknown control group"):
        did.callaway_santanna(frame, "y", "cohort", control_group="all")
    with pytest.raises(EstimationError, match="unknown estimators magic"):
        did.compare(frame, "y", "cohort", estimators=["magic"])
    with pytest.raises(EstimationError, match="balanced"):
        did.synthetic(frame.drop(index=3), "y", "cohort")
    with pytest.raises(EstimationError, match="without controls"):
        did.dechaisemartin_dhaultfoeuille(frame, "y", "cohort", ["x"])
    refused = did.compare(frame, "y", "cohort", ["x"])
    assert set(refused.refusals) == {"synthetic", "dechaisemartin_dhaultfoeuille"}
    with pytest.raises(EstimationError, match="balanced"):
        did.compare(frame.drop(index=3), "y", "cohort", estimators=["synthetic"])


def test_result_reads_like_any_other(single):
    result = single.results["two_way"]
    assert result.params.index.tolist() == ["ATT"] and "two-way" in repr(result)
    assert single.table.loc["imputation", "estimate"] == single.results["imputation"].att
    with pytest.raises(AttributeError):
        result.estimator = "other"


def test_agrees_with_the_event_study_of_the_unbalanced_panel():
    frame = panel(3)
    wanted = did.event_study(frame, "y", "cohort", ["x"])
    found = did.two_way(frame, "y", "cohort", ["x"]).event_study
    assert found.params.to_numpy() == pytest.approx(wanted.params.to_numpy(), abs=1e-10)


# ------------------------------------------------------------- treatments of any shape


def test_switchers_of_an_absorbing_treatment_are_the_event_study(single):
    """One cohort, on or off: the same effects as de Chaisemartin and D'Haultfoeuille's."""
    table = did.switchers(one_cohort(), "y", "d", horizons=3).table
    wanted = single.results["dechaisemartin_dhaultfoeuille"].event_study.params
    assert table["effect"].to_numpy() == pytest.approx(wanted.loc[[0, 1, 2]].to_numpy(), abs=1e-9)
    assert (table["switchers"] == 5).all() and table["std_error"].isna().all()


def test_switchers_turn_the_sign_where_treatment_falls():
    """Treated from the start, and released: the effect of treatment has its own sign."""
    frame = one_cohort(noise=0.0, effect=0.0)
    number = frame.city.str[1:].astype(int)
    frame["d"] = ((number >= 8) & ((frame.year < 2018) | (number >= 11))).astype(float)
    frame["y"] = frame["y"] + 2.0 * frame["d"]
    result = did.switchers(frame, "y", "d", horizons=2)
    assert result.table["effect"].to_numpy() == pytest.approx(2.0)
    assert "first change of d" in repr(result) and "<table" in result._repr_html_()


def test_switchers_draw_units_for_their_errors():
    frame = one_cohort(units=60, treated=30)
    first, second = (
        did.switchers(frame, "y", "d", horizons=2, draws=100, seed=1).table for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, second)
    # After minus before, 30 against 30: four errors of standard deviation 0.3 / sqrt(30).
    assert first["std_error"].to_numpy() == pytest.approx(0.3 * np.sqrt(4 / 30), rel=0.35)


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        (lambda f: f.assign(y=1.0), {}, "constant"),
        (lambda f: f.assign(d=0.0), {}, "changes in no city"),
        (lambda f: f.assign(d=np.nan), {}, "missing or infinite values in d"),
        (lambda f: f.assign(y=np.inf), {}, "infinite values in y"),
        (lambda f: f.drop(columns="y"), {}, "no column y"),
        (lambda f: pd.concat([f, f.head(1)]), {}, "more than one row"),
        (lambda f: f, {"horizons": 0}, "at least 1"),
        (lambda f: f, {"horizons": 40}, "has a control"),
        (lambda f: f, {"draws": 5}, "pass a seed"),
        (lambda f: f.assign(d=(f.year >= 2018) * 1.0), {}, "has a control"),
    ],
)
def test_switchers_refuse(damage, options, message):
    with pytest.raises(EstimationError, match=message):
        did.switchers(damage(one_cohort()), "y", "d", **options)
