"""The parts of `make docs`: what is generated, where links lead, what the check of the built site notices."""

import importlib
import sys
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def site_folder(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))


def part(name):
    sys.modules.pop(name, None)
    return importlib.import_module(name)


WHOLE = {"type": "integer", "minimum": 1}
PET = {"$ref": "#/components/schemas/Pet"}
PETS = {
    "paths": {
        "/pets/{id}": {
            "get": {
                "tags": ["pets"],
                "description": "Return a pet | or none.",
                "security": [{"token": []}, {}],
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": WHOLE}],
                "responses": {"200": {"content": {"application/json": {"schema": PET}}}},
            }
        }
    },
    "components": {
        "schemas": {
            "Pet": {
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 20},
                    "kind": {"enum": ["cat", "dog"]},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            }
        }
    },
}


@pytest.mark.slow
def test_the_site_s_own_schema_becomes_a_page():
    api = SchemaGenerator().get_schema(request=None, public=True)
    page = part("openapi_page").page(api)
    assert [f"### {name}" in page for name in ("GET /api/v1/", "POST /api/v1/submissions")] == [True, True]


def test_a_schema_becomes_tables_of_parameters_answers_and_fields():
    page = part("openapi_page").page(PETS)
    assert "### GET /pets/{id}\n\nReturn a pet \\| or none.\n\nWho: token, or anybody\n" in page
    assert "| `id` | path | integer ≥ 1 | yes |  |" in page
    assert "| 200 | [Pet](#pet) (`application/json`) |" in page
    assert "| `name` | string up to 20 characters | yes |  |" in page
    assert '| `kind` | `"cat"`, `"dog"` |  |  |' in page
    assert "| `tags` | list of string |  |  |" in page


def test_a_state_diagram_becomes_a_table():
    page = "before\n```mermaid\nstateDiagram-v2\n    [*] --> a: made\n    a --> [*]\n```\nafter"
    assert part("state_tables").as_tables(page) == (
        "before\n| from | to | when |\n| --- | --- | --- |\n|  | `a` | made |\n| `a` |  | the end |\n\nafter"
    )


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("[m](docs/metrics.md#lesions)", "[m](metrics.md#lesions)"),
        ("![p](docs/images/home-light.png)", "![p](images/home-light.png)"),
        ("[c](CONTRIBUTING.md)", "[c](project/contributing.md)"),
        ("[d](docs/decisions)", "[d](decisions/README.md)"),
        ("[w](inference/weights)", "w"),  # a folder of the repository: the site holds no such page
        ("[x](https://example.org/)", "[x](https://example.org/)"),
        ("[n](docs/nowhere.md)", "[n](docs/nowhere.md)"),  # mkdocs --strict then stops
    ],
)
def test_links_of_the_readme_lead_to_pages_of_the_site(link, wanted):
    pages = part("repository_pages")
    assert pages.mended(link, "index.md", ROOT, pages.pages(ROOT)) == wanted


def test_every_framework_free_package_has_a_page_with_its_modules():
    pages = part("python_pages")
    assert "submissions.scoring" in pages.packages(ROOT)
    for name in pages.packages(ROOT):
        assert f"::: {pages.modules(name, ROOT)[0]}\n" in pages.page(name, ROOT)
    assert "submissions.scoring.metrics" in pages.modules("submissions.scoring", ROOT)


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        ('<a href="https://example.org">x</a><a href="b.html#here">b</a><img src="b.html">', ""),
        ('<script src="https://cdn.example/x.js"></script>', "a.html: fetches https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "a.html: fetches //fonts.example/x.css"),
        ("<style>p{background:url(https://x.example/y.png)}</style>", "a.html: fetches https://x.example/y.png"),
        ('<pre class="mermaid">x</pre>', "a.html: fetches https://mermaid (the theme would load it)"),
        ('<a href="c.html">c</a>', "a.html: c.html: no such file"),
        ('<a href="b.html#there">b</a>', "a.html: b.html#there: no such anchor"),
        ('<a href="#there">b</a>', "a.html: #there: no such anchor"),
    ],
)
def test_the_check_notices_dead_links_and_what_comes_from_outside(html, complaint, tmp_path):
    (tmp_path / "a.html").write_text(html)
    (tmp_path / "b.html").write_text('<h2 id="here">b</h2>')
    assert part("check").problems(tmp_path) == ([complaint] if complaint else [])


def test_the_check_reads_style_sheets_too(tmp_path):
    (tmp_path / "a.css").write_text('@import "https://fonts.example/x.css";')
    assert part("check").problems(tmp_path) == ["a.css: fetches https://fonts.example/x.css"]
