"""The multiverse: every defensible specification, estimated, in one table.

:func:`grid` lists the specifications of a study, :func:`estimate` turns one into a row,
:func:`evaluate` does so for many in memory, :func:`run` for a whole grid on processes or on
a Dask cluster, into Parquet that a killed run takes up again.  :func:`estimate_many`
estimates the two-way fixed-effects specifications under reassigned treatment, for the joint
test of :mod:`specgrid.joint`.

A row holds the choices (:data:`CHOICES`), the results (:data:`RESULTS`), ``study``, ``key``
and ``specification``, its JSON.  A specification that cannot be estimated is a row whose
``status`` says why.
"""

from specgrid._estimate import RESULTS, estimate, evaluate
from specgrid._grid import (
    ADOPTIONS,
    CHOICES,
    ERRORS,
    ESTIMATORS,
    MATCHINGS,
    SUPPORTS,
    grid,
)
from specgrid._scheduling import run
from specgrid._store import TABLE, read
