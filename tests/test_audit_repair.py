"""The smallest repair: it repairs, nothing smaller does, and a planted error is mended."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from printproof import edits
from printproof.printed import Record

PAPER = "yan_ye_wang"
#: Readings of a check that are tried one by one: some checks have dozens.
FEW = 4


@pytest.fixture(scope="module")
def repaired(ledger):
    """Each impossible check with its record and the repairs of one cell."""
    found = []
    for check in ledger.select(verdict="impossible"):
        record = ledger.study(check.paper).record
        found.append((check, record, edits.minimal_edits(check, record)))
    return found


def moved(record: Record, identifier: str, units: int) -> Record:
    """Change a cell by units of its last digit, written anew by hand."""
    printed = record.get(identifier)
    value = Decimal(printed.text) + units * Decimal(10) ** -printed.decimals
    return record.replace(replace(printed, text=f"{value:.{printed.decimals}f}"))


def fails(check, record: Record) -> bool:
    """Say whether every reading of a check has a constraint that fails."""
    return all(case.failing(record) is not None for case in check.cases)


def test_every_repair_of_one_cell_repairs_and_nothing_smaller_does(repaired):
    """Both directions, each smaller step up to twenty tried one by one."""
    tried = 0
    for check, record, found in repaired:
        assert fails(check, record)
        for one in found:
            (identifier,) = one.cells
            assert record.get(identifier).text == one.printed[0]
            unit = Decimal(10) ** -record.get(identifier).decimals
            steps = (Decimal(one.edited[0]) - Decimal(one.printed[0])) / unit
            assert abs(steps) == one.units
            assert not fails(check, moved(record, identifier, int(steps)))
            for smaller in range(1, min(one.units, 20)):
                assert fails(check, moved(record, identifier, smaller))
                assert fails(check, moved(record, identifier, -smaller))
            tried += 1
    assert tried >= 10


def test_a_cell_that_is_not_offered_repairs_nothing(repaired):
    """Every other cell of the check, by each of a few steps."""
    for check, record, found in repaired:
        offered = {one.cells[0] for one in found}
        if len(check.cells) > 10:
            continue
        for identifier in set(check.cells) - offered:
            if record.get(identifier).kind != "rounded":
                continue
            for units in (1, -1, 3, -3, 10, -10, 100, -100):
                assert fails(check, moved(record, identifier, units))


def test_repairs_come_smallest_first(repaired):
    for _, _, found in repaired:
        assert [one.units for one in found] == sorted(one.units for one in found)


def test_a_planted_error_is_mended_where_it_was_planted(ledger):
    """Put a cell of a consistent check far off: the repair there is no longer than the way back."""
    study = ledger.study(PAPER)
    planted = 0
    for check in ledger.select(paper=PAPER, verdict="consistent"):
        if not 2 <= len(check.cells) <= 6 or not check.cases:
            continue
        identifier = check.cells[0]
        broken = study.record
        if broken.get(identifier).kind == "rounded":
            broken = moved(broken, identifier, 400)
        if not fails(check, broken):
            continue
        by_cell = {one.cells[0]: one for one in edits.minimal_edits(check, broken)}
        assert 0 < by_cell[identifier].units <= 400
        planted += 1
    assert planted >= 3


def test_one_reading_leaves_no_more_room_than_all(repaired):
    for check, record, found in repaired:
        if not found:
            continue
        for case in check.cases[:FEW]:
            alone = edits.minimal_edits(check, record, reading=case.assume)
            assert all(one.units >= found[0].units for one in alone)
