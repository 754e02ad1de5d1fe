"""The grid: every defensible specification, each a value with a name.

A :class:`Specification` says all that an analyst chooses between a panel and one number.
:func:`grid` lists the sensible ones for a study: a number of neighbours appears only where
a method has neighbours, a support rule only where something is matched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ftz.errors import FtzError

if TYPE_CHECKING:
    import pandas as pd

    from userpanel import UserPanel

#: Estimators of staggered adoption, by the name of their function in :mod:`ftz.did`.
STAGGERED = (
    "callaway_santanna",
    "sun_abraham",
    "imputation",
    "stacked",
    "dechaisemartin_dhaultfoeuille",
)
#: Estimators, in the order of the table.
ESTIMATORS = ("twfe", *STAGGERED, "matching_att")
#: How rows are chosen or weighted before anything is estimated.
MATCHINGS = ("none", "k_nearest", "caliper", "k_nearest_in_caliper", "kernel", "weights")
SUPPORTS = ("none", "minmax", "treated_minmax", "crump")
#: Codings of the adoption year that every study has; a study may bring further ones.
ADOPTIONS = ("launch", "next_year")
#: Standard errors that an estimator has, the usual one first.
ERRORS: Mapping[str, tuple[str, ...]] = {
    "twfe": ("CR1", "CR2", "CR3", "classical", "HC1", "wild"),
    **dict.fromkeys(STAGGERED, ("clustered",)),
    "matching_att": ("analytic", "abadie_imbens", "cluster"),
}
#: Weights of the composed index that need nothing but the parts of the outcome.
INDICES = ("equal", "entropy", "critic", "pca", "cv", "sd")
#: What an analyst chooses, in the order of the table's columns.
CHOICES = (
    "estimator",
    "matching",
    "k",
    "caliper",
    "support",
    "sample",
    "adoption",
    "window",
    "outcome",
    "controls",
    "error_type",
)
#: Choices that are sets, with what stands before their text and between the members.
SETS = {"controls": ("", " + "), "sample": ("without ", ", ")}
_NEIGHBOURS = ("k_nearest", "k_nearest_in_caliper")
_CALIPERS = ("caliper", "k_nearest_in_caliper", "kernel")
_ALL_ERRORS = tuple(dict.fromkeys(chain.from_iterable(ERRORS.values())))
_PREFIX = "index:"
_NAMED = {"estimator": ESTIMATORS, "matching": MATCHINGS, "support": SUPPORTS}


@dataclass(frozen=True, kw_only=True)
class Specification:
    """One analytic path from a panel to a number.

    Attributes
    ----------
    estimator : str
        One of :data:`ESTIMATORS`; ``matching_att`` is the mean difference between the
        treated and their matches.
    matching : str
        One of :data:`MATCHINGS`.  Under ``twfe`` the regression runs on the rows that were
        matched, unweighted; ``weights`` (inverse probability) belongs to ``matching_att``.
    k : int or None
        Neighbours.
    caliper : float or None
        In units of the linear index; for the kernel its bandwidth.
    support : str
        One of :data:`SUPPORTS`.
    sample : tuple of str
        Units left out, sorted.
    adoption : str
        One of :data:`ADOPTIONS`, or a coding that the study brings.
    window : (int, int)
        First and last period.
    outcome : str
        A column, or ``index:entropy`` and so on for the composed index.
    controls : tuple of str
        Regressors, sorted; under ``matching_att`` the covariates of the score.
    error_type : str
        Kind of standard error, one of :data:`ERRORS`.
    """

    outcome: str
    window: tuple[int, int]
    controls: tuple[str, ...] = ()
    sample: tuple[str, ...] = ()
    adoption: str = "launch"
    estimator: str = "twfe"
    matching: str = "none"
    k: int | None = None
    caliper: float | None = None
    support: str = "none"
    error_type: str = "CR1"

    def __post_init__(self) -> None:
        """Bring the fields into the one form that the key is taken of."""
        object.__setattr__(self, "sample", tuple(sorted(self.sample)))
        object.__setattr__(self, "controls", tuple(sorted(self.controls)))
        object.__setattr__(self, "window", (int(self.window[0]), int(self.window[1])))
        if self.k is not None:
            object.__setattr__(self, "k", int(self.k))
        if self.caliper is not None:
            object.__setattr__(self, "caliper", float(self.caliper))
        problem = self._problem()
        if problem:
            raise FtzError(f"specification: {problem}")

    def _problem(self) -> str | None:
        for name, known in _NAMED.items():
            if getattr(self, name) not in known:
                return f"{name} {getattr(self, name)!r} is unknown: use {', '.join(known)}"
        if self.error_type not in ERRORS[self.estimator]:
            return f"{self.estimator} has no error_type {self.error_type!r}"
        if (self.k is None) == (self.matching in _NEIGHBOURS):
            return f"matching {self.matching} and k = {self.k} do not go together"
        if (self.caliper is None) == (self.matching in _CALIPERS):
            return f"matching {self.matching} and caliper = {self.caliper} do not go together"
        if self.matching == "none" and self.support != "none":
            return "a support rule needs a matching"
        if _fits(self.estimator, self.matching, self.controls):
            return None
        return (
            f"{self.estimator} with matching {self.matching} and {len(self.controls)} controls "
            "is not offered"
        )

    @cached_property
    def text(self) -> str:
        """Canonical JSON."""
        fields = {name: getattr(self, name) for name in sorted(CHOICES)}
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def key(self) -> str:
        """Short hash of the content."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def sample_key(self) -> tuple[object, ...]:
        """What decides rows and treatment; specifications that agree in it share a projection."""
        return tuple(getattr(self, name) for name in CHOICES[1:8])

    @property
    def columns(self) -> dict[str, object]:
        """The choices as they stand in the table, sets and pairs as text."""
        return {name: getattr(self, name) for name in CHOICES} | {
            "sample": "without " + ", ".join(self.sample) if self.sample else "all",
            "window": f"{self.window[0]}-{self.window[1]}",
            "controls": " + ".join(self.controls) or "none",
        }

    @property
    def order(self) -> tuple[Any, ...]:
        """Where the specification stands in a grid; a function of its content alone."""
        return (
            ESTIMATORS.index(self.estimator),
            MATCHINGS.index(self.matching),
            self.k or 0,
            self.caliper or 0.0,
            SUPPORTS.index(self.support),
            (len(self.sample), self.sample),
            (*(self.adoption != name for name in ADOPTIONS), self.adoption),
            (self.window[0], -self.window[1]),
            self.outcome,
            (len(self.controls), self.controls),
            _ALL_ERRORS.index(self.error_type),
        )


