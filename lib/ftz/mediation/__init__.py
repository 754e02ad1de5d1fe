r"""Mechanisms: the part of an effect that passes through a mediator.

With the mediator *M* and one set of further regressors, least squares gives three
columns on one sample,

.. math:: y = c D + \dots, \qquad M = a D + \dots, \qquad y = c' D + b M + \dots,

and by the algebra of omitted variables :math:`c = c' + ab` holds exactly, whatever the
data.  The product *ab* is called the indirect effect.  It does not change when the
mediator is measured in other units, since *a* and *b* change in opposite ways.

The identity is algebra.  That *ab* is the part of a causal effect that passes through
the mediator needs more: no confounder of mediator and outcome, given treatment and
controls (Imai, Keele and Yamamoto 2010).  The mediator was not assigned by anyone.
"""

from ftz.mediation._mediation import (
    MediationResult,
    bootstrap_indirect,
    mediate,
    robustness,
    robustness_value,
    sensitivity,
)
