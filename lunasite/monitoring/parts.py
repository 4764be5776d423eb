"""The parts of the site and the check of each: what `/ready`, the status page and `manage.py doctor` tell.

Essential parts are those without which this process cannot serve a page. Any other part may be away: pages are served,
and the part's line says what waits for it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone

from inference.model_service import engine
from inference.networks.answers import ServiceStatus
from lunasite.http.client_address import has_unexpected_proxy
from submissions.actions.queue import CSV_CLUSTER, DOCKER_CLUSTER, messages_waiting
from submissions.models import Evaluation, Worker
from submissions.queues import ERRANDS_CLUSTER

log = structlog.get_logger(__name__)

LEAST_FREE_BYTES = 256 * 2**20
MANIFEST = "staticfiles.json"


@dataclass(frozen=True)
class Part:
    """The state of one part. note: one sentence without paths, names or other users' numbers."""

    is_ok: bool
    note: str


def check_parts() -> dict[str, Part]:
    """Run every check; return the parts by name, essential ones first."""
    return {name: checked(name, check) for name, check in CHECKS.items()}


def can_serve(parts: dict[str, Part]) -> bool:
    """Return whether this process can serve pages."""
    return all(parts[name].is_ok for name in ESSENTIAL)


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


def static_files() -> Part:
    """Check that `collectstatic` has run: every page names its style by the manifest."""
    path = Path(settings.STATIC_ROOT) / MANIFEST
    if settings.DEBUG:
        return Part(True, "served from the source")
    try:
        n_files = len(json.loads(path.read_text())["paths"])
    except (OSError, ValueError, KeyError):
        return Part(False, "not collected")
    return Part(True, f"{n_files} files")


AWAY_CACHE = Part(False, "Redis does not answer; throttles count in each process")


def cache_answers() -> Part:
    """Check that the cache keeps a value; without it throttles count less exactly."""
    if getattr(cache, "is_away", False):
        return AWAY_CACHE
    cache.set("ready-probe", "1", 10)
    if getattr(cache, "is_away", False):
        return AWAY_CACHE
    kept = cache.get("ready-probe") == "1"
    return Part(kept, "answers" if kept else "loses what it is given")


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
    """Check that a worker scores CSVs; those of images and errands have parts of their own and score none."""
    waiting = Evaluation.objects.waiting().filter(submission__submission_type="csv").count()
    alive = Worker.objects.alive(timezone.now()).filter(cluster=CSV_CLUSTER).count()
    if alive == 0:
        return Part(False, f"no worker alive, {waiting} waiting; start one with `manage.py work`")
    return Part(True, f"{alive} worker{'s' * (alive != 1)}, {waiting} waiting")


def errands() -> Part:
    """Check that a worker sends mails and webhooks and imports datasets."""
    if Worker.objects.alive(timezone.now()).filter(cluster=ERRANDS_CLUSTER).exists():
        return Part(True, "answers")
    waiting = messages_waiting(ERRANDS_CLUSTER)
    message = f"no worker for mails, webhooks and imports, {waiting} waiting; start one with `manage.py work errands`"
    return Part(waiting == 0, message)


def evaluation_engine() -> Part:
    """Check the workers, since only they have an engine; a site without an engine accepts only CSVs."""
    container_workers = Worker.objects.alive(timezone.now()).filter(cluster=DOCKER_CLUSTER)
    if not container_workers.exists():
        waiting = Evaluation.objects.waiting().filter(submission__submission_type="docker").count()
        return Part(waiting == 0, f"no container worker, {waiting} image{'s' * (waiting != 1)} waiting")
    if container_workers.filter(takes_containers=True).exists():
        return Part(True, "takes containers")
    return Part(False, "no worker takes containers; `manage.py doctor` says why")


def models() -> Part:
    if not settings.LOAD_MODEL:
        return Part(True, "off (LOAD_MODEL=0)")
    status = engine().status()
    return Part(bool(status.models) and status.all_loaded, described(status))


def described(status: ServiceStatus) -> str:
    models = (f"{model.name} {model.state}" + f" ({model.reason})" * bool(model.reason) for model in status.models)
    return ", ".join(models) or "none"


def confirmed_addresses() -> Part:
    """Check that somebody sends the mails that confirm addresses; without it one person can open many accounts."""
    if settings.EMAIL_HOST:
        return Part(True, "addresses are confirmed")
    return Part(False, "no mail server, addresses are not confirmed; phases can ask for approval of participants")


def proxy() -> Part:
    if has_unexpected_proxy():
        return Part(False, "X-Forwarded-For arrives but PROXY_COUNT is 0; set it, or all clients count as one")
    return Part(True, f"{settings.REST_FRAMEWORK['NUM_PROXIES'] or 'none'} in front of the site")


ESSENTIAL: dict[str, Callable[[], Part]] = {"database": database, "static files": static_files}
CHECKS: dict[str, Callable[[], Part]] = {
    **ESSENTIAL,
    "storage": storage,
    "cache": cache_answers,
    "queue": queue,
    "errands": errands,
    "engine": evaluation_engine,
    "models": models,
    "mail": confirmed_addresses,
    "proxy": proxy,
}
