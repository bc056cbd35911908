"""Check the local links of the built site and of Markdown files outside it; nothing is fetched.

    python scripts/check_links.py SITE [FILE.md ...]

Every relative link must lead to a file, and its anchor to an element of that page. An id must not be used twice in a
page. In Markdown files only the files are checked.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup
from markdown_it import MarkdownIt


def ids_of(page: BeautifulSoup) -> Counter[str]:
    """Return every id of a page with how often it is used."""
    return Counter(str(element["id"]) for element in page.find_all(id=True))


def links_of(page: BeautifulSoup) -> Iterator[str]:
    """Yield what a page links to and what it loads, in the order of the page, each once."""
    links = (
        str(element[attribute])
        for element in page.find_all(["a", "area", "img", "link", "script", "source", "use"])
        for attribute in ("href", "src")
        if element.has_attr(attribute)
    )
    yield from dict.fromkeys(links)


def site_problems(site: Path) -> Iterator[str]:
    """Yield a line for each link that leads nowhere and each id used twice."""
    pages = {path: BeautifulSoup(path.read_bytes(), "html.parser") for path in sorted(site.rglob("*.html"))}
    ids = {path: ids_of(page) for path, page in pages.items()}
    for path, page in pages.items():
        for identifier, uses in ids[path].items():
            if uses > 1:
                yield f"{path.relative_to(site)}: the id {identifier!r} is used {uses} times"
        for link in links_of(page):
            target = local_target(path, link)
            if target is None:
                continue
            file, anchor = target
            if not file.is_file() or not file.is_relative_to(site):
                yield f"{path.relative_to(site)}: {link} leads to no file"
            elif anchor and file in ids and anchor not in ids[file]:
                yield f"{path.relative_to(site)}: {link} leads to no element with this id"


def markdown_problems(path: Path) -> Iterator[str]:
    """Yield a line for each link of a Markdown file that leads to no file or folder."""
    page = BeautifulSoup(MarkdownIt().render(path.read_text(encoding="utf-8")), "html.parser")
    for link in links_of(page):
        target = local_target(path, link)
        if target is not None and not target[0].exists():
            yield f"{path}: {link} leads to no file"


def local_target(path: Path, link: str) -> tuple[Path, str] | None:
    """Return the file and the anchor that `link` in the file `path` leads to, None for an external link."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    return (file / "index.html" if file.is_dir() and path.suffix == ".html" else file), unquote(parts.fragment)


def main() -> int:
    """Print the problems; 1 when there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="the folder that sphinx-build wrote")
    parser.add_argument("markdown", nargs="*", type=Path, help="Markdown files outside the site")
    options = parser.parse_args()
    site = options.site.resolve()
    if not (site / "index.html").is_file():
        print(f"check_links: there is no site in {options.site}: build it first", file=sys.stderr)
        return 1
    problems = [*site_problems(site), *(line for path in options.markdown for line in markdown_problems(path))]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
