"""What is declared about a paper: a header for it, its tables and their columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from printproof._exact import ROUNDINGS
from printproof.errors import RecordError
from printproof.printed import STARS

_CHOICES: dict[str, tuple[str, ...]] = {
    "tails": ("one", "two", "unknown"),
    "unmarked": ("tested", "unknown"),
    "rounding": ROUNDINGS,
    "statistic": ("signed", "absolute", "unknown"),
    "scale": ("linear", "odds", "hazard", "log", "marginal", "unknown"),
    "estimator": (
        *("ols", "wls", "gls", "iv", "gmm", "logit", "probit", "poisson", "re", "ml", "matching"),
        "unknown",
    ),
    "errors": ("classical", "robust", "clustered", "bootstrap", "ask", "unknown"),
    "decimal": (".", ","),
    "moments": ("same rows", "unknown"),
    "variances": ("welch", "pooled", "unknown"),
    "p_column": ("p values", "unknown"),
}
#: Lists of variables, and the kind that they declare.
KINDS = {"dummies": "dummy", "counts": "count", "shares": "share", "amounts": "amount"}
#: Lists of counts that are printed as parts of n, and of how many parts.
PERCENTS = {"percents": 100, "permilles": 1000}
_LISTS = (*KINDS, *PERCENTS, "parts", "totals", "groups", "unused")


def _stars(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value or not set(value) <= set(STARS) - {""}:
        return False
    levels = [_level(value[mark]) for mark in sorted(value, key=len)]
    return None not in levels and levels == sorted(set(levels), reverse=True)  # type: ignore[type-var]


def _level(value: Any) -> Fraction | None:
    """Return a level between zero and one as the fraction that is written, or ``None``."""
    try:
        found = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        return None
    return found if 0 < found < 1 and not isinstance(value, bool) else None


def _df(value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**7
    return whole or value in {"normal", "residual", "unknown"}


def _items(value: Any) -> bool:
    counts = list(value.values()) if isinstance(value, Mapping) else [None]
    return all(isinstance(k, int) and not isinstance(k, bool) and k > 0 for k in counts)


_OTHERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "stars": (_stars, 'falling levels between 0 and 1, as {"*": .1, "**": .05, "***": .01}'),
    "df": (_df, "normal, residual or a whole number below ten million"),
    "level": (lambda v: _level(v) is not None, "a number between 0 and 1"),
    "sample": (lambda v: isinstance(v, str) and bool(v), "a name"),
    "weights": (lambda v: isinstance(v, str) and bool(v), "none, or a name"),
    "items": (_items, "a whole number for each variable, as {stress: 4}"),
    "because": (lambda v: isinstance(v, Mapping), "a sentence for each key"),
    **{
        key: (
            lambda v: isinstance(v, list) and all(isinstance(x, str | int) for x in v),
            "a list of names",
        )
        for key in _LISTS
    },
}
#: Everything that a header may say.
KEYS = (*_CHOICES, *_OTHERS)


@dataclass(frozen=True)
class Header:
    """What is declared; see this module's text for the keys.

    Attributes
    ----------
    paper, tables, columns : mapping
        By key; by table and key; by table, column and key.
    """

    paper: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, raw: Any, paper: str, places: Collection[tuple[str, str]]) -> Header:
        """Check a header against the tables and columns that there are."""
        raw = _mapping(raw, paper)
        tables = _mapping(raw.get("tables"), f"{paper}: declare")
        columns = {}
        for table, lines in tables.items():
            if table not in {t for t, _ in places}:
                raise RecordError(f"{paper}: declare names no table of the paper: {table!r}")
            for column, more in _mapping(_mapping(lines, table).get("columns"), table).items():
                if (table, column) not in places:
                    raise RecordError(f"{paper}/{table}: declare names no column: {column!r}")
                columns[table, column] = check(more, f"{paper}/{table}/{column}")
        return cls(
            check({k: v for k, v in raw.items() if k != "tables"}, paper),
            {
                table: check({k: v for k, v in lines.items() if k != "columns"}, f"{paper}/{table}")
                for table, lines in tables.items()
            },
            columns,
        )

    def get(self, key: str, table: str | None = None, column: str | None = None) -> Any:
        """Return what is declared nearest to a place; ``None`` for nothing and *unknown*."""
        levels = (
            self.columns.get((table or "", column or ""), {}),
            self.tables.get(table or "", {}),
            self.paper,
        )
        found = next((level[key] for level in levels if key in level), None)
        return None if found == "unknown" else found

    def names(self, key: str, table: str | None, column: str | None) -> set[str]:
        """Return a declared list of names in lower case; lists of all levels count."""
        levels = (
            self.columns.get((table or "", column or ""), {}),
            self.tables.get(table or "", {}),
            self.paper,
        )
        return {str(name).casefold() for level in levels for name in level.get(key, ())}


def _mapping(raw: Any, place: str) -> Mapping[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise RecordError(f"{place}: declare needs lines of the form `key: value`")
    return raw


def check(lines: Any, place: str) -> dict[str, Any]:
    """Return one level of a header."""
    found = dict(_mapping(lines, place))
    for key, value in found.items():
        if key in _CHOICES and value not in _CHOICES[key]:
            wanted = ", ".join(_CHOICES[key])
            raise RecordError(f"{place}: declare {key}: {value!r} is none of {wanted}")
        if key in _OTHERS and not _OTHERS[key][0](value):
            raise RecordError(f"{place}: declare {key}: {value!r} is not {_OTHERS[key][1]}")
        if key not in KEYS:
            raise RecordError(f"{place}: declare has no key {key!r}; there are {', '.join(KEYS)}")
    return found
