"""Read another paper's printed tables from a YAML file.

The shape follows how a table looks on paper::

    some_paper:
      table1:                                   # effects, one row a method
        columns: [att, stars, se, t]
        rows: {nearest: ["0.163", "***", "0.034", "4.80"]}
      table2:                                   # moments, one row a variable
        columns: [n, mean, sd, min, max]
        rows: {treated: ["85", "0.129", "0.338", "0.000", "1.000"]}
      table4:                                   # a regression, one entry a column
        "(1)": {outcome: y, x: ["0.205", "***", "13.05"], N: "85"}
      batches:                                  # parts with their percentages
        - {batch: "1", direct: "6", indirect: "28", pct: ["18", "82"]}
      text: {total: "278"}                      # numbers of the text
      checks: {}                                # as in data/published/checks.yml
      claims: {}                                # key: words

Numbers stand in quotes, because a final zero is information.  A third number in a cell
is the statistic; ``parentheses: se`` in a table says that it is the standard error.
What the shape shows need not be declared: which columns are nested, which pair of
columns has a mediator, which percentages belong to which parts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftz.audit.study import CONSTANTS, SIZES, Study
from ftz.errors import RecordError
from ftz.published import Printed, Record, _check

#: Headings of columns, as papers print them, and the statistic of a cell.
_STATISTICS = {
    "coef": ("coef", "coefficient", "att", "ate", "effect", "estimate", "b"),
    "se": ("se", "std_error", "std. error", "standard error", "s.e."),
    "statistic": ("statistic", "t", "z", "t value", "z value", "t-stat"),
}
_MOMENTS = {
    "n": ("n", "obs", "count", "observations"),
    "mean": ("mean", "average"),
    "sd": ("sd", "std", "std. dev.", "standard deviation"),
    "min": ("min", "minimum"),
    "max": ("max", "maximum"),
}
_RESERVED = {"checks", "claims", "about", "witness"}
_PERCENT = ("pct", "percent", "shares")
_DUMMY_NAMES = {"ftz", "did", "treat", "treated", "treatment", "post", "policy", "d", "dummy"}


@dataclass
class _Reader:
    """Collects the cells of one paper."""

    paper: str
    cells: list[Printed] = field(default_factory=list)
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    parts: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def add(
        self,
        table: str,
        row: str,
        column: str,
        statistic: str,
        value: Any,
        *,
        stars: str = "",
        kind: str | None = None,
    ) -> None:
        place = f"{self.paper}/{table}/{row}/{column}"
        text = _text(value, place)
        printed = Printed(
            self.paper,
            table,
            row,
            column,
            statistic,
            text,
            stars,
            kind or _kind(text, row, column),
            "",
            "file",
            "",
        )
        _check(printed, place)
        self.cells.append(printed)

    def table(self, name: str, content: Any) -> None:
        """Read one table by its shape."""
        if isinstance(content, Mapping) and {"columns", "rows"} <= content.keys():
            self._grid(name, content)
        elif isinstance(content, Mapping) and _is_regression(content):
            self._regression(name, content)
        elif isinstance(content, list) and all(isinstance(r, Mapping) for r in content):
            self._records(name, content)
        elif isinstance(content, Mapping):
            self._numbers(name, content)
        elif _is_number(content):
            self.add("text", name, "value", "value", content)

    def _grid(self, name: str, content: Mapping[str, Any]) -> None:
        headings = [str(c) for c in content["columns"]]
        for row, values in content["rows"].items():
            if not isinstance(values, list) or len(values) != len(headings):
                raise RecordError(
                    f"{self.paper}/{name}/{row}: expected {len(headings)} entries "
                    f"({', '.join(headings)})"
                )
            line = dict(zip(headings, values, strict=True))
            stars = str(line.pop("stars", "") or "")
            for heading, value in line.items():
                if value in ("", None):
                    continue
                statistic = _lookup(heading, _STATISTICS)
                if statistic:
                    marks = stars if statistic == "coef" else ""
                    self.add(name, str(row), "ATT", statistic, value, stars=marks, kind="rounded")
                    continue
                column = _lookup(heading, _MOMENTS) or heading
                kind = "count" if column == "n" else "rounded"
                self.add(name, str(row), column, "value", value, kind=kind)

    def _regression(self, name: str, content: Mapping[str, Any]) -> None:
        third = str(content.get("parentheses", "statistic"))
        if third in {"t", "z"}:
            third = "statistic"
        if third not in {"statistic", "se"}:
            raise RecordError(f"{self.paper}/{name}: parentheses are 'statistic' or 'se'")
        for column, rows in content.items():
            if not isinstance(rows, Mapping):
                continue
            for row, entry in rows.items():
                self._coefficient(name, str(row), str(column), entry, third)

    def _coefficient(self, name: str, row: str, column: str, entry: Any, third: str) -> None:
        if row == "outcome":
            self.outcomes[name, column] = str(entry)
            return
        if not isinstance(entry, list):
            if _is_number(entry):
                kind = "count" if row in SIZES else None
                self.add(name, row, column, "value", entry, kind=kind)
            return
        marks = str(entry[1] or "") if len(entry) > 1 and _is_stars(entry[1]) else ""
        numbers = [e for e in entry if not _is_stars(e)]
        names = {1: ["coef"], 2: ["coef", third], 3: ["coef", "se", "statistic"]}.get(len(numbers))
        if names is None:
            raise RecordError(f"{self.paper}/{name}/{row}/{column}: {entry} is no coefficient")
        for statistic, value in zip(names, numbers, strict=True):
            stars = marks if statistic == "coef" else ""
            self.add(name, row, column, statistic, value, stars=stars, kind="rounded")

    def _records(self, name: str, content: list[Mapping[str, Any]]) -> None:
        for number, line in enumerate(content, start=1):
            label = str(next(iter(line.values())))
            row = f"{next(iter(line))} {label}" if _is_number(label) else label
            percents = next((line[k] for k in _PERCENT if isinstance(line.get(k), list)), None)
            whole = [k for k, v in list(line.items())[1:] if _is_number(v)]
            for key in whole:
                self.add(name, row, key, "value", line[key], kind="count")
            if percents is not None:
                if len(percents) != len(whole):
                    raise RecordError(
                        f"{self.paper}/{name}, entry {number}: {len(percents)} percentages "
                        f"for {len(whole)} parts"
                    )
                for key, value in zip(whole, percents, strict=True):
                    self.add(name, row, f"{key} share", "value", value, kind="rounded")
            self.parts.setdefault(name, []).append(
                {"row": row, "parts": whole, "shares": percents is not None}
            )

    def _numbers(self, name: str, content: Mapping[str, Any]) -> None:
        for key, value in content.items():
            if _is_number(value):
                self.add(name, str(key), "value", "value", value)
            elif isinstance(value, Mapping):
                for inner, number in value.items():
                    if _is_number(number):
                        self.add(name, str(key), str(inner), "value", number)


def _text(value: Any, place: str) -> str:
    if isinstance(value, float):
        raise RecordError(
            f"{place}: {value!r} must stand in quotes, because a final zero is information"
        )
    return str(value).strip()


def _kind(text: str, row: str, column: str) -> str:
    if text.endswith("+"):
        return "over"
    if "/" in text:
        return "fraction"
    percent = any(w in f"{row} {column}" for w in ("pct", "percent", "share", "growth"))
    return "rounded" if percent or "." in text else "count"


def _is_stars(value: Any) -> bool:
    return value is None or (isinstance(value, str) and set(value) <= {"*"})


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    return isinstance(value, str) and bool(
        re.fullmatch(r"[+-]?[\d,]*\.?\d+\+?|\d+/\d+", value.strip())
    )


def _is_regression(content: Mapping[str, Any]) -> bool:
    columns = [v for v in content.values() if isinstance(v, Mapping)]
    return bool(columns) and any(
        isinstance(entry, list) and entry and _is_number(entry[0])
        for column in columns
        for entry in column.values()
    )


def _lookup(heading: str, names: Mapping[str, tuple[str, ...]]) -> str | None:
    wanted = heading.strip().lower()
    return next((key for key, known in names.items() if wanted in known), None)


def read_file(path: Path) -> list[Study]:
    """Read the papers of a YAML file.

    Raises
    ------
    RecordError
        If the file cannot be read, holds no table, or a cell is not a printed number;
        the place is named.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecordError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(content, Mapping) or not content:
        raise RecordError(f"{path}: expected papers, each with its tables")
    if not all(isinstance(v, Mapping) for v in content.values()):
        content = {path.stem: content}
    studies = [study(str(name), tables) for name, tables in content.items()]
    if not any(len(s.record) for s in studies):
        raise RecordError(f"{path}: no table or number was found in it")
    return studies


