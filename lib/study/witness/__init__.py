"""Witness panels: constructed so that the book's estimators return the printed tables.

A witness is never data.  It shows that a set of printed tables can all be true
together, and it gives every chapter a panel to run on where the raw data are closed.

``python -m study.witness`` (or ``make witness``) rebuilds ``data/witness/panel.csv``
byte for byte.
"""

from __future__ import annotations

from study.witness.files import check, manifest, panel_bytes, write
from study.witness.stages import SEED, Witness, build

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"*": {"panel": "witness", "files": ["data/published/yan_ye_wang.csv"]}}

__all__ = ["SEED", "Witness", "build", "check", "manifest", "panel_bytes", "write"]
