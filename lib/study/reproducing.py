"""Which analytic path prints the paper's digits.

A printed cell is a rounded number, so that more than one path through the choices can
lead to it.  The specifications whose output rounds to the print are listed; their share
of the grid is the chance that a path picked blindly prints the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ftz._results import Result
from ftz.errors import EstimationError
from printproof.errors import RecordError
from printproof.printed import Printed, Record

_Flags = npt.NDArray[np.bool_]

_COLUMNS = ["cell", "printed", "hits", "share", "near", "statistic", "both", "share_both"]


@dataclass(frozen=True, kw_only=True, repr=False)
class _ReproducingSpecifications(Result):
    """For each printed cell, the specifications that print it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a cell, indexed by its place: ``cell`` (identifier), ``printed`` (estimate),
        ``hits`` (specifications whose estimate rounds to it) and ``share`` (their share
        of the grid); ``statistic``, ``both`` and ``share_both`` the same for estimate
        and statistic together, zero where no statistic is printed; ``near``, the share
        that a last digit within ten units to either side gets on average.
    hits : mapping
        Place of a cell to the rows of the results whose estimate prints it, with a
        column ``prints_statistic``.
    n : int
        Specifications that have an estimate.
    """

    _blank = ""

    table: pd.DataFrame
    hits: Mapping[str, pd.DataFrame]
    n: int

    def reached_by(self, paths: Mapping[str, Mapping[str, object]]) -> pd.Series:
        """Say whether a path prints the estimate of its cell."""
        cells = self.table["cell"]
        absent = [cell for cell in cells if cell not in paths]
        if absent:
            raise EstimationError(f"no path is given for {', '.join(absent)}")
        reached = [
            bool(follows(rows, paths[cell]).any())
            for rows, cell in zip(self.hits.values(), cells, strict=True)
        ]
        return pd.Series(reached, index=self.table.index, name="reached", dtype=bool)

    @property
    def _shown(self) -> pd.DataFrame:
        return self.table.drop(columns="cell")

    @property
    def _head(self) -> str:
        return f"printed cells among {self.n:,} specifications"


def specifications(
    results: pd.DataFrame,
    record: Record,
    cells: Sequence[str],
) -> _ReproducingSpecifications:
    """Find, for each printed estimate, the specifications that print it.

    Parameters
    ----------
    results : pandas.DataFrame
        One row a specification; rows without an estimate are not counted.
    record : printproof.printed.Record
    cells : sequence of str
        Identifiers of printed estimates, ending in ``/coef``; the statistic printed
        beside one is found under ``/statistic``.

    Raises
    ------
    RecordError
        If a cell is not in the record, is no estimate, or has no digits.
    EstimationError
        If the results lack a column or have no estimate at all.
    """
    known = results[np.isfinite(_numbers(results, "estimate"))]
    if not len(known):
        raise EstimationError("no specification has an estimate: there is nothing to compare")
    rows: dict[str, list[object]] = {}
    hits: dict[str, pd.DataFrame] = {}
    beside = {n.id: n for n in record if n.statistic == "statistic"}
    for name in cells:
        printed = record.get(name)
        if printed.statistic != "coef":
            raise RecordError(f"{name} is no estimate: name a cell that ends in /coef")
        statistic = beside.get(name.removesuffix("coef") + "statistic")
        place = f"{printed.table} {printed.row} {printed.column}"
        same = known[_prints(known, "estimate", printed)]
        both = (
            _prints(same, "statistic", statistic) if statistic else np.zeros(len(same), dtype=bool)
        )
        hits[place] = same.assign(prints_statistic=both)
        near = _share_nearby(known, printed)
        rows[place] = [name, printed.text, len(same), len(same) / len(known), near]
        rows[place] += (
            [statistic.text, int(both.sum()), both.sum() / len(known)]
            if statistic
            else ["", 0, 0.0]
        )
    table = pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS)
    return _ReproducingSpecifications(table=table, hits=hits, n=len(known))


def paper_paths(window: str) -> dict[str, dict[str, object]]:
    """Return how the book reads the measuring paper's own path to each of its effects.

    Parameters
    ----------
    window : str
        First and last year, as the table of results writes them: ``2013-2022``.

    Returns
    -------
    dict
        Cell of Table 1 (ATT) or Table 4 (FTZ) to columns of the results and their levels:
        ``study.replication.MATCHING`` and the first controls of
        :data:`study.replication.CONTROLS`.
    """
    from study import replication

    setup, known = replication.MATCHING, replication.CONTROLS
    every: dict[str, object] = {"sample": "all", "adoption": "launch", "window": window}
    every |= {"outcome": replication.OUTCOME, "support": setup.support}
    rows: dict[str, object] = {"estimator": "twfe", "matching": "caliper", "caliper": setup.caliper}
    paths: dict[str, dict[str, object]] = {}
    for j in range(1, len(known) + 1):
        cell = replication.cell("table4", replication.TREATMENT, f"({j})", "coef")
        paths[cell] = every | rows | {"controls": " + ".join(sorted(known[:j]))}
    for method in replication.METHODS:
        cell = replication.cell("table1", method, "ATT", "coef")
        path: dict[str, object] = {"estimator": "matching_att", "matching": method}
        path["k"] = setup.neighbours if "k_nearest" in method else None
        path["caliper"] = setup.caliper if "caliper" in method else None
        paths[cell] = every | path | {"controls": " + ".join(sorted(known))}
    return paths


def _numbers(results: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    if column not in results.columns:
        raise EstimationError(f"the results have no column {column}")
    return results[column].to_numpy(dtype=float, na_value=np.nan)


def _prints(results: pd.DataFrame, column: str, printed: Printed) -> _Flags:
    """Say which rows print a cell's digits; a float stands for its shortest decimal form.

    Floats far from the interval are told by comparison; only those at its very ends need
    decimals.
    """
    numbers = _numbers(results, column)
    printed.reproduced_by(0.0)  # refuses a cell without digits
    low, high = float(printed.interval.low), float(printed.interval.high)
    slack = 1e-12 * max(abs(low), abs(high), 1e-300)
    hit: _Flags = (numbers > low + slack) & (numbers < high - slack)
    for place in np.flatnonzero(
        (np.abs(numbers - low) <= slack) | (np.abs(numbers - high) <= slack)
    ):
        hit[place] = printed.reproduced_by(float(numbers[place]))
    return hit


def _share_nearby(results: pd.DataFrame, printed: Printed, reach: int = 10) -> float:
    """Return the average share that a print gets within so many last digits, itself included."""
    numbers = _numbers(results, "estimate")
    centre, unit = float(printed.value), 10.0**-printed.decimals
    half = (reach + 0.5) * unit
    return float(np.mean(np.abs(numbers - centre) <= half)) / (2 * reach + 1)


def follows(results: pd.DataFrame, path: Mapping[str, object]) -> pd.Series:
    """Say which specifications have the levels of a path.

    Parameters
    ----------
    results : pandas.DataFrame
        One row a specification.
    path : mapping
        Column to the level that it must have; ``None`` is a missing one.

    Returns
    -------
    pandas.Series of bool
        On the index of the results.

    Raises
    ------
    EstimationError
        If a column is not there.
    """
    absent = [c for c in path if c not in results.columns]
    if absent:
        raise EstimationError(f"the results have no column {', '.join(absent)}")
    fits = np.ones(len(results), dtype=bool)
    for column, level in path.items():
        entries = results[column]
        same = entries.isna() if level is None else (entries == level).fillna(False)
        fits &= same.to_numpy(dtype=bool)
    return pd.Series(fits, index=results.index, name="follows")
