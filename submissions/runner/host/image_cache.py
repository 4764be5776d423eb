"""Image cache: participants' images stay on the engine while there is room, with LRU eviction.

An image is loaded without any tag of its archive. Ours says when it was last used:
`<instance>-model:<first 20 of its ID>-<seconds since the epoch>`. So the engine itself remembers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from submissions.runner.base import Engine

ID_CHARACTERS = 20
TAG = re.compile(rf"^[0-9a-f]{{{ID_CHARACTERS}}}-([0-9]+)$")


class ImageCache:
    """Knows which images are ours, and when each was used last."""

    def __init__(self, engine: Engine, instance: str) -> None:
        self.engine = engine
        self.repository = f"{instance}-model"

    def mark_used(self, image_id: str, now: float, *, engine_id: str = "") -> None:
        """Tag the image as used now, in place of an earlier mark.

        image_id: digest of its config. engine_id: what this engine calls it, if that is something else.
        """
        engine_id = engine_id or self.engine_id_of(image_id) or image_id
        earlier = self.engine.tags(self.repository).get(engine_id, [])
        version = f"{_short(image_id)}-{int(now)}"
        self.engine.tag(engine_id, self.repository, version)
        for tag in earlier:
            if tag != f"{self.repository}:{version}":
                self.engine.remove_image(tag)

    def engine_id_of(self, image_id: str) -> str:
        """Return what the engine calls an image we put there, "" if it has none."""
        start = f"{self.repository}:{_short(image_id)}-"
        marked = self.engine.tags(self.repository).items()
        return next((known for known, tags in marked if any(tag.startswith(start) for tag in tags)), "")

    def forget(self, engine_id: str) -> None:
        """Remove our tags, and with the last of them the image; one in use stays."""
        for tag in self.engine.tags(self.repository).get(engine_id, []):
            self.engine.remove_image(tag)

    def least_recently_used(self) -> list[str]:
        """Return our images as the engine calls them, the longest unused first."""
        last_used = {
            image_id: max(map(_used_at, tags)) for image_id, tags in self.engine.tags(self.repository).items() if tags
        }
        return sorted(last_used, key=lambda image_id: last_used[image_id])

    def make_room(self, wanted_bytes: int, free_bytes: Callable[[], int], in_use: Collection[str] = ()) -> list[str]:
        """Remove images until `wanted_bytes` are free; return what left.

        in_use: digests of the configs of images that stay, though no container may be there that would keep them.
        """
        left = []
        kept = {self.engine_id_of(image_id) for image_id in in_use}
        for image_id in self.least_recently_used():
            if free_bytes() >= wanted_bytes:
                break
            if image_id in kept:
                continue
            self.forget(image_id)
            left.append(image_id)
        return left


def _used_at(tag: str) -> int:
    match = TAG.match(tag.rpartition(":")[2])
    return int(match.group(1)) if match else 0


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:ID_CHARACTERS]
