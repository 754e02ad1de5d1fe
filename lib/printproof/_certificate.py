"""Certificates of impossibility: what the audit hands to a verifier that shares no line with it.

:func:`plain` writes a study's cells, premises and declared entries as plain data.
:func:`certificate` names the theorem behind an impossible check and lets
:mod:`printproof.checker` prove it from that data, so that no *impossible* is written down
on which the two programs do not agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from printproof import checker
from printproof._constraint import IMPOSSIBLE, UNDECIDED, Check
from printproof._declare import KINDS, PERCENTS
from printproof._study import Study, open_fact
from printproof.errors import RecordError

#: Keys that hold words about an entry, which a verifier must not need.
_WORDS = {
    *("inferred", "strength", "title", "says", "remark", "otherwise", "claim", "words", "because")
}
#: Sections in which a rule's entry may stand.
_SECTIONS = {
    "fit": ("nested",),
    "classical errors": ("nested", "mediation"),
    "mediation": ("mediation",),
    "sample size": ("raw_sample",),
    "words": ("claims",),
}
_PLACES = ("statistic", "not negative", "p value", "interval", "stars", "percentage")
_ROWS = ("order of moments", "range", "spread", "0/1 variable", "granularity", "domain")


def confirmed(checks: Iterable[Check], study: Study) -> Iterator[Check]:
    """Yield checks; an impossible that the verifier does not confirm is undecided, with why."""
    record: dict[str, Any] | None = None
    for check in checks:
        if check.verdict == IMPOSSIBLE:
            record = record or plain(study)
            try:
                certificate(check, study, record)
            except RecordError as error:
                why = f"{check.reasoning} It is not called impossible: {error}."
                yield replace(check, verdict=UNDECIDED, reasoning=why)
                continue
        yield check


def certificate(
    check: Check, study: Study, record: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the certificate of an impossible check as a JSON-ready dictionary.

    Parameters
    ----------
    check : Check
    study : printproof.Study
    record : dict, optional
        The study's :func:`plain` data, if they are there already.

    Raises
    ------
    RecordError
        If the check is not impossible, or the verifier does not confirm it.
    """
    if check.verdict != IMPOSSIBLE:
        raise RecordError(f"{check.title}: the verdict is {check.verdict}, not impossible")
    record = record or plain(study)
    reasons: dict[str, None] = {}
    best: tuple[int, dict[str, Any]] = (0, {})
    rule = check.rule if check.rule in checker.THEOREMS else "arithmetic"
    for about in _about(check, study, record["entries"]):
        try:
            proof = checker._certificate(study.paper, rule, about, record)
        except checker.CertificateError as error:
            reasons[str(error)] = None  # each once, in their order
            continue
        used = {"/".join((study.paper, *(c[k] for k in checker.PLACE))) for c in proof["cells"]}
        best = max(best, (len(used & set(check.cells)), proof), key=lambda pair: pair[0])
    if not best[0]:
        why = "; ".join(reasons) or "it knows no such theorem"
        raise RecordError(f"{check.title}: the verifier does not confirm it ({why})")
    return best[1]


def _about(
    check: Check, study: Study, entries: Mapping[str, list[Any]]
) -> Iterator[dict[str, Any]]:
    """Yield what a theorem of the check's name can be about."""
    first = study.record.get(check.cells[0]) if check.cells else None
    if first and check.rule in _PLACES:
        yield {"table": first.table, "row": first.row, "column": first.column}
    elif first and check.rule in _ROWS:
        yield {"table": first.table, "variable": first.row}
    elif first and check.rule == "overall fit":
        yield {"table": first.table, "column": first.column}
    elif first and check.rule.startswith("difference"):
        yield from ({"entry": e, "row": first.row} for e in entries["differences"])
    elif check.rule == "official ranges":
        cities = study.official.starts
        yield from ({"entry": e, "city": c} for e in entries["official"] for c in cities)
    else:
        if check.rule == "sample size":
            names = {v: None for (*_, key), v in _premises(study).items() if key == "sample"}
            yield from ({"sample": name} for name in names)
        for section in _SECTIONS.get(check.rule, ("relations",)):
            yield from ({"entry": entry} for entry in entries.get(section, []))


