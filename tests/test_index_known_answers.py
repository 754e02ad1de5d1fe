"""The index against answers from outside: UNDP, COINr, scikit-criteria, Ishigami."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ftz import index
from ftz.errors import EstimationError
from ftz.index._coherence import _cronbach_alpha
from ftz.index._sensitivity import FactorialResult
from study import indicators

ANSWERS = Path(__file__).parent / "known_answers"
HEADER = "id,parent,level,name_en,name_zh,unit,type,direction,direction_is_our_reading,note\n"


def make_tree(tmp_path, *rows):
    """Write a tree from (id, parent, level[, direction]) and read it."""
    text = HEADER
    for name, parent, level, *rest in rows:
        text += f"{name},{parent},{level},{name},,%,level,{rest[0] if rest else 1},0,\n"
    path = tmp_path / "tree.csv"
    path.write_text(text, "utf-8")
    return indicators.load_tree(path)


# --- the human development index ---


@pytest.fixture
def hdi():
    return pd.read_csv(ANSWERS / "index_hdi.csv").set_index("dimension")


def test_income_index_of_the_human_development_report(hdi):
    row = hdi.loc["income"]
    frame = pd.DataFrame({"income": np.log([row["given"]])})
    posts = {"income": (np.log(row["low"]), np.log(row["high"]))}
    scaled = index.normalise(frame, method="goalposts", goalposts=posts)
    assert round(float(scaled["income"].iloc[0]), 4) == row["printed"]


def test_human_development_index_through_the_whole_pipeline(hdi, tmp_path):
    """One country: goalposts need no other unit; dimensions are joined geometrically."""
    tree = make_tree(
        tmp_path,
        ("health", "", 1), ("education", "", 1), ("income", "", 1),
        ("health_index", "health", 2), ("education_index", "education", 2), ("ln_gni", "income", 2),
    )  # fmt: skip
    row = hdi.loc["income"]
    frame = pd.DataFrame(
        {
            "health_index": [hdi.loc["health", "printed"]],
            "education_index": [hdi.loc["education", "printed"]],
            "ln_gni": [np.log(row["given"])],
        },
        index=pd.MultiIndex.from_tuples([("a country", 2019)], names=["unit", "year"]),
    )
    built = index.build(
        frame,
        tree,
        normalisation="goalposts",
        goalposts={
            "health_index": (0, 1),
            "education_index": (0, 1),
            "ln_gni": (np.log(row["low"]), np.log(row["high"])),
        },
        weights="equal",
        aggregation={1: "geometric"},
    )
    scores = built.scores.iloc[0]
    assert round(scores["income"] / 100, 4) == row["printed"]
    assert round(scores["index"] / 100, 3) == hdi.loc["index", "printed"]


# --- COINr's ASEM example ---


def test_coinr_asem_switzerland_adds_up(tmp_path):
    asem = pd.read_csv(ANSWERS / "index_asem.csv").set_index("node")["printed"]
    pillars = [n for n in asem.index if n.startswith("pillar")]
    tree = make_tree(
        tmp_path,
        ("connectivity", "", 1),
        ("sustainability", "", 1),
        *((p, "connectivity", 2) for p in pillars),
        ("all_of_it", "sustainability", 2),
    )
    row = asem[pillars].rename(None).to_dict() | {"all_of_it": asem["sustainability"]}
    built = index.build(
        pd.DataFrame([row]) / 100, tree, normalisation="none", weights="equal"
    ).scores.iloc[0]
    assert round(built["connectivity"], 2) == asem["connectivity"]
    # displayed numbers are rounded, so their mean is known to half a unit of the last digit
    assert built["index"] == pytest.approx(asem["index"], abs=0.0101)
    both = (asem["connectivity"] + asem["sustainability"]) / 2
    assert both == pytest.approx(asem["index"], abs=0.0051)


# --- scikit-criteria ---


def random_matrix(seed, n=13, m=6):
    return pd.DataFrame(np.random.default_rng(seed).beta(0.7, 1.3, (n, m)), columns=list("abcdef"))


@pytest.mark.parametrize("seed", range(5))
def test_entropy_weights_agree_with_scikit_criteria_also_on_zeros(seed):
    from skcriteria.preprocessing.weighters import entropy_weights

    scaled = index.normalise(random_matrix(seed))
    assert (scaled == 0).sum().eq(1).all()
    ours = index.entropy_weights(scaled, shift=0.0)
    assert ours.to_numpy() == pytest.approx(entropy_weights(scaled.to_numpy()), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_critic_and_deviation_weights_agree_with_scikit_criteria(seed):
    from skcriteria.preprocessing.weighters import critic_weights, std_weights

    scaled = index.normalise(random_matrix(seed))
    matrix = scaled.to_numpy()
    critic = critic_weights(matrix, np.ones(matrix.shape[1]), scale=False)
    assert index.data_weights(scaled, "critic").to_numpy() == pytest.approx(critic, rel=1e-12)
    # n or n - 1 in the deviation cancels in the weights
    assert index.data_weights(scaled, "sd").to_numpy() == pytest.approx(
        std_weights(matrix), rel=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_topsis_agrees_with_scikit_criteria(seed):
    from skcriteria.agg.topsis import topsis

    matrix = random_matrix(seed)
    weights = pd.Series(np.random.default_rng(seed + 100).dirichlet(np.ones(6)), matrix.columns)
    *_, closeness = topsis(matrix.to_numpy(), np.ones(6), weights.to_numpy())
    ours = index.aggregate(matrix, weights, "topsis")
    assert ours.to_numpy() == pytest.approx(closeness, rel=1e-12)


def test_critic_weights_by_hand():
    """Deviations 1/2, 1/2 and 1/4 (n in the divisor); correlations 0, 1 and 0."""
    frame = pd.DataFrame(
        {"u": [0.0, 1.0, 0.0, 1.0], "v": [0.0, 0.0, 1.0, 1.0], "w": [0.0, 0.5, 0.0, 0.5]}
    )
    raw = pd.Series({"u": 0.5 * (1 + 0), "v": 0.5 * 2, "w": 0.25 * (0 + 1)})
    found = index.data_weights(frame, "critic")
    assert found.to_numpy() == pytest.approx((raw / raw.sum()).to_numpy())


def test_principal_component_weights_by_hand():
    """Two correlated indicators share the first component equally; an independent one has none."""
    frame = pd.DataFrame({"u": [0, 0, 1, 1.0], "v": [0, 0.1, 0.9, 1.0], "w": [0, 1.0, 1.0, 0]})
    assert frame.corr().loc["u", "w"] == pytest.approx(0)
    found = index.data_weights(frame, "pca")
    assert found["w"] == pytest.approx(0, abs=1e-12)
    assert found["u"] == pytest.approx(0.5) and found["v"] == pytest.approx(0.5)


def test_cronbach_alpha_by_hand():
    """Variances 1, 1 and covariance 0.5: 2 (1 - 2/3); copies give one, opposites no sum."""
    u = np.array([-1.0, 1.0, -1.0, 1.0]) * np.sqrt(3 / 4)
    v = np.array([-1.0, -1.0, 1.0, 1.0]) * np.sqrt(3 / 4)
    frame = pd.DataFrame({"x": u, "y": 0.5 * u + np.sqrt(0.75) * v})
    assert _cronbach_alpha(frame) == pytest.approx(2 / 3)
    assert _cronbach_alpha(pd.DataFrame({"x": u, "y": u})) == pytest.approx(1)
    assert _cronbach_alpha(pd.DataFrame({"x": u, "y": v})) == pytest.approx(0, abs=1e-12)
    for columns, message in (({"x": u, "y": -u}, "does not vary"), ({"x": u}, "two indicators")):
        with pytest.raises(EstimationError, match=message):
            _cronbach_alpha(pd.DataFrame(columns))


def test_coherence_by_hand(tmp_path):
    tree = make_tree(
        tmp_path, ("a", "", 1), ("b", "", 1), ("x", "a", 2), ("y", "a", 2), ("z", "b", 2)
    )
    u, v = np.array([-1.0, 1, -1, 1]), np.array([-1.0, -1, 1, 1])
    found = index.coherence(pd.DataFrame({"x": u, "y": 0.6 * u + 0.8 * v, "z": v}), tree)
    assert found.loc["a"].tolist()[:4] == pytest.approx([2, 0.6, 0.4, 0.8])
    assert found.loc["b"].isna().tolist() == [False, True, False, False, True]


# --- the Ishigami function ---


def test_sobol_indices_of_the_ishigami_function():
    """sin x1 + a sin^2 x2 + b x3^4 sin x1 on [-pi, pi]^3 (Ishigami and Homma 1990).

    The variance falls into V1 = (1 + b pi^4/5)^2 / 2, V2 = a^2/8 and V13 = 8 b^2 pi^8 / 225.
    """
    a, b = 7.0, 0.1

    def ishigami(x):
        s = np.sin(x)
        return s[:, 0] + a * s[:, 1] ** 2 + b * x[:, 2] ** 4 * s[:, 0]

    one = (1 + b * np.pi**4 / 5) ** 2 / 2
    two, mixed = a**2 / 8, 8 * b**2 * np.pi**8 / 225
    whole = one + two + mixed
    bounds = dict.fromkeys(("x1", "x2", "x3"), (-np.pi, np.pi))
    found = index.sobol_indices(ishigami, bounds, 4096, seed=1).summary
    assert found["first"].tolist() == pytest.approx([one / whole, two / whole, 0], abs=0.02)
    total = [(one + mixed) / whole, two / whole, mixed / whole]
    assert found["total"].tolist() == pytest.approx(total, abs=0.02)
    # the textbook's rounded values
    assert [round(one / whole, 4), round(two / whole, 4)] == [0.3139, 0.4424]
    inside = (found["total_low"] <= total) & (total <= found["total_high"])
    assert inside.sum() >= 2


def test_the_cube_of_a_linear_function_by_hand():
    """y = x + 2z on {0, 1}^2: variances 1/4 and 1, no interaction."""
    rows = pd.MultiIndex.from_product([["0", "1"], ["0", "1"]], names=["x", "z"])
    table = FactorialResult(pd.Series([0.0, 2.0, 1.0, 3.0], index=rows))
    assert table.sobol.to_numpy() == pytest.approx(np.array([[0.2, 0.2], [0.8, 0.8]]))
    # at x = 0 the results are 0 and 2: the distribution is a quarter ahead at 0 and at 2
    assert table.pawn["largest"].tolist() == [0.25, 0.5]
