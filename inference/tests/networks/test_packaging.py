"""Somebody's own model, packed: it answers what it answered, and what cannot be used is named with its reason."""

import io
import json
import pickle
from pathlib import Path

import pytest
import torch
from django.core.management import CommandError, call_command
from torch import nn

from inference.networks.model.foreign_network import load_program
from inference.networks.model.packaging import CannotPack, package
from inference.networks.model.predictor import NotAProbability, SlicePredictor, load_slice_predictor
from inference.networks.worker.loading import load_jobs
from inference.slice_classes import SLICE_CLASSES
from inference.tests.network_samples import LESION, chest_picture

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

DESCRIPTION = {
    "kind": "slice", "name": "tiny", "classes": list(SLICE_CLASSES), "side": 64, "channels": 3,
    "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4],
}  # fmt: skip


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    return nn.Sequential(*layers).eval()


def saved(network: nn.Module, folder: Path, suffix: str) -> Path:
    example, path = torch.rand(1, 3, 64, 64), folder / f"best{suffix}"
    if suffix == ".pt2":
        torch.export.save(torch.export.export(network, (example,)), path)
    else:
        torch.jit.save(torch.jit.trace(network, example), path)
    return path


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
def test_a_packed_model_answers_what_it_answered(network, tmp_path, suffix):
    config = package(saved(network, tmp_path, suffix), DESCRIPTION, tmp_path / "out")
    model = load_slice_predictor(tmp_path / "out/slice.json", tmp_path / "out/slice.pt2")
    grey = chest_picture()
    seen = (torch.from_numpy(model.prepare(grey, 64))[None] - torch.tensor([0.4, 0.5, 0.6]).reshape(1, 3, 1, 1)) / (
        torch.tensor([0.2, 0.3, 0.4]).reshape(1, 3, 1, 1)
    )
    with torch.no_grad():
        expected = torch.softmax(network(seen), dim=1)[0].tolist()
    assert model.reading(grey).probabilities == pytest.approx(expected, abs=1e-5)
    assert model.reading(grey).warnings == []
    assert config.version.startswith("tiny-")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "organ"}, "kind: slice or kind: lesion"),
        ({"classes": ["a", "b"]}, "classes must be"),
        ({"mean": [0.1, 0.2]}, "mean and std"),
        ({"output": "score"}, "output must be"),
        ({"colour": 1}, "unknown key colour"),
        ({"side": 2}, "fails on an input"),
    ],
)
def test_a_wrong_description_is_named(network, tmp_path, changes, told):
    with pytest.raises(CannotPack, match=told):
        package(saved(network, tmp_path, ".pt2"), {**DESCRIPTION, **changes}, tmp_path)


class Trap:
    def __reduce__(self):
        return (open, (self.path, "w"))


def test_logits_that_are_called_probabilities_are_refused(network, tmp_path):
    """The site would answer them as they are, negative ones too."""
    described = {**DESCRIPTION, "output": "probabilities"}
    with pytest.raises(CannotPack, match="no probabilities: say output: logits"):
        package(saved(network, tmp_path, ".pt2"), described, tmp_path / "models")
    honest = nn.Sequential(network, nn.Softmax(dim=1)).eval()
    package(saved(honest, tmp_path, ".pt2"), described, tmp_path / "models")


@pytest.mark.parametrize("row", [[-0.5, 0.5, 0.5, 0.5], [2.0, 0.0, 0.0, 0.0]])
def test_numbers_that_are_no_probabilities_are_never_answered(row):
    """Those of an input that the loading did not try."""
    predictor = SlicePredictor(SLICE_CLASSES, 64, "v", lambda batch: torch.tensor([row]))
    with pytest.raises(NotAProbability):
        predictor.reading(chest_picture())


def test_a_pickle_is_refused_and_not_run(tmp_path):
    trap = Trap()
    Trap.path = str(tmp_path / "sprung")
    (tmp_path / "best.pt").write_bytes(pickle.dumps(trap))
    torch.save(trap, tmp_path / "saved.pt")
    for name in ("best.pt", "saved.pt"):
        for description in (DESCRIPTION, {**DESCRIPTION, "architecture": {"classes": 4, "taps": [], "grid_taps": []}}):
            with pytest.raises(CannotPack):
                package(tmp_path / name, description, tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_a_program_is_loaded_with_its_weights_alone(network, tmp_path, monkeypatch):
    Trap.path = str(tmp_path / "sprung")
    target = io.BytesIO()
    torch.save(Trap(), target)
    monkeypatch.setattr(torch.export, "load", lambda _: torch.load(io.BytesIO(target.getvalue()), weights_only=False))
    with pytest.raises(pickle.UnpicklingError):
        load_program(b"")
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_cannot_be_used_is_named_and_the_other_model_goes_on(tmp_path):
    (tmp_path / "best.pt").write_bytes(b"PK")
    (tmp_path / "config.yaml").write_text("model: resnet")
    _, (lesion, slices) = load_jobs(lesion=LESION, slices=(tmp_path / "config.yaml", tmp_path / "best.pt"))
    assert lesion.is_loaded
    assert slices.state == "damaged"
    assert "config.yaml" in slices.reason
    assert "package_model" in slices.reason
    assert str(tmp_path) not in slices.reason


def test_the_command_names_the_settings(network, tmp_path, capsys):
    description = tmp_path / "config.yaml"
    description.write_text(json.dumps(DESCRIPTION))
    call_command("package_model", str(saved(network, tmp_path, ".pt2")), str(description), out=tmp_path / "out")
    told = capsys.readouterr().out
    assert f"MODEL_PATH={tmp_path}/out/slice.pt2" in told
    assert f"CONFIG_PATH={tmp_path}/out/slice.json" in told
    with pytest.raises(CommandError, match="no file"):
        call_command("package_model", str(tmp_path / "none.pt"), str(description))
