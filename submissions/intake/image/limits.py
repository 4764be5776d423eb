"""The limits of an image archive (docs/reference/container-contract.md)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits of one archive; every number is the largest allowed value.

    max_expanded_bytes counts the bytes of the tar once unpacked, plus the unpacked bytes of compressed layers inside
    it.
    max_ratio (expanded : file size) applies beyond ratio_free_bytes. max_layer_members counts the files of all layers:
    each takes an inode and a block of the engine's disk, which its 512 bytes of tar do not show.
    """

    max_expanded_bytes: int = 20_000_000_000
    max_ratio: int = 20
    ratio_free_bytes: int = 200_000_000
    max_members: int = 20_000
    max_layer_members: int = 2_000_000
    max_name_bytes: int = 512
    max_layers: int = 127
    max_json_bytes: int = 8 << 20
    max_kept_json_bytes: int = 32 << 20
    max_env_bytes: int = 64 << 10
    max_volumes: int = 8

    def expanded_cap(self, file_bytes: int) -> int:
        """Return how many bytes a file of `file_bytes` may unpack to under the ratio rule."""
        return max(self.ratio_free_bytes, self.max_ratio * file_bytes)
