"""The wild cluster bootstrap: equal to its definition, weight by weight, and honest in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import did, inference
from ftz.errors import EstimationError
from ftz.inference._bootstrap import sign_vectors
from ftz.inference._few_treated import caution
from test_inference import CONTROLS, panel

ARGUMENTS = ("y", "d", CONTROLS)


def by_definition(frame, weights, null, impose_null):
    """Return t statistics of a regression with all dummies on each bootstrap outcome."""
    dummies = [
        pd.get_dummies(frame[c], dtype=float, drop_first=c == "year") for c in ("city", "year")
    ]
    nuisance = np.column_stack([*dummies, frame[CONTROLS]])
    d, y = frame["d"].to_numpy(), frame["y"].to_numpy()
    codes = pd.factorize(frame["city"], sort=True)[0]
    design = np.column_stack([d, nuisance])
    if impose_null:
        gamma = np.linalg.lstsq(nuisance, y - null * d, rcond=None)[0]
        fitted = null * d + nuisance @ gamma
    else:
        fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
        null = np.linalg.lstsq(design, y, rcond=None)[0][0]
    bread = np.linalg.inv(design.T @ design)
    found = []
    for v in weights:
        star = fitted + v[codes] * (y - fitted)
        slopes = bread @ design.T @ star
        scores = design * (star - design @ slopes)[:, None]
        sums = np.array([scores[codes == g].sum(axis=0) for g in range(codes.max() + 1)])
        n, k = design.shape
        variance = n / (n - k) * bread @ sums.T @ sums @ bread
        found.append((slopes[0] - null) / np.sqrt(variance[0, 0]))
    return np.array(found)


@pytest.mark.parametrize("impose_null", [True, False])
@pytest.mark.parametrize("null", [0.0, 0.7])
def test_every_weight_gives_the_statistic_of_the_definition(impose_null, null):
    frame = panel(3, effect=0.5)
    weights = np.random.default_rng(0).choice(inference.WEIGHTS["webb"], size=(40, 11))
    result = inference.wild_cluster_bootstrap(
        frame, *ARGUMENTS, weights=weights, null=null, impose_null=impose_null
    )
    wanted = by_definition(frame, weights, null, impose_null)
    assert result.draws == pytest.approx(wanted, rel=1e-8)


def test_equal_to_wildboottest_on_the_same_weights():
    """Fischer and Roodman's package, if it is there: all sign vectors, the same p value."""
    pytest.importorskip("wildboottest.wildboottest", exc_type=ImportError)
    from wildboottest.wildboottest import WildboottestCL

    frame = panel(5, units=6, treated=3, effect=0.3).sort_values(["city", "year"])
    dummies = [
        pd.get_dummies(frame[c], dtype=float, drop_first=c == "year") for c in ("city", "year")
    ]
    design = np.column_stack([frame[["d", *CONTROLS]], *dummies])
    codes = pd.factorize(frame["city"], sort=True)[0]
    peer = WildboottestCL(
        X=design,
        Y=frame["y"].to_numpy(),
        cluster=codes,
        bootcluster=codes,
        B=9999,
        R=np.eye(design.shape[1])[0],
        seed=1,
    )
    peer.get_scores(bootstrap_type="11", impose_null=True, adj=False, cluster_adj=False)
    peer.get_weights(weights_type="rademacher")
    peer.get_numer()
    peer.get_denom()
    peer.get_tboot()
    peer.get_vcov()
    peer.get_tstat()
    peer.get_pvalue()
    ours = inference.wild_cluster_bootstrap(frame, *ARGUMENTS)
    factor = len(frame) / (len(frame) - design.shape[1])
    theirs = np.sort(np.asarray(peer.t_boot).ravel()) / np.sqrt(factor)
    assert ours.exact
    assert np.sort(ours.draws) == pytest.approx(theirs[-len(ours.draws) :], rel=1e-6)


