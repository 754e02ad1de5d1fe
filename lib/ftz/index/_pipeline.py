"""The pipeline: a specification of named choices, its index, and the log that replays it."""

from __future__ import annotations

import difflib
import hashlib
import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz._results import Result
from ftz.errors import EstimationError
from ftz.index import _aggregation, _normalisation, _weights
from ftz.index._preparation import (
    IMPUTATIONS,
    OUTLIERS,
    denominate,
    impute,
    require_panel,
    treat_outliers,
)
from ftz.index._tree import IndexTree

WITHIN = ("all", "period")
PARTIAL = ("refuse", "siblings", "all")
#: Fields of a specification that decide the normalised indicators.
_UNTIL_SCALE = (
    "denominators",
    "imputation",
    "outliers",
    "skew_limit",
    "kurtosis_limit",
    "winsorise_at_most",
    "directions",
    "normalisation",
    "normalise_within",
    "goalposts",
    "targets",
    "partial",
)
#: Fields that, beyond those, decide the weights without ``level_weights``.
_OF_WEIGHTS = ("weights", "weights_within", "expert", "shift")


@dataclass(frozen=True, kw_only=True)
class IndexSpec:
    """Every choice between the indicators and the index, by name.

    Attributes
    ----------
    denominators : mapping
        Indicator to size (:func:`ftz.index.denominate`).
    imputation : str
        See :func:`ftz.index.impute`.
    outliers : str
        See :func:`ftz.index.treat_outliers`; ``skew_limit``, ``kurtosis_limit`` and
        ``winsorise_at_most`` are its limits.
    directions : mapping
        Indicator to +1 or -1 where the tree's sign is to be overridden.
    normalisation, normalise_within : str
        See :func:`ftz.index.normalise`; over ``"all"`` rows or by ``"period"``.
    goalposts, targets : mapping
        Of the normalisation.
    weights : str
        ``equal`` (siblings alike), ``flat`` (indicators alike), ``expert``, or computed from
        all indicators together: ``entropy``, ``critic``, ``pca``, ``cv``, ``sd``.  A node
        then weighs what its indicators weigh.
    level_weights : mapping
        Level to the method that weighs siblings at that level instead, from their own
        values where the method needs data.
    expert : mapping
        Node to number, for ``"expert"``.
    weights_within : str
        Data-driven weights from ``"all"`` rows, or anew in each ``"period"``.
    shift : float
        Of the entropy weights.
    aggregation : str or mapping
        Level to method, or one method for all; a level is named by the nodes that are
        joined, so ``{1: "geometric"}`` joins the first-level nodes geometrically.  Levels
        that are not named are arithmetic.
    lift : float or None
        Added to the indicators before a geometric or harmonic mean; ``None`` takes ``shift``.
    partial : {"refuse", "siblings", "all"}
        What to do where the panel lacks indicators of the tree: refuse, or give their weight
        to their siblings, or to all that are there in proportion.  Weights from data are
        computed from the indicators that are there.
    """

    denominators: Mapping[str, str] = field(default_factory=dict)
    imputation: str = "none"
    outliers: str = "none"
    skew_limit: float = 2.0
    kurtosis_limit: float = 3.5
    winsorise_at_most: int = 5
    directions: Mapping[str, int] = field(default_factory=dict)
    normalisation: str = "minmax"
    normalise_within: str = "all"
    goalposts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    weights: str = "entropy"
    level_weights: Mapping[int, str] = field(default_factory=dict)
    expert: Mapping[str, float] = field(default_factory=dict)
    weights_within: str = "all"
    shift: float = 1e-4
    aggregation: str | Mapping[int, str] = "arithmetic"
    lift: float | None = None
    partial: str = "refuse"

    def __post_init__(self) -> None:
        # JSON knows text keys only: a replayed log names its levels "1", "2", "3"
        for name in ("level_weights", "aggregation"):
            value = getattr(self, name)
            if isinstance(value, Mapping):
                object.__setattr__(self, name, {int(k): v for k, v in value.items()})
        for allowed, values in (
            (IMPUTATIONS, [self.imputation]),
            (OUTLIERS, [self.outliers]),
            (_normalisation.NORMALISATIONS, [self.normalisation]),
            (WITHIN, [self.normalise_within, self.weights_within]),
            (_weights.WEIGHTS, [self.weights, *self.level_weights.values()]),
            (_aggregation.AGGREGATIONS, self._aggregations()),
            (PARTIAL, [self.partial]),
        ):
            for value in values:
                one_of("choice", value, allowed)
        if self.shift < 0 or (self.lift or 0) < 0:
            raise EstimationError("shift and lift must not be negative")

    def _aggregations(self) -> list[str]:
        if isinstance(self.aggregation, str):
            return [self.aggregation]
        outranking = set(self.aggregation.values()) & set(_aggregation.OUTRANKING)
        if outranking:
            raise EstimationError(
                f"{min(outranking)} compares rows on all indicators at once: it cannot be the "
                "choice of one level"
            )
        return list(self.aggregation.values())

    def joins(self, level: int) -> str:
        """Return how nodes of a level are joined."""
        if isinstance(self.aggregation, str):
            return self.aggregation
        return self.aggregation.get(level, "arithmetic")

    def but(self, **changes: Any) -> IndexSpec:
        """Return the specification with some choices changed."""
        return replace(self, **changes)

    @property
    def log(self) -> dict[str, object]:
        """All choices as plain values, which ``json`` can write and :class:`IndexSpec` read."""
        plain = asdict(self)
        return {k: dict(v) if isinstance(v, Mapping) else v for k, v in plain.items()}

    def __repr__(self) -> str:
        usual, always = IndexSpec(), ("normalisation", "weights", "shift", "aggregation")
        said = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name in always or getattr(self, f.name) != getattr(usual, f.name)
        }
        return ", ".join(f"{k} = {v}" for k, v in said.items())


