"""Pages that lie outside docs/ but belong on the site, and the links between pages."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
PICTURES = {"images/logo.svg": "static/logo.svg"}
# Title on the site: path in the repository, path on the site.
TAKEN_IN = {
    "Home": ("README.md", "index.md"),
    "Architecture": ("docs/architecture.md", "architecture.md"),
    "Contributing": ("CONTRIBUTING.md", "project/contributing.md"),
    "Changelog": ("CHANGELOG.md", "project/changelog.md"),
    "Security": ("SECURITY.md", "project/security.md"),
    "Code of conduct": ("CODE_OF_CONDUCT.md", "project/code-of-conduct.md"),
    "Benchmarks": ("benchmarks/RESULTS.md", "project/benchmarks.md"),
    "Lesion model card": ("inference/weights/lesion.md", "project/lesion-model.md"),
    "Slice model card": ("inference/weights/slice.md", "project/slice-model.md"),
}


@dataclass(frozen=True)
class RepositoryPage:
    """One page of the repository. source: where it lies; uri: where it is on the site."""

    source: Path
    uri: str

    def is_below(self, folder: Path) -> bool:
        return self.source.is_relative_to(folder)


def pages(root: Path) -> dict[str, RepositoryPage]:
    """Return {title: page}: those taken in, and the pages of docs/ that mkdocs.yml does not name."""
    found = {title: RepositoryPage(root / source, uri) for title, (source, uri) in TAKEN_IN.items()}
    for example in sorted(root.glob("examples/*/README.md")):
        found[f"Example: {example.parent.name}"] = RepositoryPage(example, f"project/{example.parent.name}.md")
    named = (root / "mkdocs.yml").read_text()
    for page in sorted((root / "docs").rglob("*.md")):
        uri = page.relative_to(root / "docs").as_posix()
        if uri not in named and not any(uri == taken.uri for taken in found.values()):
            found[title_of(page)] = RepositoryPage(page, uri)
    return found


def title_of(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ")


def mended(markdown: str, uri: str, root: Path, taken: dict[str, RepositoryPage]) -> str:
    """Return the page with each link to a file of the repository pointing to its place on the site.

    What is not on the site (code, folders) stays as text: the docs name no host of a repository.
    """
    places = {page.source: page.uri for page in taken.values()}
    source = next((page.source for page in taken.values() if page.uri == uri), root / "docs" / uri)

    def replaced(match: re.Match[str]) -> str:
        mark, text, target, anchor = match.groups(default="")
        path = (source.parent / target).resolve()
        if re.match(r"[a-z]+:", target) or not path.exists():
            return match[0]
        place = places.get(path) or places.get(path / "README.md") or place_below(path, root / "docs")
        if place is None:
            return text
        return f"{mark}[{text}]({os.path.relpath(place, PurePosixPath(uri).parent)}{anchor})"

    return LINK.sub(replaced, markdown)


def place_below(path: Path, docs: Path) -> str | None:
    """Return the address of a file of docs/ (of a folder: of its README), None for what lies elsewhere."""
    path = path / "README.md" if path.is_dir() else path
    return path.relative_to(docs).as_posix() if path.is_relative_to(docs) and path.exists() else None
