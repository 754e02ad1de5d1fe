"""Ways to match and to weight: oracles by brute force, what theory says, clear refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import matching
from ftz.errors import EstimationError
from ftz.matching import _search as search


@st.composite
def samples(draw, tied=True):
    """Scores on a coarse grid, or all different, with both groups present."""
    size = draw(st.integers(4, 30))
    values = st.integers(1, 99) if tied else st.integers(1, 10**6)
    grid = draw(st.lists(values, min_size=size, max_size=size, unique=not tied))
    status = draw(st.lists(st.booleans(), min_size=size - 4, max_size=size - 4))
    outcome = draw(st.lists(st.integers(-50, 50), min_size=size, max_size=size))
    index = [f"row {i}" for i in range(size)]
    return (
        pd.Series(np.array(grid) / (100 if tied else 10**6), index),
        pd.Series([True, True, False, False, *status], index).astype(int),
        pd.Series(np.array(outcome, float), index),
    )


def simulated(n=400, seed=0, effect=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    t = (rng.random(n) < 1 / (1 + np.exp(0.5 - x @ [0.8, 0.4]))).astype(int)
    y = effect * t + x.sum(axis=1) + rng.normal(size=n)
    return pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "t": t, "y": y})


# -- the search -------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 40])
def test_search_is_brute_force(k):
    """Negative scores and ties."""
    rng = np.random.default_rng(k)
    queries, pool = rng.integers(-30, 30, 50) / 10, rng.integers(-30, 30, 80) / 10
    order, first, counts = search.neighbours(queries, pool, k, 1.0)
    gaps = np.abs(queries[:, None] - pool)
    reach = np.minimum(np.sort(gaps, axis=1)[:, k - 1], 1.0) + 1e-9
    for i in range(50):
        found = order[first[i] : first[i] + counts[i]]
        assert sorted(found) == np.flatnonzero(gaps[i] <= reach[i]).tolist()


# -- without replacement ----------------------------------------------------------------


def _greedy(score, status, k, caliper):
    """The definition, in the slowest words: largest score first, one control a round."""
    treated = [i for i in range(len(score)) if status[i]]
    free = [j for j in range(len(score)) if not status[j]]
    pairs = []
    for _ in range(k):
        for i in sorted(treated, key=lambda i: -score[i]):
            near = sorted(free, key=lambda j, i=i: (abs(score[i] - score[j]), j))
            if near and (caliper is None or abs(score[i] - score[near[0]]) <= caliper + 1e-12):
                pairs.append((i, near[0]))
                free.remove(near[0])
    return sorted(pairs)


@pytest.mark.parametrize(("k", "caliper"), [(1, None), (2, None), (1, 0.1), (2, 0.3)])
@given(sample=samples())
@settings(max_examples=60, deadline=None)
def test_greedy_equals_its_definition(sample, k, caliper):
    score, treated, _ = sample
    if k > (treated == 0).sum():
        return
    method = "k_nearest" if caliper is None else "k_nearest_in_caliper"
    options = {"method": method, "k": k, "caliper": caliper, "replacement": False}
    wanted = _greedy(score.to_numpy(), treated.to_numpy() == 1, k, caliper)
    if not wanted:
        with pytest.raises(EstimationError, match="no treated unit has a control"):
            matching.match(score, treated, **options)
        return
    found = matching.match(score, treated, **options)
    place = {label: i for i, label in enumerate(score.index)}
    got = sorted((place[p.treated], place[p.control]) for p in found.pairs.itertuples())
    assert got == wanted
    assert found.pairs.control.is_unique
    assert np.allclose(found.weights.sum(axis=1), 1)
    assert "without replacement" in repr(found)


@given(sample=samples(tied=False), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_without_ties_the_order_of_rows_does_not_matter(sample, seed):
    score, treated, outcome = sample
    order = np.random.default_rng(seed).permutation(len(score))
    here = matching.match(score, treated, replacement=False)
    there = matching.match(score.iloc[order], treated.iloc[order], replacement=False)
    assert matching.att(outcome, here, se="abadie_imbens").att == pytest.approx(
        matching.att(outcome, there, se="abadie_imbens").att
    )


def test_who_chooses_first_matters():
    score = pd.Series([0.5, 0.6, 0.54, 0.9])
    treated = pd.Series([1, 1, 0, 0])
    controls = {
        order: matching.match(score, treated, replacement=False, order=order).pairs.control.tolist()
        for order in ("largest", "smallest", "data")
    }
    assert controls == {"largest": [3, 2], "smallest": [2, 3], "data": [2, 3]}


# -- ties broken by seed ----------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
@given(sample=samples(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_broken_ties_are_k_of_the_shared_ones(sample, k, seed):
    score, treated, _ = sample
    if k > (treated == 0).sum():
        return
    shared = matching.match(score, treated, k=k)
    broken = matching.match(score, treated, k=k, ties="random", seed=seed)
    again = matching.match(score, treated, k=k, ties="random", seed=seed)
    assert (broken.weights != again.weights).nnz == 0
    assert (np.diff(broken.weights.indptr) == k).all()
    assert ((shared.weights.toarray() > 0) >= (broken.weights.toarray() > 0)).all()
    distance = shared.pairs.groupby("treated").distance
    kept = broken.pairs.groupby("treated").distance
    assert np.allclose(kept.max(), distance.apply(lambda d: np.sort(d)[k - 1]))


@given(sample=samples())
@settings(max_examples=40, deadline=None)
def test_first_of_the_tied(sample):
    """As psmatch2 and MatchIt do: the control that stands first in the frame."""
    score, treated, _ = sample
    found = matching.match(score, treated, ties="first")
    t, c = score[treated == 1], score[treated == 0]
    wanted = [c.index[np.argmin(np.round(abs(c.to_numpy() - s), 9))] for s in t]
    assert found.pairs.control.tolist() == wanted


@pytest.mark.parametrize(("k", "caliper"), [(1, None), (3, None), (2, 0.4)])
@pytest.mark.parametrize("metric", matching.METRICS)
def test_covariates_by_brute_force(metric, k, caliper):
    frame = simulated(120)[["x1", "x2", "t"]].round(1)
    found = matching.match_covariates(
        frame, frame.t, ["x1", "x2"], metric=metric, k=k, caliper=caliper, tie=1e-9
    )
    x = frame[["x1", "x2"]].to_numpy()
    scale = {
        "euclidean": np.eye(2),
        "inverse_variance": np.diag(1 / x.var(axis=0, ddof=1)),
        "mahalanobis": np.linalg.inv(np.cov(x, rowvar=False)),
    }[metric]
    gaps = x[frame.t == 1][:, None] - x[frame.t == 0][None]
    squared = np.einsum("ijk,kl,ijl->ij", gaps, scale, gaps)
    inside = squared <= np.sort(squared, axis=1)[:, [k - 1]] + 1e-9
    if caliper is not None:
        inside &= squared <= (caliper + 1e-12) ** 2
    some = inside.any(axis=1)
    wanted = inside[some] / inside[some].sum(axis=1, keepdims=True)
    assert np.allclose(found.weights.toarray(), wanted)
    assert found.n_unmatched == (~some).sum()
    assert np.allclose(found.pairs.distance**2, squared[some][wanted > 0])


def test_seeds_break_ties_evenly():
    score, treated = pd.Series([0.5, 0.4, 0.6, 0.6]), pd.Series([1, 0, 0, 0])
    chosen = [
        matching.match(score, treated, ties="random", seed=s).pairs.control.iloc[0]
        for s in range(600)
    ]
    assert pd.Series(chosen).value_counts(normalize=True).between(0.25, 0.42).all()


# -- kernels and strata -----------------------------------------------------------------


@pytest.mark.parametrize("kernel", matching.KERNELS)
@given(sample=samples())
@settings(max_examples=40, deadline=None)
def test_kernel_by_its_formula(sample, kernel):
    score, treated, _ = sample
    width = 0.25
    t, c = score[treated == 1].to_numpy(), score[treated == 0].to_numpy()
    u = (t[:, None] - c[None, :]) / width
    formulas = {
        "epanechnikov": 1 - u**2,
        "gaussian": np.exp(-(u**2) / 2),
        "biweight": (1 - u**2) ** 2,
        "tricube": (1 - abs(u) ** 3) ** 3,
        "uniform": np.ones_like(u),
    }
    inside = np.ones_like(u) if kernel == "gaussian" else abs(u) < 1 - 1e-9
    height = formulas[kernel] * inside
    if kernel == "uniform" and (abs(abs(u) - 1) < 1e-9).any():
        return  # on the edge the last bit decides
    some = height.sum(axis=1) > 0
    if not some.any():
        with pytest.raises(EstimationError, match="within the bandwidth"):
            matching.kernel_match(score, treated, kernel=kernel, bandwidth=width)
        return
    found = matching.kernel_match(score, treated, kernel=kernel, bandwidth=width)
    wanted = height[some] / height[some].sum(axis=1, keepdims=True)
    assert np.allclose(found.weights.toarray(), wanted, atol=1e-6)
    assert found.n_unmatched == (~some).sum()


def test_limits_of_the_gaussian_kernel():
    """Wide: everybody alike.  Narrow: the nearest neighbour."""
    frame = simulated()
    index = matching.propensity_score(frame, "t", ["x1", "x2"]).linear_index
    raw = frame.y[frame.t == 1].mean() - frame.y[frame.t == 0].mean()
    wide = matching.kernel_match(index, frame.t, kernel="gaussian", bandwidth=1e6)
    assert matching.att(frame.y, wide).att == pytest.approx(raw)
    nearest = matching.match(index, frame.t)
    narrow = matching.kernel_match(index, frame.t, kernel="gaussian", bandwidth=1e-3)
    same = nearest.pairs.set_index("treated").control[narrow.treated]
    top = narrow.controls[np.asarray(narrow.weights.argmax(axis=1)).ravel()]
    assert (same.to_numpy() == top.to_numpy()).all()


def test_uniform_kernel_is_the_caliper():
    frame = simulated()
    index = matching.propensity_score(frame, "t", ["x1", "x2"]).linear_index
    kernel = matching.kernel_match(index, frame.t, kernel="uniform", bandwidth=0.2)
    radius = matching.match(index, frame.t, method="caliper", caliper=0.2)
    assert np.allclose(kernel.weights.toarray(), radius.weights.toarray())


def test_strata_are_differences_of_means_weighted_by_the_treated():
    frame = simulated()
    score = matching.propensity_score(frame, "t", ["x1", "x2"]).score
    found = matching.stratify(score, frame.t, 5)
    frame = frame.assign(s=found.strata)
    means = frame.pivot_table(index="s", columns="t", values="y", aggfunc=["mean", "var", "count"])
    share = means["count"][1] / means["count"][1].sum()
    result = matching.att(frame.y, found, se="stratified")
    assert result.att == pytest.approx((share * (means["mean"][1] - means["mean"][0])).sum())
    squared = share**2 * (means["var"] / means["count"]).sum(axis=1)
    assert result.std_error == pytest.approx(np.sqrt(squared.sum()))
    assert means["count"][1].max() - means["count"][1].min() <= 1
    same = matching.stratify(score, frame.t, [0.2, 0.5])
    assert same.strata.max() == 2
    assert (same.strata == 0).sum() == (score < 0.2).sum()


# -- weights ----------------------------------------------------------------------------


def test_weights_recover_an_effect_with_either_model_wrong():
    """Doubly robust: outcome model or score may leave a confounder out, not both."""
    frame = simulated(20000, seed=4)
    full = matching.propensity_score(frame, "t", ["x1", "x2"])
    poor = matching.propensity_score(frame, "t", ["x1"])
    for method in ("traditional", "improved"):

        def run(fit, covariates, method=method):
            return matching.doubly_robust(frame.y, frame, covariates, fit, method=method)

        results = [run(full, ["x1"]), run(poor, ["x1", "x2"]), run(full, ["x1", "x2"])]
        if method == "traditional":
            results += [
                matching.doubly_robust(frame.y, frame, names, fit, estimand="ate")
                for names, fit in ((["x1"], full), (["x1", "x2"], poor))
            ]
        for result in results:
            assert abs(result.estimate - 1) < 4 * result.std_error
        wrong = run(poor, ["x1"])
        assert wrong.estimate - 1 > 8 * wrong.std_error
    for estimand in ("att", "ate"):
        result = matching.ipw(frame.y, full, estimand=estimand)
        assert abs(result.estimate - 1) < 4 * result.std_error


def test_weights_sum_to_one_in_each_group_and_tilting_balances_exactly():
    frame = simulated()
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    improved = matching.doubly_robust(frame.y, frame, ["x1"], fit, method="improved")
    for result in (matching.ipw(frame.y, fit), improved):
        assert np.allclose(result.weights.groupby(frame.t).sum(), 1)
        assert result.influence.mean() == pytest.approx(0, abs=1e-8)
        assert 1 < result.effective_controls <= (frame.t == 0).sum()
    means = frame[["x1", "x2"]].mul(improved.weights, axis=0).groupby(frame.t).sum()
    assert np.allclose(means.loc[0], means.loc[1], atol=1e-8)
    table = matching.balance(frame, ["x1", "x2"], frame.t, improved.weights)
    assert (table["after"]["std_difference"].abs() < 1e-7).all()


def test_shifting_and_scaling_the_outcome():
    frame = simulated()
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    for estimate in (
        lambda y: matching.ipw(y, fit),
        lambda y: matching.doubly_robust(y, frame, ["x1", "x2"], fit),
        lambda y: matching.doubly_robust(y, frame, ["x1"], fit, estimand="ate"),
        lambda y: matching.doubly_robust(y, frame, ["x1", "x2"], fit, method="improved"),
    ):
        base, other = estimate(frame.y), estimate(3 * frame.y + 100)
        assert other.estimate == pytest.approx(3 * base.estimate)
        assert other.std_error == pytest.approx(3 * base.std_error)


def test_clusters_of_one_row_are_rows_up_to_the_factor():
    frame = simulated()
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    n = len(frame)
    alone = matching.ipw(frame.y, fit, cluster=pd.Series(range(n), frame.index))
    plain = matching.ipw(frame.y, fit)
    assert alone.std_error == pytest.approx(plain.std_error * np.sqrt(n / (n - 1)))
    twice = pd.concat([frame, frame], ignore_index=True)
    fit2 = matching.propensity_score(twice, "t", ["x1", "x2"])
    pairs = pd.Series(np.tile(np.arange(n), 2), twice.index)
    doubled = matching.ipw(twice.y, fit2, cluster=pairs)
    assert doubled.std_error == pytest.approx(alone.std_error)
    assert doubled.df == n - 1


def test_weighting_on_a_support():
    frame = simulated()
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    keep = matching.common_support(fit.score, fit.treated, "crump")
    result = matching.ipw(frame.y, fit, keep=keep)
    assert result.nobs == keep.sum()
    p, y, t = fit.score[keep], frame.y[keep], frame.t[keep]
    by_hand = y[t == 1].mean() - np.average(y[t == 0], weights=(p / (1 - p))[t == 0])
    assert result.estimate == pytest.approx(by_hand)


# -- panels -----------------------------------------------------------------------------


def small_panel(units=60, years=range(2010, 2016), seed=0):
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        [(f"c{u}", t) for u in range(units) for t in years], columns=["city", "year"]
    )
    x = rng.normal(size=units)
    ever = rng.random(units) < 1 / (1 + np.exp(-x))
    of = rows.city.str[1:].astype(int)
    trend = 0.5 * x[of] * (rows.year - 2010)
    rows["x"] = x[of] + 0.1 * rng.normal(size=len(rows))
    rows["group"] = ever[of].astype(int)
    rows["d"] = rows.group * (rows.year >= 2013)
    rows["y"] = 2.0 * rows.d + trend + x[of] + 0.3 * rng.normal(size=len(rows))
    return rows


def test_pooled_panel_is_plain_matching():
    panel = small_panel()
    found = matching.match_panel(panel, "d", ["x"], support="minmax")
    fit = matching.propensity_score(panel, "d", ["x"])
    keep = matching.common_support(fit.score, panel.d)
    plain = matching.match(fit.linear_index[keep], panel.d[keep])
    assert found.effects(panel.y).loc["all", "estimate"] == matching.att(panel.y, plain).att
    assert found.weights.sum() == pytest.approx(2 * plain.n_treated)


def test_by_year_never_leaves_the_year():
    panel = small_panel()
    for score in ("own", "pooled"):
        found = matching.match_panel(panel, "d", ["x"], scheme="by_year", score=score)
        assert set(found.matches) == {2013, 2014, 2015}
        assert found.skipped == dict.fromkeys(range(2010, 2013), "nobody is treated")
        for year, part in found.matches.items():
            assert (panel.year[part.treated] == year).all()
            assert (panel.year[part.controls] == year).all()
        effects = found.effects(panel.y)
        years = effects.drop("all")
        mean = np.average(years.estimate, weights=years.treated)
        assert effects.loc["all", "estimate"] == pytest.approx(mean)
        assert effects.loc["all", "treated"] == panel.d.sum()
        assert "nobody is treated" in repr(found)


def test_one_treated_city_has_an_effect_and_no_standard_error():
    panel = small_panel()
    city = panel.city[panel.d == 1].iloc[0]
    panel["d"] *= (panel.year > 2013) | (panel.city == city)
    effects = matching.match_panel(panel, "d", ["x"], scheme="by_year", score="pooled").effects(
        panel.y
    )
    assert effects.loc[2013, "treated"] == 1
    assert np.isfinite(effects.estimate).all()
    assert effects.std_error.isna().tolist() == [True, False, False, True]


def test_baseline_gives_a_unit_one_weight():
    panel = small_panel()
    found = matching.match_panel(
        panel, "d", ["x"], scheme="baseline", caliper=0.5, method="k_nearest_in_caliper"
    )
    assert list(found.matches) == [2012]
    assert (panel.assign(w=found.weights).groupby("city").w.nunique() == 1).all()
    treated = panel.drop_duplicates("city").set_index("city").group
    part = found.matches[2012]
    assert treated[part.treated].eq(1).all() and treated[part.controls].eq(0).all()
    assert found.weights.sum() == pytest.approx(6 * 2 * part.n_treated)


def test_doubly_robust_did_finds_what_a_plain_difference_misses():
    panel = small_panel(3000, (2012, 2013), seed=3)
    found = matching.doubly_robust_did(panel, "y", "d", ["x"], before=2012, after=2013)
    noise = panel.assign(noise=np.random.default_rng(0).normal(size=len(panel)))
    naive = matching.doubly_robust_did(noise, "y", "d", ["noise"], before=2012, after=2013)
    assert abs(found.estimate - 2) < 4 * found.std_error
    assert naive.estimate - 2 > 8 * naive.std_error
    assert found.nobs == 3000


# -- refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ties": "last"}, "unknown ties"),
        ({"order": "alphabet"}, "unknown order"),
        ({"ties": "random"}, "needs a seed"),
        ({"replacement": False, "order": "random"}, "needs a seed"),
        ({"method": "caliper", "caliper": 0.1, "replacement": False}, "no ties to break"),
        ({"method": "caliper", "caliper": 0.1, "ties": "random"}, "no ties to break"),
    ],
)
def test_match_refuses(options, message):
    frame = simulated()
    with pytest.raises(EstimationError, match=message):
        matching.match(frame.x1, frame.t, **options)


def test_others_refuse():
    frame = simulated()
    fit = matching.propensity_score(frame, "t", ["x1", "x2"])
    calls = {
        "unknown kernel": lambda: matching.kernel_match(frame.x1, frame.t, kernel="cosine"),
        "bandwidth must be positive": lambda: matching.kernel_match(
            frame.x1, frame.t, bandwidth=np.nan
        ),
        "strata must be a whole": lambda: matching.stratify(frame.x1, frame.t, 0),
        "must be finite and ascend": lambda: matching.stratify(frame.x1, frame.t, [1, 0]),
        "unknown metric": lambda: matching.match_covariates(frame, frame.t, ["x1"], metric="city"),
        "is constant": lambda: matching.match_covariates(frame.assign(x1=1.0), frame.t, ["x1"]),
        "collinear: no Mahalanobis": lambda: matching.match_covariates(
            frame.assign(z=-frame.x1), frame.t, ["x1", "z"], metric="mahalanobis"
        ),
        "whole number from 1 to": lambda: matching.match_covariates(frame, frame.t, ["x1"], k=0),
        "unknown estimand": lambda: matching.ipw(frame.y, fit, estimand="late"),
        "no treated or no controls among": lambda: matching.ipw(frame.y, fit, keep=frame.t == 1),
        "two at least": lambda: matching.ipw(frame.y, fit, cluster=frame.t * 0),
        "unknown method": lambda: matching.doubly_robust(
            frame.y, frame, ["x1"], fit, method="triple"
        ),
        "unknown estimand 'ate' of method improved": lambda: matching.doubly_robust(
            frame.y, frame, ["x1"], fit, estimand="ate", method="improved"
        ),
        "rows of a group for": lambda: matching.doubly_robust(
            frame.y[:3],
            frame[:3].assign(x2=[1.0, 2.0, 4.0]),
            ["x1", "x2"],
            matching.propensity_score(frame[:3].assign(t=[0, 1, 0], x1=[0, 1.0, 2]), "t", ["x1"]),
        ),
        "collinear within a group": lambda: matching.doubly_robust(
            frame.y, frame.assign(z=2 * frame.x1), ["x1", "z"], fit
        ),
        "missing or infinite outcomes": lambda: matching.ipw(frame.y.where(frame.y > 0), fit),
        "needs at least one covariate": lambda: matching.match_panel(frame, "t", []),
        "unknown choice": lambda: matching.match_panel(frame, "t", ["x1"], scheme="monthly"),
        "stratified standard error is for": lambda: matching.att(
            frame.y, matching.match(frame.x1, frame.t), se="stratified"
        ),
        "use fewer strata": lambda: matching.att(
            frame.y, matching.stratify(frame.x1, frame.t, 150), se="stratified"
        ),
        "do not fit into memory": lambda: matching.match(
            pd.Series(np.zeros(24_000)), pd.Series(np.arange(24_000) % 2)
        ),
    }
    for message, call in calls.items():
        with pytest.raises(EstimationError, match=message):
            call()


def test_no_overlap_has_no_tilting_weights():
    """One treated unit among the controls makes the likelihood finite, not the mean reachable."""
    x = np.r_[np.linspace(0, 1, 30), np.linspace(3, 4, 29), 0.5]
    frame = pd.DataFrame({"x": x, "t": np.repeat([0, 1], 30), "y": x})
    fit = matching.propensity_score(frame, "t", ["x"])
    with pytest.raises(EstimationError, match="there is no overlap"):
        matching.doubly_robust(frame.y, frame, ["x"], fit, method="improved")


def test_panels_refuse():
    panel = small_panel()
    cases = {
        "year 2013: .*separate": (panel.assign(x=panel.d * 2 - 1 + 0.1 * panel.x), "by_year", {}),
        "is no baseline": (panel, "baseline", {"baseline": 2014}),
        "before the first treatment": (panel[panel.year >= 2013], "baseline", {}),
        "no year has treated and controls": (
            panel[(panel.year < 2013) | (panel.group == 1)],
            "by_year",
            {},
        ),
    }
    for message, (frame, scheme, options) in cases.items():
        with pytest.raises(EstimationError, match=message):
            matching.match_panel(frame, "d", ["x"], scheme=scheme, **options)
    did = {"before": 2012, "after": 2013}
    with pytest.raises(EstimationError, match="treated in year 2013 already"):
        matching.doubly_robust_did(panel, "y", "d", ["x"], before=2013, after=2014)
    with pytest.raises(EstimationError, match="no rows, or a city twice"):
        matching.doubly_robust_did(pd.concat([panel, panel]), "y", "d", ["x"], **did)
    with pytest.raises(EstimationError, match="missing or infinite values in y"):
        matching.doubly_robust_did(panel.assign(y=np.nan), "y", "d", ["x"], **did)


@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
@settings(max_examples=15, deadline=None)
def test_panel_matching_ignores_names_order_and_units(seed, scale):
    panel = small_panel(seed=seed % 50)
    rng = np.random.default_rng(seed)
    names = dict(zip(panel.city.unique(), rng.permutation(panel.city.unique()), strict=True))
    other = panel.assign(city=panel.city.map(names), x=scale * panel.x - 5)
    other = other.iloc[rng.permutation(len(other))].reset_index(drop=True)
    for options in ({}, {"scheme": "by_year", "score": "pooled"}, {"scheme": "baseline"}):
        here = matching.match_panel(panel, "d", ["x"], **options)
        there = matching.match_panel(other, "d", ["x"], **options)
        by_city = panel.assign(w=here.weights).groupby("city").w.sum().rename(index=names)
        same = other.assign(w=there.weights).groupby("city").w.sum()
        assert np.allclose(by_city.sort_index(), same.sort_index(), atol=1e-6)
