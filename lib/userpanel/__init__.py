"""A reader's own panel: a spec that names its columns, checks in words, a checked panel.

:func:`check` lists everything that is wrong with a panel and its spec, :func:`read_panel`
returns what the chapters and the multiverse run on; :mod:`userpanel.report` writes a report,
:mod:`userpanel.book` a book.  Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from userpanel._checking import check, check_sheet, read_panel
    from userpanel._estimates import (
        MOST_ROWS,
        assignments,
        bacon,
        cells,
        columns,
        design,
        event_study,
        honest,
        matches,
        matching_effects,
        on_matches,
        parts,
        score,
        several,
        staggered,
    )
    from userpanel._how import ENTERS
    from userpanel._panel import UserPanel
    from userpanel._reading import READERS, Sheet, read_sheet
    from userpanel._sections import SECTIONS, TRIED_UP_TO, VARIANTS, Refusal, missing
    from userpanel._spec import (
        KEYS,
        MATCHING,
        TRANSFORMS,
        Choices,
        Derived,
        PanelProblem,
        ProblemsError,
        Spec,
        parse_spec,
        read_spec,
    )
    from userpanel._template import propose, simulate, spec_text, write_proposal, write_template

#: Where each name is written.
_HOMES = {
    "_checking": ("check", "check_sheet", "read_panel"),
    "_estimates": (
        *("MOST_ROWS", "assignments", "bacon", "cells", "columns", "design", "event_study"),
        *("honest", "matches", "matching_effects", "on_matches", "parts", "score", "several"),
        "staggered",
    ),
    "_how": ("ENTERS",),
    "_panel": ("UserPanel",),
    "_reading": ("READERS", "Sheet", "read_sheet"),
    "_sections": ("SECTIONS", "TRIED_UP_TO", "VARIANTS", "Refusal", "missing"),
    "_spec": (
        *("KEYS", "MATCHING", "TRANSFORMS", "Choices", "Derived", "PanelProblem"),
        *("ProblemsError", "Spec", "parse_spec", "read_spec"),
    ),
    "_template": ("propose", "simulate", "spec_text", "write_proposal", "write_template"),
}

__all__ = [
    "ENTERS",
    "KEYS",
    "MATCHING",
    "MOST_ROWS",
    "READERS",
    "SECTIONS",
    "TRANSFORMS",
    "TRIED_UP_TO",
    "VARIANTS",
    "Choices",
    "Derived",
    "PanelProblem",
    "ProblemsError",
    "Refusal",
    "Sheet",
    "Spec",
    "UserPanel",
    "assignments",
    "bacon",
    "cells",
    "check",
    "check_sheet",
    "columns",
    "design",
    "event_study",
    "honest",
    "matches",
    "matching_effects",
    "missing",
    "on_matches",
    "parse_spec",
    "parts",
    "propose",
    "read_panel",
    "read_sheet",
    "read_spec",
    "score",
    "several",
    "simulate",
    "spec_text",
    "staggered",
    "write_proposal",
    "write_template",
]


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'userpanel' has no attribute {name!r}")
    return getattr(importlib.import_module(f"userpanel.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
