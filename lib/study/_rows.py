"""Files of rows under ``data/``: read as text, refused with file, row and column."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import pandas as pd

from printproof.errors import RecordError
from study.paths import data_dir

__lineage__ = {"read_rows": {"role": "helper"}}


def read_rows(file: str, columns: Sequence[str], may_be_empty: Sequence[str] = ()) -> pd.DataFrame:
    """Read a file of rows as text."""
    try:
        with (data_dir() / file).open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, strict=True)
            rows = [(reader.line_num, fields) for fields in reader if fields]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{file}: cannot be read ({error})") from None
    if not rows or rows[0][1] != list(columns):
        raise RecordError(f"{file}: the columns must be {', '.join(columns)}")
    for line, fields in rows[1:]:
        if len(fields) != len(columns):
            raise RecordError(f"{file}, row {line}: {len(fields)} fields, expected {len(columns)}")
    frame = pd.DataFrame([fields for _, fields in rows[1:]], columns=list(columns), dtype=str)
    frame.attrs["lines"] = [line for line, _ in rows[1:]]  # an empty line counts for an editor
    for column in columns:
        if column not in may_be_empty:
            refuse(file, frame, column, frame[column].str.strip() == "", "some text")
    return frame


def refuse(
    file: str, frame: pd.DataFrame, column: str, wrong: pd.Series | Sequence[bool], expected: str
) -> None:
    """Raise an error that names the first wrong row as a text editor counts."""
    for row, bad in enumerate(wrong):
        if bad:
            raise RecordError(
                f"{file}, row {frame.attrs['lines'][row]}, column {column}: "
                f"{frame[column].iloc[row]!r}; "
                f"expected {expected}"
            )


def one_of(file: str, frame: pd.DataFrame, column: str, allowed: Sequence[str]) -> None:
    """Refuse a cell that is none of the allowed words."""
    refuse(file, frame, column, ~frame[column].isin(list(allowed)), f"one of {', '.join(allowed)}")
