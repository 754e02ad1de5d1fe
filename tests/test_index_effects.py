"""Weights against the estimate: exact ranges, against brute force and linear programmes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from ftz import did, index
from ftz.errors import EstimationError
from ftz.index._weights import leaf_weights
from study import indicators, simulated


@pytest.fixture(scope="module")
def shipped():
    return indicators.load_indicators()


@pytest.fixture(scope="module")
def built(shipped):
    return index.build(shipped.indicators, shipped.tree, simulated.FLAT_MEANS)


@pytest.fixture(scope="module")
def frame(shipped):
    """The matched rows, with two controls so that partialling out is put to the test."""
    rng = np.random.default_rng(5)
    extra = rng.normal(size=(len(shipped.matched), 2))
    return shipped.matched.assign(c1=extra[:, 0], c2=extra[:, 1])


@pytest.fixture(scope="module")
def weighed(built, frame):
    return index.weigh_effects(built.normalised, frame, "FTZ", ["c1", "c2"])


def regression(frame, outcome):
    rows = pd.MultiIndex.from_frame(frame[["city", "year"]])
    with_outcome = frame.assign(y=outcome.loc[rows].to_numpy())
    return did.twfe(with_outcome, "y", "FTZ", ["c1", "c2"])


def test_each_indicators_regression_is_the_library_s(weighed, built, frame):
    for name in ("existing_firms", "litigation_count", "attraction_of_capital"):
        result = regression(frame, 100 * built.normalised[name])
        assert weighed.effects[name] == pytest.approx(result.att, abs=1e-10)
        assert weighed.std_errors[name] == pytest.approx(result.std_errors["FTZ"], abs=1e-10)


def test_any_weights_agree_with_building_the_index_and_regressing(weighed, shipped, frame):
    """The estimate and its clustered error, linear and quadratic in the weights, to 1e-10."""
    rng = np.random.default_rng(0)
    for _ in range(6):
        weights = pd.Series(rng.dirichlet(np.full(61, 0.3)), index=weighed.effects.index)
        expert = {}
        for node in shipped.tree.nodes.index:
            expert[node] = float(weights[shipped.tree.leaves(node)].sum())
        index_of_it = index.build(shipped.indicators, shipped.tree, weights="expert", expert=expert)
        result = regression(frame, index_of_it.scores["index"])
        assert weighed.att(weights) == pytest.approx(result.att, abs=1e-10)
        assert weighed.std_error(weights) == pytest.approx(result.std_errors["FTZ"], abs=1e-10)


def test_the_range_over_all_weights_by_brute_force(weighed, shipped, frame):
    """All 61 corners through the whole pipeline and linearmodels; no mixture goes beyond."""
    corners = {}
    for leaf in shipped.tree.leaves():
        one = dict.fromkeys(shipped.tree.nodes.index, 0.0)
        node = leaf
        while node:
            one[node] = 1.0
            node = shipped.tree.nodes.loc[node, "parent"]
        # siblings of nodes off the path need some weight: theirs does not count
        for parent in shipped.tree.inner:
            below = shipped.tree.children(parent)
            if not any(one[child] for child in below):
                one |= dict.fromkeys(below, 1.0)
        scores = index.build(shipped.indicators, shipped.tree, weights="expert", expert=one).scores
        corners[leaf] = regression(frame, scores["index"]).att
    corners = pd.Series(corners)
    extreme = weighed.all_weights()
    assert extreme.low == pytest.approx(corners.min(), abs=1e-10)
    assert extreme.high == pytest.approx(corners.max(), abs=1e-10)
    assert extreme.low_weights.idxmax() == corners.idxmin() and extreme.low_weights.sum() == 1
    draws = np.random.default_rng(1).dirichlet(np.full(61, 0.05), 5000) @ weighed.effects
    assert (draws >= extreme.low).all() and (draws <= extreme.high).all()
    free = weighed.range(shipped.tree, index.tree_shares(shipped.tree, "equal"))
    assert (free.low, free.high) == pytest.approx((extreme.low, extreme.high), abs=1e-10)


def linear_programme(tree, shares, effects, factor, levels):
    """The same range from scipy: bounds on shares are linear in the weights of the leaves."""
    names, rows, sides = tree.leaves(), [], []
    matrix_equal, right_equal = [np.ones(len(names))], [1.0]

    def indicator(node):
        below = set(tree.leaves(node))
        return np.array([float(n in below) for n in names])

    for node in tree.nodes.index:
        parent = tree.nodes.loc[node, "parent"]
        own, above = indicator(node), indicator(parent)
        if levels is None or tree.nodes.loc[node, "level"] in levels:
            rows += [own - min(1, shares[node] * factor) * above]
            rows += [shares[node] / factor * above - own]
            sides += [0.0, 0.0]
        else:
            matrix_equal.append(own - shares[node] * above)
            right_equal.append(0.0)
    ends = []
    for sign in (1, -1):
        solved = optimize.linprog(
            sign * effects[names].to_numpy(),
            A_ub=np.array(rows),
            b_ub=sides,
            A_eq=np.array(matrix_equal),
            b_eq=right_equal,
            method="highs",
        )
        assert solved.status == 0
        ends.append(sign * solved.fun)
    return ends


@pytest.mark.parametrize("method", ["equal", "flat"])
@pytest.mark.parametrize(
    ("factor", "levels"), [(1.0, None), (1.3, None), (2.0, (1,)), (3.0, (2, 3)), (5.0, None)]
)
def test_ranges_on_the_tree_are_those_of_the_linear_programme(
    weighed, shipped, method, factor, levels
):
    shares = index.tree_shares(shipped.tree, method)
    found = weighed.range(shipped.tree, shares, factor, levels)
    low, high = linear_programme(shipped.tree, shares, weighed.effects, factor, levels)
    assert found.low == pytest.approx(low, abs=1e-8) and found.high == pytest.approx(high, abs=1e-8)
    for weights in (found.low_weights, found.high_weights):
        assert weights.sum() == pytest.approx(1) and (weights >= 0).all()


def test_the_range_opens_with_the_factor(weighed, shipped, built):
    shares = built.shares.to_dict()
    path = weighed.range_path(shipped.tree, shares, [1.0, 1.5, 3.0], (1,))
    assert path.loc[1.0].tolist() == pytest.approx([weighed.att(built.weights)] * 2)
    assert path["low"].is_monotonic_decreasing and path["high"].is_monotonic_increasing
    middle = weighed.range(shipped.tree, shares, 1.5, (1,))
    assert path.loc[1.5].tolist() == [middle.low, middle.high]


def test_the_flip_is_where_the_range_meets_zero(weighed, shipped, built):
    shares = built.shares.to_dict()
    factor = weighed.flip(shipped.tree, shares)
    assert weighed.range(shipped.tree, shares, factor).low == pytest.approx(0, abs=1e-8)
    assert weighed.range(shipped.tree, shares, 0.99 * factor).low > 0
    positive = replace(weighed, params=weighed.effects.abs() + 0.1)
    assert positive.flip(shipped.tree, shares) == np.inf
    assert not positive.all_weights().both_signs and weighed.all_weights().both_signs


def test_the_log_of_a_geometric_mean_is_linear_in_the_weights(built, frame, shipped):
    lifted = index.weigh_effects(
        built.normalised, frame, "FTZ", ["c1", "c2"], scale="log_geometric", lift=0.01
    )
    spec = simulated.FLAT_MEANS.but(aggregation="geometric", lift=0.01)
    geometric = index.build(shipped.indicators, shipped.tree, spec)
    result = regression(frame, np.log(geometric.scores["index"]))
    assert lifted.att(geometric.weights) == pytest.approx(result.att, abs=1e-10)


def test_the_log_range_holds_what_is_found_between_its_bounds(weighed, shipped, built, frame):
    shares = built.shares.to_dict()
    here = weighed.log_att(built.weights)
    assert here == pytest.approx(regression(frame, np.log(built.scores["index"])).att, abs=1e-10)
    known = weighed.log_range(shipped.tree, shares, 1.5)
    assert known.bound_low <= known.found_low < here < known.found_high <= known.bound_high
    rng, inside = np.random.default_rng(2), []
    for _ in range(300):
        slopes = pd.Series(rng.normal(size=61), index=weighed.effects.index)
        corner = replace(weighed, params=slopes).range(shipped.tree, shares, 1.5)
        inside.append(weighed.log_att(corner.high_weights))
    assert known.found_low - 1e-9 <= min(inside) and max(inside) <= known.found_high + 1e-9
    tight = weighed.log_range(shipped.tree, shares, 1.0)
    assert tight.found_low == pytest.approx(here) and tight.bound_high == pytest.approx(here)
    with pytest.raises(EstimationError, match="zero in row"):
        weighed.log_range(shipped.tree, shares, np.inf)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n, f: index.weigh_effects(n, f.assign(year=1900), "FTZ"), "no row|more than one"),
        (lambda n, f: index.weigh_effects(n, f, "FTZ", scale="cube"), "unknown scale"),
        (lambda n, f: index.weigh_effects(n, f, "FTZ", scale="log_geometric"), "is not positive"),
        (lambda n, f: index.weigh_effects(n, f.assign(FTZ=1.0), "FTZ"), "FTZ does not vary"),
        (lambda n, f: index.weigh_effects(n, f.assign(c=f["FTZ"]), "FTZ", ["c"]), "collinear"),
        (lambda n, f: index.weigh_effects(n, pd.concat([f, f]), "FTZ"), "more than one row"),
    ],
)
def test_refusals(built, frame, call, message):
    with pytest.raises(EstimationError, match=message):
        call(built.normalised, frame)


def test_weights_that_do_not_fit_are_refused(weighed, shipped):
    with pytest.raises(EstimationError, match="do not name the indicators"):
        weighed.att(pd.Series({"q": 1.0}))
    with pytest.raises(EstimationError, match="must be one or more"):
        weighed.range(shipped.tree, index.tree_shares(shipped.tree, "flat"), 0.5)


def test_a_weighting_that_turns_the_sign_of_a_known_effect():
    """One indicator rises by one under treatment, one falls by two; the rest is two-way effects.

    Equal weights give -0.5; shares 2/3 and 1/3 give nothing, which is a factor of 4/3 (on the
    indicator that rises; the other falls to 1/3, by a factor of 3/2, the binding one).
    """
    rows = pd.MultiIndex.from_product([range(8), range(2000, 2006)], names=["city", "year"])
    frame = rows.to_frame(index=False)
    frame["D"] = ((frame["city"] < 3) & (frame["year"] >= 2003)).astype(float)
    plain = 0.1 * frame["city"] + 0.05 * (frame["year"] - 2000)
    values = pd.DataFrame(
        {"up": plain + frame["D"], "down": plain - 2 * frame["D"]}
    ).set_axis(rows) / 100  # fmt: skip
    tree = indicators.load_tree().prune(["attraction_of_capital", "outward_radiation_of_capital"])
    values.columns = tree.leaves()
    weighed = index.weigh_effects(values, frame, "D")
    assert weighed.effects.tolist() == pytest.approx([1.0, -2.0])
    shares = index.tree_shares(tree, "equal")
    assert weighed.att(leaf_weights(tree, shares)) == pytest.approx(-0.5)
    assert weighed.flip(tree, shares) == pytest.approx(1.5)
