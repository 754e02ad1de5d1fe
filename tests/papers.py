"""The papers' full texts, which are not ours to publish, and what of them is quoted."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from printproof.errors import RecordError
from study.attributions import PREFIXES
from study.paths import data_dir


def normalised(text: str) -> str:
    r"""Return a text without white space, letters and signs in one width.

    >>> normalised("占 GDP 的 ５０％，\n\n（表 1）")
    '占GDP的50%,(表1)'
    """
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def places(quote: str, text: str) -> list[tuple[int, int]]:
    """Return where a quotation's clauses begin and end in a text, one after the other.

    Parameters
    ----------
    quote : str
        Clauses; where something is left out between two of them stands ``……``.
    text : str
        As :func:`normalised` returns it.

    Returns
    -------
    list of tuple
        Empty if a clause is not there, or not after the one before it.

    >>> places("一是……三是", "一是甲,二是乙,三是丙")
    [(0, 2), (8, 10)]
    >>> places("三是……一是", "一是甲,二是乙,三是丙")
    []
    """
    found, here = [], 0
    for clause in map(normalised, quote.split("……")):
        begin = text.find(clause, here)
        if begin < 0:
            return []
        here = begin + len(clause)
        found.append((begin, here))
    return found


def stands(quote: str, text: str) -> bool:
    """Tell whether a quotation's clauses stand in a text."""
    return bool(places(quote, text))


def quoted_share(quotes: Iterable[str], text: str) -> float:
    """Return the share of a text that quotations cover, each letter counted once.

    Parameters
    ----------
    quotes : iterable of str
    text : str
        As :func:`normalised` returns it.
    """
    covered = {
        i for quote in quotes for begin, end in places(quote, text) for i in range(begin, end)
    }
    return len(covered) / len(text)


def papers_folder() -> Path | None:
    """Return the folder with the papers' full texts, or None where there is none.

    It is what ``FTZ_PAPERS`` names, else ``shared/seeds`` beside the checkout.
    """
    named = os.environ.get("FTZ_PAPERS")
    folder = Path(named) if named else data_dir().resolve().parents[1] / "shared" / "seeds"
    return folder if (folder / "README.md").is_file() else None


def full_texts(folder: Path) -> dict[str, str]:
    """Return paper to normalised full text, by the table in the folder's ``README.md``.

    Parameters
    ----------
    folder : pathlib.Path
        With a README whose table has lines ``| file | what it is | key |``.

    Raises
    ------
    RecordError
        A paper of :data:`study.attributions.PREFIXES` that the table does not name.
    """
    table = (folder / "README.md").read_text(encoding="utf-8")
    files = dict(
        (key, name) for name, key in re.findall(r"^\| (\S+\.txt) \|.*\| (\w+) \|$", table, re.M)
    )
    if lost := [paper for paper in PREFIXES if paper not in files]:
        raise RecordError(f"{folder.name}/README.md names no text of {', '.join(lost)}")
    return {
        paper: normalised((folder / files[paper]).read_text(encoding="utf-8")) for paper in PREFIXES
    }
