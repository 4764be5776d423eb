"""Turn somebody's own model into what the site serves (docs/own-models.md)."""

from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser

SETTINGS = {"slice": ("MODEL_PATH", "CONFIG_PATH"), "lesion": ("LESION_MODEL_PATH", "LESION_CONFIG_PATH")}


class Command(BaseCommand):
    help = "Turn a TorchScript, torch.export or state-dict file and a small YAML into a model that the site serves."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "model", type=Path, help="TorchScript (.pt), exported program (.pt2) or state dict (.pt, .pth)"
        )
        parser.add_argument("description", type=Path, help="the YAML: kind, classes, size, normalisation")
        parser.add_argument("--out", type=Path, default=Path("models"), help="folder to write to")

    def handle(self, *args: Any, **options: Any) -> None:
        from inference.networks.model.packaging import CannotPack, package  # imports torch, which takes seconds

        model, out = options["model"], options["out"]
        if not model.is_file():
            raise CommandError(f"There is no file {model}.")
        try:
            config = package(model, self._described(options["description"]), out)
        except CannotPack as error:
            raise CommandError(f"Not packed: {error}") from error
        suffix = "pt2" if config.format == "exported" else "safetensors"
        weights, json = SETTINGS[config.kind]
        path = (out / config.kind).absolute()
        self.stdout.write(
            f"Packed {config.version}. Set, and restart the site:\n{weights}={path}.{suffix}\n{json}={path}.json"
        )

    def _described(self, path: Path) -> dict[str, Any]:
        try:
            found = yaml.safe_load(path.read_text())
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise CommandError(f"{path} cannot be read as YAML: {error}") from error
        if not isinstance(found, dict):
            raise CommandError(f"{path} must hold `key: value` lines; docs/own-models.md has an example.")
        return found
