"""The spec of a reader's panel: which column plays which part.

A spec is a YAML mapping.  Only four keys are required (``unit``, ``time``, ``outcome``
and one of ``cohort`` and ``treatment``); :data:`KEYS` says what each key means, and is
where the template, the messages and the book's page take their words from.  A spec is
data: it is parsed by ``yaml.safe_load`` and nothing in it is ever executed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ftz.errors import PanelError
from ftz.matching import KERNELS

#: Key to what it holds, in the order of the template.
KEYS: Mapping[str, str] = {
    "title": "what the pages call the study",
    "source": "where the panel comes from; shown under its description",
    "simulated": "true if the numbers are simulated: every page then says so",
    "unit": "column with the names of the units (cities, provinces, firms)",
    "time": "column with the period: years, other numbers, dates, or text such as 2010Q1",
    "outcome": "column to explain",
    "cohort": "column with the first treated period, empty for units that are never treated",
    "treatment": "column with 0 and 1, and once 1 always 1; not needed beside cohort",
    "never": "values of cohort that also mean never, for instance [0]",
    "control_group": "whom Callaway-Sant'Anna compare with: never (default, where there are "
    "units that are never treated) or not_yet",
    "staggered_covariates": "columns that enter the estimators for staggered adoption; none "
    "where none are named",
    "method": "how Callaway-Sant'Anna use them: dr (doubly robust, default), ipw (weights) or "
    "reg (a regression)",
    "estimand": "what Callaway-Sant'Anna average: simple (treated cells, default), group "
    "(cohorts by their size) or dynamic (periods since adoption)",
    "anticipation": "periods before adoption in which units may react already; 0 by default",
    "event_window": "first and last period since adoption with a coefficient of its own in the "
    "event study, ends binned; [-5, 5] by default",
    "matching": "how rows are matched, for instance {scheme: by_year, k: 4, caliper: 0.25}; the "
    "keys are explained below",
    "draws": "reassignments and bootstrap draws; 999 by default",
    "level": "of confidence intervals; 0.95 by default",
    "seed": "of all that is drawn; 2024 by default",
    "covariates": "columns that enter the regressions, in this order, and the score",
    "match_on": "columns of the score, where they are not the covariates",
    "sub_outcomes": "parts of the outcome, estimated one by one",
    "mediator": "column through which the effect may run",
    "weights": "column with positive weights of the rows",
    "cluster": "column by which errors are clustered; the unit where none is named",
    "window": "first and last period to use, for instance [2004, 2022]",
    "missing": "what to do with rows that lack a value: refuse (default) or drop",
    "derived": "new columns, for instance lngdp: {from: gdp, do: log}",
    "labels": "name: what the figures write for it",
}

#: What stands under ``matching``.
MATCHING: Mapping[str, str] = {
    "scheme": "pooled (all rows, default), by_year (within each period) or baseline (units, by "
    "their covariates in the last period before any adoption)",
    "k": "controls for each treated row; 4 by default",
    "caliper": "widest distance, in standard deviations of the score's logit; 0.25 by default",
    "kernel": "epanechnikov, gaussian, biweight, tricube or uniform: averages of controls by "
    "distance, with the caliper as bandwidth, beside nearest neighbours",
    "support": "which rows are compared: minmax (default), treated_minmax, crump or none",
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "control_group": ("never", "not_yet"),
    "missing": ("refuse", "drop"),
    "method": ("dr", "ipw", "reg"),
    "estimand": ("simple", "group", "dynamic"),
    "scheme": ("pooled", "by_year", "baseline"),
    "kernel": tuple(KERNELS),
    "support": ("minmax", "treated_minmax", "crump", "none"),
}
#: Lowest and highest value, and whether it is a whole number.
_RANGES: Mapping[str, tuple[float, float, bool]] = {
    "anticipation": (0, 50, True),
    "draws": (99, 100_000, True),
    "level": (0.5, 0.999, False),
    "seed": (0, 2**32 - 1, True),
    "k": (1, 50, True),
    "caliper": (1e-6, 1e6, False),
}
_REQUIRED = ("unit", "time", "outcome")
_COLUMNS = ("unit", "time", "outcome", "cohort", "treatment", "mediator", "weights", "cluster")
_LISTS = ("covariates", "match_on", "sub_outcomes", "staggered_covariates")
#: What can be computed from a column, within each unit where that matters.
TRANSFORMS: Mapping[str, str] = {
    "log": "natural logarithm",
    "lag": "value of the period before",
    "change": "difference from the period before",
    "growth": "difference of logarithms from the period before",
    "first": "value of the unit's first period, the same in all periods",
    "first-log": "logarithm of that value",
}
_DEEPEST = 20
_MOST_BYTES = 200_000
#: No name of a reader's panel can open a tag, whatever page it ends on.
_NO_TAGS = str.maketrans("<>", "‹›")


@dataclass(frozen=True)
class PanelProblem:
    """One thing that is wrong with a panel or a spec.

    Attributes
    ----------
    what : str
        In words.
    file, column, row : optional
        Where; rows as a text editor counts, the header being row 1.
    remedy : str
        What to do about it.
    fatal : bool
        False for a remark: the panel can be used.
    """

    what: str
    file: str = ""
    column: str = ""
    row: int | None = None
    remedy: str = ""
    fatal: bool = True

    def __str__(self) -> str:
        """Return the place, what is wrong and the remedy in one line."""
        place = ", ".join(
            f"{name} {value}"
            for name, value in (("file", self.file), ("column", self.column), ("row", self.row))
            if value not in ("", None)
        )
        text = f"{place}: {self.what}" if place else self.what
        return f"{text}; {self.remedy}" if self.remedy else text


class ProblemsError(PanelError):
    """A panel or a spec cannot be used; holds every problem that was found.

    >>> parse_spec("{unit: city, outcome: income, cohort: opened}")
    Traceback (most recent call last):
    userpanel._spec.ProblemsError: file the spec: time: is missing; column with the period: years, \
