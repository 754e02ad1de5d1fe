"""Closed intervals with rational ends, and expressions over printed cells.

Everything here is exact: a printed decimal is a rational number, and sums, products
and quotients of rational numbers are rational.  An *impossible* that rests on this
module is never the artefact of a binary float.

An expression is a small tree, so that the same object can be evaluated, written out
for a reader with a pencil, and put into a certificate that another program checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import cache, partial
from math import exp, lgamma, log
from statistics import NormalDist
from typing import Any

from printproof.errors import RecordError
from printproof.printed import Printed, Record, rounding_interval

Tree = tuple[Any, ...]


@dataclass(frozen=True)
class Span:
    """A closed interval with rational ends; ``None`` where it has no end.

    >>> print(Span(Fraction(1), Fraction(2)) * Span(Fraction(-3), Fraction(4)))
    [-6, 8]
    """

    low: Fraction | None
    high: Fraction | None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise RecordError(f"an interval needs low <= high, not [{self.low}, {self.high}]")

    @property
    def finite(self) -> bool:
        """Whether both ends exist."""
        return self.low is not None and self.high is not None

    def __add__(self, other: Span) -> Span:
        return Span(_plus(self.low, other.low), _plus(self.high, other.high))

    def __neg__(self) -> Span:
        return Span(
            None if self.high is None else -self.high, None if self.low is None else -self.low
        )

    def __sub__(self, other: Span) -> Span:
        return self + (-other)

    def __mul__(self, other: Span) -> Span:
        a, b = self._ends(), other._ends()
        if a[0].numerator >= 0 and b[0].numerator >= 0:
            return Span(a[0] * b[0], a[1] * b[1])
        products = [x * y for x in a for y in b]
        return Span(min(products), max(products))

    def __truediv__(self, other: Span) -> Span:
        low, high = other._ends()
        if low <= 0 <= high:
            raise RecordError(f"the divisor {other} contains zero")
        return self * Span(1 / high, 1 / low)

    def square(self) -> Span:
        """Return the squares of the members: none is negative."""
        low, high = self._ends()
        squares = (low * low, high * high)
        return Span(Fraction(0) if low <= 0 <= high else min(squares), max(squares))

    def magnitude(self) -> Span:
        """Return the absolute values of the members."""
        low, high = self._ends()
        ends = (abs(low), abs(high))
        return Span(Fraction(0) if low <= 0 <= high else min(ends), max(ends))

    def _ends(self) -> tuple[Fraction, Fraction]:
        if self.low is None or self.high is None:
            raise RecordError("a number printed as a bound has no interval to multiply or divide")
        return self.low, self.high

    def __str__(self) -> str:
        return f"[{decimal(self.low, up=False)}, {decimal(self.high, up=True)}]"


def _plus(a: Fraction | None, b: Fraction | None) -> Fraction | None:
    return None if a is None or b is None else a + b


def decimal(number: Fraction | None, *, up: bool, digits: int = 6) -> str:
    """Write a rational number as a decimal, rounded outwards to so many significant digits."""
    if number is None:
        return "no end"
    context = Context(prec=digits, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    quotient = context.divide(Decimal(number.numerator), Decimal(number.denominator))
    text = format(quotient, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def point(number: Fraction | int) -> Span:
    """Return the interval of a single number."""
    return Span(Fraction(number), Fraction(number))


#: Values of expressions that a record remembers.
_MOST_SPANS = 20_000

#: What may be declared about the digits of a printed number.
ROUNDINGS = ("nearest", "half_even", "truncated", "unknown")


class Digits(Record):
    """Printed numbers with what is declared about their digits.

    Parameters
    ----------
    numbers : list of Printed
    rounding : mapping, optional
        Identifier to one of :data:`ROUNDINGS`; *unknown* where nothing is declared, which
        allows rounding, to even or away from zero, and truncation toward zero.
    inferred : iterable of str
        Whole numbers that only look like counts: nobody declared that they are exact.
    """

    def __init__(
        self,
        numbers: Iterable[Printed],
        rounding: Mapping[str, str] | None = None,
        inferred: Iterable[str] = (),
    ) -> None:
        super().__init__(list(numbers))
        self.rounding = {n.id: (rounding or {}).get(n.id, "unknown") for n in self}
        self.inferred = frozenset(inferred)
        self._spans: dict[Tree, Span] = {}

    def span(self, tree: Tree) -> Span:
        """Return the values of an expression; readings of one table share most of their parts."""
        if tree not in self._spans:
            if len(self._spans) >= _MOST_SPANS:
                self._spans.clear()
            leaf = tree[0] == "cell"
            self._spans[tree] = (
                span_of(self.get(tree[1]), self.rounding[tree[1]]) if leaf else _span(tree, self)
            )
        return self._spans[tree]

    def with_rounding(self, rounding: str, *, undeclared_only: bool = False) -> Digits:
        """Return the same numbers under another reading of their digits."""
        changed = {
            k: v if undeclared_only and v != "unknown" else rounding
            for k, v in self.rounding.items()
        }
        return Digits(self, changed, self.inferred)

    def only(self, identifiers: Iterable[str]) -> Digits:
        """Return some of the numbers."""
        return Digits([self.get(i) for i in identifiers], self.rounding, self.inferred)

    def replace(self, changed: Printed) -> Digits:
        """Return a record in which one number is another."""
        return Digits(super().replace(changed), self.rounding, self.inferred)


@cache
def digit_span(text: str, rounding: str) -> Span:
    """Return the numbers that print as ``text``, ends included.

    With unit *u*: *nearest* and *half_even* leave p - u/2 to p + u/2, *truncated* p to
    p + u away from zero, and *unknown* all of them.
    """
    interval = rounding_interval(text)
    low, high = Fraction(interval.low), Fraction(interval.high)
    if rounding in {"nearest", "half_even"}:
        return Span(low, high)
    value, half = (low + high) / 2, (high - low) / 2
    inner = half if rounding == "unknown" else Fraction(0)
    if value == 0:
        return Span(-2 * half, 2 * half)
    return Span(
        value - (inner if value > 0 else 2 * half), value + (2 * half if value > 0 else inner)
    )


def span_of(printed: Printed, rounding: str = "nearest") -> Span:
    """Return the interval of a printed number with rational ends."""
    if printed.kind == "rounded":
        return digit_span(printed.text, rounding)
    interval = printed.interval
    low, high = interval.low, interval.high
    return Span(
        Fraction(low) if low.is_finite() else None, Fraction(high) if high.is_finite() else None
    )


@cache
def critical(level: Fraction, df: int | None) -> Span:
    """Enclose the two-sided critical value of the normal (``df=None``) or t distribution.

    The quantile is computed in floating point and widened by a thousand times the
    error that such a routine makes; a certificate's checker bounds the tail anew, in
    rational numbers.
    """
    normal = -NormalDist().inv_cdf(float(level) / 2)
    if df is None:
        quantile = normal
    elif df > 10**4:  # Cornish and Fisher's expansion; the next term is far below the slack
        z, n = normal, float(df)
        third = 3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z
        quantile = z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        quantile += third / (384 * n**3)
    else:
        low, high = 0.0, 1.0
        while _t_tail(high, df) > level:
            low, high = high, 2 * high
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if _t_tail(middle, df) > level else (low, middle)
        quantile = high
    slack = Fraction(quantile) / 10**9
    return Span(Fraction(quantile) - slack, Fraction(quantile) + slack)


def _t_tail(t: float, df: int) -> float:
    """Return the two-sided tail of the t distribution, an incomplete beta function."""
    x = df / (df + t * t)
    if x < (df + 2) / (df + 5):
        return _beta(x, t * t / (df + t * t), df / 2, 0.5)
    return 1 - _beta(t * t / (df + t * t), x, 0.5, df / 2)


def _beta(x: float, rest: float, a: float, b: float) -> float:
    """Return the incomplete beta function by its continued fraction (Lentz's algorithm)."""
    scale = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x or 5e-324) + b * log(rest or 5e-324)
    front, back, value = 1.0, 0.0, 1.0
    for i in range(1, 20_000):
        m = i // 2
        if i % 2:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        front, back = 1 + step / front, 1 / (1 + step * back)
        value *= front * back
        if abs(front * back - 1) < 1e-16:
            break
    return exp(scale) / (a * value)


