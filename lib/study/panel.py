"""The contract of the study's panel file: what it must be before a page reads it.

A :class:`PanelSpec` names the columns and says what each is measured in; it becomes a
pandera schema.  :func:`read_panel` and :func:`validate` hold a file or a frame against
it and raise one :class:`~ftz.errors.PanelError` that names file, column, row and what
was expected.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ftz import register
from ftz.errors import PanelError
from ftz.own.reading import csv_records
from ftz.paths import data_dir

if TYPE_CHECKING:
    import pandera.pandas as pa

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {
    "load_witness": {"files": ["data/witness/panel.csv", "data/witness/panel-one-command.csv"]},
    "read_panel": {"panel": "own"},
}

#: The header is line 1 of a file, so the first row of a frame is line 2.
_FIRST_LINE = 2
#: What stands for "no value" in a file.
_EMPTY = ("", "nan", "NaN", "NA")


@dataclass(frozen=True)
class PanelSpec:
    """Which columns a panel has and what they hold.

    Attributes
    ----------
    unit, time : str
        Keys: one row each.
    outcome : str
        The variable to explain.
    treatment : str
        0/1, and once 1 it stays 1.
    covariates : mapping
        Column to description with unit of measurement.
    others : mapping
        Further numeric columns (sub-indices, mediator), likewise.
    flags : mapping
        Further 0/1 columns, likewise.
    descriptions : mapping
        For unit, time, outcome and treatment.
    cohort : str or None
        Column with the first treated period, empty for never-treated units; must
        agree with the treatment where both are there.
    units : tuple of str, optional
        The units that may occur; any, where empty.
    balanced : bool
        Whether every unit must have every period of the panel.  Without it a unit
        may enter late or leave early, but must not have gaps.
    """

    unit: str
    time: str
    outcome: str
    treatment: str
    covariates: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    cohort: str | None = None
    units: tuple[str, ...] = ()
    balanced: bool = True

    @property
    def numeric(self) -> list[str]:
        """Columns that hold measurements."""
        return [self.outcome, *self.covariates, *self.others]

    @property
    def binary(self) -> list[str]:
        """Columns that hold 0 and 1."""
        return [self.treatment, *self.flags]

    @property
    def columns(self) -> list[str]:
        """All required columns."""
        return list(dict.fromkeys([self.unit, self.time, *self.binary, *self.numeric]))

    def description(self, column: str) -> str:
        """Return what a column holds, with its unit of measurement."""
        texts = {**self.descriptions, **self.covariates, **self.others, **self.flags}
        return texts.get(column, "")

    def schema(self) -> pa.DataFrameSchema:
        """Return the pandera schema of the panel."""
        import pandera.pandas as pa

        finite = pa.Check(np.isfinite, element_wise=True, error="a finite number")
        columns: dict[str, pa.Column] = {
            self.unit: pa.Column(
                str,
                pa.Check.isin(list(self.units)) if self.units else None,
                description=self.description(self.unit),
            ),
            self.time: pa.Column("int64", description=self.description(self.time)),
        }
        for name in self.binary:
            columns[name] = pa.Column(
                "int64", pa.Check.isin([0, 1]), description=self.description(name)
            )
        for name in self.numeric:
            columns[name] = pa.Column(float, finite, description=self.description(name))
        return pa.DataFrameSchema(columns, unique=[self.unit, self.time], strict=False)


def _study_spec() -> PanelSpec:
    return PanelSpec(
        unit="city",
        time="year",
        outcome="lnHQD",
        treatment="FTZ",
        covariates={
            "fe": "financial efficiency (金融效率): loans over deposits at year end, ratio",
            "lnstru": "industrial structure (产业结构): log of tertiary over secondary value added",
            "urba": "urbanisation (城镇化率): share of residents, 0 to 1",
            "fdi": "foreign investment in use (对外贸易发展水平): unit not printed",
            "pgdp": "economic development (经济发展水平): GDP per head, 10 000 yuan",
        },
        others={
            "IL": "industrial linkage (产业联动): strength of capital ties between cities",
            "vitality": "vitality index (活力指数), log",
            "merchantable": "merchantability index (宜商指数), log",
            "innovation": "innovation index (创新指数), log",
            "synergism": "synergy index (协同指数), log",
        },
        flags={"matched": "1 if the city-year belongs to the matched sample"},
        descriptions={
            "city": "one of the thirteen cities of Beijing-Tianjin-Hebei",
            "year": "calendar year",
            "lnHQD": "index of high-quality development (城市高质量发展指数), log",
            "FTZ": "1 from the year in which the city holds zone land",
        },
        units=tuple(register.study_cities()),
    )


def study_spec() -> PanelSpec:
    """Return the contract of the study's panel (Table 2 of Yan, Ye and Wang)."""
    return _study_spec()


