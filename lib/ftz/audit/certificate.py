"""Certificates of impossibility.

A certificate lists the printed cells, and for each reading one statement that no
numbers inside the rounding intervals can obey, with both sides as expressions and as
intervals with rational ends.  :func:`ftz.audit.checker.verify` checks it.
"""

from __future__ import annotations

import json
from typing import Any

from ftz.audit.checker import FORMAT, digest
from ftz.audit.statement import Check
from ftz.errors import RecordError
from ftz.published import Record


def certificate(check: Check, record: Record) -> dict[str, Any]:
    """Return the certificate of an impossible check as a JSON-ready dictionary.

    Raises
    ------
    RecordError
        If the check is not impossible: there is nothing to certify.
    """
    failing = [branch.failing(record) for branch in check.branches]
    if not failing or any(f is None for f in failing):
        raise RecordError(f"{check.title}: the verdict is {check.verdict}, not impossible")
    branches = []
    for branch, statement in zip(check.branches, failing, strict=True):
        assert statement is not None
        left, right = statement.spans(record)
        branches.append(
            {
                "assume": branch.assume,
                "says": statement.says,
                "left": {"expression": statement.left.tree, "interval": _ends(left)},
                "relation": statement.relation,
                "right": None
                if statement.right is None or right is None
                else {"expression": statement.right.tree, "interval": _ends(right)},
            }
        )
    cells = dict.fromkeys((*check.cells, *(c for f in failing if f for c in f.cells)))
    printed = [record.get(name) for name in cells]
    body = {
        "format": FORMAT,
        "paper": check.paper,
        "rule": check.rule,
        "title": check.title,
        "cells": {p.id: [p.text, p.stars, p.kind] for p in printed},
        "branches": branches,
    }
    body = json.loads(json.dumps(body))  # tuples become lists
    return {**body, "sha256": digest(body)}


def _ends(span: Any) -> list[str | None]:
    return [None if end is None else str(end) for end in (span.low, span.high)]
