"""Normalisation: indicators in firms, yuan and percent brought to one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.index._preparation import constant_columns, require_numbers

NORMALISATIONS = ("minmax", "zscore", "tscore", "rank", "goalposts", "distance", "none")
Posts = Mapping[str, tuple[float, float]]


def normalise(
    indicators: pd.DataFrame,
    directions: Mapping[str, int] | pd.Series | None = None,
    method: str = "minmax",
    *,
    goalposts: Posts | None = None,
    targets: Mapping[str, float] | None = None,
    by: Sequence[Any] | pd.Index | None = None,
) -> pd.DataFrame:
    """Bring indicators to one scale on which more is better.

    Parameters
    ----------
    indicators : pandas.DataFrame
        n unit-years by m indicators.
    directions : mapping, optional
        Indicator to +1 or -1; all +1 by default.
    method : {"minmax", "zscore", "tscore", "rank", "goalposts", "distance", "none"}
        ``minmax``, ``rank`` and ``goalposts`` give values in [0, 1].  ``zscore`` has mean 0
        and standard deviation 1; ``tscore`` is 0.5 + z/10, so 50 and 10 on a scale of one
        hundred.  ``distance`` is x over its target, or the target over x where less is
        better.  ``none`` takes values that stand on one scale already (1 - x where less is
        better).
    goalposts : mapping
        Indicator to (low, high) for ``"goalposts"``, as in the human development index.
    targets : mapping, optional
        Indicator to target for ``"distance"``; the best value observed by default.
    by : sequence of length n, optional
        Labels (years); each group is normalised by itself instead of all rows together.

    Raises
    ------
    EstimationError
        Missing values, a constant indicator, an unknown method, missing goalposts or
        goalposts that are not in order, a distance of values that are not positive; the
        indicator is named.

    Notes
    -----
    OECD and JRC (2008), step 5.
    """
    one_of("normalisation", method, NORMALISATIONS)
    require_numbers(indicators)
    names = list(indicators.columns)
    signs = _signs(names, {} if directions is None else dict(directions))
    posts = _posts(names, goalposts or {}) if method == "goalposts" else None
    values = indicators.to_numpy(float)
    if method == "distance" and (values <= 0).any():
        name = names[int(np.argmax((values <= 0).any(axis=0)))]
        raise EstimationError(f"indicator {name} is not positive: a ratio to its target misleads")
    if by is None:
        _require_spread(values, names, method, "")
        scaled = _scaled(values, signs, names, method, posts, targets or {})
    else:
        scaled, labels = np.empty_like(values), np.asarray(by)
        for label in pd.unique(labels):
            rows = labels == label
            _require_spread(values[rows], names, method, f" in {label}")
            scaled[rows] = _scaled(values[rows], signs, names, method, posts, targets or {})
    return pd.DataFrame(scaled, index=indicators.index, columns=names)


def _signs(names: list[str], signs: Mapping[str, int]) -> np.ndarray:
    for name in names:
        if signs.get(name, 1) not in (1, -1):
            raise EstimationError(f"indicator {name} has direction {signs[name]}, neither 1 nor -1")
    return np.array([signs.get(name, 1) for name in names])


def _posts(names: list[str], goalposts: Posts) -> np.ndarray:
    for name in names:
        if name not in goalposts:
            raise EstimationError(f"indicator {name} has no goalposts")
        low, high = goalposts[name]
        if not low < high:
            raise EstimationError(f"goalposts of {name} are not in order: {low}, {high}")
    return np.array([goalposts[name] for name in names], dtype=float)


def _require_spread(values: np.ndarray, names: list[str], method: str, where: str) -> None:
    if method in ("goalposts", "none", "distance"):
        return
    flat = constant_columns(values)
    if flat.any():
        name = names[int(np.argmax(flat))]
        raise EstimationError(f"indicator {name} is constant{where}: it has no scale")


def _scaled(
    values: np.ndarray,
    signs: np.ndarray,
    names: list[str],
    method: str,
    posts: np.ndarray | None,
    targets: Mapping[str, float],
) -> np.ndarray:
    if method in ("zscore", "tscore"):
        z: np.ndarray = signs * (values - values.mean(axis=0)) / values.std(axis=0)
        return z if method == "zscore" else 0.5 + z / 10
    if method == "rank":
        ranks: np.ndarray = stats.rankdata(signs * values, axis=0)
        return (ranks - 1) / (len(values) - 1)
    if method == "distance":
        best = np.where(signs == 1, values.max(axis=0), values.min(axis=0))
        target = np.array([targets.get(n, b) for n, b in zip(names, best, strict=True)])
        distance: np.ndarray = np.where(signs == 1, values / target, target / values)
        return distance
    share = values
    if method == "minmax":
        low = values.min(axis=0)
        share = (values - low) / (values.max(axis=0) - low)
    elif posts is not None:  # goalposts
        share = ((values - posts[:, 0]) / (posts[:, 1] - posts[:, 0])).clip(0, 1)
    return np.where(signs == 1, share, 1 - share)
