"""Container contracts and kinds stand in one file each: nothing else names them."""

import ast
from pathlib import Path

import pytest

from submissions.kinds import KINDS
from submissions.runner.base import Limits
from submissions.runner.contracts import CONTRACTS, contract_choices, contracts_for, default_contract
from submissions.runner.docker_run_command import docker_run_command

ROOT = Path(__file__).parents[3]
OWN_ROOMS = ("submissions/kinds", "submissions/runner/contracts")
# `http` is a word of addresses, too.
NAMES = {*KINDS, *CONTRACTS} - {"http"}


def code_files():
    for app in ("submissions", "leaderboard"):
        for path in (ROOT / app).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(OWN_ROOMS) and "/tests/" not in name:
                yield path


@pytest.mark.slow
def test_no_other_file_names_a_kind_or_a_contract():
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value!r}"
        for path in code_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in NAMES
    ]
    assert named == []


def test_no_template_names_a_contract_or_a_kinds_addresses_and_files():
    words = {contract.label for contract in CONTRACTS.values()}
    for kind in KINDS.values():
        words |= {kind.title, kind.endpoint_path, *(kind.batch.output_names if kind.batch else ())}
    named = [
        (path.relative_to(ROOT).as_posix(), word)
        for path in (ROOT / "templates").rglob("*.*")
        if not path.is_relative_to(ROOT / "templates/inference")  # the pages of the site's own models
        for word in sorted(words - {""})
        if word in path.read_text()
    ]
    assert named == []


@pytest.mark.parametrize(
    ("kind", "names"), [("lesion", ["http", "batch"]), ("slice", ["http"]), ("nodule-detection", [])]
)
def test_a_contract_says_which_kinds_it_serves(kind, names):
    assert [contract.name for contract in contracts_for(KINDS[kind])] == names


def test_the_reference_has_a_section_for_every_contract():
    page = (ROOT / "docs/reference/container-contract.md").read_text()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert [name for name in CONTRACTS if not any(f"(`{name}`" in heading for heading in headings)] == []


def test_the_first_contract_is_the_default():
    assert default_contract() == contract_choices()[0][0] == "http"


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_says_how_to_run_an_image_at_home(contract):
    line = docker_run_command(Limits(), contract)
    assert "--network none" in line
    assert '\n  "$IMAGE"\n' in line
    assert contract.guide.count("RUN") == contract.guide.count("KINDS") == 1
