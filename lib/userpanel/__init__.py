"""A reader's own panel: a spec that names its columns, checks in words, a study.

``check`` lists everything that is wrong with a panel and its spec, ``read_panel`` returns
what the chapters and the multiverse run on.
"""

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
