"""Tests that a proposal could be put to: designs, and the effects that they would see.

A design says who is served when.  How large an effect has to be before it would be seen is
computed, never written down: from the standard errors that a paper prints, or from the exact
spread of the estimator on a panel of the design's shape.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal

import numpy as np
import pandas as pd
from scipy import stats

from ftz import size_and_power
from ftz.errors import EstimationError
from printproof.printed import Interval, Record
from study._rows import read_rows, refuse
from study.policy import _identifiers

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"files": ["data/policy/designs.csv"]}}

_FILE = "policy/designs.csv"


@dataclass(frozen=True)
class _TrialDesign:
    """One test.

    Attributes
    ----------
    title : str
        What is tried.
    proposals : tuple of str
        Identifiers of the proposals that it tests.
    decides, who, where, when, measured, comparison, threat : str
        Who has to agree; whom it reaches; where; when; what is measured on them; against
        whom; and what could spoil it.
    units : int
        How many are served in turn.
    periods, waves : int
        Periods that are observed, and groups of units that are served one after the other,
        drawn by lot: one wave is half of the units, and the others wait until the end.
    """

    title: str
    proposals: tuple[str, ...]
    decides: str
    who: str
    where: str
    when: str
    measured: str
    comparison: str
    threat: str
    units: int
    periods: int
    waves: int

    def paragraph(self, quotes: pd.Series, *, rho: float) -> str:
        """Return the design as an official reads it, in Markdown."""
        words = "\uff1b".join(quotes[name] for name in self.proposals)
        seen = _detectable(self, rho=rho)
        return (
            f"**{self.title}.** ({words}) *Who decides:* {self.decides}. "
            f"*Who, where, when:* {self.who} ({self.units}); {self.where}. {self.when}. "
            f"*Measured:* {self.measured}. *Against:* {self.comparison}. "
            f"*What could spoil it:* {self.threat}. "
            f"*Effect that would be seen:* {seen:.2f} standard deviations of what is measured."
        )


def load(record: Record) -> tuple[_TrialDesign, ...]:
    """Read ``data/policy/designs.csv``.

    Parameters
    ----------
    record : Record
        Where a number of units is printed, the file names its cell, or two cells joined by
        a minus between spaces.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, or a number that is none.
    """
    frame = read_rows(_FILE, [field.name for field in fields(_TrialDesign)])
    for name in ("periods", "waves"):
        refuse(_FILE, frame, name, ~frame[name].str.isdigit(), "a whole number")
    return tuple(
        _TrialDesign(
            **{
                **{str(name): text for name, text in row.items()},
                "proposals": _identifiers(row["proposals"]),
                "units": _units(row["units"], record),
                "periods": int(row["periods"]),
                "waves": int(row["waves"]),
            }
        )
        for row in frame.to_dict("records")
    )


def _units(text: str, record: Record) -> int:
    if text.isdigit():
        return int(text)
    first, *others = (int(record.get(cell).value) for cell in text.split(" - "))
    return first - sum(others)


def _multiple(level: float = 0.05, power: float = 0.8) -> float:
    """Return how many standard errors an effect must have to be seen.

    The normal quantile of the two-sided level plus that of the power.
    """
    for share in (level, power):
        if not 0 < share < 1:
            raise EstimationError(f"level and power lie between 0 and 1, not {share:g}")
    return float(stats.norm.ppf(1 - level / 2) + stats.norm.ppf(power))


def _detectable(
    design: _TrialDesign, *, rho: float, level: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest effect that a design would see, in standard deviations."""
    if design.units < 2 * design.waves or design.periods <= design.waves:
        raise EstimationError(
            f"{design.title}: {design.waves} waves need more units than {design.units} and more "
            f"periods than {design.periods}"
        )
    frame = _served(design)
    shape = size_and_power.PanelDesign.of(frame, "served", unit="unit", time="period")
    spread = size_and_power.bias_and_spread(
        shape,
        {"none": np.zeros(len(frame))},
        {"two_way": size_and_power.weights_of(shape, "two_way")},
        rho=rho,
        sigma=1.0,
    )
    return _multiple(level, power) * float(spread["sd"].iloc[0])


def _served(design: _TrialDesign) -> pd.DataFrame:
    """Return who is served when, in equal waves from the second period on."""
    groups = max(design.waves, 2)
    wave = np.arange(design.units) % groups
    starts = np.where(wave < design.waves, wave + 1, design.periods)
    unit, period = np.divmod(np.arange(design.units * design.periods), design.periods)
    served = (period >= starts[unit]).astype(float)
    return pd.DataFrame({"unit": unit, "period": period, "served": served})


def printed_detectable(
    record: Record, column: str, *, level: float = 0.05, power: float = 0.8
) -> Interval:
    """Return the smallest effect that a column of Table 5 would have seen.

    Parameters
    ----------
    record : Record
    column : str
        Of Table 5; the standard error is not printed and follows from the coefficient and
        its statistic, as far as their rounding allows.
    level, power : float
    """
    cell = f"yan_ye_wang/table5/FTZ/{column}"
    error = record.get(f"{cell}/coef").interval / record.get(f"{cell}/statistic").interval
    factor = Decimal(repr(_multiple(level, power)))
    return error * Interval(factor, factor)
