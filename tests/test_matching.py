"""Matching: known answers on real data, a brute-force oracle, and what theory says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ftz import matching
from ftz.errors import EstimationError
from ftz.matching._support import _crump_cutoff
from helpers import with_terms

causaldata = pytest.importorskip("causaldata")


# ---------------------------------------------------------------------- real data


@pytest.fixture(scope="module")
def nsw():
    return with_terms(causaldata.nsw_mixtape)


@pytest.fixture(scope="module")
def nsw_cps(nsw):
    return pd.concat([nsw[nsw.treat == 1], with_terms(causaldata.cps_mixtape)], ignore_index=True)


#: Bryer, Applied Propensity Score Analysis with R, chapter "Matching".
BRYER = ["age", "age2", "educ", "educ2", "black", "hisp", "marr", "nodegree"]
BRYER += ["re74", "re74_2", "re75", "re75_2", "u74", "u75"]

#: Cunningham, Causal Inference: The Mixtape, section on propensity scores.
MIXTAPE = ["age", "age2", "age3", "educ", "educ2", "marr", "nodegree", "black", "hisp"]
MIXTAPE += ["re74", "re75", "u74", "u75", "educ_re74"]


@pytest.fixture(scope="module")
def bryer(nsw):
    return matching.propensity_score(nsw, "treat", BRYER)


@pytest.fixture(scope="module")
def mixtape(nsw_cps):
    return matching.propensity_score(nsw_cps, "treat", MIXTAPE)


def test_radius_without_bound_is_the_experimental_difference(nsw, bryer):
    everyone = matching.match(bryer.score, bryer.treated, method="caliper", caliper=1.0)
    assert matching.att(nsw.re78, everyone).att == pytest.approx(1794.342, abs=1e-3)


def test_naive_cps_comparison(nsw_cps, mixtape):
    everyone = matching.match(mixtape.score, mixtape.treated, method="caliper", caliper=1.0)
    assert matching.att(nsw_cps.re78, everyone).att == pytest.approx(-8497.516, abs=1e-3)


def test_logit_against_r(bryer):
    """z statistics as ``glm`` of R gives them on MatchIt's page of the same book."""
    printed = {"age": 0.237, "age2": 0.232, "educ": 2.099, "educ2": 1.931, "black": 0.705}
    printed |= {"hisp": 1.731, "marr": 0.646, "nodegree": 1.090, "re74": 0.280, "u75": 0.852}
    for name, z in printed.items():
        assert abs(bryer.tstats[name]) == pytest.approx(z, abs=5.001e-4)


def test_balance_against_matchit(nsw, bryer):
    """``summary(matchit(...))``: standardised by the treated's standard deviation."""
    everyone = matching.match(bryer.score, bryer.treated, method="caliper", caliper=1.0)
    frame = nsw.assign(distance=bryer.score)
    names = ["distance", "age", "educ", "re74", "re75"]
    before = matching.balance(frame, names, bryer.treated, everyone, scale="treated")["before"]
    assert before["treated"].round(4).tolist() == [0.4468, 25.8162, 10.3459, 2095.5737, 1532.0553]
    assert before["std_difference"].round(4).tolist() == [0.4533, 0.1066, 0.1281, -0.0023, 0.0824]
    assert before["variance_ratio"].round(4).tolist() == [1.2101, 1.0278, 1.5513, 0.7381, 1.0763]


def test_abadie_imbens_against_r_matching(nsw, bryer):
    """R's Matching 4: ``Match(Y, Tr, X = score, M = 1)`` prints 2153.3 (825.4), 346 pairs.

    It calls squared distances of the standardised score equal within 1e-5, and
    assumes one conditional variance (``Var.calc = 0``).
    """
    ours = matching.match(bryer.score, bryer.treated)
    scaled = bryer.score / bryer.score.std()
    gaps = scaled[ours.treated].to_numpy()[:, None] - scaled[ours.controls].to_numpy()
    pairs = (gaps**2 <= (gaps**2).min(axis=1, keepdims=True) + 1e-5).astype(float)
    assert pairs.sum() == 346
    theirs = dataclasses.replace(
        ours, weights=sparse.csr_array(pairs / pairs.sum(axis=1, keepdims=True))
    )
    result = matching.att(nsw.re78, theirs, se="abadie_imbens", neighbours=0)
    assert f"{result.att:.1f} {result.std_error:.1f} {result.tstat:.4f}" == "2153.3 825.4 2.6088"
    assert result.p_value == pytest.approx(0.0090858, abs=2e-7)  # causaldata keeps single precision


