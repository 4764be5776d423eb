"""Small untrained models of the shipped shapes: what they answer means nothing, that they answer is the point."""

from pathlib import Path

import torch

from inference.networks.config import ServiceConfig
from inference.networks.model.architectures import LesionNet, SliceNet
from inference.networks.model.weights import save_network
from inference.slice_classes import SLICE_CLASSES


def save_trial_models(folder: Path) -> ServiceConfig:
    """Write both models into `folder` and return the config of a service that loads them."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    lesion = {"members": 2, "slices": 6, "width": 8}
    crop = {"shape_zyx": [6, 32, 32], "spacing_zyx_mm": [2.0, 1.0, 1.0]}
    save_network(
        LesionNet(**lesion), folder / "lesion.safetensors", kind="lesion", name="trial", architecture=lesion, input=crop
    )
    slices = {"classes": len(SLICE_CLASSES), "taps": [4], "grid_taps": []}
    save_network(
        SliceNet(**slices), folder / "slice.safetensors", kind="slice", name="trial", architecture=slices,
        input={"side": 64}, classes=SLICE_CLASSES,
    )  # fmt: skip
    return config_in(folder)


def config_in(folder: Path, **changes: object) -> ServiceConfig:
    """Return the config of a service over the models in `folder`."""
    paths = {
        "config_path": folder / "slice.json",
        "model_path": folder / "slice.safetensors",
        "lesion_config_path": folder / "lesion.json",
        "lesion_model_path": folder / "lesion.safetensors",
    }
    return ServiceConfig(**{**paths, **changes})
