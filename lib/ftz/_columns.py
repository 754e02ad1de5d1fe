"""Columns of a frame as numbers, as labels and as points in time, whatever their dtype."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from ftz.errors import EstimationError

#: A period written as text: a year, and perhaps a half, quarter, month, week or day in it.
_TEXT = re.compile(r"\s*(-?\d+)\s*(?:[-/ ]?\s*([HhSsQqMmWw])?\s*[-/]?\s*(\d{1,2}))?\s*")
_IN_A_YEAR = {"H": 2, "S": 2, "Q": 4, "M": 12, "": 12, "W": 53}


def adopted(
    cohort: pd.Series, places: np.ndarray, never: Sequence[Hashable] = (), time: str = "period"
) -> np.ndarray:
    """Return the rank of each first treated period among the observed ones, 0 for never.

    Parameters
    ----------
    cohort : pandas.Series
        Missing for never, as are the codes in ``never``.
    places : array
        The observed periods in order, as :func:`moments` places them.

    Raises
    ------
    EstimationError
        A code that is no period, as 0 is where periods are years.
    """
    start = moments(cohort.mask(cohort.isin(list(never))))
    if (np.nan_to_num(start, nan=1.0) <= 0).any() and places[0] > 0:
        code = f"{start[start <= 0][0]:g}"
        raise EstimationError(
            f"{cohort.name} holds {code}, and no {time} is that early: if it means never, leave "
            f"it empty or declare it (never=({code},), in a spec `never: [{code}]`); if it means "
            f"treated from the start, write the first {time}"
        )
    ranks = np.searchsorted(places, start - 1e-9) + 1
    return np.where(np.isnan(start) | (ranks > len(places)), 0, ranks)


def numeric(column: pd.Series) -> np.ndarray | None:
    """Return a column as floats, NaN where missing; None if it holds no numbers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    known = pd.api.types.is_numeric_dtype(column.dtype) and column.dtype.kind != "c"
    if not known and pd.api.types.infer_dtype(column, skipna=True) not in (
        "integer",
        "floating",
        "mixed-integer-float",
        "decimal",
        "boolean",
        "empty",
    ):
        return None
    values: np.ndarray = column.to_numpy(dtype=float, na_value=np.nan)
    return values


def numbered(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each row's label, and the labels in order, as :func:`pandas.factorize`.

    Labels that cannot be compared (text beside numbers) are put in the order of their text.
    """
    try:
        codes, labels = pd.factorize(column, sort=True)
    except TypeError:
        codes, labels = pd.factorize(column.astype(str), sort=True)
    return codes, np.asarray(labels)


def moments(column: pd.Series) -> np.ndarray:
    """Return when each entry lies, in years (or in the column's own unit); NaN where missing.

    Raises
    ------
    EstimationError
        Text that is no period.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.infer_dtype(column, skipna=True) in ("datetime", "date", "datetime64"):
        when = pd.to_datetime(column).dt
        hours = (when.hour * 3600 + when.minute * 60 + when.second + when.microsecond / 1e6) / 86400
        years = when.year + (when.month - 1 + (when.day - 1 + hours) / 31) / 12
        return years.to_numpy(dtype=float, na_value=np.nan)
    if pd.api.types.infer_dtype(column, skipna=True) == "period":
        return moments(column.map(lambda p: p.to_timestamp(), na_action="ignore"))
    values = numeric(column)
    if values is not None:
        return values
    known = {text: _moment(text) for text in column.dropna().unique()}
    odd = [text for text, when in known.items() if when is None]
    if odd:
        raise EstimationError(
            f"{column.name}: {str(odd[0])[:40]!r} is no period; write numbers, dates, or text "
            "such as 2010, 2010Q1 or 2010-03"
        )
    return column.map(known).to_numpy(dtype=float, na_value=np.nan)


def _moment(text: object) -> float | None:
    """Return the year of a written period, and the share of the year before it; or None."""
    try:
        return float(str(text))
    except ValueError:
        pass
    match = _TEXT.fullmatch(str(text))
    if match:
        year, kind, part = match[1], (match[2] or "").upper(), int(match[3] or 1)
        return int(year) + (part - 1) / _IN_A_YEAR[kind] if part <= _IN_A_YEAR[kind] else None
    try:
        return float(moments(pd.Series([pd.Timestamp(str(text))]))[0])
    except ValueError:
        return None
