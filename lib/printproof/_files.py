"""Write a ledger and its certificates."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from printproof._certificate import certificate, plain
from printproof._constraint import IMPOSSIBLE
from printproof._ledger import Ledger


def write_ledger(ledger: Ledger, folder: Path) -> list[Path]:
    """Write ``ledger.csv``, ``ledger.jsonl`` and one certificate for each impossible check.

    Everything is rendered before anything is written, and old certificates go.
    """
    contents = {
        "ledger.csv": _csv(ledger),
        "ledger.jsonl": ledger.json_lines(),
        **dict(_certificates(ledger)),
    }
    (folder / "certificates").mkdir(parents=True, exist_ok=True)
    for old in (folder / "certificates").glob("*.json"):
        old.unlink()
    for name, text in contents.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in contents]


def _csv(ledger: Ledger) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ["paper", "rule", "title", "verdict", "strength", "reasoning", "declare"]
    writer.writerow([*names, "cells"])
    for c in ledger:
        writer.writerow([*(getattr(c, name) for name in names), " ".join(c.cells)])
    return out.getvalue()


def _certificates(ledger: Ledger) -> Iterator[tuple[str, str]]:
    checks = ledger.select(verdict=IMPOSSIBLE)
    records = {paper: plain(ledger.study(paper)) for paper in {c.paper for c in checks}}
    for number, check in enumerate(checks, start=1):
        proof = certificate(check, ledger.study(check.paper), records[check.paper])
        slug = re.sub(r"[^a-z0-9]+", "-", f"{check.rule} {check.title}".lower()).strip("-")[:60]
        text = json.dumps(proof, indent=1, ensure_ascii=False) + "\n"
        yield f"certificates/{number:02d}-{slug}.json", text