other numbers, dates, or text such as 2010Q1
    """

    def __init__(self, problems: list[PanelProblem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in problems]
        text = lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} problems:", *lines])
        super().__init__(text)


@dataclass(frozen=True)
class Derived:
    """A column computed from another one."""

    name: str
    source: str
    do: str


@dataclass(frozen=True)
class Choices:
    """What an analysis chooses beside its columns; attributes as in :data:`KEYS`."""

    method: str = "dr"
    estimand: str = "simple"
    anticipation: int = 0
    event_window: tuple[int, int] = (-5, 5)
    draws: int = 999
    level: float = 0.95
    seed: int = 2024
    scheme: str = "pooled"
    k: int = 4
    caliper: float = 0.25
    kernel: str | None = None
    support: str = "minmax"


@dataclass(frozen=True)
class Spec:
    """Which column plays which part; attributes as in :data:`KEYS`."""

    unit: str
    time: str
    outcome: str
    cohort: str | None = None
    treatment: str | None = None
    title: str = ""
    source: str = ""
    simulated: bool = False
    never: tuple[float, ...] = ()
    control_group: str | None = None
    covariates: tuple[str, ...] = ()
    match_on: tuple[str, ...] = ()
    sub_outcomes: tuple[str, ...] = ()
    staggered_covariates: tuple[str, ...] = ()
    mediator: str | None = None
    weights: str | None = None
    cluster: str | None = None
    choices: Choices = field(default_factory=Choices)
    window: tuple[int, int] | None = None
    missing: str = "refuse"
    derived: tuple[Derived, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    file: str = "the spec"

    @property
    def numeric(self) -> tuple[str, ...]:
        """Columns that hold measurements and are used, each once."""
        names = [self.outcome, *self.covariates, *self.match_on, *self.sub_outcomes]
        names += self.staggered_covariates
        names += [name for name in (self.mediator, self.weights) if name]
        return tuple(dict.fromkeys(names))

    @property
    def read(self) -> tuple[str, ...]:
        """Columns that the file must hold."""
        made = {new.name for new in self.derived}
        keys = [self.unit, self.time, self.cohort, self.treatment, self.cluster]
        names = [name for name in keys if name] + [new.source for new in self.derived]
        return tuple(dict.fromkeys([*names, *(n for n in self.numeric if n not in made)]))


def read_spec(path: str | Path) -> Spec:
    """Read a spec from a YAML file.

    Raises
    ------
    ProblemsError
        With every problem of the file: it cannot be read, is no mapping, has an unknown
        key or a value of the wrong kind, lacks a key, gives a column two parts.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "spec.yml")
    ...     _ = path.write_text("{unit: city, time: year, outcome: income, treatment: d}")
    ...     read_spec(path).outcome
    'income'
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise ProblemsError([PanelProblem("is no file", str(path))])
        with path.open("rb") as handle:
            raw = handle.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise ProblemsError([PanelProblem("there is no such file", str(path))]) from None
    except OSError as error:
        raise ProblemsError(
            [PanelProblem(f"cannot be read ({error.strerror})", str(path))]
        ) from None
    return parse_spec(raw, path.name)


def parse_spec(raw: bytes | str, file: str = "the spec") -> Spec:
    """Read a spec from the text of a YAML file; see :func:`read_spec`."""
    return _spec_from(_parsed_yaml(raw, file), file)


