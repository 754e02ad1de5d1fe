"""A verifier to be read before it is trusted: one file, the standard library, no other import.

A certificate says: *under this theorem, with these premises, these printed numbers cannot
all be true*.  It holds no argument.  The verifier takes from it the theorem's name and
what it is about, and from the record (or, where there is none, from the certificate) the
printed cells and the declared premises.  From these alone it builds every case that the
theorem distinguishes and what each case demands, shows that each demands the impossible,
and writes down what it did.  The certificate holds if that is what it says, to the letter.

From top to bottom: reading with budgets, exact intervals, the print, tails of
distributions, the theorems (one function each, named after its rule), the proof.

A certificate is a JSON object of

* ``version``, ``paper``, ``rule`` (the theorem), ``about`` (its places or declared entry);
* ``cells``: the printed numbers used, as strings, with stars and the kind of print;
* ``premises``: ``[table, column, key, value]``, each as it applies there;
* ``facts``: numbers that are not printed in the paper, as ``name: [low, high]``;
* ``cases``: each with the demand that fails, as two intervals with rational ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, floor, isqrt
from typing import Any, NoReturn

VERSION = 2


class CertificateError(ValueError):
    """A certificate cannot be read, or does not prove what it claims."""


def _fail(reason: str) -> NoReturn:
    """Refuse."""
    raise CertificateError(reason)


def _demand(holds: object, otherwise: str) -> None:
    """Refuse unless something holds."""
    if not holds:
        _fail(otherwise)


# --- reading, with budgets --------------------------------------------------------------------

MOST_BYTES, MOST_DEPTH, MOST_DIGITS, MOST_CASES = 400_000, 12, 30, 2000
#: Steps of a proof, about a second of work, so that every machine gives the same verdict.
MOST_STEPS = 20_000


def read(text: str) -> dict[str, Any]:
    """Read a JSON object within the budgets: size, depth, digits, no key twice, no float.

    Raises
    ------
    CertificateError
        Where it is anything else.
    """
    _demand(len(text) <= MOST_BYTES, f"it is longer than {MOST_BYTES} characters")
    depth = 0
    for mark in re.findall(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', text, re.DOTALL):
        depth += (mark in "[{") - (mark in "]}")
        _demand(depth <= MOST_DEPTH, f"it is nested deeper than {MOST_DEPTH} levels")
    try:
        found = json.loads(
            text, object_pairs_hook=_object, parse_int=_int, parse_float=_no, parse_constant=_no
        )
    except json.JSONDecodeError as error:
        _fail(f"it is not JSON ({error})")
    _demand(isinstance(found, dict), "it is no JSON object")
    for piece in _strings(found):
        shown = piece.isprintable() and len(piece) <= 2000
        _demand(shown, "a text in it is longer than 2000 characters or cannot be printed")
    return dict(found)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _demand(len(dict(pairs)) == len(pairs), "a key stands twice in it")
    return dict(pairs)


def _int(text: str) -> int:
    _demand(len(text) <= MOST_DIGITS, f"a number in it has more than {MOST_DIGITS} digits")
    return int(text)


def _no(text: str) -> NoReturn:
    _fail(f"it holds the number {text[:20]} outside quotes; only whole numbers stand so")


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list | dict):
        values = tree.values() if isinstance(tree, dict) else ()
        for part in (*tree, *values):
            yield from _strings(part)


_DECIMAL = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?", re.A)


def _decimal(text: Any) -> tuple[Fraction, Fraction]:
    """Return a printed number and the unit of its last digit."""
    match = _DECIMAL.fullmatch(text) if isinstance(text, str) and len(text) <= 50 else None
    _demand(match and (match[2] or match[3]), f"{text!r:.60} is no printed number")
    sign, whole, part, power = match.groups(default="")  # type: ignore[union-attr]
    digits = whole.replace(",", "") + part
    _demand(len(digits) <= MOST_DIGITS, f"{text:.60} has more than {MOST_DIGITS} digits")
    unit = Fraction(10) ** (int(power or 0) - len(part))
    return Fraction(int(sign + digits)) * unit, unit


def _rational(text: Any) -> Fraction:
    """Read a premise's number: a decimal, a whole number or a quotient of two."""
    if isinstance(text, int) and not isinstance(text, bool):
        return Fraction(_int(str(text)))
    over, bar, under = text.partition("/") if isinstance(text, str) else ("", "", "")
    bottom = _decimal(under)[0] if bar else Fraction(1)
    _demand(bottom, f"{text!r:.60} divides by zero")
    return _decimal(over)[0] / bottom


def _texts(about: Any, *keys: str) -> list[str]:
    """Return texts of an object that has exactly these keys."""
    _demand(isinstance(about, dict) and set(about) == set(keys), f"expected only {', '.join(keys)}")
    _demand(all(isinstance(about[k], str) for k in keys), f"{', '.join(keys)} must be texts")
    return [about[k] for k in keys]


# --- exact intervals --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ends:
    """A closed interval with rational ends; ``None`` where it has no end.

    Sums, products and the like hold what numbers inside can give; ``<=``, ``<``, ``equals``
    and ``is_whole`` make a :class:`Demand`.
    """

    low: Fraction | None
    high: Fraction | None

    @property
    def both(self) -> tuple[Fraction, Fraction]:
        """Both ends, which must exist."""
        if self.low is None or self.high is None:
            _fail("a number printed as a bound is multiplied, divided or counted")
        return self.low, self.high

    @property
    def texts(self) -> list[str | None]:
        """Both ends as texts."""
        return [None if end is None else str(end) for end in (self.low, self.high)]

    def __neg__(self) -> _Ends:
        return _Ends(*(None if end is None else -end for end in (self.high, self.low)))

    def __add__(self, other: Number) -> _Ends:
        (a, b), (c, d) = (self.low, self.high), (_exactly(other).low, _exactly(other).high)
        return _Ends(
            None if a is None or c is None else a + c, None if b is None or d is None else b + d
        )

    def __sub__(self, other: Number) -> _Ends:
        return self + -_exactly(other)

    def __rsub__(self, other: Number) -> _Ends:
        return _exactly(other) - self

    def __mul__(self, other: Number) -> _Ends:
        products = [a * b for a in self.both for b in _exactly(other).both]
        return _Ends(min(products), max(products))

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> _Ends:
        low, high = _exactly(other).both
        _demand(not low <= 0 <= high, "a divisor may be zero")
        return self * _Ends(1 / high, 1 / low)

    def __abs__(self) -> _Ends:
        low, high = self.both
        sizes = abs(low), abs(high)
        return _Ends(Fraction(0) if low <= 0 <= high else min(sizes), max(sizes))

    def square(self) -> _Ends:
        """Return the squares of the members."""
        low, high = abs(self).both
        return _Ends(low * low, high * high)

    def whole(self) -> range:
        """Return the whole numbers inside."""
        low, high = self.both
        return range(ceil(low), floor(high) + 1)

    def __le__(self, other: Number) -> _Demand:
        return _Demand(self, "at most", _exactly(other))

    def __ge__(self, other: Number) -> _Demand:
        return _exactly(other) <= self

    def __lt__(self, other: Number) -> _Demand:
        return _Demand(self, "less than", _exactly(other))

    def __gt__(self, other: Number) -> _Demand:
        return _exactly(other) < self

    def equals(self, other: Number) -> _Demand:
        """Demand equality."""
        return _Demand(self, "equals", _exactly(other))

    def is_whole(self) -> _Demand:
        """Demand a whole number."""
        return _Demand(self, "is whole", self)


