"""The published record: every number that the five papers print.

A printed number and what rounding leaves of it are :mod:`printproof.printed`'s, whose names
stand here too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ftz.errors import RecordError
from ftz.paths import data_dir
from printproof.printed import NOT_REPRODUCED as NOT_REPRODUCED
from printproof.printed import REPRODUCED as REPRODUCED
from printproof.printed import Interval as Interval
from printproof.printed import Printed as Printed
from printproof.printed import Record as Record
from printproof.printed import decimals as decimals
from printproof.printed import read as read
from printproof.printed import rounding_interval as rounding_interval
from printproof.printed import verdict as verdict

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {
    "load": {"files": ["data/published/{}.csv"]},
    "papers": {"files": ["data/published/papers.yml"]},
}


def papers(folder: Path | None = None) -> dict[str, dict[str, str]]:
    """Return what is known of the five papers: authors, title, outlet, date."""
    import yaml

    path = (folder or data_dir() / "published") / "papers.yml"
    known: dict[str, dict[str, str]] = yaml.safe_load(path.read_text("utf-8"))
    return known


def load(paper: str | None = None) -> Record:
    """Read the published record.

    Parameters
    ----------
    paper : str, optional
        Key of one paper; all papers by default.

    Raises
    ------
    RecordError
        If a file is malformed (file, row and column are named) or the paper unknown.

    Examples
    --------
    >>> load().select(table="table4", row="FTZ", column="(5)")
    Record of 2 printed numbers (yan_ye_wang)
    """
    folder = data_dir() / "published"
    known = list(papers(folder))
    if paper is not None and paper not in known:
        raise RecordError(f"no paper {paper!r}: the record holds {', '.join(known)}")
    chosen = known if paper is None else [paper]
    return Record([n for key in chosen for n in _read_cached(folder / f"{key}.csv")])


@cache
def _read_cached(path: Path) -> tuple[Printed, ...]:
    return tuple(read(path))
