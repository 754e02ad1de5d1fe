"""What a two-way fixed-effects coefficient averages: cells, and two-by-two comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz._projection import check_design, span_of
from ftz._results import Result
from ftz.errors import EstimationError
from ftz.panel import Panel, on_panel


@dataclass(frozen=True, kw_only=True, repr=False)
class TwfeWeights(Result):
    """The weights that two-way fixed effects put on the effects of treated cells.

    Attributes
    ----------
    cells : pandas.DataFrame
        One row a treated cell: unit, period and ``weight``; the weights sum to one.
    estimate : float or None
        The coefficient, where an outcome was given.
    sigma_fe : float or None
        ``sigma_fe``: the smallest standard deviation of effects across treated cells with
        which the coefficient could be what it is though the average effect is zero.
    """

    no_interval = "weights follow from the design alone, which is given"

    cells: pd.DataFrame
    estimate: float | None
    sigma_fe: float | None
    title: str

    @property
    def n_negative(self) -> int:
        """Treated cells with a negative weight."""
        return int((self.cells["weight"] < 0).sum())

    @property
    def sum_negative(self) -> float:
        """Sum of the negative weights."""
        return float(self.cells["weight"].clip(upper=0).sum())

    @property
    def summary(self) -> pd.DataFrame:
        """Counts and sums in one column."""
        entries: dict[str, float | None] = {
            "treated cells": len(self.cells),
            "with a negative weight": self.n_negative,
            "sum of the negative weights": self.sum_negative,
            "largest weight": float(self.cells["weight"].max()),
        }
        if self.estimate is not None:
            entries |= {
                "coefficient": self.estimate,
                "spread of effects that could hide zero": self.sigma_fe,
            }
        return pd.Series(entries, name="weights").to_frame()


@on_panel("treatment", "controls")
def twfe_weights(panel: Panel) -> TwfeWeights:
    """Return the weights of treated cells in the coefficient of :func:`ftz.did.twfe`.

    If trends are parallel (and controls matter linearly), the coefficient's expectation is
    the sum of weights times effects.  Effects of cells with a negative weight enter with
    the wrong sign.

    Parameters
    ----------
    panel : Panel
        Or a frame, treatment and controls: see :func:`ftz.panel.on_panel`.  The treatment must
        not be negative; an outcome adds the coefficient and ``sigma_fe``.

    Raises
    ------
    EstimationError
        As :func:`ftz.did.twfe`; a negative treatment.

    Notes
    -----
    De Chaisemartin and D'Haultfoeuille (2020), theorem 1 and corollary 1 (one observation
    a cell): weights proportional to the treatment after effects and controls.
    """
    check_design(panel)
    d = panel.d
    if (d < 0).any():
        raise EstimationError(f"{panel.treatment} is negative somewhere: its cells have no weights")
    within = span_of(panel).residual(d)
    on = d > 0
    weights = (within * d)[on] / (within @ d)
    estimate = sigma_fe = None
    if panel.outcome:
        estimate = float(within @ panel.y / (within @ d))
        share = d[on] / d[on].sum()
        spread = np.sqrt(share @ np.square(weights / share - 1))
        sigma_fe = float(abs(estimate) / spread) if spread > 1e-12 else float("inf")
    cells = (
        panel.frame.loc[on, [panel.unit, panel.time]].assign(weight=weights).reset_index(drop=True)
    )
    return TwfeWeights(
        cells=cells,
        estimate=estimate,
        sigma_fe=sigma_fe,
        title=f"weights of the treated cells in two-way fixed effects: {panel.treatment}",
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class BaconDecomposition(Result):
    """A two-way fixed-effects coefficient as a weighted mean of two-by-two comparisons.

    Attributes
    ----------
    comparisons : pandas.DataFrame
        One row a comparison: ``kind``, ``treated`` (its cohort), ``control`` (a cohort, or
        NaN for never treated), ``weight``, ``estimate``.
    estimate : float
        Their weighted mean, the coefficient.
    """

    no_interval = "it takes a coefficient apart; the interval is that of twfe"

    comparisons: pd.DataFrame
    estimate: float
    title: str

    @property
    def summary(self) -> pd.DataFrame:
        """Weight and mean estimate by kind of comparison."""
        table = self.comparisons.assign(
            product=self.comparisons["weight"] * self.comparisons["estimate"]
        )
        sums = table.groupby("kind")[["weight", "product"]].sum()
        return pd.DataFrame(
            {"weight": sums["weight"], "estimate": sums["product"] / sums["weight"]}
        ).sort_values("weight", ascending=False)

    @property
    def forbidden_weight(self) -> float:
        """Weight on comparisons whose control is treated already."""
        kinds = self.comparisons["kind"].isin([LATER_EARLIER, ALWAYS])
        return float(self.comparisons.loc[kinds, "weight"].sum())

    @property
    def _head(self) -> str:
        return f"{self.title}: {self.estimate:.4f}"


NEVER = "treated against never treated"
EARLIER_LATER = "earlier against later"
LATER_EARLIER = "later against already treated"
ALWAYS = "treated against always treated"


@on_panel("outcome", "cohort", "controls", controlled=False)
def bacon(panel: Panel) -> BaconDecomposition:
    """Decompose the two-way fixed-effects coefficient into two-by-two comparisons.

    Parameters
    ----------
    panel : Panel
        Balanced; or a frame, outcome and cohort: see :func:`ftz.panel.on_panel`.

    Raises
    ------
    EstimationError
        Missing columns or values; an unbalanced panel; no treated unit, or nothing to
        compare it with.

    Notes
    -----
    Goodman-Bacon (2021), theorem 1.  Units treated from the first
    period on serve as controls only; they count as "always treated".
    """
    panel.need("outcome", "cohort")
    plain = panel.plain()
    wide = plain.pivot(index="u", columns="t", values="y")
    if wide.isna().any().any():
        raise EstimationError(
            "the decomposition needs a balanced panel: every unit once in every period"
        )
    starts = plain.groupby("u")["first"].first().to_numpy(float)
    starts[starts == 0] = np.inf
    periods = wide.columns.to_numpy(float)
    means, groups = _cohort_means(wide, starts)
    timing = [g for g in groups if periods[0] < g < np.inf]
    if not timing:
        raise EstimationError(
            f"{panel.cohort} names no {panel.unit} that is treated within the panel"
        )
    rows = _comparisons(means, groups, timing, periods)
    if not rows:
        raise EstimationError("all units are treated at once: there is nothing to compare")
    table = pd.DataFrame(rows, columns=["kind", "treated", "control", "weight", "estimate"])
    table["weight"] /= table["weight"].sum()
    for side in ("treated", "control"):
        table[side] = [np.nan if np.isnan(k) else panel.label(k) for k in table[side]]
    return BaconDecomposition(
        comparisons=table,
        estimate=float(table["weight"].to_numpy() @ table["estimate"].to_numpy()),
        title=f"{panel.outcome} by Goodman-Bacon's comparisons",
    )


def _cohort_means(
    wide: pd.DataFrame, starts: np.ndarray
) -> tuple[dict[float, np.ndarray], dict[float, float]]:
    """Return mean paths by first treated period, and each group's share of units."""
    means = {g: wide.to_numpy(float)[starts == g].mean(axis=0) for g in np.unique(starts)}
    return means, {g: float((starts == g).mean()) for g in np.unique(starts)}


