"""docker-compose.yml as `docker run` understands it, for engines that have no compose."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
# ${NAME}, ${NAME:-default}, ${NAME:?what to do}
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}")
TRANSLATED = {
    "image", "build", "restart", "env_file", "environment", "volumes", "tmpfs", "command", "depends_on", "ports",
    "healthcheck", "read_only", "cap_drop", "security_opt", "pids_limit", "mem_limit", "group_add", "secrets",
    "networks", "profiles", "logging", "stop_grace_period",
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


def run_arguments(
    service: dict[str, Any], image: str, volume_prefix: str, changes: dict[str, str], secrets: Path
) -> list[str]:
    """Return what follows `docker run`: environment, mounts, limits, image and command of a service of the site.

    volume_prefix: put before the name of each volume. changes: variables set otherwise than in the file. secrets: the
    folder of the secrets' files. Ports, networks, restarts and who waits for whom are the caller's. Raises ValueError
    for a key that it would leave out.
    """
    if left_out := set(service) - TRANSLATED:
        raise ValueError(f"run_arguments does not know {sorted(left_out)}")
    options = ["--read-only"] if service.get("read_only") else []
    options += ["--pids-limit", str(service["pids_limit"]), "--memory", service["mem_limit"]]
    for flag, key in (("--cap-drop", "cap_drop"), ("--security-opt", "security_opt"), ("--tmpfs", "tmpfs"),
                      ("--group-add", "group_add")):  # fmt: skip
        options += [part for value in service.get(key, []) for part in (flag, str(value))]
    for name, value in (service.get("environment", {}) | changes).items():
        options += ["--env", f"{name}={value}"]
    for volume in service.get("volumes", []):
        options += ["--volume", volume if volume.startswith("/") else f"{volume_prefix}{volume}"]
    for name in service.get("secrets", []):
        options += ["--volume", f"{secrets / name}:/run/secrets/{name}:ro"]
    return [*options, image, *shlex.split(service["command"])]
