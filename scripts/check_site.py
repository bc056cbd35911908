"""Look at every page of the built site in a headless Chromium, at the widths of a phone and of a desk.

    python scripts/check_site.py SITE [SCREENSHOTS] [--color-scheme dark]

Pages are opened from disk, and nothing else can be loaded. A page fails when it can be scrolled sideways or an element
sticks out (a table or a code block may scroll inside its own box), when a drawing has no size or its text sticks out or
overlaps, when something outside the site is asked for, and when the browser's console shows an error. The search must
find a page, from disk and from a local server. SCREENSHOTS gets a picture of each page and width.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, sync_playwright
from playwright.sync_api import Error as BrowserError

WIDTHS = {"phone": 360, "desk": 1280}
HEIGHT = 800
PAGE_MILLISECONDS = 10_000

SEARCHED = "communicate"

# The elements that stick out on the left or right, outermost first, as "tag.class (left to right)". A box that scrolls
# or clips may hold what is wider than itself. The theme parks its drawers beside the window until they are opened.
STICKING_OUT = """() => {
    const width = document.documentElement.clientWidth;
    const found = [];
    const walk = (element) => {
        for (const child of element.children) {
            const style = getComputedStyle(child);
            if (child.matches('.sidebar-drawer, .toc-drawer, svg, script, style') || style.display === 'none') continue;
            const box = child.getBoundingClientRect();
            if (box.width > 1 && box.height > 1 && (box.right > width + 1 || box.left < -1)) {
                const name = child.tagName.toLowerCase() + [...child.classList].map((name) => '.' + name).join('');
                found.push(`${name} (${Math.round(box.left)} to ${Math.round(box.right)})`);
            } else if (style.overflowX === 'visible') {
                walk(child);
            }
        }
    };
    walk(document.body);
    if (document.documentElement.scrollWidth > window.innerWidth)
        found.push(`the page itself is ${document.documentElement.scrollWidth} wide`);
    return found;
}"""

# What is wrong with the drawings of the article.
DRAWINGS = """() => {
    const found = [];
    for (const svg of document.querySelectorAll('article svg')) {
        const outer = svg.getBoundingClientRect();
        if (outer.width < 20 || outer.height < 20) {
            if (!svg.closest('a, button, .admonition-title')) found.push('a drawing has no size');
            continue;
        }
        const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent.trim());
        const boxes = texts.map((text) => text.getBoundingClientRect());
        texts.forEach((text, index) => {
            const box = boxes[index];
            const words = JSON.stringify(text.textContent.trim());
            if (box.left < outer.left - 1 || box.right > outer.right + 1
                || box.top < outer.top - 1 || box.bottom > outer.bottom + 1)
                found.push(`${words} sticks out of its drawing`);
            boxes.slice(index + 1).forEach((other, offset) => {
                const across = Math.min(box.right, other.right) - Math.max(box.left, other.left);
                const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
                if (across > 2 && down > 4)
                    found.push(`${words} overlaps ${JSON.stringify(texts[index + 1 + offset].textContent.trim())}`);
            });
        });
    }
    return found;
}"""


def find_chromium() -> str | None:
    """Return the path of an installed Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def opened(browser: Browser, *, width: int, allowed: str, color_scheme: str) -> Iterator[tuple[Page, list[str]]]:
    """Open a page that can load what begins with `allowed` alone, and the list that its problems go to."""
    problems: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if color_scheme == "dark" else "light",
    )

    def load(route: Route) -> None:
        if route.request.url.startswith(allowed):
            route.continue_()
        else:
            problems.append(f"asks for {route.request.url}")
            route.abort()

    context.route("**/*", load)
    page = context.new_page()
    page.set_default_timeout(PAGE_MILLISECONDS)
    page.on("console", lambda message: problems.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(f"script: {error.message}"))
    try:
        yield page, problems
    finally:
        context.close()


def page_problems(browser: Browser, site: Path, screenshots: Path | None, color_scheme: str) -> Iterator[str]:
    """Yield a line for each problem of each page and width."""
    for name, width in WIDTHS.items():
        with opened(browser, width=width, allowed=site.as_uri(), color_scheme=color_scheme) as (page, problems):
            for path in sorted(site.rglob("*.html")):
                relative = path.relative_to(site)
                problems.clear()
                page.goto(path.as_uri(), wait_until="load")
                problems.extend(f"sticks out: {element}" for element in page.evaluate(STICKING_OUT))
                problems.extend(page.evaluate(DRAWINGS))
                yield from (f"{relative} at {width} px: {problem}" for problem in problems)
                if screenshots is not None:
                    picture = screenshots / name / relative.with_suffix(".png")
                    page.screenshot(path=picture, full_page=True)


def search_problems(browser: Browser, site: Path) -> Iterator[str]:
    """Yield a line for each way to search that finds nothing, and for hits that do not fit."""
    with serving(site) as server:
        for place, width in ((site.as_uri(), WIDTHS["phone"]), (server, WIDTHS["desk"])):
            with opened(browser, width=width, allowed=place, color_scheme="light") as (page, problems):
                page.goto(f"{place}/search.html?q={SEARCHED}", wait_until="load")
                try:
                    page.wait_for_selector("#search-results ul.search li a")
                except BrowserError:
                    yield f"search from {place.partition(':')[0]}: nothing is found for {SEARCHED!r}"
                yield from (f"search at {width} px: sticks out: {element}" for element in page.evaluate(STICKING_OUT))
                # From disk the browser forbids the lines of context below each hit, and says so; they are left out.
                if place == server:
                    yield from (f"search: {problem}" for problem in problems)


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
        del format, args


@contextmanager
def serving(site: Path) -> Iterator[str]:
    """Serve the site on a free port of this machine and give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def main() -> int:
    """Print the problems; 1 when there are any, or nothing to look at or with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="the folder that sphinx-build wrote")
    parser.add_argument("screenshots", nargs="?", type=Path, help="where pictures of the pages go")
    parser.add_argument("--color-scheme", choices=("light", "dark"), default="light")
    options = parser.parse_args()
    site = options.site.resolve()
    chromium = find_chromium()
    if not (site / "index.html").is_file():
        print(f"check_site: there is no site in {options.site}: build it first", file=sys.stderr)
        return 1
    if chromium is None:
        print("check_site: no chromium is installed (Debian: apt-get install chromium)", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        problems = [
            *page_problems(browser, site, options.screenshots, options.color_scheme),
            *search_problems(browser, site),
        ]
        browser.close()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
