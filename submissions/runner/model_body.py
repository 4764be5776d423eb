"""What one attempt knows of the participant's image, and the writable file systems it makes from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from submissions.runner.attempt import Attempt, Host
from submissions.runner.base import Limits
from submissions.runner.engine.image_contents import ImageContents
from submissions.runner.engine.passwd_check import ACCOUNT_FILES
from submissions.runner.identity import Identity, identity_of
from submissions.runner.sandbox import Labels, ModelBody, cache_places, holder_spec, model_spec
from submissions.runner.values import EngineImage, OutputVolume
from submissions.runner.writable.folders import Choice, choose_folders
from submissions.runner.writable.root import WritableRoot, root_volume

KEPT_CHOICES = 64


@dataclass(frozen=True)
class Facts:
    """What was read of an image: the same for every container of it."""

    identity: Identity
    cache_folders: frozenset[str]
    choice: Choice


# By image, folders asked for and bound: an image's ID is the digest of its content.
_known: dict[tuple[object, ...], Facts] = {}


@dataclass(frozen=True)
class ImageReading:
    """An image's facts beside a container of it, which never starts and gives its folders' contents."""

    image: EngineImage
    contents: ImageContents
    facts: Facts
    body: ModelBody
    volume: OutputVolume | None = None

    @property
    def volumes(self) -> tuple[OutputVolume, ...]:
        return (self.volume,) if self.volume else ()

    def filled(self, attempt: Attempt, holder: str) -> ModelBody:
        """Fill the volume, which `holder` keeps; return what the model that mounts it is made with."""
        if self.volume is None:
            return self.body
        root = WritableRoot(self.contents, self.facts.identity, self.facts.choice)
        root.fill(attempt.engine, holder, self.volume.target)
        return replace(self.body, binds=root.binds(attempt.engine.volume_folder(self.volume.name)))


def read_image(
    attempt: Attempt, host: Host, labels: Labels, image: EngineImage, limits: Limits, requested: Sequence[str] = ()
) -> ImageReading:
    """Read whom an image runs as and which folders it may write to. Raises ContainerFault, EngineFault."""
    spec = model_spec(labels, image, limits, runtime=host.runtime, role="image")
    # It never starts, and is made before the holder, whose network it would join.
    container = attempt.create_participant_container(replace(spec, network="none"))
    contents = ImageContents(host.engine, container)
    key = (image.image_id, tuple(requested), limits.root_mib, limits.root_files, host.means)
    if key not in _known:
        while len(_known) >= KEPT_CHOICES:
            _known.pop(next(iter(_known)))
        _known[key] = _read(contents, host, image, limits, requested)
    facts = _known[key]
    body = ModelBody(
        facts.identity,
        facts.cache_folders,
        has_whole_root=host.means.has_whole_root,
        is_bounded_by_engine=host.means.is_bounded_by_engine,
    )
    return ImageReading(image, contents, facts, body)


def with_volume(reading: ImageReading, attempt: Attempt, labels: Labels, limits: Limits, number: int) -> ImageReading:
    """Make the empty volume that one model's folders will lie in; none where the whole root is writable."""
    if not reading.facts.choice.folders:
        return reading
    volume = root_volume(labels.name(f"root-{number}"))
    attempt.create_root_volume(volume, labels, limits.root_mib, limits.root_files)
    return replace(reading, volume=volume)


@contextlib.contextmanager
def kept_body(
    reading: ImageReading, attempt: Attempt, host: Host, labels: Labels, limits: Limits, number: int
) -> Iterator[ModelBody]:
    """Give the body of one model whose folders have a keeper of their own; both are gone with the block."""
    reading = with_volume(reading, attempt, labels, limits, number)
    if reading.volume is None:
        yield reading.body
        return
    spec = holder_spec(labels, host.driver_image, (reading.volume,))
    keeper = attempt.create(replace(spec, name=labels.name(f"keeper-{number}")))
    host.engine.start(keeper)
    yield reading.filled(attempt, keeper)
    attempt.remove(keeper)
    attempt.remove_volume(reading.volume)


def _read(contents: ImageContents, host: Host, image: EngineImage, limits: Limits, requested: Sequence[str]) -> Facts:
    passwd, group = (contents.account_file(path) for path in ACCOUNT_FILES)
    identity = identity_of(image.user, passwd, group, may_be_root=host.means.maps_root)
    home = image.environment.get("HOME") or identity.home
    caches = frozenset(name for name, path in cache_places(image, home).items() if contents.is_folder(path))
    if host.means.has_whole_root and not identity.owns_as_root:
        return Facts(identity, caches, Choice(()))
    choice = choose_folders(
        contents, identity, image.working_dir, requested, root_mib=limits.root_mib, files=limits.root_files
    )
    return Facts(identity, caches, choice)
