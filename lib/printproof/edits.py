"""The smallest repair: which single printed cell would have to change, and by how much.

A repair is no guess at what the authors meant.  It measures how far a set of printed
numbers is from being possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from heapq import heappop, heappush
from math import floor

from printproof._constraint import Case, Check, Constraint, related
from printproof._exact import Digits
from printproof.errors import RecordError
from printproof.printed import Printed, Record

#: Units of the last printed digit beyond which a cell counts as not repairable.
_FARTHEST = 1 << 14


@dataclass(frozen=True)
class _Edit:
    """A change of printed cells that makes a check possible.

    Attributes
    ----------
    cells : tuple of str
        Identifiers.
    printed, edited : tuple of str
        The strings as printed and after the smallest change.
    units : int
        Units of the last printed digit, summed over the cells.
    """

    cells: tuple[str, ...]
    printed: tuple[str, ...]
    edited: tuple[str, ...]
    units: int


def minimal_edits(check: Check, record: Record, *, reading: str | None = None) -> list[_Edit]:
    """Return the smallest change of each single cell that makes a check possible.

    Parameters
    ----------
    check : Check
        An impossible one.
    record : Record
    reading : str, optional
        Only this reading, by what it assumes; all by default.

    Returns
    -------
    list of _Edit
        One for each cell that can do it alone, the smallest first; empty if no single
        cell can.
    """
    found = []
    cases, record = _asked(check, record, reading)
    for identifier, within in _within_reach(cases, record).items():
        best = _nearest(within, record, identifier)
        if best is not None:
            found.append(best)
    return sorted(found, key=lambda r: r.units)


def _asked(check: Check, record: Record, reading: str | None) -> tuple[list[Case], Record]:
    """Return the readings and the record of their own cells: a change copies few, not hundreds."""
    cases = [b for b in check.cases if reading is None or b.assume == reading]
    cells = dict.fromkeys(c for b in cases for s in b.constraints for c in s.cells)
    if isinstance(record, Digits):
        return cases, record.only(cells)
    return cases, Record([record.get(c) for c in cells])


def _movable(record: Record) -> list[str]:
    return [number.id for number in record if number.kind in {"rounded", "count"}]


def _within_reach(cases: Sequence[Case], record: Record) -> dict[str, list[Case]]:
    """Return for each cell the readings that it alone could make possible.

    Those are the readings in which each failing constraint is about the cell: the other
    constraints read the same numbers after a change as before.
    """
    within: dict[str, list[Case]] = {cell: [] for cell in _movable(record)}
    for case in cases:
        failing = [set(s.cells) for s in case.constraints if _miss(s, record)]
        for cell in set.intersection(*failing) if failing else ():
            if cell in within:
                within[cell].append(case)
    return {cell: readings for cell, readings in within.items() if readings}


def _nearest(cases: Sequence[Case], record: Record, identifier: str) -> _Edit | None:
    """Return the smallest change of a cell that makes one of the readings possible.

    One walk for each reading and direction; the one that is least far takes the next step,
    so that none goes farther than the nearest repair.
    """
    walks = []
    for case in cases:
        constraints = [s for s in case.constraints if identifier in s.cells]
        walks += [(sign, _walk(constraints, record, identifier, sign)) for sign in (1, -1)]
    waiting = [(0, number) for number in range(len(walks))]
    best: int | None = None
    while waiting and (best is None or waiting[0][0] < abs(best)):
        _, number = heappop(waiting)
        sign, walk = walks[number]
        units, holds = next(walk, (0, False))
        if holds and (best is None or units < abs(best)):
            best = sign * units
        elif units and not holds:
            heappush(waiting, (units, number))
    if best is None:
        return None
    printed = record.get(identifier)
    return _Edit((identifier,), (printed.text,), (_shifted(printed, best),), abs(best))


def _walk(
    constraints: Sequence[Constraint], record: Record, identifier: str, sign: int
) -> Iterator[tuple[int, bool]]:
    """Yield how many units have been gone, and whether all constraints hold there.

    Steps grow with the distance.  Where other constraints miss than before, or on another
    side, a place where all hold may lie between: the first change is found by halving, and
    the walk goes on from there.  So only a place can be overlooked that is narrower than an
    eighth of its distance and between two that miss alike.
    """

    def missing(units: int) -> tuple[object, ...] | None:
        changed = _changed(record, identifier, sign * units)
        if changed is None:
            return None
        return tuple(_miss(s, changed) for s in constraints)

    place, here = 0, missing(0)
    while place < _FARTHEST:
        ahead = min(place + max(1, place // 8), _FARTHEST)
        there = missing(ahead)
        while there != here and ahead - place > 1:
            middle = (place + ahead) // 2
            found = missing(middle)
            if found == here:
                place = middle
            else:
                ahead, there = middle, found
        if there is None:
            return
        place, here = ahead, there
        yield place, not any(here)


def _miss(constraint: Constraint, record: Record) -> object:
    """Say how a constraint fails: false if it holds, else what changes when it is passed over."""
    try:
        left, right = constraint.spans(record)
        if related(left, constraint.relation, right):
            return False
    except RecordError:
        return "cannot be evaluated"
    if right is None:
        assert left.low is not None, "related() lets it pass"
        return f"above {floor(left.low)}"
    above = left.low is not None and right.high is not None and left.low >= right.high
    return "above" if above else "below"


def _changed(record: Record, identifier: str, units: int) -> Record | None:
    printed = record.get(identifier)
    text = _shifted(printed, units)
    if printed.kind == "count" and text.startswith("-"):
        return None
    return record.replace(replace(printed, text=text))


def _shifted(printed: Printed, units: int) -> str:
    """Return the printed number moved by so many units of its last digit."""
    value = printed.value + units * Decimal(1).scaleb(-printed.decimals)
    return f"{value:.{printed.decimals}f}"