def _parsed_yaml(raw: bytes | str, file: str) -> object:
    if len(raw) > _MOST_BYTES:
        raise ProblemsError([PanelProblem(f"is larger than {_MOST_BYTES // 1000} kB", file)])
    try:
        text, depth = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw, 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            named = isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None)
            if named or depth > _DEEPEST:  # what is nested takes the square of its depth to read
                row = event.start_mark.line + 1 if event.start_mark else None
                what, remedy = "anchors and aliases are not read", "write it out"
                if depth > _DEEPEST:
                    what, remedy = f"more than {_DEEPEST} levels are not read", "nest less"
                raise ProblemsError([PanelProblem(what, file, row=row, remedy=remedy)])
        return yaml.load(text, Loader=_NoDoubles)
    except ProblemsError:  # which is a ValueError, too
        raise
    except UnicodeDecodeError:
        raise ProblemsError([PanelProblem("is not UTF-8 text", file)]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "cannot be read as YAML"
        row = mark.line + 1 if mark else None
        raise ProblemsError([PanelProblem(f"no YAML: {what}", file, row=row)]) from None
    except (RecursionError, ValueError) as error:
        raise ProblemsError([PanelProblem(f"no YAML: {error}", file)]) from None


class _NoDoubles(yaml.SafeLoader):
    """The safe loader, which refuses a key that stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _spec_from(given: object, file: str = "the spec") -> Spec:
    """Return a spec from a mapping; see :func:`read_spec`."""
    if not isinstance(given, Mapping):
        what = "is empty" if given is None else "holds no mapping of keys to columns"
        raise ProblemsError([PanelProblem(what, file, remedy="`ftz new-panel` writes a template")])
    reader = _Reader(dict(given), file)
    spec = reader.spec()
    if reader.problems:
        raise ProblemsError(reader.problems)
    return spec


class _Reader:
    """Collects what is wrong while it reads, so that a reader sees all of it at once."""

    def __init__(self, given: dict[Any, Any], file: str) -> None:
        self.given, self.file, self.problems = given, file, list[PanelProblem]()

    def wrong(self, key: str, what: str, remedy: str = "") -> None:
        self.problems.append(PanelProblem(f"{key}: {what}", self.file, remedy=remedy))

    def spec(self) -> Spec:
        self._keys()
        named: dict[str, Any] = {key: self._column(key) for key in _COLUMNS}
        named |= {key: self._list(key) for key in _LISTS}
        derived = self._derived()
        parts: dict[str, Any] = {
            "title": self._text("title"),
            "source": self._text("source"),
            "simulated": self._flag("simulated"),
            "never": self._never(),
            "control_group": self._choice("control_group"),
            "window": self._window("window"),
            "missing": self._choice("missing") or "refuse",
            "choices": self._choices(),
            "derived": derived,
            "labels": self._labels(),
            "file": self.file,
        }
        for key in _REQUIRED:
            named[key] = named[key] or ""
        spec = Spec(**named, **parts)
        self._parts(spec)
        return spec

    def _keys(self) -> None:
        for key in self.given:
            if key not in KEYS:
                self.wrong(_short(key), "unknown key", _nearest(key, KEYS, "the keys are"))
        for key in _REQUIRED:
            if self.given.get(key) is None:
                self.wrong(key, "is missing", KEYS[key])
        if self.given.get("cohort") is None and self.given.get("treatment") is None:
            self.wrong("cohort", "neither cohort nor treatment is named", KEYS["cohort"])

    def _value(self, key: str, fits: Callable[[Any], bool], what: str, remedy: str = "") -> Any:
        """Return what a key holds; None where it holds nothing, or something else than asked."""
        value = self.given.get(key)
        if value is None or fits(value):
            return value
        self.wrong(key, f"{_short(value)} {what}", remedy)
        return None

    def _column(self, key: str) -> str | None:
        name = self._value(key, _is_name, "is no column's name", KEYS[key])
        return None if name is None else str(name).strip()

    def _list(self, key: str) -> tuple[str, ...]:
        what, remedy = "is no list of columns", "for instance [gdp, fdi]"
        given = self._value(
            key, lambda v: isinstance(v, list) and all(map(_is_name, v)), what, remedy
        )
        names = [name.strip() for name in given or ()]
        for name in {name for name in names if names.count(name) > 1}:
            self.wrong(key, f"{name} stands twice", "name each column once")
        return tuple(names)

    def _text(self, key: str) -> str:
        value = self._value(key, lambda v: isinstance(v, str | int | float), "is no text")
        return "" if value is None else plain(value, 300)

    def _flag(self, key: str) -> bool:
        return bool(self._value(key, lambda v: isinstance(v, bool), "is neither true nor false"))

    def _never(self) -> tuple[float, ...]:
        def fits(value: Any) -> bool:
            values = value if isinstance(value, list) else [value]
            return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)

        value = self._value("never", fits, "holds something that is no number", KEYS["never"])
        values = value if isinstance(value, list) else [] if value is None else [value]
        return tuple(map(float, values))

    def _window(self, key: str) -> tuple[int, int] | None:
        def fits(value: Any) -> bool:
            whole = isinstance(value, list) and len(value) == 2
            return whole and all(isinstance(v, int) and not isinstance(v, bool) for v in value)

        value = self._value(key, fits, "is no pair of periods", KEYS[key])
        if value is None:
            return None
        if value[0] >= value[1]:
            self.wrong(key, f"{value[0]} is not before {value[1]}", KEYS[key])
        elif key == "event_window" and not value[0] < -1 < value[1]:
            self.wrong(key, f"{_short(value)} leaves no coefficient on one side of -1", KEYS[key])
        else:
            return value[0], value[1]
        return None

    def _choice(self, key: str, value: object = None) -> str | None:
        value = self.given.get(key) if value is None else value
        if value is None or value in _CHOICES[key]:
            return None if value is None else str(value)
        known = _CHOICES[key]
        hint = _nearest(value, known, "write") if len(known) > 2 else f"write {' or '.join(known)}"
        self.wrong(key, f"{_short(value)} is unknown", hint)
        return None

    def _number(self, key: str, value: object) -> float | int | None:
        low, high, whole = _RANGES[key]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or (whole and not isinstance(value, int)) or not low <= value <= high:  # type: ignore[operator]
            kind = "a whole number" if whole else "a number"
            near = f"write {value / 100:g}" if key == "level" and number else ""  # type: ignore[operator]
            self.wrong(key, f"{_short(value)} is not {kind} from {low:g} to {high:g}", near)
            return None
        return value  # type: ignore[return-value]

    def _choices(self) -> Choices:
        """Read the choices, those of the matching from a mapping of their own."""
        matching = self._value("matching", _is_mapping, "is no mapping", KEYS["matching"])
        nested = dict(matching or {})
        for key in nested:
            if key not in MATCHING:
                hint = _nearest(key, MATCHING, "the keys are")
                self.wrong(f"matching: {_short(key)}", "unknown key", hint)
        chosen: dict[str, Any] = {"event_window": self._window("event_window")}
        for key in (*_CHOICES, *_RANGES):
            value = (nested if key in MATCHING else self.given).get(key)
            if value is None or key in ("control_group", "missing"):
                continue
            chosen[key] = (self._choice if key in _CHOICES else self._number)(key, value)
        return Choices(**{key: value for key, value in chosen.items() if value is not None})

    def _derived(self) -> tuple[Derived, ...]:
        value = self._value("derived", _is_mapping, "is no mapping", KEYS["derived"]) or {}
        made = []
        for name, recipe in value.items():
            keys = set(recipe) if isinstance(recipe, Mapping) else set()
            if keys != {"from", "do"} or not isinstance(recipe["from"], str):
                self.wrong(f"derived: {_short(name)}", "needs from and do", KEYS["derived"])
            elif recipe["do"] not in TRANSFORMS:
                do = _short(recipe["do"])
                self.wrong(f"derived: {_short(name)}", f"cannot do {do}", f"do {_either()}")
            else:
                made.append(Derived(str(name).strip(), recipe["from"].strip(), recipe["do"]))
        return tuple(made)

    def _labels(self) -> dict[str, str]:
        value = self._value("labels", _is_mapping, "is no mapping", KEYS["labels"]) or {}
        return {str(name).strip(): plain(label, 80) for name, label in value.items()}

    def _parts(self, spec: Spec) -> None:
        """Refuse a column that is explained and explains."""
        for key in _LISTS:
            for name in getattr(spec, key):
                roles = ["unit", "time", "cohort", "treatment"]
                roles += [] if key == "sub_outcomes" else ["outcome", "mediator"]
                for role in roles:
                    if name and name == getattr(spec, role):
                        self.wrong(key, f"{name} is the {role} already", "name it once")
        if spec.mediator and spec.mediator in (spec.outcome, spec.treatment, spec.cohort):
            self.wrong("mediator", f"{spec.mediator} has another part", "name another column")
        known = {*spec.read, *spec.numeric}
        for name in spec.labels:
            if name not in known:
                hint = _nearest(name, sorted(known), "the spec names")
                self.wrong("labels", f"{_short(name)} is no column of the spec", hint)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _nearest(word: object, known: Iterable[str], else_: str) -> str:
    """Return the known word that is near, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"is it {near[0]!r}?" if near else f"{else_} {', '.join(known)}"


def _either() -> str:
    return ", ".join(list(TRANSFORMS)[:-1]) + " or " + list(TRANSFORMS)[-1]


def _short(value: object) -> str:
    return repr(plain(value, 60))


def plain(value: object, most: int = 60) -> str:
    """Return a text on one line, without control characters and tags, and not too long."""
    text = "".join(c if c.isprintable() else " " for c in str(value)).translate(_NO_TAGS)
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= most else text[: most - 1] + "…"
