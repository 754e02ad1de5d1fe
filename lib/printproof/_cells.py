"""One printed cell: its number as digits, and the marks around it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from printproof.errors import RecordError

_MINUS = str.maketrans({"−": "-", "–": "-", "‐": "-", "﹣": "-", "－": "-", "∗": "*", "＊": "*"})
_SPACES = "[ \u00a0\u2007\u2009\u202f'’]"
_EMPTY = {"", "-", "--", "---", "—", ".", "...", "…", "n/a", "na", "n.a."}
_OPEN = {"(": ")", "[": "]", "{": "}"}
_MARKS = "†‡§¶#"


@dataclass(frozen=True)
class Cell:
    """A cell as it was read.

    Attributes
    ----------
    text : str
        The number with a decimal point and without thousands marks; empty for no number.
    stars, mark, bracket : str
        Stars, another mark of significance, and the bracket that stands around it.
    kind : str
        ``rounded``, ``over``, ``under``, ``about``, ``fraction``, ``word`` or ``empty``.
    """

    text: str
    kind: str = "rounded"
    stars: str = ""
    mark: str = ""
    bracket: str = ""

    @property
    def number(self) -> bool:
        """Whether the cell holds a number."""
        return self.kind not in {"word", "empty"}


def read_cell(raw: str, decimal: str | None = None, *, coefficient: bool = False) -> Cell:
    """Read one printed cell."""
    text = " ".join(str(raw).translate(_MINUS).split())
    if text.casefold() in _EMPTY:
        return Cell("", "empty")
    if not any(c.isdigit() for c in text):
        return Cell("", "word")
    bracket, text = _unwrap(text)
    bound, text = _bound(text)
    text, stars, mark = _marks(text)
    inner, text = _unwrap(text)
    if text.endswith("+"):
        text, mark, bound = (text[:-1], "+", bound) if coefficient else (text[:-1], mark, "over")
    text = text.removesuffix("%").strip()
    if re.fullmatch(r"\d+/\d+", text):
        return Cell(text, "fraction", stars, mark, bracket or inner)
    digits, exact = _digits(text, decimal, raw)
    kind = bound or ("rounded" if exact else "about")
    return Cell(digits, kind, stars, mark, bracket or inner)


def _unwrap(text: str) -> tuple[str, str]:
    """Take a pair of brackets off; stars may stand outside it."""
    found = re.fullmatch(r"([(\[{])(.*?)([)\]}])(\*{0,3})", text)
    if found and _OPEN[found[1]] == found[3]:
        return found[1], (found[2] + found[4]).strip()
    return "", text


def _bound(text: str) -> tuple[str, str]:
    for sign, kind in (("<", "under"), ("≤", "under"), (">", "over"), ("≥", "over")):
        if text.startswith(sign):
            return kind, text.removeprefix(sign).lstrip("= ")
    return "", text


def _marks(text: str) -> tuple[str, str, str]:
    """Split stars, and daggers or letters, off the end of a number."""
    found = re.fullmatch(rf"(?s)(.*?)\s*(?:\^?\{{?(\*+)\}}?)?\s*([{_MARKS}]+|(?<=\d)[a-d])?", text)
    assert found is not None, "it takes every text"
    stars = found[2] or ""
    if len(stars) > 3:
        raise RecordError(f"{text!r} has more than three stars")
    return found[1], stars, found[3] or ""


def _digits(text: str, decimal: str | None, raw: str) -> tuple[str, bool]:
    """Return digits with a decimal point, and whether they define a unit."""
    found = re.fullmatch(r"(?s)([+-]?) ?(.*?)(?:[eE]([+-]?\d{1,3}))?", text)
    assert found is not None, "it takes every text"
    body = _grouped(found[2], decimal, raw)
    if not re.fullmatch(r"(\d+(\.\d+)?|\.\d+)", body, re.ASCII) or len(body) > 60:
        raise RecordError(f"{str(raw)[:60]!r} is not a printed number")
    digits = found[1].replace("+", "") + ("0" + body if body.startswith(".") else body)
    if found[3] is None:
        return digits, True
    value = Decimal(digits).scaleb(int(found[3]))
    return format(value, "f"), value.as_tuple().exponent <= 0  # type: ignore[operator]


def _grouped(body: str, decimal: str | None, raw: str) -> str:
    """Take thousands marks out and make the decimal mark a point."""
    if re.fullmatch(rf"\d{{1,3}}({_SPACES}\d{{3}})+([.,]\d+)?", body):
        body = re.sub(_SPACES, "", body)
    if decimal == ",":
        if "." in body and not re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})+(,\d+)?", body):
            raise RecordError(f'{raw!r} has no decimal comma, though `decimal: ","` is declared')
        return body.replace(".", "").replace(",", ".")
    if "," not in body:
        return body
    plain = re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+\.\d+|[1-9]\d{0,2}(,\d{3}){2,}", body)
    grouped = re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", body)
    if plain or (decimal == "." and grouped):
        return body.replace(",", "")
    raise RecordError(
        f"{raw!r} has a comma that could be a decimal mark or a thousands mark; "
        'declare `decimal: ","` or `decimal: "."`'
    )


def decimal_mark(texts: Iterable[str]) -> str | None:
    """Return the point if other numbers of a paper leave no doubt that it is the decimal mark."""
    points = commas = False
    for text in texts:
        points |= bool(re.search(r"(^|\D)0?\.\d|\d\.(\d{1,2}|\d{4,})(\D|$)", text))
        commas |= bool(re.search(r"(^|\D)0,\d|\d,(\d{1,2}|\d{4,})(\D|$)", text))
    return "." if points and not commas else None
