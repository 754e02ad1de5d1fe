"""One panel object for every estimator: names said once, checked once, time a rank.

Estimators never see a column's own name, its dtype or its calendar.  They see numbers of
units, periods ``1..T`` in the order of time, and the period in which a unit is first
treated, zero for never.  So years, quarters, months, dates, negative numbers and every
second year all give the answer of the same panel numbered ``1..T``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, wraps
from inspect import signature
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from ftz._columns import adopted, moments, numbered, numeric
from ftz._refusals import no_column
from ftz.errors import EstimationError

_ROLES = {
    "outcome": "a column of numbers",
    "treatment": "a column of numbers, or else a cohort",
    "cohort": "a column of first treated periods",
}
_R = TypeVar("_R")
#: Beyond this size, or below its inverse, sums of squares overflow or vanish.
_LARGEST = 1e120


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Rows by unit and period, and the parts that columns play.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a unit and period, balanced or not; columns of any numeric dtype.
    outcome : str
    treatment : str, optional
        Column of numbers.
    controls : tuple of str
    cohort : str, optional
        Column with the first treated period, in the units of ``time``: missing for units
        that are never treated.  One that lies between two observed periods counts from the
        next, one after the last period never counts.
    never : tuple
        Codes of ``cohort`` that also mean never.
    unit, time : str
        Numbers, dates, pandas periods, or text such as ``2010Q1`` or ``2010-03``.
    cluster : str, optional
        Column of the clusters; the units, if not given.
    weights : str, optional
        Column of positive weights.
    dropped : tuple of str
        What was left out of the frame on the way here, and why.

    Raises
    ------
    EstimationError
        What no estimator can use: missing columns or values, text where numbers belong, a
        control named twice, rows that stand twice, one unit or one cluster, a constant
        outcome, a cohort that changes within a unit or cannot be placed in time.
    """

    frame: pd.DataFrame = field(repr=False)
    outcome: str = ""
    treatment: str | None = None
    controls: tuple[str, ...] = ()
    cohort: str | None = None
    never: tuple[Hashable, ...] = ()
    unit: str = "city"
    time: str = "year"
    cluster: str | None = None
    weights: str | None = None
    dropped: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame | Panel,
        outcome: str = "",
        treatment: str = "",
        controls: Sequence[str] = (),
        **roles: Any,
    ) -> Panel:
        """Return a panel from an estimator's arguments; a panel keeps what is not given anew."""
        named: dict[str, Any] = {
            "outcome": outcome,
            "treatment": treatment,
            "controls": _tuple(controls),
        }
        if isinstance(frame, Panel):
            given = {k: v for k, v in (named | roles).items() if v}
            return replace(frame, **given) if given else frame
        return cls(frame=frame, **(named | {"treatment": treatment or None}), **roles)

    @classmethod
    def from_spec(cls, frame: pd.DataFrame, spec: Any, **changes: Any) -> Panel:
        """Return a panel whose roles are the attributes of that name of a spec, or a study."""
        roles = {f.name: getattr(spec, f.name) for f in fields(cls) if hasattr(spec, f.name)}
        return cls(**(roles | {"frame": frame} | changes))

    def __post_init__(self) -> None:
        object.__setattr__(self, "controls", _tuple(self.controls))
        object.__setattr__(self, "never", tuple(self.never))
        keys = [self.unit, self.time, *([self.cluster] if self.cluster else [])]
        numbers = [n for n in (self.outcome, self.treatment, *self.controls, self.weights) if n]
        columns = [*keys, *numbers, *([self.cohort] if self.cohort else [])]
        missing = [c for c in dict.fromkeys(columns) if c not in self.frame.columns]
        if missing:
            raise no_column(missing, self.frame.columns)
        if not len(self.frame):
            raise EstimationError("the frame has no rows")
        twice = [c for c in dict.fromkeys(self.controls) if self.controls.count(c) > 1]
        twice += [c for c in self.controls if c in (self.outcome, self.treatment)]
        if twice:
            raise EstimationError(
                f"{', '.join(twice)} stands twice in the regression: name it once"
            )
        self._check_values(keys, numbers)
        if not pd.Index(self.units[0] * (len(self.periods) + 1) + self.ranks).is_unique:
            raise EstimationError(
                f"some ({self.unit}, {self.time}) pairs stand in more than one row"
            )
        for key, labels in ((self.unit, self.units[1]), (self.cluster, self.clusters[1])):
            if key != self.time and len(labels) < 2:
                raise EstimationError(
                    f"one {key} only: clustering and effects need at least two, and there is "
                    "nobody to compare it with"
                )
        if self.outcome and np.ptp(self.y) == 0:
            raise EstimationError(f"{self.outcome} is constant")

    def _check_values(self, keys: Sequence[str], numbers: Sequence[str]) -> None:
        values = {c: numeric(self.frame[c]) for c in numbers}
        text = [c for c, v in values.items() if v is None]
        if text:
            raise EstimationError(
                f"{', '.join(text)}: text, where numbers are needed; convert with pandas.to_numeric"
            )
        holes = [k for k in keys if self.frame[k].isna().any()]
        holes += [c for c, v in values.items() if v is not None and not np.isfinite(v).all()]
        if holes:
            raise EstimationError(
                f"missing or infinite values in {', '.join(holes)}: drop or impute these rows first"
            )
        sizes = {c: np.abs(v).max() for c, v in values.items() if v is not None}
        far = [c for c, most in sizes.items() if most and not 1 / _LARGEST < most < _LARGEST]
        if far:
            raise EstimationError(f"{', '.join(far)}: too large or small to square; rescale it")
        if self.weights and (self.column(self.weights) <= 0).any():
            raise EstimationError(f"{self.weights}: weights must be above zero")

    def need(self, *roles: str) -> None:
        """Refuse a panel that lacks one of these roles; a cohort implies a treatment."""
        for role in roles:
            if not getattr(self, role) and not (role == "treatment" and self.cohort):
                raise EstimationError(f"the panel names no {role}: {_ROLES[role]}")

    # --- the parts as numbers -------------------------------------------------------------

    def with_(self, **changes: Any) -> Panel:
        """Return the panel with other columns in some roles: ``panel.with_(outcome="risk")``."""
        return replace(self, **changes)

    def column(self, name: str) -> np.ndarray:
        """Return a numeric column as floats, whatever its dtype."""
        values = numeric(self.frame[name])
        if values is None:
            raise EstimationError(f"{name}: text, where numbers are needed")
        return values

    @property
    def y(self) -> np.ndarray:
        """The outcome, shape (n,)."""
        self.need("outcome")
        return self.column(self.outcome)

    @property
    def d(self) -> np.ndarray:
        """The treatment, shape (n,); what the cohort implies, if only that is known."""
        if self.treatment:
            return self.column(self.treatment)
        self.need("treatment")
        return self.on.astype(float)

    @property
    def x(self) -> np.ndarray:
        """The controls, shape (n, K)."""
        return np.column_stack([np.empty((len(self.frame), 0)), *map(self.column, self.controls)])

    @property
    def w(self) -> np.ndarray | None:
        """The weights, shape (n,); None where all rows count alike."""
        return self.column(self.weights) if self.weights else None

    @cached_property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of each row's unit, and the units' names in order."""
        return numbered(self.frame[self.unit])

    @cached_property
    def clusters(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of each row's cluster, and the clusters' names in order."""
        return numbered(self.frame[self.cluster]) if self.cluster else self.units

    @cached_property
    def _when(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return each row's rank, the position of each period in years, and its label."""
        position = moments(self.frame[self.time])
        if not np.isfinite(position).all():
            raise EstimationError(f"missing or infinite values in {self.time}")
        ranks, places = pd.factorize(position, sort=True)
        first = np.empty(len(places), dtype=int)
        first[ranks[::-1]] = np.arange(len(ranks))[::-1]
        return ranks + 1, places, self.frame[self.time].to_numpy()[first]

    @property
    def ranks(self) -> np.ndarray:
        """Period of each row, numbered 1 to T in the order of time."""
        return self._when[0]

    @property
    def periods(self) -> np.ndarray:
        """The observed periods as the frame writes them; the first has rank one."""
        return self._when[2]

    @property
    def places(self) -> np.ndarray:
        """When the observed periods are, in order, in years or in the column's own unit."""
        return self._when[1]

    def label(self, rank: float) -> Any:
        """Return what the frame writes for a rank."""
        return self.periods[int(rank) - 1]

    @cached_property
    def first(self) -> np.ndarray:
        """Rank of each row's first treated period, 0 for never (or after the last period)."""
        self.need("cohort")
        column = self.frame[self.cohort]
        codes = self.units[0]
        spread = pd.Series(moments(column)).groupby(codes).nunique(dropna=False)
        if (spread > 1).any():
            raise EstimationError(f"{self.cohort} changes within one {self.unit}")
        return adopted(column, self.places, self.never, self.time)

    @property
    def on(self) -> np.ndarray:
        """Which rows are treated, by the cohort."""
        return (self.first > 0) & (self.ranks >= self.first)

    @property
    def since(self) -> np.ndarray:
        """Periods since adoption, NaN for never."""
        return np.where(self.first > 0, self.ranks - self.first, np.nan)

    # --- rows that carry nothing --------------------------------------------------------------

    def keep(self, rows: np.ndarray, why: str) -> Panel:
        """Return the panel on some rows, ranks counted anew; the reason joins :attr:`dropped`."""
        return replace(self, frame=self.frame[rows], dropped=(*self.dropped, why))

    @property
    def alone(self) -> np.ndarray:
        """Which rows are alone in their unit or period, or are once such rows are gone."""
        rows = np.ones(len(self.frame), dtype=bool)
        codes = (self.units[0], self.ranks)
        while True:
            few = [np.bincount(c[rows], minlength=c.max() + 1)[c] < 2 for c in codes]
            if not (rows & (few[0] | few[1])).any():
                return ~rows
            rows &= ~(few[0] | few[1])

    def without_singletons(self) -> Panel:
        """Leave out rows whose own effect fits them.

        They move no slope and no residual, but would count as observations and parameters.
        """
        alone = self.alone
        if not alone.any() or alone.all():
            return self
        why = f"{alone.sum()} rows alone in their {self.unit} or {self.time} left out: they carry"
        return self.keep(~alone, f"{why} no information beside its effect")

    def without_always(self) -> Panel:
        """Leave out units that are treated in every row: they have no before.

        One rule for event studies and estimators of staggered adoption.  Two-way fixed effects
        and its decomposition keep them, as controls whose treatment never changes.
        """
        units, on = self.units[0], self.on
        always = np.bincount(units, ~on) == 0
        gone = int(always.sum())
        if not gone or gone == len(always):
            return self
        return self.keep(
            ~always[units],
            f"{gone} {self.unit} treated from the first {self.time} on left out: no before",
        )

    def without_anticipation(self, periods: int) -> Panel:
        """Leave out the last periods before adoption, in which the treated may react already."""
        early = (self.since < 0) & (self.since >= -periods) if periods else np.array(False)
        if not early.any():
            return self
        why = f"{early.sum()} rows of treated {self.unit} left out: up to {periods} "
        return self.keep(~early, f"{why}{self.time} before treatment")

    def plain(self) -> pd.DataFrame:
        """Return the panel under the library's own column names, free of the frame's.

        ``u``, ``t``, ``y``, controls ``x0, x1, ...``; with a cohort also ``first`` and ``d``.
        """
        columns = {"u": self.units[0], "t": self.ranks}
        columns |= {"y": self.y} if self.outcome else {}
        if self.cohort:
            columns |= {"first": self.first}
        if self.cohort or self.treatment:
            columns |= {"d": self.d}
        columns |= {f"x{j}": column for j, column in enumerate(self.x.T)}
        return pd.DataFrame(columns)


def on_panel(
    *order: str, controlled: bool = True, weighted: bool = False
) -> Callable[[Callable[..., _R]], Callable[..., _R]]:
    """Let an estimator of a :class:`Panel` take a frame and the names of columns in its place.

    ``twfe(panel, errors="CR1S")`` may be written ``twfe(frame, "y", "d", ["x"], unit="firm",
    errors="CR1S")``: what follows the frame plays the parts in ``order``, and keywords with the
    name of a part play theirs.  Beside a panel they change its parts.  A panel with weights is
    refused where the estimator does not say that it is ``weighted``, one with controls where it
    says that it is not ``controlled``: none leaves them out.

    Examples
    --------
    >>> @on_panel("outcome", "treatment")
    ... def gap(panel):
    ...     return panel.y[panel.d == 1].mean() - panel.y[panel.d == 0].mean()
    >>> frame = pd.DataFrame({"city": list("ab"), "year": 1, "y": [1, 4], "d": [0, 1]})
    >>> float(gap(frame, "y", "d"))
    3.0
    """

    def decorate(estimator: Callable[..., _R]) -> Callable[..., _R]:
        own = set(signature(estimator).parameters)
        parts = {f.name for f in fields(Panel)} - {"frame", "dropped", *own}
        taken = {"controls": controlled, "weights": weighted}
        refused = [part for part, used in taken.items() if not used]

        @wraps(estimator)
        def call(panel: pd.DataFrame | Panel, *named: Any, **options: Any) -> _R:
            if len(named) > len(order) or set(order[: len(named)]) & options.keys():
                raise TypeError(
                    f"{estimator.__name__} takes {', '.join(order)} after the panel, once"
                )
            options |= dict(zip(order, named, strict=False))
            roles = {part: options.pop(part) for part in parts & options.keys()}
            asked = Panel.of(panel, **roles)
            if part := next((part for part in refused if getattr(asked, part)), None):
                raise EstimationError(
                    f"{estimator.__name__} is offered without {part}: "
                    f"panel.with_({part}={() if part == 'controls' else None}) leaves them out"
                )
            return estimator(asked, **options)

        return call

    return decorate


def _tuple(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise EstimationError(f"give a list of names, not one text: [{names!r}]")
    return tuple(names)
