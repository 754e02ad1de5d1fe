"""What least squares with unit and period effects needs: the effects' span, and clear refusals.

By the theorem of Frisch and Waugh (1933) and Lovell (1963) a regression on residuals has
the slopes of the regression with all dummies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ftz.errors import EstimationError, no_column

#: Numbers in a basis of effects, no more than this (about two gigabytes).
_LARGEST = 250_000_000


def require(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a frame that lacks columns, or has holes in numeric ones, naming them."""
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise no_column(missing, frame.columns)
    numbers = frame[list(columns)].select_dtypes("number")
    bad = numbers.columns[~np.isfinite(numbers.to_numpy(float)).all(axis=0)]
    if len(bad):
        raise EstimationError(
            f"missing or infinite values in {', '.join(bad)}: drop or impute these rows first"
        )


def effect_dummies(frame: pd.DataFrame, unit: str = "city", time: str = "year") -> np.ndarray:
    """Return an orthonormal basis of the unit and period effects, n rows.

    The basis is exact on an unbalanced panel, where demeaning once by unit and
    once by period is not.
    """
    units = pd.factorize(frame[unit], sort=True)[0]
    return effect_basis(units, pd.factorize(frame[time], sort=True)[0])


def effect_basis(units: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return :func:`effect_dummies` from the numbers of unit and period of each row.

    Unit dummies are orthogonal as they are; only the periods need a decomposition,
    after their unit means are removed.  So many units cost little.

    Raises
    ------
    EstimationError
        If the basis would not fit into memory.
    """
    if len(units) * (units.max() + 1) > _LARGEST:
        raise EstimationError(
            f"{len(units):,} rows of {units.max() + 1:,} units are too many for this method, which "
            "keeps a column a unit; ftz.did.twfe estimates them"
        )
    by_unit = np.zeros((len(units), units.max() + 1))
    by_unit[np.arange(len(units)), units] = 1 / np.sqrt(np.bincount(units))[units]
    return np.hstack([by_unit, _period_basis(units, periods)])


def nuisance_basis(
    frame: pd.DataFrame, controls: Sequence[str] = (), unit: str = "city", time: str = "year"
) -> np.ndarray:
    """Return an orthonormal basis of unit effects, period effects and controls, n rows.

    Raises
    ------
    EstimationError
        If a control lies in the span of the effects, or controls are collinear.
    """
    effects = effect_dummies(frame, unit, time)
    return add_controls(effects, frame[list(controls)].to_numpy(float), controls, unit, time)


def add_controls(
    effects: np.ndarray, values: np.ndarray, names: Sequence[str], unit: str, time: str
) -> np.ndarray:
    """Add the controls, n rows, to an orthonormal basis of the effects."""
    if not values.shape[1]:
        return effects
    within = values - effects @ (effects.T @ values)
    size = np.linalg.norm(within, axis=0)
    if (size < 1e-9 * np.linalg.norm(values, axis=0)).any():
        raise EstimationError("a control does not vary once the effects are removed")
    left, singular, _ = np.linalg.svd(within / size, full_matrices=False)
    if singular[-1] < 1e-8:
        raise EstimationError(f"{', '.join(names)} are collinear within {unit} and {time}")
    return np.hstack([effects, left])


def project(
    frame: pd.DataFrame, columns: Sequence[str], unit: str = "city", time: str = "year"
) -> pd.DataFrame:
    """Return the residuals of ``columns`` after unit and period effects.

    By the theorem of Frisch and Waugh (1933) and Lovell (1963) a regression on
    these residuals has the slopes of the regression with all dummies.
    """
    require(frame, [unit, time, *columns])
    units, periods = (pd.factorize(frame[key], sort=True)[0] for key in (unit, time))
    values = _demean(frame[list(columns)].to_numpy(float), units)
    basis = _period_basis(units, periods)
    return pd.DataFrame(
        values - basis @ (basis.T @ values), index=frame.index, columns=list(columns)
    )


def _demean(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Subtract unit means, column by column, without a matrix of dummies."""
    counts = np.bincount(units)
    means = np.column_stack([np.bincount(units, weights=v) / counts for v in values.T])
    within: np.ndarray = values - means[units]
    return within


def _period_basis(units: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what the period dummies add to the unit dummies."""
    dummies = (periods[:, None] == np.arange(periods.max() + 1)).astype(float)
    left, singular, _ = np.linalg.svd(_demean(dummies, units), full_matrices=False)
    return left[:, singular > 1e-9 * np.sqrt(len(units))]


def check_design(frame: pd.DataFrame, slopes: Sequence[str], unit: str, time: str) -> None:
    """Refuse designs that least squares cannot answer, naming the column at fault."""
    if frame[unit].nunique() < 2:
        raise EstimationError(f"one {unit} only: clustering and effects need at least two")
    within = project(frame, slopes, unit, time)
    total = frame[list(slopes)].to_numpy(float).std(axis=0)
    for column, scale in zip(slopes, total, strict=True):
        if scale == 0 or within[column].std() < 1e-9 * max(scale, 1e-300):
            raise EstimationError(
                f"{column} does not vary within {unit} and {time} once their effects are "
                "removed, so its coefficient is not identified"
            )
    normed = within.to_numpy() / within.to_numpy().std(axis=0)
    if np.linalg.svd(normed, compute_uv=False)[-1] < 1e-8:
        raise EstimationError(f"{', '.join(slopes)} are collinear within {unit} and {time}")
