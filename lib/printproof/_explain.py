"""The command ``ftz audit explain``: what was read in one printed cell, and what came of it."""

from __future__ import annotations

import argparse
import difflib
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from printproof._declare import KEYS
from printproof._ledger import audit
from printproof._study import Study
from printproof.errors import RecordError
from printproof.reading import read_file
from printproof.rules._ratios import span


def find(studies: Sequence[Study], name: str) -> tuple[Study, str]:
    """Return the study and the identifier of a cell; paper and statistic may be left out."""
    cells = {i: s for s in studies for i in (*(p.id for p in s.record), *s.words)}
    found = [name] if name in cells else [i for i in cells if f"/{i}".endswith(f"/{name}")]
    found = found or [i for i in cells if f"/{i.rpartition('/')[0]}".endswith(f"/{name}")]
    if len(found) == 1:
        return cells[found[0]], found[0]
    short = {i.partition("/")[2]: i for i in cells} | {i: i for i in cells}
    near = difflib.get_close_matches(name, short, n=5, cutoff=0.4)
    near = list(dict.fromkeys(short[i] for i in near))
    which = f"{len(found)} cells are called" if found else "the record has no cell"
    raise RecordError(f"{which} {name!r}: {', '.join(found[:9] or near or list(cells)[:9])}")


def explain(study: Study, cell: str) -> dict[str, Any]:
    """Explain one cell: how it was read, what is declared there, and each check that uses it."""
    if cell in study.words:
        word = study.words[cell].strip()
        return {"cell": cell, "printed": word, "kind": "word" if word else "empty", "checks": []}
    p = study.record.get(cell)
    at, names = (p.table, p.column), {p.row.casefold(), p.column.casefold()}
    found = {key: study.header.get(key, *at) for key in KEYS if key != "because"}
    found["items"] = study.items(p.table, p.row)
    declared = {
        key: value
        for key, value in found.items()
        if value is not None and (not isinstance(value, list) or names & set(map(str, value)))
    }
    keys = ("rule", "title", "verdict", "strength", "reasoning", "declare")
    return {
        "cell": cell,
        "printed": p.text + p.stars,
        "kind": "count, inferred" if cell in getattr(study.record, "inferred", ()) else p.kind,
        "interval": str(span(study, cell)),
        "declared": declared,
        "checks": [
            {key: getattr(check, key) for key in keys}
            | {"premises": {q.name: q.declared for q in check.premises}}
            for check in audit([study])
            if cell in check.cells
        ],
    }


def _text(told: dict[str, Any]) -> str:
    """Write an explanation for a reader."""
    lines = [f"{told['cell']}: {told['printed'] or 'nothing'} ({told['kind']})"]
    if "interval" in told:
        lines.append(f"    it stands for {told['interval']}")
        said = "; ".join(f"{key}: {value}" for key, value in told["declared"].items())
        lines.append(f"    declared here: {said or 'nothing'}")
    lines.append(f"    checks that use it: {len(told['checks'])}")
    for check in told["checks"]:
        lines.append(f"\n{check['verdict'].upper()}  {check['rule']}  ({check['strength']})")
        rests = [
            f"{name} ({'declared' if known else 'not declared'})"
            for name, known in check["premises"].items()
        ]
        parts = [check["title"], check["reasoning"]]
        parts += [f"It rests on {', '.join(rests)}."] if rests else []
        parts += [f"It would be decided by {check['declare']}."] if check["declare"] else []
        lines += [
            textwrap.fill(part, 96, initial_indent="    ", subsequent_indent="    ")
            for part in parts
        ]
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Explain one printed cell: how it was read, its interval, what is declared of it, and "
        "every check that uses it, with verdict, arithmetic, premises and the line that would "
        "decide it.  `ftz audit --echo` lists the cells."
    )
    parser.add_argument(
        "cell", metavar="CELL", help="paper/table/row/column/statistic, or the end of it"
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE.yml", help="printed tables")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run, studies=list)


def run(options: argparse.Namespace) -> int:
    """Explain a cell; return the exit code."""
    studies = read_file(options.file) if options.file else options.studies()
    told = explain(*find(studies, options.cell))
    print(json.dumps(told, ensure_ascii=False, indent=1) if options.json else _text(told))
    return 0