@dataclass(frozen=True)
class CityPanel:
    """A panel that has met its contract.

    Attributes
    ----------
    spec : PanelSpec
    source : str
        The file it came from, or what the caller called it.
    """

    _frame: pd.DataFrame
    spec: PanelSpec
    source: str

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the panel in the order of the file; writing to it does not change the panel."""
        return self._frame.copy()

    @property
    def matched(self) -> pd.DataFrame:
        """The rows with ``matched == 1``; all rows where there is no such column."""
        frame = self.frame
        return frame[frame["matched"] == 1] if "matched" in frame else frame

    def describe(self) -> pd.DataFrame:
        """Return one row a column: what it holds, its n, mean, sd, min and max."""
        numbers = self._frame[[*self.spec.binary, *self.spec.numeric]]
        summary = numbers.agg(["count", "mean", "std", "min", "max"]).T
        return summary.assign(holds=[self.spec.description(c) for c in summary.index])

    def __repr__(self) -> str:
        frame, spec = self._frame, self.spec
        return (
            f"Panel of {frame[spec.unit].nunique()} units and {frame[spec.time].nunique()} "
            f"periods, {len(frame)} rows, from {self.source}"
        )


def read_panel(path: str | Path, spec: PanelSpec | None = None) -> CityPanel:
    """Read a CSV file and hold it against the contract.

    Parameters
    ----------
    path : path
        UTF-8 (with or without a byte order mark), comma-separated, one header line;
        empty lines are passed over.
    spec : PanelSpec, optional
        The study's contract by default.

    Raises
    ------
    PanelError
        Naming file, column, row (the header is row 1) and what was expected.
    """
    path = Path(path)
    try:
        frame, lines = _read_fields(path)
    except FileNotFoundError:
        raise PanelError("there is no such file", file=str(path)) from None
    except UnicodeDecodeError as error:
        raise PanelError(
            f"the file cannot be read as UTF-8 ({error.reason} at byte {error.start})",
            file=path.name,
            expected="a UTF-8 CSV file (in a spreadsheet: save as 'CSV UTF-8')",
        ) from None
    except (OSError, csv.Error) as error:
        raise PanelError(
            f"the file cannot be read ({error})", file=path.name, expected="a UTF-8 CSV file"
        ) from None
    return _validate(frame, spec, path.name, lines)


def _read_fields(path: Path) -> tuple[pd.DataFrame, list[int]]:
    """Return a file's fields as text, and the line on which each row begins."""
    rows, lines = csv_records(path)
    if not rows:
        raise PanelError("the file is empty", file=path.name, expected="a header and rows")
    header = rows[0]
    for fields, line in zip(rows, lines, strict=True):
        if len(fields) != len(header):
            raise PanelError(
                f"{len(fields)} fields",
                file=path.name,
                row=line,
                expected=f"{len(header)} fields, as in the header",
            )
    return pd.DataFrame(rows[1:], columns=header, dtype=str), lines[1:]


def validate(
    frame: pd.DataFrame, spec: PanelSpec | None = None, *, source: str = "the frame"
) -> CityPanel:
    """Hold a frame against the contract; return the typed panel.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of the spec and any others, which are kept as they are.
    spec : PanelSpec, optional
        The study's contract by default.
    source : str
        What errors and the panel call it.

    Raises
    ------
    PanelError
        Empty frame; a column that is missing or stands twice; text in a number; missing
        or infinite value; a year that is not whole; treatment that is not 0/1 or switches
        off; a unit the spec does not know; a key that stands twice; missing years; a
        cohort that is no whole number, changes within a unit or contradicts the treatment.
    """
    return _validate(frame, spec, source, range(_FIRST_LINE, len(frame) + _FIRST_LINE))


