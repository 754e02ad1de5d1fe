"""Effects of a treatment that may take any value and change more than once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz._columns import numeric
from ftz._refusals import no_column
from ftz._results import CoefficientResult
from ftz.errors import EstimationError
from ftz.panel import Panel, on_panel


@dataclass(frozen=True, kw_only=True, repr=False)
class SwitchersResult(CoefficientResult):
    """Effects of a first change of treatment, by periods since, one for that of the change.

    Attributes
    ----------
    std_errors : pandas.Series
        From a cluster bootstrap over units; NaN if none was asked for.
    counts : pandas.Series
        Switchers behind each effect.
    """

    counts: pd.Series

    @property
    def table(self) -> pd.DataFrame:  # type: ignore[override]  # computed, not stored
        """Indexed by horizon; ``effect``, ``std_error`` and ``switchers``."""
        columns = {"effect": self.params, "std_error": self.std_errors, "switchers": self.counts}
        return pd.DataFrame(columns)


@on_panel("outcome", "treatment", "controls", controlled=False)
def switchers(
    panel: Panel,
    *,
    outcome: str = "",
    horizons: int = 1,
    draws: int = 0,
    seed: int | np.random.Generator | None = None,
) -> SwitchersResult:
    """Compare units whose treatment changes with those of the same start that have not yet.

    Parameters
    ----------
    panel : Panel
        Or a frame, outcome and treatment: see :func:`ftz.panel.on_panel`.  The treatment may
        take any values and go up and down.
    outcome : str, optional
        In the place of the panel's; it may be missing where the treatment is known: that row
        still tells when the treatment changed.
    horizons : int
        How many periods from the change on.
    draws : int
        Bootstrap draws of units for the standard errors; none by default.
    seed : int or numpy.random.Generator, optional
        Needed where units are drawn.

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
    >>> float(switchers(frame, "y", "d").params[1])
    2.5
    """
    panel.need("treatment")
    outcome, treatment = outcome or panel.outcome, panel.treatment or "treated"
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
    paths = _Paths.of(y, d)
    if not np.isfinite(paths.change).any():
        raise EstimationError(f"{treatment} changes in no {panel.unit}")
    pieces = paths.effects(horizons)
    for h, effects in enumerate(pieces, start=1):
        if not np.isfinite(effects).any():
            raise EstimationError(f"no {panel.unit} whose {treatment} changed has a control {h} on")
    errors = np.full(horizons, np.nan)
    if draws:
        rng = np.random.default_rng(seed)
        drawn = [
            [np.nanmean(e) if np.isfinite(e).any() else np.nan for e in again.effects(horizons)]
            for again in (paths.drawn(rng.integers(len(y), size=len(y))) for _ in range(draws))
        ]
        errors = np.nanstd(drawn, axis=0, ddof=1)
    index = pd.RangeIndex(1, horizons + 1, name="horizon")
    return SwitchersResult(
        params=pd.Series([float(np.nanmean(e)) for e in pieces], index),
        std_errors=pd.Series(errors, index),
        counts=pd.Series([int(np.isfinite(e).sum()) for e in pieces], index),
        nobs=len(panel.frame),
        title=f"first change of {treatment}: effect on {outcome}",
    )


@dataclass(frozen=True)
class _Paths:
    """By unit: outcomes, first treatment, column and sign of its first change, its end."""

    y: np.ndarray
    start: np.ndarray
    change: np.ndarray
    sign: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, d: np.ndarray) -> _Paths:
        n, periods = d.shape
        start, sign = np.full(n, np.nan), np.zeros(n)
        change, end = np.full(n, np.inf), np.full(n, float(periods))
        for i, row in enumerate(d):
            seen = np.flatnonzero(np.isfinite(row))
            start[i] = row[seen[0]]
            moved = seen[row[seen] != start[i]]
            if len(moved):
                change[i], sign[i] = moved[0], np.sign(row[moved[0]] - start[i])
                crossed = moved[np.sign(row[moved] - start[i]) == -sign[i]]
                if len(crossed):
                    end[i] = crossed[0]
        return cls(y, start, change, sign, end)

    def drawn(self, rows: np.ndarray) -> _Paths:
        return _Paths(*(values[rows] for values in vars(self).values()))

    def effects(self, horizons: int) -> list[np.ndarray]:
        """Return each switcher's signed difference in differences by horizon, or NaN."""
        return [self._effects(h) for h in range(1, horizons + 1)]

    def _effects(self, horizon: int) -> np.ndarray:
        effects = np.full(len(self.y), np.nan)
        keys = {(c, s) for c, s in zip(self.change, self.start, strict=True) if 1 <= c < np.inf}
        for first, base in sorted(keys):
            before, after = int(first) - 1, int(first) - 1 + horizon
            if after >= self.y.shape[1]:
                continue
            moves = self.y[:, after] - self.y[:, before]
            alike = np.isfinite(moves) & (self.start == base)
            clean = alike & (self.change > after)
            mine = alike & (self.change == first) & (after < self.end)
            if clean.any():
                effects[mine] = self.sign[mine] * (moves[mine] - moves[clean].mean())
        return effects
