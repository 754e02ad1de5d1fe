"""The standard-error family, the event study's bands and power, and what a coefficient averages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ftz import did
from ftz.did._events import assemble
from ftz.errors import EstimationError
from test_did import panel

# ---------------------------------------------------------------------- standard errors


@pytest.fixture(scope="module")
def family():
    return did.standard_errors(panel(), "y", "d", ["x"])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("classical", {"cov_type": "nonrobust"}),
        ("HC1", {"cov_type": "HC1"}),
        ("HC2", {"cov_type": "HC2"}),
        ("HC3", {"cov_type": "HC3"}),
        ("CR1S", {"cov_type": "cluster"}),
    ],
)
def test_equal_to_statsmodels_with_all_dummies(family, name, options):
    frame = panel()
    if name == "CR1S":
        options = options | {"cov_kwds": {"groups": frame["city"]}}
    fit = smf.ols("y ~ d + x + C(city) + C(year)", frame).fit(**options)
    assert family.estimate == pytest.approx(fit.params["d"], rel=1e-9)
    assert family.table.loc[name, "std_error"] == pytest.approx(fit.bse["d"], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("CR1", {"cov_type": "clustered", "cluster_entity": True}),
        ("two-way", {"cov_type": "clustered", "cluster_entity": True, "cluster_time": True}),
        ("Driscoll-Kraay", {"cov_type": "kernel", "kernel": "bartlett", "bandwidth": 2}),
    ],
)
def test_equal_to_linearmodels(name, options):
    from linearmodels.panel import PanelOLS

    frame = panel()
    indexed = frame.set_index(["city", "year"])
    model = PanelOLS(indexed["y"], indexed[["d", "x"]], entity_effects=True, time_effects=True)
    ours = did.standard_errors(frame, "y", "d", ["x"], bandwidth=2)
    wanted = model.fit(**options).std_errors["d"]
    assert ours.table.loc[name, "std_error"] == pytest.approx(wanted, rel=1e-9)


def test_bias_reduced_errors_by_the_book(family):
    """CR2, its degrees of freedom and CR3 from the full design, matrix by matrix."""
    frame = panel()
    dummies = [
        pd.get_dummies(frame[c], dtype=float, drop_first=c == "year") for c in ("city", "year")
    ]
    design = np.column_stack([frame[["d", "x"]], *dummies])
    bread = np.linalg.inv(design.T @ design)
    rest = np.eye(len(frame)) - design @ bread @ design.T
    residuals = rest @ frame["y"].to_numpy()
    codes = pd.factorize(frame["city"])[0]
    contrast = bread[0]
    for power, name in ((-0.5, "CR2"), (-1.0, "CR3")):
        columns, total = [], 0.0
        for g in range(codes.max() + 1):
            rows = np.flatnonzero(codes == g)
            values, vectors = np.linalg.eigh(rest[np.ix_(rows, rows)])
            inverse = np.where(values > 1e-10, np.abs(values) ** power, 0.0)
            adjust = vectors @ np.diag(inverse) @ vectors.T
            total += (contrast @ design[rows].T @ adjust @ residuals[rows]) ** 2
            columns.append(rest[:, rows] @ adjust @ design[rows] @ contrast)
        assert family.table.loc[name, "std_error"] == pytest.approx(np.sqrt(total), rel=1e-8)
        if name == "CR2":
            cross = np.array(columns) @ np.array(columns).T
            wanted = np.trace(cross) ** 2 / np.square(cross).sum()
            assert family.table.loc[name, "df"] == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("draws", [100, pytest.param(400, marks=pytest.mark.nightly)])
def test_bias_reduced_errors_are_unbiased_when_errors_are_independent(draws):
    """CR2 is built to be: its mean variance is the truth, CR0's falls short of it."""
    frame = panel(0, drop=0)
    squares = {"CR0": [], "CR2": []}
    estimates = []
    for seed in range(draws):
        noise = np.random.default_rng(seed).standard_normal(len(frame))
        result = did.standard_errors(frame.assign(y=noise), "y", "d")
        estimates.append(result.estimate)
        for name in squares:
            squares[name].append(result.table.loc[name, "std_error"] ** 2)
    truth = np.var(estimates)
    assert np.mean(squares["CR2"]) == pytest.approx(truth, rel=0.2)
    assert np.mean(squares["CR0"]) < 0.9 * truth


def treated_first(number):
    frame = panel(0, units=12, drop=0)
    on = (frame.city.str[1:].astype(int) < number) & (frame.year >= 2013)
    return did.standard_errors(frame.assign(d=on.astype(float)), "y", "d").table


def test_few_treated_clusters_cost_degrees_of_freedom():
    df = [treated_first(n).loc["CR2", "df"] for n in (2, 3, 4, 6)]
    assert df == sorted(df) and df[0] < 2
    assert df[-1] == pytest.approx(10)  # six against six: G - 2


