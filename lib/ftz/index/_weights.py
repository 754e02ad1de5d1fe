r"""Weights from a tree, from experts, or from the spread of the indicators themselves.

The data-driven weights give an indicator the more, the more it varies (``entropy``,
``cv``, ``sd``), the more it varies and disagrees with the others (``critic``), or the
more it agrees with them (``pca``).  Importance enters none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.index._preparation import constant_columns, require_numbers
from ftz.index._tree import IndexTree

#: Weights that need no data, and weights that are computed from it.
FROM_TREE = ("equal", "flat", "expert")
FROM_DATA = ("entropy", "critic", "pca", "cv", "sd")
WEIGHTS = (*FROM_TREE, *FROM_DATA)


def entropy_weights(normalised: pd.DataFrame, shift: float = 1e-4) -> pd.Series:
    r"""Return entropy weights (熵值法) of indicators on [0, 1].

    With shares :math:`p_{ij} = (z_{ij} + s) / \sum_i (z_{ij} + s)` and entropies
    :math:`e_j = -\sum_i p_{ij} \ln p_{ij} / \ln n`, the weights are proportional to
    :math:`1 - e_j`.

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
        As :func:`ftz.index.data_weights`.

    Notes
    -----
    Shannon (1948) for entropy.
    """
    return data_weights(normalised, "entropy", shift)


def _divergences(values: np.ndarray, shift: float) -> np.ndarray:
    """Return one minus the normalised entropy of each column; the arithmetic alone."""
    shifted = values + shift
    shares = shifted / shifted.sum(axis=0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    divergence: np.ndarray = 1 + (shares * logs).sum(axis=0) / np.log(len(shares))
    return np.where(constant_columns(values), 0.0, divergence)


def _critic(values: np.ndarray) -> np.ndarray:
    conflict = (1 - np.corrcoef(values, rowvar=False)).sum(axis=0)
    return np.asarray(values.std(axis=0) * conflict)


def _pca(values: np.ndarray) -> np.ndarray:
    _, vectors = np.linalg.eigh(np.corrcoef(values, rowvar=False))
    return np.asarray(vectors[:, -1] ** 2)


_RAW: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "critic": _critic,
    "pca": _pca,
    "cv": lambda values: values.std(axis=0) / values.mean(axis=0),
    "sd": lambda values: values.std(axis=0),
}


def data_weights(normalised: pd.DataFrame, method: str, shift: float = 1e-4) -> pd.Series:
    r"""Return weights computed from the normalised indicators.

    Parameters
    ----------
    normalised : pandas.DataFrame
        n rows by m indicators.
    method : {"entropy", "critic", "pca", "cv", "sd"}
        ``entropy``: see :func:`ftz.index.entropy_weights`.  ``critic``: standard deviation
        times :math:`\sum_k (1 - r_{jk})` (Diakoulaki, Mavrotas and Papayannakis 1995).
        ``pca``: squared loadings on the first principal component of the correlation
        matrix (OECD and JRC 2008, step 6).  ``cv``: standard deviation over mean.  ``sd``:
        standard deviation.
    shift : float
        Of the entropy weights.

    Returns
    -------
    pandas.Series
        m weights that sum to one.

    Raises
    ------
    EstimationError
        An unknown method, a negative shift, missing values, one row only, an indicator that
        cannot be weighted by the method, or indicators that do not differ.

    Examples
    --------
    >>> two = pd.DataFrame({"steady": [0.4, 0.6], "wild": [0.0, 0.6]})
    >>> data_weights(two, "sd").round(2).to_dict()
    {'steady': 0.25, 'wild': 0.75}
    """
    one_of("weights", method, FROM_DATA)
    if shift < 0:
        raise EstimationError(f"the shift must not be negative, and is {shift}")
    require_numbers(normalised)
    names = [f"indicator {name}" for name in normalised.columns]
    raw = raw_weights(normalised.to_numpy(float), names, method, shift)
    return pd.Series(raw / raw.sum(), index=normalised.columns, name="weight")


def raw_weights(
    values: np.ndarray, names: Sequence[str], method: str, shift: float, where: str = ""
) -> np.ndarray:
    """Return data-driven weights before they are scaled to one; refuse columns that have none."""
    if values.shape[1] == 1:
        return np.ones(1)
    if len(values) < 2:
        raise EstimationError(f"{names[0]} has one row only{where}: {method} needs several")
    low, high = values.min(axis=0), values.max(axis=0)
    if method == "entropy":
        wrong, problem = low < 0, "is negative: entropy weights need values from zero to one"
        if not wrong.any():
            wrong, problem = high + shift == 0, "is zero throughout"
    elif method == "cv":
        wrong, problem = values.mean(axis=0) <= 0, "has a mean that is not positive"
    else:
        wrong, problem = constant_columns(values), f"is constant: {method} has no weight for it"
    if wrong.any():
        raise EstimationError(f"{names[int(np.argmax(wrong))]} {problem}{where}")
    raw = _divergences(values, shift) if method == "entropy" else _RAW[method](values)
    if not raw.sum() > 1e-12:
        raise EstimationError(
            f"{', '.join(names[:3])} do not differ{where}: {method} weights do not exist"
        )
    return np.asarray(np.maximum(raw, 0.0))


# --- shares among siblings ----------------------------------------------------------------------


def tree_shares(
    tree: IndexTree, method: str, expert: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the share of each node among its siblings, from the tree alone.

    Parameters
    ----------
    method : {"equal", "flat", "expert"}
        ``equal``: siblings weigh the same.  ``flat``: every indicator weighs the same, so
        a node weighs as much as it has indicators.  ``expert``: the numbers of ``expert``,
        scaled to one among siblings; siblings of which none is named weigh the same.

    Raises
    ------
    EstimationError
        An unknown method, or an expert weight that is missing among named siblings,
        negative, of no node, or zero for all siblings; the node is named.
    """
    if method == "equal":
        raw = dict.fromkeys(tree.nodes.index, 1.0)
    elif method == "flat":
        raw = {n: float(len(tree.leaves(n))) for n in tree.nodes.index}
    elif method == "expert":
        raw = _expert(tree, expert or {})
    else:
        raise EstimationError(f"unknown weights {method!r}: use {', '.join(FROM_TREE)}")
    return among_siblings(tree, raw)


