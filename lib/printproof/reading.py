"""Read another paper's printed tables from a YAML file.

The shape follows how a table looks on paper::

    some_paper:
      declare: {stars: {"*": .1, "**": .05, "***": .01}, tails: two}   # see below
      table1:                                   # effects, one row a method
        columns: [att, stars, se, t]
        rows: {nearest: ["0.163", "***", "0.034", "4.80"]}
      table2:                                   # moments, one row a variable
        columns: [n, mean, sd, min, max]
        rows: {treated: ["85", "0.129", "0.338", "0.000", "1.000"]}
      table3:                                   # panels of a table
        A: {columns: [n, mean], rows: {x: ["40", "1.2"]}}
        B: {columns: [n, mean], rows: {x: ["45", "1.3"]}}
      table4:                                   # a regression, one entry a column
        declare: {rounding: nearest, "(1)": {estimator: ols}}
        "(1)": {outcome: y, x: ["0.205***", "(13.05)"], z: {coef: "0.1", p: "0.020"}, N: "85"}
      batches:                                  # parts with their percentages
        - {batch: "1", direct: "6", indirect: "28", pct: ["18", "82"]}
      text: {total: "278"}                      # numbers of the text
      checks: {}                                # as in data/published/checks.yml
      claims: {}                                # key: words

Numbers stand in quotes, because a final zero is information.  A second number in a cell
is the statistic; ``parentheses: se`` (or ``p``) in a table says that it is something else.
``brackets`` and ``braces`` say the same of numbers in those, and ``unknown`` keeps a number
out of every rule.  Without ``brackets`` three numbers are effect, error and statistic; a pair
``"[0.1, 0.3]"`` is an interval.  :mod:`printproof.importing` writes such files.
A number may be printed as ``0.123***``, ``(0.16)``, ``[0.16]``, ``.123``, ``1.2e-05``, ``<0.001``,
with a Unicode minus, thin and no-break spaces, daggers, and commas or spaces between thousands;
where a comma can be a decimal mark as well, the cell is refused until ``decimal`` is declared.

The shape also suggests which columns are nested, which pair of columns has a mediator,
which percentages belong to which parts.  What rests on such a suggestion, or on a
convention that nobody declares, is *undecided*, and the ledger names the line to declare.
Whatever is not understood is refused with its line and column.

Nothing is assumed where nothing is declared: a verdict that needs a convention is then
*undecided* and names the line that is missing::

    declare:
      stars: {"*": .1, "**": .05, "***": .01}   # levels; two of them are fine
      unmarked: tested                          # also in rows or columns that have no star at all
      tails: two                                # of stars and p values: one | two
      df: normal                                # normal | residual | a whole number
      rounding: nearest                         # nearest | half_even | truncated | unknown
      statistic: signed                         # signed | absolute
      scale: linear                             # statistic: effect over error; interval around it
      level: .95                                # of printed intervals
      estimator: ols                            # ols | wls | iv | logit | re | ...
      errors: classical                         # classical | robust | clustered | ask
      weights: none                             # means, deviations, percentages count rows alike
      moments: same rows                        # of the n rows beside, in one unit, none trimmed
      variances: welch                          # of a difference of means: welch | pooled
      p_column: p values                        # where a cell under p is none by itself
      decimal: "."                              # or ","
      sample: matched                           # columns of one name are one sample
      dummies: [treated]                        # 0/1 variables
      counts: [n, N, patents]                   # exact whole numbers, variables of such
      shares: [urban]                           # variables between 0 and 1
      amounts: [investment]                     # variables that are not negative
      parts: [batches]                          # lists whose percentages are of the entry's sum
      totals: [batches]                         # lists that add up to a printed total
      items: {stress: 4}                        # a variable is the mean of so many whole answers
      percents: [female]                        # rows or headings: a count in percent of the n
      permilles: [infected]                     # the same of a thousand
      groups: [treated, control]                # "treated mean" is the mean of a group
      unused: [median]                          # headings that no rule reads
      because: {stars: the note under Table 1}  # the sentence behind each line
      tables:
        table1: {df: 84, columns: {"(2)": {estimator: iv}}}
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from printproof import _declare as declare
from printproof import _marked as marked
from printproof._cells import Cell, decimal_mark, read_cell
from printproof._constraint import SIZES
from printproof._study import CONSTANTS, SECTIONS, Study
from printproof.errors import RecordError
from printproof.printed import Printed, Record, _check

#: Headings of columns, as papers print them, and the statistic of a cell.
_STATISTICS = {
    "coef": (
        *("coef", "coef.", "coefficient", "att", "ate", "effect", "estimate", "b", "系数"),
        *("difference", "diff", "diff.", "差异", "均值差"),
    ),
    "se": ("se", "std_error", "std. error", "std. err.", "standard error", "s.e.", "标准误"),
    "statistic": ("statistic", "t", "z", "t value", "z value", "t-stat", "t-value", "z-value"),
    "p": ("p", "p value", "p-value", "pvalue", "p>|t|", "p>|z|", "pr(>|t|)", "pr(>|z|)"),
    "ci_low": ("ci_low", "lower", "conf_low", "ci lower", "lower bound", "2.5%", "[0.025"),
    "ci_high": ("ci_high", "upper", "conf_high", "ci upper", "upper bound", "97.5%", "0.975]"),
    "df": ("df", "d.f.", "degrees of freedom"),
}
_MOMENTS = {
    "n": ("n", "obs", "obs.", "count", "observations", "样本量", "观测值"),
    "mean": ("mean", "average", "均值", "平均值"),
    "sd": ("sd", "s.d.", "std", "std.", "std. dev.", "std.dev.", "standard deviation", "标准差"),
    "min": ("min", "min.", "minimum", "最小值"),
    "max": ("max", "max.", "maximum", "最大值"),
}
#: Headings that are known and that no rule reads.
_UNUSED = {
    *("median", "variance", "sum", "range", "iqr", "skewness", "kurtosis", "vif", "cv", "unit"),
    *("label", "definition", "description", "source", "missing", "unique", "25%", "50%", "75%"),
    *("p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "q1", "q3"),
}
_RESERVED = {"checks", "claims", "witness", "declare"}
#: Keys whose text is about a table or paper and no part of it.
_ABOUT = {"about", "note", "notes", "title", "source", "authors", "year", "outlet", "doi"}
_THIRD = {"statistic": "statistic", "t": "statistic", "z": "statistic", "se": "se", "p": "p"}
_THIRD["unknown"] = "unknown"
#: What says what stands in brackets below coefficients, and the bracket.
_BELOW = {"parentheses": "(", "brackets": "[", "braces": "{"}
#: Names that a column of a regression or an entry of a table cannot have.
RESERVED = frozenset({*_RESERVED, *_ABOUT, *_BELOW, "columns", "rows"})
#: Names of the row or the column of a cross-table that holds sums.
_TOTALS = ("total", "totals", "sum", "合计", "总计")
_PERCENT = ("pct", "percent", "shares")
_DUMMY_NAMES = {"ftz", "did", "treat", "treated", "treatment", "post", "policy", "d", "dummy"}

Path_ = tuple[Any, ...]
_Below = Mapping[str, str | None]


@dataclass
class _Reader:
    """Collects the cells of one paper; ``marks`` holds the line and column of each entry."""

    paper: str
    marks: Mapping[Path_, tuple[int, int]] = field(default_factory=dict)
    file: str = ""
    decimal: str | None = None
    cells: list[Printed] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    parts: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    names: dict[str, Path_] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    unknown: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    grids: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)

    def fail(self, path: Path_, message: str) -> NoReturn:
        """Refuse an entry, with its line and column where the file is known."""
        near = next((path[:i] for i in range(len(path), -1, -1) if path[:i] in self.marks), None)
        line = "" if near is None else "{}:{}:{}: ".format(self.file, *self.marks[near])
        raise RecordError(f"{line}{'/'.join(map(str, (self.paper, *path)))}: {message}")

    def read(self, path: Path_, value: Any, *, coefficient: bool = False) -> Cell:
        """Read one entry as a printed cell."""
        if isinstance(value, float):
            self.fail(path, f"{value!r} must stand in quotes, because a final zero is information")
        if not isinstance(value, str | int | bool | None):
            self.fail(path, f"a printed cell was expected, not {type(value).__name__}")
        try:
            text = "" if value is None else str(value)
            return read_cell(text, self.decimal, coefficient=coefficient)
        except RecordError as error:
            self.fail(path, str(error))

    def add(
        self,
        place: tuple[str, str, str, str],
        value: Any,
        path: Path_,
        *,
        kind: str = "",
    ) -> None:
        """Keep one cell: a number, or that there is a word or nothing."""
        coefficient = place[3] == "coef"
        cell = self.read(path, value, coefficient=coefficient)
        if cell.stars and not coefficient:
            self.fail(path, f"{value!r}: stars stand beside a coefficient")
        name = "/".join((self.paper, *place))
        if name in self.seen:
            self.fail(path, f"{name} stands twice")
        self.seen.add(name)
        if not cell.number:
            self.words[name] = str(value or "")
            return
        told = {place[1].casefold(), place[2].casefold()}
        if told & self._names("percents", place[0]) or told & self._names("permilles", place[0]):
            kind = kind if {place[1], place[2]} & set(SIZES) else "rounded"
        if cell.kind == "rounded":
            whole = "." not in cell.text
            kind = kind if kind != "count" or whole else "rounded"
        note = f"mark {cell.mark}" if cell.mark else ""
        printed = Printed(
            self.paper,
            *place,
            cell.text,
            cell.stars,
            (kind or _kind(cell.text, *place[1:3])) if cell.kind == "rounded" else cell.kind,
            "",
            "file",
            note,
        )
        try:
            _check(printed, name)
        except RecordError as error:
            self.fail(path, str(error))
        self.cells.append(printed)

    def table(self, name: str, content: Any, path: Path_) -> None:
        """Read one table by its shape."""
        if isinstance(content, Mapping):
            content = self._header(name, content, path)
        if isinstance(content, Mapping) and {"columns", "rows"} <= content.keys():
            self._grid(name, content, path)
        elif isinstance(content, Mapping) and _is_regression(content):
            self._regression(name, content, path)
        elif isinstance(content, Mapping) and any(_is_table(v) for v in content.values()):
            for panel, inner in content.items():
                self.table(f"{name} {panel}", inner, (*path, panel))
        elif isinstance(content, list) and all(isinstance(r, Mapping) for r in content):
            self._records(name, content, path)
        elif isinstance(content, Mapping):
            self._numbers(name, content, path)
        elif isinstance(content, str | int | float):
            self.add(("text", name, "value", "value"), content, path)
        elif content is not None:
            self.fail(path, "this is no table")

    def _header(self, name: str, content: Mapping[str, Any], path: Path_) -> Mapping[str, Any]:
        """Take the header of a table off: lines for it and, by their label, for its columns."""
        raw = content.get("declare", {})
        if not isinstance(raw, Mapping):
            self.fail((*path, "declare"), "declare needs lines of the form `key: value`")
        columns = dict(raw.get("columns", {}) or {})
        for key, value in raw.items():
            if key in content and key not in declare.KEYS and isinstance(value, Mapping):
                columns[key] = value
            elif key != "columns":
                self.check({key: value}, (*path, "declare", key))
        for key, value in columns.items():
            self.check(value, (*path, "declare", key))
        lines = {k: v for k, v in raw.items() if k not in columns and k != "columns"}
        if columns:
            lines["columns"] = columns
        if lines:
            self.declared[name] = lines
        return {k: v for k, v in content.items() if k != "declare" and k not in _ABOUT}

    def check(self, lines: Any, path: Path_) -> None:
        """Check lines of a header where they stand."""
        try:
            declare.check(lines, "here")
        except RecordError as error:
            self.fail(path, str(error).removeprefix("here: "))

    def _grid(self, name: str, content: Mapping[str, Any], path: Path_) -> None:
        for key in content.keys() - {"columns", "rows"}:
            self.fail((*path, key), "a table of columns and rows has no such key")
        if not isinstance(content["columns"], list) or not isinstance(content["rows"], Mapping):
            self.fail(path, "columns is a list of headings, rows one list for each row")
        headings = [str(c) for c in content["columns"]]
        if len(set(headings)) < len(headings):
            self.fail((*path, "columns"), "a heading stands twice")
        named = {h for k in ("counts", "percents", "permilles") for h in self._names(k, name)}
        roles = {h: self._role(name, h) for h in headings}
        for place, heading in enumerate(headings):
            unused = heading.casefold() in _UNUSED | {"stars", *self._names("unused", name)}
            known = any(roles[heading]) or unused or heading.casefold() in named
            if not known and any(any(role) for role in roles.values()):
                self.fail(
                    (*path, "columns", place),
                    f"the heading {heading!r} is not understood; "
                    f'declare `unused: ["{heading}"]` to keep it out of the rules, '
                    "or what it is under `percents`, `counts` or `groups`",
                )
        groups = {table: None for table, *_ in roles.values() if table}
        self.groups |= {name: list(groups)} if groups else {}
        for table in groups:
            lines = self.declared.get(name, {})
            self.declared[table] = {k: v for k, v in lines.items() if k != "columns"}
        self._cross(name, [str(r) for r in content["rows"]], roles)
        for row, values in content["rows"].items():
            if not isinstance(values, list) or len(values) != len(headings):
                self.fail(
                    (*path, "rows", row),
                    f"expected {len(headings)} entries ({', '.join(headings)})",
                )
            self._line(
                name, str(row), dict(zip(headings, values, strict=True)), (*path, "rows", row)
            )

    def _cross(self, name: str, rows: list[str], roles: Mapping[str, Any]) -> None:
        """Keep the rows and columns of a table with totals that could add up to them."""
        rates = self._names("percents", name) | self._names("permilles", name) | _UNUSED
        columns = [h for h, role in roles.items() if h == "n" or not any(role)]
        kept = [[k for k in keys if k.casefold() not in rates] for keys in (rows, columns)]
        if {k.casefold() for keys in kept for k in keys} & set(_TOTALS):
            self.grids[name] = kept[0], kept[1]

    def _names(self, key: str, table: str) -> set[str]:
        """Return the names that a list declares for a table, in lower case."""
        levels = self.declared.get("", {}), self.declared.get(table, {})
        return {str(name).casefold() for level in levels for name in level.get(key, ())}

    def _role(self, name: str, heading: str) -> tuple[str, str | None, str | None]:
        """Return table, statistic and moment of a heading; "treated mean" has a table of its own.

        A heading that is declared as unused has neither, whatever it says.
        """
        plain = heading.strip().casefold()
        if plain in self._names("unused", name):
            return "", None, None
        for group in self._names("groups", name):
            moment = _lookup(plain.removeprefix(f"{group} "), _MOMENTS)
            if moment and plain.startswith(f"{group} "):
                return f"{name} {heading.strip()[: len(group)]}", None, moment
        statistic = _lookup(heading, _STATISTICS)
        return "", statistic, None if statistic else _lookup(heading, _MOMENTS)

    def _line(self, name: str, row: str, line: dict[str, Any], path: Path_) -> None:
        stars = str(line.pop("stars", "") or "").strip()
        if not _is_stars(stars):
            self.fail(path, f"{stars!r} are no stars")
        for number, (heading, value) in enumerate(line.items()):
            at = (*path, number)
            table, statistic, moment = self._role(name, heading)
            if statistic:
                kind = "count" if statistic == "df" else "rounded"
                own = _with(value, stars if statistic == "coef" else "")
                self.add((name, row, "ATT", statistic), own, at, kind=kind)
                continue
            whole = moment == "n" or heading.casefold() in self._names("counts", name)
            plain = "" if name in self.grids and heading in self.grids[name][1] else "rounded"
            place = table or name, row, moment or heading, "value"
            self.add(place, value, at, kind="count" if whole else plain)

    def _regression(self, name: str, content: Mapping[str, Any], path: Path_) -> None:
        below = {k: _THIRD.get(str(content.get(k, "statistic"))) for k in _BELOW if k in content}
        for key in [k for k, kind in below.items() if kind is None]:
            self.fail((*path, key), f"{key} are one of {', '.join(_THIRD)}")
        for column, rows in content.items():
            if column in _BELOW:
                continue
            if not isinstance(rows, Mapping):
                self.fail((*path, column), "a column of a regression has one entry a row")
            for row, entry in rows.items():
                self._entry(name, str(row), str(column), entry, below, (*path, column, row))

    def _entry(
        self, name: str, row: str, column: str, entry: Any, below: _Below, path: Path_
    ) -> None:
        if row == "outcome":
            self.outcomes[name, column] = str(entry)
        elif isinstance(entry, Mapping):
            for key, value in entry.items():
                statistic = _lookup(str(key), _STATISTICS)
                if statistic is None:
                    self.fail((*path, key), f"{key!r} is none of {', '.join(_STATISTICS)}")
                kind = "count" if statistic == "df" else "rounded"
                self.add((name, row, column, statistic), value, (*path, key), kind=kind)
        elif isinstance(entry, list):
            self._coefficient((name, row, column), entry, below, path)
        else:
            kind = "count" if row in SIZES else "rounded"
            self.add((name, row, column, "value"), entry, path, kind=kind)

    def _coefficient(
        self, place: tuple[str, str, str], entry: list[Any], below: _Below, path: Path_
    ) -> None:
        """Read the numbers of a cell by brackets or their order, an interval by its two ends."""
        marks = [str(e).strip() for e in entry if _is_stars(e) and e]
        ends = [re.fullmatch(r"[\[(](.+?)[;,] (.+?)[\])]", str(e).strip()) for e in entry]
        numbers = [e for e, end in zip(entry, ends, strict=True) if not _is_stars(e) and not end]
        names = _names([str(n) for n in numbers], below)
        if names is None or len(marks) > 1:
            self.fail(
                path,
                f"{entry} is no coefficient with an error, a statistic and a p value; "
                "write {coef: , se: , statistic: , p: , ci_low: , ci_high: , df: }",
            )
        for statistic, value in zip(names, numbers, strict=True):
            own = _with(value, marks[0] if marks and statistic == "coef" else "")
            if statistic in _BELOW:
                table, row, column = place
                at = table, f"{row}, in {statistic}", column, "value"
                self.add(at, own, path, kind="rounded")
                self.unknown.setdefault((table, statistic), []).append("/".join(at))
                continue
            self.add((*place, statistic), own, path, kind="rounded")
        for end in [e for e in ends if e]:
            for statistic, text in zip(("ci_low", "ci_high"), end.groups(), strict=True):
                self.add((*place, statistic), text, path, kind="rounded")

    def _records(self, name: str, content: list[Mapping[str, Any]], path: Path_) -> None:
        for number, line in enumerate(content):
            at = (*path, number)
            if not line:
                self.fail(at, "an empty entry")
            first, label = next(iter(line.items()))
            row = f"{first} {label}" if _is_number(label) else str(label)
            percents = next((line[k] for k in _PERCENT if isinstance(line.get(k), list)), None)
            whole = []
            for key, value in list(line.items())[1:]:
                if isinstance(value, list) and key in _PERCENT:
                    continue
                if isinstance(value, list | Mapping):
                    self.fail((*at, key), "a number was expected")
                cell = self.read((*at, key), value)
                whole += [key] if cell.number else []
                self.add((name, row, str(key), "value"), value, (*at, key), kind="count")
            if percents is not None:
                if len(percents) != len(whole):
                    self.fail(at, f"{len(percents)} percentages for {len(whole)} parts")
                for key, value in zip(whole, percents, strict=True):
                    self.add((name, row, f"{key} share", "value"), value, at, kind="rounded")
            self.parts.setdefault(name, []).append(
                {"row": row, "parts": whole, "shares": percents is not None}
            )

    def _numbers(self, name: str, content: Mapping[str, Any], path: Path_) -> None:
        for key, value in content.items():
            inner = value if isinstance(value, Mapping) else {"value": value}
            for column, number in inner.items():
                at = (*path, key, column) if isinstance(value, Mapping) else (*path, key)
                if isinstance(number, list | Mapping):
                    self.fail(at, "a number was expected")
                self.add((name, str(key), str(column), "value"), number, at)


def _names(numbers: list[str], below: _Below) -> list[str] | None:
    """Say what the numbers of a coefficient are; ``None`` if that cannot be told."""
    if below.keys() <= {"parentheses"} and below.get("parentheses") != "unknown":
        third = below.get("parentheses") or "statistic"
        names = [["coef", third], ["coef", "se", "statistic", "p"]][len(numbers) > 2]
        return names[: len(numbers)] if len(numbers) <= len(names) else None
    found = ["coef"]
    for number in numbers[1:]:
        key = next((k for k, mark in _BELOW.items() if number.startswith(mark)), "parentheses")
        kind = below.get(key, "unknown")
        found.append(key if kind == "unknown" else str(kind))
    return found if len(set(found)) == len(found) else None


def _kind(text: str, row: str, column: str) -> str:
    percent = any(w in f"{row} {column}" for w in ("pct", "percent", "share", "growth"))
    return "rounded" if percent or "." in text else "count"


def _is_stars(value: Any) -> bool:
    return value is None or (isinstance(value, str) and set(value.strip()) <= set("*†‡§¶#+"))


def _with(value: Any, marks: str) -> Any:
    """Put stars or another mark that stands beside a number onto it."""
    return f"{value}{marks}" if marks and isinstance(value, str | int) else value


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    try:
        return isinstance(value, str) and read_cell(value, ".").number
    except RecordError:
        return False


def _is_entry(entry: Any) -> bool:
    """Say whether an entry is a coefficient: a list that starts with a number, or named parts."""
    if isinstance(entry, Mapping):
        scalars = not any(isinstance(v, list | Mapping) for v in entry.values())
        return scalars and "coef" in {_lookup(str(k), _STATISTICS) for k in entry}
    digits = isinstance(entry, list) and entry and re.search(r"\d", str(entry[0]))
    return bool(digits) and not isinstance(entry[0], Mapping)


def _is_regression(content: Mapping[str, Any]) -> bool:
    columns = [v for v in content.values() if isinstance(v, Mapping)]
    return any(_is_entry(entry) for column in columns for entry in column.values()) and not any(
        _is_table(v) for v in columns
    )


def _is_table(content: Any) -> bool:
    """Say whether the content of a panel is a table of its own."""
    if isinstance(content, list):
        return bool(content) and all(isinstance(r, Mapping) for r in content)
    if not isinstance(content, Mapping) or _is_entry(content):
        return False
    return {"columns", "rows"} <= content.keys() or _is_regression(content)


def _heading_role(heading: str) -> str | None:
    """Return what a heading over numbers means, if it is one that tables share."""
    plain = heading.strip().casefold()
    found = _lookup(heading, _STATISTICS) or _lookup(heading, _MOMENTS)
    return found or (plain if plain in _UNUSED | {"stars"} else None)


def _lookup(heading: str, names: Mapping[str, tuple[str, ...]]) -> str | None:
    wanted = heading.strip().casefold()
    return next((key for key, known in names.items() if wanted in known), None)


def read_file(path: Path) -> list[Study]:
    """Read the papers of a YAML file.

    Raises
    ------
    RecordError
        If the file cannot be read, holds no table, or an entry is not understood; line and
        column are named.
    """
    content, marks = marked.load(path)
    if not isinstance(content, Mapping) or not content:
        raise RecordError(f"{path}: expected papers, each with its tables")
    nested = all(isinstance(v, Mapping) for v in content.values()) and not _is_paper(content)
    if nested:
        inside = {
            name: {p[1:]: m for p, m in marks.items() if p and p[0] == name} for name in content
        }
    else:
        content, inside = {path.stem: content}, {path.stem: marks}
    studies = [study(str(n), tables, inside[n], str(path)) for n, tables in content.items()]
    if not any(len(s.record) for s in studies):
        raise RecordError(f"{path}: no table or number was found in it")
    return studies


def _is_paper(content: Mapping[str, Any]) -> bool:
    """Say whether the file holds the tables of one paper and no names of papers."""
    return any(_is_table(v) for v in content.values())


def study(
    paper: str,
    tables: Mapping[str, Any],
    marks: Mapping[Path_, tuple[int, int]] | None = None,
    file: str = "",
) -> Study:
    """Turn the nested tables of one paper into cells, and note what their shape suggests.

    Parameters
    ----------
    paper : str
    tables : mapping
    marks : mapping, optional
        Path of an entry to its line and column in ``file``, for messages.
    file : str

    Raises
    ------
    RecordError
        If an entry is not understood, or a cell stands twice.
    """
    reader = _Reader(paper, marks or {}, file)
    header, sections = _declared(reader, tables)
    reader.declared[""] = header
    reader.decimal = header.get("decimal") or decimal_mark(_texts(tables))
    for name, content in tables.items():
        if name in _RESERVED or name in _ABOUT:
            continue
        table = _table_name(str(name))
        if reader.names.setdefault(table, (name,)) != (name,):
            first = reader.names[table][0]
            reader.fail(
                (name,), f"{first!r} and {name!r} are both {table}; give one entry with panels"
            )
        mark = content.get("declare") if isinstance(content, Mapping) else None
        own = mark.get("decimal") if isinstance(mark, Mapping) else None
        paper_mark = reader.decimal
        reader.decimal = own or paper_mark
        reader.table(table, content, (name,))
        reader.decimal = paper_mark
    del reader.declared[""]
    for table in reader.groups.keys() - {cell.table for cell in reader.cells}:
        reader.declared.pop(table, None)  # its lines stand at its groups
    raw = tables.get("claims", {}) or {}
    claims = {str(k): (str(v), "") for k, v in raw.items()}
    header = {**header, "tables": {**reader.declared, **(header.get("tables") or {})}}
    found = Study(paper, Record(reader.cells), {"declare": header}, claims)
    shape = _infer(found, reader)
    outcomes = {"/".join(place): name for place, name in reader.outcomes.items()}
    asked = [_asks(*place, cells) for place, cells in reader.unknown.items()]
    if asked:
        sections["undecidable"] = [*sections.get("undecidable", []), *asked]
    declared = {**shape, "outcomes": outcomes, **sections, "declare": header}
    inferred = frozenset({*shape, "counts"} - sections.keys())
    return Study(paper, found.record, declared, claims, inferred, reader.words)


def _declared(reader: _Reader, tables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the paper's header and what else it declares: under ``checks`` or ``declare``."""
    sections: dict[str, Any] = {}
    header: dict[str, Any] = {}
    for name in ("checks", "declare"):
        lines = tables.get(name) or {}
        if not isinstance(lines, Mapping):
            reader.fail((name,), f"{name} needs lines of the form `key: value`")
        for key, value in lines.items():
            if key in declare.KEYS and not (name == "checks" and key in SECTIONS):
                reader.check({key: value}, (name, key))
                header[key] = value
            elif key == "tables" or (name == "checks" and key == "declare"):
                header.update({"tables": value} if key == "tables" else value)
            elif key in SECTIONS:
                sections[key] = value
            else:
                known = ", ".join((*declare.KEYS, *SECTIONS))
                reader.fail((name, key), f"there is no section or key {key!r}; there are {known}")
    return header, sections


