r"""A composite index from a tree of indicators: normalise, weigh, aggregate.

The index of Yan, Ye and Wang has six first-level, twelve second-level and sixty-one
third-level indicators (Table 3).  Weights, signs, normalisation and aggregation are not
printed, so each is an argument here, and every result logs what was chosen.

The entropy weight method, in the form common in Chinese papers: with shares

.. math:: p_{ij} = \frac{z_{ij} + s}{\sum_i (z_{ij} + s)}, \qquad
          e_j = -\frac{1}{\ln n} \sum_i p_{ij} \ln p_{ij}, \qquad
          w_j = \frac{1 - e_j}{\sum_k (1 - e_k)},

over the *n* unit-years of the panel, an indicator weighs the more, the more unevenly
it is spread.  The shift *s* is there because the logarithm of zero does not exist; its
size is a choice that changes the weights and can reverse their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ftz.errors import EstimationError, RecordError
from ftz.paths import data_dir

NORMALISATIONS = ("minmax", "zscore", "rank", "goalposts")
WEIGHTS = ("entropy", "equal")
AGGREGATIONS = ("arithmetic", "geometric")
#: Type of a leaf to the rough size and spread of its simulated values.
_SIMULATED = {
    "count": (8.0, 0.9),
    "level": (7.0, 0.8),
    "share": (3.0, 0.35),
    "concentration": (3.2, 0.3),
    "per_firm": (0.5, 0.5),
    "per_head": (3.0, 0.5),
    "per_area": (2.0, 0.8),
}


# --- the tree -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class IndexTree:
    """Indicators in levels.

    Attributes
    ----------
    nodes : pandas.DataFrame
        Indexed by ``id``: ``parent`` (empty at the first level), ``level``, ``name_en``,
        ``name_zh``, ``unit``, ``type``, ``direction`` (+1 or -1).
    """

    nodes: pd.DataFrame

    def children(self, node: str) -> list[str]:
        """Return the nodes one level below; ``""`` is the index itself."""
        return self.nodes.index[self.nodes["parent"] == node].tolist()

    def leaves(self, node: str = "") -> list[str]:
        """Return the indicators under a node."""
        below = self.children(node)
        if not below:
            return [node]
        return [leaf for child in below for leaf in self.leaves(child)]

    @property
    def counts(self) -> dict[int, int]:
        """Number of nodes at each level."""
        return {int(k): int(v) for k, v in self.nodes["level"].value_counts().sort_index().items()}

    @property
    def directions(self) -> pd.Series:
        """+1 for indicators that raise the index, -1 for those that lower it."""
        return self.nodes.loc[self.leaves(), "direction"]


def load_tree(path: Path | None = None) -> IndexTree:
    """Read and check a tree of indicators.

    Parameters
    ----------
    path : path, optional
        A CSV file; the paper's Table 3 (``data/index/tree.csv``) by default.

    Raises
    ------
    RecordError
        An identifier that stands twice, an unknown parent, a parent at the wrong level,
        an inner node without children or an unknown direction; the node is named.
    """
    path = path or data_dir() / "index" / "tree.csv"
    nodes = pd.read_csv(path, dtype=str, keep_default_na=False)
    nodes["level"], nodes["direction"] = nodes["level"].astype(int), nodes["direction"].astype(int)
    _check_tree(nodes)
    return IndexTree(nodes.set_index("id"))


def _check_tree(nodes: pd.DataFrame) -> None:
    def refuse(wrong: pd.Series, problem: str) -> None:
        if wrong.any():
            raise RecordError(f"index tree: {nodes['id'][wrong].iloc[0]!r} {problem}")

    refuse(nodes["id"].duplicated(), "stands twice")
    levels = nodes.set_index("id")["level"]
    first = nodes["level"] == 1
    refuse(~first & ~nodes["parent"].isin(levels.index), "has a parent that is not in the tree")
    refuse(first & (nodes["parent"] != ""), "is at the first level and has a parent")
    above = nodes["parent"].map(levels).fillna(0)
    refuse(nodes["level"] != above + 1, "is not one level below its parent")
    inner = nodes["level"] < nodes["level"].max()
    refuse(inner & ~nodes["id"].isin(nodes["parent"]), "has no children")
    refuse(~nodes["direction"].isin([1, -1]), "has a direction that is neither 1 nor -1")


# --- normalisation ------------------------------------------------------------------------------


def _require_numbers(indicators: pd.DataFrame) -> None:
    for name in indicators.columns:
        values = indicators[name].to_numpy(float)
        if not np.isfinite(values).all():
            raise EstimationError(f"indicator {name} has missing or infinite values")


def normalise(
    indicators: pd.DataFrame,
    directions: Mapping[str, int] | pd.Series | None = None,
    method: str = "minmax",
    *,
    goalposts: Mapping[str, tuple[float, float]] | None = None,
) -> pd.DataFrame:
    """Bring indicators to one scale, pooled over all rows, so that more is better.

    Parameters
    ----------
    indicators : pandas.DataFrame
        n unit-years by m indicators.
    directions : mapping, optional
        Indicator to +1 or -1; all +1 by default.
    method : {"minmax", "zscore", "rank", "goalposts"}
        ``minmax``, ``rank`` and ``goalposts`` give values in [0, 1].
    goalposts : mapping
        Indicator to (low, high) for ``"goalposts"``, as in the human development index.

    Raises
    ------
    EstimationError
        Missing values, a constant indicator, an unknown method, missing goalposts or
        goalposts that are not in order; the indicator is named.
    """
    if method not in NORMALISATIONS:
        raise EstimationError(f"unknown normalisation {method!r}: use {', '.join(NORMALISATIONS)}")
    _require_numbers(indicators)
    signs = {} if directions is None else dict(directions)
    return pd.DataFrame(
        {
            name: _normalise_one(indicators[name], signs.get(name, 1), method, goalposts or {})
            for name in indicators.columns
        },
        index=indicators.index,
    )


def _normalise_one(
    values: pd.Series, sign: int, method: str, goalposts: Mapping[str, tuple[float, float]]
) -> pd.Series:
    if sign not in (1, -1):
        raise EstimationError(f"indicator {values.name} has direction {sign}, neither 1 nor -1")
    if method == "goalposts":
        if values.name not in goalposts:
            raise EstimationError(f"indicator {values.name} has no goalposts")
        low, high = goalposts[values.name]
        if not low < high:
            raise EstimationError(f"goalposts of {values.name} are not in order: {low}, {high}")
        share = ((values - low) / (high - low)).clip(0, 1)
        return share if sign == 1 else 1 - share
    if values.nunique() == 1:
        raise EstimationError(f"indicator {values.name} is constant: it has no scale")
    if method == "zscore":
        return sign * (values - values.mean()) / values.std(ddof=0)
    if method == "rank":
        return ((sign * values).rank() - 1) / (len(values) - 1)
    share = (values - values.min()) / (values.max() - values.min())
    return share if sign == 1 else 1 - share


# --- weights ------------------------------------------------------------------------------------


def entropy_weights(normalised: pd.DataFrame, shift: float = 1e-4) -> pd.Series:
    """Return entropy weights of indicators on [0, 1].

    Parameters
    ----------
    normalised : pandas.DataFrame
        n rows by m indicators, none negative.
    shift : float
        Added to every value before the logarithm: 0.0001, 0.01 and 1 are all in use.
        With ``shift=0``, zero shares count as 0 ln 0 = 0.

    Returns
    -------
    pandas.Series
        m weights that sum to one.

    Raises
    ------
    EstimationError
        A negative shift or value, one row only, or no spread in any indicator.

    Notes
    -----
    Shannon (1948) for entropy; equation in the head of this module.
    """
    if shift < 0:
        raise EstimationError(f"the shift must not be negative, and is {shift}")
    if len(normalised) < 2:
        raise EstimationError("entropy weights need at least two rows")
    _require_numbers(normalised)
    lowest = normalised.min()
    if (lowest < 0).any():
        raise EstimationError(
            f"indicator {lowest.idxmin()} is negative: entropy weights need min-max, rank or "
            "goalposts normalisation"
        )
    values = normalised.to_numpy(float) + shift
    totals = values.sum(axis=0)
    if (totals == 0).any():
        name = normalised.columns[int(np.argmin(totals))]
        raise EstimationError(f"indicator {name} is zero throughout")
    shares = values / totals
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    divergence = 1 + (shares * logs).sum(axis=0) / np.log(len(shares))
    if divergence.sum() <= 1e-12:
        raise EstimationError("no indicator is spread unevenly: entropy weights do not exist")
    return pd.Series(divergence / divergence.sum(), index=normalised.columns, name="weight")


def equal_weights(tree: IndexTree) -> pd.Series:
    """Return weights of the leaves when siblings weigh the same at every level."""
    weights: dict[str, float] = {}

    def descend(node: str, weight: float) -> None:
        below = tree.children(node)
        if not below:
            weights[node] = weight
        for child in below:
            descend(child, weight / len(below))

    descend("", 1.0)
    return pd.Series(weights, name="weight")


# --- the index ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class IndexResult:
    """An index with its sub-indices.

    Attributes
    ----------
    scores : pandas.DataFrame
        Unit-years by the first-level nodes and ``index``, times 100.
    weights : pandas.Series
        Weight of each leaf in the whole; sums to one.
    log : dict
        Every choice that was made, enough to build the index again.
    """

    scores: pd.DataFrame
    weights: pd.Series
    log: dict[str, object]

    def __repr__(self) -> str:
        chosen = ", ".join(f"{k} = {v}" for k, v in self.log.items())
        return f"Index of {len(self.weights)} indicators over {len(self.scores)} rows ({chosen})"


def build(
    indicators: pd.DataFrame,
    tree: IndexTree,
    *,
    normalisation: str = "minmax",
    weights: str = "entropy",
    shift: float = 1e-4,
    aggregation: str = "arithmetic",
) -> IndexResult:
    """Build the index and its first-level sub-indices.

    Parameters
    ----------
    indicators : pandas.DataFrame
        Unit-years by the leaves of the tree; further columns are refused.
    tree : IndexTree
    normalisation : {"minmax", "rank"}
        See :func:`normalise`; both give values in [0, 1].
    weights : {"entropy", "equal"}
    shift : float
        Of the entropy weights; it is also added before a geometric mean.
    aggregation : {"arithmetic", "geometric"}
        How indicators are joined within a sub-index and sub-indices in the whole.

    Raises
    ------
    EstimationError
        Names that do not match the tree, and whatever :func:`normalise` and
        :func:`entropy_weights` refuse.
    """
    leaves = tree.leaves()
    missing, strange = set(leaves) - set(indicators), set(indicators) - set(leaves)
    if missing or strange:
        word, names = ("lacks", missing) if missing else ("has unknown", strange)
        raise EstimationError(f"the panel {word} indicators {', '.join(sorted(names)[:5])}")
    for value, allowed in (
        (normalisation, ("minmax", "rank")),
        (weights, WEIGHTS),
        (aggregation, AGGREGATIONS),
    ):
        if value not in allowed:
            raise EstimationError(f"unknown choice {value!r}: use {' or '.join(allowed)}")
    scaled = normalise(indicators[leaves], tree.directions, normalisation)
    leaf_weights = entropy_weights(scaled, shift) if weights == "entropy" else equal_weights(tree)
    leaf_weights = leaf_weights[leaves]
    groups = {node: tree.leaves(node) for node in tree.children("")}
    scores = pd.DataFrame(
        {
            node: _join(scaled[names], leaf_weights[names], aggregation, shift)
            for node, names in groups.items()
        }
    )
    group_weights = pd.Series({node: leaf_weights[names].sum() for node, names in groups.items()})
    scores["index"] = _join(scores, group_weights, aggregation, 0.0)
    log = {
        "normalisation": normalisation,
        "weights": weights,
        "shift": shift,
        "aggregation": aggregation,
    }
    return IndexResult(100 * scores, leaf_weights, log)


def _join(values: pd.DataFrame, weights: pd.Series, aggregation: str, shift: float) -> pd.Series:
    shares = weights / weights.sum()
    if aggregation == "arithmetic":
        return values @ shares
    if ((values + shift) <= 0).any(axis=None):
        raise EstimationError("a geometric mean needs positive values: give a shift above zero")
    return np.exp(np.log(values + shift) @ shares)


# --- a simulated panel --------------------------------------------------------------------------


def simulate_indicators(
    tree: IndexTree, units: Sequence[str], periods: Sequence[int], seed: int
) -> pd.DataFrame:
    """Draw a SIMULATED panel of indicators: positive, trending, correlated within a unit.

    Each indicator is log-normal around a level that depends on its type, with an effect
    of the unit (shared in part by all indicators of a first-level node), a common trend
    and noise.  It stands for nothing measured.

    Parameters
    ----------
    units, periods : sequences
        G units and T periods; the result has G*T rows.
    seed : int
        Same seed, same numbers.

    Returns
    -------
    pandas.DataFrame
        Indexed by (unit, period), one column a leaf.
    """
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([units, periods], names=["city", "year"])
    trend = np.tile(np.linspace(-0.5, 0.5, len(periods)), len(units))
    columns = {}
    for group in tree.children(""):
        shared = rng.standard_normal(len(units))
        for leaf in tree.leaves(group):
            level, spread = _SIMULATED[tree.nodes.loc[leaf, "type"]]
            unit_effect = 0.7 * shared * tree.nodes.loc[leaf, "direction"]
            unit_effect = unit_effect + 0.7 * rng.standard_normal(len(units))
            drift = 0.4 * rng.uniform(-0.2, 1.0) * trend
            noise = 0.2 * rng.standard_normal(len(index))
            columns[leaf] = np.exp(
                level + spread * (np.repeat(unit_effect, len(periods)) + drift + noise)
            )
    return pd.DataFrame(columns, index=index)
