"""docker-compose.yml as `docker run` understands it, for engines that have no compose."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
# ${NAME}, ${NAME:-default}, ${NAME:?what to do}
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}")
TRANSLATED = {
    "image", "build", "restart", "env_file", "environment", "volumes", "tmpfs", "command", "depends_on", "ports",
    "healthcheck",
}  # fmt: skip


def example_environment(**filled: str) -> dict[str, str]:
    """Return the variables that .env.example sets, with its blanks filled in."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if re.match(r"[A-Z]", line)]
    return dict(pairs) | filled


def read_compose(environment: dict[str, str]) -> dict[str, Any]:
    """Return docker-compose.yml with its variables filled in. Raises ValueError for one that must have a value."""

    def value_of(found: re.Match[str]) -> str:
        name, default = found.groups()
        value = environment.get(name) or default
        if value is None:
            raise ValueError(f"{name} is not set")
        return value

    return filled_in(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), value_of)


def filled_in(part: Any, value_of: Any) -> Any:
    if isinstance(part, dict):
        return {key: filled_in(value, value_of) for key, value in part.items()}
    if isinstance(part, list):
        return [filled_in(value, value_of) for value in part]
    return VARIABLE.sub(value_of, part) if isinstance(part, str) else part


def run_arguments(service: dict[str, Any], image: str, volume_prefix: str, changes: dict[str, str]) -> list[str]:
    """Return what follows `docker run`: environment, mounts, image and command of a service of the site.

    volume_prefix: put before the name of each volume. changes: variables set otherwise than in the file.
    Ports, restarts and who waits for whom are the caller's. Raises ValueError for a key that it would leave out.
    """
    if left_out := set(service) - TRANSLATED:
        raise ValueError(f"run_arguments does not know {sorted(left_out)}")
    options = []
    for name, value in (service.get("environment", {}) | changes).items():
        options += ["--env", f"{name}={value}"]
    for volume in service.get("volumes", []):
        options += ["--volume", f"{volume_prefix}{volume}"]
    for mount in service.get("tmpfs", []):
        options += ["--tmpfs", mount]
    return [*options, image, *shlex.split(service["command"])]
