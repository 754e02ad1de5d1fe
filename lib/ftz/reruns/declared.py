"""Declarations of runs: YAML files in ``reruns/``, read strictly.

A file names one chapter and gives its runs::

    title: How wide a caliper?
    chapter: propensity-score-matching
    name: caliper-{caliper}
    parameters: {support: minmax}      # the same in all runs of the file
    grid: {caliper: [0.25, 0.5, 1.0]}  # every combination
    runs: [{caliper: 2.0, seed: 1}]    # or one by one
    timeout: 300                       # seconds for one run
    keep: [headlines, notebook, page]  # what is kept of it

``chapter``, ``name`` and ``grid`` or ``runs`` are needed.  Names of files are read
from the folder of the declaration.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftz.errors import FtzError
from ftz.reruns.chapters import Chapter, checkout, find
from ftz.reruns.grammar import Value, _near

#: What can be kept of a run, and what is, unless said otherwise.
KEEP = ("headlines", "notebook", "page")

#: Seconds that a run may take, unless said otherwise.
TIMEOUT = 600

#: The keys of a declaration, and what each must hold.
KEYS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "title": (str, "text"),
    "chapter": (str, "the name of a chapter"),
    "name": (str, "a template such as caliper-{caliper}"),
    "parameters": (dict, "a mapping of parameters to values"),
    "grid": (dict, "a mapping of parameters to lists of values"),
    "runs": (list, "a list of mappings"),
    "timeout": ((int, float), "a number of seconds above zero"),
    "keep": (list, f"a list out of {', '.join(KEEP)}"),
}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class Run:
    """One run of a chapter, checked.

    Attributes
    ----------
    name : str
        Of its folder and of its page.
    chapter : Chapter
        What is run.
    given : dict
        The parameters that the declaration sets.
    values : dict
        All parameters, defaults included.
    files : dict
        Files that parameters name, as absolute paths.
    group, title : str
        The declaration's file name without suffix, and its title.
    timeout : float
        Seconds.
    keep : tuple of str
        What is kept, out of :data:`KEEP`.
    """

    name: str
    chapter: Chapter
    given: dict[str, Value]
    values: dict[str, Value]
    files: dict[str, Path]
    group: str
    title: str
    timeout: float = TIMEOUT
    keep: tuple[str, ...] = KEEP


def declarations(root: Path | None = None) -> list[Path]:
    """Return the files of ``reruns/`` in order."""
    return sorted(((root or checkout()) / "reruns").glob("*.yml"))


def read_declarations(files: Sequence[Path], root: Path | None = None) -> list[Run]:
    """Read declarations and check every run, before anything is executed.

    Raises
    ------
    FtzError
        With everything that is wrong in all files: place, problem, remedy.
    """
    runs: list[Run] = []
    problems: list[str] = []
    for file in files:
        try:
            runs += _read(file, root)
        except FtzError as error:
            problems += str(error).splitlines()
    problems += _same_names(runs)
    _raise(problems)
    return runs


def _raise(problems: Sequence[str]) -> None:
    if len(problems) == 1:
        raise FtzError(problems[0])
    if problems:
        raise FtzError("\n  ".join((f"{len(problems)} problems, nothing was run:", *problems)))


def _same_names(runs: Sequence[Run]) -> Iterator[str]:
    seen: dict[str, Run] = {}
    for run in runs:
        if run.name in seen:
            where = " and ".join(sorted({f"{seen[run.name].group}.yml", f"{run.group}.yml"}))
            yield f"{where}: two runs are called {run.name}; name every parameter that varies"
        seen.setdefault(run.name, run)


# --- one file -------------------------------------------------------------------------------


def _read(file: Path, root: Path | None) -> list[Run]:
    table, lines = _load(file)
    problems = list(_shape(table, lines, file.name))
    chapter = None
    try:
        chapter = find(table["chapter"], root) if isinstance(table.get("chapter"), str) else None
        _ = chapter.parameters if chapter else None
    except FtzError as error:
        problems += [f"{file.name}, line {lines['chapter']}: {e}" for e in str(error).splitlines()]
        chapter = None
    if chapter is None or problems:
        raise FtzError("\n".join(problems))
    runs: dict[str, Run] = {}
    for key, given in _points(table):
        try:
            run = _run(table, chapter, given, file)
        except FtzError as error:
            place = f"{file.name}, line {lines.get(key, 1)}"
            problems += [f"{place}: {line}" for line in str(error).splitlines()]
            continue
        if run.name in runs:
            problems.append(
                f"{file.name}, line {lines['name']}: two runs are called {run.name}; "
                "put every parameter that varies into the name"
            )
        runs[run.name] = run
    if problems:
        raise FtzError("\n".join(dict.fromkeys(problems)))
    return list(runs.values())


def _load(file: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Return a file's mapping and the line of each of its keys."""
    import yaml

    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        table = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise FtzError(f"{file}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise FtzError(f"{file.name}: no YAML ({' '.join(str(error).split())})") from None
    if not isinstance(node, yaml.MappingNode) or not isinstance(table, dict):
        raise FtzError(f"{file.name}: must be a mapping with the keys {', '.join(KEYS)}")
    lines: dict[str, int] = {}
    for doubled, line in _doubled(node):
        raise FtzError(f"{file.name}, line {line}: {doubled!r} stands there twice")
    for key, _ in node.value:
        lines[str(key.value)] = key.start_mark.line + 1
    return table, lines


def _doubled(node: Any) -> Iterator[tuple[str, int]]:
    """Yield keys that a mapping holds twice: YAML would keep the last in silence."""
    import yaml

    seen = set()
    for entry in node.value if isinstance(node.value, list) else ():
        if isinstance(node, yaml.MappingNode):
            key, value = entry
            if key.value in seen:
                yield str(key.value), key.start_mark.line + 1
            seen.add(key.value)
            yield from _doubled(value)
        else:
            yield from _doubled(entry)


def _shape(table: Mapping[Any, Any], lines: Mapping[str, int], file: str) -> Iterator[str]:
    for key, value in table.items():
        place = f"{file}, line {lines.get(str(key), 1)}"
        if key not in KEYS:
            near = _near(str(key), list(KEYS))
            yield f"{place}: unknown key {key!r}{near}; there are {', '.join(KEYS)}"
        elif not isinstance(value, KEYS[key][0]) or isinstance(value, bool):
            yield f"{place}: {key} must be {KEYS[key][1]}"
        elif said := _inside(key, value):
            yield f"{place}: {said}"
    for key in ("chapter", "name"):
        if key not in table:
            yield f"{file}: the key {key} is missing"
    if not table.get("grid") and not table.get("runs"):
        yield f"{file}: nothing to run; give a grid or a list of runs"


def _inside(key: str, value: Any) -> str:
    """Say what is wrong inside the value of a key."""
    if key == "timeout" and not value > 0:
        return f"timeout must be {KEYS[key][1]}"
    if key == "keep" and (odd := [str(v) for v in value if v not in KEEP]):
        return f"keep: {', '.join(odd)} is none of {', '.join(KEEP)}{_near(odd[0], KEEP)}"
    if key == "keep" and "page" in value and "notebook" not in value:
        return "keep: a page is made from the notebook; keep the notebook as well"
    if key == "runs" and not all(isinstance(v, dict) for v in value):
        return f"runs must be {KEYS[key][1]}"
    if key == "grid" and (odd := [str(k) for k, v in value.items() if not _many(v)]):
        return f"grid: {', '.join(odd)} needs a list of values, [1, 2, 4]"
    if key == "grid" and (odd := [str(k) for k, v in value.items() if _repeats(v)]):
        return f"grid: {', '.join(odd)} names a value twice"
    return ""


def _many(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0


def _repeats(values: Sequence[object]) -> bool:
    return len({repr(v) for v in values}) < len(values)


def _points(table: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the key a run comes from and the parameters it sets."""
    shared = table.get("parameters") or {}
    grid = table.get("grid") or {}
    for point in itertools.product(*grid.values()) if grid else ():
        yield "grid", {**shared, **dict(zip(grid, point, strict=True))}
    for one in table.get("runs") or ():
        yield "runs", {**shared, **one}


def _run(table: Mapping[str, Any], chapter: Chapter, given: dict[str, object], file: Path) -> Run:
    values = chapter.values(given, file.parent)
    return Run(
        name=_named(table["name"], values),
        chapter=chapter,
        given={name: values[name] for name in given},
        values=values,
        files=chapter.files(given, file.parent),
        group=file.stem,
        title=table.get("title") or file.stem,
        timeout=float(table.get("timeout", TIMEOUT)),
        keep=tuple(k for k in KEEP if k in table["keep"] or k == "headlines")
        if "keep" in table
        else KEEP,
    )


def _named(template: str, values: Mapping[str, Value]) -> str:
    """Fill a name's template."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field]
    except ValueError as error:
        raise FtzError(f"name: {template!r} is no template ({error})") from None
    for field in fields:
        if field not in values:
            raise FtzError(f"name: no parameter {field!r}{_near(field, list(values))}")
    parts = {name: _short(value) for name, value in values.items()}
    name = string.Formatter().vformat(template, (), parts)
    if not _NAME.fullmatch(name):
        raise FtzError(
            f"name: {name!r} cannot name a folder and a page; use small letters, digits, "
            "full stop, hyphen and underscore"
        )
    return name


def _short(value: Value) -> str:
    if isinstance(value, list):
        return "-".join(map(_short, value)) or "none"
    return str(value).lower()


# --- one run, from the command line -----------------------------------------------------------


def adhoc(
    chapter: str,
    given: Mapping[str, object],
    *,
    name: str = "",
    timeout: float = TIMEOUT,
    root: Path | None = None,
    folder: Path | None = None,
) -> Run:
    """Return a run that no file declares; relative names of files start in ``folder``."""
    found = find(chapter, root)
    values = found.values(given, folder)
    plain = "-".join([found.name.replace("/", "-"), *(f"{k}-{_short(values[k])}" for k in given)])
    called = name or re.sub(r"[^a-z0-9._-]+", "-", plain.lower())[:80]
    if not _NAME.fullmatch(called):
        raise FtzError(f"--name {called!r}: use small letters, digits, full stop, hyphen, _")
    if timeout <= 0:
        raise FtzError(f"--timeout {timeout:g}: must be a number of seconds above zero")
    set_here = {k: values[k] for k in given}
    files = found.files(given, folder)
    return Run(called, found, set_here, values, files, "adhoc", "From the command line", timeout)
