"""Parts and totals, shares, growth, dates, repeated numbers, sample sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from printproof._constraint import IMPOSSIBLE, SIZES, Case, Check, Constraint, Premise, Relation
from printproof._exact import cell
from printproof._study import Study, declared_list, formula
from printproof.errors import RecordError

_RELATIONS: dict[str, Relation] = {name: name for name in get_args(Relation)}


def constraint(study: Study, entry: Mapping[str, Any]) -> Constraint:
    """Read a declared constraint: ``cells``, ``left``, ``relation``, ``right``, ``says``."""
    relation = entry.get("relation", "equals")
    if relation not in _RELATIONS:
        raise RecordError(
            f"{study.paper}: {relation!r} is no relation; there are {', '.join(_RELATIONS)}"
        )
    if "left" not in entry or ("right" not in entry and relation != "is whole"):
        raise RecordError(f"{study.paper}: a relation needs left and right: {dict(entry)}")
    names = entry.get("cells", {})
    left = formula(study, entry["left"], names)
    right = None if relation == "is whole" else formula(study, entry["right"], names)
    return Constraint(left, _RELATIONS[relation], right, str(entry.get("says", "")))


def relations(study: Study) -> Iterator[Check]:
    """Check the sums, quotients and orders that ``checks.yml`` declares."""
    for entry in declared_list(study, "relations"):
        parts = entry.get("all", [entry])
        shared = {k: entry[k] for k in ("cells", "says") if k in entry}
        constraints = tuple(constraint(study, {**shared, **part}) for part in parts)
        yield study.decide(
            str(entry.get("rule", "arithmetic")),
            str(entry.get("title", entry.get("says", ""))),
            [Case("", constraints)],
            premises=_shown(study, entry),
            strength=str(entry.get("strength", "")),
            if_impossible=str(entry.get("otherwise", IMPOSSIBLE)),
            remark=str(entry.get("remark", "")),
        )


def _shown(study: Study, entry: Mapping[str, Any]) -> list[Premise]:
    """Return the premise of a relation that the program read from a table's shape."""
    if "relations" not in study.inferred:
        return []
    line = str(entry.get("inferred", ""))
    return [Premise("parts", not line, line)]


def sample_sizes(study: Study) -> Iterator[Check]:
    """Tables of one sample print one n, and no more rows than cities times years."""
    guessed = "same_sample" in study.inferred
    named = _named(study)
    found = {f"sample {name}": cells for name, cells in named.items()}
    for group in study.get("same_sample", []):
        sizes = [p.id for t in group for p in study.tables.get(t, ()) if _is_size(p.row, p.column)]
        if not guessed or not any(set(sizes) & set(cells) for cells in named.values()):
            found[", ".join(group)] = sizes
    for name, sizes in found.items():
        if len(sizes) < 2:
            continue
        first, *others = sizes
        constraints = tuple(
            Constraint(cell(first), "equals", cell(other), "one sample has one n")
            for other in others
        )
        declared = not guessed or name.startswith("sample ")
        yield study.decide(
            "sample size",
            f"the same n in {name}",
            [Case("", constraints)],
            premises=[Premise("sample", declared, "sample: one name for these columns")],
        )
    raw = study.get("raw_sample")
    if raw:
        yield _raw(study, raw)


def _named(study: Study) -> dict[str, list[str]]:
    """Return the sizes that are declared to be of one sample, by its name."""
    found: dict[str, list[str]] = {}
    for p in study.record:
        if _is_size(p.row, p.column):
            name = study.header.get("sample", p.table, p.column)
            if name is not None:
                found.setdefault(name, []).append(p.id)
    return found


def _is_size(row: str, column: str) -> bool:
    return row in SIZES or column in SIZES


def _raw(study: Study, raw: Mapping[str, Any]) -> Check:
    wanted = constraint(study, {"relation": "at most", **raw})
    title = str(raw.get("title", "the sample against cities times years"))
    return study.decide(
        "sample size",
        title,
        [Case("", (wanted,))],
        strength="wording",
        if_impossible=str(raw.get("otherwise", IMPOSSIBLE)),
    )
