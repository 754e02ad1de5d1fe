"""Files of rows under ``data/``: read as text, refused with file, row and column."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from printproof.errors import RecordError
from study.paths import data_dir

__lineage__ = {"read_rows": {"role": "helper"}}


def read_rows(file: str, columns: Sequence[str], may_be_empty: Sequence[str] = ()) -> pd.DataFrame:
    """Read a file of rows as text.

    Parameters
    ----------
    file : str
        Under ``data/``, such as ``policy/problems.csv``.
    columns : sequence of str
        The columns, in their order.
    may_be_empty : sequence of str
        Columns in which a cell may hold nothing.

    Raises
    ------
    RecordError
        A file that cannot be read, other columns, or an empty cell.
    """
    try:
        frame = pd.read_csv(data_dir() / file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise RecordError(f"{file}: cannot be read ({error})") from None
    if list(frame.columns) != list(columns):
        raise RecordError(f"{file}: the columns must be {', '.join(columns)}")
    for column in columns:
        if column not in may_be_empty:
            refuse(file, frame, column, frame[column].str.strip() == "", "some text")
    return frame


def refuse(
    file: str, frame: pd.DataFrame, column: str, wrong: pd.Series | Sequence[bool], expected: str
) -> None:
    """Raise an error that names the first wrong row as a text editor counts.

    Parameters
    ----------
    file, frame, column
        The file, its rows as :func:`read_rows` returns them, and the column in question.
    wrong : sequence of bool
        One value a row.
    expected : str
        What should stand there.

    Raises
    ------
    RecordError
        If any value is true.
    """
    for row, bad in enumerate(wrong):
        if bad:
            raise RecordError(
                f"{file}, row {row + 2}, column {column}: {frame[column].iloc[row]!r}; "
                f"expected {expected}"
            )


def one_of(file: str, frame: pd.DataFrame, column: str, allowed: Sequence[str]) -> None:
    """Refuse a cell that is none of the allowed words."""
    refuse(file, frame, column, ~frame[column].isin(list(allowed)), f"one of {', '.join(allowed)}")
