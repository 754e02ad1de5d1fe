"""Chapters run anew with other parameters, by papermill, in processes of their own.

A chapter's parameters cell declares what can be turned (:mod:`~ftz.reruns.grammar`);
files in ``reruns/`` declare runs (:mod:`~ftz.reruns.declared`); a run that nothing has
changed since is not executed again (:mod:`~ftz.reruns.records`); each chapter names
the numbers that are worth comparing (:mod:`~ftz.reruns.headlines`).
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Chapter": "chapters",
    "all_chapters": "chapters",
    "find": "chapters",
    "Parameter": "grammar",
    "Constraint": "grammar",
    "parse_cell": "grammar",
    "Run": "declared",
    "read_declarations": "declared",
    "adhoc": "declared",
    "Record": "records",
    "read_records": "records",
    "digest": "records",
    "execute": "runner",
    "Outcome": "runner",
    "HEADLINES": "headlines",
    "Headline": "headlines",
    "library_numbers": "headlines",
    "rendered_numbers": "headlines",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import a name's module when it is first used."""
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module 'ftz.reruns' has no attribute {name!r}")