_BINARY: dict[str, Callable[[Span, Span], Span]] = {
    "+": Span.__add__,
    "-": Span.__sub__,
    "*": Span.__mul__,
    "/": Span.__truediv__,
}


@dataclass(frozen=True)
class Expr:
    """An expression over printed cells, rational numbers and critical values.

    Attributes
    ----------
    tree : tuple
        ``("cell", id)``, ``("number", "a/b")``, ``("critical", level, df)``,
        ``("square", tree)``, ``("size", tree)`` or ``(operator, tree, tree)``.
    """

    tree: Tree

    def __add__(self, other: Expr) -> Expr:
        return Expr(("+", self.tree, other.tree))

    def __sub__(self, other: Expr) -> Expr:
        return Expr(("-", self.tree, other.tree))

    def __mul__(self, other: Expr) -> Expr:
        return Expr(("*", self.tree, other.tree))

    def __truediv__(self, other: Expr) -> Expr:
        return Expr(("/", self.tree, other.tree))

    def square(self) -> Expr:
        """Return the square."""
        return Expr(("square", self.tree))

    def size(self) -> Expr:
        """Return the absolute value."""
        return Expr(("size", self.tree))

    @property
    def cells(self) -> tuple[str, ...]:
        """Identifiers of the cells used, in order, each once."""
        return cells_of([self.tree])

    def span(self, record: Record) -> Span:
        """Return the values that the printed cells allow."""
        return record.span(self.tree) if isinstance(record, Digits) else _span(self.tree, record)

    def show(self, record: Record) -> str:
        """Write the expression with the printed digits in the place of the cells."""
        return _show(self.tree, record)


