"""Inference when few units are treated and many are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ftz.errors import EstimationError, no_column
from ftz.inference._assignments import adoption_starts
from ftz.inference._projection import ProjectedPanel, prepare
from ftz.inference._randomisation import ENUMERATE_UP_TO
from ftz.panel import Panel, on_panel
from ftz.results import EffectResult, checked_level

#: Treated (or untreated) clusters at which cluster-robust methods are known to fail, and
#: up to which they disagree so much that none should be trusted alone.
_HOPELESS, _FEW = 2, 5


def caution(n_clusters: int, n_treated: int, few: int = _FEW) -> str:
    """Say in words what the number of treated clusters does to cluster-robust methods.

    Parameters
    ----------
    n_clusters, n_treated : int
    few : int
        Most clusters on one side that are worth a word.

    Returns
    -------
    str
        Empty where neither treated nor untreated clusters are few.

    Notes
    -----
    The words follow MacKinnon and Webb (2018): as treated clusters become fewer, the
    clustered t test and the unrestricted wild bootstrap reject too often, the restricted
    one too seldom, and the more so the fewer there are.

    Examples
    --------
    >>> caution(20, 2).split(".")[0], caution(20, 10)
    ('Caution: only 2 of 20 clusters are treated', '')
    """
    sides = ((n_treated, "treated"), (n_clusters - n_treated, "untreated"))
    least, kind = min((side for side in sides if side[0] > 0), default=(0, ""))
    if not 0 < least <= few:
        return ""
    have = f"Caution: only {least} of {n_clusters} clusters {'is' if least == 1 else 'are'} {kind}."
    if least <= _HOPELESS:
        return (
            f"{have} No method that relies on clustered standard errors is reliable here: the "
            "t test and the bootstrap without the null reject far too often, the bootstrap "
            "with it almost never. Use a randomisation test over paths, and say what it assumes."
        )
    return (
        f"{have} The t test and the bootstrap without the null reject too often, the bootstrap "
        "with it too seldom. Where they disagree, neither decides; compare a randomisation "
        "test over paths."
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class FewTreatedResult(EffectResult):
    """An estimate beside the noise that untreated units would have put in its place.

    The test needs no standard error: there is none.

    Attributes
    ----------
    errors : numpy.ndarray, shape (B,)
        Estimation errors drawn from the untreated: estimate minus truth.
    exact : bool
        Whether the draws are all combinations of untreated units.
    method : str
        ``Conley-Taber`` or ``Ferman-Pinto``.
    n_treated, n_donors : int
        Treated units, and untreated ones that were usable.
    scales : pandas.Series
        Standard deviation that the method gives each treated unit's error, relative to
        the mean untreated one; one throughout for Conley-Taber.
    """

    errors: np.ndarray
    exact: bool
    method: str
    n_treated: int
    n_donors: int
    scales: pd.Series

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p value of no effect; errors as large as the estimate, which counts too."""
        return pd.Series(self.p_value_at(0.0), self.params.index)

    def p_value_at(self, effect: float) -> float:
        """Return the two-sided p value of another effect."""
        gap = abs(self.estimate - effect)
        count = int(np.sum(np.abs(self.errors) >= gap * (1 - 1e-10)))
        return (1 + count) / (1 + len(self.errors))

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Return the effects whose p value is at least ``1 - level``.

        The test counts the errors that are as large as the gap between estimate and effect,
        whatever their sign: so the interval is symmetric about the estimate, and infinite
        where so few errors cannot give a p value that small.
        """
        alpha = 1 - checked_level(level)
        # so many errors must be as large as the gap for an effect to stay
        needed = int(np.ceil(alpha * (1 + len(self.errors)) - 1 - 1e-9))
        half = np.inf if needed < 1 else float(np.sort(np.abs(self.errors))[-needed])
        return self._interval(self.estimate - half, self.estimate + half)

    @property
    def summary(self) -> pd.DataFrame:
        """Estimate, p value and interval in one column."""
        lower, upper = self.conf_int().iloc[0]
        entries = {
            "coefficient": self.estimate,
            "p value": self.p_value,
            "95% interval, lower": lower,
            "95% interval, upper": upper,
            "treated units": self.n_treated,
            "untreated units used": self.n_donors,
        }
        return pd.Series(entries, name=self.method).to_frame()


@on_panel("outcome", "treatment", "controls")
def conley_taber(
    panel: Panel,
    *,
    seed: int | np.random.Generator | None = None,
    draws: int = 9_999,
    enumerate_up_to: int = ENUMERATE_UP_TO,
) -> FewTreatedResult:
    """Read the noise of few treated units off the untreated ones.

    The estimate's error is a weighted sum of the treated units' errors.  In their place
    the residual paths of untreated units are put, every combination of them or a random
    choice, with the weights of the treated.

    Parameters
    ----------
    panel : Panel
        As in :func:`ftz.did.twfe`.
    seed : int or numpy.random.Generator, optional
        Needed where combinations are drawn.
    draws, enumerate_up_to : int
        How many, and up to how many all are taken.

    Raises
    ------
    EstimationError
        As :func:`ftz.inference.placebo`; no treated unit; fewer than two untreated units
        that have every period in which the treated are observed.

    Notes
    -----
    Conley and Taber (2011); the paths of treated and untreated units must
    come from one distribution.  On an unbalanced panel an untreated unit can stand in for
    a treated one only if it has all its periods.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": list("aabbccdd"), "year": [1, 2] * 4})
    >>> frame = frame.assign(d=[0, 1] + [0] * 6, y=[0, 5, 0, 1, 1, 1, 0, 2])
    >>> result = conley_taber(frame, "y", "d")
    >>> round(result.estimate, 6), result.p_value
    (4.0, 0.25)
    """
    parts = _few_treated(panel)
    alike = np.ones(len(parts.treated))
    return _combine(parts, alike, "Conley-Taber", seed, draws, enumerate_up_to)


@on_panel("outcome", "treatment", "controls")
def ferman_pinto(
    panel: Panel,
    *,
    size: str,
    seed: int | np.random.Generator | None = None,
    draws: int = 9_999,
    enumerate_up_to: int = ENUMERATE_UP_TO,
) -> FewTreatedResult:
    """Do what :func:`conley_taber` does, with an error variance that depends on size.

    Parameters
    ----------
    size : str
        Column with the number of observations (people, firms) behind a unit's outcome,
        positive and the same in all its rows.
    panel, seed, draws, enumerate_up_to
        As in :func:`conley_taber`.

    Raises
    ------
    EstimationError
        As :func:`conley_taber`; also sizes that are missing, not positive, or change.

    Notes
    -----
    Ferman and Pinto (2019): the variance of a unit's weighted error is
    ``A + B / size``, both at least zero, fitted to the squares of the untreated; residual
    paths are divided by the standard deviation of the unit they come from and multiplied
    by that of the unit they stand in for.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": list("aabbccdd"), "year": [1, 2] * 4})
    >>> frame = frame.assign(d=[0, 1] + [0] * 6, y=[0, 5, 0, 1, 1, 1, 0, 2])
    >>> result = ferman_pinto(frame.assign(people=8), "y", "d", size="people")
    >>> round(result.estimate, 6), result.p_value
    (4.0, 0.25)
    """
    sizes = _sizes(panel, size)
    parts = _few_treated(panel)
    donors, treated = sizes.loc[parts.donor_names], sizes.loc[parts.treated]
    squares = np.square(parts.swaps).mean(axis=0)
    spread = _variance_line(donors.to_numpy(float), squares)
    return _combine(
        parts,
        np.sqrt(spread(treated.to_numpy(float)) / squares.mean()),
        "Ferman-Pinto",
        seed,
        draws,
        enumerate_up_to,
        np.sqrt(spread(donors.to_numpy(float)) / squares.mean()),
    )


def _sizes(panel: Panel, size: str) -> pd.Series:
    frame, unit = panel.frame, panel.unit
    if size not in frame.columns:
        raise no_column([size], frame.columns)
    by_unit = frame.groupby(unit)[size]
    sizes = by_unit.first()
    if by_unit.nunique(dropna=False).max() > 1 or not (sizes > 0).all():
        raise EstimationError(f"{size} must be positive and the same in all rows of a {unit}")
    return sizes


def _variance_line(size: np.ndarray, squares: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit ``A + B / size`` with both at least zero; return it as a function."""
    from scipy.optimize import nnls

    (a, b), _ = nnls(np.column_stack([np.ones_like(size), 1 / size]), squares)
    return lambda s: a + b / s


