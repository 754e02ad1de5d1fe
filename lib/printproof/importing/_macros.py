r"""What TeX does before it sets a table: files that are put in, and commands of a paper's own.

``\input`` and ``\include`` bring their file, looked for beside the paper; ``\newcommand``,
``\def``, ``\let`` and ``\newenvironment`` are carried out where they are plain text with
arguments.  Where each piece came from is kept, so that an error can name file, line and column.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path

from printproof.errors import RecordError
from printproof.importing._sheet import decode

#: Of text, of files within files and of commands within commands, at most.
MOST_CHARACTERS, MOST_NESTED = 5_000_000, 40
_WORD = r"\\(?:[A-Za-z@]+|.)"
_HEAD = re.compile(
    r"\\(?:(?P<new>(?:re)?newcommand|providecommand|DeclareRobustCommand|DeclareMathOperator"
    r"|(?:re)?newenvironment)(?![A-Za-z@])\*?|def(?=\s*\\)|let(?=\s*\\)"
    r"|(?P<input>input|include|@@input)(?![A-Za-z@])|(?P<edge>begin|end)\s*\{(?P<of>[^{}]*)\}"
    r"|(?P<name>[A-Za-z@]+|.))",
    re.S,
)
_NAME = re.compile(rf"\s*(?:\{{\s*(?P<a>{_WORD}|[A-Za-z@*]+)\s*\}}|(?P<b>{_WORD}))\s*", re.S)
_COUNT = re.compile(r"\s*\[\s*(\d)\s*\]\s*")
_OPTION = re.compile(r"\s*\[([^\]]*)\]")
_PLACES = re.compile(r"((?:#\d)*)\s*(?=\{)")
_FILE = re.compile(r"\s*\{\s*([^{}]+?)\s*\}|\s*([^\s{}\\]+)")


@dataclass(frozen=True)
class _Macro:
    body: str
    count: int = 0
    default: str | None = None


@dataclass
class Expanded:
    """A paper's text when all is put in, and where each piece of it stood.

    Attributes
    ----------
    text : str
    pieces : list of tuple
        Where a piece begins in ``text``; file, its text, the position there; whether the piece
        stands there letter by letter or came of a command.
    """

    text: str = ""
    pieces: list[tuple[int, str, str, int, bool]] = field(default_factory=list)

    @cached_property
    def _starts(self) -> list[int]:
        return [piece[0] for piece in self.pieces]

    def place(self, at: int) -> tuple[str, int, int]:
        """Return file, line and column of a position."""
        start, file, source, origin, literal = self.pieces[
            max(bisect.bisect_right(self._starts, at) - 1, 0)
        ]
        return (file, *_place(source, origin + (at - start if literal else 0)))


def expand(text: str, file: str) -> Expanded:
    r"""Put in files and carry out commands."""
    work = _Expansion(Path(file).parent)
    work.walk(uncommented(text), (file, text), None, 0)
    chunks = work.chunks or [("", file, text, 0, True)]
    starts = accumulate((len(chunk) for chunk, *_ in chunks), initial=0)
    pieces = [(s, f, t, o, e) for s, (_, f, t, o, e) in zip(starts, chunks, strict=False)]
    return Expanded("".join(chunk for chunk, *_ in chunks), pieces)


def uncommented(text: str) -> str:
    """Blank comments, so that every position stays; a percentage of pandas is none."""
    # pandas writes 25% & 50% without the backslash that TeX needs
    text = re.sub(r"(?<=\d)%(?=\s*(?:&|\\\\))", "％", text)
    return re.sub(r"(?<!\\)((?:\\\\)*)%[^\n]*", lambda m: m[1].ljust(len(m[0])), text)


def group(text: str, at: int, pair: str = "{}") -> tuple[int, int] | None:
    """Return the inside of the group that opens at a position, if it closes."""
    depth, i = 0, at
    while i < len(text):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return at + 1, i
        i += 2 if text[i] == "\\" else 1
    return None


class _Expansion:
    def __init__(self, folder: Path) -> None:
        self.folder, self.size = folder, 0
        self.macros: dict[str, _Macro] = {}
        self.chunks: list[tuple[str, str, str, int, bool]] = []

    def walk(self, text: str, source: tuple[str, str], fixed: int | None, depth: int) -> None:
        """Write a text out; what came of a command stands where the command did (``fixed``)."""
        at = done = 0
        while found := _HEAD.search(text, at):
            place = found.start() if fixed is None else fixed
            if depth > MOST_NESTED or self.size > MOST_CHARACTERS:
                raise _error(source, place, f"{found[0]} never comes to an end")
            name = f"{found['edge']} {found['of']}" if found["edge"] else found["name"]
            if found["new"] or found[0] in {"\\def", "\\let"}:
                self._write(text[done : found.start()], source, done, fixed)
                at = done = self._define(text, found)
            elif found["input"]:
                self._write(text[done : found.start()], source, done, fixed)
                at = done = self._input(text, found, source, place, depth)
            elif name in self.macros:
                self._write(text[done : found.start()], source, done, fixed)
                body, at = _apply(self.macros[name], text, found.end())
                self.walk(body, source, place, depth + 1)
                done = at
            else:
                at = found.end()
        self._write(text[done:], source, done, fixed)

    def _write(self, chunk: str, source: tuple[str, str], at: int, fixed: int | None) -> None:
        if chunk:
            self.size += len(chunk)
            self.chunks.append((chunk, *source, at if fixed is None else fixed, fixed is None))

    def _define(self, text: str, head: re.Match[str]) -> int:
        """Keep a definition that is text with arguments; return where it ends."""
        named = _NAME.match(text, head.end())
        if not named:
            return head.end()
        name, at = (named["a"] or named["b"]).lstrip("\\"), named.end()
        if head[0] == "\\let":
            other = re.compile(rf"=?\s*({_WORD})", re.S).match(text, at)
            if other and other[1][1:] != name:
                self.macros[name] = self.macros.get(other[1][1:], _Macro(other[1]))
            return other.end() if other else at
        count, default = 0, None
        if head[0] == "\\def":
            places = _PLACES.match(text, at)
            if not places:
                return at
            count, at = len(places[1]) // 2, places.end()
        elif found := _COUNT.match(text, at):
            count, at = int(found[1]), found.end()
            if option := _OPTION.match(text, at):
                default, at = option[1], option.end()
        bodies = []
        for _ in range(2 if "environment" in head[0] else 1):
            while text[at : at + 1].isspace():
                at += 1
            inner = group(text, at) if text[at : at + 1] == "{" else None
            if not inner:
                return at
            bodies.append(text[slice(*inner)])
            at = inner[1] + 1
        self._keep(name, bodies, count, default)
        return at

    def _keep(self, name: str, bodies: list[str], count: int, default: str | None) -> None:
        if re.search(r"\\if|\\expandafter|\\csname", "".join(bodies)):
            self.macros.pop(name, None)  # more than text: known, or refused where it is used
        elif len(bodies) == 2:
            self.macros[f"begin {name}"] = _Macro(bodies[0], count, default)
            self.macros[f"end {name}"] = _Macro(bodies[1])
        else:
            self.macros[name] = _Macro(bodies[0], count, default)

    def _input(
        self, text: str, head: re.Match[str], source: tuple[str, str], place: int, depth: int
    ) -> int:
        found = _FILE.match(text, head.end())
        if not found:
            raise _error(source, place, f"{head[0]} names no file")
        name = (found[1] or found[2]).strip('"')
        folders = dict.fromkeys((self.folder, Path(source[0]).parent))
        tries = [f / n for f in folders for n in (name, f"{name}.tex")]
        path = next((p for p in tries if p.is_file()), None)
        if path is None:
            raise _error(source, place, f"{head[0]} names {name!r}, which is not beside this file")
        inner = decode(path.read_bytes(), str(path))
        self.walk(uncommented(inner), (str(path), inner), None, depth + 1)
        return found.end()


def _apply(macro: _Macro, text: str, at: int) -> tuple[str, int]:
    """Return the body of a command with its arguments, and where those end."""
    given = []
    if macro.default is not None:
        option = _OPTION.match(text, at)
        given.append(option[1] if option else macro.default)
        at = option.end() if option else at
    while len(given) < macro.count:
        token = re.compile(rf"\s*(\{{|{_WORD}|\S)", re.S).match(text, at)
        if not token:
            break
        inner = group(text, token.start(1)) if token[1] == "{" else None
        given.append(text[slice(*inner)] if inner else token[1])
        at = inner[1] + 1 if inner else token.end()
    body = re.sub(r"#(\d)", lambda m: (given + [""] * 9)[int(m[1]) - 1], macro.body)
    if macro.count == 0 and re.search(r"\\[A-Za-z@]+$", body):
        body += " "  # TeX ends the name where the body ends
    return body, at


def _error(source: tuple[str, str], at: int, message: str) -> RecordError:
    return RecordError("{}:{}:{}: {}".format(source[0], *_place(source[1], at), message))


@lru_cache(8)
def _lines(text: str) -> list[int]:
    return [0, *(m.end() for m in re.finditer("\n", text))]


def _place(text: str, at: int) -> tuple[int, int]:
    line = bisect.bisect_right(_lines(text), at)
    return line, at - _lines(text)[line - 1] + 1