def plain(study: Study) -> dict[str, Any]:
    """Return a study as plain data: what :func:`printproof.checker.verify` takes as the record.

    Returns
    -------
    dict
        ``paper``; ``cells``; ``premises`` (``[table, column, key, value]``, an empty name
        for all); ``entries`` by section, without their words, and without those that
        cannot make anything impossible; ``facts`` by name, as low and high end.
    """
    inferred, entries = getattr(study.record, "inferred", ()), _entries(study)
    return {
        "paper": study.paper,
        "cells": [
            {
                **{key: getattr(p, key) for key in (*checker.PLACE, "text")},
                "stars": p.stars or ("another mark" if p.note.startswith("mark") else ""),
                "kind": "not declared as a count" if p.id in inferred else p.kind,
            }
            for p in study.record
        ],
        "premises": [[*place, _plain(value)] for place, value in _premises(study).items()],
        "entries": entries,
        "facts": _facts(study, entries),
    }


def _plain(value: Any) -> Any:
    """Return JSON data without floats: a number that is not whole becomes its text."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if k not in _WORDS}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, int) else str(value)


def _premises(study: Study) -> dict[tuple[str, str, str], Any]:
    """Flatten the header, the kinds of variables and the samples that are declared."""
    header = study.header
    found: dict[tuple[str, str, str], Any] = {("", "", k): v for k, v in header.paper.items()}
    found |= {(t, "", k): v for t, lines in header.tables.items() for k, v in lines.items()}
    found |= {(*at, k): v for at, lines in header.columns.items() for k, v in lines.items()}
    flat = {"because", "unused", "items", *PERCENTS}
    found = {place: v for place, v in found.items() if place[2] not in flat}
    for key in ("errors", "absorbed", "clusters"):
        if study.get(key) is not None:
            found.setdefault(("", "", key), study.get(key))
    for group in _declared(study, "same_sample"):
        for table in group:
            if header.get("sample", table) is None:
                found[table, "", "sample"] = "+".join(group)
    for place, outcome in study.get("outcomes", {}).items():
        found[(*place.split("/", 1), "outcome")] = outcome
    for table, variable in dict.fromkeys((p.table, p.row) for p in study.record):
        named = any(variable.casefold() in header.names(key, table, None) for key in KINDS)
        if (named or "variables" not in study.inferred) and (kind := study.kind(table, variable)):
            found[table, variable, "kind"] = kind
        if "unit" in (properties := study.get("variables", {}).get(variable, {})):
            found[table, variable, "unit"] = properties["unit"]
        if items := study.items(table, variable):
            found[table, variable, "items"] = items
    for key, whole in PERCENTS.items():
        for table, *names in dict.fromkeys((p.table, p.row, p.column) for p in study.record):
            known = header.names(key, table, None)
            found |= {(table, n, "percent"): whole for n in names if n.casefold() in known}
    return found


def _declared(study: Study, section: str) -> list[Any]:
    """Return a section's entries that are declared and can make something impossible."""
    raw = study.get(section, [])
    guessed = section in study.inferred
    if guessed and section != "relations":
        return []
    return [
        entry
        for entry in ([raw] if isinstance(raw, Mapping) else raw)
        if not isinstance(entry, Mapping)
        or (
            entry.get("otherwise", IMPOSSIBLE) == IMPOSSIBLE
            and not (guessed and entry.get("inferred"))
        )
    ]


def _entries(study: Study) -> dict[str, list[Any]]:
    """Return declared entries without their words."""
    sections = ("relations", "claims", "raw_sample", "official", *checker.ENTRIES)
    found = {key: [_entry(_plain(entry)) for entry in _declared(study, key)] for key in sections}
    for section, keys in checker.ENTRIES.items():
        found[section] = [{k: v for k, v in e.items() if k in keys} for e in found[section]]
    for entry in found["official"]:
        entry["variables"] = list(study.official.variables)
    for entry in found["raw_sample"]:
        entry.setdefault("relation", "at most")
    return found


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Write formulas as texts."""
    for part in (entry, *entry.get("all", [])):
        part.update({side: str(part[side]) for side in ("left", "right") if side in part})
    return entry


def _facts(study: Study, entries: Mapping[str, list[Any]]) -> dict[str, list[str]]:
    """Return the facts that entries name, and the official ranges with their slack."""
    parts = [
        part for e in (*entries["relations"], *entries["claims"]) for part in (e, *e.get("all", []))
    ]
    names = {str(place) for part in parts for place in part.get("cells", {}).values()}
    facts = {
        name: [str(open_fact(study, name))] * 2 for name in sorted(names) if name.startswith("@")
    }
    for entry in entries["official"]:
        first, last = (study.count(study.id(entry[key])) or 0 for key in ("first", "last"))
        for city in study.official.starts:
            for year in range(first, last + 1):
                for known in study.official.ranges[city, year]:
                    ends = known.widened(Fraction(1))
                    facts[f"{city} {year} {known.variable}"] = [str(end) for end in ends]
    return facts