def _fits(estimator: str, matching: str, controls: Sequence[str]) -> bool:
    """Say whether an estimator is offered with a matching and with controls."""
    if estimator == "matching_att":
        return matching != "none" and len(controls) > 0
    if estimator == "twfe":
        return matching != "weights"
    return matching == "none" and not (
        estimator == "dechaisemartin_dhaultfoeuille" and len(controls)
    )


@dataclass(frozen=True)
class Grid:
    """Specifications in their canonical order, each once.

    Attributes
    ----------
    specifications : tuple of Specification
    """

    specifications: tuple[Specification, ...] = field(repr=False)

    @classmethod
    def of(cls, specifications: Iterable[Specification]) -> Grid:
        """Return a grid from specifications in any order."""
        return cls(tuple(sorted(set(specifications), key=lambda s: s.order)))

    def __len__(self) -> int:
        return len(self.specifications)

    def __iter__(self) -> Iterator[Specification]:
        return iter(self.specifications)

    @property
    def choices(self) -> dict[str, list[object]]:
        """Choice to the levels that occur, as the table writes them."""
        by_choice: dict[str, dict[object, None]] = {name: {} for name in CHOICES}
        for specification in self.specifications:
            for name, level in specification.columns.items():
                by_choice[name][level] = None
        return {name: list(levels) for name, levels in by_choice.items()}

    @property
    def digest(self) -> str:
        """Hash of the keys."""
        keys = "\n".join(s.key for s in self.specifications)
        return hashlib.sha256(keys.encode()).hexdigest()[:16]

    def sample(self, n: int, seed: int) -> Grid:
        """Return ``n`` specifications drawn without replacement, in canonical order.

        Raises
        ------
        FtzError
            If ``n`` is not positive; a grid that is smaller is returned whole.
        """
        if n < 1:
            raise FtzError(f"a sample of {n} specifications: draw at least one")
        if n >= len(self):
            return self
        drawn = np.random.default_rng(seed).choice(len(self), size=n, replace=False)
        return Grid(tuple(self.specifications[i] for i in np.sort(drawn)))

    def where(self, **levels: object) -> Grid:
        """Return the specifications whose fields have the given values."""
        agreeing = (s for s in self if all(getattr(s, n) == v for n, v in levels.items()))
        return Grid(tuple(agreeing))

    def __repr__(self) -> str:
        levels = ", ".join(f"{len(v)} {name}" for name, v in self.choices.items() if len(v) > 1)
        return f"{len(self):,} specifications: {levels}"


