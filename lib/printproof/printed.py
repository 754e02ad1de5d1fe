"""Printed numbers, each with the interval that rounding leaves it.

A printed number is a string, and its digits are information: "0.191" says that the
number before rounding lay in [0.1905, 0.1915].  All arithmetic here is decimal and
exact (division alone rounds, outwards), so that a contradiction between printed
numbers is never the artefact of a float.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, Inexact
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

from printproof.errors import RecordError

if TYPE_CHECKING:
    import pandas as pd

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"

#: How a number was printed, and what that says of the number behind it.
KINDS = {
    "rounded": "a measurement rounded to the printed digits",
    "count": "a count or an identity: exact",
    "over": "a lower bound: printed as more than this, or with a plus sign",
    "under": "an upper bound: printed as at most this, or nearly this",
    "about": "printed as about this: no interval is defined",
    "fraction": "printed as a fraction of small numbers: no interval is defined",
}
STATISTICS = ("value", "coef", "se", "statistic", "p", "ci_low", "ci_high", "df")
STARS = ("", "*", "**", "***")

_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", re.ASCII)

_INFINITY = Decimal("Infinity")
# Sums and products stay exact or fail; corners such as 0 * infinity become NaN and are left out.
_EXACT = Context(prec=200, traps=[Inexact])
_DOWN = Context(prec=40, rounding=ROUND_FLOOR, traps=[])
_UP = Context(prec=40, rounding=ROUND_CEILING, traps=[])


@dataclass(frozen=True)
class Interval:
    """A closed interval with exact decimal ends.

    Sums, differences and products are exact; quotients are rounded outwards to forty
    digits.  Ends may be infinite, where a number was printed as a bound.
    """

    low: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        if self.low.is_nan() or self.high.is_nan() or self.low > self.high:
            raise RecordError(f"an interval needs low <= high, not [{self.low}, {self.high}]")

    @property
    def width(self) -> Decimal:
        """Upper less lower end."""
        return _EXACT.subtract(self.high, self.low)

    def contains(self, number: Decimal | float | int | str) -> bool:
        """Say whether a number lies inside, ends included; a float stands for its shortest form."""
        value = _decimal(number)
        return not value.is_nan() and self.low <= value <= self.high

    def overlaps(self, other: Interval) -> bool:
        """Say whether the two intervals share a point."""
        return self.low <= other.high and other.low <= self.high

    def __add__(self, other: Interval) -> Interval:
        return Interval(_EXACT.add(self.low, other.low), _EXACT.add(self.high, other.high))

    def __sub__(self, other: Interval) -> Interval:
        return Interval(
            _EXACT.subtract(self.low, other.high), _EXACT.subtract(self.high, other.low)
        )

    def __mul__(self, other: Interval) -> Interval:
        products = self._corners(_EXACT.multiply, other)
        return Interval(min(products), max(products))

    def __truediv__(self, other: Interval) -> Interval:
        if other.low <= 0 <= other.high:
            raise RecordError(f"the divisor {other} contains zero")
        return Interval(
            min(self._corners(_DOWN.divide, other)), max(self._corners(_UP.divide, other))
        )

    def _corners(
        self, operation: Callable[[Decimal, Decimal], Decimal], other: Interval
    ) -> list[Decimal]:
        """Apply an operation to each pair of ends where it is defined."""
        ends = [operation(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        return [end for end in ends if not end.is_nan()]

    def __str__(self) -> str:
        return f"[{self.low}, {self.high}]"

    def __format__(self, spec: str) -> str:
        """Format both ends, ``.3f`` and the like, rounded outwards."""
        if not spec:
            return str(self)
        if not (spec.startswith(".") and spec.endswith("f") and spec[1:-1].isdigit()):
            raise ValueError(f"an interval formats as .3f, not {spec!r}")
        step = Decimal(1).scaleb(-int(spec[1:-1]))
        low = self.low.quantize(step, rounding=ROUND_FLOOR) if self.low.is_finite() else self.low
        high = (
            self.high.quantize(step, rounding=ROUND_CEILING) if self.high.is_finite() else self.high
        )
        return f"[{low}, {high}]"


def _decimal(number: Decimal | float | int | str) -> Decimal:
    """Return the decimal that a number is written as; a float's is its shortest form.

    So the float 0.1905 is the tie 0.1905, and not the binary fraction a little beside it.
    """
    if isinstance(number, Decimal):
        return number
    if isinstance(number, str):
        return _parse(number)
    if isinstance(number, Integral):
        return Decimal(int(number))
    return Decimal(repr(float(number)))


def _parse(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise RecordError(f"{text!r} is not a printed number")
    return Decimal(text.replace(",", ""))


def rounding_interval(text: str) -> Interval:
    """Return the numbers that round to the printed one.

    Parameters
    ----------
    text : str
        As printed, for example ``"-0.018"``.

    Returns
    -------
    Interval
        Half a unit of the last digit to either side, ends included because the rule
        for ties is not printed: "0.191" gives [0.1905, 0.1915].

    Raises
    ------
    RecordError
        If the text is not a number.
    """
    value = _parse(text)
    half = Decimal(5).scaleb(-len(text.partition(".")[2]) - 1)
    return Interval(value - half, value + half)


@dataclass(frozen=True)
class Printed:
    """One printed number.

    Attributes
    ----------
    paper, table, row, column, statistic : str
        Where it stands in the record; together they make :attr:`id`.
    text, stars : str
        The string as printed and its significance stars.
    kind : str
        A key of :data:`KINDS`.
    unit, where, note : str
        Unit of measurement, place in the paper, anything a reader should know.

    Examples
    --------
    >>> effect = Printed(*"p table4 x (1) coef 0.191 ** rounded  table4".split(" "), "")
    >>> print(effect.interval, effect.verdict(0.1907))
    [0.1905, 0.1915] reproduced
    """

    paper: str
    table: str
    row: str
    column: str
    statistic: str
    text: str
    stars: str
    kind: str
    unit: str
    where: str
    note: str

    @property
    def id(self) -> str:
        """``paper/table/row/column/statistic``."""
        return "/".join((self.paper, self.table, self.row, self.column, self.statistic))

    @property
    def value(self) -> Decimal:
        """The printed number."""
        if self.kind == "fraction":
            over, _, under = self.text.partition("/")
            if not under or _parse(under) == 0:
                raise RecordError(f"{self.text!r} is not a fraction")
            return _DOWN.divide(_parse(over), _parse(under))
        return _parse(self._digits)

    @property
    def decimals(self) -> int:
        """Printed decimals."""
        return len(self._digits.partition(".")[2])

    @property
    def _digits(self) -> str:
        """The text as a number; only a lower bound may be printed with a plus sign after it."""
        return self.text.removesuffix("+") if self.kind == "over" else self.text

    @property
    def interval(self) -> Interval:
        """The numbers that the print allows.

        Raises
        ------
        RecordError
            For numbers printed as "about" or as a fraction, which define none.
        """
        if self.kind == "rounded":
            return rounding_interval(self.text)
        if self.kind == "count":
            return Interval(self.value, self.value)
        if self.kind == "over":
            return Interval(self.value, _INFINITY)
        if self.kind == "under":
            return Interval(-_INFINITY, self.value)
        raise RecordError(f"{self.id}: {self.text!r} is {KINDS[self.kind]}")

    def format(self, number: float) -> str:
        """Return a computed number rounded to the printed decimals, ties away from zero."""
        exact = _decimal(float(number))
        if not exact.is_finite():
            return str(float(number))
        rounded = exact.quantize(Decimal(1).scaleb(-self.decimals), rounding=ROUND_HALF_UP)
        return str(abs(rounded) if rounded == 0 else rounded)

    def reproduced_by(self, number: float) -> bool:
        """Say whether a computed number prints the same digits.

        A number on the tie between two digits counts for either, because the paper's
        rule for ties is not known (0.1905 prints as "0.190" or as "0.191").

        Raises
        ------
        RecordError
            For bounds, "about" and fractions: they have no digits to reproduce, and
            :attr:`interval` says what a bound allows.
        """
        if self.kind not in {"rounded", "count"}:
            raise RecordError(
                f"{self.id}: {self.text!r} has no digits to reproduce ({KINDS[self.kind]})"
            )
        return self.interval.contains(float(number))

    def verdict(self, number: float) -> str:
        """Return :data:`REPRODUCED` if a number prints the same digits, else the contrary."""
        return REPRODUCED if self.reproduced_by(number) else NOT_REPRODUCED


_COLUMNS = [f.name for f in fields(Printed)]
_FILE_COLUMNS = ["printed" if name == "text" else name for name in _COLUMNS]


class Record:
    """Printed numbers that can be filtered and looked up; behaves as a sequence.

    >>> effect = Printed(*"p table4 x (1) coef 0.191 ** rounded  table4".split(" "), "")
    >>> Record([effect]).cell("p", "table4", "x", "(1)", "coef").text
    '0.191'
    """

    def __init__(self, numbers: list[Printed]) -> None:
        self._numbers = tuple(numbers)
        self._by_id = {number.id: number for number in numbers}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Printed]:
        return iter(self._numbers)

    def __repr__(self) -> str:
        papers = sorted({number.paper for number in self})
        return f"Record of {len(self)} printed numbers ({', '.join(papers)})"

    @property
    def frame(self) -> pd.DataFrame:
        """One row a printed number, indexed by identifier."""
        import pandas as pd

        rows = [{name: getattr(n, name) for name in _COLUMNS} for n in self]
        frame = pd.DataFrame(rows, columns=_COLUMNS, index=[n.id for n in self])
        return frame.rename(columns={"text": "printed"}).rename_axis("id")

    def select(self, **wanted: str) -> Record:
        """Return the numbers whose fields equal the given ones."""
        unknown = set(wanted) - set(_COLUMNS)
        if unknown:
            raise RecordError(f"the record has no field {', '.join(sorted(unknown))}")
        return Record([n for n in self if all(getattr(n, k) == v for k, v in wanted.items())])

    def get(self, identifier: str) -> Printed:
        """Return one number by its identifier.

        Raises
        ------
        RecordError
            If there is none, naming the nearest identifiers.
        """
        if identifier in self._by_id:
            return self._by_id[identifier]
        near = difflib.get_close_matches(identifier, self._by_id, n=3, cutoff=0.5)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise RecordError(f"the record has no cell {identifier}{hint}")

    def cell(self, paper: str, table: str, row: str, column: str, statistic: str) -> Printed:
        """Return one number by its five coordinates."""
        return self.get("/".join((paper, table, row, column, statistic)))

    def replace(self, changed: Printed) -> Record:
        """Return a record in which one number is another."""
        self.get(changed.id)
        return Record([changed if n.id == changed.id else n for n in self])

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read and check one file of the record.

        Raises
        ------
        RecordError
            Missing file or column, a row that is too short or too long, a number that cannot
            be read, an unknown kind or statistic, wrong stars, another paper's number, a cell
            that stands twice.
        """
        import pandas as pd

        try:
            # Without `header=None` pandas takes a field too many for an index, and without
            # `skip_blank_lines=False` it counts rows other than an editor does.
            lines = pd.read_csv(
                path,
                dtype=str,
                header=None,
                keep_default_na=False,
                skip_blank_lines=False,
                encoding="utf-8",
            )
        except (
            OSError,
            UnicodeDecodeError,
            pd.errors.ParserError,
            pd.errors.EmptyDataError,
        ) as error:
            raise RecordError(f"{path.name}: cannot be read ({error})") from None
        if lines.iloc[0].tolist() != _FILE_COLUMNS:
            raise RecordError(f"{path.name}: the columns must be {', '.join(_FILE_COLUMNS)}")
        numbers: list[Printed] = []
        seen: dict[str, int] = {}
        for line, values in enumerate(lines.iloc[1:].itertuples(index=False, name=None), start=2):
            number = Printed(*values)
            _check(number, f"{path.name}, row {line}")
            if number.paper != path.stem:
                where = f"{path.name}, row {line}, column paper"
                raise RecordError(f"{where}: {number.paper!r}, expected {path.stem!r}")
            if number.id in seen:
                raise RecordError(
                    f"{path.name}, row {line}: {number.id} stands in row {seen[number.id]} already"
                )
            seen[number.id] = line
            numbers.append(number)
        return cls(numbers)


def _check(number: Printed, place: str) -> None:
    if number.kind not in KINDS:
        raise RecordError(f"{place}, column kind: {number.kind!r} is none of {', '.join(KINDS)}")
    if number.statistic not in STATISTICS:
        raise RecordError(
            f"{place}, column statistic: {number.statistic!r} is none of {', '.join(STATISTICS)}"
        )
    if number.stars not in STARS:
        raise RecordError(f"{place}, column stars: {number.stars!r} is none of * ** ***")
    for name in ("paper", "table", "row", "column", "where"):
        if not getattr(number, name):
            raise RecordError(f"{place}, column {name}: empty")
    try:
        value = number.value
    except RecordError as error:
        raise RecordError(f"{place}, column printed: {error}") from None
    if number.kind == "count" and value != value.to_integral_value():
        raise RecordError(f"{place}, column printed: a count is whole, not {number.text!r}")