@dataclass(frozen=True, repr=False)
class IndexResult(Result):
    """An index with its sub-indices.

    Attributes
    ----------
    scores : pandas.DataFrame
        Unit-years by the first-level nodes and ``index``, times 100.
    nodes : pandas.DataFrame
        The same for every node above the indicators.
    normalised : pandas.DataFrame
        Unit-years by indicators, on one scale, more is better.
    weights : pandas.Series
        Weight of each leaf in the whole; sums to one.  Where weights change from period to
        period, their average over rows.
    shares : pandas.Series
        Weight of each node among its siblings.
    weights_by_period : pandas.DataFrame or None
        Periods by leaves, where weights are computed anew in each period.
    outliers : pandas.DataFrame
        What the outlier rule found (:func:`ftz.index.treat_outliers`).
    missing : tuple of str
        Indicators of the tree that the panel lacks.
    spec : IndexSpec
        Every choice that was made.
    digests : dict
        SHA-256 of the indicators, the sizes (empty without), the tree and the scores.
    """

    no_interval = "an index is arithmetic on data; uncertainty() varies the choices behind it"
    _brief = True

    scores: pd.DataFrame
    nodes: pd.DataFrame
    normalised: pd.DataFrame
    weights: pd.Series
    shares: pd.Series
    weights_by_period: pd.DataFrame | None
    outliers: pd.DataFrame
    missing: tuple[str, ...]
    spec: IndexSpec
    digests: dict[str, str]

    @property
    def log(self) -> dict[str, object]:
        """Every choice that was made; ``build(indicators, tree, **log)`` builds it again."""
        return self.spec.log

    def contributions(self) -> pd.DataFrame:
        """Return what each first-level node adds to the index; a row sums to the index.

        Raises
        ------
        EstimationError
            If first-level nodes are not joined arithmetically, or their weights change from
            period to period.
        """
        if self.spec.joins(1) != "arithmetic" or self.weights_by_period is not None:
            raise EstimationError("only an arithmetic index with fixed weights falls into parts")
        parts = self.scores.drop(columns="index")
        return parts.mul(self.shares[parts.columns], axis="columns")

    def scorecard(self, unit: Any, period: Any = None) -> pd.DataFrame:
        """Return one unit's score on every node above the indicators, with its rank.

        Parameters
        ----------
        unit : label
            Of the first level of the index.
        period : label, optional
            The last by default.

        Returns
        -------
        pandas.DataFrame
            Indexed by node, the whole first: ``score``, ``rank`` (1 is best), ``best``,
            ``median`` (over units in the period).

        Raises
        ------
        EstimationError
            If the unit is not observed in the period.
        """
        require_panel(self.nodes, "a scorecard")
        periods = self.nodes.index.get_level_values(1)
        chosen = periods.max() if period is None else period
        rows = self.nodes[periods == chosen].droplevel(1)
        if unit not in rows.index:
            raise EstimationError(f"{unit} is not observed in {chosen}")
        rows = rows[["index", *(n for n in rows if n != "index")]]
        return pd.DataFrame(
            {
                "score": rows.loc[unit],
                "rank": rows.rank(ascending=False, method="min").loc[unit].astype(int),
                "best": rows.max(),
                "median": rows.median(),
            }
        )

    def to_json(self) -> str:
        """Return the log with the digests of what went in and came out, as JSON."""
        return json.dumps({"choices": self.log, "sha256": self.digests}, indent=2, sort_keys=True)

    @property
    def summary(self) -> pd.DataFrame:
        """The scores."""
        return self.scores

    @property
    def _head(self) -> str:
        size = f"Index of {len(self.weights)} indicators over {len(self.scores)} rows"
        return textwrap.fill(f"{size}: {self.spec!r}", 84, subsequent_indent="  ")


