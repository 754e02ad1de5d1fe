"""The index: tree, normalisation, entropy weights, aggregation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz import index
from ftz.errors import EstimationError, PanelError
from study.indicators import load_tree

HEADER = "id,parent,level,name_en,name_zh,unit,type,direction,direction_is_our_reading,note\n"


def node(name, parent, level, direction=1):
    return f"{name},{parent},{level},{name},,%,share,{direction},1,\n"


SMALL = (
    HEADER
    + node("a", "", 1)
    + node("b", "", 1)
    + node("a1", "a", 2)
    + node("b1", "b", 2)
    + node("x", "a1", 3)
    + node("y", "a1", 3, -1)
    + node("z", "b1", 3)
)


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "tree.csv"
    path.write_text(SMALL, "utf-8")
    return load_tree(path)


@pytest.fixture(scope="module")
def paper_tree():
    return load_tree()


def indicators(seed=0, n=12):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.lognormal(size=(n, 3)), columns=["x", "y", "z"])


# --- tree ---


def test_the_papers_tree(paper_tree):
    assert paper_tree.counts == {1: 6, 2: 12, 3: 61}
    assert len(paper_tree.leaves("risk")) == 21 and len(paper_tree.leaves("innovation")) == 17
    assert (paper_tree.nodes["direction_is_our_reading"] == "1").all()
    assert (paper_tree.directions[paper_tree.leaves("risk")] == -1).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t + node("x", "a1", 3), "'x' stands twice"),
        (lambda t: t + node("w", "q", 3), "'w' has a parent that is not in the tree"),
        (lambda t: t + node("w", "a", 3), "'w' is not one level below"),
        (lambda t: t + node("c", "", 1), "'c' has no children"),
        (lambda t: t + node("w", "a1", 3, 0), "'w' has a direction"),
        (lambda t: t + node("w", "a", 1), "'w' is at the first level and has a parent"),
    ],
)
def test_trees_that_are_refused(tmp_path, damage, message):
    path = tmp_path / "tree.csv"
    path.write_text(damage(SMALL), "utf-8")
    with pytest.raises(PanelError, match=message):
        load_tree(path)


# --- normalisation ---


def test_minmax_turns_what_counts_against():
    frame = pd.DataFrame({"x": [1.0, 2.0, 5.0], "y": [1.0, 2.0, 5.0]})
    scaled = index.normalise(frame, {"x": 1, "y": -1})
    assert scaled["x"].tolist() == [0, 0.25, 1] and scaled["y"].tolist() == [1, 0.75, 0]


def test_zscore_and_rank():
    frame = pd.DataFrame({"x": [3.0, 1.0, 2.0]})
    z = index.normalise(frame, method="zscore")["x"]
    assert z.mean() == pytest.approx(0) and z.std(ddof=0) == pytest.approx(1)
    assert index.normalise(frame, method="rank")["x"].tolist() == [1, 0, 0.5]
    assert index.normalise(frame, {"x": -1}, "rank")["x"].tolist() == [0, 1, 0.5]


def test_human_development_goalposts():
    """UNDP's technical notes: income of 3829 between 100 and 75000 in logs gives 0.5506."""
    income = pd.DataFrame({"income": np.log([3829.0, 10.0])})
    posts = {"income": (np.log(100), np.log(75000))}
    scaled = index.normalise(income, method="goalposts", goalposts=posts)["income"]
    assert round(scaled.iloc[0], 4) == 0.5506
    assert scaled.iloc[1] == 0  # below the lower post


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: index.normalise(pd.DataFrame({"x": [1.0, 1.0]})), "x is constant"),
        (lambda: index.normalise(pd.DataFrame({"x": [1.0, np.nan]})), "x has missing"),
        (lambda: index.normalise(indicators(), method="log"), "unknown normalisation"),
        (lambda: index.normalise(indicators(), {"x": 2}), "x has direction 2"),
        (lambda: index.normalise(indicators(), method="goalposts"), "x has no goalposts"),
        (
            lambda: index.normalise(
                indicators(), method="goalposts", goalposts=dict.fromkeys("xyz", (1, 1))
            ),
            "not in order",
        ),
        (lambda: index.entropy_weights(indicators(), -0.1), "must not be negative"),
        (lambda: index.entropy_weights(-indicators()), "is negative"),
        (lambda: index.entropy_weights(indicators().iloc[:1]), "one row only"),
        (
            lambda: index.entropy_weights(pd.DataFrame({"x": [0.0, 0.0], "y": [0.0, 1.0]}), 0.0),
            "zero throughout",
        ),
        (
            lambda: index.entropy_weights(pd.DataFrame({"x": [1.0, 1.0], "y": [2.0, 2.0]})),
            "do not differ",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(EstimationError, match=message):
        call()


# --- entropy ---


def test_entropy_weights_by_hand():
    """Shares (1/2, 1/4, 1/4) and (1, 0, 0): entropies 1.5 ln 2 / ln 3 and 0."""
    frame = pd.DataFrame({"u": [2.0, 1.0, 1.0], "v": [3.0, 0.0, 0.0]})
    weights = index.entropy_weights(frame, shift=0.0)
    first = 1 - 1.5 * np.log(2) / np.log(3)
    assert weights["u"] == pytest.approx(first / (first + 1))
    assert weights["v"] == pytest.approx(1 / (first + 1))


def test_the_shift_can_reverse_two_weights():
    frame = pd.DataFrame({"u": [0, 1, 1, 1, 1.0], "v": [0, 0.5, 0.5, 0.5, 1]})
    small, large = index.entropy_weights(frame, 1e-4), index.entropy_weights(frame, 1.0)
    assert small["v"] > small["u"] and large["u"] > large["v"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1e-4, 0.01, 1.0]))
