"""The part of the engine protocol that a batch system has no use for on a worker: its containers run inside jobs."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from submissions.runner.base import EngineFault, Lines
from submissions.runner.values import ContainerSpec, ContainerState, OutputVolume


def _refuse() -> NoReturn:
    raise EngineFault("Containers run inside jobs here.")


class NoContainers:
    """Refuses every call about a single container."""

    def create(self, spec: ContainerSpec, *, is_untrusted: bool = False) -> str:
        _refuse()

    def stat(self, container_id: str, path: str) -> tuple[int, str]:
        _refuse()

    def start(self, container_id: str, *, is_untrusted: bool = False) -> None:
        _refuse()

    def state(self, container_id: str) -> ContainerState:
        _refuse()

    def inspect(self, container_id: str) -> dict[str, Any]:
        _refuse()

    def memory(self, container_id: str) -> int:
        _refuse()

    def kill(self, container_id: str) -> None:
        _refuse()

    def logs(self, container_id: str) -> str:
        _refuse()

    def run_in(self, container_id: str, command: list[str]) -> tuple[int, str]:
        _refuse()

    def attached(self, container_id: str) -> AbstractContextManager[Lines]:
        _refuse()

    def read_archive(self, container_id: str, path: str, limit_bytes: int) -> tarfile.TarFile | None:
        _refuse()

    def open_archive(self, container_id: str, path: str) -> AbstractContextManager[Any]:
        _refuse()

    def write_archive(self, container_id: str, path: str, archive: Iterable[bytes]) -> None:
        _refuse()

    def volume_folder(self, name: str) -> str:
        _refuse()

    def create_root_volume(self, name: str, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        _refuse()

    def create_volume(self, volume: OutputVolume, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        _refuse()

    def remove_volume(self, name: str) -> None:
        _refuse()
