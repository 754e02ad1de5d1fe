"""A chapter downloaded from the page: its numbers, outputs, references, and what goes with it."""

from __future__ import annotations

import re
from types import MappingProxyType, SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from sphinx.errors import ConfigError
from tea_book import HEADER, Tea

from bookworks import _downloads
from bookworks._checker import KEY
from bookworks.book import NOTEBOOKS

BREW = """\
(brew)=
# Brewing

% a remark of the author
Of {ref}`harvest` come {glue:text}`harvest.md::sum:d` kg and {glue:text}`brew-cups:.1f` cups,
says {cite:t}`okakura1906`, and others say so {cite}`okakura1906,lu0760`; see {eq}`eq-heat`,
{numref}`fig-cups`, {ref}`this page <brew>`, {func}`~shop.leaves.twice`, {ref}`ex-heat`
and [the harvest](harvest.md), {term}`cups <cup>`.

```{math}
:label: eq-heat
q = c m
```

````{admonition} Mind the *kettle*
:class: note

It is hot.

```{tip}
Wait.
```
````

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-cups
    caption: Cups of {ref}`harvest`.
---
from IPython.display import Image, display
from myst_nb import glue
glue("brew-cups", 2.25, display=False)
Image(data=bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc33"
    "0000000049454e44ae426082"), format="png", metadata={"alt": "a dot"})
```

````{exercise}
:label: ex-heat
How much heat?

```{hint}
Multiply, as in {eq}`eq-heat`.
```
````

```{solution-start} ex-heat
:class: dropdown
```

Multiply.

```{code-cell} ipython3
round(4.2 * 1.5, 2)
```

```{solution-end}
```

```{exercise}
:label: ex-why
Why?
```

```{solution} ex-why
:class: dropdown

Because {eq}`eq-heat` says so.
```

## The end
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Tea:
    tea = Tea(tmp_path_factory.mktemp("tea"))
    tea.edit("_config.yml", "[bookworks]", "[bookworks, sphinx_exercise]")
    repository = "https://github.com/example/tea"
    tea.edit("_config.yml", "TEA_", f"TEA_\n    bookworks_repository: {repository}.git/")
    tea.edit("_config.yml", "bookworks_prefix", "bookworks_packages: [shop]\n    bookworks_prefix")
    tea.edit("_config.yml", "title: Tea", "title: Tea\nrepository: {branch: main}")
    tea.write("pyproject.toml", '[project]\nname = "tea-house"\nversion = "1.2.0"\n')
    tea.write("requirements.lock", "numpy==2.4.6\n")
    tea.write("lib/shop/__init__.py", "")
    tea.edit("_toc.yml", "taste", "brew")
    (tea.root / "taste.md").unlink()
    tea.write("brew.md", HEADER + BREW.replace("{term}`cups <cup>`", "cups"))
    done = tea.build(strict=False)
    assert done.result == 0, done.log
    return tea


def _notebook(tea: Tea, name: str) -> nbformat.NotebookNode:
    notebook = nbformat.read(tea.html / NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def _text(notebook: nbformat.NotebookNode) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def test_the_text_has_its_numbers_and_its_references(built):
    text = _text(_notebook(built, "brew"))
    assert (
        "Of *Harvest* come 14 kg and 2.2 cups,\n"
        "says Okakura [1906], and others say so [Okakura, 1906; Lu, 760]; see (1),\n"
        "Fig. 1, this page, `shop.leaves.twice`, Exercise 1\nand the harvest, cups."
    ) in text
    assert "$$\nq = c m \\tag{1}\n$$" in text
    assert "> **Mind the *kettle***\n>\n> It is hot.\n>\n> > **Tip**\n> >\n> > Wait." in text
    assert "**Fig. 1.** Cups of *Harvest*." in text
    assert "> **Exercise 1**\n>\n> How much heat?\n>\n> > **Hint**\n" in text
    assert "remark" not in text and not re.search(r"\{[\w:-]+\}`|^[`:]{3,}\{|⟨|\)=$", text, re.M)


def test_the_cells_are_the_chapter_s_with_their_outputs(built):
    notebook = _notebook(built, "brew")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    sources = re.findall(r"```\{code-cell\} ipython3\n(?:---.*?---\n)?(.*?)\n```", BREW, re.S)
    assert [cell.source for cell in code[2:]] == sources
    kinds = [set(output.data) for cell in code[2:] for output in cell.outputs]
    assert kinds == [{"image/png", "text/plain"}, {"text/plain"}], "and nothing that was glued"


def test_solutions_are_marked_with_number_and_hint(built):
    marked = [cell for cell in _notebook(built, "brew").cells if KEY in cell.metadata]
    about = [(c.cell_type, c.metadata[KEY]["solution"], c.metadata[KEY]["name"]) for c in marked]
    heat, why = ("ex-heat", "Exercise 1"), ("ex-why", "Exercise 2")
    assert about == [
        *(("markdown", *heat), ("markdown", *heat), ("code", *heat)),
        *(("markdown", *why), ("markdown", *why)),
    ]
    assert marked[0].metadata[KEY]["hint"] == "Multiply, as in (1)."
    assert [c.source for c in marked[3:]] == [
        "**Solution** of Exercise 2.",
        "Because (1) says so.",
    ]


def test_the_first_cells_say_where_the_rest_is_and_make_the_notebook_run(built):
    first, install, fallback = _notebook(built, "brew").cells[:3]
    assert "A chapter of *Tea*" in first.source and "`brew.md`" in first.source
    assert "https://github.com/example/tea>" in first.source
    assert 'find_spec("shop") is None' in install.source
    place = "https://github.com/example/tea/raw/notebooks/tea_house-1.2.0-py3-none-any.whl"
    assert f"%pip install --quiet {place}" in install.source
    assert (built.html / NOTEBOOKS / place.rpartition("/")[2]).is_file()
    compile(TransformerManager().transform_cell(install.source), "install", "exec")
    spoiled = fallback.source.replace('"myst_nb"', '"no_such_package"')
    names: dict = {}
    exec(spoiled + "\nfrom no_such_package import glue\nglue('a', 1, display=False)", names)
    assert names["glue"]("a", 1) is None


def test_buttons_lead_to_what_is_there(built):
    page = built.page("brew")
    for name in ("brew.ipynb", "tea_house-1.2.0-py3-none-any.whl"):
        assert f'href="{NOTEBOOKS}/{name}"' in page
    found = dict(re.findall(r'href="(https://(mybinder|colab)[^"]*)"', page))
    addresses = {name: urlsplit(address) for address, name in found.items()}
    assert addresses["mybinder"].path == "/v2/gh/example/tea/main"
    opened = parse_qs(addresses["mybinder"].query)["urlpath"][0]
    assert (built.root / opened.removeprefix("lab/tree/")).is_file()
    branch = "/github/example/tea/blob/notebooks/"
    name = unquote(addresses["colab"].path).removeprefix(branch)
    assert (built.html / NOTEBOOKS / name).is_file()
    assert "ipynb" not in built.page("intro"), "a page without code has no notebook"


def test_a_chapter_that_goes_takes_its_notebook_along_and_equal_ones_stay(built):
    kept = built.html / NOTEBOOKS / "harvest.ipynb"
    before = kept.stat().st_mtime_ns, kept.read_bytes()
    built.edit("_toc.yml", "  - file: brew\n", "")
    assert built.build(strict=False).result == 0
    assert (kept.stat().st_mtime_ns, kept.read_bytes()) == before
    assert [p.name for p in kept.parent.rglob("*.ipynb")] == ["harvest.ipynb"]


# -- without a build ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["github.com/a/b", "https://example.org/a/b", "https://github.com/a"]
)
def test_an_address_that_no_launcher_knows_is_refused(address):
    with pytest.raises(ConfigError, match="leave it empty"):
        _downloads.repository(SimpleNamespace(bookworks_repository=address))


def test_without_an_address_there_are_no_launchers():
    settings = SimpleNamespace(
        bookworks_repository="", html_theme_options={}, bookworks_notebooks_branch="notebooks"
    )
    assert _downloads.launchers(settings, "page", "page.md") == []


class Unknown:
    """An environment that knows nothing: what is not known keeps its name."""

    domaindata = MappingProxyType(
        {"std": {"anonlabels": {}, "labels": {}}, "math": {"objects": {}}}
    )
    toc_fignumbers = titles = MappingProxyType({})
    mystnb_config = SimpleNamespace(output_folder="nowhere")
    relfn2path = staticmethod(lambda name, _: (name, name))
    path2doc = staticmethod(lambda name: name)


@pytest.mark.parametrize(
    ("myst", "markdown"),
    [
        ("{glue:text}`page.md::key:.3f`", "⟨key⟩"),
        ("{ref}`nowhere` {cite:t}`nobody` {eq}`none`", "*nowhere* nobody (none)"),
        ("{numref}`Figure %s <fig-x>`", "*fig-x*"),
        (":::{note} One\ntwo\n:::", "> **Note**\n>\n> One\n>\n> two"),
        ("```{toctree}\n```", "> **Toctree**\n>"),
        ("::::{grid} 1 2\n:::{grid-item-card} A\nb\n:::\n::::", "> **A**\n>\n> b"),
        ("```python\n{x}\n```", "```python\n{x}\n```"),
        ("![alt](pic.png) [a](https://a.b)", "![alt](pic.png) [a](https://a.b)"),
        ("$E[y](t)$ and\n$$\nx\n$$ (eq-x)", "$E[y](t)$ and\n$$\nx\n\\tag{eq-x}\n$$"),
        ("{sub}`2` {math}`x`", "2 $x$"),
    ],
)
def test_what_is_not_known_keeps_its_name(myst, markdown):
    assert _downloads.Plain(Unknown(), "page")(myst).strip() == markdown