# ---------------------------------------------------------------- enumeration

#: Levels of each choice.
Block = dict[str, list[Any]]


def grid(study: UserPanel, choices: Mapping[str, Any] | str | Path | None = None) -> Grid:
    """List the specifications of a study.

    Parameters
    ----------
    study : userpanel.UserPanel
    choices : mapping or path, optional
        Levels by choice, or a YAML file of them; the study's own grid if not given.  A
        mapping of choices is a block: the product of its levels, where choices that are not
        named stay at the study's first.  ``only`` keeps of the study's grid what has the
        named levels, ``also`` adds blocks to it, ``blocks`` takes its place.

    Raises
    ------
    FtzError
        Naming key and remedy: a file that cannot be read, an unknown choice or level, a
        column or unit that the study has not, or no sensible combination.
    """
    where = "choices"
    if isinstance(choices, str | Path):
        where, choices = Path(choices).name, _read_choices(choices)
    reader = _Reader(study, where)
    whole = Grid.of(reader.specifications(choices))
    if not len(whole):
        raise FtzError(f"{where}: no sensible combination is left; widen a choice")
    return whole


def _read_choices(path: str | Path) -> Mapping[str, Any]:
    """Read a YAML file of choices; see :func:`grid`."""
    import yaml

    path = Path(path)
    try:
        given = yaml.safe_load(path.read_text("utf-8-sig"))
    except OSError as error:
        raise FtzError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FtzError(f"{path.name}: no YAML text ({reason})") from None
    if not isinstance(given, Mapping):
        raise FtzError(
            f"{path.name}: holds no mapping; write choices with lists of levels, "
            "or the keys only, also, blocks"
        )
    return given


