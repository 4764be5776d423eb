"""Turn somebody's own model into what the site serves: an exported program or safetensors, with a JSON beside it.

The file may be TorchScript (.pt of torch.jit.save), an exported program (.pt2 of torch.export.save), or a state dict of
one of the architectures here. A pickle of a whole module is refused: loading it would run whatever it holds.
"""

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import torch

from inference.ct.crop_spec import CropSpec
from inference.networks.model.foreign_network import OUTPUTS, load_program
from inference.networks.model.predictor import PREPARATIONS, load_lesion_predictor, load_slice_predictor
from inference.networks.model.weights import NETWORKS, ModelConfig, WeightsError, save_network, write_model
from inference.slice_classes import SLICE_CLASSES

KEYS = (
    "kind", "name", "architecture", "classes", "side", "crop", "channels", "mean", "std", "output", "prepare",
)  # fmt: skip
MAX_PACKED_BYTES = 64 * 1024**2


class CannotPack(ValueError):
    """The file or its description cannot be used; the text says why and what to do."""


def package(model: Path, description: dict[str, Any], out: Path) -> ModelConfig:
    """Write the model as `out`/<kind>.pt2 or .safetensors and .json, and load it as the site will.

    description: of the small YAML (docs/own-models.md). Raises CannotPack.
    """
    kind = _checked(description)
    out.mkdir(parents=True, exist_ok=True)
    if "architecture" in description:
        config, path = _from_state_dict(model, description, kind, out)
    else:
        config, path = _from_program(model, description, kind, out)
    try:
        (load_slice_predictor if kind == "slice" else load_lesion_predictor)(path.with_suffix(".json"), path)
    except WeightsError as error:
        raise CannotPack(f"the packed model cannot be loaded: {error}") from error
    return config


def _checked(description: dict[str, Any]) -> str:
    """Return the kind of a description without mistakes."""
    unknown = sorted(set(description) - set(KEYS))
    if unknown:
        raise CannotPack(f"the YAML has the unknown key {unknown[0]}; known are {', '.join(KEYS)}")
    kind = description.get("kind")
    if kind not in NETWORKS:
        raise CannotPack("the YAML must say kind: slice or kind: lesion")
    if kind == "slice" and tuple(description.get("classes", ())) != SLICE_CLASSES:
        raise CannotPack(f"classes must be {', '.join(SLICE_CLASSES)}, in this order: that is what /predict promises")
    if description.get("output", OUTPUTS[0]) not in OUTPUTS:
        raise CannotPack(f"output must be {' or '.join(OUTPUTS)}")
    if description.get("prepare", "whole") not in PREPARATIONS:
        raise CannotPack(f"prepare must be {' or '.join(PREPARATIONS)}")
    return str(kind)


def _from_state_dict(model: Path, description: dict[str, Any], kind: str, out: Path) -> tuple[ModelConfig, Path]:
    try:
        state = torch.load(model, map_location="cpu", weights_only=True)
        network = NETWORKS[kind](**description["architecture"])
        network.load_state_dict(state.get("state_dict", state))
    except Exception as error:
        raise CannotPack(f"{model.name} is not a state dict of this architecture: {_first_line(error)}") from error
    path = out / f"{kind}.safetensors"
    config = save_network(
        network, path, kind=kind, name=_name(description), architecture=description["architecture"],
        input=_input_of(description, kind), classes=SLICE_CLASSES if kind == "slice" else (),
    )  # fmt: skip
    return config, path


def _from_program(model: Path, description: dict[str, Any], kind: str, out: Path) -> tuple[ModelConfig, Path]:
    values = _input_of(description, kind) | _normalisation_of(description)
    program = _program_of(model, _example(values, kind))
    target = io.BytesIO()
    torch.export.save(program, target)
    content = target.getvalue()
    if len(content) > MAX_PACKED_BYTES:
        raise CannotPack(
            f"the model has {len(content) // 2**20} MB, the site loads at most {MAX_PACKED_BYTES // 2**20}"
        )
    digest = hashlib.sha256(content).hexdigest()
    classes = SLICE_CLASSES if kind == "slice" else ()
    config = ModelConfig(kind, f"{_name(description)}-{digest[:8]}", {}, values, digest, classes, "exported")
    path = out / f"{kind}.pt2"
    write_model(path, content, config)
    return config, path


def _program_of(model: Path, example: torch.Tensor) -> torch.export.ExportedProgram:
    """Return a file's exported program; TorchScript is converted."""
    if model.suffix == ".pt2":
        try:
            return load_program(model.read_bytes())
        except Exception as error:
            raise CannotPack(f"{model.name} is not an exported program: {_first_line(error)}") from error
    try:
        script = torch.jit.load(model, map_location="cpu").eval()
    except Exception as error:
        raise CannotPack(
            f"{model.name} is not TorchScript. A checkpoint with classes of its own cannot be loaded safely: save it "
            "with torch.jit.save(torch.jit.trace(model, example)) or torch.export.save, or name its architecture."
        ) from error
    return _converted(script, example, model.name)


def _converted(script: torch.jit.ScriptModule, example: torch.Tensor, name: str) -> torch.export.ExportedProgram:
    from torch._export.converter import TS2EPConverter  # torch offers no public way from TorchScript

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return TS2EPConverter(script, (example,), {}).convert()
    except Exception as error:
        raise CannotPack(
            f"{name} cannot be converted ({_first_line(error)}): save it with torch.export.save"
        ) from error


def _input_of(description: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return how pictures or crops are prepared."""
    if kind == "slice":
        return {"side": int(description.get("side", 224)), "prepare": description.get("prepare", "whole")}
    try:
        spec = CropSpec(**{name: _tuple(value) for name, value in description["crop"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise CannotPack("a lesion model needs crop: with shape_zyx and spacing_zyx_mm") from error
    return dict(vars(spec))


def _normalisation_of(description: dict[str, Any]) -> dict[str, Any]:
    channels = int(description.get("channels", 3 if description["kind"] == "slice" else 0))
    count = max(channels, 1)
    mean, std = (_floats(description.get(name, usual), count) for name, usual in (("mean", 0.0), ("std", 1.0)))
    return {"channels": channels, "mean": mean, "std": std, "output": description.get("output", OUTPUTS[0])}


def _floats(value: Any, count: int) -> list[float]:
    found = [float(item) for item in value] if isinstance(value, list) else [float(value)] * count
    if len(found) != count:
        raise CannotPack(f"mean and std must be one number, or {count} numbers as there are channels")
    return found


def _example(values: dict[str, Any], kind: str) -> torch.Tensor:
    """Return an input as the program gets it."""
    if kind == "slice":
        return torch.rand(1, values["channels"] or 1, values["side"], values["side"])
    return torch.rand(1, values["channels"] or 1, *values["shape_zyx"])


def _name(description: dict[str, Any]) -> str:
    return str(description.get("name", "own"))[:40]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
