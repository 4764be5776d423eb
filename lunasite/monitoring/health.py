"""Health checks. GET /health describes this process; GET /ready checks each part of the site, one line per part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from inference.model_service import engine
from inference.networks.answers import ServiceStatus
from submissions.actions.queue import DOCKER_CLUSTER
from submissions.models import Evaluation, Worker

log = structlog.get_logger(__name__)

LEAST_FREE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Part:
    """One part of the site. note: one sentence without paths, names or other users' numbers."""

    is_ok: bool
    note: str


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process lives; checks neither database nor storage."""
    status = engine().status()
    answer: dict[str, Any] = {
        "ok": True,
        "device": status.device,
        "model_loaded": bool(status.models) and status.all_loaded,
        "config_path": shown_path(settings.CONFIG_PATH),
        "model_path": shown_path(settings.MODEL_PATH),
        "lesion_config_path": shown_path(settings.LESION_CONFIG_PATH),
        "lesion_model_path": shown_path(settings.LESION_MODEL_PATH),
    }
    for model in status.models:
        answer[model.name] = {"loaded": model.is_loaded, "state": model.state, "version": model.version}
        if model.reason:
            answer[model.name]["reason"] = model.reason
    return JsonResponse(answer)


def shown_path(path: Path) -> str:
    """Return a path in a form for the public: relative to the code's folder, or only its name."""
    inside = path.is_relative_to(settings.BASE_DIR)
    return str(path.relative_to(settings.BASE_DIR)) if inside else path.name


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 when every part works, else 503; both with one line per part."""
    parts = {name: checked(name, check) for name, check in CHECKS.items()}
    lines = [f"{name}: {'ok' if part.is_ok else 'FAILED'}, {part.note}" for name, part in parts.items()]
    is_ready = all(part.is_ok for part in parts.values())
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain", status=200 if is_ready else 503)


def checked(name: str, check: Callable[[], Part]) -> Part:
    """Run a check; any exception means that the part does not work, and is logged."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001  a probe must answer whatever fails
        log.warning("part not ready", part=name, error=f"{type(error).__name__}: {error}")
        return Part(False, "does not answer")


def database() -> Part:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return Part(True, "answers")


def storage() -> Part:
    """Check that the object store has its buckets, or that the local folder answers for a file that does not exist."""
    if settings.MINIO:
        from submissions.storage.buckets import problem  # imported only where there is an object store

        if what := problem():
            return Part(False, what)
    else:
        storages["default"].exists("ready-probe")
    free_bytes = shutil.disk_usage(settings.DATA_DIR).free
    if not os.access(settings.DATA_DIR, os.W_OK):
        return Part(False, "DATA_DIR cannot be written")
    if free_bytes < LEAST_FREE_BYTES:
        return Part(False, f"only {free_bytes // 2**20} MB free")
    return Part(True, "answers")


def queue() -> Part:
    waiting = Evaluation.objects.waiting().count()
    alive = Worker.objects.alive(timezone.now()).count()
    if alive == 0:
        return Part(False, f"no worker alive, {waiting} waiting; start one with `manage.py work`")
    return Part(True, f"{alive} worker{'s' * (alive != 1)}, {waiting} waiting")


def evaluation_engine() -> Part:
    """Check the workers, since only they have an engine; a site without an engine accepts only CSVs."""
    container_workers = Worker.objects.alive(timezone.now()).filter(cluster=DOCKER_CLUSTER)
    if not container_workers.exists():
        return Part(True, "no container worker, images wait")
    if container_workers.filter(takes_containers=True).exists():
        return Part(True, "takes containers")
    return Part(False, "no worker takes containers; `manage.py doctor` says why")


def models() -> Part:
    if not settings.LOAD_MODEL:
        return Part(True, "off (LOAD_MODEL=0)")
    status = engine().status()
    return Part(bool(status.models) and status.all_loaded, described(status))


def described(status: ServiceStatus) -> str:
    told = (f"{model.name} {model.state}" + f" ({model.reason})" * bool(model.reason) for model in status.models)
    return ", ".join(told) or "none"


CHECKS: dict[str, Callable[[], Part]] = {
    "database": database,
    "storage": storage,
    "queue": queue,
    "engine": evaluation_engine,
    "models": models,
}
