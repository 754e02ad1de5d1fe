"""The tree of an index: what stands under what, in which unit and with which sign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import pandas as pd

from ftz.errors import EstimationError, PanelError

#: What an indicator measures; nodes above the indicators have no type.
TYPES = ("level", "share", "count", "concentration", "per_firm", "per_head", "per_area")
_COLUMNS = (
    "id",
    "parent",
    "level",
    "name_en",
    "name_zh",
    "unit",
    "type",
    "direction",
    "direction_is_our_reading",
    "note",
)


@dataclass(frozen=True)
class IndexTree:
    """Indicators in levels.

    Attributes
    ----------
    nodes : pandas.DataFrame
        Indexed by ``id``: ``parent`` (empty at the first level), ``level``, ``name_en``,
        ``name_zh``, ``unit``, ``type`` (empty above the indicators), ``direction`` (+1 or -1),
        ``direction_is_our_reading`` (1 where the source prints none) and ``note``.
    """

    nodes: pd.DataFrame

    @classmethod
    def of(cls, table: pd.DataFrame) -> IndexTree:
        """Check a tree, one row a node, and return it.

        Parameters
        ----------
        table : pandas.DataFrame
            ``id`` and the columns of :attr:`nodes`; levels and directions may be text.

        Raises
        ------
        PanelError
            A missing column, an identifier that stands twice, an unknown parent, a parent at
            the wrong level, an inner node without children, an unknown type or direction; the
            node is named.
        """
        missing = [c for c in _COLUMNS if c not in table]
        if missing:
            raise PanelError(f"index tree: the table has no column {', '.join(missing)}")
        nodes = table.copy()
        for column in ("level", "direction"):
            nodes[column] = pd.to_numeric(nodes[column], errors="coerce").fillna(0).astype(int)
        _check(nodes)
        return cls(nodes.set_index("id"))

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = {node: [] for node in ("", *self.nodes.index)}
        for node, parent in zip(self.nodes.index, self.nodes["parent"], strict=True):
            below[parent].append(node)
        return below

    @cached_property
    def _leaves(self) -> dict[str, list[str]]:
        leaves: dict[str, list[str]] = {}

        def descend(node: str) -> list[str]:
            below = self._children[node]
            leaves[node] = [leaf for child in below for leaf in descend(child)] or [node]
            return leaves[node]

        descend("")
        return leaves

    @cached_property
    def downwards(self) -> list[tuple[str, str]]:
        """Every node with its parent, parents before children."""
        ordered = self.nodes.sort_values("level", kind="stable")
        return list(zip(ordered.index, ordered["parent"], strict=True))

    @cached_property
    def inner(self) -> list[str]:
        """Nodes above the indicators, in the order of the tree."""
        return [n for n in self.nodes.index if self._children[n]]

    def node(self, name: str) -> pd.Series:
        """Return a line of the tree; its entries are attributes, too: ``name_en``, ``unit``, ..."""
        if name not in self.nodes.index:
            raise EstimationError(f"index tree: there is no node {name!r}")
        return cast("pd.Series", self.nodes.loc[name])

    def children(self, node: str) -> list[str]:
        """Return the nodes one level below; ``""`` is the index itself."""
        return list(self._children[node])

    def leaves(self, node: str = "") -> list[str]:
        """Return the indicators under a node."""
        return list(self._leaves[node])

    @cached_property
    def _levels(self) -> dict[int, list[str]]:
        levels = sorted(set(self.nodes["level"]))
        return {int(k): self.nodes.index[self.nodes["level"] == k].tolist() for k in levels}

    def at_level(self, level: int) -> list[str]:
        """Return the nodes of one level, in the order of the tree."""
        return list(self._levels[level])

    @cached_property
    def depth(self) -> int:
        """Number of levels; the indicators stand at the last."""
        return int(self.nodes["level"].max())

    @property
    def counts(self) -> dict[int, int]:
        """Number of nodes at each level."""
        return {level: len(nodes) for level, nodes in self._levels.items()}

    @property
    def directions(self) -> pd.Series:
        """+1 for indicators that raise the index, -1 for those that lower it."""
        return self.nodes.loc[self.leaves(), "direction"]

    def prune(self, leaves: Iterable[str]) -> IndexTree:
        """Return the tree of these indicators only; a node left without any goes too.

        Raises
        ------
        EstimationError
            If a name is not an indicator of the tree, or none is given.
        """
        chosen = set(leaves)
        strange = chosen - set(self.leaves())
        if strange or not chosen:
            name = f"{min(strange)!r} is not an indicator" if strange else "no indicator is left"
            raise EstimationError(f"index tree: {name}")
        alive = [n for n in self.nodes.index if chosen.intersection(self._leaves[n])]
        return IndexTree(self.nodes.loc[alive])


def _check(nodes: pd.DataFrame) -> None:
    def refuse(wrong: pd.Series, problem: str) -> None:
        if wrong.any():
            raise PanelError(f"index tree: {nodes['id'][wrong].iloc[0]!r} {problem}")

    refuse(nodes["id"].duplicated(), "stands twice")
    refuse(nodes["id"].isin(["", "index"]), "is no name for a node: the whole is called index")
    levels = nodes.set_index("id")["level"]
    first = nodes["level"] == 1
    refuse(~first & ~nodes["parent"].isin(levels.index), "has a parent that is not in the tree")
    refuse(first & (nodes["parent"] != ""), "is at the first level and has a parent")
    above = nodes["parent"].map(levels).fillna(0)
    refuse(nodes["level"] != above + 1, "is not one level below its parent")
    inner = nodes["level"] < nodes["level"].max()
    refuse(inner & ~nodes["id"].isin(nodes["parent"]), "has no children")
    odd = ~nodes["type"].isin(TYPES) & ~(inner & (nodes["type"] == ""))
    refuse(odd, f"has a type that is none of {', '.join(TYPES)}")
    refuse(~nodes["direction"].isin([1, -1]), "has a direction that is neither 1 nor -1")