def test_five_neighbours_on_cps(nsw_cps, mixtape):
    """Cunningham's five nearest neighbours: 1,725 dollars."""
    five = matching.match(mixtape.score, mixtape.treated, k=5)
    assert matching.att(nsw_cps.re78, five).att == pytest.approx(1725, abs=0.5)


def test_score_carries_the_published_weighting_estimate(nsw_cps, mixtape):
    """Inverse-probability weights give -7238.140 on the same score (R notes to the Mixtape)."""
    t, y = mixtape.treated, nsw_cps.re78
    weight = t / mixtape.score + (1 - t) / (1 - mixtape.score)
    gap = np.average(y[t], weights=weight[t]) - np.average(y[~t], weights=weight[~t])
    assert gap == pytest.approx(-7238.140, abs=1e-3)


def test_probit_against_statsmodels(nsw):
    import statsmodels.api as sm

    names = ["age", "educ", "black", "re75"]
    ours = matching.propensity_score(nsw, "treat", names, link="probit")
    theirs = sm.Probit(nsw.treat, sm.add_constant(nsw[names])).fit(disp=0)
    assert np.allclose(ours.params, theirs.params, rtol=1e-6)
    assert np.allclose(ours.std_errors, theirs.bse, rtol=1e-6)
    assert ours.pseudo_r2 == pytest.approx(theirs.prsquared)
    assert ours.lr_statistic == pytest.approx(theirs.llr)
    assert ours.lr_pvalue == pytest.approx(theirs.llr_pvalue)


# ------------------------------------------------------------ brute force as an oracle


def _brute(score, status, method, k, caliper, tie=1e-12):
    gaps = np.abs(score[status][:, None] - score[~status][None, :])
    reach = np.full(len(gaps), np.inf if caliper is None else caliper)
    if k is not None:
        reach = np.minimum(reach, np.sort(gaps, axis=1)[:, k - 1])
    inside = (gaps <= reach[:, None] + tie).astype(float)
    return inside[inside.any(axis=1)] / inside.sum(axis=1)[inside.any(axis=1), None]


@st.composite
def samples(draw):
    """Scores on a coarse grid, so that ties are the rule, with both groups present."""
    size = draw(st.integers(4, 40))
    grid = draw(st.lists(st.integers(1, 99), min_size=size, max_size=size))
    status = draw(st.lists(st.booleans(), min_size=size - 4, max_size=size - 4))
    outcome = draw(st.lists(st.integers(-50, 50), min_size=size, max_size=size))
    index = [f"row {i}" for i in range(size)]
    return (
        pd.Series(np.array(grid) / 100, index),
        pd.Series([True, True, False, False, *status], index).astype(int),
        pd.Series(np.array(outcome, float), index),
    )


SETTINGS = [("k_nearest", 1, None), ("k_nearest", 2, None), ("caliper", None, 0.3)]
SETTINGS += [("k_nearest_in_caliper", 2, 0.2)]


@pytest.mark.parametrize(("method", "k", "caliper"), SETTINGS)
@given(sample=samples())
@settings(max_examples=60, deadline=None)
def test_sorted_search_equals_brute_force(sample, method, k, caliper):
    score, treated, _ = sample
    wanted = _brute(score.to_numpy(), treated.to_numpy() == 1, method, k, caliper)
    if not len(wanted):
        with pytest.raises(EstimationError, match="no treated unit has a control"):
            matching.match(score, treated, method=method, k=k, caliper=caliper)
        return
    found = matching.match(score, treated, method=method, k=k, caliper=caliper)
    assert np.allclose(found.weights.toarray(), wanted)
    assert np.allclose(found.weights.sum(axis=1), 1)
    assert found.n_treated + found.n_unmatched == (treated == 1).sum()
    assert found.control_weights.sum() == pytest.approx(found.n_treated)
    assert (found.pairs.groupby("treated").weight.sum().round(12) == 1).all()
    if caliper is not None:
        assert found.pairs.distance.max() <= caliper + 1e-9


@given(sample=samples(), seed=st.integers(0, 2**32 - 1), shift=st.floats(-1e3, 1e3))
@settings(max_examples=60, deadline=None)
def test_what_may_not_matter(sample, seed, shift):
    """Row order, labels and a constant added to all outcomes leave the estimate alone."""
    score, treated, outcome = sample
    order = np.random.default_rng(seed).permutation(len(score))

    def estimate(s, t, y):
        return matching.att(y, matching.match(s, t, k=2), se="abadie_imbens")

    base = estimate(score, treated, outcome)
    shuffled = estimate(score.iloc[order], treated.iloc[order], outcome.iloc[order])
    shifted = estimate(score, treated, outcome + shift)
    relabelled = estimate(*(s.reset_index(drop=True) for s in (score, treated, outcome)))
    for other in (shuffled, shifted, relabelled):
        assert other.att == pytest.approx(base.att, abs=1e-7)
        assert other.std_error == pytest.approx(base.std_error, abs=1e-7)


