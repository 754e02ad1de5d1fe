"""Aggregation: from values and weights to one number a row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.index._preparation import require_numbers

MEANS = ("arithmetic", "geometric", "harmonic")
OUTRANKING = ("topsis", "copeland")
AGGREGATIONS = (*MEANS, *OUTRANKING)


def aggregate(
    values: pd.DataFrame, weights: pd.Series, method: str = "arithmetic", lift: float = 0.0
) -> pd.Series:
    r"""Join columns into one number a row.

    Parameters
    ----------
    values : pandas.DataFrame
        n rows by k columns, more is better.
    weights : pandas.Series
        k weights, none negative; scaled to one here.
    method : {"arithmetic", "geometric", "harmonic", "topsis", "copeland"}
        Weighted means; TOPSIS, the distance to the worst row over that distance plus the
        distance to the best (Hwang and Yoon 1981); or the share of other rows that a row
        beats in a pairwise vote of the indicators, a tie counting half (Copeland's rule).
        Where all rows are equal, each gets one half.
    lift : float
        Added before a geometric or harmonic mean.

    Raises
    ------
    EstimationError
        An unknown method, names that do not match, missing values or weights, weights that
        are negative or all zero, and values that are not positive under a geometric or
        harmonic mean; the column and row are named.
    """
    one_of("aggregation", method, AGGREGATIONS)
    if set(values.columns) != set(weights.index):
        raise EstimationError("values and weights do not name the same columns")
    require_numbers(values)
    shares = weights[values.columns].to_numpy(float)
    if not np.isfinite(shares).all():
        name = values.columns[int(np.argmin(np.isfinite(shares)))]
        raise EstimationError(f"the weight of {name} is missing or infinite")
    if (shares < 0).any() or shares.sum() == 0:
        raise EstimationError("weights must not be negative, nor all zero")
    if method in ("geometric", "harmonic"):
        require_positive(values, lift, method)
    joined = join(values.to_numpy(float), shares / shares.sum(), method, lift)
    return pd.Series(joined, index=values.index)


def require_positive(values: pd.DataFrame, lift: float, method: str) -> None:
    """Refuse zeros under a mean that cannot take them, naming node and row."""
    low = values.min() + lift
    if (low <= 0).any():
        name = low.idxmin()
        row = values[name].idxmin()
        raise EstimationError(
            f"{name} is {values[name].min():g} in row {row}: a {method} mean needs positive "
            "values; give a lift (or shift) above zero"
        )


def join(values: np.ndarray, shares: np.ndarray, method: str, lift: float = 0.0) -> np.ndarray:
    """Join columns, the arithmetic alone; ``shares`` is (k,) or row by row (n, k)."""
    joined: np.ndarray
    if method == "arithmetic":
        joined = (values * shares).sum(axis=1)
    elif method == "geometric":
        joined = np.exp((np.log(values + lift) * shares).sum(axis=1))
    elif method == "harmonic":
        joined = 1.0 / (shares / (values + lift)).sum(axis=1)
    else:
        joined = _topsis(values, shares) if method == "topsis" else _copeland(values, shares)
    return joined


def _topsis(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    weighted = values * shares
    to_best = np.sqrt(((weighted - weighted.max(axis=0)) ** 2).sum(axis=1))
    to_worst = np.sqrt(((weighted - weighted.min(axis=0)) ** 2).sum(axis=1))
    apart = to_best + to_worst
    # Equal rows are the best and the worst at once.
    return np.asarray(to_worst / np.where(apart > 0, apart, 1) + 0.5 * (apart == 0))


def _copeland(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    shares = np.broadcast_to(shares, values.shape)
    votes = np.zeros((len(values), len(values)))
    for column, weight in zip(values.T, shares.T, strict=True):
        votes += weight[:, None] * np.sign(column[:, None] - column[None, :])
    wins = np.where(np.abs(votes) < 1e-12, 0.5, votes > 0)
    if len(values) == 1:
        return np.array([0.5])
    share: np.ndarray = (wins.sum(axis=1) - 0.5) / (len(values) - 1)  # a row ties with itself
    return share
