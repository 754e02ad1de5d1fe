"""A printed table as rows of pieces, whatever kind of file it came from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from printproof.errors import RecordError

#: Superscripts, as they are kept after a number so that no digit joins it.
RAISED = str.maketrans("0123456789-+abcdi", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵃᵇᶜᵈⁱ")
#: The space inside an interval of pasted text, where it parts no columns.
TIED = "\ue000"
_WIDE = str.maketrans("（）［］｛｝＜＞％", "()[]{}<>%")


#: A piece spans no more columns than HTML allows, and no row below the last.
_WIDEST = 1000


@dataclass(frozen=True, eq=False)
class Piece:
    """A printed cell and where it stands; a merged cell is one piece at several places.

    Attributes
    ----------
    text : str
    line, column : int
        Counted from one; the column of a character in text and LaTeX, else of the cell.
    file : str
        Where it stands, if that is not the file of its sheet.
    """

    text: str
    line: int = 0
    column: int = 0
    file: str = ""


@dataclass
class Sheet:
    """One table before anybody knows what its rows mean.

    Attributes
    ----------
    file : str
        For messages.
    rows : list of list of Piece
        All of one width.
    breaks : set of int
        Rows above which a rule runs through the whole table.
    title : str
    notes : list of str
        What stands below the table.
    refused : RecordError, optional
        Why it could not be read.
    """

    file: str
    rows: list[list[Piece]]
    breaks: set[int] = field(default_factory=set)
    title: str = ""
    notes: list[str] = field(default_factory=list)
    refused: RecordError | None = None

    def fail(self, piece: Piece, message: str, error: type[RecordError] = RecordError) -> NoReturn:
        """Refuse a piece, with its line and column."""
        raise error(f"{piece.file or self.file}:{piece.line}:{piece.column}: {message}")


def lay_out(
    lines: Iterable[Iterable[tuple[Piece, int, int]]], blank: Piece | None = None
) -> list[list[Piece]]:
    """Put pieces that span columns and rows into a rectangle, as HTML does."""
    grid: dict[tuple[int, int], Piece] = {}
    rows = list(lines)
    height = len(rows)
    for i, line in enumerate(rows):
        j = 0
        for piece, across, down in line:
            while (i, j) in grid:
                j += 1
            wide, high = min(max(across, 1), _WIDEST), min(max(down, 1), height - i)
            grid.update({(i + a, j + b): piece for a in range(high) for b in range(wide)})
            j += wide
    width = max((j for _, j in grid), default=-1) + 1
    nothing = blank or Piece("")
    return [[grid.get((i, j), nothing) for j in range(width)] for i in range(height)]


def tidy(text: str) -> str:
    """Return a piece's text with one width of brackets, powers of ten as e, spaces run together."""
    text = re.sub(
        r"\s*×\s*10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)",
        lambda m: "e" + m[1].translate({v: k for k, v in RAISED.items()}),
        text.replace(TIED, " ").translate(_WIDE),
    )
    return re.sub(r"[ \t\r\n\u3000]+", " ", text).strip()


def distinct(row: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces of a row that hold something, a merged one once."""
    for piece, _ in itertools.groupby(row, key=lambda p: p):
        if piece.text:
            yield piece


def decode(data: bytes, file: str, encoding: str | None = None) -> str:
    """Return a file's text: UTF-8 or 16 by its mark, UTF-8, or the Chinese GB18030."""
    marked = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}.get(data[:2], "utf-8-sig")
    for name in [encoding] if encoding else [marked, "gb18030"]:
        try:
            text = data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
        # any pair of bytes is a rare character of GB18030; those of GB2312 are in use
        foreign = [c for c in text if ord(c) > 127]
        common = sum(bool(c.encode("gb2312", "ignore")) for c in foreign)
        if name != "gb18030" or encoding or common >= 0.9 * len(foreign):
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise RecordError(f"{file}: cannot be read as text; say its encoding with --encoding")
