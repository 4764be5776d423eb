"""What the site's settings say about its models."""

from dataclasses import dataclass
from pathlib import Path

WEIGHTS_DIR = Path(__file__).resolve().parents[1] / "weights"


@dataclass(frozen=True)
class ServiceConfig:
    """What the site's settings say about models; values only.

    load_model: False answers ModelUnavailable at once; pictures can still be checked and cleaned.
    config_path, model_path: the slice model; the lesion model lies beside it as lesion.json, lesion.safetensors.
    server_url: a model server to ask instead of a process of our own; server_token: its shared secret.
    max_waiting: requests that may wait for the process before the next is refused with Busy.
    memory_bytes: address space of the model process.
    """

    load_model: bool = True
    config_path: Path = WEIGHTS_DIR / "slice.json"
    model_path: Path = WEIGHTS_DIR / "slice.safetensors"
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
        return self.config_path.with_name("lesion.json"), self.model_path.with_name("lesion.safetensors")