def _validate(
    frame: pd.DataFrame, spec: PanelSpec | None, source: str, lines: Sequence[int]
) -> CityPanel:
    spec = study_spec() if spec is None else spec
    place = _Place(source, spec, lines)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise place.error(
            "the column stands twice", column=str(twice[0]), expected="each column once"
        )
    if len(frame) == 0:
        raise place.error("there are no rows", expected="one row a unit and period")
    missing = [c for c in spec.columns if c not in frame.columns]
    if missing:
        near = difflib.get_close_matches(missing[0], map(str, frame.columns), n=1)
        hint = f" (is it {near[0]!r}?)" if near else ""
        raise place.error(
            f"missing column{hint}",
            column=missing[0],
            expected=spec.description(missing[0]) or f"the columns {', '.join(spec.columns)}",
        )
    typed = frame.reset_index(drop=True).copy()
    typed[spec.unit] = _names(typed, spec.unit, place)
    for column in [spec.time, *spec.binary]:
        typed[column] = _whole(_numbers(typed, column, place), column, place)
    for column in spec.numeric:
        typed[column] = _numbers(typed, column, place)
    _check_rows(typed, spec, place)
    _check_paths(typed, spec, place)
    if spec.cohort is not None and spec.cohort in typed:
        typed[spec.cohort] = _cohort(typed, spec, place)
    return CityPanel(spec.schema().validate(typed), spec, source)


@dataclass(frozen=True)
class _Place:
    """Builds errors that name the file and the row as a text editor counts."""

    source: str
    spec: PanelSpec
    lines: Sequence[int]

    def error(
        self,
        problem: str,
        *,
        column: str | None = None,
        row: int | None = None,
        expected: str | None = None,
    ) -> PanelError:
        line = None if row is None else self.lines[row]
        return PanelError(problem, file=self.source, column=column, row=line, expected=expected)


def _first(mask: pd.Series | np.ndarray) -> int:
    return int(np.flatnonzero(np.asarray(mask))[0])


def _names(frame: pd.DataFrame, column: str, place: _Place) -> pd.Series:
    names = frame[column].astype("string").str.strip()
    empty = names.isna() | (names == "")
    if empty.any():
        raise place.error("empty", column=column, row=_first(empty), expected="a name")
    return names.astype(str)


def _numbers(frame: pd.DataFrame, column: str, place: _Place) -> pd.Series:
    """Return a column as finite floats, or say which cell is none."""
    expected = place.spec.description(column) or "a number"
    numbers, empty = _parsed(frame, column, place, expected)
    if empty.any():
        raise place.error("missing value", column=column, row=_first(empty), expected=expected)
    return numbers


def _parsed(
    frame: pd.DataFrame, column: str, place: _Place, expected: str
) -> tuple[pd.Series, pd.Series]:
    """Return a column as finite floats, and where it is empty."""
    raw = frame[column]
    if pd.api.types.is_bool_dtype(raw.dtype):  # pandas has one that can be missing, too
        raw = raw.astype("Int64")
    text = raw.astype("string").str.strip()
    empty = text.isna() | text.isin(_EMPTY)
    numbers = pd.to_numeric(text.mask(empty), errors="coerce").astype(float)
    bad = numbers.isna() & ~empty
    if bad.any():
        row = _first(bad)
        raise place.error(
            f"{text.iloc[row]!r} is not a number", column=column, row=row, expected=expected
        )
    infinite = np.isinf(numbers)
    if infinite.any():
        raise place.error(
            "infinite value", column=column, row=_first(infinite), expected=f"finite: {expected}"
        )
    return numbers, empty


def _whole(
    numbers: pd.Series, column: str, place: _Place, expected: str | None = None
) -> pd.Series:
    broken = (numbers != numbers.round()) | (numbers.abs() > 2**53)
    if broken.any():
        row = int(numbers.index[_first(broken)])
        raise place.error(
            f"{numbers.loc[row]:g} is not a whole number",
            column=column,
            row=row,
            expected=expected or place.spec.description(column) or "a whole number",
        )
    return numbers.astype("int64")


