"""Every chapter downloads as a notebook and opens on Binder and Colab."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import ftz_launch
import jupytext
import nbformat
import pytest
import yaml
from sphinx.errors import ConfigError

from conftest import ROOT, code_chapters


def _code(chapter: Path) -> list[str]:
    cells = jupytext.read(chapter, fmt="md:myst").cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def _settings(repository: str) -> SimpleNamespace:
    return SimpleNamespace(
        ftz_repository=repository,
        ftz_branch="main",
        ftz_notebooks_branch="notebooks",
        html_title="A book",
        project="",
    )


class Builder(SimpleNamespace):
    """As much of Sphinx as the downloads need: the checkout, or another folder, as a book."""

    def __init__(self, source: Path, out: Path, repository: str = "") -> None:
        pages = {
            path.relative_to(source).with_suffix("").as_posix(): path
            for folder in ("book", "notebooks")
            for path in (source / folder).glob("**/*.md")
        }
        env = SimpleNamespace(found_docs=set(pages), doc2path=lambda name: str(pages[name]))
        super().__init__(
            env=env,
            srcdir=str(source),
            outdir=str(out),
            builder=SimpleNamespace(format="html"),
            config=_settings(repository),
        )


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    """Write the notebooks of all chapters, as the build does; return their folder."""
    out = tmp_path_factory.mktemp("html")
    ftz_launch.write_notebooks(Builder(ROOT, out, "https://github.com/example/ftz"), None)
    return out / ftz_launch.FOLDER


@pytest.mark.parametrize("chapter", code_chapters(), ids=lambda path: path.stem)
def test_a_download_holds_the_chapter_s_cells(downloads, chapter):
    docname = chapter.relative_to(ROOT).with_suffix("").as_posix()
    notebook = nbformat.read(downloads / ftz_launch.notebook_name(docname), as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert "find_spec" in code[0].source, "first the cell that installs where it must"
    assert [cell.source for cell in code[1:]] == _code(chapter)
    assert not any(cell.outputs for cell in code)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert chapter.name in text and "make book" in text
    assert "{glue:" not in text and "{solution" not in text and "```{" not in text


def test_without_a_repository_nothing_is_launched_and_nothing_installed(tmp_path):
    app = Builder(ROOT, tmp_path)
    assert ftz_launch.targets(app.config, "notebooks/audit", "notebooks/audit.md") == {}
    notebook = ftz_launch.notebook(app, ROOT / "notebooks" / "audit.md")
    assert "find_spec" not in "".join(cell.source for cell in notebook.cells)


def test_every_launch_target_exists(downloads):
    settings = _settings("https://github.com/example/ftz.git/")
    for chapter in code_chapters():
        file = chapter.relative_to(ROOT).as_posix()
        found = ftz_launch.targets(settings, file.removesuffix(".md"), file)
        assert set(found) == {"Binder", "Colab"}

        binder = urlsplit(found["Binder"])
        assert binder.path == "/v2/gh/example/ftz/main"
        opened = parse_qs(binder.query)["urlpath"][0]
        assert opened.startswith("lab/tree/")
        assert (ROOT / opened.removeprefix("lab/tree/")).is_file()

        owner, name, blob, branch, path = urlsplit(found["Colab"]).path.split("/", 6)[2:7]
        assert (owner, name, blob, branch) == ("example", "ftz", "blob", "notebooks")
        assert (downloads / path).is_file(), "the branch holds what the build writes"


def test_binder_finds_its_environment():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    for line in pip:
        assert (ROOT / line.removeprefix("-r ")).is_file()
    python = next(d for d in environment["dependencies"] if str(d).startswith("python="))
    assert python == "python=3.11"
    # beside it, or Binder would not run it; and no folder that would hide both
    script = ROOT / "postBuild"
    assert script.stat().st_mode & 0o111
    assert "pip install --no-deps" in script.read_text(encoding="utf-8")
    assert not (ROOT / ".binder").exists() and not (ROOT / "binder").exists()


@pytest.mark.parametrize(
    "address", ["github.com/a/b", "https://example.org/a/b", "https://github.com/a"]
)
def test_an_address_that_no_launcher_knows_is_refused(address):
    with pytest.raises(ConfigError, match="leave it empty"):
        ftz_launch.repository(_settings(address))


@pytest.mark.slow
def test_a_downloaded_notebook_runs(downloads, tmp_path):
    from nbclient import NotebookClient

    notebook = nbformat.read(downloads / "linkage-and-spillovers.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert any(cell.get("outputs") for cell in notebook.cells)
