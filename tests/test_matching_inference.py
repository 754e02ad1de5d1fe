"""Standard errors, bounds and balance: truth by simulation, oracles, what may not matter."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ftz import matching
from ftz.errors import EstimationError
from ftz.matching import _variance as variance
from ftz.matching._balance import _ks
from ftz.matching._checks import effective_size


def simulated(rng, n=800, effect=1.0):
    """The score's covariates move the outcome strongly, and against each other."""
    x = rng.uniform(-1, 1, (n, 2))
    t = (rng.random(n) < 1 / (1 + np.exp(-x @ [1.0, 0.5]))).astype(int)
    y = effect * t + x @ [5.0, -6.0] + rng.normal(size=n)
    return pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "t": t, "y": y})


# -- Abadie-Imbens ----------------------------------------------------------------------


@pytest.mark.nightly
def test_the_2016_correction_is_the_right_size():
    """Monte Carlo: the mean estimated variance is the variance of the estimates, +- 25%.

    The score here is estimated; the formula for a known score is too large by half or more.
    """
    rng, draws = np.random.default_rng(1), []
    for _ in range(300):
        frame = simulated(rng)
        fit = matching.propensity_score(frame, "t", ["x1", "x2"])
        there, back = (
            matching.match(fit.score, fit.treated),
            matching.match(fit.score, ~fit.treated),
        )
        row = []
        for se in ("abadie_imbens", "abadie_imbens_2016"):
            att = matching.att(frame.y, there, se=se, fit=fit)
            ate = matching.ate(frame.y, there, back, se=se, fit=fit)
            row += [att.att, att.std_error**2, ate.params["ATE"], ate.std_errors["ATE"] ** 2]
        draws.append(row)
    draws = np.array(draws)
    att, att_2006, ate, ate_2006, _, att_2016, _, ate_2016 = draws.T
    for estimates, known, corrected in ((att, att_2006, att_2016), (ate, ate_2006, ate_2016)):
        assert corrected.mean() / estimates.var() == pytest.approx(1, abs=0.25)
        assert known.mean() / estimates.var() > 1.4
        assert abs(estimates.mean() - 1) < 4 * estimates.std() / np.sqrt(len(estimates))


def test_the_correction_by_brute_force():
    """Every mean and covariance of the formula, by loops over the units."""
    frame = simulated(np.random.default_rng(3), n=60)
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    pairs = matching.match(fit.score, fit.treated)
    effect = matching.att(frame.y, pairs).att
    y, w, p = frame.y.to_numpy(), frame.t.to_numpy(), fit.score.to_numpy()
    x, f = fit.design, (p * (1 - p))
    root = np.linalg.inv(np.linalg.cholesky(np.cov(x[:, 1:], rowvar=False)))

    def local(i, group, leave_out):
        pool = [j for j in range(60) if w[j] == group and not (leave_out and j == i)]
        return sorted(pool, key=lambda j: abs(p[i] - p[j]))[:2]

    c, d = np.zeros(3), np.zeros(3)
    for i in range(60):
        means = [y[local(i, g, True)].mean() for g in (0, 1)]
        cross = [
            sum((x[j] - x[near].mean(0)) * (y[j] - y[near].mean()) for j in near)
            for near in (local(i, g, False) for g in (0, 1))
        ]
        c += f[i] * (
            x[i] * (means[1] - means[0] - effect) + cross[1] + p[i] / (1 - p[i]) * cross[0]
        )
        others = [j for j in range(60) if w[j] != w[i]]
        twin = min(others, key=lambda j: np.linalg.norm(root @ (x[i] - x[j])[1:]))
        d += f[i] * x[i] * ((2 * w[i] - 1) * (y[i] - y[twin]) - effect)
    c, d = c / w.sum(), d / w.sum()
    wanted = d @ fit.covariance @ d - c @ fit.covariance @ c
    assert variance.att_correction(frame.y, effect, pairs, fit, 1) == pytest.approx(wanted)
    before = matching.att(frame.y, pairs, se="abadie_imbens").std_error
    after = matching.att(frame.y, pairs, se="abadie_imbens_2016", fit=fit).std_error
    assert after**2 - before**2 == pytest.approx(wanted)


