"""Whose fault a refused load is: what the engine says of an archive whose digests all held.

Intake proves that the bytes are the ones the config names, not that they make sense: a layer may be
half a tar, a config may have text where Go wants a number. Only the engine finds out.
"""

from __future__ import annotations

from submissions.runner.base import ContainerFault, RunError

_OF_THE_LAYERS = (
    "error processing tar file",
    "archive/tar:",
    "unexpected eof",
    "failed to extract layer",
    "failed to register layer",
    "breakout attempt",
)
_OF_THE_CONFIG = ("json:", "cannot unmarshal", "parsing time", "invalid character")


def archive_fault(text: str) -> RunError | None:
    """Return the participant's fault that an engine's refusal names, None if it names none."""
    response = text.lower()
    if "no space left" in response or "input/output error" in response:
        return None
    if any(sign in response for sign in _OF_THE_LAYERS):
        note = "A layer of the image could not be unpacked. Build the image anew, save it and send it again."
        return ContainerFault("ARCHIVE_CORRUPT", note, staff_detail=text[:2000])
    if any(sign in response for sign in _OF_THE_CONFIG):
        note = "A value in the image's config has the wrong type. Build the image with docker build."
        return ContainerFault("IMAGE_BAD_CONFIG", note, staff_detail=text[:2000])
    return None
