"""A study: a panel that has met its spec, ready for the estimators."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from ftz.panel import Panel
from ftz.random_effects import trap
from userpanel._spec import Choices

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class UserPanel:
    """A panel and the parts that its columns play.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a unit and period, sorted by both.  ``unit`` holds text, ``time`` whole
        numbers, ``treatment`` 0 and 1, ``cohort`` the first treated period (NaN: never).
    unit, time, outcome, treatment, cohort, cluster : str
        Names of columns.
    controls : tuple of str
        Covariates of the regressions.
    match_on : tuple of str
        Covariates of the score.
    sub_outcomes : tuple of str
    mediator, weights : str or None
    control_group : str or None
        ``never`` or ``not_yet``, where the spec says.
    staggered_covariates : tuple of str
        Covariates of the estimators for staggered adoption.
    choices : Choices
        What the spec chooses beside columns.
    flow : tuple of (str, int, int)
        Steps from the file to the sample: what was done, rows and units after it.
    questioned : tuple of str
        Units whose place in the sample is in question: a multiverse leaves them out, together
        and apart.
    codings : mapping
        Name of another coding of adoption to unit and first treated period (NaN: never).
    period_labels : mapping
        Period to what the file writes, where periods are no whole numbers.
    labels : mapping
        Column to what a figure writes for it.
    title, source : str
        What the panel is called and where it comes from.
    kind : str
        ``own``, ``simulated`` or ``witness``.
    """

    frame: pd.DataFrame = field(repr=False)
    unit: str
    time: str
    outcome: str
    treatment: str
    cohort: str
    controls: tuple[str, ...] = ()
    match_on: tuple[str, ...] = ()
    sub_outcomes: tuple[str, ...] = ()
    mediator: str | None = None
    weights: str | None = None
    cluster: str = ""
    control_group: str | None = None
    staggered_covariates: tuple[str, ...] = ()
    choices: Choices = field(default_factory=Choices)
    flow: tuple[tuple[str, int, int], ...] = field(default=(), repr=False)
    questioned: tuple[str, ...] = ()
    codings: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)
    period_labels: Mapping[int, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)
    title: str = ""
    source: str = ""
    kind: str = "own"

    @cached_property
    def panel(self) -> Panel:
        """The panel as the estimators take it, with controls that vary, clusters and weights."""
        cluster = self.cluster if self.cluster != self.unit else None
        return Panel.from_spec(self.frame, self, controls=self.varying_controls, cluster=cluster)

    @cached_property
    def settled(self) -> Panel:
        """The panel for what knows only before and after; who may anticipate is in neither."""
        return self.panel.without_anticipation(self.choices.anticipation)

    @cached_property
    def unweighted(self) -> Panel:
        """The settled panel for what knows no weights, as tests by chance and decompositions."""
        return self.settled.with_(weights=None)

    @property
    def channel(self) -> tuple[str, str, str, tuple[str, ...]]:
        """Outcome, treatment, mediator and controls, as :mod:`ftz.mediation` takes them.

        Raises
        ------
        EstimationError
            If the spec names no mediator.
        """
        if self.mediator is None:
            raise EstimationError("the spec names no mediator")
        return self.outcome, self.treatment, self.mediator, self.varying_controls

    @property
    def units(self) -> list[str]:
        """Names of the units, sorted."""
        return sorted(self.frame[self.unit].unique())

    def period(self, number: float) -> str:
        """Return what the file writes for a period."""
        return self.period_labels.get(int(number), f"{number:g}")

    def dated(self, figure: Figure) -> Figure:
        """Write periods under an axis of time as the file does."""
        if self.period_labels:
            for axes in figure.axes:
                axes.xaxis.set_major_formatter(lambda x, _: self.period(round(x)))
        return figure

    @property
    def periods(self) -> list[int]:
        """Periods, in order."""
        return sorted(int(t) for t in self.frame[self.time].unique())

    @property
    def starts(self) -> dict[str, float | None]:
        """Unit to its first treated period, None for never (or after the panel's end)."""
        first = self.frame.groupby(self.unit)[self.cohort].first()
        last = self.periods[-1]
        return {str(u): None if np.isnan(s) or s > last else float(s) for u, s in first.items()}

    @property
    def cohorts(self) -> dict[int, int]:
        """First treated period to number of units, in order of time."""
        starts = pd.Series([s for s in self.starts.values() if s is not None], dtype=float)
        dates, counts = np.unique(starts.to_numpy(), return_counts=True)
        return {int(date): int(count) for date, count in zip(dates, counts, strict=True)}

    @property
    def treated_units(self) -> list[str]:
        """Units with at least one treated row."""
        on = self.frame[self.treatment] == 1
        return sorted(self.frame.loc[on, self.unit].unique())

    @property
    def digest(self) -> str:
        """Hash of the numbers and of the parts they play; the same on every machine."""
        total = hashlib.sha256()
        names = (self.unit, self.time, self.outcome, self.treatment, self.cohort)
        sets = (self.controls, self.match_on, self.sub_outcomes)
        total.update(repr((names, sets, self.mediator, self.weights, self.cluster)).encode())
        if self.codings:
            total.update(
                repr(sorted((k, sorted(v.items())) for k, v in self.codings.items())).encode()
            )
        for name in sorted(map(str, self.frame.columns)):
            column = self.frame[name]
            total.update(name.encode() + b"\0")
            if pd.api.types.is_numeric_dtype(column.dtype):
                total.update(np.ascontiguousarray(column.to_numpy(float)).tobytes())
            else:
                total.update("\0".join(map(str, column)).encode())
        return total.hexdigest()[:16]

    def label(self, column: str) -> str:
        """Return what a figure writes for a column."""
        return self.labels.get(column, column)

    @cached_property
    def varying_controls(self) -> tuple[str, ...]:
        """Controls that change within a unit; what unit effects do not absorb."""
        by_unit = self.frame.groupby(self.unit)[list(self.controls)]
        spread = by_unit.max() - by_unit.min()
        scale = self.frame[list(self.controls)].abs().max() + 1e-300
        return tuple(c for c in self.controls if (spread[c] > 1e-12 * scale[c]).any())

    @property
    def silent_pooling(self) -> tuple[str, ...]:
        """A caution, where ``xtreg, re`` would print pooled least squares on this panel."""
        regressors = len(self.controls) + len(self.periods) + 1  # treatment, dummies, constant
        if len(self.units) > regressors:
            return ()
        try:
            said = trap(self.panel.with_(weights=None))
        except EstimationError:  # collinear: no command would estimate it
            return ()
        return (said,) if said else ()

    def __str__(self) -> str:
        """Return the size of the study in a line."""
        frame = self.frame
        return (
            f"{len(self.units)} units, {len(self.periods)} periods, {len(frame)} rows; "
            f"treated: {len(self.treated_units)}, from {len(self.cohorts)} date(s)"
        )
