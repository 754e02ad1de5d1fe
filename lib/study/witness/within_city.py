"""What the print leaves of the within-city effect: panels that push it, and a bound without them.

Written in ``_within_city``, which ``python -m study.witness --within-city N`` runs.
"""

from study.witness._within_city import (
    TOLERANCES,
    admissible,
    estimands,
    forced_above,
    grow,
    outer,
    stored,
)

__all__ = ["TOLERANCES", "admissible", "estimands", "forced_above", "grow", "outer", "stored"]
