"""The second example: Grunfeld's investment data, printed, forgotten and searched for.

``python -m study.witness.example`` writes ``data/examples/grunfeld.yml``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from printproof.witness.declared import PanelIndex, print_tables
from study.paths import data_dir

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"files": ["data/examples/grunfeld.yml"]}}

#: Columns that the example prints; investment on the firm's value, then also its capital.
COLUMNS = {"(1)": ("invest", ["value"]), "(2)": ("invest", ["value", "capital"])}
UNITS, PERIODS = 11, 20


def data() -> pd.DataFrame:
    """Return Grunfeld's (1950) data, firm by firm, as statsmodels ships them (public domain)."""
    from statsmodels.datasets import grunfeld

    frame: pd.DataFrame = grunfeld.load_pandas().data
    return frame.sort_values(["firm", "year"], kind="stable").reset_index(drop=True)


def _tables() -> dict[str, Any]:
    """Print the data's tables at three decimals, with the declaration that a search needs."""
    printed = print_tables(data(), PanelIndex.balanced(UNITS, PERIODS), COLUMNS)
    printed["witness"]["sample"] = {"units": UNITS, "periods": PERIODS}
    del printed["witness"]["known"]
    return printed


_HEAD = """\
# Tables of Grunfeld's investment data (11 firms, 20 years; public domain, as shipped with
# statsmodels), printed at three decimals: the shape of a file for `ftz audit FILE.yml`.
# Numbers stand in quotes, because a final zero is information.
# Written by `python -m study.witness.example`.
"""


def _text() -> str:
    """Return the example's file."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes printed numbers and stars, sets lists in one line."""

    def string(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        quoted = re.fullmatch(r"[-+*\d.]*", value) is not None
        return dumper.represent_scalar(
            "tag:yaml.org,2002:str", value, style='"' if quoted else None
        )

    def line(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)

    Dumper.add_representer(str, string)
    Dumper.add_representer(list, line)
    return _HEAD + yaml.dump({"grunfeld": _tables()}, Dumper=Dumper, sort_keys=False, width=100)


def _main() -> int:
    """Write the file."""
    path: Path = data_dir() / "examples" / "grunfeld.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_text(), "utf-8")
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
