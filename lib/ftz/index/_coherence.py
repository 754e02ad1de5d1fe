"""Do the indicators of a node belong together?  Step 4 of the handbook, multivariate analysis."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from ftz.index._preparation import require_numbers
from ftz.index._tree import IndexTree


def _cronbach_alpha(values: pd.DataFrame) -> float:
    r"""Return Cronbach's (1951) alpha of the columns, each with its own variance.

    .. math:: \alpha = \frac{k}{k-1}
              \Big(1 - \frac{\sum_j \operatorname{Var}(z_j)}{\operatorname{Var}(\sum_j z_j)}\Big)
    """
    require_numbers(values)
    k, total = values.shape[1], float(values.sum(axis=1).var())
    if k < 2:
        raise EstimationError("Cronbach's alpha needs two indicators or more")
    if total <= 0:
        raise EstimationError("the sum of the indicators does not vary: alpha does not exist")
    return float(k / (k - 1) * (1 - values.var().sum() / total))


def coherence(normalised: pd.DataFrame, tree: IndexTree) -> pd.DataFrame:
    """Describe how far the indicators under each first-level node move together.

    Parameters
    ----------
    normalised : pandas.DataFrame
        Unit-years by indicators, more is better; all leaves of the tree.
    tree : IndexTree

    Returns
    -------
    pandas.DataFrame
        Indexed by first-level node: ``indicators``; ``inside`` and ``outside``, the average
        correlation of its indicators with each other and with those of other nodes;
        ``first_component``, the share of its variance on the first principal component;
        ``alpha``, Cronbach's.  What needs two indicators is missing
        where there is one.

    Notes
    -----
    OECD and JRC (2008), step 4.
    """
    correlations, rows = normalised.corr(), {}
    for node in tree.children(""):
        names = tree.leaves(node)
        own = correlations.loc[names, names].to_numpy()
        others = correlations.drop(index=names)[names].to_numpy()
        pairs = own[np.triu_indices(len(names), 1)]
        several = len(names) > 1
        rows[node] = {
            "indicators": len(names),
            "inside": pairs.mean() if several else np.nan,
            "outside": others.mean() if others.size else np.nan,
            "first_component": np.linalg.eigvalsh(own)[-1] / len(names),
            "alpha": _cronbach_alpha(normalised[names]) if several else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype({"indicators": int})
