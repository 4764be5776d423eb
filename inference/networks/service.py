"""The model service: the site's models, called from a web process that never imports torch.

    service = model_service(ServiceConfig(load_model=..., config_path=..., model_path=..., server_url=...))
    answer = service.lesion_probability(path, raw_path=None, points_xyz_mm=[(x, y, z)], timeout_s=30)

Files are passed by path: the model process opens, decodes and forgets them, and is killed when it exceeds the time
limit. Every call raises the errors that answers.py lists. `model_service` returns one service per web process. Its
model process starts at first use (or by `start()`); with a `server_url` there is no such process: see remote.py.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

from inference.networks.server.remote import RemoteService
from inference.networks.worker.local import LocalService

from .answers import (
    NO_WISHES,
    CleanPicture,
    LesionAnswer,
    LesionViews,
    LesionWishes,
    ServiceStatus,
    SliceAnswer,
    SliceExplanation,
)
from .config import ServiceConfig

PointXYZ = tuple[float, float, float]

__all__ = ["ModelService", "ServiceConfig", "model_service"]


class ModelService(Protocol):
    """The calls of the service. Paths are local files that the caller keeps until the call returns."""

    def start(self) -> None:
        """Begin to warm up, without waiting."""

    def status(self) -> ServiceStatus:
        """Return at once which models are loaded; starts the warm-up if it has not begun."""

    def lesion_probability(
        self,
        path: Path | str,
        raw_path: Path | str | None,
        points_xyz_mm: Sequence[PointXYZ],
        timeout_s: float,
        wishes: LesionWishes = NO_WISHES,
    ) -> LesionAnswer:
        """Return the malignancy probability at each point (world mm, LPS) of one scan, which is read once.

        The answer lists points outside the scan; PointOutsideScan is raised when all points are outside.
        """

    def lesion_views(
        self,
        path: Path | str,
        raw_path: Path | str | None,
        point_xyz_mm: PointXYZ,
        timeout_s: float,
        wishes: LesionWishes = NO_WISHES,
    ) -> LesionViews:
        """Return the probability at one point with three pictures through it."""

    def slice_probabilities(self, path: Path | str, timeout_s: float) -> SliceAnswer:
        """Return the class probabilities of a PNG or JPEG slice."""

    def slice_explanation(self, path: Path | str, timeout_s: float) -> SliceExplanation:
        """Return the class probabilities with an occlusion map."""

    def clean_picture(self, path: Path | str, timeout_s: float) -> CleanPicture:
        """Return the re-encoded picture; works without any model."""

    def close(self) -> None:
        """End the model process, if there is one."""


_services: dict[tuple[int, ServiceConfig], ModelService] = {}
_lock = Lock()


def model_service(config: ServiceConfig) -> ModelService:
    """Return this process's one service for `config`; safe to call from any thread and after a fork."""
    key = (os.getpid(), config)
    with _lock:
        if key not in _services:
            _services[key] = _new_service(config)
        return _services[key]


def _new_service(config: ServiceConfig) -> ModelService:
    return RemoteService(config) if config.server_url else LocalService(config)
