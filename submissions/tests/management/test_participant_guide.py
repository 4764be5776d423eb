"""The guide says what the code does."""

import re
from pathlib import Path

import pytest

from submissions.failures import FAILURES
from submissions.kinds import KINDS
from submissions.management.generated_docs import PAGES
from submissions.management.generated_docs.participant_guide import filled_in, sections
from submissions.runner.base import Limits
from submissions.runner.contracts import CONTRACTS
from submissions.runner.docker_run_command import docker_run_command

GUIDE = Path(__file__).parents[3] / "docs" / "participant-guide.md"


@pytest.mark.parametrize("page", PAGES)
def test_generated_sections_are_up_to_date(page):
    text = (GUIDE.parent / page).read_text()
    assert "<!-- generated: " in text
    assert PAGES[page](text) == text, "run `python manage.py write_guide`"


@pytest.mark.parametrize("page", ["organiser-guide.md", "reference/csv.md", "participant-guide.md"])
def test_a_guide_tells_of_every_kind(page):
    text = (GUIDE.parent / page).read_text()
    assert [kind.title for kind in KINDS.values() if f"**{kind.title}**" not in text] == []


def test_every_generated_section_has_its_place_in_the_guide():
    guide = GUIDE.read_text()
    assert [name for name, text in sections().items() if text not in guide] == []


def test_an_empty_section_is_filled_and_the_next_one_kept():
    empty = "<!-- generated: contracts -->\n<!-- end -->\nbetween\n<!-- generated: failures -->\n<!-- end -->\n"
    guide = filled_in(empty)
    assert "between" in guide
    assert sections()["contracts"] in guide
    assert sections()["failures"] in guide


def test_every_code_has_a_row_with_its_sentence():
    rows = sections()["failures"].splitlines()[2:]
    for row, failure in zip(rows, FAILURES.values(), strict=True):
        _, code, stage, _, _, sentence, _ = re.split(r"(?<!\\)\|", row)
        assert (code.strip(), stage.strip()) == (f"`{failure.code}`", failure.stage)
        assert sentence.strip().replace("\\|", "|") == failure.sentence


def test_the_line_for_home_carries_the_sandbox():
    script = docker_run_command(Limits(memory_mib=4096, cpus=2), CONTRACTS["http"])
    line = " ".join(script[script.index("docker run --rm --name") :].replace("\\\n", " ").split())
    for flag in (
        "--network none",
        "--read-only",
        '--user "$RUN_AS" $HOME_IS --volumes-from lunasite-folders',
        "--cap-drop ALL",
        "--memory 4096m --memory-swap 4096m",
    ):
        assert flag in line
    assert line.endswith('"$IMAGE" docker rm --volumes lunasite-folders')


def test_the_batch_line_makes_a_folder_its_container_may_write_to():
    assert "\nmkdir -p output && chmod 777 output\ndocker run " in docker_run_command(Limits(), CONTRACTS["batch"])