def test_enumeration_holds_every_sign_vector_once():
    vectors = sign_vectors(5)
    assert len({tuple(v) for v in vectors}) == 32 and set(vectors.ravel()) == {-1.0, 1.0}
    result = inference.wild_cluster_bootstrap(panel(1), *ARGUMENTS)
    assert result.exact and len(result.draws) == 2**11
    assert np.isclose(np.abs(result.draws), abs(result.tstat)).sum() >= 2  # itself and its mirror


def test_weights_have_mean_zero_and_variance_one():
    for points in inference.WEIGHTS.values():
        assert points.mean() == pytest.approx(0, abs=1e-12)
        assert np.square(points).mean() == pytest.approx(1, rel=1e-12)


def test_clusters_need_not_be_the_units():
    """The variance by region: as statsmodels has it, up to the factor."""
    import statsmodels.formula.api as smf

    frame = panel(2, effect=1.0).assign(region=lambda f: f.city.str[-1].astype(int) % 5)
    result = inference.wild_cluster_bootstrap(frame, *ARGUMENTS, cluster="region")
    fit = smf.ols("y ~ d + x1 + x2 + C(city) + C(year)", frame).fit(
        cov_type="cluster", cov_kwds={"groups": frame["region"]}
    )
    stata = did.cluster_factor(len(frame), len(fit.params), 5)
    assert result.std_error * stata == pytest.approx(fit.bse["d"], rel=1e-8)
    assert result.n_clusters == 5 and len(result.draws) == 2**5
    assert np.isclose(np.abs(result.draws), abs(result.tstat)).sum() >= 2


def test_the_coefficient_is_that_of_did():
    frame = panel(2, effect=1.0)
    result = inference.wild_cluster_bootstrap(frame, *ARGUMENTS)
    wanted = did.twfe(frame, *ARGUMENTS)
    assert result.estimate == pytest.approx(wanted.att, abs=1e-10)
    assert result.std_error == pytest.approx(wanted.std_errors["d"], abs=1e-10)


@pytest.mark.parametrize("impose_null", [True, False])
def test_interval_is_the_inversion_of_the_test(impose_null):
    result = inference.wild_cluster_bootstrap(
        panel(4, effect=1.0, units=14, treated=7), *ARGUMENTS, impose_null=impose_null
    )
    lower, upper = result.conf_int(0.9).iloc[0]
    step = 1e-4 * result.std_error
    assert lower < result.estimate < upper
    for end, inward in ((lower, step), (upper, -step)):
        assert result.p_value_at(end + inward) > 0.1
        assert result.p_value_at(end - inward) <= 0.1


def test_an_interval_can_be_infinite():
    """With one treated cluster the restricted test cannot reject, whatever the null."""
    result = inference.wild_cluster_bootstrap(panel(4, treated=2), *ARGUMENTS)
    lower, upper = result.conf_int(0.999999).iloc[0]
    assert lower == -np.inf and upper == np.inf


def test_drawing_approaches_enumerating():
    frame = panel(6, effect=0.4)
    exact = inference.wild_cluster_bootstrap(frame, *ARGUMENTS)
    drawn = inference.wild_cluster_bootstrap(
        frame, *ARGUMENTS, enumerate_up_to=0, seed=1, draws=20_000
    )
    assert not drawn.exact
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.02)


def test_same_seed_same_bytes():
    frame = panel(6)
    first, second = (
        inference.wild_cluster_bootstrap(frame, *ARGUMENTS, weights="webb", seed=s, draws=99)
        for s in (3, np.random.default_rng(3))
    )
    assert first.draws.tobytes() == second.draws.tobytes()


def test_subclusters_reach_below_the_cluster():
    """A weight a row: as many bootstrap clusters as rows, the variance clustered as before."""
    frame = panel(6)
    result = inference.wild_cluster_bootstrap(
        frame, *ARGUMENTS, subclusters="year", seed=1, draws=199
    )
    assert result.n_bootstrap_clusters == len(frame) and result.n_clusters == 11
    plain = inference.wild_cluster_bootstrap(frame, *ARGUMENTS)
    assert result.tstat == plain.tstat
    # All weights of a city alike: the subcluster bootstrap is the cluster bootstrap.
    ordered = frame.sort_values(["city", "year"])
    codes = pd.factorize(ordered["city"], sort=True)[0]
    signs = sign_vectors(11)[:50]
    one = inference.wild_cluster_bootstrap(ordered, *ARGUMENTS, weights=signs)
    many = inference.wild_cluster_bootstrap(
        ordered, *ARGUMENTS, weights=signs[:, codes], subclusters="year"
    )
    assert many.draws == pytest.approx(one.draws, rel=1e-8)