def _asks(table: str, key: str, cells: list[str]) -> dict[str, Any]:
    """Return the entry that leaves numbers in brackets undecided until they are declared."""
    line = f"{key}: se"
    because = f"What stands in {key} is not declared; `{line}` (or t, z, p) would let rules use it."
    return {
        "title": f"numbers in {key} ({table})",
        "cells": cells,
        "because": because,
        "declare": line,
    }


def _texts(content: Any) -> Iterator[str]:
    """Yield every text of nested tables."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if key not in _RESERVED | _ABOUT:
                yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)
    elif isinstance(content, str):
        yield content


def _table_name(name: str) -> str:
    """Return ``table4`` for ``table4_did``: the number is what a reader cites."""
    match = re.match(r"(table\d+)(_|$)", name)
    return match[1] if match else name


# --- what the shape of the tables shows ------------------------------------------------------


def _infer(found: Study, reader: _Reader) -> dict[str, Any]:
    nested = list(_nested(found, reader))
    sections = {
        "variables": _dummies(found),
        "nested": nested,
        "mediation": list(_mediation(found, reader, nested)),
        "relations": list(_relations(found, reader)),
        "differences": [
            {"table": table, "first": groups[0], "second": groups[1]}
            for table, groups in reader.groups.items()
            if len(groups) == 2
        ],
    }
    sizes = list(dict.fromkeys(p.table for p in found.record if p.row in SIZES or p.column == "n"))
    return {k: v for k, v in sections.items() if v} | (
        {"same_sample": [[t] for t in sizes]} if sizes else {}
    )


def _nested(found: Study, reader: _Reader) -> Iterator[dict[str, Any]]:
    """Yield runs of columns in which each adds one regressor; their outcome is the same."""
    for table, cells in found.tables.items():
        columns = list(dict.fromkeys(p.column for p in cells if p.statistic == "coef"))
        sets = [set(found.regressors(table, c)) for c in columns]
        run = columns[:1]
        for (last, before), (column, after) in itertools.pairwise(zip(columns, sets, strict=True)):
            same = reader.outcomes.get((table, last)) == reader.outcomes.get((table, column))
            if same and before < after and len(after - before) == 1:
                run.append(column)
                continue
            if len(run) > 1:
                yield {"table": table, "columns": run}
            run = [column]
        if len(run) > 1:
            yield {"table": table, "columns": run}


def _dummies(found: Study) -> dict[str, dict[str, str]]:
    """Take variables that run from 0 to 1 under a treatment's name for 0/1 variables."""
    dummies = {}
    for place in found.places():
        if "value" not in place:
            continue
        p = found.record.get(place["value"])
        if p.column != "max" or p.row.lower() not in _DUMMY_NAMES or p.kind == "fraction":
            continue
        low = found.where(p.table, p.row, "min").get("value")
        if low and found.record.get(low).value == 0 and p.value == 1:
            dummies[p.row] = {"kind": "dummy"}
    return dummies


