"""A reader's own panel: a spec that names its columns, checks in words, a study.

``check`` lists everything that is wrong with a panel and its spec, ``read_panel`` returns
what the chapters and the multiverse run on.

Names are imported when first used: who wants a panel does not rest on every estimator.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftz.errors import EstimationError
    from userpanel._how import ENTERS
    from userpanel.checking import check, check_sheet, read_panel
    from userpanel.estimates import (
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
    from userpanel.panel import UserPanel
    from userpanel.reading import READERS, Sheet, read_sheet
    from userpanel.sections import SECTIONS, TRIED_UP_TO, VARIANTS, Refusal, missing
    from userpanel.spec import (
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
    from userpanel.template import propose, simulate, spec_text, write_proposal, write_template

_NAMES = {
    "ftz.errors": "EstimationError",
    "userpanel._how": "ENTERS",
    "userpanel.checking": "check check_sheet read_panel",
    "userpanel.estimates": "assignments bacon cells columns design event_study honest matches "
    "matching_effects on_matches parts score several staggered",
    "userpanel.panel": "UserPanel",
    "userpanel.reading": "READERS Sheet read_sheet",
    "userpanel.sections": "SECTIONS TRIED_UP_TO VARIANTS Refusal missing",
    "userpanel.spec": "KEYS MATCHING TRANSFORMS Choices Derived PanelProblem ProblemsError Spec "
    "parse_spec read_spec",
    "userpanel.template": "propose simulate spec_text write_proposal write_template",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'userpanel' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