def _check_rows(frame: pd.DataFrame, spec: PanelSpec, place: _Place) -> None:
    for column in spec.binary:
        odd = ~frame[column].isin([0, 1])
        if odd.any():
            row = _first(odd)
            raise place.error(
                f"{frame[column].iloc[row]} is neither 0 nor 1",
                column=column,
                row=row,
                expected="0 or 1",
            )
    if spec.units:
        unknown = ~frame[spec.unit].isin(spec.units)
        if unknown.any():
            row = _first(unknown)
            name = frame[spec.unit].iloc[row]
            near = difflib.get_close_matches(name, spec.units, n=1)
            hint = f" (is it {near[0]}?)" if near else ""
            raise place.error(
                f"unknown {spec.unit} {name!r}{hint}",
                column=spec.unit,
                row=row,
                expected=f"one of {', '.join(spec.units)}",
            )
    twice = frame.duplicated([spec.unit, spec.time])
    if twice.any():
        row = _first(twice)
        unit, time = frame.loc[row, [spec.unit, spec.time]]
        raise place.error(
            f"{unit}, {time} stands in an earlier row already",
            column=f"{spec.unit}, {spec.time}",
            row=row,
            expected="one row a unit and period",
        )


def _check_paths(frame: pd.DataFrame, spec: PanelSpec, place: _Place) -> None:
    """Refuse gaps in time and treatment that switches off."""
    first, last = int(frame[spec.time].min()), int(frame[spec.time].max())
    units = {
        str(unit): rows.sort_values(spec.time)
        for unit, rows in frame.groupby(spec.unit, sort=False)
    }
    for unit, rows in units.items():
        times = rows[spec.time]
        jump = times.diff() > 1
        if jump.any():
            at = _first(jump)
            missing = _span(times.iloc[at - 1] + 1, times.iloc[at] - 1)
            raise place.error(
                f"{unit} has no row for {missing}",
                column=spec.time,
                row=int(rows.index[at]),
                expected=f"a row for every {spec.time}",
            )
        off = rows[spec.treatment].diff() < 0
        if off.any():
            row = int(rows.index[_first(off)])
            raise place.error(
                f"treatment of {unit} switches off in {frame.loc[row, spec.time]!s}",
                column=spec.treatment,
                row=row,
                expected="once 1, always 1 (an absorbing treatment)",
            )
    if not spec.balanced:
        return
    for unit, rows in units.items():
        start, end = rows[spec.time].iloc[0], rows[spec.time].iloc[-1]
        if start > first or end < last:
            late = start > first
            missing = _span(first, start - 1) if late else _span(end + 1, last)
            raise place.error(
                f"{unit} has no row for {missing}",
                column=spec.time,
                row=int(rows.index[0 if late else -1]),
                expected=f"every {spec.time} from {first} to {last}",
            )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _cohort(frame: pd.DataFrame, spec: PanelSpec, place: _Place) -> pd.Series:
    """Return the cohort as numbers; refuse one that contradicts the treatment column."""
    assert spec.cohort is not None, "asked only where the spec names a cohort"
    expected = f"the first {spec.time} with {spec.treatment} = 1, empty if never"
    cohort, empty = _parsed(frame, spec.cohort, place, expected)
    _whole(cohort[~empty], spec.cohort, place, expected)
    implied = (frame[spec.time] >= cohort).astype(int)
    wrong = implied != frame[spec.treatment]
    if wrong.any():
        row = _first(wrong)
        raise place.error(
            f"{spec.treatment} is {frame[spec.treatment].iloc[row]} in "
            f"{frame[spec.time].iloc[row]}",
            column=spec.cohort,
            row=row,
            expected=expected,
        )
    # Before treatment any later cohort agrees with it, and event time would be wrong.
    first = cohort.groupby(frame[spec.unit]).transform(lambda values: values.iloc[0])
    changes = (cohort != first) & ~(empty & first.isna())
    if changes.any():
        row = _first(changes)
        raise place.error(
            f"the cohort of {frame[spec.unit].iloc[row]} is not the one of its first row",
            column=spec.cohort,
            row=row,
            expected=f"one cohort a unit: {expected}",
        )
    return cohort


#: File of the witness panel under each reading of the printed tables.
WITNESSES = {"two-way": "panel.csv", "one command": "panel-one-command.csv"}


def load_witness(reading: str = "two-way") -> CityPanel:
    """Read a witness panel that ships with the book: constructed, not data.

    Parameters
    ----------
    reading : {"two-way", "one command"}
        Which reading of Tables 4 and 5 the panel returns them under.

    Raises
    ------
    PanelError
        No witness of that reading.
    """
    if reading not in WITNESSES:
        raise PanelError(f"no witness of the reading {reading!r}: {', '.join(WITNESSES)}")
    return read_panel(data_dir() / "witness" / WITNESSES[reading])
