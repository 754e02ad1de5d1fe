"""YAML that remembers where each entry stands, and refuses what YAML lets pass.

A key that stands twice, a number without quotes that YAML would change (``010`` is eight,
``1:30`` ninety), an alias: each is refused with line and column.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from printproof.errors import RecordError

Marks = dict[tuple[Any, ...], tuple[int, int]]
#: Levels of nesting; no printed table has more.
_DEEPEST = 12


def load(path: Path) -> tuple[Any, Marks]:
    """Read a YAML file."""
    import yaml

    try:
        node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None
    marks: Marks = {}
    return (None if node is None else _value(node, (), marks, path)), marks


def _value(node: Any, path: tuple[Any, ...], marks: Marks, file: Path) -> Any:
    import yaml

    marks[path] = place = node.start_mark.line + 1, node.start_mark.column + 1
    if len(path) > _DEEPEST:
        raise RecordError("{}:{}:{}: nested too deeply".format(file, *place))
    if isinstance(node, yaml.SequenceNode):
        return [_value(n, (*path, i), marks, file) for i, n in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            at = key_node.start_mark.line + 1, key_node.start_mark.column + 1
            if key in found or not isinstance(key_node, yaml.ScalarNode):
                raise RecordError("{}:{}:{}: the key {!r} stands twice".format(file, *at, key))
            found[key] = _value(value_node, (*path, key), marks, file)
            marks[(*path, key)] = at
        return found
    return _scalar(node, place, file)


def _scalar(node: Any, place: tuple[int, int], file: Path) -> Any:
    import yaml

    kind = node.tag.rpartition(":")[2]
    if kind == "int" and not re.fullmatch(r"[+-]?(0|[1-9]\d*)", node.value):
        where = "{}:{}:{}".format(file, *place)
        raise RecordError(f"{where}: {node.value} must stand in quotes, or YAML changes it")
    if kind in {"str", "timestamp", "value", "merge", "bool"}:
        return str(node.value)
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        where = "{}:{}:{}".format(file, *place)
        raise RecordError(f"{where}: cannot be read ({' '.join(str(error).split())})") from None