@given(seed=st.integers(0, 10**6), shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 100))
@settings(max_examples=15, deadline=None)
def test_units_and_order_do_not_matter(seed, shift, scale):
    """Scaling a covariate, shifting the outcome, permuting rows: same effect, same error."""
    rng = np.random.default_rng(seed)
    frame = simulated(rng, n=150)
    frame["y"] = frame.y / 20 + rng.normal(size=150)  # a correction smaller than the variance
    other = frame.assign(x1=scale * frame.x1, y=frame.y + shift).iloc[rng.permutation(150)]
    results = []
    for data in (frame, other):
        fit = matching.propensity_score(data, "t", ["x1", "x2"])
        pairs = matching.match(fit.score, fit.treated, k=2)
        results.append(
            matching.att(data.y, pairs, se="abadie_imbens", fit=fit, neighbours=2, variance=form)
            for form in ("sample", "difference")
        )
        results.append([matching.att(data.y, pairs, se="abadie_imbens_2016", fit=fit)])
    for one, two in zip([*results[0], *results[1]], [*results[2], *results[3]], strict=True):
        assert two.att == pytest.approx(one.att, rel=1e-6, abs=1e-7)
        assert two.std_error == pytest.approx(one.std_error, rel=1e-5)


def test_a_score_model_that_explains_nothing_changes_little():
    """With one covariate the score orders units as the covariate does: no cross terms left."""
    rng = np.random.default_rng(2)
    frame = simulated(rng, n=4000)
    fit = matching.propensity_score(frame, "t", ["x1"])
    pairs = matching.match(fit.score, fit.treated, k=4)
    y = 3 * frame.x1 + rng.normal(size=4000)
    before = matching.att(y, pairs, se="abadie_imbens").std_error
    after = matching.att(y, pairs, se="abadie_imbens_2016", fit=fit).std_error
    assert after == pytest.approx(before, rel=0.1)


def test_constant_outcome_has_no_effect_and_no_error():
    frame = simulated(np.random.default_rng(0))
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    pairs = matching.match(fit.score, fit.treated)
    for se in matching.STANDARD_ERRORS[:3]:
        result = matching.att(frame.y * 0 + 7, pairs, se=se, fit=fit)
        assert (result.att, result.std_error) == (0, 0)


def test_inference_refuses():
    frame = simulated(np.random.default_rng(0), n=80)
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    there, back = matching.match(fit.score, fit.treated), matching.match(fit.score, ~fit.treated)
    elsewhere = dataclasses.replace(fit, score=fit.score.add_prefix("row "))
    calls = {
        "pass fit=": lambda: matching.att(frame.y, there, se="abadie_imbens_2016"),
        "unknown standard error": lambda: matching.ate(frame.y, there, back, se="analytic"),
        "unknown variance": lambda: matching.att(
            frame.y, there, se="abadie_imbens", variance="robust"
        ),
        "groups exchanged": lambda: matching.ate(frame.y, there, there),
        "does not hold every row": lambda: matching.att(
            frame.y, there, se="abadie_imbens_2016", fit=elsewhere
        ),
        "is for neighbours on a score, not for inverse": lambda: matching.att(
            frame.y,
            matching.match_covariates(frame, frame.t, ["x1"]),
            se="abadie_imbens_2016",
            fit=fit,
        ),
        "neighbours asked for in a group": lambda: matching.att(
            frame.y, there, se="abadie_imbens", neighbours=70
        ),
        "whole number from 0": lambda: matching.att(
            frame.y, there, se="abadie_imbens", neighbours=-1
        ),
    }
    for message, call in calls.items():
        with pytest.raises(EstimationError, match=message):
            call()


# -- clusters ---------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
def test_clusters_against_weighted_regression(k):
    """``reg y t [aw = weight], cluster(city)`` on the matched sample, by statsmodels."""
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(k)
    frame = simulated(rng, n=300).assign(city=rng.integers(0, 12, 300))
    found = matching.match(frame.x1, frame.t, k=k)
    used = frame.assign(w=found.sample_weights).query("w > 0")
    theirs = smf.wls("y ~ t", used, weights=used.w).fit(
        cov_type="cluster", cov_kwds={"groups": used.city}
    )
    ours = matching.att(frame.y, found, se="cluster", cluster=frame.city)
    assert ours.att == pytest.approx(theirs.params["t"])
    assert ours.std_error == pytest.approx(theirs.bse["t"])
    assert ours.p_value == pytest.approx(2 * stats.t(11).sf(abs(ours.tstat)))
    for message, cluster in {"needs cluster=": None, "one cluster only": frame.city * 0}.items():
        with pytest.raises(EstimationError, match=message):
            matching.att(frame.y, found, se="cluster", cluster=cluster)


# -- Rosenbaum bounds -------------------------------------------------------------------


def test_bounds_without_bias_are_wilcoxon():
    differences = np.random.default_rng(0).normal(0.3, size=60)
    bounds = matching.rosenbaum_bounds(differences, gammas=(1.0, 2.0))
    wilcoxon = stats.wilcoxon(differences, alternative="greater", method="approx")
    assert bounds.table.loc[1.0, "p_upper"] == pytest.approx(wilcoxon.pvalue)
    assert bounds.table.loc[1.0, "p_lower"] == pytest.approx(wilcoxon.pvalue)
    assert bounds.statistic == wilcoxon.statistic
    gaps = [(a + b) / 2 for i, a in enumerate(differences) for b in differences[i:]]
    assert bounds.table.loc[1.0, "hl_lower"] == pytest.approx(np.median(gaps))