def test_entropy_weights_properties(seed, shift):
    raw = indicators(seed)
    weights = index.entropy_weights(index.normalise(raw), shift)
    assert weights.sum() == pytest.approx(1) and (weights >= -1e-12).all()
    shuffled = index.entropy_weights(index.normalise(raw.sample(frac=1, random_state=0)), shift)
    assert shuffled.to_numpy() == pytest.approx(weights.to_numpy())
    rescaled = index.entropy_weights(index.normalise(raw * [1, 1000, 0.01] + [5, 0, 2]), shift)
    assert rescaled.to_numpy() == pytest.approx(weights.to_numpy(), rel=1e-6)
    twin = index.entropy_weights(index.normalise(raw.assign(w=raw["x"])), shift)
    assert twin["w"] == pytest.approx(twin["x"])


# --- the index ---


def test_arithmetic_index_by_hand(tree):
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 2.0], "z": [0.0, 1.0, 4.0]})
    built = index.build(frame, tree, weights="equal")
    # a: mean of x and reversed y is one half in every row; b: z itself
    assert built.scores["a"].tolist() == [50, 50, 50]
    assert built.scores["b"].tolist() == [0, 25, 100]
    assert built.scores["index"].tolist() == [25, 37.5, 75]


def test_geometric_mean_of_three_dimensions(tree):
    """The human development index is the cube root of a product; here with unequal weights."""
    values = pd.DataFrame({"x": [0.5], "z": [0.8]})
    joined = index.aggregate(values, pd.Series({"x": 1.0, "z": 3.0}), "geometric")
    assert joined.iloc[0] == pytest.approx(0.5**0.25 * 0.8**0.75)
    with pytest.raises(EstimationError, match="positive"):
        index.build(indicators(), tree, aggregation="geometric", shift=0.0)


def test_names_that_do_not_match(tree):
    with pytest.raises(EstimationError, match="lacks indicators z"):
        index.build(indicators().drop(columns="z"), tree)
    with pytest.raises(EstimationError, match="unknown indicators w"):
        index.build(indicators().assign(w=1.0), tree)
    with pytest.raises(EstimationError, match="unknown choice 'magic'"):
        index.build(indicators(), tree, weights="magic")


def test_the_log_builds_the_same_index_again(paper_tree):
    values = np.exp(np.random.default_rng(1).normal(size=(12, 61)))
    drawn = pd.DataFrame(values, columns=paper_tree.leaves())
    built = index.build(drawn, paper_tree, shift=0.01, aggregation="geometric")
    again = index.build(drawn, paper_tree, **built.log)
    pd.testing.assert_frame_equal(built.scores, again.scores, check_exact=True)
    assert built.weights.sum() == pytest.approx(1) and "shift = 0.01" in repr(built)
