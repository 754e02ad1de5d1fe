"""Estimators, the published record and witness panels for the FTZ monograph.

The rooms of the library, lowest floor first (imports point downwards only):

* ``published``, ``register``, ``panel``: the printed numbers with their
  rounding intervals, the free-trade zones with their dates, and the contract
  that every city-year panel has to meet;
* ``index``, ``matching``, ``did``, ``inference``, ``mediation``: estimators
  that take frames and return frozen result objects;
* ``audit``, ``witness``, ``own``: what printed numbers imply, panels constructed so
  that the estimators return them, and a reader's own panel;
* ``findings``, ``policy``, ``agreement``, ``evidence``, ``trials``, ``other_studies``: what
  the book found, what the papers ask for and how it could be tested, and what others did;
* ``multiverse``, ``cli``: many specifications, and the command;
* ``figures`` and ``tables``: draw and typeset results, compute none.

Rooms are imported when first used, so ``import ftz`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = (
    "agreement",
    "audit",
    "cli",
    "design_study",
    "did",
    "errors",
    "evidence",
    "findings",
    "figures",
    "index",
    "inference",
    "kernel",
    "matching",
    "mediation",
    "multiverse",
    "other_studies",
    "own",
    "panel",
    "panels",
    "paths",
    "policy",
    "published",
    "register",
    "replication",
    "results",
    "tables",
    "trials",
    "witness",
)

if TYPE_CHECKING:
    from ftz.panels import Panel

__all__ = ["Panel", "__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    """Import a room of the library, or its panel, the first time it is named."""
    if name == "Panel":
        return importlib.import_module(f"{__name__}.panels").Panel
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module 'ftz' has no attribute {name!r}; its rooms are {', '.join(_ROOMS)}"
    )


def __dir__() -> list[str]:
    return sorted(__all__)
