"""Write a ledger and its certificates."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from ftz.errors import RecordError
from printproof.certificate import certificate
from printproof.ledger import Ledger
from printproof.statement import IMPOSSIBLE

#: Where checks are listed that the verifier does not confirm.
UNCONFIRMED = "certificates/unconfirmed.txt"


def write_ledger(ledger: Ledger, folder: Path) -> list[Path]:
    """Write ``ledger.csv``, ``ledger.jsonl`` and one certificate for each impossible check.

    Everything is rendered before anything is written, and old certificates go.  Checks that
    the verifier does not confirm are listed in ``certificates/unconfirmed.txt``.
    """
    contents = {
        "ledger.csv": _csv(ledger),
        "ledger.jsonl": ledger.json_lines(),
        **dict(_certificates(ledger)),
    }
    (folder / "certificates").mkdir(parents=True, exist_ok=True)
    for old in (*(folder / "certificates").glob("*.json"), folder / UNCONFIRMED):
        old.unlink(missing_ok=True)
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
    unconfirmed = ""
    for number, check in enumerate(ledger.select(verdict=IMPOSSIBLE), start=1):
        try:
            proof = certificate(check, ledger.study(check.paper))
        except RecordError as error:
            unconfirmed += f"{error}\n"
            continue
        slug = re.sub(r"[^a-z0-9]+", "-", f"{check.rule} {check.title}".lower()).strip("-")[:60]
        text = json.dumps(proof, indent=1, ensure_ascii=False) + "\n"
        yield f"certificates/{number:02d}-{slug}.json", text
    if unconfirmed:
        yield UNCONFIRMED, unconfirmed