def _comparisons(
    means: Mapping[float, np.ndarray],
    shares: Mapping[float, float],
    timing: Sequence[float],
    periods: np.ndarray,
) -> list[tuple[str, float, float, float, float]]:
    def change(group: float, after: np.ndarray, before: np.ndarray) -> float:
        return float(means[group][after].mean() - means[group][before].mean())

    rows = []
    for k in timing:
        after, before = periods >= k, periods < k
        treated_share = after.mean()
        for control in (g for g in means if not periods[0] < g < np.inf):
            kind, label = (NEVER, np.nan) if control == np.inf else (ALWAYS, control)
            weight = shares[k] * shares[control] * treated_share * (1 - treated_share)
            estimate = change(k, after, before) - change(control, after, before)
            rows.append((kind, k, label, weight, estimate))
        for j in (g for g in timing if g > k):
            late = periods >= j
            middle = after & ~late
            share_k, share_j = treated_share, late.mean()
            product = shares[k] * shares[j]
            early_weight = product * (share_k - share_j) * (1 - share_k)
            late_weight = product * share_j * (share_k - share_j)
            early = change(k, middle, before) - change(j, middle, before)
            rows.append((EARLIER_LATER, k, j, early_weight, early))
            rows.append(
                (
                    LATER_EARLIER,
                    j,
                    k,
                    late_weight,
                    change(j, late, middle) - change(k, late, middle),
                )
            )
    return rows
