"""What an engine says, and what it means: whose fault, which image, which text may be shown."""

from __future__ import annotations

import re

from submissions.runner.base import ContainerFault, EngineFault, RunError
from submissions.runner.load_fault import archive_fault

LOADED = re.compile(r"Loaded image(?: ID)?: (sha256:[0-9a-f]{64})")


def engine_fault(error: Exception) -> EngineFault:
    """Return the typed error of an engine's answer; a full disk has a code of its own."""
    text = str(error)
    code = "SYSTEM_DISK" if "no space left on device" in text.lower() else "SYSTEM_ENGINE"
    return EngineFault("The container engine did not answer as it should.", code=code, staff_detail=text[:2000])


def loaded_id(said: str) -> str:
    """Return the last image ID in what an engine says while it loads."""
    found = LOADED.findall(said)
    return str(found[-1]) if found else ""


def names_the_image(text: str) -> bool:
    """Say whether the runtime blames what is in the image: its command, folder or architecture."""
    signs = (
        "exec format error",
        "executable file not found",
        "no such file or directory",
        "permission denied",
        "is a directory",
        "not a directory",
        "chdir to cwd",
        "no command specified",
    )
    return any(sign in text.lower() for sign in signs) and "no space left" not in text.lower()


def start_fault(error: Exception) -> ContainerFault:
    return ContainerFault("CONTAINER_START", "Its command could not be run.", staff_detail=str(error)[:2000])


def load_fault(text: str) -> RunError:
    return archive_fault(text) or engine_fault(RuntimeError(text))


def readable(raw: bytes) -> str:
    """Return bytes as text without control characters, so that a log line stays one line."""
    text = raw.decode("utf-8", "replace")
    return "".join(char if char in "\n\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
