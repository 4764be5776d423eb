"""Check the built site: each link leads somewhere, and nothing is fetched from outside.

python docs/site/check.py site
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Where a browser fetches without being asked. `a href` is a link that somebody clicks, and may lead outside.
FETCHED = {"src", "srcset", "poster", "data", "action"}
CSS_ADDRESS = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]+)""")


class Page(HTMLParser):
    """links: what is clicked; fetched: what a browser loads by itself; anchors: what can be linked to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = CSS_ADDRESS.findall(html)
        self.anchors: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.fetched += [value for name, value in given.items() if name in FETCHED]
        if "href" in given:
            (self.links if tag == "a" else self.fetched).append(given["href"])
        if "mermaid" in given.get("class", "").split():
            self.fetched.append("https://mermaid (the theme would load it)")


def is_outside(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


def problems(site: Path) -> list[str]:
    """Return one line for each dead link and each address that a browser would fetch from outside."""
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found = [
        f"{path.relative_to(site)}: fetches {address}"
        for path, page in pages.items()
        for address in page.fetched
        if is_outside(address)
    ]
    for sheet in sorted(site.rglob("*.css")):
        found += [f"{sheet.relative_to(site)}: fetches {address}" for address in CSS_ADDRESS.findall(sheet.read_text())]
    for path, page in pages.items():
        for address in [*page.links, *page.fetched]:
            if not is_outside(address) and (why := dead(address, path, pages)):
                found.append(f"{path.relative_to(site)}: {address}: {why}")
    return found


def dead(address: str, path: Path, pages: dict[Path, Page]) -> str:
    """Return why an address inside the site leads nowhere, "" where it leads somewhere."""
    parts = urlsplit(address)
    if parts.scheme or address.startswith("/") or path.name == "404.html":
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.exists():
        return "no such file"
    is_known = not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].anchors
    return "" if is_known else "no such anchor"


def main() -> int:
    site = Path(sys.argv[1]).resolve()
    found = problems(site)
    print(
        "\n".join(found) or f"{len(list(site.rglob('*.html')))} pages: every link leads somewhere, nothing from outside"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
