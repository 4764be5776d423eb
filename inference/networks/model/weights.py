"""Model weights on disk: a safetensors file beside a JSON file that describes it.

WeightsError
  WeightsMissing   a file does not exist
  WeightsDamaged   a file does not match its JSON: unreadable, another digest, other layers
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from inference.ct.crop_spec import CropSpec
from inference.networks.model.architectures import LesionNet, SliceNet
from inference.networks.model.foreign_network import NotAProgram, foreign_network

MAX_WEIGHTS_BYTES = 64 * 1024**2
TABLE = "table."
# What foreign_network.py does with the input, beside what is common to all models.
FOREIGN_INPUT = ("channels", "mean", "std", "output", "prepare")
PACK_IT = "make both with `manage.py package_model`, and set the two paths to what it writes."


class WeightsError(Exception):
    """The model cannot be loaded."""


class WeightsMissing(WeightsError):
    """A file does not exist."""


class WeightsDamaged(WeightsError):
    """A file does not match its JSON description."""


@dataclass(frozen=True)
class ModelConfig:
    """The JSON that describes the weights beside it.

    kind: "lesion" or "slice". version: unique name of this model. architecture: arguments of its class.
    input: how its crops or pictures are prepared. sha256: digest of the weights file.
    classes: names in the order of the outputs; empty for a single probability.
    format: "safetensors", or "exported": a program that `manage.py package_model` wrote (foreign_network.py).
    """

    kind: str
    version: str
    architecture: dict[str, Any]
    input: dict[str, Any]
    sha256: str
    classes: tuple[str, ...] = ()
    format: str = "safetensors"

    def crop_spec(self) -> CropSpec:
        """Return the crop specification of the lesion model. Raises WeightsDamaged."""
        try:
            named: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in self.input.items()
                if name not in FOREIGN_INPUT
            }
            return CropSpec(**named)
        except (TypeError, AttributeError) as error:
            raise WeightsDamaged(f"{self.version} does not say how to crop") from error

    def picture_side(self) -> int:
        """Return the side in pixels of the slice model's input. Raises WeightsDamaged."""
        try:
            return int(self.input["side"])
        except (TypeError, KeyError, ValueError) as error:
            raise WeightsDamaged(f"{self.version} does not say how large a picture is") from error


NETWORKS: Mapping[str, Callable[..., nn.Module]] = {"lesion": LesionNet, "slice": SliceNet}


def read_config(path: Path) -> ModelConfig:
    """Return the config of a model. Raises WeightsMissing, WeightsDamaged."""
    try:
        values = json.loads(_bytes_of(path))
        return ModelConfig(**{**values, "classes": tuple(values.get("classes", ()))})
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsDamaged(f"{path.name} is not a packed model's config: {PACK_IT}") from error


def load_network(config: ModelConfig, path: Path) -> nn.Module:
    """Return the network of `config` with the weights of `path`, in eval mode.

    Raises WeightsMissing, WeightsDamaged.
    """
    return load_model(config, path)[0]


def load_model(config: ModelConfig, path: Path) -> tuple[nn.Module, dict[str, NDArray[np.float64]]]:
    """Return the network of `config` in eval mode, and the file's tables: what is computed beside the network.

    Raises WeightsMissing, WeightsDamaged.
    """
    content = _bytes_of(path)
    if hashlib.sha256(content).hexdigest() != config.sha256:
        raise WeightsDamaged(f"{path.name} is not the file its config was written for: {PACK_IT}")
    if config.format == "exported":
        try:
            return foreign_network(content, config.input), {}
        except NotAProgram as error:
            raise WeightsDamaged(f"{path.name} cannot be used: {error}") from error
    try:
        tensors = load(content)
        tables = {
            key.removeprefix(TABLE): tensors.pop(key).double().numpy() for key in list(tensors) if key.startswith(TABLE)
        }
        network = NETWORKS[config.kind](**config.architecture)
        network.load_state_dict(_as_float32(tensors))
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsDamaged(f"{path.name} does not fit {config.kind}") from error
    return network.eval(), tables


def save_network(
    network: nn.Module,
    weights_path: Path,
    *,
    kind: str,
    name: str,
    architecture: dict[str, Any],
    input: dict[str, Any],
    classes: tuple[str, ...] = (),
    half: bool = False,
    tables: Mapping[str, NDArray[np.floating]] | None = None,
) -> ModelConfig:
    """Write the weights and the JSON beside them; return the config that the JSON holds.

    half: store float16; the caller must then evaluate the network as loaded from the file.
    tables: numbers that are computed with beside the network, by name.
    """
    state = {
        key: value.half() if half and value.is_floating_point() else value
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    state |= {f"{TABLE}{key}": torch.from_numpy(np.ascontiguousarray(value)) for key, value in (tables or {}).items()}
    content = save({key: value.contiguous() for key, value in state.items()})
    digest = hashlib.sha256(content).hexdigest()
    config = ModelConfig(kind, f"{name}-{digest[:8]}", architecture, input, digest, classes)
    write_model(weights_path, content, config)
    return config


def write_model(weights_path: Path, content: bytes, config: ModelConfig) -> None:
    """Write the weights and the JSON beside them."""
    weights_path.write_bytes(content)
    weights_path.with_suffix(".json").write_text(json.dumps(vars(config), indent=1) + "\n")


def _as_float32(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as float32, and add batch norm's step counters, which are not stored."""
    restored = {key: value.float() for key, value in state.items()}
    for key in [key for key in state if key.endswith("running_mean")]:
        restored[key.replace("running_mean", "num_batches_tracked")] = torch.zeros((), dtype=torch.long)
    return restored


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise WeightsDamaged(f"{path.name} is larger than any model here")
        return path.read_bytes()
    except OSError as error:
        raise WeightsMissing(f"{path.name} cannot be read") from error