def _mediation(
    found: Study, reader: _Reader, nested: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Find a column whose outcome is a regressor of another column of its table."""
    for (table, column), outcome in reader.outcomes.items():
        for (other_table, other), _ in reader.outcomes.items():
            rows = found.regressors(other_table, other)
            if other_table != table or outcome not in rows or other == column:
                continue
            common = [r for r in found.regressors(table, column) if r in rows and r != outcome]
            shared = [r for r in common if r not in CONSTANTS]
            if not shared:
                continue
            total = _total(found, reader, shared[0], (table, other), outcome, nested)
            if total:
                yield {
                    "total": total,
                    "mediator": f"{table}/{shared[0]}/{column}",
                    "direct": f"{table}/{shared[0]}/{other}",
                    "path": f"{table}/{outcome}/{other}",
                }


def _total(
    found: Study,
    reader: _Reader,
    treatment: str,
    direct: tuple[str, str],
    mediator: str,
    nested: list[dict[str, Any]],
) -> str | None:
    """Return the column of the total effect: the direct column's without the mediator."""
    wanted = set(found.regressors(*direct)) - {mediator}
    outcome = reader.outcomes.get(direct)
    for (table, column), name in reader.outcomes.items():
        same = set(found.regressors(table, column)) == wanted
        if name == outcome and (table, column) != direct and same:
            return f"{table}/{treatment}/{column}"
    for group in nested:
        last = group["columns"][-1]
        if treatment in found.regressors(group["table"], last):
            return f"{group['table']}/{treatment}/{last}"
    return None


def _relations(found: Study, reader: _Reader) -> Iterator[dict[str, Any]]:
    for table, (rows, columns) in reader.grids.items():
        yield from _margins(found, table, rows, columns)
    for table, lines in reader.parts.items():
        for line in lines:
            shares = _shares(found, table, line) if line["shares"] else {"cells": {}}
            if shares["cells"] and all(map(found.has, map(found.id, shares["cells"].values()))):
                yield shares
        fields = list(dict.fromkeys(str(p) for line in lines for p in line["parts"]))
        for key in fields:
            yield from _sum(found, table, lines, [key], key)
        for a, b in itertools.permutations(fields, 2):
            yield from _sum(found, table, lines, [a, b], f"{a}_and_{b}")


def _shares(found: Study, table: str, line: Mapping[str, Any]) -> dict[str, Any]:
    names = {f"p{i}": f"{table}/{line['row']}/{p}/value" for i, p in enumerate(line["parts"])}
    shares = {
        f"s{i}": f"{table}/{line['row']}/{p} share/value" for i, p in enumerate(line["parts"])
    }
    whole = " + ".join(names)
    return {
        "rule": "shares",
        "title": f"shares of {line['row']} ({table})",
        "cells": names | shares,
        "inferred": _unless(found, "parts", table),
        "all": [
            {"left": f"100 * p{i} / ({whole})", "right": f"s{i}", "says": f"{p} in percent"}
            for i, p in enumerate(line["parts"])
        ],
    }


def _margins(
    found: Study, table: str, rows: list[str], columns: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield the sums of a cross-table: the one row, or column, of totals is that of the others."""
    by_column = [(c, [(r, c) for r in rows]) for c in columns]
    by_row = [(r, [(r, c) for c in columns]) for r in rows]
    for lines, axis in ((by_column, 0), (by_row, 1)):
        for name, line in lines:
            sums = [at for at in line if at[axis].casefold() in _TOTALS]
            parts = {f"x{i}": at for i, at in enumerate(line) if at not in sums}
            names = {k: f"{table}/{r}/{c}/value" for k, (r, c) in parts.items()}
            if len(sums) != 1 or len(names) < 2 or {at[axis] for at in line} & set(SIZES):
                continue
            names["total"] = "{}/{}/{}/value".format(table, *sums[0])
            if all(found.has(found.id(place)) for place in names.values()):
                yield {
                    "rule": "parts and totals",
                    "title": f"{table}: {'row' if axis else 'column'} {name} adds up to its total",
                    "cells": names,
                    "inferred": _unless(found, "totals", table),
                    "left": " + ".join(parts),
                    "right": "total",
                }


def _unless(found: Study, key: str, table: str) -> str:
    """Return the line that declares a list's parts or totals; empty if it is declared."""
    known = table.casefold() in found.header.names(key, None, None)
    return "" if known else f"{key}: [{table}]"


def _sum(
    found: Study, table: str, lines: list[Mapping[str, Any]], keys: list[str], total: str
) -> Iterator[dict[str, Any]]:
    """Yield the relation of a printed total to its parts, where a number bears its name."""
    wanted = {total, total.replace("_", " ")}
    for p in found.record:
        if p.table == table or p.statistic != "value" or p.kind != "count":
            continue
        if p.row in wanted or (p.column in wanted and p.column != "value"):
            parts = [f"{table}/{line['row']}/{k}/value" for line in lines for k in keys]
            if not all(found.has(found.id(place)) for place in parts):
                continue  # a dash or a word where a part should stand adds nothing that is known
            names = {f"x{i}": place for i, place in enumerate(parts)}
            place = "/".join((p.table, p.row, p.column, p.statistic))
            yield {
                "rule": "parts and totals",
                "title": f"{table}: the parts add up to {total}",
                "cells": names | {"total": place},
                "inferred": _unless(found, "totals", table),
                "left": " + ".join(names),
                "right": "total",
            }


__all__ = ["RESERVED", "read_file", "study"]
