"""Check an image's config before an engine reads it."""

import re
from dataclasses import dataclass
from posixpath import normpath
from typing import Any

from submissions.faults import ParticipantError
from submissions.intake.image import go_json
from submissions.intake.image.errors import shown
from submissions.intake.image.facts import ImageConfig
from submissions.intake.image.go_json import BadJson
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.oci import is_sha256

# Mounts of the kernel: nothing may be placed in or over them.
_KERNEL_PATHS = ("/proc", "/sys", "/dev")
# A tmpfs at or above one of these would hide files that the image needs to start.
_SYSTEM_PATHS = (
    *_KERNEL_PATHS,
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib64",
    "/run",
    "/sbin",
    "/usr",
    "/var/run",
)
# The batch contract mounts it read-only, so nothing can be mounted below it.
_INPUT_PATH = "/input"
# The loader reads these in every process, including hooks of a GPU runtime. Only LD_LIBRARY_PATH is allowed, because
# every CUDA and PyTorch base image sets it; the runner empties it where a GPU is given.
_ALLOWED_LOADER_NAMES = frozenset({"LD_LIBRARY_PATH"})
_MAX_PATH_BYTES = 2048  # the engine puts its own folder before it
_MAX_PART_BYTES = 255
_PORT = re.compile("[0-9]{1,5}")


@dataclass(frozen=True)
class CheckedConfig:
    """The checked config, the digests that its layers must have, and its PATH, "" for none."""

    config: ImageConfig
    diff_ids: tuple[str, ...]
    env_path: str = ""


def read_config(text: bytes, limits: ArchiveLimits) -> CheckedConfig:
    """Return the checked content of the config.

    Raises ParticipantError: IMAGE_BAD_CONFIG, IMAGE_ARCHITECTURE, IMAGE_FORBIDDEN_ENV, IMAGE_BAD_VOLUME,
    IMAGE_NO_COMMAND.
    """
    try:
        return _checked(_root(text), limits)
    except BadJson as error:
        raise _bad_config(f"The image's config cannot be used: {error}.") from error


def _checked(root: dict[str, Any], limits: ArchiveLimits) -> CheckedConfig:
    diff_ids = _diff_ids(root)
    _check_platform(root)
    _check_history(root, len(diff_ids))
    requested = go_json.object_field(root, "config")
    config = ImageConfig(
        exposed_ports=_exposed_ports(requested),
        user=go_json.text_field(requested, "User"),
        env_names=_env_names(requested, limits),
        volumes=_volumes(requested, limits),
        working_dir=_working_dir(requested),
        entrypoint=_command(requested, "Entrypoint"),
        cmd=_command(requested, "Cmd"),
        stop_signal=go_json.text_field(requested, "StopSignal"),
        has_healthcheck=bool(go_json.object_field(requested, "Healthcheck")),
    )
    if not config.has_command:
        raise ParticipantError(
            "IMAGE_NO_COMMAND",
            "The image has neither ENTRYPOINT nor CMD. Say in the Dockerfile what to start.",
        )
    return CheckedConfig(config, diff_ids, _env_path(requested))


def _root(text: bytes) -> dict[str, Any]:
    root = go_json.parse(text)
    if not isinstance(root, dict):
        raise BadJson("it is not an object")
    return root


def _bad_config(note: str) -> ParticipantError:
    return ParticipantError("IMAGE_BAD_CONFIG", note)


def _diff_ids(root: dict[str, Any]) -> tuple[str, ...]:
    diff_ids = go_json.text_list_field(go_json.object_field(root, "rootfs"), "diff_ids")
    for diff_id in diff_ids:
        algorithm, _, digest = diff_id.partition(":")
        if algorithm != "sha256" or not is_sha256(digest):
            raise _bad_config("The image's config holds a layer digest that is not sha256.")
    return diff_ids


def _check_platform(root: dict[str, Any]) -> None:
    system = go_json.text_field(root, "os") or "nothing"
    machine = go_json.text_field(root, "architecture") or "nothing"
    if (system, machine) != ("linux", "amd64"):
        raise ParticipantError(
            "IMAGE_ARCHITECTURE",
            f"The image is for {shown(system)}/{shown(machine)}; build it with `--platform linux/amd64`.",
        )


