"""A reader's own panel: a spec that names its columns, checks in words, a study.

``check`` lists everything that is wrong with a panel and its spec, ``read_study`` returns
what the chapters and the multiverse run on, ``witness_study`` gives the book's witness
panel in the same shape.
"""

from ftz.errors import EstimationError
from ftz.own.checking import check, check_sheet, read_study
from ftz.own.estimates import (
    assignments,
    bacon,
    bootstrap,
    coefficient,
    columns,
    confounding,
    design,
    errors,
    event_study,
    honest,
    indirect,
    keys,
    leave_one_out,
    matches,
    matching_effects,
    mediate,
    negative_weights,
    on_support,
    parts,
    placebo,
    score,
    several,
    staggered,
    weighted,
)
from ftz.own.reading import READERS, Sheet, read_sheet
from ftz.own.sections import SECTIONS, VARIANTS, Refusal, missing
from ftz.own.spec import (
    KEYS,
    TRANSFORMS,
    Derived,
    PanelProblem,
    ProblemsError,
    Spec,
    parse_spec,
    read_spec,
)
from ftz.own.study import Study, witness_study
from ftz.own.template import simulate, spec_text, write_template

__all__ = [
    "KEYS",
    "READERS",
    "SECTIONS",
    "TRANSFORMS",
    "VARIANTS",
    "Derived",
    "EstimationError",
    "PanelProblem",
    "ProblemsError",
    "Refusal",
    "Sheet",
    "Spec",
    "Study",
    "assignments",
    "bacon",
    "bootstrap",
    "check",
    "check_sheet",
    "coefficient",
    "columns",
    "confounding",
    "design",
    "errors",
    "event_study",
    "honest",
    "indirect",
    "keys",
    "leave_one_out",
    "matches",
    "matching_effects",
    "mediate",
    "missing",
    "negative_weights",
    "on_support",
    "parse_spec",
    "parts",
    "placebo",
    "read_sheet",
    "read_spec",
    "read_study",
    "score",
    "several",
    "simulate",
    "spec_text",
    "staggered",
    "weighted",
    "witness_study",
    "write_template",
]
