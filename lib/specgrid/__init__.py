"""The multiverse: every defensible specification, estimated, in one table.

:func:`grid` lists the specifications of a study, :func:`evaluate` turns each into a row, in
memory, and :func:`run` those of a whole grid, on processes or on a Dask cluster, into Parquet
that a killed run takes up again.  :mod:`specgrid.joint` tests them together.

A row holds the choices (:data:`CHOICES`), the results (:data:`RESULTS`), ``study``, ``key``
and ``specification``, its JSON.  A specification that cannot be estimated is a row whose
``status`` says why.
"""

from specgrid._estimate import RESULTS, evaluate
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
from specgrid._store import TABLE
