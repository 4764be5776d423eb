"""What code and docs refer to exists: pages, numbers of the threat model, tests, files, glossary."""

import ast
import functools
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
THREATS = ROOT / "docs" / "reference" / "threat-model.md"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")]
# Written by a program into a folder of its choice, or made by `make docs`.
WRITTEN = {"lesion.md", "slice.md", "x.md", "api-endpoints.md", "index.md"}
# A number of the catalogue is cited with the word for it, in brackets, or at the start of a comment.
NUMBER = r"[RTUCAMIKF][0-9]{1,3}\b"
CITED = re.compile(
    rf"(?:\b[Rr]ows?|\b[Tt]hreats?|\b[Rr]ules?) (?:{NUMBER}[^.;)\"]*)|\({NUMBER}\)|# {NUMBER}(?:[,: ]|$)|\"\"\"{NUMBER}"
)
# The word of the field that a person searches for → the module whose first line holds it.
TERMS = {
    "submissions/actions/db_retry.py": "deadlock",
    "submissions/actions/heartbeat.py": "lease",
    "submissions/actions/triage.py": "triage",
    "submissions/intake/__init__.py": "upload validation",
    "submissions/intake/image/go_json.py": "duplicate keys",
    "submissions/intake/image/tar.py": "path traversal",
    "submissions/kinds/__init__.py": "task type",
    "submissions/models/dataset.py": "ground truth",
    "submissions/models/evaluation.py": "state machine",
    "submissions/phases/quota.py": "submission limit",
    "submissions/phases/warnings.py": "system check",
    "submissions/runner/__init__.py": "framework-free",
    "submissions/runner/docker_run_command.py": "docker run",
    "submissions/runner/exit_diagnosis.py": "exit diagnosis",
    "submissions/runner/host/image_cache.py": "LRU eviction",
    "submissions/runner/pseudonymize.py": "pseudonymisation",
    "submissions/text/confusables.py": "homoglyphs",
    "submissions/text/sanitize.py": "sanitise",
    "lunasite/http/files/csv_export.py": "CSV injection",
    "lunasite/http/limits/throttling.py": "rate limit",
    "lunasite/http/lockout.py": "lock-out",
    "lunasite/http/strict_json.py": "RFC 8259",
    "lunasite/middleware/cache_control.py": "no-store",
    "lunasite/serving/content_length.py": "Content-Length check",
    "lunasite/serving/drain_body.py": "lingering close",
    "lunasite/serving/slowloris.py": "slowloris protection",
}
TARGETS = "demo|run|test|fast|slow|lint|docs|mutants|fuzz|lock|sbom|(?:bench|chaos|stop)-[a-z]+(?:-[a-z]+)*"
MAKE = re.compile(rf"[`$ ]make ({TARGETS})[`\n ]")
RANGE = re.compile(r"([RTUCAMIKF])([0-9]{1,3})(?:–| to )\1([0-9]{1,3})")


@functools.cache
def repository_files():
    """Return the files of the repository as paths, tracked or new; without git, those of the source folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    names = listed.stdout.split("\n") if listed.returncode == 0 else []
    found = [ROOT / name for name in names if name] or [
        path
        for folder in ("lunasite", "submissions", "inference", "leaderboard", "benchmarks", "docs", "templates", ".ci")
        for path in (ROOT / folder).rglob("*")
    ]
    return [path for path in found if path.is_file()]


def texts(*endings):
    for path in repository_files():
        if path.suffix in endings and path != Path(__file__):
            yield path, path.read_text()


@pytest.mark.slow
def test_every_page_that_is_named_exists():
    """A name is a page's own, or the end of its path: `csv.md`, `reference/csv.md`, `docs/reference/csv.md`."""
    pages = [f"/{path.relative_to(ROOT)}" for path in repository_files() if path.suffix == ".md"]
    missing = {
        (str(path.relative_to(ROOT)), name)
        for path, text in texts(".py", ".html", ".md", ".toml", ".yml", ".txt")
        for name in re.findall(r"((?:[\w.-]+/)*[\w-]+\.md)\b", text)
        if name.rpartition("/")[2] not in WRITTEN
        and not name_pages_of_the_site(path)
        and not any(page.endswith(f"/{name.removeprefix('../').removeprefix('../')}") for page in pages)
    }
    assert missing == set()


