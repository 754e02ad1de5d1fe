"""Say which exercises pass: ``python check.py [CHAPTER ...]``, beside the students' notebooks.

The file is copied there, so it needs nothing of the book: only what comes with Jupyter.

What counts is the quantity asked for, the value of an answer's last line (or what it printed).
A number passes within half a unit of the last digit that the book shows.  Several numbers pass
in any container: under the names that the book gives them, or else in its order.  True and
False are no numbers.  How a value was reached is not looked at.

What an exercise lets a student choose has a name that begins with ``my_`` (``my_seed = 7``).
Such an exercise has no stored answer: its solution runs again with the student's own values.

The answers beside the notebooks are encoded so that nobody reads one by accident.  That is no
lock: whoever wants to decode them can.
"""

from __future__ import annotations

import ast
import base64
import dataclasses
import json
import re
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from html.parser import HTMLParser
from numbers import Integral, Real
from pathlib import Path
from typing import Any

PASS, FAIL, PERSON = "pass", "fail", "read by a person"
#: Where a cell says whose answer it is.
KEY = "bookworks"

#: What stands in one place, the names around it and its print.
Part = tuple[tuple[str, ...], str]
#: Whether a cell of a table is a name, and its text.
Cell = tuple[bool, str]
#: The ways in which a value can be read, by rows, by columns, with a first column of names.
Answer = list[list[Part]]

#: A whole answer's percents are shares, or plain numbers (with a sign, where the book has none).
PERCENT = (False, True)
#: After which a cell is interrupted.
SECONDS = 600
_MARK = "bookworks-answer:"
_MOST = 2000
# a sign within "0.04-0.34" is a hyphen, and the digits of "x2" are a name's
_PRINT = (
    r"(?<![A-Za-z0-9_])[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+|(?=\.\d))(?:\.\d*)?"
    r"(?:[eE][-+]?\d{1,3}(?!\d))?(?:\s?%)?"
)
_NUMBER = re.compile(_PRINT)
_ONLY = re.compile(rf"[\[(]*{_PRINT}\**(?:\s*(?:,|;|\bto\b|±|\s)\s*[\[(]*{_PRINT}\**[\])]*)*[\])]*")


# -- reading values and prints -----------------------------------------------------------


def read(value: object) -> Answer:
    """Return what a value holds: numbers, texts and the names around them."""
    if hasattr(value, "itertuples"):
        return _read_frame(value)
    if not hasattr(value, "__array__") and hasattr(value, "_repr_html_"):
        return _read_html(value._repr_html_())
    parts = [part for part, _ in zip(_parts(value), range(_MOST), strict=False)]
    return [parts] if parts else []


def _read_frame(frame: Any) -> Answer:
    rows = [
        [(True, " ".join(_names(label)))] + [(False, _print(value)) for value in row]
        for label, *row in frame.itertuples(name=None)
    ]
    heads = [" ".join(_names(head)) for head in frame.columns]
    bare = [row[1:] for row in rows[:_MOST]]  # where the first column has what the book names
    return _table(["", *heads], rows[:_MOST]) + _table(heads, bare)


def _names(label: object) -> tuple[str, ...]:
    return tuple(map(str, label)) if isinstance(label, tuple) else (str(label),)


