"""Nothing of the machine that built it reaches a page."""

from __future__ import annotations

import os

import pytest
from small import build, write, write_book

from bookworks import _secrets
from bookworks._secrets import SecretError, forbidden, held, leaks

SECRET = "planted-5f0c1e-never-to-be-seen"


def test_a_find_names_the_variable_and_not_its_value(tmp_path):
    write(tmp_path, "page.html", f"<p>{SECRET}</p>")
    needles = forbidden(tmp_path, {"MY_TOKEN": SECRET, "LANG": "C.UTF-8", "TOKEN": "short"})
    assert list(leaks(tmp_path, needles)) == ["page.html: holds the value of MY_TOKEN"]
    assert "the value of TOKEN" not in needles and "the value of LANG" not in needles


def test_the_home_of_whoever_builds_is_looked_for(tmp_path):
    assert forbidden(tmp_path, {"HOME": "/root"})["the home folder"] == b"/root/"


@pytest.mark.parametrize(
    "environment",
    [{}, {"HOME": "/"}, {"HOME": "a"}, {"HOME": "/x"}, {"A": "b"}, {"API_KEY": "k"}, {"TOKEN": ""}],
)
def test_what_would_be_found_in_every_text_is_not_looked_for(tmp_path, environment):
    assert set(forbidden(tmp_path, environment)) == {"the folder of the checkout"}


def test_a_value_that_is_no_text_is_looked_for(tmp_path):
    value = b"\xff-no-text-at-all"
    (tmp_path / "a.bin").write_bytes(b"x" + value)
    needles = forbidden(tmp_path, {"MY_TOKEN": os.fsdecode(value)})
    assert list(leaks(tmp_path, needles)) == ["a.bin: holds the value of MY_TOKEN"]


def test_what_a_file_holds_is_found_wherever_it_stands(tmp_path):
    needles = {"it": SECRET.encode(), "a sign": b"a+b-and-more", "none": b"y" * 100}
    for text, found in ((b"", []), (b"x" * 9999 + SECRET.encode(), ["it"]), (b"aab-and-more", [])):
        (tmp_path / "page.html").write_bytes(text)
        assert held(tmp_path / "page.html", needles) == found


def test_a_page_of_sixty_megabytes_is_searched_to_its_end(tmp_path):
    # the worst text for a naive search, which would not end here: all but the last letter fits
    needle = b"a" * 2000 + b"b"
    (tmp_path / "page.html").write_bytes(b"a" * 60_000_000)
    assert held(tmp_path / "page.html", {"it": needle}) == []


def test_a_file_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    path = write(tmp_path, "page.html", "x")

    def refuse(path, needles):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_secrets, "held", refuse)
    (line,) = leaks(tmp_path, {"it": b"x"})
    assert line.startswith(f"{path.name}: cannot be read") and "Permission denied" in line


def test_a_page_that_tells_a_secret_is_not_built(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED_SECRET", SECRET)
    build(write_book(tmp_path))
    write(tmp_path, "index.md", f"# Bread\n\n{SECRET}, {tmp_path}/oven\n")
    with pytest.raises(SecretError) as caught:
        build(tmp_path)
    said = str(caught.value)
    assert "index.html: holds the value of PLANTED_SECRET" in said
    assert "index.html: holds the folder of the checkout" in said
    assert SECRET not in said and str(tmp_path) not in said


@pytest.mark.slow
def test_a_site_tells_neither_secrets_nor_places_nor_names(tea, monkeypatch):
    secret, user, host = "planted-5f0c1e-never-to-be-seen", "planteduser77", "plantedhost77"
    monkeypatch.setenv("TEA_PLANTED_SECRET", secret)
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, user)
    monkeypatch.setenv("HOSTNAME", host)
    for name in (".env", "secret.txt", "static/.secret"):
        tea.write(name, f"TEA_PLANTED_SECRET={secret}\n")
    built = tea.build()
    assert built.result == 0, built.log
    needles = [secret, user, host, str(tea.root), "/home/", "/root/", "/tmp/"]
    assert list(leaks(tea.html, {needle: needle.encode() for needle in needles})) == []
    assert (tea.html / "_sources" / "harvest.md").is_file()  # the downloads were looked at
