"""Inference for few clusters, of which fewer are treated.

Four questions, each with its own kind of answer:

* What would chance alone have given?  :func:`placebo` reassigns the treatment over
  cells, whole adoption paths or dates, by enumeration where that is possible.
* How does the t statistic of this design behave?  :func:`wild_cluster_bootstrap`
  recomputes it under residuals whose signs are redrawn.
* What do the untreated say about the noise of the treated?  :func:`conley_taber` and
  :func:`ferman_pinto`.
* On which city does it hang, and how many questions were asked?
  :func:`leave_one_cluster_out` and :func:`romano_wolf`.

All work on one projection, after which a thousand regressions
are one matrix product.
"""

from ftz.inference._assignments import SCHEMES, count_assignments, scheme_of
from ftz.inference._bootstrap import WEIGHTS, wild_cluster_bootstrap
from ftz.inference._few_treated import conley_taber, ferman_pinto
from ftz.inference._jackknife import leave_one_cluster_out
from ftz.inference._multiple import romano_wolf
from ftz.inference._projection import prepare
from ftz.inference._randomisation import ENUMERATE_UP_TO, placebo
