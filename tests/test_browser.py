"""The built book in a browser: readable by everyone, on a phone, on paper, and offline."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from bookworks._accessible import pages
from browser import opened, page_of, served, set_theme, settle, thin_out, violations
from conftest import ROOT, chapters

#: Pages that no chapter writes, but Sphinx.
OTHERS = ("genindex", "search", "py-modindex")

#: A query and the page that answers it.
SUBJECTS = {
    "cite": "book/intro",
    "licence": "book/intro",
    "保定": "book/cities",
    "石家庄": "book/cities",
    "0.191": "notebooks/difference-in-differences",
    "自贸区": "book/why-free-trade-zones",
    "weights": "notebooks/hqd-index",
    "权重": "notebooks/hqd-index",
    "effect": "notebooks/difference-in-differences",
    "效应": "notebooks/difference-in-differences",
    "可信": "notebooks/audit",
    "my data": "book/own-panel",
    "引用": "book/zh/index",
    "which weights does the index use": "notebooks/hqd-index",
    "what does the book say about Baoding": "book/cities",
    "how do I run it on my data": "book/own-panel",
    "是否可信": "notebooks/audit",
    "如何引用": "book/zh/index",
    "自贸试验区": "book/why-free-trade-zones",
    "自由贸易试验区": "book/why-free-trade-zones",
    "高质量发展": "notebooks/hqd-index",
    "倾向得分匹配": "notebooks/propensity-score-matching",
    "双重差分": "notebooks/difference-in-differences",
    "新质生产力": "book/new-quality-productive-forces",
}

PHONE = 360
LANDING_LIMIT = 1_000_000


# -- one browser for all pages ------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """Open chromium once."""
    with opened() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(html):
    """Serve the built book."""
    with served(html) as address:
        yield address


@pytest.fixture(scope="module")
def desktop(browser):
    """Open one page at the width of a desk."""
    with page_of(browser) as page:
        yield page


#: Pages that stand for their kinds in every run; the nightly tests look at all.
SAMPLE = (chapters()[0], "book/glossary", "notebooks/difference-in-differences", "search")
#: Stands for the first of the pages with source code: one template has written them all.
SOURCE = "code/"


def every_page() -> list[object]:
    """Return the chapters, Sphinx's own pages, and one page of source code."""
    stages = {True: pytest.mark.slow, False: pytest.mark.nightly}
    names = [*chapters(), *OTHERS, SOURCE]
    return [pytest.param(name, marks=stages[name in SAMPLE], id=name) for name in names]


@pytest.mark.parametrize("name", every_page())
def test_a_page_fits_a_phone_asks_no_other_host_and_is_open_to_everyone(browser, site, html, name):
    if name == SOURCE:
        name = min(
            p.relative_to(html).with_suffix("").as_posix() for p in html.rglob("code/**/*.html")
        )
    if not (html / f"{name}.html").is_file():
        pytest.skip("this book has no such page")
    asked, failed = [], []
    with page_of(browser, width=PHONE, height=740) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("requestfailed", lambda request: failed.append(f"{request.url}: {request.failure}"))
        page.on("response", lambda r: failed.append(f"{r.status} {r.url}") if not r.ok else None)
        page.goto(f"{site}{name}.html")
        settle(page)
        # before axe-core, which asks for style sheets where they are not
        assert failed == []
        assert [url for url in asked if not url.startswith((site, "data:", "blob:"))] == []
        width = page.evaluate("document.scrollingElement.scrollWidth")
        assert width <= PHONE, page.evaluate(_WIDEST, PHONE)
        page.set_viewport_size({"width": 1280, "height": 900})
        thin_out(page)
        set_theme(page, "light")
        found = [f"light: {line}" for line in violations(page)]
        set_theme(page, "dark")
        found += [f"dark: {line}" for line in violations(page, only=("color-contrast",))]
    assert not found, "\n".join(found)


#: The innermost elements that reach beyond the screen and stand in no frame that scrolls.
_WIDEST = """limit => {
  const framed = e => e && (getComputedStyle(e).overflowX !== "visible" || framed(e.parentElement));
  return [...document.querySelectorAll("main *")]
    .filter(e => e.getBoundingClientRect().right > limit && !framed(e.parentElement))
    .slice(-3).map(e => e.outerHTML.slice(0, 120));
}"""


@pytest.mark.slow
def test_the_landing_page_is_light(browser, site):
    sizes = {}
    with page_of(browser) as page:
        page.on(
            "response",
            lambda answer: sizes.update({answer.url: int(answer.headers["content-length"])}),
        )
        page.goto(f"{site}{chapters()[0]}.html")
        settle(page)
    assert sum(sizes.values()) < LANDING_LIMIT, sizes


@pytest.mark.slow
def test_opened_from_disk_the_book_reads_well(browser, html):
    name = "notebooks/propensity-score-matching"
    asked = []
    with page_of(browser) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto((html / f"{name}.html").as_uri())
        settle(page)
        assert page.locator("article h1").inner_text().strip("# \n") == "Propensity-score matching"
        assert page.locator("mjx-container").count() > 0
        assert page.locator("mjx-merror").count() == 0
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def filtered_page(html: Path) -> Path:
    """Return a page with a table that can be filtered."""
    for path in pages(html):
        if "data-ftz-filter=" in path.read_text(encoding="utf-8"):
            return path
    pytest.fail("no page has a table that can be filtered")


