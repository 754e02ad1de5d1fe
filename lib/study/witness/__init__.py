"""Witness panels: constructed so that the book's estimators return the printed tables.

A witness is never data.  It shows that a set of printed tables can all be true
together, and it gives every chapter a panel to run on where the raw data are closed.

``python -m study.witness`` (or ``make witness``) rebuilds ``data/witness/panel.csv``
byte for byte.  Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.witness._files import NOT_ASKED, STANDS, check
    from study.witness._fixed_covariates import contradictions
    from study.witness._problem import problem, values
    from study.witness._sample import Sample

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"panel": "witness", "files": ["data/published/yan_ye_wang.csv"]}}

#: Where each name is written.
_HOMES = {
    "_files": ("NOT_ASKED", "STANDS", "check"),
    "_fixed_covariates": ("contradictions",),
    "_problem": ("problem", "values"),
    "_sample": ("Sample",),
}

__all__ = [
    "NOT_ASKED",
    "STANDS",
    "Sample",
    "check",
    "contradictions",
    "problem",
    "values",
]


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