@dataclass(frozen=True)
class _FewTreated:
    treated: list[Any]
    donor_names: list[Any]
    swaps: np.ndarray  # treated by donors: the weighted error a donor would have put there
    design: ProjectedPanel


def _few_treated(panel: Panel) -> _FewTreated:
    design = prepare(panel)
    unit, time = design.panel.unit, design.panel.time
    starts = adoption_starts(design)
    treated = np.flatnonzero(np.isfinite(starts))
    if not len(treated):
        raise EstimationError(f"{design.treatment} names no treated {unit}")
    weights = design.fit.x / design.fit.power
    errors = _grid(design, design.fit.residuals[:, 0])
    needed = np.isfinite(_grid(design, design.y))[treated].any(axis=0)
    donors = np.flatnonzero(~np.isfinite(starts) & np.isfinite(errors[:, needed]).all(axis=1))
    if len(donors) < 2:
        raise EstimationError(
            f"{len(donors)} untreated {unit} has every {time} in which the treated are "
            "observed: two at least must be able to stand in for them"
        )
    pull = np.nan_to_num(_grid(design, weights)[treated][:, needed])
    return _FewTreated(
        treated=list(design.names[treated]),
        donor_names=list(design.names[donors]),
        swaps=pull @ errors[donors][:, needed].T,
        design=design,
    )