def study(paper: str, tables: Mapping[str, Any]) -> Study:
    """Turn the nested tables of one paper into cells, and infer what their shape shows.

    Raises
    ------
    RecordError
        If a cell is not a printed number or stands twice.
    """
    reader = _Reader(paper)
    for name, content in tables.items():
        if name not in _RESERVED:
            reader.table(_table_name(str(name)), content)
    seen: set[str] = set()
    for printed in reader.cells:
        if printed.id in seen:
            raise RecordError(f"{printed.id} stands twice")
        seen.add(printed.id)
    raw = tables.get("claims", {}) or {}
    claims = {str(k): (str(v), "") for k, v in raw.items()}
    found = Study(paper, Record(reader.cells), {}, claims)
    inferred = _infer(found, reader)
    outcomes = {"/".join(place): name for place, name in reader.outcomes.items()}
    declared = {**inferred, "outcomes": outcomes, **(tables.get("checks", {}) or {})}
    return Study(paper, found.record, declared, claims)


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
        if p.column != "max" or p.row.lower() not in _DUMMY_NAMES:
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
    for table, lines in reader.parts.items():
        for line in lines:
            if line["shares"]:
                yield _shares(table, line)
        fields = list(dict.fromkeys(p for line in lines for p in line["parts"]))
        for key in fields:
            yield from _sum(found, table, lines, [key], key)
        for a, b in itertools.permutations(fields, 2):
            yield from _sum(found, table, lines, [a, b], f"{a}_and_{b}")


def _shares(table: str, line: Mapping[str, Any]) -> dict[str, Any]:
    names = {f"p{i}": f"{table}/{line['row']}/{p}/value" for i, p in enumerate(line["parts"])}
    shares = {
        f"s{i}": f"{table}/{line['row']}/{p} share/value" for i, p in enumerate(line["parts"])
    }
    whole = " + ".join(names)
    return {
        "rule": "shares",
        "title": f"shares of {line['row']} ({table})",
        "cells": names | shares,
        "all": [
            {"left": f"100 * p{i} / ({whole})", "right": f"s{i}", "says": f"{p} in percent"}
            for i, p in enumerate(line["parts"])
        ],
    }


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
            names = {f"x{i}": place for i, place in enumerate(parts)}
            place = "/".join((p.table, p.row, p.column, p.statistic))
            yield {
                "rule": "parts and totals",
                "title": f"{table}: the parts add up to {total}",
                "cells": names | {"total": place},
                "left": " + ".join(names),
                "right": "total",
            }


__all__ = ["read_file", "study"]
