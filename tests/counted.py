"""Work counted in calls, of which every machine makes as many: for what must end soon."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail, at once, where a block calls more functions, of Python or of C."""
    left = calls

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal left
        left -= event in ("call", "c_call")
        if left < 0:
            sys.setprofile(before)
            pytest.fail(f"more than {calls:,} calls")  # no Exception: no code under test takes it

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
