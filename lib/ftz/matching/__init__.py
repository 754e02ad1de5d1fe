r"""Propensity-score matching: score, common support, matches, effect, balance.

The parameter is the average effect of treatment on the treated, equation (2) of
Yan, Ye and Wang,

.. math:: ATT = \frac{1}{N_1} \sum_{i: D_i = 1} (y_i - \hat y_{0i}),
          \qquad \hat y_{0i} = \sum_{j: D_j = 0} w_{ij} y_j ,

where every row of the weights :math:`w` sums to one.  All methods of this room
are one idea: a treated unit uses the controls around its score.  They differ in how
far they look and in how the weight falls with distance: nearest neighbours, caliper,
kernel, strata.  Weighting by the inverse probability and doubly robust estimation use
the same score without matching anybody.

In nearest-neighbour matching controls may serve more than once, and all controls at
the same distance are used, unless asked otherwise, so that no estimate depends on the
order of the rows.
"""

from ftz.matching._balance import balance, overall_balance
from ftz.matching._covariates import METRICS, match_covariates
from ftz.matching._effect import STANDARD_ERRORS, ate, att
from ftz.matching._matches import KERNELS, METHODS, kernel_match, match, stratify
from ftz.matching._panels import SCHEMES, match_panel
from ftz.matching._score import propensity_score
from ftz.matching._search import TIE
from ftz.matching._sensitivity import rosenbaum_bounds
from ftz.matching._support import RULES, caliper_width, common_support
from ftz.matching._weighting import doubly_robust, doubly_robust_did, ipw