def cell(identifier: str) -> Expr:
    """Return a printed cell as an expression.

    >>> (cell("p/table4/x/(1)/coef") / cell("p/table4/x/(1)/se")).cells
    ('p/table4/x/(1)/coef', 'p/table4/x/(1)/se')
    """
    return Expr(("cell", identifier))


def number(value: Fraction | int | str) -> Expr:
    """Return an exact number as an expression.

    >>> print((number("0.1") + number(2)).span(Record([])))
    [2.1, 2.1]
    """
    return Expr(("number", str(value if isinstance(value, int) else Fraction(value))))


def critical_value(level: Fraction | str, df: int | None) -> Expr:
    """Return a two-sided critical value as an expression; ``df=None`` is the normal."""
    return Expr(("critical", str(Fraction(level)), df))


def total(parts: list[Expr]) -> Expr:
    """Return the sum of expressions."""
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result


def cells_of(trees: Iterable[Tree]) -> tuple[str, ...]:
    """Return the identifiers of the cells in expressions, in order, each once."""
    seen: dict[Tree, None] = {}

    def visit(tree: Tree) -> None:
        if tree not in seen:
            seen[tree] = None
            for part in tree[1:]:
                if isinstance(part, tuple):
                    visit(part)

    for tree in trees:
        visit(tree)
    return tuple(tree[1] for tree in seen if tree[0] == "cell")


def _span(tree: Tree, record: Record) -> Span:
    head = tree[0]
    if head == "cell":
        return span_of(record.get(tree[1]))
    if head == "number":
        return point(Fraction(tree[1]))
    if head == "critical":
        return critical(Fraction(tree[1]), tree[2])
    of = record.span if isinstance(record, Digits) else partial(_span, record=record)
    if head == "square":
        return of(tree[1]).square()
    if head == "size":
        return of(tree[1]).magnitude()
    return _BINARY[head](of(tree[1]), of(tree[2]))


def _show(tree: Tree, record: Record, *, inner: bool = False) -> str:
    head = tree[0]
    if head == "cell":
        text = record.get(tree[1]).text
        return f"({text})" if inner and text.startswith("-") else text
    if head == "number":
        value = Fraction(tree[1])
        short = decimal(value, up=False, digits=12)
        return short if Fraction(short) == value else str(value)
    if head == "critical":
        of = "" if tree[2] is None else f" of t with {tree[2]} degrees of freedom"
        return f"the {decimal(100 * Fraction(tree[1]), up=False)} percent critical value{of}"
    if head == "square":
        return f"{_show(tree[1], record, inner=True)}^2"
    if head == "size":
        return f"|{_show(tree[1], record)}|"
    left, right = (_show(part, record, inner=True) for part in tree[1:])
    text = f"{left} {head} {right}"
    return f"({text})" if inner else text