def name_pages_of_the_site(path):
    return path.is_relative_to(ROOT / "docs" / "site") or path.name == "test_docs_site.py"


def numbers_defined():
    return re.findall(rf"^\| ({NUMBER}) \|", THREATS.read_text(), re.MULTILINE)


def numbers_cited(text):
    for citation in CITED.findall(text):
        for letter, first, last in RANGE.findall(citation):
            yield f"{letter}{first}"
            yield f"{letter}{last}"
        yield from re.findall(NUMBER, citation)


@pytest.mark.slow
def test_every_number_that_is_cited_stands_in_the_threat_model():
    defined = set(numbers_defined())
    cited = {(str(path.relative_to(ROOT)), number) for path, text in texts(".py") for number in numbers_cited(text)}
    assert len(cited) > 90
    assert {(path, number) for path, number in cited if number not in defined} == set()


def test_a_number_stands_in_the_threat_model_once():
    numbers = numbers_defined()
    assert len(numbers) == len(set(numbers))


@functools.cache
def test_functions(path):
    """Return the names `function` and `Class::function` of a test file."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{child.name}" for child in node.body if isinstance(child, ast.FunctionDef)}
    return found


test_functions.__test__ = False


def where_is(name):
    """Say where a test went that is not where the page says."""
    places = [path for path in ROOT.glob("*/tests/**/test_*.py") if name in test_functions(path)]
    return f"it is in {places[0].relative_to(ROOT)}" if places else "there is none of that name"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(page):
    wrong = [
        f"{path}::{name}: {where_is(name)}"
        for path, name in re.findall(r"`([\w/]+\.py)::([\w:]+)`", page.read_text())
        if not (ROOT / path).is_file() or name not in test_functions(ROOT / path)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_of_the_code_that_a_page_names_exists(page):
    folders = "lunasite|submissions|leaderboard|inference|benchmarks|examples|templates|static|docs"
    named = set(re.findall(rf"`((?:{folders})/[\w./-]*(?:/|\.\w+))(?:`|::)", page.read_text()))
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_every_row_of_the_threat_model_names_a_test():
    rows = re.findall(rf"^\| {NUMBER} \|.*$", THREATS.read_text(), re.MULTILINE)
    without = [row for row in rows if "::test_" not in row and "tests/hostile/" not in row]
    assert [row[:8] for row in without] == ["| T63 | "]  # updates of dependencies are proposed, not tested


@pytest.mark.parametrize(("path", "term"), TERMS.items(), ids=TERMS)
def test_a_search_for_the_fields_word_finds_the_module(path, term):
    first_line = (ast.get_docstring(ast.parse((ROOT / path).read_text())) or "").partition("\n")[0]
    assert term.lower() in first_line.lower()


@pytest.mark.slow
def test_every_module_that_code_names_exists():
    modules = [f"/{path.relative_to(ROOT)}" for path in repository_files() if path.suffix == ".py"]
    missing = {
        (str(path.relative_to(ROOT)), name)
        for path, text in texts(".py", ".html", ".js", ".yml", ".toml")
        for name in re.findall(r"`((?:[\w.-]+/)*\w+\.py)`", text)
        if not any(module.endswith(f"/{name}") for module in modules)
    }
    assert missing == set()


@pytest.mark.parametrize("name", sorted({name for _, text in texts(".md", ".py") for name in MAKE.findall(text)}))
def test_what_the_docs_tell_to_make_can_be_made(name):
    """And a benchmark is a file: make with the wrong name once ran Python without one, and ended well."""
    # The suite itself is run by make, whose flags would let this one tell the folder it leaves.
    command = ["make", "--no-print-directory", "-n", "-o", ".venv/ready-dev", name]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    if name.startswith("bench-"):
        assert (ROOT / made.stdout.split()[-1]).is_file()
