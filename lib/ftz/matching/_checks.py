"""What every estimator of the room asks of its input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ftz._refusals import no_column
from ftz.errors import EstimationError


def binary(frame: pd.DataFrame, treatment: str) -> pd.Series:
    """Return a column of 0 and 1 as bool."""
    values = pd.Series(numbers(frame, [treatment])[:, 0], frame.index, name=treatment)
    return as_groups(values)


def as_groups(treated: pd.Series) -> pd.Series:
    """Return treatment status as bool; refuse other values and empty groups."""
    values = treated.to_numpy()
    if values.dtype != bool:
        try:
            values = values.astype(float)
        except (TypeError, ValueError):
            values = np.full(len(treated), np.nan)
        if not ((values == 0) | (values == 1)).all():
            raise EstimationError("treatment status must be 0 or 1 in every row")
        values = values == 1
    if values.all() or not values.any():
        raise EstimationError(f"no {'controls' if values.any() else 'treated'} in the sample")
    if not treated.index.is_unique:
        raise EstimationError("the index has duplicates: reset_index() before matching")
    return pd.Series(values, treated.index, name=treated.name)


def aligned(score: pd.Series, treated: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return score and status on one index, finite and binary."""
    status = as_groups(treated)
    if score.index is not status.index and not score.index.equals(status.index):
        raise EstimationError("score and treatment status stand on different indexes")
    if not np.isfinite(score.to_numpy(float)).all():
        raise EstimationError("missing or infinite scores")
    return score.astype(float), status


def numbers(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return columns as a finite array."""
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise no_column(missing, frame.columns)
    values = frame[list(columns)].to_numpy(float)
    bad = [c for c, ok in zip(columns, np.isfinite(values).all(axis=0), strict=True) if not ok]
    if bad:
        raise EstimationError(f"missing or infinite values in {', '.join(bad)}")
    return values


def outcomes(outcome: pd.Series, index: pd.Index) -> pd.Series:
    """Return the outcome on the rows of a sample, finite."""
    y = outcome.reindex(index).astype(float)
    if not np.isfinite(y.to_numpy()).all():
        raise EstimationError("missing or infinite outcomes among the rows that were matched")
    return y


def generator(seed: int | np.random.Generator | None, what: str) -> np.random.Generator:
    """Return a generator; refuse randomness without a seed."""
    if seed is None:
        raise EstimationError(f"{what} needs a seed, so that the same call gives the same number")
    return np.random.default_rng(seed)


def effective_size(weights: np.ndarray) -> float:
    """Return how many equally weighted units would be as precise (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum())
