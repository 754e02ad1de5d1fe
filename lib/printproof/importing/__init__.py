"""Read printed tables of LaTeX, HTML, CSV, Excel or pasted text, and write their record.

:func:`import_tables` keeps every number with its digits as printed and every word beside
them.  What it does not understand it refuses, with line and column.  What the print does
not say (what stands in parentheses, which levels stars have) it asks for in comments of the
record, and the audit leaves undecided what rests on it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from printproof import reading
from printproof._cells import decimal_mark
from printproof.errors import RecordError
from printproof.importing import _files as files
from printproof.importing import _latex as latex
from printproof.importing._layout import NoNumbersError, Table, lay, texts
from printproof.importing._record import record
from printproof.importing._sheet import Sheet, decode


def import_tables(
    data: bytes,
    file: str,
    *,
    table: int | None = None,
    told: Mapping[str, str] | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    name: str = "",
) -> str:
    """Return the record of a file's tables as YAML.

    Parameters
    ----------
    data : bytes
    file : str
        Its name; the suffix says what it is, and the content where the suffix does not.
    table : int, optional
        Only the table of this number, counted from one in the order of the file.
    told : mapping, optional
        What stands in ``parentheses``, ``brackets`` or ``braces`` below coefficients: ``se``,
        ``t``, ``z``, ``p`` or ``unknown``.  By default what a note says.
    decimal : {".", ","}, optional
        The decimal mark; needed where a comma can be it or a mark of thousands.
    encoding : str, optional
        By default UTF-8, UTF-16 by its mark, or GB18030.
    name : str, optional
        Key of the paper; the file's stem by default.

    Raises
    ------
    RecordError
        At the first piece that is not understood, with its line and column.
    """
    sheets = [
        sheet
        for sheet in _sheets(data, file, encoding)
        if sheet.refused or any(p.text for row in sheet.rows for p in row)
    ]
    if not sheets:
        raise RecordError(f"{file}: no table was found in it")
    if table is not None and not 1 <= table <= len(sheets):
        raise RecordError(f"{file}: there is no table {table}; there are {len(sheets)}")
    chosen = sheets if table is None else [sheets[table - 1]]
    for sheet in chosen:
        if sheet.refused:
            other = f" (--table leaves out this table, {sheets.index(sheet) + 1})"
            raise RecordError(f"{sheet.refused}{other if len(chosen) > 1 else ''}")
    mark = decimal or decimal_mark(texts(chosen))
    laid, left = list[tuple[Sheet, Table]](), list[str]()
    for sheet in chosen:
        try:
            laid.append((sheet, lay(sheet, mark)))
        except NoNumbersError as error:
            left.append(str(error))
    if not laid:
        raise RecordError(left[0])
    key = name or re.sub(r"\W+", "_", Path(file).stem).strip("_") or "paper"
    text = record(key, _named([t for _, t in laid]), Path(file).name, mark, told or {}, left)
    _account([sheet for sheet, _ in laid], text)
    reading.study(key, yaml.safe_load(text)[key], file="the record")
    return text


def _account(sheets: Sequence[Sheet], text: str) -> None:
    """Refuse to part with a record that lacks a number of the source."""
    figures = r"[0-9]+(?:[.,][0-9]+)*"
    written = Counter(re.findall(figures, text))
    for sheet in sheets:
        for piece in dict.fromkeys(p for row in sheet.rows for p in row):
            for figure in re.findall(figures, piece.text):
                if not written[figure]:
                    sheet.fail(piece, f"{figure} of {piece.text!r} found no place in the record")
                written[figure] -= "." in figure  # a heading (1) may be repeated, a result not


def _sheets(data: bytes, file: str, encoding: str | None) -> list[Sheet]:
    suffix = Path(file).suffix.casefold()
    if suffix in {".xlsx", ".xlsm"} or data[:4] == b"PK\x03\x04":
        return files.read_excel(data, file)
    if data[:4] == b"\xd0\xcf\x11\xe0":
        raise RecordError(f"{file}: this is an old Excel file; save it as .xlsx")
    text = decode(data, file, encoding)
    if suffix in {".tex", ".ltx"} or re.search(r"\\begin\{(tabular|longt|t?a?l?ltblr|tblr)", text):
        return latex.read(text, file)
    if suffix in {".html", ".htm"} or re.search(r"<table[\s>]", text, re.I):
        return files.read_html(text, file)
    if suffix in {".csv", ".tsv"}:
        return files.read_csv(text, file)
    return files.read_text(text, file)


def _named(tables: Sequence[Table]) -> dict[str, Table]:
    """Name tables by the number that their title prints, else by their order."""
    found: dict[str, Table] = {}
    for position, table in enumerate(tables, start=1):
        printed = re.match(r"(?:table|表)\s*([A-Z]?\.?\d+)\b", table.title, re.I)
        number = printed[1].replace(".", "") if printed else str(position)
        key = f"table{number}"
        while key in found:
            key = f"another_{key}"
        found[key] = table
    return found


__all__ = ["import_tables"]