@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 50))
@settings(max_examples=30, deadline=None)
def test_bounds_widen_with_bias_and_ignore_units(seed, scale):
    differences = np.random.default_rng(seed).normal(0.4, size=40)
    table = matching.rosenbaum_bounds(differences).table
    assert table.p_upper.is_monotonic_increasing and table.p_lower.is_monotonic_decreasing
    assert table.hl_upper.is_monotonic_increasing and table.hl_lower.is_monotonic_decreasing
    scaled = matching.rosenbaum_bounds(scale * differences)
    assert np.allclose(scaled.table.p_upper, table.p_upper)
    assert np.allclose(scaled.table.hl_upper, scale * table.hl_upper)


def test_critical_gamma_is_where_the_bound_meets_the_level():
    bounds = matching.rosenbaum_bounds(np.random.default_rng(1).normal(0.8, size=50))
    gamma = bounds.critical_gamma(0.05)
    again = matching.rosenbaum_bounds(bounds.differences, gammas=[gamma])
    assert again.table.p_upper.iloc[0] == pytest.approx(0.05, abs=1e-9)
    assert matching.rosenbaum_bounds(-np.abs(bounds.differences)).critical_gamma() == 1
    assert f"{gamma:.3g}" in repr(bounds)


def test_bounds_of_matches_are_those_of_their_differences():
    frame = simulated(np.random.default_rng(5), n=200)
    pairs = matching.match(frame.x1, frame.t, k=2)
    gaps = frame.y[pairs.treated].to_numpy() - pairs.weights @ frame.y[pairs.controls].to_numpy()
    of_matches = matching.rosenbaum_bounds(frame.y, pairs)
    pd.testing.assert_frame_equal(of_matches.table, matching.rosenbaum_bounds(gaps).table)
    for message, call in {
        "no pair differs": lambda: matching.rosenbaum_bounds(np.zeros(5)),
        "at least one": lambda: matching.rosenbaum_bounds(gaps, gammas=[0.5]),
        "missing or infinite differences": lambda: matching.rosenbaum_bounds([1.0, np.nan]),
        "level must lie between": lambda: of_matches.critical_gamma(1.5),
    }.items():
        with pytest.raises(EstimationError, match=message):
            call()


# -- balance ----------------------------------------------------------------------------


def test_weighted_ks_against_scipy():
    """Whole weights are repetitions: scipy knows the statistic of the repeated sample."""
    rng = np.random.default_rng(0)
    values, status = rng.integers(0, 9, 60).astype(float), rng.random(60) < 0.4
    weights = rng.integers(1, 4, 60)
    repeated, groups = np.repeat(values, weights), np.repeat(status, weights)
    wanted = stats.ks_2samp(repeated[groups], repeated[~groups]).statistic
    got = _ks(values, status, weights.astype(float))
    assert got == pytest.approx(wanted)


def test_overall_balance_against_statsmodels_and_repetition():
    """Before: the score's own figures.  After, with whole weights: those of repeated rows."""
    frame = simulated(np.random.default_rng(0), n=300)
    names = ["x1", "x2"]
    for link in ("logit", "probit"):
        fit = matching.propensity_score(frame, "t", names, link)
        weights = pd.Series(np.random.default_rng(1).integers(0, 3, 300), frame.index, dtype=float)
        table = matching.overall_balance(frame, names, "t", weights, link)
        assert table.loc["before", "pseudo_r2"] == pytest.approx(fit.pseudo_r2)
        assert table.loc["before", "lr_statistic"] == pytest.approx(fit.lr_statistic)
        assert table.loc["before", "lr_pvalue"] == pytest.approx(fit.lr_pvalue)
        repeated = frame.loc[frame.index.repeat(weights.astype(int))].reset_index(drop=True)
        again = matching.propensity_score(repeated, "t", names, link)
        assert table.loc["after", "pseudo_r2"] == pytest.approx(again.pseudo_r2)
        assert table.loc["after", "lr_statistic"] == pytest.approx(again.lr_statistic)


def test_good_matching_leaves_the_score_nothing_to_explain():
    frame = simulated(np.random.default_rng(7), n=2000)
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    pairs = matching.match(fit.linear_index, frame.t, k=3)
    table = matching.overall_balance(frame, ["x1", "x2"], "t", pairs)
    assert table.loc["after", "pseudo_r2"] < 0.05 * table.loc["before", "pseudo_r2"]
    assert table.loc["before", "rubin_b"] > 50 > 25 > table.loc["after", "rubin_b"]
    assert 0.5 < table.loc["after", "rubin_r"] < 2
    assert table.loc["after", "effective_controls"] == pytest.approx(pairs.effective_controls)
    assert table.loc["after", "effective_treated"] == pairs.n_treated


