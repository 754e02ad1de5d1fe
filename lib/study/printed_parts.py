"""What printed columns of a mediation can say: their identity, and their stars."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from printproof.printed import Interval

#: |z| beyond which the normal distribution is significant, ten digits, by level.
_CRITICAL = {
    "***": Decimal("2.5758293035"),
    "**": Decimal("1.9599639845"),
    "*": Decimal("1.6448536270"),
}


@dataclass(frozen=True)
class _IdentityCheck:
    """Whether printed columns can satisfy ``total = direct + a*b``.

    Attributes
    ----------
    total, implied : Interval
        What is printed as total, and what the other three imply.
    verdict : str
        ``"consistent"`` or ``"impossible"``.
    reasoning : str
        The arithmetic, to be followed with a pencil.
    """

    total: Interval
    implied: Interval
    verdict: str
    reasoning: str


def identity_check(total: Interval, direct: Interval, a: Interval, b: Interval) -> _IdentityCheck:
    """Decide whether four rounded coefficients can come from one least-squares sample.

    Parameters
    ----------
    total, direct, a, b : Interval
        Rounding intervals of the four printed coefficients.

    Notes
    -----
    The verdict *impossible* is exact: decimal arithmetic, no floats.  It does not
    depend on the standard error, on the fixed effects or on the units of the mediator;
    it does assume that all columns use the same rows, controls and weights.
    """
    product = a * b
    implied = direct + product
    meet = implied.overlaps(total)
    reasoning = (
        f"a*b lies in {product:.4f}; with the direct effect in {direct}, the total must lie in "
        f"{implied:.4f}; it is printed in {total}. The two intervals "
        + ("share a point." if meet else "do not meet.")
    )
    return _IdentityCheck(total, implied, "consistent" if meet else "impossible", reasoning)


def stars_allowed(statistic: Interval) -> tuple[str, ...]:
    """Return the stars that a printed z allows under the normal distribution.

    Parameters
    ----------
    statistic : Interval
        Rounding interval of the printed statistic.

    Returns
    -------
    tuple of str
        One entry where the interval lies between two critical values, more where it
        straddles one.  Under a t distribution critical values are larger, so fewer
        stars are allowed and never more.
    """
    if statistic.low <= 0 <= statistic.high:
        ends = (Decimal(0), max(-statistic.low, statistic.high))
    else:
        sizes = abs(statistic.low), abs(statistic.high)
        ends = (min(sizes), max(sizes))
    words = ("", "*", "**", "***")

    def rank(size: Decimal) -> int:
        return sum(size > critical for critical in _CRITICAL.values())

    return words[rank(ends[0]) : rank(ends[1]) + 1]
