r"""A composite index from a tree of indicators, every choice named, logged and replayed.

The index of Yan, Ye and Wang has six first-level, twelve second-level and sixty-one
third-level indicators (Table 3).  Weights, signs, normalisation and aggregation are not
printed, so each is an argument here.  The steps follow the handbook of OECD and JRC (2008):

* the **tree** (:class:`ftz.index.IndexTree`);
* **denomination, imputation, outliers** (:func:`ftz.index.denominate`,
  :func:`ftz.index.impute`, :func:`ftz.index.treat_outliers`);
* **direction and normalisation** (:func:`ftz.index.normalise`);
* **multivariate analysis** (:func:`ftz.index.coherence`);
* **weights** at any level (:func:`ftz.index.tree_shares`, :func:`ftz.index.data_weights`);
* **aggregation** (:func:`ftz.index.aggregate`);
* all of them as one :class:`ftz.index.IndexSpec`, run by :func:`ftz.index.build` and replayed
  from its log by :func:`ftz.index.replay`;
* what the specification does to an estimate: :func:`ftz.index.weigh_effects`,
  :func:`ftz.index.factorial`, :func:`ftz.index.sobol_indices`,
  :func:`ftz.index.uncertainty`.
"""

from ftz.index._aggregation import aggregate
from ftz.index._coherence import coherence
from ftz.index._effects import (
    weigh_effects,
)
from ftz.index._normalisation import normalise
from ftz.index._pipeline import IndexSpec, Pipeline, build, replay
from ftz.index._preparation import denominate, impute, treat_outliers
from ftz.index._sensitivity import (
    Factor,
    att_model,
    factorial,
    sobol_indices,
    sobol_of_choices,
    uncertainty,
)
from ftz.index._tree import IndexTree
from ftz.index._weights import data_weights, entropy_weights, tree_shares
