r"""Which choice moves the estimate: an exact Shapley decomposition of its variance.

Over the enumerated specifications, each counted once, let :math:`v(S)` be the variance
of the mean of the estimate given the choices in :math:`S`,

.. math:: v(S) = \mathrm{Var}\big( \mathrm{E}[\hat\beta \mid x_S] \big),
   \qquad
   \phi_j = \sum_{S \not\ni j} \frac{|S|!\,(m - |S| - 1)!}{m!}
            \big( v(S \cup \{j\}) - v(S) \big).

The :math:`\phi_j` sum to the variance of the estimate where the choices identify a
specification.  Unlike Sobol' indices they need no independence: where some combinations
do not exist (a caliper has no *k*), a choice is credited with what it adds on average
over all orders in which the choices can be learnt (Owen 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial

import numpy as np
import numpy.typing as npt
import pandas as pd

from ftz.errors import EstimationError
from specgrid._grid import SETS, members
from specgrid._results import ShapleyDecomposition

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

#: More choices than this would need more than 65 536 conditional means.
MOST_CHOICES = 16


def shapley(
    results: pd.DataFrame, choices: Sequence[str], value: str = "estimate"
) -> ShapleyDecomposition:
    """Divide the variance of a column over the specifications among the choices.

    Parameters
    ----------
    results : pandas.DataFrame
        One row a specification.  Rows without a finite ``value`` are left out.
    choices : sequence of str
        Columns that hold the levels; any type, a missing value is a level of its own.
    value : str
        Numeric column.

    Raises
    ------
    EstimationError
        Missing or repeated columns, no choice, more than :data:`MOST_CHOICES`, no two
        specifications with a value, or a value that never varies.

    Notes
    -----
    Owen (2014), section 2, with the enumerated grid in the place of a distribution.
    """
    names = _names(results, choices, value)
    numbers = results[value].to_numpy(dtype=float, na_value=np.nan)
    finite = np.isfinite(numbers)
    y = numbers[finite]
    if len(y) < 2:
        raise EstimationError(f"{len(y)} specifications have a {value}: two are needed")
    scale = max(float(np.abs(y).max()), np.finfo(float).tiny)
    y = y - y.mean()
    variance = float(y @ y) / len(y)
    if variance <= (1e-13 * scale) ** 2:
        raise EstimationError(f"{value} is the same in all specifications: nothing to divide")
    columns = [_levels(results.loc[finite, name]) for name in names]
    worth = _worths(y, columns)
    effects, last = _shapley_values(worth, len(names))
    return ShapleyDecomposition(
        effects=pd.Series(effects, index=names, name="effect"),
        alone=pd.Series([worth[1 << j] for j in range(len(names))], index=names),
        last=pd.Series(last, index=names),
        unexplained=_nothing_if_tiny(variance - float(worth[-1]), variance),
        variance=variance,
        levels=pd.Series([int(c.max()) + 1 for c in columns], index=names),
        n=len(y),
        value=value,
    )


def unfolded(results: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the members of a choice that is a set, one 0/1 column each.

    Parameters
    ----------
    results : pandas.DataFrame
        As :func:`specgrid.evaluate` gives it.
    column : {"controls", "sample"}
        ``a + b`` gives columns ``with a`` and ``with b``; ``without c, d`` gives
        ``without c`` and ``without d``.

    Raises
    ------
    EstimationError
        If the column is another, or missing.
    """
    if column not in SETS or column not in results.columns:
        raise EstimationError(f"no sets to unfold in {column!r}: use {' or '.join(SETS)}")
    word = "with " if column == "controls" else "without "
    return members(results[column], column).astype(int).add_prefix(word)


def _names(results: pd.DataFrame, choices: Sequence[str], value: str) -> list[str]:
    names = list(choices)
    absent = [c for c in (*names, value) if c not in results.columns]
    if absent:
        raise EstimationError(f"the results have no column {', '.join(map(str, absent))}")
    if not names or len(set(names)) < len(names) or value in names:
        raise EstimationError(f"name each choice once, and not {value} itself: {names}")
    if len(names) > MOST_CHOICES:
        raise EstimationError(
            f"{len(names)} choices have {2 ** len(names):,} subsets: name at most "
            f"{MOST_CHOICES}, leaving out those with one level"
        )
    return names


def _nothing_if_tiny(number: float, beside: float) -> float:
    return 0.0 if number < 1e-12 * beside else number


def _levels(column: pd.Series) -> Codes:
    """Return a number for each level of a choice, of which a missing value is one."""
    codes, _ = pd.factorize(column.map(lambda entry: repr(_plain(entry))))
    return codes.astype(np.int64)


def _plain(entry: object) -> object:
    if isinstance(entry, np.ndarray):
        return tuple(entry.tolist())
    if isinstance(entry, list):
        return tuple(entry)
    missing = entry is None or entry is pd.NA or (isinstance(entry, float) and np.isnan(entry))
    return None if missing else entry


def _worths(y: Floats, columns: Sequence[Codes]) -> Floats:
    """Return the variance of the conditional mean for each subset of choices.

    Entry ``s`` belongs to the subset whose members are the bits of ``s``.  The cells of
    a subset refine those of the subset without its highest member.
    """
    cells: list[Codes] = [np.zeros(len(y), dtype=np.int64)]
    worth = np.zeros(2 ** len(columns))
    for subset in range(1, len(worth)):
        top = subset.bit_length() - 1
        coarse, choice = cells[subset ^ (1 << top)], columns[top]
        joined = coarse * (int(choice.max()) + 1) + choice
        fine = np.unique(joined, return_inverse=True)[1].astype(np.int64)
        cells.append(fine)
        sums, counts = np.bincount(fine, weights=y), np.bincount(fine)
        worth[subset] = float(np.sum(sums**2 / counts)) / len(y)
    return worth


def _shapley_values(worth: Floats, m: int) -> tuple[Floats, Floats]:
    """Return each member's Shapley value, and what it adds to all others."""
    subsets = np.arange(2**m)
    size = np.array([int(s).bit_count() for s in subsets])
    weight = np.array([factorial(s) * factorial(m - s - 1) / factorial(m) for s in range(m)])
    effects, last = np.empty(m), np.empty(m)
    for j in range(m):
        without = subsets[(subsets >> j) & 1 == 0]
        gains = worth[without | (1 << j)] - worth[without]
        effects[j] = float(weight[size[without]] @ gains)
        last[j] = gains[-1]
    return effects, last
