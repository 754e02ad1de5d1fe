"""What least squares with unit and period effects needs: the effects' span, and clear refusals.

By the theorem of Frisch and Waugh (1933) and Lovell (1963) a regression on residuals has
the slopes of the regression with all dummies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ftz._kernel import ColumnSpace, Slope
from ftz.errors import EstimationError
from ftz.panel import Panel

#: Numbers in a basis of effects, no more than this (about two gigabytes).
_LARGEST = 250_000_000


def check_size(units: np.ndarray) -> None:
    """Refuse a panel of which a method that keeps a column a unit would fill the memory."""
    if len(units) * (units.max() + 1) > _LARGEST:
        raise EstimationError(
            f"{len(units):,} rows of {units.max() + 1:,} units are too many for this method, which "
            "keeps a column a unit; ftz.did.twfe estimates them"
        )


def span_of(panel: Panel) -> ColumnSpace:
    """Return the span of a panel's effects and controls."""
    return ColumnSpace.of(panel.units[0], panel.ranks, panel.x, panel.controls)


def slope_of(panel: Panel, bandwidth: int | None = None) -> Slope:
    """Return the regression of a panel's outcome on its treatment, ready for its variances.

    Raises
    ------
    EstimationError
        A treatment or control without variation within units and periods, collinear
        regressors, more parameters than observations.
    """
    check_design(panel)
    span = span_of(panel)
    within = span.residual(np.column_stack([panel.y, panel.d]))
    return Slope(within[:, [0]], within[:, 1], span, panel.clusters[0], panel.ranks - 1, bandwidth)


def project(
    frame: pd.DataFrame, columns: Sequence[str], unit: str = "city", time: str = "year"
) -> pd.DataFrame:
    """Return the residuals of ``columns`` after unit and period effects."""
    panel = Panel(frame=frame, controls=tuple(columns), unit=unit, time=time)
    within = ColumnSpace.of(panel.units[0], panel.ranks).residual(panel.x)
    return pd.DataFrame(within, index=frame.index, columns=list(columns))


def check_design(panel: Panel) -> tuple[ColumnSpace, np.ndarray]:
    """Return the effects, and treatment and controls after projection; refuse as below."""
    treated = [panel.treatment or "treated"] if panel.treatment or panel.cohort else []
    values = np.column_stack([*([panel.d] if treated else []), panel.x])
    span = ColumnSpace.of(panel.units[0], panel.ranks, weights=panel.w)
    names = [*treated, *panel.controls]
    return span, check_slopes(span, values, names, panel.unit, panel.time)


def check_slopes(
    span: ColumnSpace, values: np.ndarray, names: Sequence[str], unit: str, time: str
) -> np.ndarray:
    """Return regressors, shape (n, K), after projection.

    Raises
    ------
    EstimationError
        One that does not vary beside the span, by name, or collinear ones.
    """
    within = span.residual(values)
    total, spread = (np.array([column.std() for column in v.T]) for v in (values, within))
    for column, scale, left in zip(names, total, spread, strict=True):
        if scale == 0 or left < 1e-9 * max(scale, 1e-300):
            raise EstimationError(
                f"{column} does not vary within {unit} and {time} once their effects are "
                "removed, so its coefficient is not identified"
            )
    triangle = np.linalg.qr(within / spread, mode="r")  # with their singular values, and small
    if np.linalg.svd(triangle, compute_uv=False)[-1] < 1e-8:
        raise EstimationError(f"{', '.join(names)} are collinear within {unit} and {time}")
    return within
