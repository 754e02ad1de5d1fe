"""What a rule needs to know of a paper beside its printed cells.

The cells say which numbers stand where.  They do not say which columns are nested,
which variable is a dummy, which numbers are parts of which total.  ``checks.yml``
beside the record says so, one entry a paper, and another record brings its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from printproof._constraint import SIZES, Case, Check, Premise, decide
from printproof._declare import KINDS, PERCENTS, Header
from printproof._exact import Digits, Expr, number
from printproof._exact import cell as cell_expr
from printproof.errors import RecordError
from printproof.printed import Printed, Record

#: What may be said of a paper in ``checks.yml``.
SECTIONS = (
    "about",
    "declare",
    "clusters",
    "absorbed",
    "errors",
    "variables",
    "same_sample",
    "outcomes",
    "nested",
    "mediation",
    "differences",
    "relations",
    "claims",
    "columns",
    "official",
    "raw_sample",
    "undecidable",
)


#: Names under which a constant is printed.
CONSTANTS = ("const", "constant", "_cons", "Constant", "Intercept")

#: What the line that declares a key could look like.
EXAMPLES = {
    "stars": '{"*": .1, "**": .05, "***": .01}',
    "df": "normal",
    "level": ".95",
    "scale": "linear",
}


@dataclass(frozen=True)
class OfficialRange:
    """An official range of one variable for one unit and year, with the slack around it.

    >>> population = OfficialRange("population", Fraction(100), Fraction(110), Fraction(1, 10))
    >>> population.widened(Fraction(1))
    (Fraction(90, 1), Fraction(121, 1))
    """

    variable: str
    low: Fraction
    high: Fraction
    slack: Fraction  #: a share of the figure, or an amount where it can cross zero
    absolute: bool = False

    def widened(self, slack: Fraction) -> tuple[Fraction, Fraction]:
        """Return the ends with so many times the stated slack."""
        amount = slack * self.slack
        if self.absolute:
            return self.low - amount, self.high + amount
        return self.low * (1 - amount), self.high * (1 + amount)


@dataclass(frozen=True)
class OfficialFigures:
    """Official figures about the units from which a sample may be drawn.

    Attributes
    ----------
    starts : mapping
        Unit to its first treated year, None for never; the units in their order.
    variables : tuple of str
        Those with ranges.
    ranges : mapping
        Unit and year to their ranges.

    Examples
    --------
    >>> OfficialFigures(starts={"Shanghai": 2013, "Lhasa": None}).starts["Shanghai"]
    2013
    """

    starts: Mapping[str, int | None] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    ranges: Mapping[tuple[str, int], Sequence[OfficialRange]] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """One paper: its printed cells and what is declared about them.

    Attributes
    ----------
    paper : str
    record : Record
        Cells of this paper.
    declared : mapping
        Sections of ``checks.yml``; see :data:`SECTIONS`.
    claims : mapping
        Key of a claim to its words and place.
    inferred : frozenset of str
        Sections that only the shape of the tables shows, and ``counts`` where nobody says
        that whole numbers are exact: what rests on them is *undecided*.
    words : mapping
        Places that hold words or nothing, and what is printed there.
    facts : mapping
        Open facts, ``@name`` to number, that a formula may name beside printed cells.
    official : OfficialFigures
        What official figures say of the units of the sample.
    """

    paper: str
    record: Record
    declared: Mapping[str, Any] = field(default_factory=dict)
    claims: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    inferred: frozenset[str] = frozenset()
    words: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, int] = field(default_factory=dict)
    official: OfficialFigures = field(default_factory=OfficialFigures)

    def __post_init__(self) -> None:
        unknown = set(self.declared) - set(SECTIONS)
        if unknown:
            raise RecordError(
                f"{self.paper}: checks have no section {', '.join(sorted(unknown))}; "
                f"there are {', '.join(SECTIONS)}"
            )
        header = self.header
        rounding = {
            p.id: header.get("rounding", p.table, p.column) or "unknown" for p in self.record
        }
        counts = [p.id for p in self.record if p.kind == "count" and not self._exact(p)]
        object.__setattr__(self, "record", Digits(self.record, rounding, counts))

    @cached_property
    def header(self) -> Header:
        """What is declared for the paper, its tables and their columns."""
        places = {(p.table, p.column) for p in self.record}
        return Header.read(self.get("declare", {}), self.paper, places)

    def _exact(self, printed: Printed) -> bool:
        """Say whether a whole number is a count by declaration."""
        if "counts" not in self.inferred or printed.statistic == "df":
            return True
        names = self.header.names("counts", printed.table, printed.column)
        at = {printed.column} if printed.column in SIZES else {printed.row, printed.column}
        return bool(names & {name.casefold() for name in at})

    def kind(self, table: str, variable: str) -> str:
        """Return what a variable is declared to be: dummy, count, share, amount or nothing."""
        found = self.get("variables", {}).get(variable, {})
        if found and "variables" not in self.inferred:
            return str(found.get("kind", ""))
        for key, kind in KINDS.items():
            if variable.casefold() in self.header.names(key, table, None):
                return kind
        return str(found.get("kind", ""))

    def decide(self, rule: str, title: str, cases: Sequence[Case], **more: Any) -> Check:
        """Evaluate all readings of a rule; see ``printproof._constraint``."""
        return decide(self.record, self.paper, rule, title, cases, **more)

    def says(self, key: str, *wanted: Any, at: Sequence[tuple[str, str | None]]) -> Premise:
        """Return the premise that a key is declared as one of the wanted values at each place."""
        values = [self.header.get(key, table, column) for table, column in at]
        line = f"{key}: {wanted[0]}" if wanted else f"{key}: {EXAMPLES[key]}"
        held = all(v is not None and (not wanted or v in wanted) for v in values)
        return Premise(key, held, line)

    def plain(self, *tables: str) -> list[Premise]:
        """Return the premises that moments and percentages are of the n rows, each counted once.

        Percent are often printed beside ends of 0 and 1, a full mean beside trimmed ends.
        """
        at = [(table, None) for table in tables]
        rows = self.says("moments", "same rows", at=at)
        told = "  # of the n rows beside, in one unit, none trimmed"
        return [replace(rows, remedy=rows.remedy + told), self.says("weights", "none", at=at)]

    def p_values(self, table: str, column: str | None) -> Premise:
        """Return the premise that numbers under p are p values: declared, or all from 0 to 1."""
        found = [p for p in self.tables[table] if (p.column, p.statistic) == (column, "p")]
        odd = any(not 0 <= p.value <= 1 for p in found if p.kind in {"rounded", "count"})
        said = self.says("p_column", "p values", at=[(table, column)])
        return replace(said, declared=said.declared or not odd)

    def items(self, table: str, variable: str) -> int | None:
        """Return of how many whole answers a variable is declared to be the mean."""
        return (self.header.get("items", table) or {}).get(variable)

    def percent(self, table: str, row: str, column: str) -> int | None:
        """Return 100 or 1000 where a heading, or a variable, is declared to be a count of n."""
        beside = self.where(table, row, "mean") and column != "mean"  # a deviation, an end
        told = {column.casefold(), "" if beside else row.casefold()}
        found = (v for k, v in PERCENTS.items() if told & self.header.names(k, table, None))
        return next(found, None)

    def section(self, name: str, line: str) -> Premise:
        """Return the premise that an entry of a section is declared, not inferred."""
        return Premise(name, name not in self.inferred, line)

    def one_sample(self, *at: tuple[str, str]) -> Premise:
        """Return the premise that columns of tables are of one sample."""
        names = {self.header.get("sample", table, column) for table, column in at}
        tables = {table for table, _ in at}
        groups = [] if "same_sample" in self.inferred else self.get("same_sample", [])
        together = len(names) == 1 and None not in names
        together = together or any(tables <= set(group) for group in groups)
        return Premise("sample", together, "sample: one name for these columns")

    def get(self, section: str, default: Any = None) -> Any:
        """Return a declared section."""
        return self.declared.get(section, default)

    def id(self, place: str) -> str:
        """Return a cell's identifier from its place, ``table/row/column/statistic``."""
        return f"{self.paper}/{place}"

    def has(self, identifier: str) -> bool:
        """Say whether the record holds a cell."""
        return identifier in self._ids

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(n.id for n in self.record)

    @cached_property
    def tables(self) -> dict[str, list[Printed]]:
        """Cells by table."""
        found: dict[str, list[Printed]] = {}
        for printed in self.record:
            found.setdefault(printed.table, []).append(printed)
        return found

    def where(self, table: str, row: str, column: str) -> dict[str, str]:
        """Return the identifiers of one place by statistic."""
        return self._places.get((table, row, column), {})

    @cached_property
    def _places(self) -> dict[tuple[str, str, str], dict[str, str]]:
        places: dict[tuple[str, str, str], dict[str, str]] = {}
        for p in self.record:
            places.setdefault((p.table, p.row, p.column), {})[p.statistic] = p.id
        return places

    def places(self) -> Iterator[dict[str, str]]:
        """Yield every place of the record: statistic to identifier."""
        yield from self._places.values()

    def count(self, identifier: str) -> int | None:
        """Return a whole printed number, or ``None`` where it is missing or not exact."""
        if not self.has(identifier):
            return None
        printed = self.record.get(identifier)
        if printed.kind not in {"count", "rounded"}:  # a bound or "about" counts nothing
            return None
        value = printed.value
        return int(value) if value == value.to_integral_value() else None

    def sample_size(self, table: str, column: str) -> int | None:
        """Return the N printed under a column, or the one n of the moments."""
        for row in SIZES:
            found = self.where(table, row, column).get("value")
            if found:
                return self.count(found)
        sizes = {self.count(p.id) for p in self.record if p.column in SIZES}
        return sizes.pop() if len(sizes) == 1 else None

    def size_cells(self, table: str, column: str) -> tuple[str, ...]:
        """Return the cells from which :meth:`sample_size` takes its number."""
        printed = [self.where(table, row, column).get("value") for row in SIZES]
        found = tuple(i for i in printed if i)[:1]
        return found or tuple(p.id for p in self.record if p.column in SIZES)

    def place(self, path: str) -> tuple[str, str, str]:
        """Split ``table/row/column``, where a row or column may hold a slash itself.

        Raises
        ------
        RecordError
            If it has no three parts.
        """
        parts = path.split("/")
        if len(parts) < 3:
            raise RecordError(f"{self.paper}: {path!r} must be table/row/column")
        for i in range(1, len(parts) - 1):
            for j in range(i + 1, len(parts)):
                found = "/".join(parts[:i]), "/".join(parts[i:j]), "/".join(parts[j:])
                if found in self._places:
                    return found
        return parts[0], "/".join(parts[1:-1]), parts[-1]

    def regressors(self, table: str, column: str) -> list[str]:
        """Return the rows of a column that hold coefficients, in print order."""
        return self._regressors.get((table, column), [])

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table that hold coefficients, in print order."""
        return [column for place, column in self._regressors if place == table]

    @cached_property
    def _regressors(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for p in self.record:
            if p.statistic == "coef":
                found.setdefault((p.table, p.column), []).append(p.row)
        return found


def formula(study: Study, text: str, names: Mapping[str, str]) -> Expr:
    """Read a formula such as ``100 * part / whole`` over named cells."""
    try:
        tree = ast.parse(str(text), mode="eval").body
    except SyntaxError:
        raise RecordError(f"{study.paper}: {text!r} is not a formula") from None
    return _read(tree, study, names, text)


_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def _read(node: ast.AST, study: Study, names: Mapping[str, str], text: str) -> Expr:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = (_read(part, study, names, text) for part in (node.left, node.right))
        return Expr((_OPERATORS[type(node.op)], left.tree, right.tree))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return number(0) - _read(node.operand, study, names, text)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        written = ast.get_source_segment(str(text), node) or str(node.value)
        return number(written)
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise RecordError(f"{study.paper}: {text!r} uses {node.id!r}, which names no cell")
        place = str(names[node.id])
        if place.startswith("@"):
            return number(open_fact(study, place))
        identifier = study.id(place)
        study.record.get(identifier)
        return cell_expr(identifier)
    raise RecordError(f"{study.paper}: {text!r} holds more than numbers, names and + - * / ( )")


def open_fact(study: Study, name: str) -> int:
    """Return an open fact of a study by its ``@name``."""
    if name not in study.facts:
        raise RecordError(f"there is no open fact {name!r}")
    return study.facts[name]


def declared_list(study: Study, section: str) -> Sequence[Mapping[str, Any]]:
    """Return a section that is a list of mappings."""
    items = study.get(section, [])
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise RecordError(f"{study.paper}: {section} must be a list of entries")
    return items
