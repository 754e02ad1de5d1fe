"""Effects of a treatment that may take any value and change more than once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftz.errors import EstimationError, no_column
from ftz.panel import Panel, numeric
from ftz.results import Result


@dataclass(frozen=True, kw_only=True, repr=False)
class SwitchersResult(Result):
    """Effects of a first change of treatment, by periods since.

    Attributes
    ----------
    table : pandas.DataFrame
        Indexed by horizon, one for the period of the change: ``effect``, ``std_error``
        (cluster bootstrap over units; NaN if none was asked for) and ``switchers``.
    """

    table: pd.DataFrame
    nobs: int
    title: str


def switchers(
    frame: pd.DataFrame | Panel,
    outcome: str = "",
    treatment: str = "",
    *,
    horizons: int = 1,
    draws: int = 0,
    seed: int | np.random.Generator | None = None,
    **roles: Any,
) -> SwitchersResult:
    """Compare units whose treatment changes with those of the same start that have not yet.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a unit and period, balanced or not.
    outcome, treatment : str
        Numeric columns; the treatment may take any values and go up and down.  The
        outcome may be missing where the treatment is known: that row still tells when
        the treatment changed.
    horizons : int
        How many periods from the change on.
    draws : int
        Bootstrap draws of units for the standard errors; none by default.
    seed : int or numpy.random.Generator, optional
        Needed where units are drawn.
    **roles
        Of :class:`ftz.panel.Panel`.

    Returns
    -------
    SwitchersResult
        Effects in units of the outcome, with the sign turned where treatment fell.

    Raises
    ------
    EstimationError
        Missing columns or values, keys that stand twice, a constant outcome, no unit whose
        treatment changes, or a horizon at which no switcher has a control.

    Notes
    -----
    De Chaisemartin and D'Haultfoeuille (2024), "Difference-in-differences estimators of
    intertemporal treatment effects": the estimator of the effect of having been exposed to
    a changed treatment for so many periods, without controls, units weighted equally.  A
    unit whose treatment later crosses its starting value is kept up to that period.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": list("aabbcc"), "year": [1, 2] * 3})
    >>> frame = frame.assign(d=[0, 1, 0, 0, 0, 0], y=[0, 3, 0, 1, 1, 1])
    >>> float(switchers(frame, "y", "d").table.loc[1, "effect"])
    2.5
    """
    panel = Panel.of(frame, treatment=treatment, **roles)
    outcome, treatment = outcome or panel.outcome, panel.treatment or treatment
    panel.need("treatment")
    # The outcome may have holes, which Panel refuses in an outcome; so it is taken apart.
    values = numeric(panel.frame[outcome]) if outcome in panel.frame else None
    if values is None:
        raise no_column([outcome], panel.frame.columns)
    if np.isinf(values).any():
        raise EstimationError(f"infinite values in {outcome}")
    if pd.Series(values).nunique() < 2:
        raise EstimationError(f"{outcome} is constant")
    if horizons < 1:
        raise EstimationError(f"horizons must be at least 1, not {horizons}")
    if draws and seed is None:
        raise EstimationError("units have to be drawn: pass a seed")
    plain = panel.with_(outcome="").plain().assign(y=values)
    y, d = (plain.pivot(index="u", columns="t", values=c).to_numpy(float) for c in ("y", "d"))
    start, change, sign, end = _paths(d)
    if not np.isfinite(change).any():
        raise EstimationError(f"{treatment} changes in no {panel.unit}")
    pieces = [_pieces(y, start, change, sign, end, h) for h in range(1, horizons + 1)]
    for h, effects in enumerate(pieces, start=1):
        if not np.isfinite(effects).any():
            raise EstimationError(f"no {panel.unit} whose {treatment} changed has a control {h} on")
    errors = np.full(horizons, np.nan)
    if draws:
        rng = np.random.default_rng(seed)
        drawn = [
            _resampled(y, start, change, sign, end, horizons, rng.integers(len(y), size=len(y)))
            for _ in range(draws)
        ]
        errors = np.nanstd(drawn, axis=0, ddof=1)
    table = pd.DataFrame(
        {
            "effect": [float(np.nanmean(e)) for e in pieces],
            "std_error": errors,
            "switchers": [int(np.isfinite(e).sum()) for e in pieces],
        },
        index=pd.RangeIndex(1, horizons + 1, name="horizon"),
    )
    return SwitchersResult(
        table=table,
        nobs=len(panel.frame),
        title=f"first change of {treatment}: effect on {outcome}",
    )


def _paths(d: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return each unit's first treatment, the column of its first change, the sign, its end."""
    n, periods = d.shape
    start = np.full(n, np.nan)
    change, end = np.full(n, np.inf), np.full(n, float(periods))
    sign = np.zeros(n)
    for i, row in enumerate(d):
        seen = np.flatnonzero(np.isfinite(row))
        start[i] = row[seen[0]]
        moved = seen[row[seen] != start[i]]
        if len(moved):
            change[i], sign[i] = moved[0], np.sign(row[moved[0]] - start[i])
            crossed = moved[np.sign(row[moved] - start[i]) == -sign[i]]
            if len(crossed):
                end[i] = crossed[0]
    return start, change, sign, end


def _pieces(
    y: np.ndarray,
    start: np.ndarray,
    change: np.ndarray,
    sign: np.ndarray,
    end: np.ndarray,
    horizon: int,
) -> np.ndarray:
    """Return each switcher's signed difference in differences, NaN where there is none."""
    effects = np.full(len(y), np.nan)
    keys = {(c, s) for c, s in zip(change, start, strict=True) if 1 <= c < np.inf}
    for first, base in sorted(keys):
        before, after = int(first) - 1, int(first) - 1 + horizon
        if after >= y.shape[1]:
            continue
        moves = y[:, after] - y[:, before]
        usable = np.isfinite(moves)
        clean = usable & (start == base) & (change > after)
        mine = usable & (start == base) & (change == first) & (after < end)
        if clean.any():
            effects[mine] = sign[mine] * (moves[mine] - moves[clean].mean())
    return effects


def _resampled(
    y: np.ndarray,
    start: np.ndarray,
    change: np.ndarray,
    sign: np.ndarray,
    end: np.ndarray,
    horizons: int,
    rows: np.ndarray,
) -> list[float]:
    found = []
    for h in range(1, horizons + 1):
        effects = _pieces(y[rows], start[rows], change[rows], sign[rows], end[rows], h)
        found.append(float(np.nanmean(effects)) if np.isfinite(effects).any() else np.nan)
    return found
