r"""A composite index from a tree of indicators, every choice named, logged and replayed.

The index of Yan, Ye and Wang has six first-level, twelve second-level and sixty-one
third-level indicators (Table 3).  Weights, signs, normalisation and aggregation are not
printed, so each is an argument here.  The steps follow the handbook of OECD and JRC (2008):

* the **tree** (:func:`ftz.index.read_tree`);
* **denomination, imputation, outliers** (:func:`ftz.index.denominate`,
  :func:`ftz.index.impute`, :func:`ftz.index.treat_outliers`);
* **direction and normalisation** (:func:`ftz.index.normalise`);
* **multivariate analysis** (:func:`ftz.index.coherence`);
* **weights** at any level (:func:`ftz.index.tree_shares`, :func:`ftz.index.data_weights`);
* **aggregation** (:func:`ftz.index.aggregate`);
* all of them as one :class:`ftz.index.Recipe`, run by :func:`ftz.index.build` and replayed
  from its log by :func:`ftz.index.replay`;
* what the recipe does to an estimate: :func:`ftz.index.weigh_effects`,
  :func:`ftz.index.factorial`, :func:`ftz.index.sobol_indices`,
  :func:`ftz.index.uncertainty`.
"""

from types import ModuleType as _Module

from ftz.index.aggregation import aggregate
from ftz.index.coherence import coherence
from ftz.index.effects import (
    LogRange,
    WeighedEffects,
    WeightRange,
    linear_functional,
    weigh_effects,
)
from ftz.index.normalisation import normalise
from ftz.index.pipeline import IndexResult, Pipeline, Recipe, build, replay
from ftz.index.preparation import denominate, impute, is_outlying, treat_outliers
from ftz.index.sensitivity import (
    AttModel,
    Factor,
    FactorialResult,
    SobolResult,
    UncertaintyResult,
    att_model,
    combinations,
    factorial,
    sobol_indices,
    sobol_of_choices,
    uncertainty,
)
from ftz.index.tree import IndexTree, read_tree
from ftz.index.weights import (
    data_weights,
    entropy_weights,
    leaf_weights,
    tree_shares,
)

#: What is imported above, named once.
__all__ = [n for n, v in list(globals().items()) if n[0] != "_" and not isinstance(v, _Module)]

# Public names are known by the package, wherever in it they are written.
for _name in __all__:
    if callable(globals()[_name]):
        globals()[_name].__module__ = __name__