def test_one_treated_cluster_is_invisible_to_clustered_errors():
    table = treated_first(1)["std_error"]
    for name in ("CR0", "CR1", "CR1S", "CR2", "CR3"):
        assert table[name] < 0.6 * table["classical"]


def test_family_reads_well(family):
    assert list(family.table.index) == list(did.FAMILY)
    assert "Driscoll-Kraay" in repr(family) and "<table" in family._repr_html_()
    row = family.table.loc["CR1S"]
    t = stats.t(row["df"])
    assert row["p_value"] == pytest.approx(2 * t.sf(abs(row["statistic"])))
    assert row["upper"] - family.estimate == pytest.approx(t.ppf(0.975) * row["std_error"])


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        (lambda f: f.assign(y=1.0), {}, "constant"),
        (lambda f: f.assign(d=0.0), {}, "d does not vary"),
        (lambda f: f.assign(y=np.nan), {}, "missing or infinite"),
        (lambda f: pd.concat([f, f.head(1)]), {}, "more than one row"),
        (lambda f: f.assign(one=1), {"cluster": "one"}, "one one only"),
        (lambda f: f, {"cluster": "nobody"}, "no column nobody"),
        (
            lambda f: f[f.city.isin(["u0", "u7"]) & f.year.isin([2012, 2014])],
            {},
            "cannot carry|collinear|does not vary",
        ),
    ],
)
def test_family_refusals(damage, options, message):
    with pytest.raises(EstimationError, match=message):
        did.standard_errors(damage(panel()), "y", "d", **options)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 100), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_what_must_not_matter_to_errors(seed, scale, shift):
    frame = panel(seed)
    other = frame.sample(frac=1, random_state=seed)
    other = other.assign(y=scale * (other.y + shift * (other.year == 2012)))
    one, two = (did.standard_errors(f, "y", "d", ["x"]).table for f in (frame, other))
    assert two["std_error"].to_numpy() == pytest.approx(
        scale * one["std_error"].to_numpy(), rel=1e-6, nan_ok=True
    )
    assert two["df"].to_numpy() == pytest.approx(one["df"].to_numpy(), rel=1e-6)


def test_columns_of_the_family_are_those_of_the_stepwise_table():
    frame = panel(6)
    frame["z"] = np.random.default_rng(0).standard_normal(len(frame))
    columns = did.stepwise(frame, "y", "d", ["x", "z"])
    families = [did.standard_errors(frame, "y", "d", names) for names in (["x"], ["x", "z"])]
    for column, errors in zip(columns, families, strict=True):
        assert errors.estimate == pytest.approx(column.att, abs=1e-10)
        assert errors.table.loc["CR1", "std_error"] == pytest.approx(column.std_errors["d"])


# --------------------------------------------------------- event study: bands and power


@pytest.fixture(scope="module")
def study():
    return did.event_study(panel(4, units=40, years=9), "y", "cohort", ["x"], window=(-3, 3))


def test_band_is_wider_than_an_interval_and_narrower_than_bonferroni(study):
    critical = study.critical_value(0.95)
    k = len(study.covariance)
    assert stats.norm.ppf(0.975) < critical < stats.norm.ppf(1 - 0.025 / k)
    band = study.simultaneous_band()
    width = (band["upper"] - band["lower"]).drop(-1)
    assert width.to_numpy() == pytest.approx(2 * critical * study.std_errors.drop(-1).to_numpy())
    assert study.critical_value(seed=3) == study.critical_value(seed=3)


def test_critical_value_of_independent_coefficients():
    """Sidak: the largest of k independent normals has an exact quantile."""
    times = [-3, -2, 0, 1]
    independent = assemble(
        dict.fromkeys(times, 0.0),
        pd.DataFrame(np.diag([1.0, 4.0, 9.0, 0.25]), index=times, columns=times),
        reference=-1,
        treated_units={},
        nobs=10,
        title="",
    )
    exact = stats.norm.ppf(0.5 + 0.5 * 0.95**0.25)
    assert independent.critical_value(draws=400_000) == pytest.approx(exact, abs=0.01)
    assert independent.pretrend_df == 2 and independent.pretrend_pvalue == 1.0


def test_power_of_the_pretrend_test(study):
    """Analytic power against a simulation from the estimated covariance."""
    slope = study.detectable_slope(0.8)
    assert study.pretrend_power(slope) == pytest.approx(0.8, abs=1e-6)
    assert study.pretrend_power(0.0) == pytest.approx(0.05)
    before = [k for k in study.covariance.index if k < -1]
    covariance = study.covariance.loc[before, before].to_numpy()
    trend = slope * (np.array(before) + 1)
    draws = np.random.default_rng(0).multivariate_normal(trend, covariance, 20_000)
    wald = np.einsum("bi,ij,bj->b", draws, np.linalg.inv(covariance), draws)
    assert np.mean(wald > stats.chi2.ppf(0.95, len(before))) == pytest.approx(0.8, abs=0.015)