@given(seed=st.integers(0, 500), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
@settings(max_examples=15, deadline=None)
def test_what_may_not_matter(seed, scale, shift):
    frame = panel(9, effect=0.5)
    names = dict(zip(frame.city.unique(), np.random.default_rng(seed).permutation(11), strict=True))
    other = frame.assign(y=scale * frame.y + shift * frame.city.map(names))
    other = other.assign(city=other.city.map(lambda c: f"place {names[c]}"))
    one, two = (
        inference.wild_cluster_bootstrap(f, *ARGUMENTS)
        for f in (frame, other.sample(frac=1, random_state=seed))
    )
    assert two.p_value == one.p_value
    assert two.estimate == pytest.approx(scale * one.estimate, rel=1e-7, abs=1e-10)


def test_few_treated_clusters_are_said_in_words():
    three = inference.wild_cluster_bootstrap(panel(1), *ARGUMENTS)
    assert "only 3 of 11 clusters are treated" in three.caution
    assert three.caution in repr(three) and three.caution in three._repr_html_()
    one = inference.wild_cluster_bootstrap(panel(1, treated=1), *ARGUMENTS)
    assert "No method" in one.caution and "1 of 11 clusters is treated" in one.caution
    many = inference.wild_cluster_bootstrap(panel(1, units=14, treated=7), *ARGUMENTS)
    assert many.caution == "" and "Caution" not in repr(many)
    assert "untreated" in caution(11, 9)
    assert caution(40, 0) == ""


def test_with_few_treated_the_two_bootstraps_err_on_opposite_sides():
    """MacKinnon and Webb (2018): restricted under-rejects, unrestricted over-rejects."""
    reject = {True: 0, False: 0}
    for seed in range(120):
        frame = panel(5000 + seed, treated=2, rho=0.5, drop=0.0)
        for imposed in reject:
            result = inference.wild_cluster_bootstrap(frame, "y", "d", impose_null=imposed)
            reject[imposed] += result.p_value <= 0.05
    assert reject[True] / 120 < 0.03
    assert reject[False] / 120 > 0.10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "mammen"}, "unknown weights"),
        ({"weights": np.ones((3, 4))}, "shape"),
        ({"weights": "webb"}, "pass a seed"),
        ({"weights": "webb", "seed": 1, "draws": 0}, "at least 1"),
        ({"cluster": "nobody"}, "no column nobody"),
        ({"subclusters": "nobody"}, "no column nobody"),
        ({"cluster": "one"}, "one one only"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(EstimationError, match=message):
        inference.wild_cluster_bootstrap(panel().assign(one=1), *ARGUMENTS, **options)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.assign(d=0.0), "d is constant"),
        (lambda f: f.assign(d=1.0), "d is constant"),
        (lambda f: f.assign(d=(f.year > 2018) * 1.0), "not identified"),
        (lambda f: f.assign(y=2.0), "y is constant"),
        (lambda f: f.assign(y=np.nan), "missing or infinite values in y"),
        (lambda f: f.assign(y="much"), "y: text, where numbers are needed"),
        (lambda f: f.assign(city=None), "missing or infinite values in city"),
        (lambda f: f.head(0), "no rows"),
        (lambda f: f[f.city == "city 00"], "one city only"),
        (lambda f: f.assign(y=f.city.str[-1].astype(float) + f.d), "zero"),
    ],
)
def test_designs_that_have_no_answer(damage, message):
    with pytest.raises(EstimationError, match=message):
        inference.wild_cluster_bootstrap(damage(panel(0, drop=0.0)), "y", "d")
