"""The witness panels that ship with the book, held against the contract of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ftz.errors import PanelError
from study import register
from study.paths import data_dir

if TYPE_CHECKING:
    import pandera.pandas as pa

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {
    "load_witness": {"files": ["data/witness/panel.csv", "data/witness/panel-one-command.csv"]},
}

#: Column to what it holds, with its unit (Table 2 of Yan, Ye and Wang).
HOLDS = {
    "city": "one of the thirteen cities of Beijing-Tianjin-Hebei",
    "year": "calendar year",
    "FTZ": "1 from the year in which the city holds zone land",
    "matched": "1 if the city-year belongs to the matched sample",
    "lnHQD": "index of high-quality development (城市高质量发展指数), log",
    "fe": "financial efficiency (金融效率): loans over deposits at year end, ratio",
    "lnstru": "industrial structure (产业结构): log of tertiary over secondary value added",
    "urba": "urbanisation (城镇化率): share of residents, 0 to 1",
    "fdi": "foreign investment in use (对外贸易发展水平): unit not printed",
    "pgdp": "economic development (经济发展水平): GDP per head, 10 000 yuan",
    "IL": "industrial linkage (产业联动): strength of capital ties between cities",
    "vitality": "vitality index (活力指数), log",
    "merchantable": "merchantability index (宜商指数), log",
    "innovation": "innovation index (创新指数), log",
    "synergism": "synergy index (协同指数), log",
}
#: File of the witness panel under each reading of the printed tables.
WITNESSES = {"two-way": "panel.csv", "one command": "panel-one-command.csv"}


def _schema() -> pa.DataFrameSchema:
    """Return the contract of a witness panel: every city in every year, zones that stay."""
    import pandera.pandas as pa

    def stays(frame: pd.DataFrame) -> pd.Series:
        ordered = frame.sort_values("year")
        return (ordered.groupby("city")["FTZ"].diff().fillna(0) >= 0).reindex(frame.index)

    kinds = {
        "city": (str, pa.Check.isin(register.study_cities())),
        "year": (int, None),
        **dict.fromkeys(("FTZ", "matched"), (int, pa.Check.isin([0, 1]))),
    }
    number = (float, pa.Check(np.isfinite, element_wise=True, error="finite"))
    return pa.DataFrameSchema(
        {
            name: pa.Column(*kinds.get(name, number), description=text)
            for name, text in HOLDS.items()
        },
        checks=[
            pa.Check(stays, error="a zone stays: once FTZ is 1, it is 1 in every later year"),
            pa.Check(
                lambda f: len(f) == f["city"].nunique() * f["year"].nunique(),
                error="every city in every year",
            ),
        ],
        unique=["city", "year"],
    )


@dataclass(frozen=True)
class _CityPanel:
    """A panel of cities and years that has met its contract.

    Attributes
    ----------
    source : str
        The file it came from.
    """

    _frame: pd.DataFrame
    source: str

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the panel in the order of the file; writing to it does not change the panel."""
        return self._frame.copy()

    @property
    def matched(self) -> pd.DataFrame:
        """The rows with ``matched == 1``."""
        return self.frame[self._frame["matched"] == 1]

    def __repr__(self) -> str:
        counts = (self._frame[key].nunique() for key in ("city", "year"))
        size = "Panel of {} units and {} periods".format(*counts)
        return f"{size}, {len(self._frame)} rows, from {self.source}"


def load_witness(reading: str = "two-way") -> _CityPanel:
    """Read a witness panel that ships with the book: constructed, not data.

    Parameters
    ----------
    reading : {"two-way", "one command"}
        Which reading of Tables 4 and 5 the panel returns them under.

    Raises
    ------
    PanelError
        No witness of that reading, or a file that breaks the contract; file, column and row
        are named.
    """
    from pandera.errors import SchemaError

    if reading not in WITNESSES:
        raise PanelError(f"no witness of the reading {reading!r}: {', '.join(WITNESSES)}")
    path = data_dir() / "witness" / WITNESSES[reading]
    try:
        return _CityPanel(_schema().validate(pd.read_csv(path)), path.name)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise PanelError(f"cannot be read ({error})", file=path.name) from None
    except SchemaError as error:
        cases = error.failure_cases
        rows = list(cases["index"].dropna()) if isinstance(cases, pd.DataFrame) else []
        raise PanelError(
            " ".join(str(error).split())[:200],
            file=path.name,
            column=getattr(error.schema, "name", None),
            row=int(rows[0]) + 2 if rows else None,
        ) from None
