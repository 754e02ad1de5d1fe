r"""How many effects, and which formula, stand behind the statistics of nested columns.

:mod:`printproof.rules` derives, for the homoskedastic formula, one relation for each
coefficient that a longer column shares with a shorter one.  Here all relations are taken
together, over every count of absorbed effects, exactly for a printed table
(:func:`relations`, :func:`variance_ratios`) and in floats for many simulated ones
(:func:`met`).  The identity needs one transformation of the rows in both columns: any fixed
weights, any fixed quasi-demeaning, any dummies, the constant among the coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from printproof import Span, Study, cell, number
from printproof.errors import RecordError
from printproof.rules import MOST_EFFECTS, Move, moves

__all__ = ["MOST_EFFECTS", "met", "relations", "sharp_relations", "variance_ratios"]


def _sized(study: Study, group: Mapping[str, Any]) -> list[Move]:
    """Return the moves of a group whose columns print their sample sizes."""
    found = list(moves(study, group))
    for move in found:
        long = move.step.rpartition(" to ")[2]
        if study.sample_size(group["table"], long) is None:
            raise RecordError(f"{group['table']}: no sample size is printed for column {long}")
    return found


def relations(study: Study, group: Mapping[str, Any], most: int = MOST_EFFECTS) -> pd.DataFrame:
    """Ask for each count of absorbed effects which relations the printed intervals allow.

    Parameters
    ----------
    study : printproof.Study
        A paper under audit.
    group : mapping
        One of its groups of nested columns, with coefficient and statistic or error.
    most : int
        Largest count tried; a constant counts as one.

    Returns
    -------
    pandas.DataFrame
        One row a count, step and coefficient: ``absorbed``, ``step``, ``coefficient``,
        ``holds``.
    """
    return _asked(study, group, most, lambda m, count: m.identity(count).possible(study.record))


def _asked(
    study: Study, group: Mapping[str, Any], most: int, holds: Callable[[Move, int], bool]
) -> pd.DataFrame:
    rows = [
        (absorbed, move.step, move.coefficient, holds(move, absorbed))
        for move in _sized(study, group)
        for absorbed in range(most + 1)
    ]
    return pd.DataFrame(rows, columns=["absorbed", "step", "coefficient", "holds"])


def sharp_relations(
    study: Study, group: Mapping[str, Any], most: int = MOST_EFFECTS
) -> pd.DataFrame:
    r"""Ask as :func:`relations`, each printed cell standing for one number wherever it occurs.

    Interval arithmetic lets a cell that occurs twice be two numbers, so it keeps some counts
    that nothing can meet.  The two sides of the relation differ by

    .. math:: b_S^2/z_S^2 - R(z_k)\,[\,b_L^2/z_L^2 - (b_S - b_L)^2/z_k^2\,],
       \qquad R = (df + z_k^2)/(df + 1),

    which falls as :math:`z_k^2` grows and is quadratic in the two coefficients: its ends over
    the printed intervals stand at corners or where an edge is level, and are fractions.

    Raises
    ------
    RecordError
        A column prints no sample size, a cell is printed as a bound, or an interval that a
        quotient needs holds zero.

    Returns
    -------
    pandas.DataFrame
        As :func:`relations`.
    """
    return _asked(study, group, most, lambda m, count: _meets(study, m, m.free - count))


def _meets(study: Study, move: Move, df: int) -> bool:
    """Say whether the difference of a relation's sides is nil somewhere in the printed box."""
    short, long = (_ends(study, part["coef"]) for part in (move.short, move.long))
    z_s, z_l, z_k = (
        sorted(abs(end) for end in _ends(study, part["statistic"], divides=True))
        for part in (move.short, move.long, move.entering)
    )

    def ends(s: int, k: int) -> Iterator[Fraction]:
        a, c = 1 / z_s[s] ** 2, 1 / z_l[1 - s] ** 2
        d, ratio = 1 / z_k[k] ** 2, (df + z_k[k] ** 2) / (df + 1)
        here, there = a + ratio * d, ratio * (d - c)  # here x^2 + there y^2 - 2 ratio d x y
        for x, y in _level(short, long, ratio * d, here, there):
            yield here * x**2 + there * y**2 - 2 * ratio * d * x * y

    return min(ends(1, 1)) <= 0 <= max(ends(0, 0))


def _ends(study: Study, name: str, *, divides: bool = False) -> tuple[Fraction, Fraction]:
    span = cell(name).span(study.record)
    if span.low is None or span.high is None:
        raise RecordError(f"{name}: is printed as a bound, and the relation needs both ends")
    if divides and span.low <= 0 <= span.high:
        raise RecordError(f"{name}: its interval holds zero, and the relation divides by it")
    return span.low, span.high


