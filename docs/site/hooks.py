"""What mkdocs does beside the pages in docs/: generate the references, take in pages of the repository, mend links.

Nothing generated is committed; it is made anew by each `make docs`.
"""

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import openapi_page
import python_pages
import repository_pages
import state_tables

ROOT = Path(__file__).parents[2]
PAGES = repository_pages.pages(ROOT)


def on_config(config: Any) -> Any:
    """Add what is generated to the navigation."""
    packages = python_pages.packages(ROOT)
    config.nav += [
        {"Python": [{name: python_pages.uri(name)} for name in packages]},
        {"Project": [{title: page.uri} for title, page in PAGES.items() if page.uri != "index.md"]},
    ]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages and those that lie elsewhere in the repository."""
    made = {"reference/api-endpoints.md": openapi_page.page(openapi_page.schema(ROOT))}
    made |= {python_pages.uri(name): python_pages.page(name, ROOT) for name in python_pages.packages(ROOT)}
    made |= {page.uri: page.source.read_text() for page in PAGES.values() if not page.is_below(ROOT / "docs")}
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    for uri, source in repository_pages.PICTURES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point links at where things are on the site; show diagrams without a script from outside."""
    markdown = state_tables.as_tables(markdown)
    return repository_pages.mended(markdown, page.file.src_uri, ROOT, PAGES)
