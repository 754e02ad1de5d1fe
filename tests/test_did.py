"""Two-way fixed effects, the constant and the event study."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import did
from ftz._kernel import ColumnSpace
from ftz._projection import check_size
from ftz.did._events import wald as wald_of
from ftz.errors import EstimationError
from ftz.panel import Panel


def panel(seed=0, units=8, years=7, drop=5, effect=0.5):
    """Return an unbalanced staggered panel with a constant effect."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(f"u{i}", 2010 + t) for i in range(units) for t in range(years)], columns=["city", "year"]
    )
    cohort = {f"u{i}": 2013 + (i % 2) for i in range(units // 2)}
    frame["cohort"] = frame["city"].map(cohort)
    frame["d"] = (frame["year"] >= frame["cohort"]).astype(float)
    frame["x"] = rng.standard_normal(len(frame))
    level = dict(zip(frame["city"].unique(), rng.standard_normal(units), strict=True))
    frame["y"] = (
        frame["city"].map(level)
        + 0.1 * (frame["year"] - 2010)
        + effect * frame["d"]
        + 0.3 * frame["x"]
        + 0.2 * rng.standard_normal(len(frame))
    )
    return frame.drop(index=rng.choice(len(frame), drop, replace=False)).reset_index(drop=True)


@pytest.fixture(scope="module")
def castle():
    data = pytest.importorskip("causaldata").castle.load_pandas().data
    return data.astype({"sid": int, "year": int})


def test_castle_doctrine_as_shipped(castle):
    """Cheng and Hoekstra (2013), log homicide on castle law, unweighted: 0.069398."""
    result = did.twfe(castle, "l_homicide", "post", unit="sid")
    assert result.att == pytest.approx(0.069398, abs=5e-7)
    assert result.nobs == len(castle) and result.n_clusters == 50


def test_clustered_errors_against_statsmodels_dummies():
    """Statsmodels with all dummies uses Stata's factor: ours times cluster_factor."""
    frame = panel()
    ours = did.twfe(frame, "y", "d", ["x"])
    fit = smf.ols("y ~ d + x + C(city) + C(year)", frame).fit(
        cov_type="cluster", cov_kwds={"groups": frame["city"]}
    )
    factor = did.cluster_factor(len(frame), len(fit.params), frame["city"].nunique())
    for name in ("d", "x"):
        assert ours.params[name] == pytest.approx(fit.params[name], rel=1e-9)
        assert ours.std_errors[name] * factor == pytest.approx(fit.bse[name], rel=1e-9)


def test_projection_reproduces_the_slope():
    frame = panel(3)
    within = did.project(frame, ["y", "d", "x"])
    slopes = np.linalg.lstsq(within[["d", "x"]], within["y"], rcond=None)[0]
    assert slopes == pytest.approx(did.twfe(frame, "y", "d", ["x"]).params.to_numpy(), rel=1e-9)
    assert within.groupby(frame["city"]).sum().abs().to_numpy().max() < 1e-9
    assert within.groupby(frame["year"]).sum().abs().to_numpy().max() < 1e-9


def test_effect_basis_spans_the_dummies_also_where_the_panel_falls_apart():
    """Two groups of units that share no period: one dummy more is redundant."""
    frame = panel(3)
    apart = frame[(frame.city < "u4") == (frame.year < 2013)]
    for rows in (frame, apart):
        basis = ColumnSpace.of(*(pd.factorize(rows[c])[0] for c in ("city", "year"))).dense()
        dummies = np.hstack([pd.get_dummies(rows[c], dtype=float) for c in ("city", "year")])
        assert basis.T @ basis == pytest.approx(np.eye(basis.shape[1]), abs=1e-10)
        assert basis @ (basis.T @ dummies) == pytest.approx(dummies, abs=1e-10)
        assert basis.shape[1] == np.linalg.matrix_rank(dummies)


def test_a_basis_too_large_is_refused_in_words():
    with pytest.raises(EstimationError, match=r"1,000,000 rows of 1,000,000 units are too many"):
        check_size(np.arange(1_000_000))


def test_constant_is_the_mean_of_the_base_year_prediction():
    """Base period, unit effects averaged over the rows: computed here from statsmodels."""
    frame = panel(1)
    fit = smf.ols("y ~ d + x + C(city) + C(year)", frame).fit()
    at_base = frame.assign(year=frame["year"].min(), d=0.0, x=0.0)
    constant = did.constant(frame, "y", "d", ["x"])
    assert constant.params["const"] == pytest.approx(fit.predict(at_base).mean(), rel=1e-9)
    assert constant.std_errors["const"] > 0


def test_recovers_a_known_effect_without_noise():
    frame = panel(2)
    frame["y"] = frame["year"] * 0.2 + frame["city"].str[1:].astype(int) + 1.5 * frame["d"]
    assert did.twfe(frame, "y", "d").att == pytest.approx(1.5, abs=1e-9)


@pytest.mark.nightly
def test_mean_of_estimates_is_the_effect():
    """Monte Carlo: the mean over 200 panels lies within four standard errors of the truth."""
    estimates = [did.twfe(panel(s), "y", "d", ["x"]).att for s in range(200)]
    error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - 0.5) < 4 * error


def test_event_study_agrees_with_explicit_dummies():
    frame = panel(4)
    result = did.event_study(frame, "y", "cohort", ["x"])
    since = pd.Series(Panel(frame=frame, cohort="cohort").since, frame.index)
    frame["k"] = since.map(lambda k: f"k{int(k)}" if pd.notna(k) and k != -1 else "k-1")
    fit = smf.ols("y ~ C(k, Treatment('k-1')) + x + C(city) + C(year)", frame).fit()
    for step in result.event_times:
        if step != -1:
            name = f"C(k, Treatment('k-1'))[T.k{step}]"
            assert result.params[step] == pytest.approx(fit.params[name], rel=1e-8)
    assert result.params[-1] == 0 and np.isnan(result.std_errors[-1])
    assert set(result.pre.index) == {k for k in result.event_times if k < -1}


def test_event_study_bins_the_ends():
    result = did.event_study(panel(5), "y", "cohort", window=(-2, 1))
    assert result.event_times == [-2, -1, 0, 1]


def test_pretrend_wald_statistic():
    """On a well-conditioned covariance the statistic is b'V^-1 b."""
    b, covariance = np.array([1.0, -2.0]), np.array([[2.0, 0.3], [0.3, 1.0]])
    wald, rank = wald_of(b, covariance)
    assert wald == pytest.approx(b @ np.linalg.solve(covariance, b)) and rank == 2
    assert wald_of(np.array([]), np.empty((0, 0)))[1] == 0


def test_stepwise_adds_one_control_a_column():
    frame = panel(6)
    frame["z"] = np.random.default_rng(0).standard_normal(len(frame))
    columns = did.stepwise(frame, "y", "d", ["x", "z"])
    assert [list(c.params.index) for c in columns] == [["d", "x"], ["d", "x", "z"]]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_what_must_not_matter(seed, shift, scale):
    """Row order, labels, a unit's level: nothing changes; the outcome's scale: as it must."""
    frame = panel(seed)
    base = did.twfe(frame, "y", "d", ["x"])
    changed = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    changed["city"] = changed["city"].map(lambda c: "z" + c[::-1])
    changed["y"] = scale * (changed["y"] + shift * (changed["city"] == "z0u"))
    again = did.twfe(changed, "y", "d", ["x"])
    assert again.att == pytest.approx(scale * base.att, rel=1e-6, abs=1e-9)
    assert again.tstats["d"] == pytest.approx(base.tstats["d"], rel=1e-6)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.assign(y=1.0), "constant"),
        (lambda f: f.assign(d=0.0), "d does not vary"),
        (lambda f: f.assign(d=(f["city"] == "u1") * 1.0), "d does not vary within city"),
        (lambda f: f.assign(x=2 * f["d"]), "collinear"),
        (lambda f: f.assign(x=np.nan), "missing or infinite values in x"),
        (lambda f: f.assign(x=np.inf), "missing or infinite values in x"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "more than one row"),
        (lambda f: f[f["city"] == "u1"], "at least two"),
        (lambda f: f.drop(columns="x"), "no column x"),
    ],
)
def test_designs_that_have_no_answer(damage, message):
    with pytest.raises(EstimationError, match=message):
        did.twfe(damage(panel()), "y", "d", ["x"])


def test_event_study_refusals():
    frame = panel()
    with pytest.raises(EstimationError, match="no treated"):
        did.event_study(frame.assign(cohort=np.nan), "y", "cohort")
    with pytest.raises(EstimationError, match="reference"):
        did.event_study(frame, "y", "cohort", reference=-40)
    with pytest.raises(EstimationError, match="no column"):
        did.event_study(frame, "y", "nobody")


def test_results_are_frozen_and_read_well():
    result = did.twfe(panel(), "y", "d", ["x"])
    with pytest.raises(AttributeError):
        result.nobs = 1
    assert "N = 51" in repr(result) and "estimate" in result._repr_html_()
    interval = result.conf_int(0.95).loc["d"]
    assert interval["lower"] < result.att < interval["upper"]