def _grid(design: ProjectedPanel, values: np.ndarray) -> np.ndarray:
    """Return values by unit and period, NaN where there is no row."""
    times, columns = np.unique(design.periods, return_inverse=True)
    grid = np.full((len(design.names), len(times)), np.nan)
    grid[design.units, columns] = values
    return grid


def _combine(
    parts: _FewTreated,
    scales: np.ndarray,
    method: str,
    seed: int | np.random.Generator | None,
    draws: int,
    enumerate_up_to: int,
    donor_scales: np.ndarray | None = None,
) -> FewTreatedResult:
    n_treated, n_donors = parts.swaps.shape
    errors = parts.swaps * scales[:, None]
    if donor_scales is not None:
        if (donor_scales <= 0).any():
            raise EstimationError("the fitted variance of an untreated unit is zero")
        errors = errors / donor_scales
    exact = n_donors**n_treated <= enumerate_up_to
    if exact:
        picks = np.array(list(product(range(n_donors), repeat=n_treated)))
    elif seed is None:
        raise EstimationError(
            f"{n_donors} untreated units can stand in for {n_treated} treated ones in too many "
            "ways to take all: pass a seed"
        )
    else:
        picks = np.random.default_rng(seed).integers(n_donors, size=(draws, n_treated))
    design = parts.design
    return FewTreatedResult(
        params=pd.Series({design.treatment: design.estimate}),
        std_errors=pd.Series({design.treatment: np.nan}),
        errors=errors[np.arange(n_treated), picks].sum(axis=1),
        exact=exact,
        method=method,
        n_treated=n_treated,
        n_donors=n_donors,
        scales=pd.Series(scales, index=parts.treated, name="scale"),
        nobs=len(design.y),
        title=f"few treated: {design.title}, {method}",
        notes=design.panel.dropped,
    )
