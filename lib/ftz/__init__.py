"""Estimators for panels, and what they take and return.

The modules, lowest first (imports point downwards only):

* ``panel``, ``kernel``, ``results``: the contract that a panel has to meet, regressions with
  every variance, and the shape of every result;
* ``did``, ``matching``, ``inference``, ``index``, ``mediation``, ``random_effects``,
  ``size_and_power``: estimators that take a panel, or a frame, and return frozen results;
* ``figures`` and ``tables``: draw and typeset results, compute none.

Modules are imported when first used, so ``import ftz`` stays light.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = tuple(room.name for room in pkgutil.iter_modules(__path__) if room.name[0] != "_")

if TYPE_CHECKING:
    from ftz.panel import Panel

__all__ = ["Panel", "__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    """Import a room of the library, or its panel, the first time it is named."""
    if name == "Panel":
        return importlib.import_module(f"{__name__}.panel").Panel
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module 'ftz' has no attribute {name!r}; its rooms are {', '.join(_ROOMS)}"
    )


def __dir__() -> list[str]:
    return sorted(__all__)
