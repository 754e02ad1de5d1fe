r"""Size and power of tests on a panel of this design: a Monte Carlo study, all panels at once.

A :class:`PanelDesign` is a panel without outcomes: who is observed when, who is treated from
when, which controls stand beside.  Outcomes are drawn, thousands of times, as

.. math:: y_{it} = \tau_{it} D_{it} + \epsilon_{it}, \qquad
          \epsilon_{it} = \rho\, \epsilon_{i,t-1} + \sqrt{1 - \rho^2}\, \sigma\, \eta_{it},

with known effects :math:`\tau` (unit and period effects would be projected out, so none
are drawn).  The design never changes, so that residual maker, reassignments and weights are
found once and each test of ``TESTS`` is a few products of matrices for all panels
together.

A test of the true effect tells the *size* of the test and the *coverage* of the interval
that inverts it; a test of zero tells *power*, and among its rejections how often the sign
is wrong (*type S*) and by how much the size is exaggerated (*type M*; Gelman and Carlin
2014).
"""

from ftz.size_and_power._size_and_power import (
    TESTS,
    PanelDesign,
    bias_and_spread,
    event_coverage,
    study,
    weights_of,
)
