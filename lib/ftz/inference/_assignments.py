"""Reassignments of treatment: which there are, all of them, or some drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from math import factorial, prod
from typing import Any

import numpy as np
import pandas as pd

from ftz._columns import adopted, moments
from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.inference._projection import ProjectedPanel, numbered_periods

#: ``cells`` shuffles city-years, ``paths`` hands whole adoption paths to other units,
#: ``dates`` lets the treated units adopt at other times.
SCHEMES = ("observations", "units", "dates")


def count_assignments(labels: np.ndarray) -> int:
    """Return how many distinct orders a sequence of labels has."""
    counts = np.unique(labels, return_counts=True)[1]
    return factorial(len(labels)) // prod(factorial(int(c)) for c in counts)


def rank_p(as_large: Any, n: int, exact: bool) -> Any:
    """Return the p value of what so many of n others reach; it is one of them if they are all."""
    return as_large / n if exact else (1 + as_large) / (1 + n)


def counted(number: int) -> str:
    """Write a number of assignments, which may have thousands of digits."""
    return f"{number:,}" if number < 10**18 else f"{Decimal(number):.3g}"


def enumerate_assignments(labels: np.ndarray) -> np.ndarray:
    """Return every distinct order of ``labels``, one a row.

    The most frequent label fills all places; each other label in turn takes every
    combination of the places that are still free.
    """
    levels, counts = np.unique(labels, return_counts=True)
    by_size = np.argsort(-counts, kind="stable")
    levels, counts = levels[by_size], counts[by_size]
    table = np.full((1, len(labels)), levels[0])
    free = np.arange(len(labels))[None, :]
    for level, count in zip(levels[1:], counts[1:], strict=True):
        chosen = np.array(list(combinations(range(free.shape[1]), int(count))))
        taken = np.tile(chosen, (len(free), 1))
        table, free = (np.repeat(a, len(chosen), axis=0) for a in (table, free))
        np.put_along_axis(table, np.take_along_axis(free, taken, axis=1), level, axis=1)
        left = np.ones(free.shape, dtype=bool)
        np.put_along_axis(left, taken, False, axis=1)
        free = free[left].reshape(len(free), -1)
    return table


@dataclass(frozen=True)
class Scheme:
    """How a treatment is reassigned.

    Attributes
    ----------
    count : int
        Distinct assignments.
    enumerate, draw : callable
        All assignments, or that many at random from a generator: one a row.
    treatment : callable
        Assignments to treatment columns, shape (n, B).
    """

    count: int
    enumerate: Callable[[], np.ndarray]
    draw: Callable[[int, np.random.Generator], np.ndarray]
    treatment: Callable[[np.ndarray], np.ndarray]


def scheme_of(
    name: str,
    design: ProjectedPanel,
    adoption: Mapping[Hashable, float | None] | np.ndarray | None = None,
    dates: Sequence[float] | None = None,
) -> Scheme:
    """Return one of the :data:`SCHEMES` for a panel.

    Raises
    ------
    EstimationError
        Unknown scheme; for units and dates, a treatment that is not 0/1 or switches off,
        an adoption that does not name every unit, or no treated unit.
    """
    one_of("scheme", name, SCHEMES)
    if name == "observations":
        return _shuffle(design.d, np.transpose)
    starts = adoption_starts(design, adoption)
    switched = _switch_on(design)
    return _shuffle(starts, switched) if name == "units" else _redate(design, starts, dates)


def _shuffle(labels: np.ndarray, treatment: Callable[[np.ndarray], np.ndarray]) -> Scheme:
    return Scheme(
        count=count_assignments(labels),
        enumerate=lambda: enumerate_assignments(labels),
        draw=lambda draws, rng: rng.permuted(np.tile(labels, (draws, 1)), axis=1),
        treatment=treatment,
    )


def _switch_on(design: ProjectedPanel) -> Callable[[np.ndarray], np.ndarray]:
    """Return what turns first treated periods, a unit a column, into treatment columns."""
    return lambda starts: (design.periods >= starts[:, design.units]).T.astype(float)


def _redate(design: ProjectedPanel, starts: np.ndarray, dates: Sequence[float] | None) -> Scheme:
    treated = np.flatnonzero(np.isfinite(starts))
    if not len(treated):
        raise EstimationError("no unit is treated: there is no date to move")
    # The first period is left out: who is treated throughout has no before.
    if dates is None:
        offered = np.unique(design.periods)[1:]
    else:
        named = moments(pd.Series(list(dates), name="dates"))
        ranks = np.searchsorted(design.panel.places, named - 1e-9)
        offered = np.r_[numbered_periods(design.panel.places), np.inf][ranks]
    offered = np.unique(np.r_[offered, starts[treated]])

    def spread(picks: np.ndarray) -> np.ndarray:
        table = np.full((len(picks), len(starts)), np.inf)
        table[:, treated] = offered[picks]
        return table

    def everything() -> np.ndarray:
        return spread(np.indices((len(offered),) * len(treated)).reshape(len(treated), -1).T)

    return Scheme(
        count=len(offered) ** len(treated),
        enumerate=everything,
        draw=lambda draws, rng: spread(rng.integers(len(offered), size=(draws, len(treated)))),
        treatment=_switch_on(design),
    )


def adoption_starts(
    design: ProjectedPanel, adoption: Mapping[Hashable, float | None] | np.ndarray | None = None
) -> np.ndarray:
    """Return each unit's first treated period as the design counts, inf for never, shape (N,).

    An array holds that already.
    """
    if isinstance(adoption, np.ndarray):
        return adoption
    if adoption is not None:
        absent = [u for u in design.names if u not in adoption]
        if absent:
            raise EstimationError(f"adoption does not name {', '.join(map(str, absent))}")
        named = pd.Series([adoption[u] for u in design.names], name="adoption")
        numbers = np.r_[np.inf, numbered_periods(design.panel.places)]
        return np.asarray(numbers[adopted(named, design.panel.places)])
    if not np.isin(design.d, (0.0, 1.0)).all():
        raise EstimationError(f"{design.treatment} must be 0 or 1 to have adoption paths")
    starts = np.full(len(design.names), np.inf)
    on = design.d == 1
    np.minimum.at(starts, design.units[on], design.periods[on])
    if ((design.periods >= starts[design.units]) != on).any():
        raise EstimationError(f"{design.treatment} switches off: it has no adoption path")
    return starts