Number = _Ends | Fraction | int


def _exactly(value: Number) -> _Ends:
    """Return the interval of one number; an interval stays."""
    return value if isinstance(value, _Ends) else _Ends(Fraction(value), Fraction(value))


@dataclass(frozen=True)
class _Demand:
    """What two quantities must obey: a relation of :data:`RELATED`."""

    left: _Ends
    relation: str
    right: _Ends

    @property
    def possible(self) -> bool:
        """Whether some members of the two intervals obey."""
        a, b = self.left, self.right
        if self.relation == "is whole":
            return None in (a.low, a.high) or bool(a.whole())
        below = a.low is None or b.high is None or a.low <= b.high
        if self.relation == "less than":
            return below and (a.low is None or a.low != b.high)
        above = b.low is None or a.high is None or b.low <= a.high
        return below and (above or self.relation == "at most")

    @property
    def rows(self) -> dict[str, Any]:
        """The demand as JSON."""
        return {"left": self.left.texts, "relation": self.relation, "right": self.right.texts}


RELATED: dict[str, Callable[[_Ends, _Ends], _Demand]] = {
    "equals": _Ends.equals,
    "at most": _Ends.__le__,
    "less than": _Ends.__lt__,
    "is whole": lambda left, _: left.is_whole(),
}


# --- the print --------------------------------------------------------------------------------

Place = tuple[str, str, str, str]
PLACE = ("table", "row", "column", "statistic")
_CELL = (*PLACE, "text", "stars", "kind")


