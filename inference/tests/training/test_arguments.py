"""Where the training commands look for data."""

from pathlib import Path

import pytest

from inference.networks.config import WEIGHTS_DIR
from inference.training import lesion, slices
from inference.training.arguments import DATA_VARIABLE, options_of, parser_for

pytestmark = pytest.mark.slow


def test_the_environment_says_where_the_data_are(monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, "/somewhere")
    assert options_of(parser_for("", "folder"), []).data == Path("/somewhere")


def test_the_command_line_says_it_better(monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, "/somewhere")
    assert options_of(parser_for("", "folder"), ["--data", "/else"]).data == Path("/else")


def test_the_folder_to_write_into_is_made_before_the_training(tmp_path):
    options = options_of(parser_for("", "folder"), ["--data", "/else", "--out", str(tmp_path / "new" / "weights")])
    assert options.out.is_dir()


@pytest.mark.parametrize("environment", [None, ""])
@pytest.mark.parametrize("command", [lesion.main, slices.main])
def test_without_either_the_error_names_the_option_and_the_variable(monkeypatch, capsys, command, environment):
    if environment is None:
        monkeypatch.delenv(DATA_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(DATA_VARIABLE, environment)
    with pytest.raises(SystemExit) as ended:
        command([])
    assert ended.value.code == 2
    assert f"--data, or the environment variable {DATA_VARIABLE}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["lesion.md", "slice.md"])
def test_a_card_names_no_folder_of_the_machine_it_was_made_on(name):
    card = (WEIGHTS_DIR / name).read_text()
    assert "--data DATA`" in card
    assert "../" not in card