def members(entries: pd.Series, choice: str) -> pd.DataFrame:
    """Return which specification has which member of a choice that is a set, written as text."""
    import pandas as pd

    before, between = SETS[choice]
    sets = [
        set() if text in ("none", "all") else set(str(text).removeprefix(before).split(between))
        for text in entries
    ]
    levels = sorted(set().union(*sets))
    return pd.DataFrame({m: [m in has for has in sets] for m in levels}, entries.index, dtype=bool)


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all subsets, the smallest first."""
    sizes = range(len(names) + 1)
    return list(chain.from_iterable(combinations(names, size) for size in sizes))


def outcome_levels(study: UserPanel) -> tuple[str, ...]:
    """Return the outcome, the index under each weighting of its parts, and the parts."""
    composed = [_PREFIX + name for name in INDICES] if len(study.sub_outcomes) > 1 else []
    return (study.outcome, *composed, *study.sub_outcomes)


def _default_blocks(study: UserPanel) -> list[Block]:
    """Return the study's own grid as blocks of levels.

    Two-way fixed effects over outcomes, samples, windows and codings with every subset of
    the controls; the same on matched rows; the family of standard errors; the estimators
    for staggered adoption; and the effect by matching.
    """
    base = _baseline(study)
    samples, first, last = _samples(study), study.periods[0], study.periods[-1]
    controls = _controls(study)
    windows = [(first, last)]
    if len(study.periods) > 4:
        windows += [(study.periods[1], last), (first, study.periods[-2])]
    codings = [*ADOPTIONS, *study.codings][:3]
    outcomes = list(outcome_levels(study))
    matched: Block = {
        "matching": ["k_nearest", "caliper", "k_nearest_in_caliper", "kernel"],
        "k": [1, 4],
        "caliper": [0.25, 0.66],
        "support": list(SUPPORTS),
    }
    blocks: list[Block] = [
        base
        | {
            "outcome": outcomes,
            "sample": samples,
            "window": windows,
            "adoption": codings,
            "controls": controls,
        },
        base | {"sample": samples, "controls": controls, "error_type": list(ERRORS["twfe"])},
        base
        | {
            "estimator": list(STAGGERED),
            "outcome": [study.outcome, *study.sub_outcomes],
            "sample": samples,
            "adoption": codings,
            "controls": [(), tuple(study.controls)],
        },
    ]
    if study.match_on:
        scores = [s for s in subsets(study.match_on) if s] if len(study.match_on) <= 6 else []
        blocks += [
            base | matched | {"sample": samples[:4], "controls": controls},
            base
            | matched
            | {
                "estimator": ["matching_att"],
                "matching": [*matched["matching"], "weights"],
                "controls": scores or [tuple(study.match_on)],
            },
        ]
    return blocks


def _baseline(study: UserPanel) -> Block:
    return {
        "estimator": ["twfe"],
        "matching": ["none"],
        "k": [4],
        "caliper": [0.66],
        "support": ["minmax"],
        "sample": [()],
        "adoption": ["launch"],
        "window": [(study.periods[0], study.periods[-1])],
        "outcome": [study.outcome],
        "controls": [tuple(study.controls)],
        "error_type": [],
    }


def _samples(study: UserPanel) -> list[tuple[str, ...]]:
    """Return which units may be left out: those in question together or apart, or one treated."""
    if study.questioned:
        return subsets([u for u in study.units if u in study.questioned])
    treated = study.treated_units
    return [(), *((u,) for u in treated if 2 < len(treated) <= 12)]


def _controls(study: UserPanel) -> list[tuple[str, ...]]:
    """Return all subsets of few controls; of many, none, each, all but each, all."""
    names = tuple(study.controls)
    if len(names) <= 6:
        return subsets(names)
    rest = [tuple(n for n in names if n != out) for out in names]
    return [(), *((n,) for n in names), *rest, names]


class _Reader:
    """Turns choices into specifications, or says which key is wrong and what to write."""

    def __init__(self, study: UserPanel, where: str) -> None:
        self.study, self.where = study, where

    def specifications(self, choices: Mapping[str, Any] | None) -> Iterator[Specification]:
        if choices is None:
            return self._blocks(_default_blocks(self.study))
        if not set(choices) & {"only", "also", "blocks"}:
            return self._blocks([self._block(choices, self.where)])
        unknown = set(choices) - {"only", "also", "blocks"}
        if unknown or {"blocks"} < set(choices):
            odd = sorted(map(str, unknown)) or ["blocks"]
            raise FtzError(
                f"{self.where}: {odd[0]} cannot stand here; write only and also, or blocks alone, "
                "or choices alone"
            )
        if "blocks" in choices:
            return self._blocks(self._list(choices, "blocks"))
        narrowed = self._only(choices.get("only") or {})
        return chain(narrowed, self._blocks(self._list(choices, "also")))

    def _list(self, choices: Mapping[str, Any], key: str) -> list[Block]:
        given = choices.get(key) or []
        blocks = [given] if isinstance(given, Mapping) else given
        if not isinstance(blocks, list) or not all(isinstance(b, Mapping) for b in blocks):
            raise FtzError(f"{self.where}, {key}: write a list of mappings of choices to levels")
        return [self._block(b, f"{self.where}, {key}") for b in blocks]

    def _only(self, given: object) -> Iterator[Specification]:
        if not isinstance(given, Mapping):
            raise FtzError(f"{self.where}, only: write a mapping of choices to levels")
        levels = {n: self._levels(n, v, f"{self.where}, only") for n, v in given.items()}
        for name in levels.keys() & SETS:
            levels[name] = [tuple(sorted(members)) for members in levels[name]]
        for specification in self._blocks(_default_blocks(self.study)):
            if all(getattr(specification, n) in (*v, None) for n, v in levels.items()):
                yield specification

    def _block(self, given: Mapping[str, Any], where: str) -> Block:
        named = {name: self._levels(name, value, where) for name, value in given.items()}
        return _baseline(self.study) | named

    def _blocks(self, blocks: Iterable[Block]) -> Iterator[Specification]:
        return chain.from_iterable(map(_combinations, blocks))

    def _levels(self, name: str, given: Any, where: str) -> list[Any]:
        if name not in CHOICES:
            choices = ", ".join(CHOICES)
            raise FtzError(f"{where}: unknown choice {name!r}; the choices are {choices}")
        place = f"{where}, {name}"
        if name == "controls" and given == "subsets":
            return _controls(self.study)
        if not isinstance(given, list) or not given:
            raise FtzError(f"{place}: {given!r} is no list of levels; {_REMEDIES[name]}")
        known: Mapping[str, Sequence[str]] = _NAMED | {
            "adoption": (*ADOPTIONS, *self.study.codings),
            "error_type": _ALL_ERRORS,
            "outcome": outcome_levels(self.study),
        }
        if name in known:
            odd = [level for level in given if level not in known[name]]
            if odd:
                raise FtzError(f"{place}: unknown level {odd[0]!r}; use {', '.join(known[name])}")
            return given
        columns = list(dict.fromkeys([*self.study.controls, *self.study.match_on]))
        readers: Mapping[str, Callable[[Any], Any]] = {
            "sample": lambda v: self._names_of(v, self.study.units, place),
            "controls": lambda v: self._names_of(v, columns, place),
            "window": lambda v: self._window(v, place),
            "k": lambda v: self._positive(v, place, whole=True),
            "caliper": lambda v: self._positive(v, place, whole=False),
        }
        return [readers[name](level) for level in given]

    @staticmethod
    def _names_of(level: Any, known: Sequence[str], place: str) -> tuple[str, ...]:
        names = {"none": [], "all": list(known)}.get(level) if isinstance(level, str) else level
        names = [level] if names is None else names
        if not isinstance(names, list) or len(set(map(str, names))) < len(names):
            raise FtzError(f"{place}: {level!r} is no list of names, each once")
        unknown = [str(n) for n in names if n not in known]
        if unknown:
            raise FtzError(f"{place}: the study has no {unknown[0]!r}; it has {', '.join(known)}")
        return tuple(names)

    def _window(self, level: Any, place: str) -> tuple[int, int]:
        first, last = self.study.periods[0], self.study.periods[-1]
        whole = isinstance(level, list) and len(level) == 2
        if not whole or any(isinstance(v, bool) or not isinstance(v, int) for v in level):
            raise FtzError(f"{place}: {level!r} is no pair of periods; write [{first}, {last}]")
        if not first <= level[0] < level[1] <= last:
            raise FtzError(f"{place}: {level} does not lie within [{first}, {last}]")
        return level[0], level[1]

    @staticmethod
    def _positive(level: Any, place: str, *, whole: bool) -> float:
        number = isinstance(level, int if whole else int | float) and not isinstance(level, bool)
        if not number or not 0 < level < float("inf"):
            kind = "whole number from 1" if whole else "positive number"
            raise FtzError(f"{place}: {level!r} is no {kind}")
        return int(level) if whole else float(level)


_REMEDIES: Mapping[str, str] = {
    **dict.fromkeys(CHOICES, "write for instance [first level, second level]"),
    "controls": "write subsets, or a list as [none, all, [first, second]]",
    "sample": "write lists of units left out, as [none, [one unit], [one, another]]",
    "window": "write a list of pairs of periods",
}


def _combinations(block: Block) -> Iterator[Specification]:
    """Return the sensible combinations of a block's levels."""
    for estimator, matching in product(block["estimator"], block["matching"]):
        ks = block["k"] if matching in _NEIGHBOURS else [None]
        calipers = block["caliper"] if matching in _CALIPERS else [None]
        supports = ["none"] if matching == "none" else block["support"]
        asked = [e for e in block["error_type"] if e in ERRORS[estimator]]
        errors = [e for e in asked if not (e == "abadie_imbens" and matching in _NO_NEIGHBOURS)]
        levels = block | {
            "estimator": [estimator],
            "matching": [matching],
            "k": ks,
            "caliper": calipers,
            "support": supports,
            "error_type": errors or ERRORS[estimator][:1],
        }
        for chosen in product(*(levels[name] for name in CHOICES)):
            fields = dict(zip(CHOICES, chosen, strict=True))
            if _fits(estimator, matching, fields["controls"]):
                yield Specification(**fields)


#: Matchings without pairs, for which Abadie and Imbens have no variance.
_NO_NEIGHBOURS = ("kernel", "weights")