def test_twins_leave_no_bias():
    """A treated unit whose control twin differs by the effect alone returns the effect."""
    rng = np.random.default_rng(1)
    score = rng.random(30)
    baseline = np.sin(9 * score)
    frame = pd.DataFrame({"score": np.r_[score, score], "t": np.repeat([1, 0], 30)})
    frame["y"] = np.r_[baseline + 2, baseline]
    result = matching.att(frame.y, matching.match(frame.score, frame.t))
    assert result.att == pytest.approx(2, abs=1e-12)
    assert result.mean_treated - result.mean_counterfactual == pytest.approx(result.att)


def test_ties_share_their_weight():
    score = pd.Series([0.5, 0.4, 0.6, 0.4, 0.1])
    treated = pd.Series([1, 0, 0, 0, 0])
    found = matching.match(score, treated)
    assert np.allclose(found.control_weights, [1 / 3, 1 / 3, 1 / 3, 0])
    assert found.n_controls_used == 3


def test_analytic_error_by_hand():
    """Two treated; with one neighbour and a tie, controls serve 1.5 and 0.5 times."""
    score = pd.Series([0.2, 0.5, 0.2, 0.8])
    treated = pd.Series([1, 1, 0, 0])
    outcome = pd.Series([3.0, 5.0, 1.0, 2.0])
    result = matching.att(outcome, matching.match(score, treated))
    assert result.att == pytest.approx(4 - (1 + 1.5) / 2)
    assert result.std_error == pytest.approx(np.sqrt(2 / 2 + (1.5**2 + 0.5**2) / 4 * 0.5))
    both = matching.match(score, treated, k=2)
    result = matching.att(outcome, both)
    assert result.att == pytest.approx(4 - 1.5)
    assert result.std_error == pytest.approx(np.sqrt(2 / 2 + (1 + 1) / 4 * 0.5))


def test_abadie_imbens_by_brute_force():
    rng = np.random.default_rng(5)
    n, neighbours = 60, 2
    score, t = pd.Series(rng.random(n)), pd.Series((np.arange(n) < 20).astype(int))
    y = pd.Series(rng.normal(size=n))
    found = matching.match(score, t, k=3)
    variance = np.empty(n)
    for i in range(n):
        mates = [j for j in range(n) if j != i and t[j] == t[i]]
        near = sorted(mates, key=lambda j, i=i: abs(score[j] - score[i]))[:neighbours]
        variance[i] = neighbours / (neighbours + 1) * (y[i] - y[near].mean()) ** 2
    weights = found.weights.toarray()
    k, effects = weights.sum(axis=0), y[:20].to_numpy() - weights @ y[20:].to_numpy()
    sample = np.sqrt(variance[:20].sum() + (k**2 * variance[20:]).sum()) / 20
    population = ((effects - effects.mean()) ** 2).sum()
    population += ((k**2 - (weights**2).sum(axis=0)) * variance[20:]).sum()
    options = {"se": "abadie_imbens", "neighbours": neighbours, "variance": "difference"}
    got = matching.att(y, found, target="sample", **options).std_error
    assert got == pytest.approx(sample)
    got = matching.att(y, found, target="population", **options).std_error
    assert got == pytest.approx(np.sqrt(population) / 20)


# ----------------------------------------------------------------- support and calipers


def test_common_support_rules():
    score = pd.Series([0.1, 0.3, 0.5, 0.7, 0.2, 0.4, 0.6, 0.9])
    treated = pd.Series([0, 0, 0, 0, 1, 1, 1, 1])
    kept = {
        rule: matching.common_support(score, treated, rule).tolist()
        for rule in ("minmax", "treated_minmax", "none")
    }
    assert kept["minmax"] == [False, True, True, True, True, True, True, False]
    assert kept["treated_minmax"] == [True] * 7 + [False]
    assert all(kept["none"])


def test_crump_minimises_the_variance_bound():
    """The closed form against a search over a grid of cutoffs."""
    score = pd.Series(np.random.default_rng(3).beta(0.5, 1.5, size=4000)).clip(1e-6, 1 - 1e-6)
    cut = _crump_cutoff(score)
    grid = np.linspace(0.0005, 0.45, 4000)
    g = 1 / (score * (1 - score))
    bound = []
    for a in grid:
        kept = score.between(a, 1 - a)
        bound.append(g[kept].mean() / kept.mean())
    assert cut == pytest.approx(grid[int(np.argmin(bound))], abs=2e-3)
    assert _crump_cutoff(pd.Series([0.4, 0.5, 0.6])) == 0.0


