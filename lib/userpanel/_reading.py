"""Panels as files: CSV, Parquet, Excel and Stata, read into one kind of table.

Every cell arrives as it stands in the file, as text or as a number; what it means is
decided in :mod:`userpanel`.  No format may run code: Excel formulas are read as
the values that the spreadsheet program stored.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from userpanel._spec import PanelProblem, ProblemsError

#: The header is row 1.
_FIRST_ROW = 2
_MOST_ROWS = 5_000_000


@dataclass(frozen=True)
class Sheet:
    """A file's cells.

    Attributes
    ----------
    frame : pandas.DataFrame
        One column a column of the file, names stripped of outer blanks.
    rows : sequence of int
        The row of the file in which each row of the frame stands.
    file : str
        The file's name, without its folder.
    """

    frame: pd.DataFrame
    rows: Sequence[int]
    file: str


def read_sheet(path: str | Path) -> Sheet:
    """Read a panel's file, by its ending.

    Raises
    ------
    ProblemsError
        No such file, an ending that is not known, a file that is empty or broken, a
        column that stands twice.
    """
    path = Path(path)
    name = path.name
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise ProblemsError([PanelProblem(what, str(path))])
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise ProblemsError(
            [PanelProblem(f"the ending {path.suffix!r} is not known", name, remedy=f"use {known}")]
        )
    try:
        sheet = reader(path)
    except ProblemsError:
        raise
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 ({error.reason} at byte {error.start})"
        remedy = "in a spreadsheet, save as 'CSV UTF-8'"
        raise ProblemsError([PanelProblem(what, name, remedy=remedy)]) from None
    except Exception as error:  # each reader has errors of its own, all of them mean this
        what = f"cannot be read as {path.suffix[1:]} ({type(error).__name__}: {error})"
        raise ProblemsError([PanelProblem(" ".join(what.split())[:300], name)]) from None
    _check_shape(sheet)
    return sheet


def _check_shape(sheet: Sheet) -> None:
    columns = [str(c).strip() for c in sheet.frame.columns]
    sheet.frame.columns = pd.Index(columns)
    problems = [
        PanelProblem(
            "the column stands twice", sheet.file, column=c, remedy="give each its own name"
        )
        for c in dict.fromkeys(columns)
        if columns.count(c) > 1
    ]
    if not len(sheet.frame):
        problems.append(
            PanelProblem("there are no rows", sheet.file, remedy="one row a unit and time")
        )
    if len(sheet.frame) > _MOST_ROWS:
        problems.append(PanelProblem(f"has more than {_MOST_ROWS:,} rows", sheet.file))
    if problems:
        raise ProblemsError(problems)


def _csv_records(path: Path) -> tuple[list[list[str]], list[int]]:
    """Return a CSV file's records as text, and the line on which each begins.

    pandas would take a field too many for an index, rename a column that stands twice and
    not count empty lines; each of the three moves numbers to where they do not belong.
    """
    records: list[list[str]] = []
    lines: list[int] = []
    line = 1
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle, strict=True)
        for fields in reader:
            if any(map(str.strip, fields)):
                records.append(fields)
                lines.append(line)
            line = reader.line_num + 1
    return records, lines


def _read_csv(path: Path) -> Sheet:
    """Read a CSV file line by line: no row shifts, and each row keeps its number."""
    fields, rows = _csv_records(path)
    if not fields:
        raise ProblemsError([PanelProblem("the file is empty", path.name)])
    header = fields[0]
    odd = [
        PanelProblem(
            f"{len(record)} fields, where the header has {len(header)}",
            path.name,
            row=row,
            remedy="check commas and quotes of this line",
        )
        for record, row in zip(fields, rows, strict=True)
        if len(record) != len(header)
    ]
    if odd:
        raise ProblemsError(odd[:20])
    return Sheet(pd.DataFrame(fields[1:], columns=header, dtype=str), rows[1:], path.name)


def _typed(frame: pd.DataFrame, path: Path) -> Sheet:
    frame = frame.reset_index(drop=True)
    return Sheet(frame, range(_FIRST_ROW, len(frame) + _FIRST_ROW), path.name)


def _read_parquet(path: Path) -> Sheet:
    frame = pd.read_parquet(path)
    if any(name is not None for name in frame.index.names):  # unit and time as an index
        frame = frame.reset_index()
    return _typed(frame, path)


def _read_excel(path: Path) -> Sheet:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl names each style it does not know
        cells = pd.read_excel(path, header=None, dtype=object)
    if cells.empty:
        raise ProblemsError([PanelProblem("the first sheet is empty", path.name)])
    header = ["" if pd.isna(c) else str(c) for c in cells.iloc[0]]
    body = cells.iloc[1:].set_axis(header, axis=1)
    full = body.notna().any(axis=1).to_numpy()
    rows = [int(i) + 1 for i in body.index[full]]
    return Sheet(body[full].reset_index(drop=True), rows, path.name)


def _read_stata(path: Path) -> Sheet:
    return _typed(pd.read_stata(path, convert_categoricals=True), path)


#: What reads a file, by its ending.
READERS: dict[str, Callable[[Path], Sheet]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".xlsx": _read_excel,
    ".dta": _read_stata,
}