def test_effective_size():
    assert effective_size(np.array([1, 1, 1, 0])) == pytest.approx(3)
    assert effective_size(np.array([5, 5])) == pytest.approx(2)


def test_balance_scales():
    frame = simulated(np.random.default_rng(0))
    everyone = pd.Series(1.0, frame.index)
    gap = frame.x1[frame.t == 1].mean() - frame.x1[frame.t == 0].mean()
    sd = {g: frame.x1[frame.t == v].std() for g, v in (("treated", 1), ("control", 0))}
    sd["pooled"] = np.sqrt((sd["treated"] ** 2 + sd["control"] ** 2) / 2)
    for scale, deviation in sd.items():
        table = matching.balance(frame, ["x1"], frame.t, everyone, scale)
        assert table["after"].loc["x1", "std_difference"] == pytest.approx(gap / deviation)
    with pytest.raises(EstimationError, match="unknown scale"):
        matching.balance(frame, ["x1"], frame.t, everyone, "iqr")
    with pytest.raises(EstimationError, match="carry weight"):
        matching.balance(frame, ["x1"], frame.t, everyone.where(frame.t == 1))


# -- support ----------------------------------------------------------------------------


def test_fixed_and_trimmed_support():
    frame = simulated(np.random.default_rng(0))
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    fixed = matching.common_support(fit.score, fit.treated, "fixed", 0.25)
    assert (fixed == fit.score.between(0.25, 0.75)).all()
    assert matching.common_support(fit.score, fit.treated, "fixed").sum() > fixed.sum()
    trimmed = matching.common_support(fit.score, fit.treated, "trim", 0.1)
    gone = ~trimmed
    assert gone.sum() == int(0.1 * fit.treated.sum()) and fit.treated[gone].all()
    density = stats.gaussian_kde(fit.score[~fit.treated])
    assert density(fit.score[gone]).max() <= density(fit.score[trimmed & fit.treated]).min()
    for message, options in {
        "takes no level": {"rule": "minmax", "level": 0.1},
        "lies in": {"rule": "fixed", "level": 0.5},
        "unknown support rule": {"rule": "convex hull"},
    }.items():
        with pytest.raises(EstimationError, match=message):
            matching.common_support(fit.score, fit.treated, **options)


# -- what nobody may answer -------------------------------------------------------------

ESTIMATORS = {
    "match": lambda f: matching.match(f.x1, f.t),
    "without replacement": lambda f: matching.match(f.x1, f.t, replacement=False),
    "kernel_match": lambda f: matching.kernel_match(f.x1, f.t),
    "stratify": lambda f: matching.stratify(f.x1, f.t),
    "match_covariates": lambda f: matching.match_covariates(f, f.t, ["x1", "x2"]),
    "propensity_score": lambda f: matching.propensity_score(f, "t", ["x1"]),
    "common_support": lambda f: matching.common_support(f.x1, f.t),
    "balance": lambda f: matching.balance(f, ["x1"], f.t, pd.Series(1.0, f.index)),
    "overall_balance": lambda f: matching.overall_balance(f, ["x1"], "t", pd.Series(1.0, f.index)),
    "match_panel": lambda f: matching.match_panel(f, "t", ["x1"]),
    "doubly_robust_did": lambda f: matching.doubly_robust_did(
        pd.concat([f.assign(city=range(len(f)), year=year, t=f.t * year) for year in (0, 1)]),
        "y",
        "t",
        ["x1"],
        before=0,
        after=1,
    ),
}

SPOILED = {
    "nobody treated": (lambda f: f.assign(t=0), "no treated"),
    "everybody treated": (lambda f: f.assign(t=1), "no controls"),
    "half treated": (lambda f: f.assign(t=f.t / 2), "must be 0 or 1"),
    "status missing": (lambda f: f.assign(t=f.t.where(f.index > 3)), "must be 0 or 1|values in t"),
    "score missing": (lambda f: f.assign(x1=f.x1.where(f.index > 3)), "missing or infinite"),
    "score infinite": (lambda f: f.assign(x1=f.x1.where(f.index > 3, np.inf)), "infinite"),
}


@pytest.mark.parametrize("spoiled", SPOILED)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_one_clear_error_each(estimator, spoiled):
    change, message = SPOILED[spoiled]
    frame = change(simulated(np.random.default_rng(0), n=40))
    with pytest.raises(EstimationError, match=message):
        ESTIMATORS[estimator](frame)
