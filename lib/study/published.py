"""The published record: every number that the five papers print.

A printed number and what rounding leaves of it are :mod:`printproof.printed`'s, whose names
stand here too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from printproof import Study, load_studies
from printproof.errors import RecordError
from printproof.printed import NOT_REPRODUCED as NOT_REPRODUCED
from printproof.printed import REPRODUCED as REPRODUCED
from printproof.printed import Interval as Interval
from printproof.printed import Printed as Printed
from printproof.printed import Record as Record
from printproof.printed import rounding_interval as rounding_interval
from study.paths import data_dir

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {
    "load": {"files": ["data/published/{}.csv"]},
    "papers": {"files": ["data/published/papers.yml"]},
    "stud*": {
        "files": ["data/published/*", "data/register/*", "data/official/*", "data/index/tree.csv"]
    },
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


def studies(folder: Path | None = None) -> list[Study]:
    """Return the five papers with what is declared of each, open facts and official figures.

    Raises
    ------
    RecordError
        If a file is malformed.
    """
    from study import official

    facts, figures = official._facts(), official._figures()
    return [
        replace(study, facts=facts, official=figures)
        for study in load_studies(folder or data_dir() / "published")
    ]


def study(paper: str) -> Study:
    """Return one of the five papers as :func:`studies` does."""
    return next(study for study in studies() if study.paper == paper)


@cache
def _read_cached(path: Path) -> Record:
    return Record.read(path)
