"""Estimates of other studies of the zones: what they give, and what may stand on one axis.

A study's number is kept as it was printed, so it carries the interval that rounding
leaves it (:func:`printproof.printed.rounding_interval`).  Nothing is pooled here: two numbers
share an axis if they speak of the same kind of outcome in the same unit, and a number
is carried into another unit only where the study gives what the conversion needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Context, Decimal

import pandas as pd

from ftz.errors import EstimationError
from printproof.errors import RecordError
from printproof.printed import Interval, rounding_interval
from study._rows import one_of, read_rows, refuse

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"files": ["data/other_studies.csv"]}}

KINDS = (
    *("output growth", "trade growth", "output level", "coordination", "border effect"),
    *("pollution", "productivity", "outward investment"),
)
FAMILIES = (
    "counterfactual from other places",
    "difference-in-differences",
    "spatial difference-in-differences",
)
UNITS = (
    *("percentage points", "percentage points a year", "index points"),
    *("percent", "log points", "sign"),
)
#: The two-sided five percent value of the normal distribution, as tables print it.
CRITICAL = Decimal("1.96")

_HUNDRED = Interval(Decimal(100), Decimal(100))
_PRECISE = Context(prec=40)


@dataclass(frozen=True)
class _Estimate:
    """One estimate of one study, as its source gives it.

    Attributes
    ----------
    study, place, kind, outcome, unit : str
        Whose (a key of the bibliography), where, and of what; ``kind`` is one of ``KINDS``
        and our coding.
    family, design, sample : str
        ``family`` is one of ``FAMILIES`` and our coding; the others are the source's.
    estimate, se, low, high : str
        As printed; empty where the source gives none.  ``low`` and ``high`` are a range
        that the study gives in place of an estimate.
    source, caveat : str
        Where we have it from, and what to mind first when reading it (our words).
    authors : str
        Authors and year as one writes them in a text.
    """

    study: str
    place: str
    kind: str
    outcome: str
    unit: str
    family: str
    design: str
    sample: str
    estimate: str
    se: str
    low: str
    high: str
    source: str
    caveat: str
    authors: str

    @property
    def interval(self) -> Interval | None:
        """The numbers that the print allows; of the estimate, or across the range."""
        if self.estimate:
            return rounding_interval(self.estimate)
        if self.low:
            return Interval(rounding_interval(self.low).low, rounding_interval(self.high).high)
        return None

    @property
    def error(self) -> Interval | None:
        """The standard errors that the print allows."""
        return rounding_interval(self.se) if self.se else None

    @property
    def z(self) -> Interval | None:
        """Estimate over standard error, between the ends that rounding allows."""
        if self.interval is None or self.error is None:
            return None
        return self.interval / self.error

    @property
    def confidence(self) -> Interval | None:
        """The union of all normal 95% intervals that the printed digits allow."""
        if self.interval is None or self.error is None:
            return None
        reach = CRITICAL * self.error.high
        return self.interval + Interval(-reach, reach)

    @property
    def label(self) -> str:
        """Study and outcome, for axes and tables."""
        return f"{self.authors}: {self.outcome}"

    def in_unit(self, unit: str) -> Interval:
        """Carry the estimate into another unit."""
        if self.interval is None:
            raise EstimationError(f"{self.label}: the source gives no number")
        if self.unit == unit:
            return self.interval
        if (self.unit, unit) == ("log points", "percent"):
            return percent_of_log_points(self.interval)
        raise EstimationError(
            f"{self.label}: {self.unit} cannot become {unit}: the study gives no level to "
            "reckon from"
        )


def load() -> tuple[_Estimate, ...]:
    """Read ``data/other_studies.csv``.

    Raises
    ------
    RecordError
        A file or column that is missing, an unknown kind, family or unit, a range with
        one end, a number that cannot be read; row and column are named.
    """
    file, names = "other_studies.csv", [field.name for field in fields(_Estimate)]
    frame = read_rows(file, names, may_be_empty=names)
    for name, allowed in (("kind", KINDS), ("family", FAMILIES), ("unit", UNITS)):
        one_of(file, frame, name, allowed)
    given = frame != ""
    refuse(file, frame, "high", given["low"] != given["high"], "both ends of a range, or neither")
    refuse(file, frame, "low", given["low"] & given["estimate"], "nothing beside an estimate")
    refuse(file, frame, "se", given["se"] & ~given["estimate"], "nothing without an estimate")
    for name in ("estimate", "se", "low", "high"):
        refuse(file, frame, name, ~frame[name].map(_readable), "a printed number or nothing")
    estimates = tuple(_Estimate(*row) for row in frame.itertuples(index=False, name=None))
    not_positive = [e.error is not None and e.error.low <= 0 for e in estimates]
    refuse(file, frame, "se", not_positive, "a positive number")
    return estimates


def _readable(text: str) -> bool:
    try:
        return not text or bool(rounding_interval(text))
    except RecordError:
        return False


# --------------------------------------------------------------------------- units


def percent_of_log_points(log_points: Interval) -> Interval:
    """Return the percentage changes behind changes in logs: ``100 (exp(b) - 1)``.

    Returns
    -------
    Interval
        The exponential rises throughout, so the ends go to the ends, rounded outwards.
    """
    low = _PRECISE.next_minus(log_points.low.exp(_PRECISE))
    high = _PRECISE.next_plus(log_points.high.exp(_PRECISE))
    one = Interval(Decimal(1), Decimal(1))
    return (Interval(low, high) - one) * _HUNDRED


def _common(estimate: _Estimate) -> str:
    """Return the unit in which an estimate is compared: logs become percentages."""
    return "percent" if estimate.unit == "log points" else estimate.unit


@dataclass(frozen=True)
class _Comparable:
    """Estimates that may stand on one axis.

    Attributes
    ----------
    kind, unit : str
        What they speak of, and in what unit the intervals are.
    estimates : tuple of Estimate
    intervals : tuple of Interval
        What the printed digits allow.
    confidence : tuple of Interval or None
        The 95% intervals of those that give a standard error in this unit.
    """

    kind: str
    unit: str
    estimates: tuple[_Estimate, ...]
    intervals: tuple[Interval, ...]
    confidence: tuple[Interval | None, ...]


def comparable(estimates: Sequence[_Estimate]) -> list[_Comparable]:
    """Group the estimates of one kind of outcome, in one unit, where there are two or more.

    Returns
    -------
    list of Comparable
        In the order of their first estimates.
    """
    groups: dict[tuple[str, str], list[_Estimate]] = {}
    for estimate in estimates:
        if estimate.interval is not None:
            groups.setdefault((estimate.kind, _common(estimate)), []).append(estimate)
    return [
        _Comparable(
            kind,
            unit,
            tuple(members),
            tuple(e.in_unit(unit) for e in members),
            tuple(e.confidence if e.unit == unit else None for e in members),
        )
        for (kind, unit), members in groups.items()
        if len(members) > 1
    ]


def alone(estimates: Sequence[_Estimate]) -> pd.DataFrame:
    """Return the estimates that no other may stand beside, each with the reason.

    Returns
    -------
    pandas.DataFrame
        ``estimate`` (an :class:`Estimate`) and ``reason``.
    """
    grouped = {id(e) for group in comparable(estimates) for e in group.estimates}
    kinds = [e.kind for e in estimates]
    rows = []
    for e in estimates:
        if id(e) in grouped:
            continue
        if e.interval is None:
            reason = "the source gives a sign and no number"
        elif kinds.count(e.kind) == 1:
            reason = f"no other study here speaks of {e.kind}"
        else:
            reason = f"no other study gives {e.kind} in {_common(e)}"
        rows.append({"estimate": e, "reason": reason})
    return pd.DataFrame(rows, columns=["estimate", "reason"])


# ----------------------------------------------------------------- checks on the print


def _square(interval: Interval) -> Interval:
    product = interval * interval
    return Interval(max(product.low, Decimal(0)), product.high)


def implied_correlation(first: _Estimate, second: _Estimate, total: _Estimate) -> Interval:
    r"""Return the correlation of two estimates that the error of their sum implies.

    From :math:`\sigma_t^2 = \sigma_1^2 + \sigma_2^2 + 2\rho\,\sigma_1\sigma_2`.

    Parameters
    ----------
    first, second, total : Estimate
        With standard errors; ``total`` is the sum of the others.

    Raises
    ------
    EstimationError
        If one of them has no standard error.
    """
    errors = [e.error for e in (first, second, total)]
    if any(error is None for error in errors):
        raise EstimationError("all three estimates need a standard error")
    a, b, t = (error for error in errors if error is not None)
    two = Interval(Decimal(2), Decimal(2))
    return (_square(t) - _square(a) - _square(b)) / (two * a * b)


@dataclass(frozen=True)
class _Caliper:
    """How many statistics lie just above and just below a critical value.

    Attributes
    ----------
    known : int
        Estimates that give a statistic, anywhere.
    above, below : tuple of int
        Fewest and most that rounding allows, within the caliper.
    smallest_p : float
        The smallest one-sided p value that so many statistics could ever give.
    """

    known: int
    above: tuple[int, int]
    below: tuple[int, int]
    smallest_p: float


def caliper(z: Sequence[Interval], width: float, critical: Decimal = CRITICAL) -> _Caliper:
    """Count the statistics just above and just below a critical value.

    Without selection the two counts have the same chance as a thrown coin, if the
    caliper is narrow (Gerber and Malhotra 2008); with it, more lie above.

    Parameters
    ----------
    z : sequence of Interval
        Statistics with their rounding intervals; the sign is not looked at.
    width : float
        Half the caliper's width, as a share of the critical value.
    critical : Decimal

    Returns
    -------
    Caliper
        Counts as bounds, because a rounded statistic may lie on either side; and
        ``0.5 ** known``, the p value if all that are known lay just above.

    Raises
    ------
    EstimationError
        If the width is not between zero and one.
    """
    if not 0 < width < 1:
        raise EstimationError(f"the caliper's width is a share between 0 and 1, not {width}")
    reach = critical * Decimal(repr(width))
    sizes = [_size(interval) for interval in z]
    above = _bounds(sizes, critical, critical + reach)
    below = _bounds(sizes, critical - reach, critical)
    return _Caliper(len(sizes), above, below, 0.5 ** len(sizes))


def _size(interval: Interval) -> Interval:
    """Return the absolute values of an interval's members."""
    ends = sorted((abs(interval.low), abs(interval.high)))
    return Interval(Decimal(0) if interval.low <= 0 <= interval.high else ends[0], ends[1])


def _bounds(sizes: Sequence[Interval], low: Decimal, high: Decimal) -> tuple[int, int]:
    surely = sum(low < s.low and s.high < high for s in sizes)
    perhaps = sum(s.high >= low and s.low <= high for s in sizes)
    return surely, perhaps


def fewest_for(level: float) -> int:
    """Return how many statistics a caliper needs before it can reject at a level at all.

    Parameters
    ----------
    level : float
        One-sided, between 0 and 1.

    Raises
    ------
    EstimationError
        If the level is not between zero and one.
    """
    if not 0 < level < 1:
        raise EstimationError(f"a level lies between 0 and 1, not {level}")
    n = 1
    while 0.5**n > level:
        n += 1
    return n
