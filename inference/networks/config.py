"""Configuration of the model service, from the site's settings."""

from dataclasses import dataclass
from pathlib import Path

WEIGHTS_DIR = Path(__file__).resolve().parents[1] / "weights"


@dataclass(frozen=True)
class ServiceConfig:
    """The site's settings for its models, as plain values.

    load_model: if False, calls fail with ModelUnavailable at once; pictures can still be checked and cleaned.
    config_path, model_path: the slice model. lesion_config_path, lesion_model_path: the lesion model.
    server_url: a model server to use instead of a local process; server_token: its shared secret.
    max_waiting: requests that may wait for the process before further ones are refused with ServiceBusy.
    memory_bytes: address space of the model process.
    """

    load_model: bool = True
    config_path: Path = WEIGHTS_DIR / "slice.json"
    model_path: Path = WEIGHTS_DIR / "slice.safetensors"
    lesion_config_path: Path = WEIGHTS_DIR / "lesion.json"
    lesion_model_path: Path = WEIGHTS_DIR / "lesion.safetensors"
    server_url: str = ""
    server_token: str = ""
    max_waiting: int = 16
    startup_s: float = 120.0
    memory_bytes: int = 6 * 1024**3

    @property
    def slice_paths(self) -> tuple[Path, Path]:
        """Return the slice model's config and weights."""
        return self.config_path, self.model_path

    @property
    def lesion_paths(self) -> tuple[Path, Path]:
        """Return the lesion model's config and weights."""
        return self.lesion_config_path, self.lesion_model_path
