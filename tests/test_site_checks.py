"""The checks of the built documentation see what they are for."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
SECONDS = 120


@pytest.fixture
def links() -> ModuleType:
    pytest.importorskip("bs4", reason="comes with the docs extra")
    spec = importlib.util.spec_from_file_location("check_links", ROOT / "scripts" / "check_links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(body: str, *, head: str = "") -> str:
    return f"<!doctype html><html><head><meta charset='utf-8'><title>t</title>{head}</head><body>{body}</body></html>"


def write_site(folder: Path, body: str, *, head: str = "") -> Path:
    site = folder / "site"
    site.mkdir()
    (site / "index.html").write_text(page(body, head=head), encoding="utf-8")
    search = """<div id="search-results"></div><script>
        document.querySelector("#search-results").innerHTML = "<ul class=search><li><a href=index.html>hit</a></ul>"
    </script>"""
    (site / "search.html").write_text(page(search), encoding="utf-8")
    return site


def look(*arguments: Path) -> tuple[int, str]:
    command = (sys.executable, str(ROOT / "scripts" / "check_site.py"), *map(str, arguments))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<a href='search.html'>a page</a>", id="a page"),
        pytest.param("<p id='here'><a href='#here'>here</a>", id="an element of the same page"),
        pytest.param("<p id='here'><a href='index.html#here'>here</a>", id="an element by page and id"),
        pytest.param("<a href='https://nowhere.invalid/x#y'>outside</a>", id="an external link is not looked at"),
        pytest.param("<a href='mailto:someone@nowhere.invalid'>mail</a>", id="mail"),
    ],
)
def test_a_good_link_is_not_reported(links: ModuleType, tmp_path: Path, body: str) -> None:
    assert list(links.site_problems(write_site(tmp_path, body))) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<a href='gone.html'>x</a>", "gone.html leads to no file"),
        ("<a href='search.html#gone'>x</a>", "search.html#gone leads to no element with this id"),
        ("<a href='#gone'>x</a>", "#gone leads to no element with this id"),
        ("<a href='../outside.html'>x</a>", "../outside.html leads to no file"),
        ("<img src='gone.png'>", "gone.png leads to no file"),
        ("<p id='a'><p id='a'>", "the id 'a' is used 2 times"),
    ],
)
def test_a_link_that_leads_nowhere_is_reported(links: ModuleType, tmp_path: Path, body: str, problem: str) -> None:
    site = write_site(tmp_path, body)
    (tmp_path / "outside.html").write_text(page(""), encoding="utf-8")

    assert list(links.site_problems(site)) == [f"index.html: {problem}"]


def test_a_link_of_a_markdown_file_is_followed_from_its_folder(links: ModuleType, tmp_path: Path) -> None:
    write_site(tmp_path, "")
    notes = tmp_path / "notes.md"
    notes.write_text("[site](site/index.html#x) [folder](site) [gone](gone.md) <https://nowhere.invalid>\n")

    assert list(links.markdown_problems(notes)) == [f"{notes}: gone.md leads to no file"]


@pytest.fixture
def browser() -> None:
    pytest.importorskip("playwright")
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium")


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_page_that_fits_is_not_reported(tmp_path: Path) -> None:
    body = """
        <div style="overflow-x: auto"><pre>{line}</pre></div>
        <article><svg viewBox="0 0 100 40" style="width: 100%"><text x="5" y="15">one</text>
        <text x="5" y="35">two</text></svg></article>
    """.format(line="wide " * 200)
    pictures = tmp_path / "pictures"

    assert look(write_site(tmp_path, body), pictures) == (0, "")
    assert sorted(str(path.relative_to(pictures)) for path in pictures.rglob("*.png")) == [
        "desk/index.png",
        "desk/search.png",
        "phone/index.png",
        "phone/search.png",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_everything_wrong_with_a_page_is_reported(tmp_path: Path) -> None:
    head = "<meta name='viewport' content='width=device-width'><link rel='stylesheet' href='http://127.0.0.1:9/x.css'>"
    body = """
        <div class="box" style="width: 700px">wide for a phone</div>
        <article><svg width="0" height="0"></svg>
        <svg viewBox="0 0 200 40" width="200" height="40"><text x="150" y="20">leaves its drawing</text>
        <text x="5" y="20">one over</text><text x="9" y="22">another</text></svg></article>
        <script>console.error("told"); undefined_name()</script>
    """
    status, output = look(write_site(tmp_path, body, head=head))

    assert status == 1
    at_phone = [line for line in output.splitlines() if "at 360 px" in line]
    assert any("sticks out: div.box (8 to 708)" in line for line in at_phone)
    assert not any("div.box" in line for line in output.splitlines() if "at 1280 px" in line)
    for problem in (
        "a drawing has no size",
        '"leaves its drawing" sticks out of its drawing',
        '"one over" overlaps "another"',
        "asks for http://127.0.0.1:9/x.css",
        "console: told",
        "script: undefined_name is not defined",
    ):
        assert any(problem in line for line in at_phone), (problem, output)


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_search_that_finds_nothing_is_reported(tmp_path: Path) -> None:
    site = write_site(tmp_path, "")
    (site / "search.html").write_text(page("<div id='search-results'></div>"), encoding="utf-8")

    status, output = look(site)

    assert status == 1
    assert output.splitlines() == [
        "search from file: nothing is found for 'communicate'",
        "search from http: nothing is found for 'communicate'",
    ]