def _print(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    return str(value) if isinstance(value, Integral) else repr(float(value))


def _parts(value: Any, names: tuple[str, ...] = ()) -> Iterator[Part]:
    if value is None:
        return
    if isinstance(value, complex) and not value.imag:
        value = value.real
    if isinstance(value, str | Real | Decimal) or type(value).__name__ == "bool_":
        yield names, _print(value)
    elif hasattr(value, "items"):
        for name, item in value.items():
            yield from _parts(item, (*names, *_names(name)))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _parts(getattr(value, field.name), (*names, field.name))
    elif hasattr(value, "__array__"):
        yield from _parts(value.__array__().tolist(), names)
    elif isinstance(value, Iterable):
        for item in value:
            yield from _parts(item, names)
    elif numbers(str(value)):  # an interval, a number of another library
        yield names, str(value)


def shown(outputs: Iterable[Mapping[str, Any]], printed: bool = False) -> Answer:
    """Return what the outputs of a cell (as nbformat has them) show last: a table, a value.

    For ``printed`` a student's outputs also count together, and where there is no value the
    numbers of what was printed, or of its last line.
    """
    found: Answer = []
    every: list[Part] = []
    text = ""
    for output in outputs:
        data = output.get("data", {})
        html, plain = data.get("text/html", ""), data.get("text/plain", "")
        said = data.get("text/markdown") or data.get("text/latex") or re.sub("<[^>]*>", " ", html)
        one: Answer = []
        if "<table" in html:
            one = _read_html(html)
        elif said and plain.startswith("<IPython"):
            one = [[((), said)]]
        elif plain and not any(str(kind).startswith("image") for kind in data):
            one = _read_plain(plain)
        found = one or found
        every += one[0] if one else []
        text += output.get("text", "") if output.get("name") != "stderr" else ""
    if found or not printed:
        return [*found, every] if printed else found
    lines = (text, text.rstrip().rpartition("\n")[2])
    return [[((), one) for one in _NUMBER.findall(t)] for t in lines if _NUMBER.search(t)]


def _read_plain(text: str) -> Answer:
    if re.search(r"\bdtype: \w+$", text):  # a series: names, two blanks, value
        lines = [line for line in text.splitlines() if "dtype: " not in line]
        split = [found for line in lines if len(found := re.split(r"\s{2,}", line.strip())) > 1]
        width = max(map(len, split), default=0)
        whole: list[list[str]] = []
        for row in split:  # the outer name stands in the first of its rows only
            whole.append([*(whole[-1] if whole else [""] * width)[: width - len(row)], *row])
        return _table([""] * width, [[(True, n) for n in row] + [(False, v)] for *row, v in whole])
    bare = re.sub(r"np\.(True|False)_", r"\1", text)
    bare = re.sub(r"np\.\w+\(([^()]*)\)|Decimal\('(.*?)'\)", r"\1\2", bare)
    try:
        return read(ast.literal_eval(bare))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return [[((), text)]] if numbers(text) else []


class _Tables(HTMLParser):
    """Collects the rows of tables: of each cell whether it is a name, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[list[Cell]] = []
        self.rows: list[list[Cell]] = []
        self.text, self.span, self.head = "", 1, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("thead", "tbody"):
            self.head = tag == "thead"
        elif tag == "tr":
            (self.heads if self.head else self.rows).append([])
        elif tag in ("td", "th"):
            self.text, self.span = "", int(dict(attrs).get("colspan") or 1)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        rows = self.heads if self.head else self.rows
        if tag in ("td", "th") and rows:
            rows[-1].extend([(tag == "th", self.text.strip())] * self.span)


def _read_html(text: str) -> Answer:
    parser = _Tables()
    parser.feed(text)
    width = max(map(len, parser.heads + parser.rows), default=0)
    heads = [[(True, "")] * (width - len(row)) + row for row in parser.heads]
    rows: list[list[Cell]] = []
    for row in parser.rows:  # a name that spans rows stands in the first of them
        before = rows[-1] if rows else [(True, "")] * width
        rows.append(before[: width - len(row)] + row)
    joined = [" ".join(t for _, t in column if t) for column in zip(*heads, strict=True)]
    return _table(joined or [""] * width, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Answer:
    """Return the readings of a table; texts of a row are names of its numbers."""
    lines = []
    for row in rows:
        names = tuple(text for name, text in row if text and (name or not numbers(text)))
        cells = zip(heads, row, strict=True)
        lines.append(
            (names, [(h, text) for h, (name, text) in cells if not name and numbers(text)])
        )
    if not any(found for _, found in lines):
        words = [((row[0][1],) * row[0][0], t) for row in rows for name, t in row if not name]
        texts = [[text for name, text in row if not name] for row in rows]
        named: list[Part] = [((name,), text) for name, *more in texts if name for text in more]
        return [one for one in (named, words) if one]
    readings = [[((*names, head), text) for names, found in lines for head, text in found]]
    labels = {found[0][1] for _, found in lines if len(found) > 1}
    if len(labels) == len(rows) > 1 and not any(names for names, _ in lines):
        readings.append([((f[0][1], head), text) for _, f in lines for head, text in f[1:]])
    by_column = [sorted(r, key=lambda part: heads.index(part[0][-1])) for r in readings]
    return readings + by_column


def numbers(text: str) -> list[Decimal]:
    """Return the numbers of a text that holds nothing else, percents as shares.

    >>> numbers("12.3%"), numbers("[0.1, 0.25]"), numbers("2013-2022")
    ([Decimal('0.123')], [Decimal('0.1'), Decimal('0.25')], [])
    """
    if not _ONLY.fullmatch(text.strip()) or re.fullmatch(r"\(\d+\)", text.strip()):
        return []
    found = []
    for shown_as in _NUMBER.findall(text):
        number = Decimal(shown_as.replace(",", "").replace("−", "-").rstrip("% "))
        found.append(number.scaleb(-2) if shown_as.endswith("%") else number)
    return found


# -- comparing ---------------------------------------------------------------------------


def same(expected: Answer, given: Answer) -> bool:
    """Tell whether an answer holds the quantities that the book shows."""
    return any(_agree(e, g) for e in expected for g in given)


def _agree(expected: list[Part], given: list[Part]) -> bool:
    wanted, found = _numbers(expected), _numbers(given)
    if wanted:
        return any(_under_names(wanted, found, percent) for percent in PERCENT)
    said = _words(given)
    if not any(names for names, _ in expected):
        return sorted(said) == sorted(_words(expected))
    one, other = (sorted(_words([p], named=True) for p in parts) for parts in (expected, given))
    if [names for *names, _ in one] == [names for *names, _ in other]:
        return one == other
    return said in (_words(expected), _words(expected, named=True))


def _words(parts: Iterable[Part], named: bool = False) -> list[str]:
    texts = [text for names, text in parts for text in ((*names, text) if named else (text,))]
    return [" ".join(text.casefold().split()) for text in texts if text]


#: The names around a number, the number, and the print in which it stands.
Found = list[tuple[frozenset[str], Decimal, str]]


def _numbers(parts: Iterable[Part]) -> Found:
    found: Found = []
    before = ""
    for names, text in parts:
        said = numbers(text)
        before = before if said else text  # ("green", 1.5) in a list: a text is a name
        around = {" ".join(re.findall(r"\w+", name.casefold())) for name in (*names, before)}
        found += [(frozenset(around - {""}), number, text) for number in said]
    return found


def _in_order(wanted: Found, found: Found, percent: bool) -> bool:
    """Tell whether numbers agree one by one; ``percent`` is where signs are left out or added."""
    signs = [("%" in w[2]) - ("%" in f[2]) for w, f in zip(wanted, found, strict=False)]
    return len(wanted) == len(found) and all(
        _close(w[1], f[1], w[2], 100.0 ** (sign * percent))
        for w, f, sign in zip(wanted, found, signs, strict=True)
    )


def _under_names(wanted: Found, found: Found, percent: bool) -> bool:
    """Tell whether numbers agree under the names of the book, or in its order if it has others."""
    common = frozenset.intersection(*(names for names, _, _ in wanted))
    groups: dict[frozenset[str], Found] = defaultdict(list)
    for one in wanted:
        groups[one[0] - common].append(one)
    pairs = [(g, [one for one in found if names <= one[0]]) for names, g in groups.items()]
    if frozenset() in groups or any(len(group) != len(named) for group, named in pairs):
        return _in_order(wanted, found, percent)
    return all(_in_order(group, named, percent) for group, named in pairs)


def _close(printed: Decimal, number: Decimal, shown_as: str = "", scale: float = 1) -> bool:
    """Tell whether a number lies within half a unit of the last digit of a print.

    Ends of intervals are printed rounded outwards: less than a unit off.
    """
    near = (0.999 if "[" in shown_as else 0.5) * float(f"1e{printed.as_tuple().exponent}")
    allowed = max(near * (1 + 1e-6), 1e-6 * abs(float(printed)))
    return abs(float(number) / scale - float(printed)) <= allowed


def kind(answer: Answer) -> str:
    """Say in words what kind of value an answer is, without saying which.

    >>> kind([[(("low",), "0.12"), (("high",), "0.345")]])
    "2 numbers with up to 3 decimals: 'low', 'high'"
    """
    parts = answer[0] if answer else []
    found = _numbers(parts)
    count = len(found) or len(parts)
    if not found:
        return f"{count or 'no'} text{'s' * (count != 1)}"
    decimals = max(-int(number.as_tuple().exponent) for _, number, _ in found)
    digits = f" with up to {decimals} decimals" if decimals > 0 else ""
    percent = " (percents as shares)" if any("%" in text for *_, text in found) else ""
    if count == 1:
        return "a number" + digits + percent
    names = [names for names, text in parts if numbers(text)]
    columns, rows = (list(dict.fromkeys(n[i] for n in names if n)) for i in (-1, 0))
    told = ", ".join(map(repr, (columns if len(columns) > 1 else rows)[:8]))
    return f"{count} numbers{digits}{percent}{': ' * bool(told)}{told}"


def judge(expected: Answer, given: Answer) -> str:
    """Return nothing for a right answer, or what is wrong with it, without the answer."""
    spoken = [(n, one) for n, text in (given or [[]])[0] for one in _NUMBER.findall(text)]
    if spoken and not _numbers(given[0]) and _numbers(expected[0]):
        given = [spoken]  # a sentence
    if same(expected, given):
        return ""
    asked = f"asked for is {kind(expected)}"
    if not given:
        return f"no value in the last line; {asked}"
    wanted = [_numbers(reading) for reading in expected]
    found = _numbers(given[0])
    if not wanted[0]:
        return f"not this one; {asked}"
    if not found:
        boolean = any(text in ("True", "False") for _, text in given[0])
        return f"{'True or False says no quantity' if boolean else 'no number'}; {asked}"
    fitting = [w for w in wanted if len(w) == len(found)]
    if not fitting:
        return f"{kind(given)}; {asked}"
    for w in fitting:
        pairs = list(zip(w, found, strict=True))
        if all(_close(g[1], e[1]) for e, g in pairs):
            return f"right as far as it goes, but rounded too far; {asked}"
        scales = (100, Decimal("0.01"))
        if any(all(_close(e[1], g[1] * s, e[2]) for e, g in pairs) for s in scales):
            return f"off by a factor of 100, as a share is from percent; {asked}"
        right = max(sum(_in_order([e], [g], p) for e, g in pairs) for p in PERCENT)
        if 0 < right < len(pairs):
            return f"{right} of {len(pairs)} numbers are right, in the book's order"
    return f"the right kind of value, but not this one; {asked}"


# -- the answers' file -------------------------------------------------------------------


def encode(answer: Answer | str) -> str:
    """Return an answer, or a solution, in a form that the eye does not read."""
    return base64.b85encode(zlib.compress(json.dumps(answer).encode(), 9)).decode()


def decode(text: str) -> Any:
    """Return what :func:`encode` was given."""
    return json.loads(zlib.decompress(base64.b85decode(text)))


# -- running -----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Mark:
    """The verdict on one exercise: *pass*, *fail* or *read by a person*, and why."""

    exercise: str
    verdict: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.verdict:16}  {self.exercise}" + f": {self.reason}" * bool(self.reason)


def record(label: str, value: object) -> None:
    """Print a value where :func:`mark` finds it; runs in the student's kernel."""
    print(_MARK + json.dumps([label, read(value)]))


def choices(source: str) -> dict[str, str]:
    """Return the names that a student may set in a solution, with the lines that set them.

    >>> choices("my_seed = 7")
    {'my_seed': 'my_seed = 7'}
    """
    lines = source.splitlines()
    try:
        found = [node for node in ast.parse(source).body if _choice(node)]
    except SyntaxError:  # a magic of IPython, or a slip that the kernel will tell
        return {}
    return {_choice(node): "\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in found}


def _choice(node: ast.stmt) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) and target.id.startswith("my_") else ""


def again(source: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Any:
    """Return what a solution comes to with the student's values; runs in the student's kernel.

    Its lines of :func:`choices` are passed over: those values are taken from ``now``, the names
    after the student's cell, and all others from those ``before``.
    """
    space = {**before, **{name: now[name] for name in choices(source)}}
    *body, last = [node for node in ast.parse(source).body if not _choice(node)]
    exec(compile(ast.Module(body, []), "<solution>", "exec"), space)
    return eval(compile(ast.unparse(last), "<solution>", "eval"), space)


def mark(asked: Mapping[str, Mapping[str, str]], notebook: Any, folder: Path) -> list[Mark]:
    """Execute a student's notebook in place and hold its answers against the book's.

    ``asked`` has of each exercise, by label, its ``name`` and, where there is one, ``answer``,
    ``hint``, and ``solution`` where the answer depends on what the student chose.  A cell that
    fails is passed over.  ``folder`` is where the notebook and this file stand.
    """
    # of copies (a cell that was split) the one that was begun
    cells = sorted(notebook.cells, key=lambda cell: begun(cell.source))
    own = {c.metadata.get(KEY, {}).get("exercise"): c for c in cells if c.cell_type == "code"}
    started = {label: own[label] for label in asked if label in own and begun(own[label].source)}
    given, due = _run(notebook, started, asked, folder) if started else ({}, {})
    return [_mark(label, task, own, started, given, due) for label, task in asked.items()]


def _mark(
    label: str, task: Mapping[str, str], own: Any, started: Any, given: Any, due: Any
) -> Mark:
    if "answer" not in task:
        return Mark(task["name"], PERSON)
    if label not in own:
        return Mark(task["name"], FAIL, "its cell is gone: write the notebooks again")
    expected = decode(task["answer"])
    if label not in started:
        return Mark(task["name"], FAIL, f"no answer yet; asked for is {kind(expected)}")
    errors = [o for o in started[label].outputs if o.output_type == "error"]
    if label in due:
        failed = [o for o in due[label].outputs if o.output_type == "error"]
        if failed and not errors:
            names = ", ".join(choices(decode(task["solution"])))
            told = f"{failed[0].ename}: {failed[0].evalue}"
            return Mark(task["name"], FAIL, f"the book has no answer for your {names} ({told})")
        expected = shown(due[label].outputs) or expected
    wrong = judge(expected, given.get(label, []) + shown(started[label].outputs, printed=True))
    if wrong and errors:
        wrong = f"the cell ends in {errors[0].ename}: {errors[0].evalue}"
    hint = f" (Hint: {task['hint']})" if "hint" in task else ""
    return Mark(task["name"], FAIL, wrong + hint) if wrong else Mark(task["name"], PASS)


def begun(source: str) -> bool:
    """Tell whether a cell holds more than remarks and what the student may choose."""
    for given in choices(source).values():
        source = source.replace(given, "")
    return any(line.strip() and not line.strip().startswith("#") for line in source.splitlines())


def _run(
    notebook: Any, started: Mapping[str, Any], asked: Any, folder: Path
) -> tuple[dict[str, Answer], dict[str, Any]]:
    """Return what was answered, and the cells in which a solution ran with the student's values."""
    import nbformat

    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"student-{number}"  # old notebooks have none, and copies the same
    labels = {cell["id"]: label for label, cell in started.items()}
    load, check = f"__import__('sys').path.insert(0, {str(folder)!r}); ", "__import__('check')"
    cells, due = [], {}
    for cell in notebook.cells:
        label = labels.get(cell["id"], "")
        varies = label and "solution" in asked[label]
        if varies:
            cells.append(nbformat.v4.new_code_cell(f"{load}{check}.BEFORE = dict(globals())"))
        cells.append(cell)
        if label:
            cell.source = cell.source.rstrip("; \n")  # which would hide the value
            source = f"{load}{check}.record({label!r}, Out.get(len(In) - 2))"
            cells.append(nbformat.v4.new_code_cell(source))
        if varies:
            source = decode(asked[label]["solution"])
            due[label] = nbformat.v4.new_code_cell(
                f"{check}.again({source!r}, {check}.BEFORE, globals())"
            )
            cells.append(due[label])
    _execute(cells, folder)
    printed = [o.get("text", "") for c in cells for o in c.get("outputs", ())]
    lines = [line for text in printed for line in text.splitlines() if line.startswith(_MARK)]
    return dict(json.loads(line.removeprefix(_MARK)) for line in lines), due


def _execute(cells: Sequence[Any], folder: Path) -> None:
    """Execute cells in place; where one ends the kernel, it and those that follow say so."""
    import nbformat
    from nbclient import NotebookClient

    running: list[Any] = []
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=cells),  # for this Jupyter's kernel, whatever was the last
        timeout=SECONDS,
        interrupt_on_timeout=True,
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=lambda cell, cell_index: running.append(cell["id"]),
    )
    try:
        client.execute()
    except (RuntimeError, AssertionError):  # the kernel died, after which nbclient may trip
        if not running:
            raise
        told = {running[-1]: "it ended the kernel"}
        for cell in (cell for cell in cells if cell["id"] not in running[:-1]):
            why = told.get(cell["id"], "not run: a cell above ended the kernel")
            cell.outputs = [nbformat.v4.new_output("error", ename="DeadKernel", evalue=why)]


def check(folder: Path, chapters: Sequence[str] = ()) -> int:
    """Print the marks of a folder's notebooks; return 1 where one fails, 2 where one is missing."""
    counts, problem = dict.fromkeys((PASS, FAIL, PERSON), 0), 0
    try:
        asked = json.loads((folder / "answers.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        return _tell(error)
    for name in [Path(name).stem for name in chapters] or asked:
        try:
            if name not in asked:
                raise ValueError(f"no chapter {name!r}: there are {', '.join(asked)}")
            import nbformat

            print(name)
            notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
            for one in mark(asked[name], notebook, folder.resolve()):
                counts[one.verdict] += 1
                print(f"  {one}")
        except Exception as error:  # whatever it holds, the next chapter is checked
            problem = _tell(error)
    print(", ".join(f"{number} {word}" for word, number in counts.items()))
    return problem or int(counts[FAIL] > 0)


def _tell(error: Exception) -> int:
    words = " ".join((str(error) or type(error).__name__).split())[:300]
    print(f"check: {words} (write the notebooks again, or name other chapters)", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(check(Path(__file__).parent, sys.argv[1:]))
