"""The index's tree and indicators from files: those that the book ships, or the reader's own."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ftz.errors import PanelError
from ftz.index import IndexTree
from study import register
from study.paths import data_dir

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {
    "load_tree": {"files": ["data/index/tree.csv"]},
    "load_indicators": {"files": ["data/index/simulated.csv"], "otherwise": "own"},
    "load_tiles": {"files": ["data/index/tiles.csv"]},
}

#: First words of a file that holds simulated numbers.
_SIMULATED = "# SIMULATED"
#: Columns of a file that are not indicators and not controls.
_KEYS = ("city", "year", "FTZ", "matched")


@dataclass(frozen=True)
class _IndicatorPanel:
    """Indicators of units and years, with what a regression needs beside them.

    Attributes
    ----------
    indicators : pandas.DataFrame
        Indexed by (city, year), one column an indicator; gaps are allowed.
    frame : pandas.DataFrame
        ``city``, ``year``, ``FTZ`` (0/1), ``matched`` (0/1) and the controls, one row each.
    tree : IndexTree
    simulated : bool
        True if the file says that its numbers are simulated.
    source : str
        Name of the file.
    """

    indicators: pd.DataFrame
    frame: pd.DataFrame
    tree: IndexTree
    simulated: bool
    source: str

    @property
    def matched(self) -> pd.DataFrame:
        """Rows of ``frame`` that enter the regressions."""
        return self.frame[self.frame["matched"] == 1]

    @property
    def missing(self) -> list[str]:
        """Indicators of the tree that the file lacks."""
        return [n for n in self.tree.leaves() if n not in self.indicators]

    def __repr__(self) -> str:
        what = "SIMULATED indicators" if self.simulated else "indicators"
        size = f"{self.indicators.shape[1]} {what} in {len(self.indicators)} rows"
        return f"{size} from {self.source}"


def load_tree(path: Path | None = None) -> IndexTree:
    """Read a tree of indicators from a CSV file, the paper's Table 3 by default.

    Raises
    ------
    PanelError
        As :meth:`ftz.index.IndexTree.of`.
    """
    path = path or data_dir() / "index" / "tree.csv"
    return IndexTree.of(pd.read_csv(path, dtype=str, keep_default_na=False))


def load_indicators(
    path: str | Path | None = None, tree: IndexTree | None = None, *, controls: Sequence[str] = ()
) -> _IndicatorPanel:
    """Read and check the reader's indicators, or the simulated panel that the book ships.

    The file has the columns ``city`` and ``year`` and one column an indicator, named by the
    tree's identifiers; not all need be there (:class:`ftz.index.IndexSpec`, ``partial``).  An
    empty field is missing.  ``FTZ`` (0/1) is taken from the register where the file has none;
    ``matched`` (0/1) counts every row where it has none.

    Parameters
    ----------
    path : path, optional
        A CSV file; by default the one that the environment variable ``FTZ_INDICATORS``
        names, and else ``data/index/simulated.csv``.
    tree : IndexTree, optional
        The paper's by default.
    controls : sequence of str
        Further columns for a regression.

    Raises
    ------
    PanelError
        If the file cannot be read; a key or control is missing; a column is neither a key
        nor an indicator nor a control (near names are given); a field is not a number; a
        city and year stand twice; a 0/1 column holds something else.  File, column and row
        are named.
    RecordError
        If ``FTZ`` is missing and a city is not in the register.
    """
    path = path or os.environ.get("FTZ_INDICATORS") or data_dir() / "index" / "simulated.csv"
    path, tree = Path(path), tree or load_tree()
    raw, simulated, first = _read(path)
    place: dict[str, Any] = {"file": path.name}
    for column in ("city", "year", *controls):
        if column not in raw:
            raise PanelError("missing", column=column, **place)
    for column in raw.columns:
        if column not in {*_KEYS, *tree.leaves(), *controls}:
            near = difflib.get_close_matches(column, tree.leaves(), n=2, cutoff=0.6)
            hint = f"the identifier of an indicator, perhaps {' or '.join(near)}" if near else None
            hint = hint or "city, year, FTZ, matched, an indicator of the tree, or a control"
            raise PanelError("unknown column", column=column, expected=hint, **place)
    numbers = {c: _numbers(raw[c], first, **place) for c in raw.columns if c != "city"}
    frame = pd.DataFrame({"city": raw["city"], "year": _whole(numbers["year"], first, **place)})
    twice = frame.duplicated()
    if twice.any():
        raise PanelError("city and year stand twice", row=int(np.argmax(twice)) + first, **place)
    frame["FTZ"] = numbers["FTZ"] if "FTZ" in raw else register.PAPER.treatment(frame)
    frame["matched"] = numbers.get("matched", pd.Series(1, index=frame.index))
    for column in ("FTZ", "matched"):
        odd = ~frame[column].isin([0, 1])
        if odd.any():
            row = int(np.argmax(odd)) + first
            raise PanelError("not 0 or 1", column=column, row=row, **place)
        frame[column] = frame[column].astype(int)
    for column in controls:
        frame[column] = numbers[column]
    names = [n for n in tree.leaves() if n in raw]
    if not names:
        raise PanelError("no column is an indicator of the tree", **place)
    rows = pd.MultiIndex.from_frame(frame[["city", "year"]])
    indicators = pd.DataFrame({n: numbers[n].to_numpy() for n in names}, index=rows)
    return _IndicatorPanel(indicators, frame, tree, simulated, path.name)


def load_tiles() -> pd.DataFrame:
    """Return one tile a study city, roughly where it lies: ``city``, ``row``, ``column``."""
    return pd.read_csv(data_dir() / "index" / "tiles.csv")


def _read(path: Path) -> tuple[pd.DataFrame, bool, int]:
    """Return the fields as text, whether they are simulated, and the line of the first row."""
    try:
        text = path.read_text("utf-8-sig")
        comments = 0
        for line in text.splitlines():
            if not line.startswith("#"):
                break
            comments += 1
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, skiprows=comments)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise PanelError(f"cannot be read ({error})", file=path.name) from None
    if raw.empty:
        raise PanelError("there are no rows", file=path.name)
    return raw, text.startswith(_SIMULATED), comments + 2


def _numbers(column: pd.Series, first: int, file: str) -> pd.Series:
    text = column.str.strip()
    values = pd.to_numeric(text.where(text != ""), errors="coerce")
    odd = values.isna() & (text != "")
    if odd.any():
        row = int(np.argmax(odd))
        raise PanelError(
            f"{text[row]!r} is not a number",
            file=file,
            column=str(column.name),
            row=row + first,
            expected="a number, or an empty field where it is missing",
        )
    return values


def _whole(years: pd.Series, first: int, file: str) -> pd.Series:
    odd = years.isna() | (years % 1 != 0)
    if odd.any():
        row = int(np.argmax(odd)) + first
        raise PanelError("not a year", file=file, column="year", row=row)
    return years.astype(int)


def _indicator_bytes(frame: pd.DataFrame, indicators: pd.DataFrame, label: str) -> bytes:
    """Return the CSV file of a simulated panel, its label first."""
    text = indicators.map(lambda x: f"{x:.6g}").reset_index(drop=True)
    table = pd.concat([frame[list(_KEYS)].reset_index(drop=True), text], axis=1)
    body = table.to_csv(index=False, lineterminator="\n")
    return f"{_SIMULATED} {label}\n{body}".encode()
