"""A reader's own panel: a spec that names its columns, checks in words, a study.

``check`` lists everything that is wrong with a panel and its spec, ``read_study`` returns
what the chapters and the multiverse run on.
"""

from ftz.errors import EstimationError
from ftz.own._how import ENTERS
from ftz.own.checking import check, check_sheet, read_study
from ftz.own.estimates import (
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
from ftz.own.reading import READERS, Sheet, read_sheet
from ftz.own.sections import SECTIONS, TRIED_UP_TO, VARIANTS, Refusal, missing
from ftz.own.spec import (
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
from ftz.own.study import Study
from ftz.own.template import propose, simulate, spec_text, write_proposal, write_template