@pytest.mark.slow
def test_filters_work_from_disk_with_the_keyboard_alone(browser, html):
    with page_of(browser) as page:
        page.goto(filtered_page(html).as_uri())
        words = page.locator(".ftz-filter input[type=search]").first
        before = page.locator(".ftz-filter output").first.inner_text()
        words.focus()
        page.keyboard.type("no line holds this")
        assert page.locator(".ftz-filter output").first.inner_text().startswith("0 of")
        page.keyboard.press("Control+A")
        page.keyboard.press("Delete")
        assert page.locator(".ftz-filter output").first.inner_text() == before
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.tagName") == "SELECT"


# -- the keyboard -------------------------------------------------------------------------

#: What a reader can press, that is to be seen and no part of a folded dialogue.
_CONTROLS = """() => [...document.querySelectorAll(
    "button, summary, input, select, textarea, a.reference[href], [role=button]")]
  .filter(e => e.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true})
            && !e.disabled && e.type !== "hidden" && !e.closest("dialog:not([open])"))"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["book/intro", "notebooks/published-record"])
def test_tab_reaches_every_control_and_shows_where_it_is(browser, site, name):
    with page_of(browser) as page:
        page.goto(f"{site}{name}.html")
        settle(page)
        total = page.evaluate(f"({_CONTROLS})().map((e, i) => e.dataset.n = i).length")
        reached, unseen = set(), []
        for _ in range(3 * total):
            page.keyboard.press("Tab")
            number, seen, what = page.evaluate(
                """() => { const e = document.activeElement, s = getComputedStyle(e);
                  const seen = (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0)
                               || s.boxShadow !== "none";
                  return [e.dataset.n ?? null, seen, e.outerHTML.slice(0, 120)]; }"""
            )
            if number in reached:
                break
            if number is not None:
                reached.add(number)
                unseen += [] if seen else [what]
        missed = page.evaluate(
            f"got => ({_CONTROLS})().filter(e => !got.includes(e.dataset.n))"
            ".map(e => e.outerHTML.slice(0, 120))",
            sorted(reached),
        )
    assert total > 10
    assert not missed
    assert not unseen


@pytest.mark.slow
def test_the_theme_switch_answers_to_enter(browser, site):
    with page_of(browser) as page:
        page.goto(f"{site}{chapters()[0]}.html")
        mode = "document.documentElement.dataset.mode"
        page.locator(".theme-switch-button:visible").first.focus()
        seen = {page.evaluate(mode)}
        for key in ("Enter", "Space"):
            page.keyboard.press(key)
            page.wait_for_function("document.activeElement.matches('.theme-switch-button')")
            seen.add(page.evaluate(mode))
    assert len(seen) == 3


@pytest.mark.slow
def test_a_folded_solution_opens_with_the_keyboard(browser, site):
    with page_of(browser) as page:
        page.goto(f"{site}notebooks/propensity-score-matching.html")
        button = page.locator(".solution.dropdown button.toggle-button").first
        folded = page.locator(".solution.dropdown").first
        assert "toggle-hidden" in folded.get_attribute("class")
        button.focus()
        page.keyboard.press("Enter")
        assert "toggle-hidden" not in folded.get_attribute("class")


# -- the first screen, and code out of the way ---------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
@pytest.mark.parametrize("name", ["book/intro", "book/zh/index"])
def test_sentence_number_and_picture_stand_on_the_first_screen(browser, site, name, width, height):
    with page_of(browser, width=width, height=height) as page:
        page.goto(f"{site}{name}.html")
        settle(page)
        for part in (".ftz-hero p", ".ftz-number", "img.ftz-map"):
            box = page.locator(part).first.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width, part
            assert box["y"] + box["height"] <= height, part


@pytest.mark.slow
def test_the_switch_shows_all_code_and_the_browser_remembers_it(browser, site):
    with page_of(browser) as page:
        page.goto(f"{site}notebooks/index-and-estimate.html")
        settle(page)
        opened = "[...document.querySelectorAll('details.hide.above-input')].map(e => e.open)"
        assert page.evaluate(f"{opened}.length") > 3
        assert not any(page.evaluate(opened))
        switch = page.locator(".btn-code-switch-button:visible").first
        switch.focus()
        page.keyboard.press("Enter")
        assert all(page.evaluate(opened))
        assert switch.get_attribute("aria-pressed") == "true"
        page.goto(f"{site}notebooks/other-studies.html")
        assert all(page.evaluate(opened))
        shift = page.evaluate(
            """() => new Promise(done => new PerformanceObserver(list => done(
                 list.getEntries().reduce((sum, entry) => sum + entry.value, 0)))
               .observe({type: "layout-shift", buffered: true})
               || setTimeout(() => done(0), 500))"""
        )
        assert shift < 0.1
        page.locator(".btn-code-switch-button:visible").first.click()
        assert not any(page.evaluate(opened))


@pytest.mark.slow
def test_without_a_script_code_folds_and_opens(browser, site):
    with page_of(browser, java_script_enabled=False) as page:
        page.goto(f"{site}notebooks/index-and-estimate.html")
        first = page.locator("details.hide.above-input").first
        assert not first.locator("pre").first.is_visible()
        first.locator("summary").click()
        assert first.locator("pre").first.is_visible()
        assert not page.locator(".btn-code-switch-button").first.is_visible()


# -- paper --------------------------------------------------------------------------------


@pytest.mark.slow
def test_on_paper_stands_the_text_alone_and_nothing_is_folded(browser, site):
    with page_of(browser) as page:
        page.goto(f"{site}notebooks/propensity-score-matching.html")
        settle(page)
        set_theme(page, "dark")
        page.emulate_media(media="print")
        for kind in (
            ".bd-sidebar-primary",
            ".bd-header-article",
            ".prev-next-footer",
            "button.copybtn",
        ):
            assert not page.locator(kind).first.is_visible(), kind
        hidden = page.evaluate(
            """() => [...document.querySelectorAll(".solution.dropdown p, .solution.dropdown pre")]
              .filter(e => e.getBoundingClientRect().height === 0).length"""
        )
        wraps = page.evaluate(
            "getComputedStyle(document.querySelector('.bd-article pre')).whiteSpaceCollapse + ' '"
            " + getComputedStyle(document.querySelector('.bd-article pre')).textWrapMode"
        )
        ink, paper = page.evaluate(
            """() => [getComputedStyle(document.querySelector(".bd-article p")).color,
                      getComputedStyle(document.documentElement).backgroundColor]"""
        )
    assert hidden == 0
    assert wraps == "preserve wrap"
    assert max(map(int, re.findall(r"\d+", ink)[:3])) < 80, ink
    assert min(map(int, re.findall(r"\d+", paper)[:3])) > 240 or paper.endswith(", 0)"), paper


@pytest.mark.slow
def test_the_summary_prints_on_one_sheet(browser, site):
    with page_of(browser) as page:
        page.goto(f"{site}book/summary.html")
        settle(page)
        margins = dict.fromkeys(("top", "right", "bottom", "left"), "15mm")
        sheets = page.pdf(format="A4", margin=margins)
    assert len(re.findall(rb"/Type\s*/Page\b", sheets)) == 1


# -- search -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("query", "chapter"), SUBJECTS.items())
def test_a_query_gives_the_page_that_answers_first(desktop, site, query, chapter):
    desktop.goto(f"{site}search.html?q={query}")
    desktop.locator("#search-results li a").first.wait_for()
    first = desktop.locator("#search-results li a").first.get_attribute("href")
    assert re.sub(r"[?#].*", "", first).removesuffix(".html").endswith(chapter), first


# -- letters ------------------------------------------------------------------------------


@pytest.mark.slow
def test_chinese_letters_have_a_font_that_names_them(browser, site):
    with page_of(browser) as page:
        page.goto(f"{site}book/glossary.html")
        family = page.evaluate(
            "getComputedStyle(document.querySelector('.bd-article p')).fontFamily"
        )
        language = page.evaluate("document.documentElement.lang")
    assert language == "en"
    for name in ("PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC"):
        assert name in family


def drawn(text: str) -> list[str]:
    """Draw a figure in the book's look with a text in it; return what matplotlib misses."""
    import matplotlib.pyplot as plt

    from ftz.figures import style

    with plt.rc_context(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        style.use()
        figure, axes = plt.subplots()
        axes.set_title(text)
        figure.canvas.draw()
        plt.close(figure)
    return [str(warning.message) for warning in said if "Glyph" in str(warning.message)]


def test_every_chinese_letter_of_the_book_can_be_drawn_in_a_figure():
    text = "".join(path.read_text(encoding="utf-8") for path in written_by_us())
    letters = sorted(set(re.findall(r"[\u3400-\u9fff\u3001-\u3011\uff01-\uff5e]", text)))
    assert len(letters) > 100
    assert drawn("".join(letters)) == []


def written_by_us() -> list[Path]:
    """Return the files from which the text of figures comes."""
    places = (
        ("book", "*.md"),
        ("notebooks", "*.md"),
        ("lib", "*.py"),
        ("data", "*.csv"),
        ("data", "*.yml"),
    )
    return [path for folder, kind in places for path in (ROOT / folder).rglob(kind)]


def test_a_letter_that_no_font_has_is_complained_of():
    assert drawn("\U000e0123")


@pytest.mark.slow
def test_an_empty_box_in_a_figure_fails_the_build(tea):
    drawing = (
        "import matplotlib.pyplot as plt\nfrom ftz.figures import style\nstyle.use()\n"
        'plt.figure().suptitle("\\U000e0123")'
    )
    tea.edit("taste.md", "1 + 1", drawing)
    built = tea.build()
    assert built.result != 0
    # MyST-NB warns of what a cell says on stderr, and shows it on the page
    assert "taste.md" in built.log and "stderr" in built.log, built.log
    assert "Glyph" in tea.page("taste")
