"""What a public repository owes its readers: one version, a dated changelog, true terms, folders one can survey."""

import ast
import json
import re
import tomllib
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import yaml
from django.conf import settings

import lunasite

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
APPS = ("lunasite", "submissions", "inference", "leaderboard")
# More than this beside each other is a list to read and no longer a place to look at.
MAX_MODULES = 16
RELEASES = re.findall(r"^## \[([^\]]+)\](?: - (\S+))?$", CHANGELOG, re.MULTILINE)


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "lunasite.__version__"}
    assert lunasite.__version__ == settings.CODE_VERSION


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == lunasite.__version__
    assert (citation["version"], str(citation["date-released"])) in RELEASES


def test_the_changelog_keeps_its_form():
    names, dates = zip(*RELEASES, strict=True)
    assert names[0] == "Unreleased"
    assert dates[0] == ""
    days = [date.fromisoformat(day) for day in dates[1:]]
    assert days == sorted(days, reverse=True)
    assert len(set(names)) == len(names)
    sections = set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_terms_of_the_slice_weights_are_not_hidden():
    for page in ("README.md", "NOTICE", "inference/weights/slice.md"):
        text = re.sub(r"\s+", " ", (ROOT / page).read_text()).lower()
        assert "unverified licence" in text or "licence not verified" in text, page


@pytest.mark.parametrize("weights", sorted((ROOT / "inference" / "weights").glob("*.*")), ids=lambda path: path.name)
def test_the_notice_names_every_file_of_weights(weights):
    if weights.suffix != ".md":
        assert weights.name in (ROOT / "NOTICE").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_is_bounded_and_runs_what_exists(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        requested = {word for step in job["steps"] for word in re.findall(r"^make ([a-z-]+)", step.get("run", ""))}
        assert requested <= targets, name


def test_hosted_ci_knows_no_private_data():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert set(jobs) >= {"lint", "fast", "docs", "image"}
    assert not Path(jobs["fast"]["env"]["LUNASITE_REAL_DATA"]).exists()


def test_hooks_before_a_commit_fetch_nothing():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system", hook["id"]
        assert hook["entry"].startswith(".venv/bin/"), hook["id"]


def test_the_development_container_runs_the_oldest_python_that_is_supported():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert container["image"].startswith(f"python:{oldest}-")


def test_issue_forms_are_forms():
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"):
        form = yaml.safe_load(path.read_text())
        assert form["name"]
        assert form["description"]
        inputs = [item for item in form["body"] if item["type"] != "markdown"]
        assert len({item["id"] for item in inputs}) == len(inputs)


def modules():
    return [path for app in APPS for path in (ROOT / app).rglob("*.py")]


def test_no_folder_has_more_modules_than_a_reader_surveys():
    beside = Counter(path.parent.relative_to(ROOT).as_posix() for path in modules() if path.name != "__init__.py")
    assert {folder: count for folder, count in beside.items() if count > MAX_MODULES} == {}


def bound_names(body):
    """Yield the names that statements at the top of a module bind."""
    for node in body:
        match node:
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.If() | ast.Try() | ast.With():
                yield from bound_names(ast.iter_child_nodes(node))
            case _:
                yield from (
                    each.id for each in ast.walk(node) if isinstance(each, ast.Name) and type(each.ctx) is ast.Store
                )


def exported(tree):
    """Return what a module says that it exports, by `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]:
            return set(ast.literal_eval(node.value))
    return set()


@pytest.mark.slow
def test_every_name_that_a_module_exports_exists():
    missing = {}
    for path in modules():
        tree = ast.parse(path.read_text())
        if absent := exported(tree) - set(bound_names(tree.body)):
            missing[path.relative_to(ROOT).as_posix()] = absent
    assert missing == {}