def _check_history(root: dict[str, Any], layers: int) -> None:
    """Raise ParticipantError if the history lists more layers than there are: no engine loads such an image."""
    steps = [step for step in go_json.list_field(root, "history") if isinstance(step, dict)]
    message = sum(not go_json.field(step, "empty_layer") for step in steps)
    if message > layers:
        raise _bad_config(f"The image's history tells of {message} layers, but it has {layers}; build it anew.")


def _command(requested: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return a command; engines also accept one string for a list of one."""
    value = go_json.field(requested, name)
    return (value,) if isinstance(value, str) else go_json.text_list_field(requested, name)


def _env_names(requested: dict[str, Any], limits: ArchiveLimits) -> tuple[str, ...]:
    env = go_json.text_list_field(requested, "Env")
    if sum(len(line.encode()) for line in env) > limits.max_env_bytes:
        raise ParticipantError(
            "IMAGE_FORBIDDEN_ENV",
            f"The image's environment is larger than {limits.max_env_bytes // 1024} KiB.",
        )
    names = tuple(line.partition("=")[0] for line in env)
    for line, name in zip(env, names, strict=True):
        # An empty value has no effect, and it is the only way to undo a variable that the base image sets.
        if line != f"{name}=" and name.strip().upper().startswith("LD_") and name not in _ALLOWED_LOADER_NAMES:
            raise ParticipantError(
                "IMAGE_FORBIDDEN_ENV",
                f"The image sets {shown(name)}; remove this ENV line, or where the base image has it, end the "
                f"Dockerfile with `ENV {shown(name)[1:-1]}=`.",
            )
    if any(line.startswith("=") for line in env):
        raise _bad_config("An ENV line of the image has no name before its `=`; remove it.")
    return names


def _env_path(requested: dict[str, Any]) -> str:
    lines = (line for line in go_json.text_list_field(requested, "Env") if line.startswith("PATH="))
    return next(lines, "").removeprefix("PATH=")


def _working_dir(requested: dict[str, Any]) -> str:
    path = go_json.text_field(requested, "WorkingDir")
    if path and (not _is_plain_absolute(path) or _is_at_or_below(_clean(path), _KERNEL_PATHS)):
        raise _bad_config(f"WORKDIR {shown(path)} is not a directory of the image's own; use one such as /app.")
    return path and _clean(path)


def _volumes(requested: dict[str, Any], limits: ArchiveLimits) -> tuple[str, ...]:
    declared = go_json.object_field(requested, "Volumes")
    if len(declared) > limits.max_volumes:
        raise ParticipantError(
            "IMAGE_BAD_VOLUME", f"The image declares {len(declared)} volumes; at most {limits.max_volumes}."
        )
    for path in declared:
        if not _is_plain_absolute(path) or _hides_the_system(_clean(path)):
            raise ParticipantError(
                "IMAGE_BAD_VOLUME", f"VOLUME {shown(path)} lies at or over a system path; remove it."
            )
    return tuple(sorted({_clean(path) for path in declared}))


def _exposed_ports(requested: dict[str, Any]) -> tuple[int, ...]:
    """Return the TCP ports, from "8000/tcp" and "8000"; other protocols are ignored."""
    ports = set()
    for name in go_json.object_field(requested, "ExposedPorts"):
        number, _, protocol = name.partition("/")
        if not _PORT.fullmatch(number) or not 1 <= int(number) <= 65535:
            raise _bad_config(f"EXPOSE {shown(name)} is not a port.")
        if protocol in ("", "tcp"):
            ports.add(int(number))
    return tuple(sorted(ports))


def _is_plain_absolute(path: str) -> bool:
    parts = path.split("/")
    is_short = len(path.encode()) <= _MAX_PATH_BYTES and all(len(part.encode()) <= _MAX_PART_BYTES for part in parts)
    return path.startswith("/") and is_short and ".." not in parts and path.isprintable()


def _clean(path: str) -> str:
    return "/" + normpath(path).lstrip("/")


def _is_at_or_below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(place + "/") for place in places)


def _hides_the_system(path: str) -> bool:
    is_above = any(place == path or place.startswith(path.rstrip("/") + "/") for place in _SYSTEM_PATHS)
    return is_above or _is_at_or_below(path, _KERNEL_PATHS) or path.startswith(_INPUT_PATH + "/")
