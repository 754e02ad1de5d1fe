"""What kind of periods a panel has, and how they are written."""

from __future__ import annotations

import numpy as np

#: Months in a period of each kind.
KINDS = {"year": 12, "quarter": 3, "month": 1}


def frequency(places: np.ndarray) -> tuple[str, int]:
    """Return the widest kind of period that tells places in time apart, and how many make a step.

    Parameters
    ----------
    places : array
        In years, as :class:`ftz.Panel` reads them: 2014.25 is April, or the second quarter.

    Returns
    -------
    kind : str
        ``year``, ``quarter`` or ``month``; empty where two places lie in one month.
    step : int
        2 where there is every second one only; 0 without a kind.

    >>> frequency(np.array([2014.0, 2014.25, 2014.5])), frequency(np.array([1971.0, 1973.0]))
    (('quarter', 1), ('year', 2))
    """
    gaps = np.diff(_months(np.unique(places)))
    if not gaps.size or not gaps.all():
        return "", 0
    step = int(np.gcd.reduce(gaps))
    return next((kind, step // size) for kind, size in KINDS.items() if step % size == 0)


def _months(places: np.ndarray | float) -> np.ndarray:
    return np.floor(np.asarray(places) * 12 + 1e-6).astype(int)  # a day at the end of it too


def written(place: float, kind: str) -> str:
    """Return a place in time as one writes a period of that kind.

    >>> written(2014.25, "quarter"), written(2014.25, "month"), written(2014.25, "year")
    ('2014Q2', '2014-04', '2014')
    """
    year, month = divmod(int(_months(place)), 12)
    more = {"quarter": f"Q{month // 3 + 1}", "month": f"-{month + 1:02d}"}
    return f"{year}{more.get(kind, '')}"


def described(places: np.ndarray) -> str:
    """Say how many periods there are, of which kind, from when to when.

    >>> described(np.array([2014.0, 2014.25, 2014.5]))
    '3 quarters, from 2014Q1 to 2014Q3'
    """
    places = np.unique(places)
    first, last = places[0], places[-1]
    kind, step = frequency(places)
    if not 1000 <= first <= last <= 3000:
        return f"{len(places)} numbers, from {first:g} to {last:g}, of which the order counts"
    if not kind:
        return f"{len(places)} dates, from {written(first, 'month')} to {written(last, 'month')}"
    every = "" if step == 1 else f" (one in {step})"
    ends = f"from {written(first, kind)} to {written(last, kind)}"
    return f"{len(places)} {kind}s{every}, {ends}"
