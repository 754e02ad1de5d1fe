"""The pipeline: every step, every refusal with its node, and the log that replays it."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import index
from ftz.errors import EstimationError, PanelError
from ftz.index._preparation import is_outlying
from study import indicators

HEADER = "id,parent,level,name_en,name_zh,unit,type,direction,direction_is_our_reading,note\n"
ROWS = (
    ("a", "", 1, 1), ("b", "", 1, 1),
    ("a1", "a", 2, 1), ("a2", "a", 2, 1), ("b1", "b", 2, 1),
    ("x", "a1", 3, 1), ("y", "a1", 3, -1), ("z", "a2", 3, 1), ("u", "b1", 3, 1), ("v", "b1", 3, 1),
)  # fmt: skip
LEAVES = list("xyzuv")


def text_of(rows):
    lines = [f"{n},{p},{k},{n},,%,{'share' if k == 3 else ''},{d},1,\n" for n, p, k, d in rows]
    return HEADER + "".join(lines)


TREE = index.IndexTree(pd.read_csv(StringIO(text_of(ROWS)), keep_default_na=False).set_index("id"))


@pytest.fixture
def tree():
    return TREE


def panel(seed=0, units=6, periods=4):
    rows = pd.MultiIndex.from_product(
        [[f"u{k}" for k in range(units)], range(2001, 2001 + periods)], names=["unit", "year"]
    )
    values = np.random.default_rng(seed).lognormal(size=(len(rows), len(LEAVES)))
    return pd.DataFrame(values, index=rows, columns=LEAVES)


# --- the tree ---


def test_a_node_carries_its_fields(tree):
    node = indicators.load_tree().node("credit_events_concentration")
    assert (node["level"], node.direction, node.type, node.direction_is_our_reading) == (
        3,
        -1,
        "concentration",
        "1",
    )
    assert "信用时间" in node.note and node.parent == "compliance_risk"
    with pytest.raises(EstimationError, match="no node 'q'"):
        tree.node("q")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("x,a1,3,x,,%,share,1", "x,a1,3,x,,%,colour,1", "'x' has a type"),
        ("x,a1,3,x,,%,share,1", "x,a1,3,x,,%,share,up", "'x' has a direction"),
        ("u,b1,3,u,,%,share,1,1,\nv,b1,3,v,,%,share,1,1,\n", "", "'b1' has no children"),
        ("type", "kind", "has no column type"),
        ("z,a2,3,z", "index,a2,3,z", "'index' is no name for a node"),
    ],
)
def test_trees_that_are_refused(tmp_path, old, new, message):
    path = tmp_path / "tree.csv"
    path.write_text(text_of(ROWS).replace(old, new, 1), "utf-8")
    with pytest.raises(PanelError, match=message):
        indicators.load_tree(path)


def test_pruning_takes_nodes_left_without_indicators(tree):
    part = tree.prune(["x", "u"])
    assert part.nodes.index.tolist() == ["a", "b", "a1", "b1", "x", "u"]
    for names, message in (([], "no indicator is left"), (["q"], "'q' is not an indicator")):
        with pytest.raises(EstimationError, match=message):
            tree.prune(names)


# --- the log ---

RECIPES = st.fixed_dictionaries(
    {
        "outliers": st.sampled_from(
            ["none", "clip", "winsorise", "log", "winsorise_log", "boxcox"]
        ),
        "skew_limit": st.sampled_from([0.5, 2.0]),
        "kurtosis_limit": st.sampled_from([0.1, 3.5]),
        "normalisation": st.sampled_from(["minmax", "rank", "distance"]),
        "normalise_within": st.sampled_from(["all", "period"]),
        "weights": st.sampled_from(["equal", "flat", "entropy", "critic", "pca", "cv", "sd"]),
        "level_weights": st.sampled_from([{}, {1: "equal"}, {3: "sd", 1: "entropy"}]),
        "weights_within": st.sampled_from(["all", "period"]),
        "shift": st.sampled_from([1e-4, 0.01, 1.0]),
        "aggregation": st.sampled_from(
            ["arithmetic", "geometric", "harmonic", "topsis", "copeland", {1: "geometric"}]
        ),
        "directions": st.sampled_from([{}, {"z": -1}]),
    }
)


@settings(max_examples=60, deadline=None)
@given(choices=RECIPES, seed=st.integers(0, 50))
def test_a_log_replayed_gives_the_same_index_to_the_bit(choices, seed):
    tree, frame = TREE, panel(seed, units=7, periods=3)
    try:
        built = index.build(frame, tree, **choices)
    except EstimationError as error:  # a logarithm of a min-max zero in a one-node dimension
        assert any(leaf in str(error) for leaf in (*LEAVES, "a1", "a2", "b1", "a", "b"))
        return
    text = built.to_json()
    assert json.loads(text)["choices"]["weights"] == choices["weights"]
    again = index.replay(text, frame, tree)
    assert again.nodes.to_numpy().tobytes() == built.nodes.to_numpy().tobytes()
    assert again.to_json() == text
    assert built.weights.sum() == pytest.approx(1)
    assert index.build(frame, tree, **built.log).digests == built.digests


def test_replay_refuses_other_inputs_and_other_scores(tree):
    frame = panel()
    built = index.build(frame, tree, weights="equal")
    text = built.to_json()
    with pytest.raises(EstimationError, match="the indicators are not those of the log"):
        index.replay(text, frame * (1 + 1e-15), tree)
    with pytest.raises(EstimationError, match="the tree are not those"):
        index.replay(text, frame, index.IndexTree(tree.nodes.assign(direction=1)))
    forged = text.replace('"weights": "equal"', '"weights": "flat"')
    with pytest.raises(EstimationError, match="the scores are not those"):
        index.replay(forged, frame, tree)


def test_rows_in_another_order_give_the_same_scores(tree):
    frame = panel()
    shuffled = frame.sample(frac=1, random_state=3)
    choices = {"imputation": "linear", "normalise_within": "period", "weights_within": "period"}
    first = index.build(frame, tree, **choices).scores
    second = index.build(shuffled, tree, **choices).scores.loc[frame.index]
    pd.testing.assert_frame_equal(first, second)


# --- weights at any level ---


def test_flat_weights_count_indicators_and_one_level_can_be_overridden(tree):
    frame = panel()
    flat = index.build(frame, tree, weights="flat")
    assert flat.weights.tolist() == pytest.approx([0.2] * 5)
    one = index.build(frame, tree, weights="flat", level_weights={1: "equal"})
    assert one.shares[["a", "b"]].tolist() == [0.5, 0.5]
    assert one.weights[LEAVES].tolist() == pytest.approx([1 / 6] * 3 + [1 / 4] * 2)


def test_a_level_weighed_by_its_own_data(tree):
    """Level 1 by standard deviation: the deviations of the two sub-indices themselves."""
    built = index.build(panel(), tree, weights="equal", level_weights={1: "sd"})
    deviations = built.nodes[["a", "b"]].std(ddof=0)
    assert built.shares[["a", "b"]].tolist() == pytest.approx(
        (deviations / deviations.sum()).tolist()
    )


def test_entropy_over_all_indicators_adds_up_the_tree(tree):
    frame = panel()
    built = index.build(frame, tree, weights="entropy", shift=0.01)
    direct = index.entropy_weights(index.normalise(frame, tree.directions), 0.01)
    assert built.weights[LEAVES].to_numpy() == pytest.approx(direct[LEAVES].to_numpy())
    assert built.shares["a"] == pytest.approx(direct[["x", "y", "z"]].sum())


def test_expert_weights_need_every_sibling(tree):
    frame = panel()
    built = index.build(frame, tree, weights="expert", expert={"a": 3, "b": 1})
    assert built.shares[["a", "b", "a1", "a2"]].tolist() == [0.75, 0.25, 0.5, 0.5]
    for expert, message in (
        ({"a": 1}, "node b needs an expert weight"),
        ({"a": 1, "b": -1}, "node b needs"),
        ({"q": 1}, "'q', which is not in the tree"),
        ({"u": 0, "v": 0}, "under b1 are all zero"),
    ):
        with pytest.raises(EstimationError, match=message):
            index.build(frame, tree, weights="expert", expert=expert)


def test_weights_within_periods_are_those_of_each_period(tree):
    frame = panel(units=8)
    built = index.build(frame, tree, weights_within="period")
    scaled = index.normalise(frame, tree.directions)
    for year, weights in built.weights_by_period.iterrows():
        alone = index.entropy_weights(scaled.xs(year, level="year"), 1e-4)
        assert weights[LEAVES].to_numpy() == pytest.approx(alone[LEAVES].to_numpy())
    assert index.build(frame, tree).weights_by_period is None


# --- aggregation ---


def test_means_in_order_and_mixed_levels(tree):
    frame = panel()
    weights = pd.Series(dict(zip(LEAVES, [1, 2, 3, 4, 5], strict=True)))
    how = ("harmonic", "geometric", "arithmetic")
    low, middle, high = (index.aggregate(frame, weights, name) for name in how)
    assert (low < middle).all() and (middle < high).all()
    mixed = index.build(frame, tree, aggregation={1: "geometric"}, weights="equal")
    product = np.sqrt(mixed.scores["a"] * mixed.scores["b"])
    assert mixed.scores["index"].to_numpy() == pytest.approx(product.to_numpy())


def test_geometric_means_nest(tree):
    """Joined level by level or all at once: the same, if shares multiply to the weights."""
    frame = panel()
    built = index.build(frame, tree, aggregation="geometric", lift=0.01)
    at_once = index.aggregate(built.normalised, built.weights, "geometric", lift=0.01)
    assert built.scores["index"].to_numpy() == pytest.approx(100 * at_once.to_numpy())


def test_copeland_by_hand():
    """u beats v on both, v beats w on one of two (a tie): wins 2, 0.5 and 0.5 of 2."""
    frame = pd.DataFrame({"x": [3, 2, 1.0], "y": [3, 1, 2.0]}, index=list("uvw"))
    weights = pd.Series({"x": 1.0, "y": 1.0})
    assert index.aggregate(frame, weights, "copeland").tolist() == [1.0, 0.25, 0.25]
    assert index.aggregate(frame, pd.Series({"x": 2.0, "y": 1.0}), "copeland").tolist() == [
        1.0,
        0.5,
        0.0,
    ]


def test_topsis_and_copeland_rank_a_dominant_row_first(tree):
    frame = panel()
    frame.iloc[5] = frame.max() + 1
    frame.iloc[5, LEAVES.index("y")] = 0.001  # less is better
    for how in ("topsis", "copeland"):
        scores = index.build(frame, tree, aggregation=how).scores["index"]
        assert scores.idxmax() == frame.index[5] and scores.max() == pytest.approx(100)


# --- steps before the scale ---


def test_imputation_by_hand():
    rows = pd.MultiIndex.from_product([["p", "q"], [2001, 2002, 2004]])
    frame = pd.DataFrame({"x": [1, np.nan, 7, np.nan, 4, 6.0]}, index=rows)
    assert index.impute(frame, "linear")["x"].tolist() == [1, 3, 7, 4, 4, 6]  # by the year
    assert index.impute(frame, "carry")["x"].tolist() == [1, 1, 7, 4, 4, 6]
    assert index.impute(frame, "period_mean")["x"].tolist() == [1, 4, 7, 1, 4, 6]
    frame.loc[("p", 2001), "x"] = 3
    assert index.impute(frame, "period_median")["x"].tolist() == [3, 4, 7, 3, 4, 6]


@pytest.mark.parametrize("method", ["linear", "carry", "period_mean", "period_median"])
def test_imputation_changes_nothing_that_was_there(method):
    frame = panel(3, units=8, periods=6)
    holes = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.2)
    filled = index.impute(holes, method)
    assert filled.notna().all(axis=None)
    assert (filled == holes).to_numpy()[holes.notna().to_numpy()].all()


def test_winsorising_moves_no_more_points_than_it_must():
    values = np.concatenate([np.linspace(0, 1, 30), [40.0, 60.0]])
    frame = pd.DataFrame({"x": values, "y": np.linspace(0, 1, 32)})
    treated, found = index.treat_outliers(frame, "winsorise")
    assert found.index.tolist() == ["x"] and found.loc["x", "number"] == 2
    assert treated["x"].iloc[-2:].tolist() == [1.0, 1.0] and treated["y"].equals(frame["y"])
    assert not is_outlying(treated["x"].to_numpy())
    one, _ = index.treat_outliers(frame, "winsorise", at_most=1)
    assert one["x"].iloc[-2:].tolist() == [40.0, 40.0]


def test_winsorising_reaches_to_the_low_side_too():
    frame = pd.DataFrame({"x": np.concatenate([[-50.0], np.linspace(0, 1, 30)])})
    assert index.treat_outliers(frame, "winsorise")[0]["x"].min() == 0.0


def test_logarithm_where_winsorising_is_not_enough():
    heavy = np.exp(np.random.default_rng(0).normal(0, 2.5, 200))
    treated, found = index.treat_outliers(pd.DataFrame({"x": heavy}), "winsorise_log")
    assert found.loc["x", "treatment"] == "log"
    assert treated["x"].to_numpy() == pytest.approx(np.log(heavy))
    power = index.treat_outliers(pd.DataFrame({"x": heavy}), "boxcox")[1].loc["x", "number"]
    assert abs(power) < 0.15  # log-normal: the power of highest likelihood is near zero


def test_denomination_divides_what_is_named(tree):
    frame = panel()
    sizes = pd.DataFrame({"people": np.arange(1.0, len(frame) + 1)}, index=frame.index)
    divided = index.denominate(frame, sizes, {"x": "people"})
    assert divided["x"].to_numpy() == pytest.approx(frame["x"] / sizes["people"])
    assert divided["u"].equals(frame["u"])
    built = index.build(frame, tree, sizes=sizes, denominators={"x": "people"})
    again = index.build(divided, tree)
    pd.testing.assert_frame_equal(built.scores, again.scores)
    index.replay(built.to_json(), frame, tree, sizes=sizes)
    with pytest.raises(EstimationError, match="the sizes are not those of the log"):
        index.replay(built.to_json(), frame, tree, sizes=sizes + 1)
    for wrong, message in (
        ({"denominators": {"x": "area"}, "sizes": sizes}, "x: the sizes have no column area"),
        ({"denominators": {"q": "people"}, "sizes": sizes}, "'q' is not an indicator"),
        ({"denominators": {"x": "people"}, "sizes": 0 * sizes}, "x: people is not positive"),
        ({"denominators": {"x": "people"}}, "needs a frame of sizes"),
    ):
        with pytest.raises(EstimationError, match=message):
            index.build(frame, tree, **wrong)


# --- normalisation ---


def test_normalising_within_periods_equals_normalising_each_period(tree):
    frame = panel()
    within = index.build(frame, tree, normalise_within="period").normalised
    for year, part in frame.groupby(level="year"):
        alone = index.normalise(part, tree.directions)
        pd.testing.assert_frame_equal(within.xs(year, level="year", drop_level=False), alone)


def test_distance_to_a_target_by_hand():
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0], "y": [1.0, 2.0, 4.0]})
    scaled = index.normalise(frame, {"y": -1}, "distance", targets={"x": 8.0})
    assert scaled["x"].tolist() == [0.125, 0.25, 0.5] and scaled["y"].tolist() == [1, 0.5, 0.25]
    t = index.normalise(frame, method="tscore")["x"]
    assert t.mean() == pytest.approx(0.5) and t.std(ddof=0) == pytest.approx(0.1)


# --- refusals, each with its node ---


def holed(column, rows=None):
    frame = panel()
    frame.loc[frame.index if rows is None else rows, column] = np.nan
    return frame


def one_unit_only():
    frame = panel()
    frame.loc[frame.index.get_level_values("unit") != "u2", "z"] = np.nan
    return frame


def flat_in_2002():
    frame = panel()
    frame.loc[frame.index.get_level_values("year") == 2002, "v"] = 5.0
    return frame


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (panel().assign(x=1.0), {}, "indicator x is constant"),
        (holed("z"), {"imputation": "linear"}, "indicator z is missing throughout"),
        (holed("z", [("u1", 2002)]), {}, "indicator z has missing"),
        (one_unit_only(), {"imputation": "carry"}, r"z is observed in one unit only \(u2\)"),
        (panel(units=1), {}, r"x is observed in one unit only \(u0\)"),
        (flat_in_2002(), {"normalise_within": "period"}, "indicator v is constant in 2002"),
        (
            panel().assign(u=lambda f: f["u"] - 9.0),
            {"outliers": "log", "skew_limit": 0.0, "kurtosis_limit": -9.0},
            "indicator [xu] has values that are not positive|indicator u has values",
        ),
        (panel(), {"aggregation": "geometric", "lift": 0.0}, "[xyzuv] is 0 in row"),
        (panel(), {"aggregation": "harmonic", "lift": 0.0}, "[xyzuv] is 0 in row"),
        (panel(), {"directions": {"y": 3}}, "indicator y has direction 3"),
        (panel(), {"normalisation": "zscore"}, "node x is negative: entropy"),
        (panel(), {"normalisation": "zscore", "weights": "cv"}, "node [xyzuv] has a mean"),
        (panel() - 9, {"normalisation": "distance"}, "indicator x is not positive"),
        (panel(), {"normalisation": "goalposts"}, "indicator x has no goalposts"),
        (panel().drop(columns="v"), {}, "lacks indicators v: give them, or choose partial"),
        (panel().assign(w=1.0), {}, "unknown indicators w"),
        (panel().assign(x="a"), {}, "indicator x does not hold numbers"),
        (panel(), {"aggregation": {1: "topsis"}}, "topsis compares rows"),
        (panel(), {"weights": "magic"}, "unknown choice 'magic'"),
        (panel(), {"colour": "red"}, "no choice 'colour'"),
        (panel().rename(columns={"x": "xx"}), {}, "unknown indicators xx; did you mean x"),
        (
            panel().drop([(f"u{k}", 2003) for k in range(1, 6)]),
            {"weights_within": "period"},
            "node x has one row only in 2003",
        ),
        (panel(), {"shift": -1}, "must not be negative"),
        (panel(), {"directions": {"q": 1}}, "directions: 'q' is not an indicator"),
        (panel(), {"targets": {"a1": 1}}, "targets: 'a1' is not an indicator"),
        (panel(), {"level_weights": {4: "sd"}}, "level 4: the tree has levels 1 to 3"),
        (panel(), {"aggregation": {0: "geometric"}}, "level 0: the tree"),
        (
            panel().reset_index(drop=True),
            {"weights_within": "period"},
            "needs rows indexed by unit and period",
        ),
    ],
)
def test_refusals_name_the_node(tree, frame, choices, message):
    with pytest.raises(EstimationError, match=message):
        index.build(frame, tree, **choices)


# --- partial trees ---


def test_a_partial_tree_is_refused_until_a_rule_is_named(tree):
    frame = panel().drop(columns=["z", "v"])
    siblings = index.build(frame, tree, weights="equal", partial="siblings")
    # a2 is gone and leaves its weight to a1; v leaves its to u: the two halves stay halves
    assert siblings.weights.to_dict() == pytest.approx({"x": 0.25, "y": 0.25, "u": 0.5})
    assert siblings.missing == ("z", "v")
    spread = index.build(frame, tree, weights="equal", partial="all")
    # x and y had 1/8 each, u had 1/4: in proportion
    assert spread.weights.to_dict() == pytest.approx({"x": 0.25, "y": 0.25, "u": 0.5})
    expert = {"a": 1, "b": 3}
    first = index.build(frame, tree, weights="expert", expert=expert, partial="siblings")
    second = index.build(frame, tree, weights="expert", expert=expert, partial="all")
    assert first.shares["b"] == pytest.approx(0.75)
    # x, y: 1/16 each of the whole tree, u: 3/8
    assert second.shares["b"] == pytest.approx((3 / 8) / (3 / 8 + 1 / 8))
    over = index.build(
        frame, tree, weights="sd", level_weights={1: "expert"}, expert=expert, partial="siblings"
    )
    assert over.shares["b"] == pytest.approx(0.75)
    third = index.build(frame.drop(columns="y"), tree, weights="equal", partial="all")
    assert third.weights.to_dict() == pytest.approx({"x": 1 / 3, "u": 2 / 3})


@settings(max_examples=25, deadline=None)
@given(st.sets(st.sampled_from(LEAVES), min_size=1), st.sampled_from(["siblings", "all"]))
def test_partial_weights_sum_to_one(kept, rule):
    frame = panel()[[n for n in LEAVES if n in kept]]
    built = index.build(frame, TREE, weights="flat", partial=rule)
    assert built.weights.sum() == pytest.approx(1) and set(built.weights.index) == kept
    if rule == "all":  # all weighed the same before, and do after
        assert built.weights.to_numpy() == pytest.approx(1 / len(kept))


# --- what the result says ---


def test_contributions_add_up_to_the_index(tree):
    built = index.build(panel(), tree, weights="critic")
    total = built.contributions().sum(axis=1)
    assert total.to_numpy() == pytest.approx(built.scores["index"].to_numpy())
    for choices in ({"aggregation": "topsis"}, {"aggregation": {1: "geometric"}}):
        with pytest.raises(EstimationError, match="falls into parts"):
            index.build(panel(), tree, **choices).contributions()
    with pytest.raises(EstimationError, match="fixed weights"):
        index.build(panel(), tree, weights_within="period").contributions()


def test_a_scorecard_ranks_a_unit_among_the_others_of_its_period(tree):
    built = index.build(panel(), tree)
    card = built.scorecard("u3", 2002)
    assert card.index.tolist() == ["index", "a", "b", "a1", "a2", "b1"]
    scores = built.scores.xs(2002, level="year")
    assert card.loc["index", "score"] == scores.loc["u3", "index"]
    assert card.loc["a", "rank"] == (scores["a"] > scores.loc["u3", "a"]).sum() + 1
    assert built.scorecard("u3").equals(built.scorecard("u3", 2004))
    with pytest.raises(EstimationError, match="u9 is not observed in 2004"):
        built.scorecard("u9")


def test_the_outline_unfolds_and_escapes(tree):
    from ftz.figures.index import outline

    nodes = tree.nodes.copy()
    nodes.loc["x", "name_en"] = "<b>&"
    shown = outline(index.IndexTree(nodes), {"a": "half"})
    page = shown._repr_html_()
    assert page.count("<details>") == page.count("</details>") == 5 == page.count("<summary>")
    assert page.count("<li>") == 10 and "&lt;b&gt;&amp;" in page and "<b>" not in page
    assert "a — half <small>(3)</small>" in page and "− y" in page
    assert repr(shown).splitlines()[:3] == ["a — half", "  a1", "    + <b>& (%)"]