@dataclass
class _Print:
    """Printed cells, premises, declared entries and facts; it notes which of them were used.

    A premise stands at (table, column, key), where an empty name means all of them.
    Entries are ``None`` where there is no record to ask.
    """

    cells: Mapping[Place, tuple[str, str, str]]
    premises: Mapping[tuple[str, str, str], Any]
    entries: Mapping[str, list[Any]] | None = None
    facts: Mapping[str, list[str]] = field(default_factory=dict)
    used: dict[Place, None] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)
    used_premises: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    used_facts: dict[str, list[str]] = field(default_factory=dict)
    steps: int = 0

    def tick(self, steps: int = 1) -> None:
        """Refuse once the work is too much."""
        self.steps += steps
        _demand(self.steps <= MOST_STEPS, f"it takes more than {MOST_STEPS} steps")

    def tail(self, size: _Ends, df: int | None) -> _Ends:
        """Return :func:`tail`, whose two series count a step for every 25 terms."""
        self.tick(1 + min(df or 800, MOST_DF) // 25)
        return _tails(size, df)

    def has(self, *place: str) -> bool:
        """Say whether a cell is printed."""
        return place in self.cells

    def cell(self, *place: str) -> tuple[str, str, str]:
        """Return text, stars and kind of a cell, and note its use."""
        self.tick()
        _demand(place in self.cells, f"no cell {'/'.join(place)!r:.200} is printed")
        self.used[place] = None  # type: ignore[index]
        return self.cells[place]  # type: ignore[index]

    def value(self, *place: str) -> _Ends:
        """Return the numbers that a printed cell allows, by its kind and declared rounding.

        Half a unit of the last digit to either side if rounded; up to a unit away from
        zero if truncated; all of these if nothing is declared.
        """
        text, _, kind = self.cell(*place)
        number, unit = _decimal(text.removesuffix("+") if kind == "over" else text)
        if kind in {"count", "over", "under"}:
            _demand(kind != "count" or number.denominator == 1, f"the count {text} is not whole")
            return _Ends(None if kind == "under" else number, None if kind == "over" else number)
        _demand(kind == "rounded", f"'{text}' is printed as {kind!r:.40}: that defines no interval")
        rounding = self.premise("rounding", place[0], place[2])
        if rounding in {"nearest", "half_even"}:
            return _Ends(number - unit / 2, number + unit / 2)
        _demand(rounding in {None, "truncated", "unknown"}, f"rounding {rounding!r:.40} is unknown")
        inner = 0 if rounding == "truncated" else unit / 2
        return _Ends(
            number - (inner if number > 0 else unit), number + (inner if number < 0 else unit)
        )

    def premise(self, key: str, table: str, column: str = "") -> Any:
        """Return what is declared for a column, else its table, else the paper; or ``None``."""
        for place in ((table, column), (table, ""), ("", "")):
            if (*place, key) in self.premises:
                found = self.premises[*place, key]
                return self.used_premises.setdefault((table, column, key), found)
        return None

    def need(self, key: str, wanted: Sequence[str], table: str, column: str = "") -> Any:
        """Return a premise that must be declared as one of the wanted values."""
        found = self.premise(key, table, column)
        _demand(found in wanted, f"{table}: '{key}' must be declared as {' or '.join(wanted)}")
        return found

    def entry(self, section: str, about: Any) -> dict[str, Any]:
        """Return the declared entry that ``about`` repeats; the record must declare it.

        Without a record an entry that names places is a premise of the sentence, but one
        that states something in its own right is refused: it could say anything.
        """
        entry = about["entry"]
        _demand(list(about) == ["entry"] and isinstance(entry, dict), "expected one entry")
        if self.entries is None:
            free = "a declared statement needs --record FILE.yml"
            _demand(set(entry) <= set(ENTRIES.get(section) or _fail(free)), "an entry says more")
        else:
            _demand(entry in self.entries.get(section, []), f"no such entry is declared: {section}")
        return dict(entry)

    def fact(self, name: str) -> _Ends:
        """Return a fact's interval and note its use."""
        ends = self.used_facts.setdefault(name, self.facts.get(name, []))
        _demand(isinstance(ends, list) and len(ends) == 2, f"there is no fact {name!r:.80}")
        low, high = (_rational(end) for end in ends)
        _demand(low <= high, "the ends of a fact are the wrong way round")
        return _Ends(low, high)

    def at(self, place: Any, statistic: str = "") -> Place:
        """Find the one printed cell whose names, joined by slashes, are these."""
        wanted = f"{place}/{statistic}" if statistic else place
        found = [cell for cell in self.cells if "/".join(cell) == wanted]
        _demand(len(found) == 1, f"{len(found)} cells are printed at {wanted!r:.200}")
        self.used[found[0]] = None
        return found[0]

    def rows(self, table: str, column: str) -> list[str]:
        """Return the rows of a column that hold coefficients: all of them count as used."""
        found = [p for p in self.cells if (p[0], p[2], p[3]) == (table, column, "coef")]
        self.used |= dict.fromkeys(found)
        self.listed[f"{table}/{column}"] = None
        return [place[1] for place in found]

    def statistic(self, table: str, row: str, column: str) -> _Ends:
        """Return the statistic of a coefficient: printed, or coefficient over standard error."""
        if self.has(table, row, column, "statistic"):
            return self.value(table, row, column, "statistic")
        return self.value(table, row, column, "coef") / self.value(table, row, column, "se")

    def variance(self, table: str, row: str, column: str) -> _Ends:
        """Return the squared standard error: printed, or coefficient over statistic."""
        if self.has(table, row, column, "se"):
            return self.value(table, row, column, "se").square()
        coefficient = self.value(table, row, column, "coef")
        return (coefficient / self.value(table, row, column, "statistic")).square()

    def size(self, table: str, column: str) -> int:
        """Return the number of observations printed under a column."""
        row = next((r for r in SIZES if self.has(table, r, column, "value")), SIZES[0])
        return self.count(table, row, column, "value")

    def count(self, *place: str) -> int:
        """Return an exact whole number, at least one."""
        low, high = self.value(*place).both
        _demand(low == high >= 1 and low.denominator == 1, f"{'/'.join(place)!r:.200} is no count")
        return int(low)


#: Entries that only name places, and their keys.
ENTRIES = {
    "nested": ("table", "columns"),
    "mediation": ("total", "mediator", "direct", "path", "slopes"),
    "differences": ("table", "first", "second"),
}
#: Names under which a number of observations, a constant, R2, adjusted R2 and F are printed.
SIZES = ("N", "n", "Observations", "obs")
CONSTANTS = ("const", "constant", "_cons", "Constant", "Intercept")
FITS = ("R2", "R-squared", "R²", "r2")
ADJUSTED = ("adj. R2", "Adj. R2", "Adjusted R2", "adjusted R2", "R2 adj.")
FS = ("F", "F statistic", "F-statistic")


# --- tails of distributions, enclosed by whole numbers over ONE --------------------------------

#: The fixed point; each step rounds outwards.
ONE = 10**80
#: Beyond this many degrees of freedom t lies between t with this many and the normal.
MOST_DF = 50_000


def _tails(size: _Ends, df: int | None) -> _Ends:
    """Enclose P(|T| > x) for x in an interval; ``df=None`` is the normal distribution."""
    low, high = size.both
    _demand(low >= 0 and (df is None or df >= 1), "a size is negative, or degrees of freedom are")
    grid = 10**12
    return _Ends(
        Fraction(max(_tail(high, df)[0] * grid // ONE, 0), grid),
        Fraction(-(-_tail(low, df)[1] * grid // ONE), grid),
    )


def _tail(x: Fraction, df: int | None) -> tuple[int, int]:
    if df is None:
        return _normal(x)
    return _t(x, df) if df <= MOST_DF else (_normal(x)[0], _t(x, MOST_DF)[1])


def _normal(x: Fraction) -> tuple[int, int]:
    """1 - sqrt(2/pi) (x - x^3/(2*3) + x^5/(2^2 2! 5) - ...); beyond 12 less than 1e-30.

    Up to 12 the terms fall from the 72nd on, and the 400th is less than one over ONE.
    """
    if x > 12:
        return 0, ONE // 10**30
    low, high = floor(x * ONE), ceil(x * ONE)
    square = low * low // ONE, high * high // ONE + 1
    sums = [-1, 1]
    for k in range(400):
        ends = low // (2 * k + 1), high // (2 * k + 1) + 1
        sums = (
            [sums[0] + ends[0], sums[1] + ends[1]]
            if k % 2 == 0
            else [sums[0] - ends[1], sums[1] - ends[0]]
        )
        low = low * square[0] // (2 * (k + 1) * ONE)
        high = high * square[1] // (2 * (k + 1) * ONE) + 1
    pi = _pi()
    root = _root(Fraction(2 * ONE, pi[1]))[0], _root(Fraction(2 * ONE, pi[0]))[1]
    return ONE - root[1] * sums[1] // ONE - 1, ONE - root[0] * max(sums[0], 0) // ONE


@cache
def _t(x: Fraction, df: int) -> tuple[int, int]:
    """Sum the closed form (Abramowitz and Stegun 1964, 26.7.3-4), theta = arctan(x / sqrt(df)).

    Odd df: 2/pi (theta + sin cos (1 + 2/3 cos^2 + 2*4/(3*5) cos^4 + ...)), (df - 1)/2 terms;
    even df: sin (1 + 1/2 cos^2 + 1*3/(2*4) cos^4 + ...), df/2 terms.
    """
    odd, tan2 = df % 2, x * x / df
    cos2 = floor(ONE / (1 + tan2)), ceil(ONE / (1 + tan2))
    sine = _root(tan2 / (1 + tan2))
    low, high, sums = ONE, ONE, (0, 0)
    for j in range(1, df // 2 + 1):
        sums = sums[0] + low, sums[1] + high
        over, under = (2 * j, 2 * j + 1) if odd else (2 * j - 1, 2 * j)
        low = low * cos2[0] * over // (ONE * under)
        high = high * cos2[1] * over // (ONE * under) + 1
    if not odd:
        return ONE - sine[1] * sums[1] // ONE - 1, ONE - sine[0] * sums[0] // ONE
    cosine, theta, pi = _root(1 / (1 + tan2)), _angle(tan2), _pi()
    least = theta[0] + sine[0] * cosine[0] * sums[0] // ONE**2
    most = theta[1] + sine[1] * cosine[1] * sums[1] // ONE**2 + 1
    return ONE - 2 * most * ONE // pi[0] - 1, ONE - 2 * least * ONE // pi[1]


def _root(x: Fraction) -> tuple[int, int]:
    """Enclose a square root."""
    found = isqrt(x.numerator * ONE * ONE // x.denominator)
    return found, found + 1


def _angle(tan2: Fraction) -> tuple[int, int]:
    """Enclose an angle from its squared tangent, halving by tan(t/2) = tan t / (1 + sec t)."""
    (low, high), times = _root(tan2), 1
    while 2 * high > ONE:
        low = low * ONE // (ONE + isqrt(ONE * ONE + low * low) + 1)
        high = high * ONE // (ONE + isqrt(ONE * ONE + high * high)) + 1
        times *= 2
    return times * _arctan(low)[0], times * _arctan(high)[1]


def _arctan(x: int) -> tuple[int, int]:
    """Enclose arctan(x / ONE) by its alternating series, for 0 <= 2 x <= ONE.

    Of 150 terms each is rounded by less than three units; the rest is less than one.
    """
    total, power, square = 0, x, x * x // ONE
    for k in range(150):
        total += (-1) ** k * (power // (2 * k + 1))
        power = power * square // ONE
    return total - 500, total + 500


@cache
def _pi() -> tuple[int, int]:
    """Enclose pi by Machin's formula, 16 arctan(1/5) - 4 arctan(1/239)."""
    a, b = _arctan(ONE // 5), _arctan(ONE // 239)
    return 16 * a[0] - 4 * b[1] - 20, 16 * a[1] - 4 * b[0] + 20


# --- theorems: each returns what it says, and its complete cases with what each demands --------


@dataclass(frozen=True)
class _Finding:
    """A theorem's sentence, and its cases, each with demands that must hold together."""

    says: str
    cases: Iterable[tuple[str, Iterable[_Demand]]]


def _only(says: str, *demands: _Demand) -> _Finding:
    """Return a finding with one case."""
    return _Finding(says, [("the only case", demands)])


def _statistic(p: _Print, about: Any) -> _Finding:
    """``coefficient / error = statistic``, or sizes; near error 0 by ``statistic * error``."""
    place = _texts(about, "table", "row", "column")
    p.need("scale", ("linear",), place[0], place[2])
    effect, error, t = (p.value(*place, key) for key in ("coef", "se", "statistic"))
    if error.both[0] <= 0:
        signed, size = effect.equals(t * error), abs(effect).equals(abs(t) * abs(error))
    else:
        signed, size = (effect / error).equals(t), abs(effect / error).equals(t)
    cases = {"signed": [signed], "absolute": [size]}
    said = p.premise("statistic", place[0], place[2])
    says = "the coefficient over its standard error is the statistic"
    return _Finding(says, [(k, v) for k, v in cases.items() if said in {k, None, "unknown"}])


def _p_values(p: _Print, table: str, column: str) -> None:
    """Demand that what stands under p are p values: all lie from 0 to 1, or it is declared."""
    if p.premise("p_column", table, column) == "p values":
        return
    under = [c for c in p.cells if (c[0], c[2], c[3]) == (table, column, "p")]
    p.listed[f"{table}/{column}"] = None
    for text, _, kind in [p.cell(*place) for place in under]:
        odd = kind in {"rounded", "count"} and not 0 <= _decimal(text)[0] <= 1
        _demand(not odd, f"{table}: {text:.20} under p is no p value: 'p_column' must be declared")


def _not_negative(p: _Print, about: Any) -> _Finding:
    """``0 <= standard error`` and ``0 <= p value``."""
    table, _, column = place = _texts(about, "table", "row", "column")
    says = "no standard error and no p value is negative"
    if p.has(*place, "se") and not (error := p.value(*place, "se") >= 0).possible:
        return _only(says, error)
    _p_values(p, table, column)
    return _only(says, p.value(*place, "p") >= 0)


def _distributions(p: _Print, table: str, row: str, column: str) -> list[int | None]:
    """Return the degrees of freedom, ``None`` for the normal: printed beside, or declared.

    *residual* is n less the printed coefficients, and perhaps an unprinted constant.
    """
    if p.has(table, row, column, "df"):
        return [p.count(table, row, column, "df")]
    df = p.premise("df", table, column)
    if df == "residual":
        rows = p.rows(table, column)
        free = p.size(table, column) - len(rows)
        return [free] if set(rows) & set(CONSTANTS) else [free, free - 1]
    _demand(df == "normal" or isinstance(df, int), f"{table}, {column}: 'df' must be declared")
    return [None if df == "normal" else int(df)]


def _named(df: int | None) -> str:
    """Name a distribution."""
    return "the normal distribution" if df is None else f"t with {df} degrees of freedom"


def _stars(p: _Print, about: Any) -> _Finding:
    """``P(beyond the statistic) <= level`` of the mark, and ``>=`` the level of the next mark.

    A one-sided tail is half as large and, as the side is not known, only bounds the mark.
    """
    table, row, column = place = _texts(about, "table", "row", "column")
    levels = p.premise("stars", table, column)
    _demand(isinstance(levels, dict), f"{table}: 'stars' must be declared as marks with levels")
    one = p.need("tails", ("one", "two"), table, column) == "one"
    order, mark = ["", *sorted(levels, key=len)], p.cell(*place, "coef")[1]
    _demand(mark in order, f"the mark {mark!r:.20} has no declared level")
    if not mark:
        _demand(row not in CONSTANTS, "a constant may go without a mark")
        tested = p.premise("unmarked", table, column) == "tested"
        for at, name in ((0, table),) if tested else ((1, row), (2, column)):
            starred = [c for c in p.cells if (c[0], c[at]) == (table, name) and p.cells[c][1]]
            why = f"nothing is marked in {name!r:.80}: 'unmarked' must be declared as tested"
            p.cell(*(starred or _fail(why))[0])
    above = [] if one else order[order.index(mark) + 1 :]
    size = abs(p.statistic(*place))

    def demands(df: int | None) -> Iterator[_Demand]:
        beyond = p.tail(size, df) * Fraction(1, 2 if one else 1)
        if mark:
            yield beyond <= _rational(levels[mark])
        for next_mark in above[:1]:
            yield _rational(levels[next_mark]) <= beyond

    says = f"{repr(mark) if mark else 'no mark'} stands beside the statistic that it needs"
    return _Finding(says, [(_named(df), demands(df)) for df in _distributions(p, *place)])


def _p_value(p: _Print, about: Any) -> _Finding:
    """``P(|T| > statistic) = p``, two-sided."""
    table, _, column = place = _texts(about, "table", "row", "column")
    p.need("tails", ("two",), table, column)
    _p_values(p, table, column)
    value, size = p.value(*place, "p"), abs(p.statistic(*place))
    cases = [(_named(df), [p.tail(size, df).equals(value)]) for df in _distributions(p, *place)]
    return _Finding("the p value is the tail beyond the statistic", cases)


def _interval(p: _Print, about: Any) -> _Finding:
    """``low <= b <= high``; on a linear scale ``(low + high)/2 = b``, and the width is the level's.

    With standard error s, ``P(|T| > (high - low) / (2 s)) = 1 - level``.
    """
    table, _, column = place = _texts(about, "table", "row", "column")
    low, b, high = (p.value(*place, key) for key in ("ci_low", "coef", "ci_high"))
    inside = [low <= b, b <= high]
    says = "the interval holds the estimate, in its middle and with the width of its level"
    scale = p.premise("scale", table, column)
    _demand(scale not in {None, "unknown"}, f"{table}: 'scale' must be declared")
    _demand(
        p.premise("errors", table, column) != "bootstrap", "a bootstrap has intervals of its own"
    )
    if scale != "linear":
        return _only(says, *inside)
    inside.append(((low + high) / 2).equals(b))
    level = p.premise("level", table, column)
    if level is None or not p.has(*place, "se"):
        return _only(says, *inside)
    width = abs((high - low) / (2 * p.value(*place, "se")))
    rest = 1 - _rational(level)
    cases = [(df, [*inside, p.tail(width, df).equals(rest)]) for df in _distributions(p, *place)]
    return _Finding(says, [(_named(df), demands) for df, demands in cases])


def _moment(
    p: _Print, about: Any
) -> tuple[Callable[[str], _Ends], Callable[[str], bool], str, str]:
    """Return a variable's moments by their column, whether one is printed, table and variable."""
    table, row = _texts(about, "table", "variable")
    return (
        lambda c: p.value(table, row, c, "value"),
        lambda c: p.has(table, row, c, "value"),
        table,
        row,
    )


def _plain(p: _Print, *tables: str) -> None:
    """Demand moments of the n rows beside, in one unit, none trimmed, each row counted once."""
    for table in tables:
        p.need("moments", ("same rows",), table)
        p.need("weights", ("none",), table)


def _order(p: _Print, about: Any) -> _Finding:
    """``min <= mean <= max`` of the same rows, with any weights; ``sd >= 0`` always."""
    of, has, table, _ = _moment(p, about)
    if has("sd") and not (negative := of("sd") >= 0).possible:
        return _only("no standard deviation is negative", negative)
    p.need("moments", ("same rows",), table)
    demands = [of("min") <= of("mean"), of("mean") <= of("max")]
    return _only("the mean lies between the ends", *demands)


def _range(p: _Print, about: Any) -> _Finding:
    """``2 sd^2 <= (max - min)^2``: a variance is a mean of half squared differences."""
    of, _, table, _ = _moment(p, about)
    _plain(p, table)
    wanted = 2 * of("sd").square() <= (of("max") - of("min")).square()
    return _only("the standard deviation is at most the range over the root of two", wanted)


def _spread(p: _Print, about: Any) -> _Finding:
    """Both ends are attained and none is passed (Bhatia and Davis 2000), for n >= 3.

    ``(mean-min)^2 + (max-mean)^2 + ((max-mean)-(mean-min))^2 / (n-2) <= n sd^2`` and
    ``(n-1) sd^2 <= n (max-mean) (mean-min)``: divisor n - 1 or n, whichever is weaker.
    """
    of, _, table, row = _moment(p, about)
    _plain(p, table)
    n = p.count(table, row, "n", "value")
    _demand(n >= 3, "fewer than three observations")
    below, above, square = of("mean") - of("min"), of("max") - of("mean"), of("sd").square()
    least = below.square() + above.square() + (above - below).square() / (n - 2)
    return _only(
        "the standard deviation lies between the bounds that mean, ends and n set",
        least <= n * square,
        (n - 1) * square <= n * above * below,
    )


#: Counts that are tried one by one; more are taken as an interval.
MOST_COUNTS = 60


def _dummy(p: _Print, about: Any) -> _Finding:
    """``mean = count/n`` and ``sd^2 = mean (1 - mean) n/divisor``, the divisor n - 1 or n."""
    of, has, table, row = _moment(p, about)
    p.need("kind", ("dummy",), table, row)
    _plain(p, table)
    n, mean = p.count(table, row, "n", "value"), of("mean")
    counts = (n * mean).whole()
    says = "n times the mean of a 0/1 variable is a count, which fixes the standard deviation"
    if not counts:
        return _only(says, (n * mean).is_whole())
    few = len(counts) <= MOST_COUNTS
    shares = (
        [(f"{c} ones", _exactly(Fraction(c, n))) for c in counts] if few else [("many ones", mean)]
    )

    def demands(share: _Ends, divisor: int) -> Iterator[_Demand]:
        yield share.equals(mean)
        yield mean >= 0
        if has("sd") and n > 1:
            variance = Fraction(1, 4) - (share - Fraction(1, 2)).square()
            yield (variance * Fraction(n, divisor)).equals(of("sd").square())

    divisors = [n - 1, n] if n > 1 else [n]
    return _Finding(
        says, [(f"{k}, divisor {d}", demands(s, d)) for k, s in shares for d in divisors]
    )


def _granularity(p: _Print, about: Any) -> _Finding:
    """Let sums of whole numbers be whole, and those of their squares too, of the same parity.

    ``n mean / unit`` and ``(divisor (sd/unit)^2 + sum^2/n - sum) / 2`` are whole (GRIM,
    Brown and Heathers 2017; GRIMMER, Anaya 2016).  Of n whole numbers with this sum, n - rest
    equal and rest one more vary least (Allard 2018).  A mean of k items has the unit 1/k.
    """
    of, has, table, row = _moment(p, about)
    items = p.premise("items", table, row)
    if items is None:
        p.need("kind", ("count",), table, row)
    _plain(p, table)
    n, unit = p.count(table, row, "n", "value"), _rational(p.premise("unit", table, row) or 1)
    unit /= 1 if items is None else _rational(items)
    _demand(unit > 0, "a unit is positive")
    times = n * of("mean") / unit
    ends = [(of(end) / unit).is_whole() for end in ("min", "max") if has(end)]
    says, sums = "means and variances of whole numbers come in steps", times.whole()
    if not sums or not has("sd") or n < 2 or len(sums) > MOST_COUNTS:
        return _only(says, times.is_whole(), *ends)

    def demands(amount: int, divisor: int) -> Iterator[_Demand]:
        yield from ends
        around, rest = divisor * (of("sd") / unit).square(), amount % n
        yield _exactly(Fraction(rest * (n - rest), n)) <= around
        yield ((around + Fraction(amount**2, n) - amount) / 2).is_whole()

    pairs = [(a, d) for a in sums for d in (n - 1, n)]
    return _Finding(says, [(f"sum {a}, divisor {d}", demands(a, d)) for a, d in pairs])


def _percentage(p: _Print, about: Any) -> _Finding:
    """``n value / 100`` (or 1000) is a count from 0 to n; n stands beside it or under it."""
    table, row, column = _texts(about, "table", "row", "column")
    _plain(p, table)
    beside = column != "mean" and p.has(table, row, "mean", "value")
    names = [column] if beside else [column, row]
    found = [w for w in (p.premise("percent", table, name) for name in names) if w is not None]
    whole, value = _rational((found or [0])[0]), p.value(table, row, column, "value")
    _demand(whole > 0, f"{table}: {row!r:.80} is not declared as a percentage")
    places = [*((row, c) for c in SIZES), *((r, column) for r in SIZES)]
    size = next((at for at in places if p.has(table, *at, "value")), places[0])
    n = p.count(table, *size, "value")
    says = "a count of n, in parts of n, is a whole number from none to all"
    return _only(says, (n * value / whole).is_whole(), value >= 0, value <= whole)


def _groups(p: _Print, about: Any) -> tuple[str, str, list[str], _Ends]:
    """Return table and row of a declared difference, the groups' tables, and their means' own."""
    _demand(set(about) == {"entry", "row"}, "expected entry and row")
    entry, row = p.entry("differences", {"entry": about["entry"]}), about["row"]
    first, second = (entry[key] for key in ("first", "second"))
    means = [p.value(table, row, "mean", "value") for table in (first, second)]
    return entry["table"], row, [first, second], means[0] - means[1]


def _difference(p: _Print, about: Any) -> _Finding:
    """``first mean - second mean = difference``, whatever its error."""
    table, row, _, apart = _groups(p, about)
    says = "the difference is that of the two means"
    return _only(says, apart.equals(p.value(table, row, "ATT", "coef")))


def _difference_error(p: _Print, about: Any) -> _Finding:
    """``se^2 = s1^2/n1 + s2^2/n2`` (Welch 1938), or ``s^2 (1/n1 + 1/n2)``, s pooled; t, p with it.

    s^2 has the divisor n - 1, and the printed deviations n - 1 or n.  Pooled, the degrees of
    freedom are ``n1 + n2 - 2``; otherwise no fewer than the smaller n less one.  A normal
    tail is allowed.
    """
    table, row, tables, apart = _groups(p, about)
    pooled = p.need("variances", ("welch", "pooled"), table) == "pooled"
    _plain(p, *tables)
    sizes = [p.count(group, row, "n", "value") for group in tables]
    _demand(min(sizes) >= 2, "a group of one has no deviation")
    place, free = (table, row, "ATT"), sum(sizes) - 2
    least = free if pooled else min(sizes) - 1
    tested = p.has(*place, "p") and p.premise("tails", table, "ATT") == "two"

    def demands(more: int) -> Iterator[_Demand]:
        squares = [
            p.value(group, row, "sd", "value").square() * Fraction(n - 1 + more, n - 1)
            for group, n in zip(tables, sizes, strict=True)
        ]
        if pooled:
            parts = [s * Fraction(n - 1, free) for s, n in zip(squares, sizes, strict=True)]
            squares = [parts[0] + parts[1]] * 2
        square = squares[0] / sizes[0] + squares[1] / sizes[1]
        if p.has(*place, "se"):
            yield p.value(*place, "se").square().equals(square)
        if p.has(*place, "statistic"):
            yield (p.value(*place, "statistic").square() * square).equals(apart.square())
            if p.has(*place, "coef"):
                effect = p.value(*place, "coef").square()
                yield (p.value(*place, "statistic").square() * square).equals(effect)
        if tested and square.both[0] > 0:
            _p_values(p, table, "ATT")
            low, high = (apart.square() / square).both
            size = _Ends(Fraction(_root(low)[0], ONE), Fraction(_root(high)[1], ONE))
            beyond = _Ends(p.tail(size, None).low, p.tail(size, least).high)
            yield beyond.equals(p.value(*place, "p"))

    says = "error, statistic and p value of the difference follow from the two groups"
    return _Finding(says, [(f"divisor {word}", demands(k)) for k, word in ((0, "n - 1"), (1, "n"))])


def _domain(p: _Print, about: Any) -> _Finding:
    """``0 <= min``, and ``max <= 1`` for shares and 0/1 variables."""
    of, _, table, row = _moment(p, about)
    kind = p.need("kind", ("share", "amount", "count", "dummy"), table, row)
    demands = [of("min") >= 0, *([of("max") <= 1] if kind in {"share", "dummy"} else [])]
    return _only(f"what is declared as {kind} stays in its range", *demands)


def _sample_size(p: _Print, about: Any) -> _Finding:
    """Columns of one declared sample print one n; or a declared bound on it holds."""
    if isinstance(about, dict) and "entry" in about:
        return _relation(p, about, section="raw_sample")
    (name,) = _texts(about, "sample")
    sizes = [c for c in p.cells if c[3] == "value" and {c[1], c[2]} & set(SIZES)]
    cells = [c for c in sizes if p.premise("sample", c[0], c[2]) == name]
    _demand(cells, "no n of that sample is printed")
    first, *others = (p.value(*place) for place in cells)
    return _only("one sample has one n", *(first.equals(other) for other in others))


def _relation(p: _Print, about: Any, section: str = "relations") -> _Finding:
    """``left relation right`` by formulas that the record declares, perhaps several."""
    entry = p.entry(section, about)
    demands = []
    for part in entry.get("all", [entry]):
        names = part.get("cells", entry.get("cells", {}))
        kind = part.get("relation", entry.get("relation", "equals"))
        left = _formula(p, part.get("left"), names)
        right = left if kind == "is whole" else _formula(p, part.get("right"), names)
        demands.append(RELATED[kind](left, right))
    return _only("the declared relation holds", *demands)


def _formula(p: _Print, text: Any, names: Mapping[str, Any]) -> _Ends:
    """Read numbers, names of cells or facts, ``+ - * /`` and brackets, as schools teach it."""
    _demand(isinstance(text, str) and len(text) <= 500, "a formula is a short text")
    _demand(text.count("(") <= 40, "a formula has more than 40 brackets")
    tokens = [*re.findall(r"[A-Za-z_]\w*|\d[\d.]*|\S", text, re.ASCII), "end"]

    def atom() -> _Ends:
        signs = 0
        while tokens[0] == "-":
            signs += len(tokens.pop(0))
        token = tokens.pop(0)
        if token == "(":
            value = add()
            _demand(tokens.pop(0) == ")", "a bracket is not closed")
        elif token[0].isdigit():
            value = _exactly(_decimal(token)[0])
        else:
            place = names.get(token, "")
            _demand(place, f"{text!r:.80} cannot be read at {token!r:.40}")
            value = p.fact(place) if place.startswith("@") else p.value(*p.at(place))
        return -value if signs % 2 else value

    def multiply() -> _Ends:
        value = atom()
        while tokens[0] in "*/":
            value = value * atom() if tokens.pop(0) == "*" else value / atom()
        return value

    def add() -> _Ends:
        value = multiply()
        while tokens[0] in "+-":
            value = value + multiply() if tokens.pop(0) == "+" else value - multiply()
        return value

    value = add()
    _demand(tokens == ["end"], f"{text!r:.80} is no formula")
    return value


def _steps(p: _Print, entry: Mapping[str, Any]) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield short column, long column, the one regressor that enters, and the common ones."""
    table = entry["table"]
    every = list(dict.fromkeys(c[2] for c in p.cells if c[0] == table and c[3] == "coef"))
    for short, long in pairwise(entry.get("columns") or every):
        before, after = p.rows(table, short), p.rows(table, long)
        entering = [name for name in after if name not in before]
        if len(entering) == 1 and set(before) <= set(after):
            yield short, long, entering[0], before


def _least_squares(p: _Print, *places: Place) -> None:
    """Demand that columns are declared as least squares on one sample."""
    for place in places:
        p.need("estimator", ("ols",), place[0], place[2])
    names = [p.premise("sample", place[0], place[2]) for place in places]
    _demand(None not in names, f"{places[0][0]}: 'sample' must be declared for each column")
    _demand(names.count(names[0]) == len(names), "the columns are of different samples")


def _fit(p: _Print, about: Any) -> _Finding:
    """``R2 of the shorter column <= R2 of the longer``."""
    entry, demands = p.entry("nested", about), []
    for pair in _steps(p, entry):
        found = [[(entry["table"], r, c, "value") for r in FITS] for c in pair[:2]]
        places = [place for rows in found for place in rows if p.has(*place)]
        if len(places) == 2:
            _least_squares(p, *places)
            demands.append(p.value(*places[0]) <= p.value(*places[1]))
    return _only("R2 does not fall when a regressor enters", *demands)


def _overall(p: _Print, about: Any) -> _Finding:
    """``1 - adjusted = (1 - R2)(n - 1)/(n - k)``; ``F = R2 (n - k) / ((1 - R2)(k - 1))``.

    k counts the constant, printed or not; F needs classical errors.
    """
    table, column = _texts(about, "table", "column")
    p.need("estimator", ("ols",), table, column)
    p.need("df", ("residual",), table, column)
    rows, n = p.rows(table, column), p.size(table, column)
    k = len(rows) + (not set(rows) & set(CONSTANTS))
    _demand(n > k > 1, "no degrees of freedom are left")
    r2, adjusted, f = (
        next(((table, r, column, "value") for r in kind if p.has(table, r, column, "value")), None)
        for kind in (FITS, ADJUSTED, FS)
    )
    _demand(r2, "no R2 is printed")
    fitted = p.value(*(r2 or ()))
    left, demands = 1 - fitted, []
    if adjusted:
        demands.append((1 - p.value(*adjusted)).equals(left * Fraction(n - 1, n - k)))
    if f and p.premise("errors", table, column) == "classical":
        demands.append(p.value(*f).equals(fitted / left * Fraction(n - k, k - 1)))
    return _only("R2, adjusted R2, F, n and k belong together", *demands)


def _paths(p: _Print, entry: Mapping[str, Any], *keys: str) -> list[Place]:
    """Return the coefficients of a mediation, whose rows and columns must fit together."""
    total, direct, path = (p.at(entry.get(key), "coef") for key in ("total", "direct", "path"))
    mediator = p.at(entry["mediator"], "coef")
    _demand(total[1] == mediator[1] == direct[1] != path[1], "treatment and mediator are mixed up")
    _demand(
        (direct[0], direct[2]) == (path[0], path[2]), "direct effect and path are of two columns"
    )
    _demand(len({(c[0], c[2]) for c in (total, mediator, direct)}) == 3, "three columns are needed")
    outcomes = [p.premise("outcome", c[0], c[2]) for c in (total, direct, mediator, path)]
    alike = outcomes[0] == outcomes[1] and outcomes[2] == path[1]
    _demand(outcomes == [None] * 4 or alike, "the columns are declared with other outcomes")
    found = {"total": total, "mediator": mediator, "direct": direct, "path": path}
    return [found[key] for key in keys]


def _mediation(p: _Print, about: Any) -> _Finding:
    """``direct + a * b = total``: least squares with the same controls on one sample."""
    places = _paths(p, p.entry("mediation", about), "total", "mediator", "direct", "path")
    _least_squares(p, *places)
    c, a, direct, b = (p.value(*place) for place in places)
    says = "the direct effect plus a times b is the total effect"
    return _only(says, (direct + a * b).equals(c))


def _identity(p: _Print, short: Place, long: Place, entering: Place, df: int) -> _Demand:
    """``V_S / ((1 + t^2/df) df/(df+1)) + (b_S - b_L)^2 / t^2 = V_L``.

    One regressor with statistic t enters a least-squares column; V are squared classical
    standard errors of another coefficient in the shorter and the longer column, and df
    the residual degrees of freedom of the longer one.
    """
    p.tick()
    t2 = p.statistic(*entering[:3]).square()
    ratio = (t2 / df + 1) * Fraction(df, df + 1)
    moved = (p.value(*short) - p.value(*long)).square()
    implied = p.variance(*short[:3]) / ratio + moved / t2
    return implied.equals(p.variance(*long[:3]))


def _classical(p: _Print, about: Any) -> _Finding:
    """Ask for the identity of nested columns with each count of absorbed effects.

    As many as are declared, or else as many as leave a degree of freedom.
    """
    moves: list[tuple[Place, Place, Place, int]] = []
    if "total" in about["entry"]:
        entry = p.entry("mediation", about)
        total, direct, path = _paths(p, entry, "total", "direct", "path")
        free = p.size(direct[0], direct[2]) - int(_rational(entry.get("slopes")))
        moves.append((total, direct, path, free))
    else:
        entry = p.entry("nested", about)
        for short, long, enters, common in _steps(p, entry):
            table, rows = entry["table"], p.rows(entry["table"], long)
            free = p.size(table, long) - sum(row not in CONSTANTS for row in rows)
            ends = [[(table, row, c, "coef") for c in (short, long)] for row in common]
            moves += [(a, b, (table, enters, long, "coef"), free) for a, b in ends]
    _demand(moves, "no step adds exactly one regressor")
    places = [place for move in moves for place in move[:2]]
    _least_squares(p, *places)
    for place in places:
        p.need("errors", ("classical", "ask"), place[0], place[2])
        p.need("scale", ("linear",), place[0], place[2])
    most = max(move[3] for move in moves) - 1
    absorbed = p.premise("absorbed", places[0][0])
    most = most if absorbed is None else min(most, int(_rational(absorbed)))
    _demand(0 <= most <= MOST_CASES, f"there are more than {MOST_CASES} counts of effects, or none")

    def demands(k: int) -> Iterator[_Demand]:
        return (_identity(p, *move[:3], move[3] - k) for move in moves if move[3] > k)

    says = "classical standard errors of nested columns obey the identity of one added regressor"
    return _Finding(says, ((f"{k} absorbed effects", demands(k)) for k in range(most + 1)))


def _claims(p: _Print, about: Any) -> _Finding:
    """Read a sentence of the paper as the record declares it.

    ``all``: relations hold.  ``stable``: no coefficient changes its sign from one column to
    the next in which it stands.  ``printed``: some column holds exactly these regressors.
    ``significant``, ``insignificant``: a coefficient has its sign, and its tail lies below,
    or above, a level, under every t from the fewest degrees of freedom to the normal.
    """
    entry = p.entry("claims", about)
    if "all" in entry:
        return _relation(p, about, section="claims")
    demands = []
    if "stable" in entry:
        table, rows, columns = (entry["stable"][key] for key in ("table", "rows", "columns"))
        for row in rows:
            found = [
                p.value(table, row, c, "coef") for c in columns if p.has(table, row, c, "coef")
            ]
            demands += [a * b > 0 for a, b in pairwise(found)]
        return _only("no coefficient changes its sign between columns", *demands)
    if "printed" in entry:
        table, wanted = entry["printed"]["table"], set(entry["printed"]["regressors"])
        beside = set(entry["printed"].get("beside", []))
        columns = dict.fromkeys(c[2] for c in p.cells if c[0] == table and c[3] == "coef")
        count = sum(set(p.rows(table, c)) - beside == wanted for c in columns)
        says = "some printed column holds exactly the named regressors"
        return _only(says, _exactly(1) <= count)
    kind = "significant" if "significant" in entry else "insignificant"
    level, sign = _rational(entry[kind].get("level", "0.1")), entry[kind].get("sign")
    for table, row, column, _ in [p.at(place, "coef") for place in entry[kind]["cells"]]:
        b, size = p.value(table, row, column, "coef"), abs(p.statistic(table, row, column))
        demands += {"positive": [b > 0], "negative": [b < 0]}.get(sign, [])
        frees = [int(_rational(p.premise("clusters", table) or 2)) - 1]
        if any(p.has(table, name, column, "value") for name in SIZES):
            slopes = len(p.rows(table, column)) + int(_rational(p.premise("absorbed", table) or 0))
            frees.append(p.size(table, column) - slopes)
        beyond = _Ends(p.tail(size, None).low, p.tail(size, max(min(frees), 1)).high)
        demands.append(beyond <= level if kind == "significant" else level <= beyond)
    return _only(f"the coefficients are {kind} at the declared level", *demands)


def _official(p: _Print, about: Any) -> _Finding:
    """Let some year's official ranges, with slack, meet the printed ends in each variable."""
    _demand(set(about) == {"entry", "city"}, "expected entry and city")
    entry, city = p.entry("official", {"entry": about["entry"]}), about["city"]
    first, last = (p.count(*p.at(entry[key])) for key in ("first", "last"))
    _demand(last - first < 100, "the years span more than a century")

    def demands(year: int) -> Iterator[_Demand]:
        for name in entry["variables"]:
            if f"{city} {year} {name}" in p.facts:
                low, high = p.fact(f"{city} {year} {name}").both
                ends = [p.value(entry["moments"], name, end, "value") for end in ("min", "max")]
                yield low <= ends[1]
                yield ends[0] <= high

    says = "a row of this city in some year lies within the printed ends"
    return _Finding(says, ((f"the year {y}", demands(y)) for y in range(first, last + 1)))


RELATIONS = ("arithmetic", "repeated numbers", "parts and totals", "shares", "growth", "dates")
THEOREMS: dict[str, Callable[[_Print, Any], _Finding]] = {
    **{"statistic": _statistic, "not negative": _not_negative, "p value": _p_value},
    **{"interval": _interval, "stars": _stars, "order of moments": _order, "range": _range},
    **{"spread": _spread, "0/1 variable": _dummy, "granularity": _granularity, "domain": _domain},
    **{"percentage": _percentage, "difference": _difference, "difference error": _difference_error},
    **{"sample size": _sample_size, "fit": _fit, "overall fit": _overall, "mediation": _mediation},
    **{"classical errors": _classical, "words": _claims, "official ranges": _official},
    **dict.fromkeys(RELATIONS, _relation),
}


# --- the proof --------------------------------------------------------------------------------


def _prove(paper: str, rule: str, about: Any, p: _Print) -> tuple[dict[str, Any], str]:
    """Show that each case of a theorem demands the impossible; return certificate and sentence."""
    _demand(rule in THEOREMS, f"no theorem is called {rule!r:.60}")
    finding, cases = THEOREMS[rule](p, about), []
    for name, demands in finding.cases:
        p.tick()
        failing = next((d for d in demands if not d.possible), None)
        _demand(failing, f"nothing is contradicted in {name} ({finding.says})")
        cases.append({"case": name, **failing.rows})  # type: ignore[union-attr]
    _demand(cases, "the theorem has no case here")
    _demand(p.used, "no printed number is used")
    used = sorted(p.used)
    certificate = {
        "version": VERSION,
        "paper": paper,
        "rule": rule,
        "about": about,
        "cells": [dict(zip(_CELL, (*c, *p.cells[c]), strict=True)) for c in used],
        "premises": [[*k, v] for k, v in sorted(p.used_premises.items(), key=lambda kv: kv[0])],
        "facts": dict(sorted(p.used_facts.items())),
        "cases": cases,
    }
    return certificate, _sentence(certificate, finding.says, p)


def _sentence(certificate: Mapping[str, Any], says: str, p: _Print) -> str:
    """Write down what was shown, in the verifier's words and the print's names."""
    cells = [f"{'/'.join(c)!r} {''.join(p.cells[c][:2])!r}" for c in sorted(p.used)]
    premises = [f"{'/'.join(filter(None, k))!r} {v!r}" for *k, v in certificate["premises"]]
    premises += [repr(entry) for key, entry in certificate["about"].items() if key == "entry"]
    facts = [f"{name} from {low} to {high}" for name, (low, high) in sorted(p.used_facts.items())]
    known = p.entries is not None
    told = "it declares" if known else "it is declared"
    parts = [f"{'The record prints' if known else 'If the print reads'} {', '.join(cells)}"]
    parts += [f"{told} {', '.join(premises)}"] if premises else []
    parts += [f"no others of their kind stand in {', '.join(p.listed)}"] if p.listed else []
    parts += [f"the facts are {', '.join(facts)}"] if facts else []
    count = len(certificate["cases"])
    return (
        f"{'; '.join(parts)}: then it is impossible that {says} "
        f"({f'in each of {count} cases' if count > 1 else 'there is one case'})."
    )


_KEYS = {"version", "paper", "rule", "about", "cells", "premises", "facts", "cases"}


def _print(data: Mapping[str, Any], entries: Mapping[str, list[Any]] | None) -> _Print:
    """Take cells, premises, facts and a record's entries from plain data of the strict shape."""
    _demand(isinstance(data["cells"], list), "cells must be a list")
    lines = [_texts(line, *_CELL) for line in data["cells"]]
    cells = {(a, b, c, d): (text, marks, kind) for a, b, c, d, text, marks, kind in sorted(lines)}
    premises = {(a, b, c): value for a, b, c, value in data["premises"]}
    once = len(cells) == len(lines) and len(premises) == len(data["premises"])
    _demand(once, "a cell or a premise stands twice")
    _demand(all(isinstance(k, str) for key in premises for k in key), "a premise has no name")
    _demand(isinstance(data["facts"], dict), "facts must be an object")
    return _Print(cells, premises, entries, data["facts"])


def _certificate(paper: str, rule: str, about: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the certificate of a theorem about a record; see :func:`verify`."""
    return _prove(paper, rule, about, _print(record, record["entries"]))[0]


def verify(proof: str | Mapping[str, Any], record: Mapping[str, Any] | None = None) -> str:
    """Check a certificate and return the sentence that it proves.

    Parameters
    ----------
    proof : str or dict
        The certificate, as text or read from JSON.
    record : dict, optional
        The printed record (``printproof.printed`` of its study).  Cells, premises and
        facts are then taken from it, and the certificate's must be the same.  Without one
        the sentence begins with *if*.

    Raises
    ------
    CertificateError
        At the first thing that does not hold, saying what.
    """
    try:
        given = read(proof if isinstance(proof, str) else json.dumps(proof))
        version = f"only version {VERSION} is read: write it anew with `ftz audit --out`"
        _demand(given.get("version") == VERSION, version)
        _demand(set(given) == _KEYS, f"it must have exactly the keys {', '.join(sorted(_KEYS))}")
        _texts({key: given[key] for key in ("paper", "rule")}, "paper", "rule")
        own = _print(given, None)
        p = own if record is None else _print(record, record["entries"])
        _demand(
            record is None or record["paper"] == given["paper"], "the record is another paper's"
        )
        made, sentence = _prove(given["paper"], given["rule"], given["about"], p)
        for key in ("cells", "premises", "facts", "cases"):
            same = json.dumps(made[key], sort_keys=True) == json.dumps(given[key], sort_keys=True)
            source = "its theorem" if record is None else "its theorem and the record"
            _demand(same, f"its {key} are not those of {source}")
    except CertificateError as error:
        raise CertificateError(f"the certificate fails: {error}") from None
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError):
        raise CertificateError(
            "the certificate fails: it has not the shape of its theorem"
        ) from None
    return sentence
