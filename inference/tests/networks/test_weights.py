"""Weights files: what is loaded is what was saved, and nothing else is accepted."""

import json

import pytest
import torch
from safetensors.torch import save_file

from inference.ct.crop_spec import CropSpec
from inference.networks.model.architectures import LesionNet
from inference.networks.model.predictor import load_lesion_predictor, load_slice_predictor
from inference.networks.model.weights import (
    WeightsDamaged,
    WeightsMissing,
    load_network,
    read_config,
    save_network,
)

pytestmark = pytest.mark.slow

ARCHITECTURE = {"members": 1, "slices": 3, "width": 4}
INPUT = {"shape_zyx": (3, 16, 16), "spacing_zyx_mm": (2.0, 0.8, 0.8), "fill_hu": None}


@pytest.fixture
def saved(tmp_path):
    """Return (config path, weights path, network) of a small lesion model."""
    torch.manual_seed(0)
    network = LesionNet(**ARCHITECTURE).eval()
    path = tmp_path / "lesion.safetensors"
    save_network(network, path, kind="lesion", name="lesion", architecture=ARCHITECTURE, input=INPUT)
    return path.with_suffix(".json"), path, network


def change_config(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_loaded_network_answers_as_the_saved_one(saved):
    config, weights, network = saved
    crop = torch.rand(2, 1, 3, 16, 16)
    assert torch.equal(load_network(read_config(config), weights)(crop), network(crop))


def test_half_precision_weights_answer_nearly_the_same(saved, tmp_path):
    _, _, network = saved
    path = tmp_path / "half.safetensors"
    config = save_network(network, path, kind="lesion", name="x", architecture=ARCHITECTURE, input=INPUT, half=True)
    crop = torch.rand(2, 1, 3, 16, 16)
    assert path.stat().st_size < saved[1].stat().st_size * 0.75
    assert torch.allclose(load_network(config, path)(crop), network(crop), atol=1e-2)


def test_config_tells_the_crop(saved):
    assert read_config(saved[0]).crop_spec() == CropSpec((3, 16, 16), (2.0, 0.8, 0.8), fill_hu=None)


def test_version_names_the_weights_themselves(saved):
    config = read_config(saved[0])
    assert config.version == f"lesion-{config.sha256[:8]}"


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_file_is_missing(saved, which):
    saved[which].unlink()
    with pytest.raises(WeightsMissing):
        load_lesion_predictor(saved[0], saved[1])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b'{"kind": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_config_that_is_none_is_damaged(saved, content):
    saved[0].write_bytes(content)
    with pytest.raises(WeightsDamaged):
        load_lesion_predictor(saved[0], saved[1])


def test_one_changed_byte_is_damage(saved):
    content = bytearray(saved[1].read_bytes())
    content[-1] ^= 1
    saved[1].write_bytes(content)
    with pytest.raises(WeightsDamaged):
        load_lesion_predictor(saved[0], saved[1])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"kind": "other"}, id="unknown kind"),
        pytest.param({"architecture": {"members": 2, "slices": 3, "width": 4}}, id="more members"),
        pytest.param({"architecture": {"members": 1, "slices": 3, "width": 8}}, id="wider"),
        pytest.param({"architecture": {"depth": 1}}, id="unknown argument"),
        pytest.param({"input": {}}, id="no crop"),
        pytest.param({"input": {"side": 224}}, id="a picture's input"),
        pytest.param({"input": []}, id="input is no mapping"),
        pytest.param({"classes": 3}, id="classes are no list"),
    ],
)
def test_a_config_that_does_not_fit_is_damaged(saved, changes):
    change_config(saved[0], **changes)
    with pytest.raises(WeightsDamaged):
        load_lesion_predictor(saved[0], saved[1])


def test_a_lesion_model_is_no_slice_model(saved):
    with pytest.raises(WeightsDamaged):
        load_slice_predictor(saved[0], saved[1])


def test_other_tensors_under_the_right_digest_are_damaged(saved, tmp_path):
    import hashlib

    save_file({"members.0.heads.weight": torch.zeros(1)}, saved[1])
    change_config(saved[0], sha256=hashlib.sha256(saved[1].read_bytes()).hexdigest())
    with pytest.raises(WeightsDamaged):
        load_lesion_predictor(saved[0], saved[1])