def test_caliper_units():
    score = pd.Series([0.1, 0.2, 0.4, 0.8])
    assert matching.caliper_width(0.66, score) == 0.66
    assert matching.caliper_width(0.66, score, "sd") == pytest.approx(0.66 * score.std())


# -------------------------------------------------------------------- truth by simulation


def test_matching_recovers_a_known_effect():
    rng = np.random.default_rng(11)
    n = 4000
    x = rng.normal(size=(n, 2))
    t = (rng.random(n) < 1 / (1 + np.exp(1 - x @ [0.8, 0.8]))).astype(int)
    frame = pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "t": t})
    frame["y"] = 1.0 * t + x.sum(axis=1) + rng.normal(size=n)

    def effect(covariates):
        fit = matching.propensity_score(frame, "t", covariates)
        keep = matching.common_support(fit.score, fit.treated)
        found = matching.match(fit.score[keep], fit.treated[keep], k=3)
        return matching.att(frame.y, found, se="abadie_imbens"), found

    right, found = effect(["x1", "x2"])
    assert abs(right.att - 1) < 3 * right.std_error
    table = matching.balance(frame, ["x1", "x2"], frame.t, found)
    assert (table["after"]["std_difference"].abs() < 0.05).all()
    assert (table["before"]["std_difference"].abs() > 0.5).all()
    omitted, _ = effect(["x1"])
    assert omitted.att - 1 > 5 * omitted.std_error


# ----------------------------------------------------------------------- clear refusals


def _frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"t": np.tile([0, 1], 20), "x": rng.normal(size=40), "one": 1.0})


@pytest.mark.parametrize(
    ("change", "covariates", "message"),
    [
        (lambda f: f.assign(x=f.t + 0.01 * f.x), ["x"], "separate"),
        (lambda f: f.assign(x=f.t * (f.x.abs() + 1)), ["x"], "separate"),
        (lambda f: f.assign(t=0), ["x"], "no treated"),
        (lambda f: f.assign(t=1), ["x"], "no controls"),
        (lambda f: f.assign(t=f.t * 2), ["x"], "0 or 1"),
        (lambda f: f.assign(x=f.x.where(f.index > 3)), ["x"], "missing or infinite values in x"),
        (lambda f: f, ["x", "one"], "one is constant"),
        (lambda f: f.assign(z=2 * f.x + 1), ["x", "z"], "collinear"),
        (lambda f: f, ["nowhere"], "no column nowhere"),
        (lambda f: f, [], "at least one covariate"),
        (lambda f: f.set_index("one"), ["x"], "duplicates"),
    ],
)
def test_score_refuses(change, covariates, message):
    with pytest.raises(EstimationError, match=message):
        matching.propensity_score(change(_frame()), "t", covariates)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "kernel"}, "unknown method"),
        ({"method": "caliper"}, "needs a caliper"),
        ({"method": "k_nearest", "caliper": 0.1}, "takes no caliper"),
        ({"method": "caliper", "caliper": 0.1, "k": 2}, "takes no k"),
        ({"method": "caliper", "caliper": -1.0}, "positive"),
        ({"k": 0}, "whole number"),
        ({"k": 21}, "20 controls"),
        ({"method": "caliper", "caliper": 1e-9}, "no treated unit"),
    ],
)
def test_match_refuses(arguments, message):
    frame = _frame()
    with pytest.raises(EstimationError, match=message):
        matching.match(frame.x, frame.t, **arguments)


def test_att_refuses():
    frame = _frame()
    found = matching.match(frame.x, frame.t)
    with pytest.raises(EstimationError, match="missing or infinite outcomes"):
        matching.att(frame.x.where(frame.index > 0), found)
    with pytest.raises(EstimationError, match="unknown standard error"):
        matching.att(frame.x, found, se="bootstrap")
    with pytest.raises(EstimationError, match="unknown target"):
        matching.att(frame.x, found, se="abadie_imbens", target="city")
    lonely = matching.match(pd.Series([0.1, 0.2, 0.3]), pd.Series([1, 0, 0]))
    with pytest.raises(EstimationError, match="two of each"):
        matching.att(pd.Series([1.0, 2.0, 3.0]), lonely)


def test_support_refuses():
    score, treated = pd.Series([0.1, 0.2, 0.8, 0.9]), pd.Series([0, 0, 1, 1])
    with pytest.raises(EstimationError, match="no overlap"):
        matching.common_support(score, treated)
    with pytest.raises(EstimationError, match="unknown support rule"):
        matching.common_support(score, treated, "kernel")
    with pytest.raises(EstimationError, match="strictly between"):
        matching.common_support(score * 10, treated, "crump")
