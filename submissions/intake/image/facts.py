"""The facts that intake knows about a checked image."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ImageConfig:
    """The content of the image's own config: checked, but still written by the participant.

    exposed_ports: TCP only, sorted. volumes: normalised absolute paths, sorted.
    env_names: names only, in order; values stay in the config.
    has_command is true when Entrypoint or Cmd names something to start.
    """

    exposed_ports: tuple[int, ...] = ()
    user: str = ""
    env_names: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    stop_signal: str = ""
    has_healthcheck: bool = False

    @property
    def has_command(self) -> bool:
        """Return whether a container of this image has a command to start."""
        return any(self.entrypoint) or any(self.cmd)


@dataclass(frozen=True)
class LayerSource:
    """The position of one layer's tar in the upload.

    offset, stored_bytes: in the outer tar, once that is unpacked.
    expanded_bytes: length of the layer's own tar; differs where `compression` is "gzip" or "zstd".
    """

    diff_id: str
    offset: int
    stored_bytes: int
    expanded_bytes: int
    compression: str = ""


@dataclass(frozen=True)
class ImageFacts:
    """A checked image: enough to load it, run it and describe it to staff.

    image_id: "sha256:…" of the config, which is the engine's id of the image.
    diff_ids: of the layers, bottom first; every one was verified against the bytes.
    sha256, file_bytes: of the upload as received. expanded_bytes: as ArchiveLimits counts.
    layers: distinct layers in their order in the upload, for `rewritten`.
    Digests are for staff only.
    """

    image_id: str
    diff_ids: tuple[str, ...]
    config: ImageConfig
    sha256: str
    file_bytes: int
    expanded_bytes: int
    layout: str
    is_gzip: bool
    config_json: bytes = field(repr=False)
    layers: tuple[LayerSource, ...] = field(repr=False)