def _level(
    short: tuple[Fraction, Fraction],
    long: tuple[Fraction, Fraction],
    mixed: Fraction,
    here: Fraction,
    there: Fraction,
) -> Iterator[tuple[Fraction, Fraction]]:
    """Yield where a quadratic in two coefficients can have its ends over their rectangle."""
    (x0, x1), (y0, y1) = short, long
    yield from product((x0, x1), (y0, y1))
    yield from ((x, y) for y in (y0, y1) if x0 < (x := mixed * y / here) < x1)
    if there:
        yield from ((x, y) for x in (x0, x1) if y0 < (y := mixed * x / there) < y1)
    if x0 < 0 < x1 and y0 < 0 < y1:
        yield Fraction(0), Fraction(0)


def variance_ratios(study: Study, group: Mapping[str, Any]) -> pd.DataFrame:
    r"""Return the ratio of residual variances that each relation needs, whatever the count.

    The relation :math:`se_L^2 = se_S^2/\rho + (b_S - b_L)^2/t_k^2` solved for
    :math:`\rho = s_S^2/s_L^2`, in exact intervals.

    Returns
    -------
    pandas.DataFrame
        ``step``, ``coefficient``, ``low``, ``high``: ends of the ratio, as fractions.
    """
    rows = []
    for move in moves(study, group):
        a, b = move.short, move.long
        left, right = ((cell(p["coef"]) / cell(p["statistic"])).square() for p in (a, b))
        t2 = cell(move.entering["statistic"]).square()
        moved = (cell(a["coef"]) - cell(b["coef"])).square() / t2
        try:
            needed = (left / (right - moved)).span(study.record)
        except RecordError:  # a difference around zero: any large ratio will do
            needed = Span(None, None)
        rows.append((move.step, move.coefficient, needed.low, needed.high))
    return pd.DataFrame(rows, columns=["step", "coefficient", "low", "high"])


def predicted_ratio(study: Study, group: Mapping[str, Any], step: str, absorbed: int) -> Span:
    """Return the ratio of residual variances that a step's last statistic implies at a count."""
    for move in _sized(study, group):
        if step == move.step:
            df = number(move.free - absorbed)
            t2 = cell(move.entering["statistic"]).square()
            return ((number(1) + t2 / df) * df / (df + number(1))).span(study.record)
    raise RecordError(f"{group['table']} has no step {step!r}")


def met(
    coefficients: np.ndarray,
    statistics: np.ndarray,
    n: int,
    most: int = MOST_EFFECTS,
    decimals: tuple[int, int] = (3, 2),
) -> np.ndarray:
    """Ask the same of many tables at once, in floats, after rounding them as a printer would.

    Parameters
    ----------
    coefficients, statistics : array, shape (tables, columns, terms)
        NaN where a column lacks a term.  Terms in the order in which they enter, the constant
        last: column *j* holds the first ``j + 2`` terms and the constant.
    n : int
        Rows of the sample.
    most : int
        Largest count of absorbed effects tried.
    decimals : tuple of int
        Printed decimals of coefficients and statistics.

    Returns
    -------
    array of bool, shape (tables, most + 1, columns - 1, terms)
        Whether a relation can hold; False where there is none.
    """
    half_b, half_t = (0.5 * 10.0**-d for d in decimals)
    b, t = (np.round(v, d) for v, d in zip((coefficients, statistics), decimals, strict=True))
    size = np.abs(b), np.abs(t)
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = (np.maximum(size[0] - half_b, 0) / (size[1] + half_t)) ** 2
        highest = ((size[0] + half_b) / np.maximum(size[1] - half_t, 0)) ** 2
        possible = np.zeros((len(b), most + 1, b.shape[1] - 1, b.shape[2]), dtype=bool)
        for s in range(b.shape[1] - 1):
            common = [*range(s + 2), b.shape[2] - 1]
            t_low = np.maximum(size[1][:, s + 1, s + 2] - half_t, 0)[:, None, None] ** 2
            t_high = (size[1][:, s + 1, s + 2] + half_t)[:, None, None] ** 2
            df = (n - np.arange(most + 1) - (s + 3))[None, :, None]
            ratio = [(1 + t2 / df) * df / (df + 1) for t2 in (t_low, t_high)]
            moved = np.abs(b[:, s] - b[:, s + 1])[:, None, common]
            left = [v[:, s][:, None, common] for v in (lowest, highest)]
            right = [v[:, s + 1][:, None, common] for v in (lowest, highest)]
            low = left[0] / ratio[1] + np.maximum(moved - 2 * half_b, 0) ** 2 / t_high
            high = left[1] / ratio[0] + (moved + 2 * half_b) ** 2 / t_low
            slack = 1e-12  # a float where the audit has a fraction
            holds = (low <= right[1] * (1 + slack)) & (high * (1 + slack) >= right[0])
            possible[:, :, s, common] = holds
    return possible
