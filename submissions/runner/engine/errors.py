"""What an engine says, and what it means: whose fault, which image, which text may be shown."""

from __future__ import annotations

import re

from submissions.runner.base import ContainerFault, EngineFault, RunError
from submissions.runner.engine.load_errors import archive_fault
from submissions.text.printable import printable

LOADED = re.compile(r"Loaded image(?: ID)?: (sha256:[0-9a-f]{64})")


def engine_fault(error: Exception) -> EngineFault:
    """Return the typed error of an engine's answer; a full disk has a code of its own."""
    text = str(error)
    code = "SYSTEM_DISK" if "no space left on device" in text.lower() else "SYSTEM_ENGINE"
    return EngineFault("The container engine did not answer as it should.", code=code, staff_detail=text[:2000])


def loaded_id(response: str) -> str:
    """Return the last image ID in what an engine says while it loads."""
    found = LOADED.findall(response)
    return str(found[-1]) if found else ""


# What is in the image: its command, a folder, its architecture, its /etc/passwd.
_OF_THE_IMAGE_AT_CREATE = ("not a directory", "cannot mkdir", "too many links", "file exists", "file name too long")
_OF_THE_IMAGE = (
    *_OF_THE_IMAGE_AT_CREATE,
    "exec format error",
    "executable file not found",
    "no such file or directory",
    "permission denied",
    "is a directory",
    "chdir to cwd",
    "no command specified",
    "too many levels of symbolic links",
    "it is not of type proc",
    "because it is inside /proc",
    "unable to find user",
    "unable to find groups",
    "environment variable name",
)


def names_the_image(text: str, *, at_create: bool = False) -> bool:
    """Say whether the engine or its runtime blames what is in the image."""
    response = text.lower()
    signs = _OF_THE_IMAGE_AT_CREATE if at_create else _OF_THE_IMAGE
    return any(sign in response for sign in signs) and "no space left" not in response


def start_fault(error: Exception) -> ContainerFault:
    return ContainerFault("CONTAINER_START", "Its command could not be run.", staff_detail=str(error)[:2000])


def file_fault(path: str) -> ContainerFault:
    """Return the fault of an image where the engine would wait for ever on what it reads before a start."""
    return ContainerFault("CONTAINER_START", f"{path} in the image is no regular file of its own.")


def load_error(text: str) -> RunError:
    return archive_fault(text) or engine_fault(RuntimeError(text))


def readable(raw: bytes) -> str:
    """Return bytes as text without control characters, so that a log line stays one line."""
    return printable(raw.decode("utf-8", "replace"), kept="\n\t")
