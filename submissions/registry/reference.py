"""Image references `host/name@sha256:…`: by digest, so that a reference can never become another image."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from submissions.faults import ParticipantError

MAX_REFERENCE = 400
# distribution-spec 1.1, "Pulling manifests"; the host as Docker parses it.
_NAME_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<host>[a-z0-9.-]+(?::[0-9]{{1,5}})?)/(?P<name>{_NAME_PART}(?:/{_NAME_PART})*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@(?P<digest>sha256:[0-9a-f]{64})"
)


@dataclass(frozen=True)
class ImageReference:
    """The location of an image. host: with its port, if any. digest: "sha256:…" of its manifest or index."""

    host: str
    name: str
    digest: str

    def __str__(self) -> str:
        return f"{self.host}/{self.name}@{self.digest}"


def parse_reference(text: str, allowed_hosts: Collection[str]) -> ImageReference:
    """Return the reference in `text`. Raises ParticipantError (IMAGE_REFERENCE).

    allowed_hosts: exact names with their ports; any other host that a participant writes is never resolved.
    """
    # Docker prints them as a list, in brackets.
    found = (
        _REFERENCE.fullmatch(text.strip().removeprefix("[").removesuffix("]")) if len(text) <= MAX_REFERENCE else None
    )
    if found is None:
        raise ParticipantError(
            "IMAGE_REFERENCE",
            "Name the image by its digest, as host/name@sha256:…; after `docker push`, "
            '`docker inspect --format "{{.RepoDigests}}" IMAGE` prints it.',
        )
    if found["host"] not in allowed_hosts:
        known = ", ".join(sorted(allowed_hosts)) or "no registry"
        raise ParticipantError("IMAGE_REFERENCE", f"This site takes images from {known}; push it there, or upload it.")
    return ImageReference(found["host"], found["name"], found["digest"])
