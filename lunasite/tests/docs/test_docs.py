"""The docs say what the code does: settings, states, commands, metrics, links."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands

from lunasite.env import Env
from submissions.failures import FAILURES
from submissions.management.generated_docs.state_diagram import (
    TRANSITION_REASONS,
    filled_in,
    moves,
    states_diagram,
)
from submissions.models import Evaluation

ROOT = Path(__file__).parents[3]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")]
READERS = {name for name in vars(Env) if not name.startswith("_")}


def settings_read():
    """Return {variable: default as written, or None where it is computed} of settings.py."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / "lunasite" / "settings.py").read_text())):
        is_read = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READERS
        if is_read and getattr(node.func.value, "id", "") == "env":
            name, *rest = node.args
            given = (
                rest[0]
                if rest
                else next((keyword.value for keyword in node.keywords if keyword.arg == "default"), None)
            )
            default = given.value if isinstance(given, ast.Constant) else None
            found[name.value] = int(default) if isinstance(default, bool) else default
    return found


def settings_documented():
    """Return {variable: cell of its default} of docs/operations.md."""
    text = (ROOT / "docs" / "operations.md").read_text()
    text = text.partition("\n## Settings\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| (.*?) \|", text, re.MULTILINE))


def test_every_setting_is_documented_and_nothing_else():
    assert set(settings_documented()) == set(settings_read())


def test_documented_defaults_are_the_code_s():
    cells = settings_documented()
    for name, default in settings_read().items():
        if default is not None:
            assert f"`{default}`" in cells[name], name


def test_every_reason_a_file_is_refused_for_is_explained():
    code = "".join(path.read_text() for path in (ROOT / "inference").glob("**/*.py") if "tests" not in path.parts)
    reasons = set(re.findall(r'"((?:FILE|HEADER|IMAGE|DATA)_[A-Z_]+)"', code))
    page = (ROOT / "docs" / "api.md").read_text()
    assert {reason for reason in reasons if f"`{reason}`" not in page} == set()


def test_the_diagram_is_drawn_from_the_table():
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert states_diagram() in page, "run `python manage.py write_guide`"
    assert filled_in(page) == page


def test_every_move_has_a_reason_and_is_drawn():
    assert set(TRANSITION_REASONS) == set(moves())
    diagram = states_diagram()
    for start, ends in Evaluation.TRANSITIONS.items():
        assert (f"    {start} --> [*]" in diagram) == (not ends)
        for end in ends:
            assert f"    {start} --> {end}: " in diagram


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands_of_a_page_exist(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target
    for command in re.findall(r"manage\.py ([a-z_]+)", text):
        assert command in get_commands(), command


def test_failure_codes_of_the_docs_exist():
    for page in PAGES:
        for code in re.findall(r"`(SYSTEM_[A-Z_]+[A-Z])`", page.read_text()):
            assert code in FAILURES, (page.name, code)


# docker-compose.yml, .env.example


COMPOSE = (ROOT / "docker-compose.yml").read_text()
INTERPOLATED = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE))


def test_compose_starts_what_exists_with_settings_that_exist():
    services = yaml.safe_load(COMPOSE)["services"]
    others = {"postgres", "seaweedfs", "proxy"}
    workers = {f"worker-{queue}" for queue in ("evaluations", "errands", "containers")}
    assert others | workers | {"setup", "web", "model-server"} <= set(services)
    known = set(settings_read()) | {"PROMETHEUS_MULTIPROC_DIR", "NO_PROXY", "no_proxy"}
    for name in set(services) - others:
        assert {variable.removesuffix("_FILE") for variable in services[name]["environment"]} <= known, name
        for command in re.findall(r"manage\.py ([a-z_]+)", services[name]["command"]):
            assert command in get_commands()


def test_only_the_container_worker_holds_the_engine():
    services = yaml.safe_load(COMPOSE)["services"]
    holders = [name for name, service in services.items() if "docker.sock" in str(service.get("volumes"))]
    assert holders == ["worker-containers"]
    assert services["web"]["environment"]["DOCKER_HOST"] == ""
    assert services["worker-containers"]["profiles"] == ["containers"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_an_environment_file_bear_no_comment(page):
    """systemd and `docker run --env-file` take all behind `=` for the value: SLURM_JOBS was `20   # evaluations`."""
    assert re.findall(r"^[A-Z][A-Z_]+=\S*[ \t]+#.*", page.read_text(), re.MULTILINE) == []


def test_compose_publishes_to_this_machine_only_but_for_the_proxy():
    for name, service in yaml.safe_load(COMPOSE)["services"].items():
        assert name == "proxy" or all("127.0.0.1" in port for port in service.get("ports", []))


def test_the_example_environment_names_known_variables():
    names = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert names <= set(settings_read()) | INTERPOLATED | {"HTTPS_PROXY"}
    assert names >= INTERPOLATED


def test_the_image_never_takes_local_files_along():
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert {".env", ".git", "var", ".venv"} <= ignored
