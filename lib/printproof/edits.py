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

from printproof._exact import Digits
from printproof._statement import Branch, Check, Statement, related
from printproof.errors import RecordError
from printproof.printed import Printed, Record

#: Units of the last printed digit beyond which a cell counts as not repairable.
_FARTHEST = 1 << 14


@dataclass(frozen=True)
class Repair:
    """A change of printed cells that makes a check possible.

    Attributes
    ----------
    cells : tuple of str
        Identifiers.
    printed, repaired : tuple of str
        The strings as printed and after the smallest change.
    units : int
        Units of the last printed digit, summed over the cells.
    """

    cells: tuple[str, ...]
    printed: tuple[str, ...]
    repaired: tuple[str, ...]
    units: int


def repairs(check: Check, record: Record, *, reading: str | None = None) -> list[Repair]:
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
    list of Repair
        One for each cell that can do it alone, the smallest first; empty if no single
        cell can.
    """
    found = []
    branches, record = _asked(check, record, reading)
    for identifier, within in _within_reach(branches, record).items():
        best = _nearest(within, record, identifier)
        if best is not None:
            found.append(best)
    return sorted(found, key=lambda r: r.units)


def _asked(check: Check, record: Record, reading: str | None) -> tuple[list[Branch], Record]:
    """Return the readings and the record of their own cells: a change copies few, not hundreds."""
    branches = [b for b in check.branches if reading is None or b.assume == reading]
    cells = dict.fromkeys(c for b in branches for s in b.statements for c in s.cells)
    if isinstance(record, Digits):
        return branches, record.only(cells)
    return branches, Record([record.get(c) for c in cells])


def _movable(record: Record) -> list[str]:
    return [number.id for number in record if number.kind in {"rounded", "count"}]


def _within_reach(branches: Sequence[Branch], record: Record) -> dict[str, list[Branch]]:
    """Return for each cell the readings that it alone could make possible.

    Those are the readings in which each failing statement is about the cell: the other
    statements read the same numbers after a change as before.
    """
    within: dict[str, list[Branch]] = {cell: [] for cell in _movable(record)}
    for branch in branches:
        failing = [set(s.cells) for s in branch.statements if _miss(s, record)]
        for cell in set.intersection(*failing) if failing else ():
            if cell in within:
                within[cell].append(branch)
    return {cell: readings for cell, readings in within.items() if readings}


def _nearest(branches: Sequence[Branch], record: Record, identifier: str) -> Repair | None:
    """Return the smallest change of a cell that makes one of the readings possible.

    One walk for each reading and direction; the one that is least far takes the next step,
    so that none goes farther than the nearest repair.
    """
    walks = []
    for branch in branches:
        statements = [s for s in branch.statements if identifier in s.cells]
        walks += [(sign, _walk(statements, record, identifier, sign)) for sign in (1, -1)]
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
    return Repair((identifier,), (printed.text,), (_shifted(printed, best),), abs(best))


def _walk(
    statements: Sequence[Statement], record: Record, identifier: str, sign: int
) -> Iterator[tuple[int, bool]]:
    """Yield how many units have been gone, and whether all statements hold there.

    Steps grow with the distance.  Where other statements miss than before, or on another
    side, a place where all hold may lie between: the first change is found by halving, and
    the walk goes on from there.  So only a place can be overlooked that is narrower than an
    eighth of its distance and between two that miss alike.
    """

    def missing(units: int) -> tuple[object, ...] | None:
        changed = _changed(record, identifier, sign * units)
        if changed is None:
            return None
        return tuple(_miss(s, changed) for s in statements)

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


def _miss(statement: Statement, record: Record) -> object:
    """Say how a statement fails: false if it holds, else what changes when it is passed over."""
    try:
        left, right = statement.spans(record)
        if related(left, statement.relation, right):
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
