"""Errors teach: what was wrong, which argument, what to try."""

from __future__ import annotations

import pytest

from ftz import did
from ftz.errors import EstimationError
from study import panel


def test_a_misspelt_column_is_met_with_the_near_name():
    frame = panel.load_witness().matched
    with pytest.raises(EstimationError, match=r"no column lnHDQ \(did you mean lnHQD\?\)"):
        did.twfe(frame, "lnHDQ", "FTZ")
    with pytest.raises(EstimationError, match="give a list of names, not one text"):
        did.twfe(frame, "lnHQD", "FTZ", "xy")


def test_text_in_place_of_numbers_is_named():
    frame = panel.load_witness().matched
    words = frame.assign(lnHQD=frame["lnHQD"].astype(str))
    with pytest.raises(EstimationError, match="lnHQD: text, where numbers are needed"):
        did.twfe(words, "lnHQD", "FTZ")


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -1])
def test_a_level_that_is_none_is_refused(level):
    fit = did.twfe(panel.load_witness().matched, "lnHQD", "FTZ")
    with pytest.raises(EstimationError, match="level must lie between 0 and 1"):
        fit.conf_int(level)