class Pipeline:
    """Indicators on their tree, ready for any spec.

    Steps that several specifications share (all up to the normalised indicators) are computed
    once and kept, which is what makes ten thousand replications a matter of seconds.

    Parameters
    ----------
    indicators : pandas.DataFrame
        Rows by leaves of the tree; (unit, period) rows where a step needs them.
    tree : IndexTree
    sizes : pandas.DataFrame, optional
        For denomination.

    Raises
    ------
    EstimationError
        A column that is not in the tree.
    """

    def __init__(
        self, indicators: pd.DataFrame, tree: IndexTree, sizes: pd.DataFrame | None = None
    ) -> None:
        strange = sorted(set(indicators) - set(tree.leaves()), key=str)
        if strange:
            near = difflib.get_close_matches(str(strange[0]), tree.leaves(), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise EstimationError(
                f"the panel has unknown indicators {', '.join(map(str, strange[:5]))}{hint}"
            )
        if indicators.columns.has_duplicates:
            name = indicators.columns[indicators.columns.duplicated()][0]
            raise EstimationError(f"indicator {name} stands in two columns")
        text = [c for c in indicators if not pd.api.types.is_numeric_dtype(indicators[c])]
        if text:
            raise EstimationError(f"indicator {text[0]} does not hold numbers")
        self.indicators, self.full_tree, self.sizes = indicators, tree, sizes
        self.missing = tuple(n for n in tree.leaves() if n not in indicators)
        self.tree = tree.prune(indicators.columns) if self.missing else tree
        self._scaled: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
        self._shares: dict[str, dict[str, float | np.ndarray]] = {}
        self._parents = {
            level: [p for p in self._above(level) if self.tree.children(p)]
            for level in range(1, self.tree.depth + 1)
        }

    def _above(self, level: int) -> list[str]:
        return [""] if level == 1 else self.tree.at_level(level - 1)

    # --- up to the scale ---

    def normalised(self, spec: IndexSpec) -> pd.DataFrame:
        """Return the indicators after all steps up to normalisation, in the tree's order."""
        return self._until_scale(spec)[0]

    def _until_scale(self, spec: IndexSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
        key = repr([getattr(spec, name) for name in _UNTIL_SCALE])
        if key not in self._scaled:
            self._scaled[key] = self._prepare(spec)
        return self._scaled[key]

    def _prepare(self, spec: IndexSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
        if self.missing and spec.partial == "refuse":
            raise EstimationError(
                f"the panel lacks indicators {', '.join(self.missing[:5])}: give them, or choose "
                "partial='siblings' or partial='all' to re-weight"
            )
        for choice in ("denominators", "directions", "goalposts", "targets"):
            strange = set(getattr(spec, choice)) - set(self.full_tree.leaves())
            if strange:
                raise EstimationError(f"{choice}: {min(strange)!r} is not an indicator of the tree")
        frame = self.indicators[self.tree.leaves()]
        self._require_units(spec, frame)
        frame = denominate(frame, self.sizes, spec.denominators)
        frame = impute(frame, spec.imputation)
        frame, outliers = treat_outliers(
            frame,
            spec.outliers,
            skew_limit=spec.skew_limit,
            kurtosis_limit=spec.kurtosis_limit,
            at_most=spec.winsorise_at_most,
        )
        directions = {**dict(self.tree.directions), **spec.directions}
        by = pd.Index(self.periods) if spec.normalise_within == "period" else None
        scaled = _normalisation.normalise(
            frame,
            directions,
            spec.normalisation,
            goalposts=spec.goalposts,
            targets=spec.targets,
            by=by,
        )
        return scaled, outliers

    def _require_units(self, spec: IndexSpec, frame: pd.DataFrame) -> None:
        """Refuse an indicator that is observed in one unit only: nothing compares it."""
        if frame.index.nlevels != 2 or spec.normalisation in ("goalposts", "none"):
            return
        units = frame.notna().groupby(level=0).any().sum()
        if (units == 1).any():
            name = units.index[int(np.argmax(units == 1))]
            unit = frame[name].dropna().index[0][0]
            raise EstimationError(
                f"indicator {name} is observed in one unit only ({unit}): units cannot be compared"
            )

    @cached_property
    def periods(self) -> np.ndarray:
        """The period of each row."""
        require_panel(self.indicators, "a choice within periods")
        return self.indicators.index.get_level_values(1).to_numpy()

    # --- weights ---

    def base_shares(self, spec: IndexSpec) -> dict[str, float | np.ndarray]:
        """Return each node's share among its siblings by the specification's ``weights``.

        A share is a number, or one a row where weights are computed within periods.
        """
        key = repr([getattr(spec, name) for name in (*_UNTIL_SCALE, *_OF_WEIGHTS)])
        if key not in self._shares:
            self._shares[key] = self._find_shares(spec)
        return dict(self._shares[key])

    def _find_shares(self, spec: IndexSpec) -> dict[str, float | np.ndarray]:
        if spec.weights in _weights.FROM_TREE:
            whole = _weights.tree_shares(self.full_tree, spec.weights, spec.expert)
            if not self.missing:
                return dict(whole)
            return dict(_weights.reweighted(self.full_tree, self.tree, whole, spec.partial))
        scaled = self.normalised(spec)
        names = list(scaled.columns)
        raw = self._from_data(scaled.to_numpy(), names, spec.weights, spec)
        total: dict[str, Any] = dict(zip(names, raw, strict=True))
        for level in range(self.tree.depth - 1, 0, -1):
            for node in self.tree.at_level(level):
                total[node] = sum(total[child] for child in self.tree.children(node))
        return _weights.among_siblings(self.tree, total)

    def _from_data(
        self, values: np.ndarray, names: list[str], method: str, spec: IndexSpec
    ) -> list[float] | list[np.ndarray]:
        """Return data-driven weights of columns, before scaling: numbers, or one a row each."""
        nodes = [f"node {name}" for name in names]
        if spec.weights_within == "all":
            return list(_weights.raw_weights(values, nodes, method, spec.shift))
        rows = np.empty_like(values)
        for period in pd.unique(self.periods):
            mask = self.periods == period
            rows[mask] = _weights.raw_weights(
                values[mask], nodes, method, spec.shift, f" in {period}"
            )
        return list(rows.T)

    # --- up the tree ---

    def node_values(
        self, spec: IndexSpec, shares: Mapping[str, float | np.ndarray] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, float | np.ndarray]]:
        """Return the value of every node in every row, and the shares that were used.

        Parameters
        ----------
        spec : IndexSpec
        shares : mapping, optional
            Shares among siblings that replace those of the specification's ``weights``; the levels
            that ``level_weights`` names keep theirs.

        Returns
        -------
        values : dict
            Node to n numbers on the normalised scale; the index is ``""``.
        shares : dict
            Node to its share among its siblings.
        """
        self._require_levels(spec)
        scaled = self.normalised(spec)
        used = dict(self.base_shares(spec) if shares is None else shares)
        values = dict(zip(scaled.columns, scaled.to_numpy().T, strict=True))
        lift = spec.shift if spec.lift is None else spec.lift
        outranking = _outranking(spec)
        for level in range(self.tree.depth, 0, -1):
            method = "arithmetic" if outranking else spec.joins(level)
            add = lift if level == self.tree.depth else 0.0
            for parent in self._parents[level]:
                below = self.tree.children(parent)
                if level in spec.level_weights:
                    used |= self._level_shares(spec, level, below, values)
                values[parent] = _joined(values, below, used, method, add, scaled.index)
        if outranking:
            self._outrank(values, used, outranking)
        return values, used

    def _require_levels(self, spec: IndexSpec) -> None:
        joined = {} if isinstance(spec.aggregation, str) else spec.aggregation
        levels = {*spec.level_weights, *joined}
        strange = levels - set(self._parents)
        if strange:
            raise EstimationError(
                f"the specification names level {min(strange)}: the tree has levels 1 to "
                f"{self.tree.depth}"
            )

    def _level_shares(
        self,
        spec: IndexSpec,
        level: int,
        below: list[str],
        values: Mapping[str, np.ndarray],
    ) -> dict[str, float | np.ndarray]:
        method = spec.level_weights[level]
        if method in _weights.FROM_TREE:
            shares = _weights.tree_shares(self.full_tree, method, spec.expert)
            return _weights.among(below, [shares[child] for child in below])
        columns = np.column_stack([values[child] for child in below])
        return _weights.among(below, self._from_data(columns, below, method, spec))

    def _outrank(self, values: dict[str, Any], shares: Mapping[str, Any], method: str) -> None:
        weight = _weights.down(self.tree, shares)
        for parent in ("", *self.tree.inner):
            names = self.tree.leaves(parent)
            columns = np.column_stack([values[n] for n in names])
            portion = _stacked(names, weight)
            total = portion.sum(axis=-1, keepdims=True)
            values[parent] = _aggregation.join(columns, portion / total, method)

    def run(self, spec: IndexSpec) -> IndexResult:
        """Build the index."""
        scaled, outliers = self._until_scale(spec)
        values, shares = self.node_values(spec)
        nodes = pd.DataFrame({n: values[n] for n in self.tree.inner}, index=scaled.index)
        nodes["index"] = values[""]
        scores = 100 * nodes[[*self.tree.children(""), "index"]]
        leaves, down = self.tree.leaves(), _weights.down(self.tree, shares)
        return IndexResult(
            scores=scores,
            nodes=100 * nodes,
            normalised=scaled.copy(),
            weights=pd.Series({n: float(np.mean(down[n])) for n in leaves}, name="weight"),
            shares=pd.Series({n: float(np.mean(s)) for n, s in shares.items()}, name="share"),
            weights_by_period=self._by_period({n: down[n] for n in leaves}),
            outliers=outliers,
            missing=self.missing,
            spec=spec,
            digests={
                "indicators": digest(self.indicators),
                "sizes": "" if self.sizes is None else digest(self.sizes),
                "tree": digest(self.full_tree.nodes),
                "scores": digest(100 * nodes),
            },
        )

    def _by_period(self, weight: Mapping[str, float | np.ndarray]) -> pd.DataFrame | None:
        """Return the weights of each period, or None where they are the same in all."""
        if not any(np.ndim(w) for w in weight.values()):
            return None
        rows = pd.DataFrame({n: np.broadcast_to(w, len(self.periods)) for n, w in weight.items()})
        return rows.groupby(self.periods).first().rename_axis([self.indicators.index.names[1]])


def _outranking(spec: IndexSpec) -> str:
    """Return the method where it compares rows on all indicators at once, else nothing."""
    method = spec.aggregation
    return method if isinstance(method, str) and method in _aggregation.OUTRANKING else ""


def _joined(
    values: Mapping[str, np.ndarray],
    below: list[str],
    shares: Mapping[str, float | np.ndarray],
    method: str,
    lift: float,
    index: pd.Index,
) -> np.ndarray:
    columns = np.column_stack([values[child] for child in below])
    if method != "arithmetic" and (columns.min() + lift) <= 0:
        _aggregation.require_positive(
            pd.DataFrame(columns, index=index, columns=below), lift, method
        )
    if len(below) == 1:  # the mean of one is that one, to the bit
        return columns[:, 0] + (0.0 if method == "arithmetic" else lift)
    return _aggregation.join(columns, _stacked(below, shares), method, lift)


def _stacked(names: list[str], shares: Mapping[str, float | np.ndarray]) -> np.ndarray:
    """Return shares as (k,) numbers, or row by row (n, k) where they change."""
    chosen = [shares[name] for name in names]
    if not any(np.ndim(share) for share in chosen):
        return np.array(chosen)
    return np.stack(np.broadcast_arrays(*chosen), axis=-1)


def digest(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a frame: its labels, and its numbers bit by bit."""
    what = hashlib.sha256(repr((list(frame.columns), list(frame.index))).encode())
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column):
            what.update(np.ascontiguousarray(column.to_numpy(float)).tobytes())
        else:
            what.update(repr(column.tolist()).encode())
    return what.hexdigest()


def build(
    indicators: pd.DataFrame,
    tree: IndexTree,
    spec: IndexSpec | None = None,
    *,
    sizes: pd.DataFrame | None = None,
    **choices: Any,
) -> IndexResult:
    """Build the index and all nodes below it.

    Parameters
    ----------
    indicators : pandas.DataFrame
        Rows by the leaves of the tree; further columns are refused.
    tree : IndexTree
    spec : IndexSpec, optional
        Pooled min-max, entropy weights and arithmetic means by default.
    sizes : pandas.DataFrame, optional
        For denomination.
    **choices
        Single choices that change the specification, by the names of :class:`ftz.index.IndexSpec`.

    Raises
    ------
    EstimationError
        Names that do not match the tree, unknown choices, and whatever a step refuses; the
        indicator or node is named.
    """
    unknown = sorted(set(choices) - {f.name for f in fields(IndexSpec)})
    if unknown:
        raise EstimationError(f"an index specification has no choice {unknown[0]!r}")
    chosen = replace(spec or IndexSpec(), **choices)
    return Pipeline(indicators, tree, sizes).run(chosen)


def replay(
    log: str, indicators: pd.DataFrame, tree: IndexTree, *, sizes: pd.DataFrame | None = None
) -> IndexResult:
    """Build an index again from the log that its ``to_json`` wrote.

    Raises
    ------
    EstimationError
        If the indicators or the tree are not those of the log, or the scores differ from
        it in a single bit.
    """
    written = json.loads(log)
    result = build(indicators, tree, IndexSpec(**written["choices"]), sizes=sizes)
    for what in ("indicators", "sizes", "tree", "scores"):
        if result.digests[what] != written["sha256"][what]:
            raise EstimationError(f"the {what} are not those of the log: the digests differ")
    return result