def test_average_of_event_times(study):
    mean, error = study.average(0, 1)
    assert mean == pytest.approx(study.params.loc[[0, 1]].mean())
    block = study.covariance.loc[[0, 1], [0, 1]].to_numpy()
    assert error == pytest.approx(np.sqrt(block.sum()) / 2)


def test_study_refusals(study):
    with pytest.raises(EstimationError, match="power must lie"):
        study.detectable_slope(0.01)
    with pytest.raises(EstimationError, match="no coefficient at"):
        study.average(50)
    short = did.event_study(panel(4), "y", "cohort", window=(-1, 1))
    with pytest.raises(EstimationError, match="no coefficient before"):
        short.pretrend_power(0.1)
    unknown = did.imputation(panel(4), "y", "cohort").event_study
    with pytest.raises(EstimationError, match="no covariance"):
        unknown.critical_value()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.assign(y=1.0), "y is constant"),
        (lambda f: f.assign(y=np.nan), "missing or infinite values in y"),
        (lambda f: f.assign(cohort=np.nan), "no treated"),
        (lambda f: f.assign(cohort=2014.0), "does not vary within city and year"),
        (lambda f: f[f.city == "u1"], "at least two|does not vary"),
        (lambda f: pd.concat([f, f.head(1)]), "more than one row"),
    ],
)
def test_event_study_refusals(damage, message):
    with pytest.raises(EstimationError, match=message):
        did.event_study(damage(panel(drop=0)), "y", "cohort")


# ---------------------------------------------------------------------------- weights


def test_weights_reproduce_the_coefficient_of_any_effects():
    """Without noise and trends, the coefficient is the weighted sum of the effects put in."""
    frame = panel(7, units=10, drop=4)
    effects = pd.Series(np.random.default_rng(1).normal(size=len(frame)), index=frame.index)
    frame["y"] = frame.city.str[1:].astype(int) + 0.3 * frame.year + 2 * frame.x + effects * frame.d
    weights = did.twfe_weights(frame, "d", ["x"], outcome="y")
    on = frame["d"] == 1
    assert weights.cells["weight"].sum() == pytest.approx(1)
    assert weights.cells["weight"].to_numpy() @ effects[on].to_numpy() == pytest.approx(
        did.twfe(frame, "y", "d", ["x"]).att, abs=1e-8
    )
    assert weights.estimate == pytest.approx(did.twfe(frame, "y", "d", ["x"]).att, abs=1e-8)


def test_one_cohort_has_equal_weights():
    frame = panel(7, drop=0)
    frame["d"] = ((frame.city < "u3") & (frame.year >= 2014)).astype(float)
    weights = did.twfe_weights(frame, "d", outcome="y")
    assert weights.cells["weight"].std() == pytest.approx(0, abs=1e-12)
    assert weights.n_negative == 0 and weights.sigma_fe == np.inf
    assert "treated cells" in repr(weights) and "<table" in weights._repr_html_()


def test_early_adopters_get_negative_weights_late():
    """De Chaisemartin and D'Haultfoeuille: all treated in the end, one of them early."""
    frame = panel(7, units=3, years=10, drop=0)
    start = frame.city.map({"u0": 2011, "u1": 2018, "u2": 2019})
    frame["d"] = (frame.year >= start).astype(float)
    weights = did.twfe_weights(frame, "d")
    late = weights.cells.query("city == 'u0' and year >= 2019")["weight"]
    assert (late < 0).all() and weights.sum_negative < 0
    with pytest.raises(EstimationError, match="negative somewhere"):
        did.twfe_weights(frame.assign(d=-frame.d), "d")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_bacon_adds_up(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(f"u{i}", t) for i in range(12) for t in range(8)], columns=["city", "year"]
    )
    start = dict(zip(frame.city.unique(), rng.choice([0, 2, 3, 6, np.nan], 12), strict=True))
    start |= {"u0": 3.0, "u1": np.nan}
    frame["cohort"] = frame.city.map(start)
    frame["d"] = (frame.year >= frame.cohort).astype(float)
    frame["y"] = rng.normal(size=len(frame)) + frame.d * (frame.year - frame.cohort.fillna(0))
    parts = did.bacon(frame, "y", "cohort")
    assert parts.estimate == pytest.approx(did.twfe(frame, "y", "d").att, abs=1e-9)
    assert parts.comparisons["weight"].sum() == pytest.approx(1)
    assert 0 <= parts.forbidden_weight < 1
    assert "Goodman-Bacon" in repr(parts) and "<table" in parts._repr_html_()


def test_bacon_refusals():
    frame = panel(2, drop=0)
    with pytest.raises(EstimationError, match="balanced"):
        did.bacon(frame.drop(index=3), "y", "cohort")
    with pytest.raises(EstimationError, match="no column nobody"):
        did.bacon(frame, "y", "nobody")
    with pytest.raises(EstimationError, match="treated within the panel"):
        did.bacon(frame.assign(cohort=np.nan), "y", "cohort")
    with pytest.raises(EstimationError, match="at once"):
        did.bacon(frame.assign(cohort=2014.0), "y", "cohort")
