r"""Difference-in-differences: two-way fixed effects, event studies, staggered adoption.

The estimating equation is equation (1) of Yan, Ye and Wang,

.. math:: y_{it} = \alpha + \beta D_{it} + x_{it}'\gamma + \lambda_i + \mu_t + \epsilon_{it},

estimated by least squares once unit and period effects are projected out.  Standard
errors are clustered by unit under the small-sample convention of ``linearmodels``: the
factor :math:`n/(n-k)`, where *k* counts slopes and effects alike, and no factor
for the number of clusters.  :func:`ftz.did.cluster_factor` gives the ratio to
Stata's ``regress ..., vce(cluster)``; :func:`ftz.did.standard_errors` lays the whole
family side by side.

What the coefficient averages is shown by :func:`ftz.did.twfe_weights` and
:func:`ftz.did.bacon`; estimators that average something else are laid beside it by
:func:`ftz.did.compare`; how far trends may diverge before a conclusion falls, by
:func:`ftz.did.relative_magnitudes` and :func:`ftz.did.smoothness`.
"""

from ftz._projection import project
from ftz.did._covariance import FAMILY, standard_errors
from ftz.did._events import event_study
from ftz.did._honest import relative_magnitudes, smoothness
from ftz.did._intertemporal import switchers
from ftz.did._regression import cluster_factor, constant, stepwise, twfe
from ftz.did._staggered import (
    AGGREGATES,
    ESTIMATORS,
    callaway_santanna,
    compare,
    dechaisemartin_dhaultfoeuille,
    imputation,
    stacked,
    sun_abraham,
    synthetic,
    two_way,
)
from ftz.did._weights import bacon, twfe_weights