def _expert(tree: IndexTree, expert: Mapping[str, float]) -> dict[str, float]:
    strange = set(expert) - set(tree.nodes.index)
    if strange:
        raise EstimationError(f"expert weights name {min(strange)!r}, which is not in the tree")
    raw: dict[str, float] = {}
    for parent in ("", *tree.nodes.index):
        below = tree.children(parent)
        if not any(child in expert for child in below):
            raw |= dict.fromkeys(below, 1.0)
            continue
        for child in below:
            if child not in expert or not expert[child] >= 0:
                raise EstimationError(
                    f"node {child} needs an expert weight of zero or more, as its siblings have"
                )
            raw[child] = float(expert[child])
        if sum(raw[child] for child in below) == 0:
            raise EstimationError(f"expert weights under {parent or 'the index'} are all zero")
    return raw


def among(names: Sequence[str], raw: Sequence[Any]) -> dict[str, Any]:
    """Return siblings' shares of their total, numbers or one a row; of no total, alike."""
    total, even = sum(raw), 1.0 / max(len(names), 1)
    if not np.ndim(total):
        return {n: r / total if total > 0 else even for n, r in zip(names, raw, strict=True)}
    safe = np.where(total > 0, total, 1.0)
    return {n: np.where(total > 0, r / safe, even) for n, r in zip(names, raw, strict=True)}


def among_siblings(tree: IndexTree, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shares of all nodes; see :func:`among`."""
    shares: dict[str, Any] = {}
    for parent in ("", *tree.nodes.index):
        below = tree.children(parent)
        shares |= among(below, [raw[child] for child in below])
    return shares


def down(tree: IndexTree, shares: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weight of every node in the whole: the product of shares down to it."""
    weight: dict[str, Any] = {"": 1.0}
    for node, parent in tree.downwards:
        weight[node] = weight[parent] * shares[node]
    return weight


def leaf_weights(tree: IndexTree, shares: Mapping[str, float]) -> pd.Series:
    """Return the weight of each leaf in the whole."""
    weights = down(tree, shares)
    return pd.Series({leaf: weights[leaf] for leaf in tree.leaves()}, name="weight")


def reweighted(
    full: IndexTree, part: IndexTree, shares: Mapping[str, float], rule: str
) -> dict[str, float]:
    """Return shares on a partial tree, by an explicit rule.

    Parameters
    ----------
    full, part : IndexTree
        The whole tree and the part with indicators.
    shares : mapping
        Shares among siblings on the whole tree.
    rule : {"siblings", "all"}
        ``siblings``: what is missing leaves its weight to its siblings, so that each node
        keeps its place.  ``all``: it leaves it to every indicator that is there, in
        proportion.
    """
    if rule == "siblings":
        return among_siblings(part, {n: shares[n] for n in part.nodes.index})
    weights = leaf_weights(full, shares)
    total = {n: float(sum(weights[leaf] for leaf in part.leaves(n))) for n in part.nodes.index}
    return among_siblings(part, total)
