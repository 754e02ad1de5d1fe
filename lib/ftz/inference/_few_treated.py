"""Inference when few units are treated and many are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from ftz._refusals import no_column
from ftz._results import EffectResult, checked_level
from ftz.errors import EstimationError
from ftz.inference._assignments import adoption_starts, rank_p
from ftz.inference._projection import ProjectedPanel, prepare
from ftz.inference._randomisation import ENUMERATE_UP_TO
from ftz.panel import Panel, on_panel

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
        return float(rank_p(count, len(self.errors), exact=False))

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
    design, parts, errors = _few_treated(panel)
    scales = pd.Series(1.0, design.names[parts.treated], name="scale")
    return _combine(design, errors, scales, "Conley-Taber", seed, draws, enumerate_up_to)


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
    design, parts, errors = _few_treated(panel)
    treated, donors = (sizes.loc[design.names[u]] for u in (parts.treated, parts.donors))
    squares = np.square(errors).mean(axis=0)
    spread = _variance_line(donors.to_numpy(float), squares)
    own, given = (np.sqrt(spread(s.to_numpy(float)) / squares.mean()) for s in (treated, donors))
    if (given <= 0).any():
        raise EstimationError("the fitted variance of an untreated unit is zero")
    scales = pd.Series(own, treated.index, name="scale")
    return _combine(design, errors / given, scales, "Ferman-Pinto", seed, draws, enumerate_up_to)


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
class StandIns:
    """Which untreated units can stand in for the treated, and with what weight.

    Attributes
    ----------
    treated, donors : arrays of int
        Numbers of the units.
    pull : array
        Weight of a treated unit's error in the estimate: treated by periods needed.
    places : array of int
        Rows of the panel: donors by periods needed.
    """

    treated: np.ndarray
    donors: np.ndarray
    pull: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, design: ProjectedPanel, starts: np.ndarray) -> StandIns:
        """Find them; an untreated unit needs every period in which the treated are observed."""
        weights = design.fit.x / design.fit.power
        times, columns = np.unique(design.periods, return_inverse=True)
        row = np.full((len(design.names), len(times)), -1)
        row[design.units, columns] = np.arange(len(design.d))
        treated = np.flatnonzero(np.isfinite(starts))
        needed = (row[treated] >= 0).any(axis=0)
        donors = np.flatnonzero(~np.isfinite(starts) & (row[:, needed] >= 0).all(axis=1))
        if len(donors) < 2:
            raise EstimationError(
                f"{len(donors)} untreated {design.panel.unit} has every {design.panel.time} in "
                "which the treated are observed: two at least must be able to stand in for them"
            )
        own = row[treated][:, needed]
        pull = np.where(own >= 0, weights[own], 0.0)
        return cls(treated, donors, pull, row[donors][:, needed])

    def swaps(self, residuals: np.ndarray) -> np.ndarray:
        """Return the weighted error a donor would have put in, shape (..., treated, donors)."""
        return np.asarray(self.pull @ residuals[..., self.places.T])


def _few_treated(panel: Panel) -> tuple[ProjectedPanel, StandIns, np.ndarray]:
    design = prepare(panel)
    starts = adoption_starts(design)
    if not np.isfinite(starts).any():
        raise EstimationError(f"{design.treatment} names no treated {design.panel.unit}")
    parts = StandIns.of(design, starts)
    return design, parts, parts.swaps(design.fit.residuals[:, 0])


def _combine(
    design: ProjectedPanel,
    swaps: np.ndarray,
    scales: pd.Series,
    method: str,
    seed: int | np.random.Generator | None,
    draws: int,
    enumerate_up_to: int,
) -> FewTreatedResult:
    n_treated, n_donors = swaps.shape
    errors = swaps * scales.to_numpy()[:, None]
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
    return FewTreatedResult(
        params=pd.Series({design.treatment: design.estimate}),
        std_errors=pd.Series({design.treatment: np.nan}),
        errors=errors[np.arange(n_treated), picks].sum(axis=1),
        exact=exact,
        method=method,
        n_treated=n_treated,
        n_donors=n_donors,
        scales=scales,
        nobs=len(design.y),
        title=f"few treated: {design.title}, {method}",
        notes=design.panel.dropped,
    )
