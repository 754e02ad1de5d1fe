"""The smallest repair: which single printed cell would have to change, and by how much.

A repair is no guess at what the authors meant.  It measures how far a set of printed
numbers is from being possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations

from ftz.audit.statement import Branch, Check
from ftz.errors import RecordError
from ftz.published import Printed, Record

#: Units of the last printed digit beyond which a cell counts as not repairable.
_FARTHEST = 1 << 14
#: Most cells for which pairs are tried.
_FEW_CELLS = 8


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
    branches = [b for b in check.branches if reading is None or b.assume == reading]
    for identifier in _movable(branches, record):
        moved = [_nearest(branches, record, identifier, sign) for sign in (1, -1)]
        best = min((m for m in moved if m is not None), key=lambda m: m.units, default=None)
        if best is not None:
            found.append(best)
    return sorted(found, key=lambda r: r.units)


def smallest(check: Check, record: Record, *, reading: str | None = None) -> Repair | None:
    """Return the repair with the fewest cells, and among these the smallest change.

    Where no single cell will do, pairs are tried if the cells are few: the first is moved
    by each of a few units, the second as far as it takes.  ``None`` if that fails too.
    """
    single = repairs(check, record, reading=reading)
    if single:
        return single[0]
    best: Repair | None = None
    branches = [b for b in check.branches if reading is None or b.assume == reading]
    cells = _movable(branches, record)
    if len(cells) > _FEW_CELLS:
        return None
    for first, second in combinations(cells, 2):
        for a, b in ((first, second), (second, first)):
            for step in (1, -1, 2, -2, 4, -4, 8, -8, 16, -16, 32, -32):
                changed = _changed(record, a, step)
                if changed is None:
                    continue
                for sign in (1, -1):
                    found = _nearest(branches, changed, b, sign)
                    if found is None or (best and abs(step) + found.units >= best.units):
                        continue
                    best = Repair(
                        (a, b),
                        (record.get(a).text, found.printed[0]),
                        (changed.get(a).text, found.repaired[0]),
                        abs(step) + found.units,
                    )
    return best


def _movable(branches: Sequence[Branch], record: Record) -> list[str]:
    cells = dict.fromkeys(c for b in branches for s in b.statements for c in s.cells)
    return [c for c in cells if record.get(c).kind in {"rounded", "count"}]


def possible(branches: Sequence[Branch], record: Record) -> bool:
    """Say whether some reading is possible with these printed numbers."""
    try:
        return any(branch.failing(record) is None for branch in branches)
    except RecordError:
        return False


def _side(branches: Sequence[Branch], record: Record) -> int | None:
    """Return 0 if a reading is possible, else on which side the first failing one misses.

    ``None`` where sides mean nothing: several failing statements, or whole numbers.
    """
    try:
        failing = [b.failing(record) for b in branches]
    except RecordError:
        return None
    if any(f is None for f in failing):
        return 0
    statement = failing[0]
    if len(failing) > 1 or statement is None or statement.right is None:
        return None
    left, right = statement.spans(record)
    if left.low is None or right is None or right.high is None:
        return None
    return 1 if left.low > right.high else -1


def _nearest(
    branches: Sequence[Branch], record: Record, identifier: str, sign: int
) -> Repair | None:
    """Double the change until the check is possible or missed on the other side, then halve."""
    printed = record.get(identifier)
    before = _side(branches, record)
    step, last = 1, 0
    while step <= _FARTHEST:
        changed = _changed(record, identifier, sign * step)
        if changed is None:
            return None
        side = _side(branches, changed)
        if side == 0 or (side is not None and side != before):
            break
        last, step = step, step * 2
    else:
        return None
    low, high, fits = last, step, side == 0
    while high - low > 1:
        middle = (low + high) // 2
        changed = _changed(record, identifier, sign * middle)
        side = None if changed is None else _side(branches, changed)
        if side == 0 or (side is not None and side != before):
            high, fits = middle, side == 0
        else:
            low = middle
    if not fits:
        return None
    text = _shifted(printed, sign * high)
    return Repair((identifier,), (printed.text,), (text,), high)


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
