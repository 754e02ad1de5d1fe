"""Hold a reader's panel against its spec and say everything that is wrong, not the first thing.

The checks run in stages, because a later question makes no sense before an earlier one
is answered: are the columns there, are the cells what they should be, are the rows a
panel, is the treatment a treatment, is there something to estimate.  Within a stage all
problems are collected; a stage that fails is the last one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from ftz.panel import moments
from userpanel._how import caution
from userpanel._panel import UserPanel
from userpanel._periods import frequency, written
from userpanel._reading import Sheet, read_sheet
from userpanel._spec import Derived, PanelProblem, ProblemsError, Spec, plain, read_spec

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"read_panel": {"panel": "own"}}

#: Names of columns that the study adds where the file has none.
TREATED, COHORT = "treated", "cohort"
#: Rows named for one kind of problem; the rest is counted.
_NAMED_ROWS = 5
_EMPTY = ("", "nan", "NaN", "NA", "N/A", ".", "null", "None")
#: Characters of a unit's name; whole names are compared.
_LONGEST = 10_000
_LEAST_UNITS, _LEAST_PERIODS = 4, 3


def check(panel: str | Path, spec: str | Path) -> tuple[list[PanelProblem], UserPanel | None]:
    """Read a panel and its spec and list what is wrong and what deserves a remark.

    Parameters
    ----------
    panel : path
        CSV, Parquet, Excel or Stata file.
    spec : path
        YAML file; see ``KEYS``.

    Returns
    -------
    problems : list of PanelProblem
        Fatal ones first; remarks have ``fatal=False``.
    study : userpanel.UserPanel or None
        None if a problem is fatal.
    """
    problems: list[PanelProblem] = []
    read: Spec | None = None
    sheet: Sheet | None = None
    try:
        read = read_spec(spec)
    except ProblemsError as error:
        problems += error.problems
    try:
        sheet = read_sheet(panel)
    except ProblemsError as error:
        problems += error.problems
    if read is None or sheet is None:
        return problems, None
    return check_sheet(sheet, read)


def read_panel(panel: str | Path, spec: str | Path) -> UserPanel:
    """Read a panel and its spec; return the study, or raise with everything that is wrong.

    Raises
    ------
    ProblemsError
        Its message has one line a problem.
    """
    problems, study = check(panel, spec)
    if study is None:
        raise ProblemsError([problem for problem in problems if problem.fatal])
    return study


def check_sheet(sheet: Sheet, spec: Spec) -> tuple[list[PanelProblem], UserPanel | None]:
    """Do the work of :func:`check` on cells that have been read."""
    checker = _Checker(sheet, spec)
    stages: tuple[Callable[[], None], ...] = (
        checker.columns,
        checker.cells,
        checker.rows,
        checker.treatment,
        checker.derive,
        checker.window,
        checker.numbers,
        checker.substance,
    )
    for stage in stages:
        stage()
        if checker.failed:
            return sorted(checker.problems, key=lambda p: not p.fatal), None
    study = checker.study()
    for said in (*caution(study), *study.silent_pooling):
        checker.wrong(said, fatal=False)
    return checker.problems, study


class _Checker:
    """A panel on its way from cells to a study; each stage adds problems or a better frame."""

    def __init__(self, sheet: Sheet, spec: Spec) -> None:
        self.sheet, self.spec = sheet, spec
        self.problems: list[PanelProblem] = []
        self.frame = pd.DataFrame(index=sheet.frame.index)
        self.line = np.asarray(sheet.rows)
        self.unreadable: dict[str, np.ndarray] = {}
        self.written: dict[float, str] = {}
        self.labels: dict[int, str] = {}
        self.flow: list[tuple[str, int, int]] = []

    @property
    def failed(self) -> bool:
        return any(problem.fatal for problem in self.problems)

    def wrong(self, what: str, column: str = "", remedy: str = "", *, fatal: bool = True) -> None:
        shown = plain(column)
        self.problems.append(PanelProblem(what, self.sheet.file, shown, None, remedy, fatal))

    def at(self, bad: Iterable[bool], column: str, say: Callable[[int], str], remedy: str) -> None:
        """Report rows of the frame, the first few by number and the others by count."""
        rows = np.flatnonzero(np.asarray(bad, dtype=bool))
        for i in rows[:_NAMED_ROWS]:
            where = int(self.line[i])
            self.problems.append(
                PanelProblem(say(i), self.sheet.file, plain(column), where, remedy)
            )
        if len(rows) > _NAMED_ROWS:
            self.wrong(f"and {len(rows) - _NAMED_ROWS} more rows like these", column)

    # --- are the columns there ----------------------------------------------------------

    def columns(self) -> None:
        there = list(self.sheet.frame.columns)
        made = [new.name for new in self.spec.derived]
        for name in self.spec.read:
            if name in there:
                continue
            near = difflib.get_close_matches(name, [*there, *made], n=1)
            some = ", ".join(plain(c, 30) for c in there[:12])
            hint = f"is it {plain(near[0])!r}?" if near else f"the file has {some}"
            self.wrong("the spec names this column and the file has none", name, hint)
        for name in made:
            if name in there:
                self.wrong("a derived column has the name of a column of the file", name)

    # --- are the cells what they should be ----------------------------------------------

    def cells(self) -> None:
        spec, raw = self.spec, self.sheet.frame
        names = raw[spec.unit].astype("string").str.strip()
        empty = (names.isna() | (names == "")).to_numpy(bool)
        self.at(empty, spec.unit, lambda i: "no unit is named", "name it or delete the row")
        codes, distinct = pd.factorize(names.fillna(""))
        self.frame[spec.unit] = np.array([plain(n, _LONGEST) for n in distinct], object)[codes]
        made = {new.name for new in spec.derived}
        for name in filter(None, (spec.time, spec.cohort)):
            self.frame[name] = self._moments(raw[name], name, optional=name == spec.cohort)
        numeric = [*spec.numeric, *(new.source for new in spec.derived), spec.treatment]
        for name in dict.fromkeys(n for n in numeric if n and n not in {*made, *self.frame}):
            self.frame[name] = self._numbers(raw[name], name)
        if spec.cluster and spec.cluster != spec.unit:
            groups = raw[spec.cluster].astype("string").str.strip().fillna("").astype(str)
            self.frame[spec.cluster] = groups
            self.at(groups == "", spec.cluster, lambda i: "no cluster is named", "name it")
        self._count("rows of the file")
        self._missing()

    def _numbers(self, raw: pd.Series, name: str) -> pd.Series:
        if isinstance(raw.dtype, pd.CategoricalDtype):
            raw = raw.astype("string")
        text = raw.astype("string").str.strip()
        empty = (text.isna() | text.isin(_EMPTY)).to_numpy(bool)
        numbers = pd.to_numeric(text.mask(empty), errors="coerce").astype(float)
        bad = numbers.isna().to_numpy() & ~empty
        remedy = "write a plain number, with a point and without thousands separators"
        self.at(bad, name, lambda i: f"{plain(text.iloc[i], 40)!r} is not a number", remedy)
        self.unreadable[name] = bad
        infinite = np.isinf(numbers.to_numpy())
        self.at(infinite, name, lambda i: "the number is infinite", "leave the cell empty")
        return numbers

    def _moments(self, raw: pd.Series, name: str, *, optional: bool) -> np.ndarray:
        """Return when each cell lies, in years or as the number that it is; NaN where empty."""
        text = raw.astype("string").str.strip()
        empty = (text.isna() | text.isin(_EMPTY)).to_numpy(bool)
        cells = text if raw.dtype == object or pd.api.types.is_string_dtype(raw.dtype) else raw
        codes, labels = pd.factorize(cells.mask(empty))
        known = np.array([self._moment(label) for label in labels] + [np.nan])
        bad = np.isnan(known[codes]) & ~empty
        remedy = "write a year, a number, a date, or text such as 2010Q1"
        self.at(bad, name, lambda i: f"{plain(text.iloc[i], 40)!r} is no period", remedy)
        if not optional:
            self.at(empty, name, lambda i: "no period", remedy)
            self.written = dict(zip(known[codes], text.fillna(""), strict=True))
        return known[codes]

    @staticmethod
    def _moment(label: object) -> float:
        try:
            return float(moments(pd.Series([label]))[0])
        except EstimationError:
            return np.nan

    def _ranks(self) -> pd.Series:
        """Return the number of each row's period, in the order of time."""
        return self.frame[self.spec.time].rank(method="dense").astype("int64")

    def _missing(self) -> None:
        there = [name for name in self.spec.numeric if name in self.frame]
        lacks = self.frame[there].isna()
        if not lacks.any().any():
            return
        if self.spec.missing == "refuse":
            remedy = "fill it, leave the column out, or write 'missing: drop' into the spec"
            for name in there:
                empty = lacks[name].to_numpy() & ~self.unreadable[name]
                self.at(empty, name, lambda i: "no value", remedy)
            return
        keep = ~lacks.any(axis=1).to_numpy()
        counts = ", ".join(f"{plain(n)} {int(v)}" for n, v in lacks.sum().items() if v)
        self.wrong(
            f"{int((~keep).sum())} rows lack a value and are left out ({counts})", fatal=False
        )
        self._keep(keep, f"rows without a value left out ({counts})")
        if not keep.any():
            self.wrong("no row has all values", remedy="name fewer columns")

    def _keep(self, keep: np.ndarray, why: str) -> None:
        self.frame = self.frame[keep].reset_index(drop=True)
        self.line = self.line[keep]
        self._count(why)

    def _count(self, step: str) -> None:
        self.flow.append((step, len(self.frame), self.frame[self.spec.unit].nunique()))

    # --- are the rows a panel -----------------------------------------------------------

    def rows(self) -> None:
        spec, frame = self.spec, self.frame
        twice = frame.duplicated([spec.unit, spec.time])
        self.at(
            twice,
            f"{spec.unit}, {spec.time}",
            lambda i: f"{frame[spec.unit][i]}, {frame[spec.time][i]:g} stands twice",
            "one row a unit and period",
        )
        often = frame[spec.time].map(frame[spec.time].value_counts())
        alone = (frame[spec.time] % 1 != 0) & (often == 1)
        self.at(
            alone,
            spec.time,
            lambda i: (
                f"{frame[spec.time][i]:g} is no whole number, and the period of this row alone"
            ),
            "correct it",
        )
        if (frame[spec.time] % 1 == 0).all():
            frame[spec.time] = frame[spec.time].astype("int64")
        if spec.cluster and spec.cluster != spec.unit:
            lies_in = frame.groupby(spec.unit)[spec.cluster].nunique()
            for unit in lies_in.index[lies_in > 1][:_NAMED_ROWS]:
                self.wrong(f"{unit} lies in several clusters", spec.cluster, "one cluster a unit")
        if spec.weights:
            bad = frame[spec.weights] <= 0
            self.at(bad, spec.weights, lambda i: "a weight is not positive", "weights above zero")
        order = np.lexsort((frame[spec.time], frame[spec.unit]))
        self.frame, self.line = frame.iloc[order].reset_index(drop=True), self.line[order]

    # --- is the treatment a treatment ---------------------------------------------------

    def treatment(self) -> None:
        if self.spec.cohort:
            self._cohort_column(self.spec.cohort)
        if self.spec.treatment:
            self._treatment_column(self.spec.treatment)
        if self.failed:
            return
        frame, time = self.frame, self.spec.time
        if self.spec.cohort:
            start = frame[self.spec.cohort]
            implied = (frame[time] >= start).astype(float)
            if self.spec.treatment:
                given = frame[self.spec.treatment]
                self.at(
                    given != implied,
                    self.spec.treatment,
                    lambda i: (
                        f"is {given[i]:g} in {frame[time][i]:g} although "
                        f"{self.spec.cohort} says {start[i]:g}"
                    ),
                    "one of the two columns is wrong: correct it or leave it out of the spec",
                )
        else:
            given = frame[self.spec.treatment]
            first = frame[time].where(given == 1).groupby(frame[self.spec.unit]).transform("min")
            start, implied = first.astype(float), given
        frame[self._name(COHORT)] = start.astype(float)
        frame[self._name(TREATED)] = implied.astype("int64")

    def _name(self, wanted: str) -> str:
        """Return a name that no column of the spec has."""
        taken = {*self.spec.read, *self.spec.numeric}
        while wanted in taken:
            wanted += "_"
        return wanted

    def _cohort_column(self, name: str) -> None:
        frame, spec = self.frame, self.spec
        start = frame[name].mask(frame[name].isin(spec.never))
        frame[name] = start
        spread = start.groupby(frame[spec.unit]).nunique(dropna=False)
        for unit in spread.index[spread > 1][:_NAMED_ROWS]:
            rows = np.flatnonzero(frame[spec.unit] == unit)
            seen = start.iloc[rows]
            differs = (seen != seen.iloc[0]) & ~(seen.isna() & seen.isna().iloc[0])
            where = int(self.line[rows[np.flatnonzero(differs)[0]]])
            self.problems.append(
                PanelProblem(
                    f"{unit} has more than one first treated period",
                    self.sheet.file,
                    plain(name),
                    where,
                    "write the same period (or nothing) into all its rows",
                )
            )
        low, high = frame[spec.time].min(), frame[spec.time].max()
        strange = start.notna() & ((start < low - 200) | (start > high + 200))
        strange |= (start <= 0) & (low > 0)  # no date where periods are positive
        self.at(
            strange,
            name,
            lambda i: f"{start[i]:g} is far from the periods {low:g} to {high:g}, or no date",
            f"if it means never, write `never: [{start[strange].min():g}]` into the spec"
            if strange.any()
            else "",
        )

    def _treatment_column(self, name: str) -> None:
        frame, spec = self.frame, self.spec
        given = frame[name]
        self.at(given.isna(), name, lambda i: "no value", "write 0 or 1")
        self.at(
            given.notna() & ~given.isin([0, 1]),
            name,
            lambda i: f"{given[i]:g} is neither 0 nor 1",
            "write 0 or 1",
        )
        if self.failed:
            return
        off = given.groupby(frame[spec.unit]).diff() < 0
        self.at(
            off,
            name,
            lambda i: f"treatment of {frame[spec.unit][i]} switches off in {frame[spec.time][i]:g}",
            "the book's estimators need a treatment that, once on, stays on",
        )

    # --- columns made of others ---------------------------------------------------------

    def derive(self) -> None:
        for new in self.spec.derived:
            self._derive(new)
        made = [new.name for new in self.spec.derived if new.name in self.spec.numeric]
        if self.failed or not made:
            return
        lacks = self.frame[made].isna().any(axis=1).to_numpy()
        if lacks.any():
            what = f"{int(lacks.sum())} rows have no earlier period to compute from"
            self.wrong(f"{what} and are left out", ", ".join(made), fatal=False)
            self._keep(~lacks, f"{what}, left out")

    def _derive(self, new: Derived) -> None:
        frame, unit = self.frame, self.spec.unit
        if new.source not in frame:
            self.wrong("is to be derived from a column that is derived itself", new.name)
            return
        values = frame[new.source]
        if new.do in ("log", "growth", "first-log"):
            self.at(
                values <= 0,
                new.source,
                lambda i: f"{values[i]:g} has no logarithm",
                f"{new.name} needs positive numbers",
            )
            values = np.log(values.where(values > 0))
        if new.do in ("lag", "change", "growth"):
            follows = self._ranks().groupby(frame[unit]).diff() == 1
            before = values.groupby(frame[unit]).shift(1).where(follows)
            values = before if new.do == "lag" else values - before
        if new.do.startswith("first"):
            values = values.groupby(frame[unit]).transform("first")
        frame[new.name] = values

    # --- the sample ---------------------------------------------------------------------

    def window(self) -> None:
        frame, spec = self.frame, self.spec
        if spec.window is None:
            return
        low, high = spec.window
        # a window in years holds all of the last year's quarters
        inside = ((frame[spec.time] >= low) & (np.floor(frame[spec.time]) <= high)).to_numpy()
        if not inside.any():
            seen = f"{frame[spec.time].min()} to {frame[spec.time].max()}"
            self.wrong(f"no row lies in the window {low} to {high}", spec.time, f"there are {seen}")
            return
        self._keep(inside, f"periods outside {low} to {high} left out")

    def numbers(self) -> None:
        """Replace periods that are no whole numbers by their ranks, and cohorts with them."""
        frame, spec = self.frame, self.spec
        places, ranks = np.unique(frame[spec.time].to_numpy(float), return_inverse=True)
        if (places % 1 == 0).all():
            return
        for name in dict.fromkeys(filter(None, (spec.cohort, self._name(COHORT)))):
            start = frame[name].to_numpy(float)
            first = np.searchsorted(places, start - 1e-9) + 1.0
            frame[name] = np.where(np.isnan(start), np.nan, first)
        frame[spec.time] = ranks.astype("int64") + 1
        kind, _ = frequency(places)
        for i, place in enumerate(places):
            text = self.written.get(place, f"{place:g}")
            whole = kind and re.match(r"\d{4}-\d\d-\d\d", text)  # a quarter kept as its first day
            self.labels[i + 1] = written(place, kind) if whole else plain(text, 40)
        self.wrong(
            f"periods are numbered 1 to {len(places)}: 1 is {self.labels[1]}, {len(places)} is "
            f"{self.labels[len(places)]}",
            spec.time,
            fatal=False,
        )

    def substance(self) -> None:
        """Ask whether there is something to estimate, and remark on what is thin."""
        frame, spec = self.frame, self.spec
        treated = frame[self._name(TREATED)]
        periods, units = frame[spec.time].nunique(), frame[spec.unit].nunique()
        if units < _LEAST_UNITS:
            self.wrong(f"{units} units", spec.unit, f"{_LEAST_UNITS} are the least to compare")
        if periods < _LEAST_PERIODS:
            least = f"{_LEAST_PERIODS} are the least for a before and an after"
            self.wrong(f"{periods} periods", spec.time, least)
        if not treated.any():
            self.wrong("no row is treated", spec.cohort or spec.treatment or "", "see the window")
        elif treated.all():
            self.wrong("every row is treated", spec.cohort or spec.treatment or "", "add controls")
        else:
            share = treated.groupby(frame[spec.unit]).mean()
            if not ((share > 0) & (share < 1)).any():
                what = "no unit is seen both before and after its treatment"
                self.wrong(what, spec.cohort or spec.treatment or "", "see the window")
        for name in () if self.failed else spec.numeric:
            if name != spec.weights and np.ptp(frame[name].to_numpy(float)) == 0:
                what = "has the same value in every row"
                self.wrong(what, name, "leave it out of the spec")
        if spec.cluster and frame[spec.cluster].nunique() < 2:
            self.wrong("there is one cluster", spec.cluster, "name a column with several")
        if not self.failed:
            self._remarks(treated)

    def _remarks(self, treated: pd.Series) -> None:
        frame, spec = self.frame, self.spec
        ever = treated.groupby(frame[spec.unit]).max()
        always = treated.groupby(frame[spec.unit]).min() == 1
        gaps = self._ranks().groupby(frame[spec.unit]).diff() > 1
        sizes = frame.groupby(spec.unit).size()
        remarks = []
        if ever.all():
            remarks.append("every unit is treated in the end: controls are those not treated yet")
        if always.any():
            some = ", ".join(always.index[always][:5])
            remarks.append(
                f"treated in every period, without a before: {some}; event studies and estimators "
                "for staggered adoption leave them out"
            )
        if ever.all() and spec.control_group == "never":
            remarks.append("no unit is never treated: nobody serves as control_group: never")
        jumps = gaps & (treated.groupby(frame[spec.unit]).diff() == 1)
        if jumps.any() and not spec.cohort:
            remarks.append(
                f"{int(jumps.sum())} units have no row just before their first treated one and may "
                "have adopted earlier: name a cohort column, if the file has one"
            )
        if gaps.any():
            remarks.append(f"{int(gaps.sum())} gaps in time inside a unit")
        if sizes.nunique() > 1:
            remarks.append("the panel is not balanced: units have different numbers of periods")
        for remark in remarks:
            self.wrong(remark, fatal=False)

    # --- the result ---------------------------------------------------------------------

    def study(self) -> UserPanel:
        spec = self.spec
        shown = self._shown()
        study = UserPanel(
            frame=self.frame.rename(columns=shown).reset_index(drop=True),
            unit=shown[spec.unit],
            time=shown[spec.time],
            outcome=shown[spec.outcome],
            treatment=self._name(TREATED),
            cohort=self._name(COHORT),
            controls=tuple(shown[c] for c in spec.covariates),
            match_on=tuple(shown[c] for c in spec.match_on or spec.covariates),
            sub_outcomes=tuple(shown[c] for c in spec.sub_outcomes),
            staggered_covariates=tuple(shown[c] for c in spec.staggered_covariates),
            choices=spec.choices,
            flow=tuple(self.flow),
            mediator=shown[spec.mediator] if spec.mediator else None,
            weights=shown[spec.weights] if spec.weights else None,
            cluster=shown[spec.cluster or spec.unit],
            control_group=spec.control_group,
            period_labels=self.labels,
            labels={self._name(TREATED): shown[spec.treatment] if spec.treatment else TREATED}
            | {shown[k]: v for k, v in spec.labels.items() if k in shown},
            title=spec.title or f"The panel {plain(self.sheet.file)}",
            source=spec.source,
            kind="simulated" if spec.simulated else "own",
        )
        return replace(study, frame=_sample(study))

    def _shown(self) -> dict[str, str]:
        """Return, for each column, the name that pages can write; no two are the same."""
        names: dict[str, str] = {}
        for column in self.frame.columns:
            name = plain(column, 40)
            while name in names.values():
                name += "_"
            names[str(column)] = name
        return names


def _sample(study: UserPanel) -> pd.DataFrame:
    """Return the columns that a study uses; who adopts after its end never does in it."""
    names = [study.unit, study.time, study.outcome, study.treatment, study.cohort]
    names += [*study.controls, *study.match_on, *study.sub_outcomes, study.cluster]
    names += study.staggered_covariates
    names += [name for name in (study.mediator, study.weights) if name]
    frame = study.frame[list(dict.fromkeys(names))].copy()
    after = frame[study.cohort] > frame[study.time].max()
    frame[study.cohort] = frame[study.cohort].mask(after)
    return frame
