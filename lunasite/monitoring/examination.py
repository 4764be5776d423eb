"""What `manage.py doctor` looks at: every part of the site, tried for real, with the remedy of each that fails."""

from __future__ import annotations

import shutil
import smtplib
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.utils import timezone
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from inference.model_service import engine as model_service
from lunasite.database.migrated import waiting_migrations
from lunasite.files_at_rest import wider_rights
from lunasite.monitoring import parts
from submissions.storage import buckets
from submissions.storage.address import StorageAddress
from submissions.storage.base import PartsRef, StorageError
from submissions.storage.files import store

MAX_CLOCK_DIFFERENCE_S = 5.0
MODELS_WITHIN_S = 90.0
PROBE = b"manage.py doctor"


@dataclass(frozen=True)
class Finding:
    """What was found of one part. remedy: what to do where it is not ok. is_fatal: nothing works without it."""

    name: str
    is_ok: bool
    detail: str
    remedy: str = ""
    is_fatal: bool = True


def examine() -> Iterator[Finding]:
    """Yield the findings of all parts but the container engine, one after the other."""
    for name, look in EXAMINATIONS.items():
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001  a doctor reports whatever it meets
            yield Finding(
                name,
                False,
                f"{type(error).__name__}: {error}",
                "The text above is what the part said. Mend the parts above it first.",
            )


def database() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_TIMESTAMP")
            (now,) = cursor.fetchone()
    except DatabaseError as error:
        yield Finding("database", False, str(error).strip(), "Start it, or mend DATABASE_URL and DATABASE_PASSWORD.")
        return
    yield Finding("database", True, f"{connection.vendor} answers")
    waiting = waiting_migrations()
    detail = f"{len(waiting)} not applied: {', '.join(waiting[:3])}" if waiting else "all applied"
    yield Finding("migrations", not waiting, detail, "Run `manage.py migrate`, with the database's owner.")
    if connection.vendor == "postgresql":
        yield clock((timezone.now() - now).total_seconds())


def clock(difference_s: float) -> Finding:
    """Judge how far this host's clock is ahead of the database's."""
    is_ok = abs(difference_s) <= MAX_CLOCK_DIFFERENCE_S
    detail = f"{difference_s:+.1f} s against the database's"
    return Finding("clock", is_ok, detail, "Let this host and the database's take their time by NTP.")


def static_files() -> Iterator[Finding]:
    part = parts.static_files()
    yield Finding("static files", part.is_ok, part.note, "Run `manage.py collectstatic --noinput`.")


def shared_cache() -> Iterator[Finding]:
    key, value = f"doctor-{uuid.uuid4().hex}", uuid.uuid4().hex
    cache.set(key, value, 30)
    is_ok = cache.get(key) == value
    cache.delete(key)
    detail = "keeps a value" if is_ok else "loses a value"
    yield Finding("cache", is_ok, detail, "Start Redis, or empty REDIS_URL.", is_fatal=False)


def storage() -> Iterator[Finding]:
    """Write, read and delete an object as web processes do; look for the bucket of hidden data."""
    remedy = "Check MINIO_ENDPOINT, MINIO_ACCESS_KEY and MINIO_SECRET_KEY, then `manage.py provision_storage`."
    if what := buckets.problem():
        yield Finding("storage", False, what, remedy)
        return
    key = f"doctor/{uuid.uuid4().hex}"
    submissions = store()
    try:
        writer = submissions.writer(key)
        writer.write(PROBE)
        writer.finish()
        with submissions.pieces(key) as pieces:
            is_same = b"".join(pieces) == PROBE
        submissions.delete(key)
    except StorageError as error:
        yield Finding("storage", False, error.staff_detail, remedy)
        return
    yield Finding("storage", is_same, "wrote, read and deleted an object", remedy)
    if settings.MINIO_PUBLIC:
        yield from public_endpoint(settings.MINIO_PUBLIC)


def public_endpoint(server: StorageAddress) -> Iterator[Finding]:
    """Ask MINIO_PUBLIC_ENDPOINT as a browser does before it sends a part: may pages of SITE_URL PUT there?"""
    submissions = store()
    ref = PartsRef(f"doctor/{uuid.uuid4().hex}", "none", size_bytes=len(PROBE), part_bytes=len(PROBE))
    url = submissions.part_url(ref, 1, 60) or ""
    ask = {"Origin": settings.SITE_URL, "Access-Control-Request-Method": "PUT"}
    remedy = "Browsers send parts to MINIO_PUBLIC_ENDPOINT: make it reachable, and run `manage.py provision_storage`."
    try:
        answer = PoolManager(timeout=Timeout(5)).request("OPTIONS", url, headers=ask, retries=False)
    except HTTPError as error:
        detail = f"{server.url}: {type(error).__name__}"
        if server.is_loopback:
            # In a container this name is the container itself, and says nothing of the browsers on the machine.
            detail += ", seen from here; where browsers run on this machine, it may be right for them"
        yield Finding("storage for browsers", False, detail, remedy, is_fatal=not server.is_loopback)
        return
    allowed = answer.headers.get("Access-Control-Allow-Origin", "")
    is_ok = allowed in ("*", settings.SITE_URL)
    detail = f"{server.url} lets {allowed or 'no page'} send parts"
    yield Finding("storage for browsers", is_ok, detail, remedy, is_fatal=False)


def mail() -> Iterator[Finding]:
    if not settings.EMAIL_HOST:
        detail = "no mail server: mails are files below DATA_DIR/mail, and addresses are not confirmed"
        yield Finding("mail", False, detail, "Set EMAIL_HOST.", is_fatal=False)
        return
    try:
        opened = get_connection()
        opened.open()
        opened.close()
    except (OSError, smtplib.SMTPException) as error:
        remedy = "Check EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS and the account. Mails are kept and sent later."
        yield Finding("mail", False, f"{settings.EMAIL_HOST}: {type(error).__name__}: {error}", remedy, is_fatal=False)
        return
    yield Finding("mail", True, f"{settings.EMAIL_HOST} takes this account")


def disk() -> Iterator[Finding]:
    for name, folder, least in (
        ("disk of DATA_DIR", Path(settings.DATA_DIR), parts.LEAST_FREE_BYTES),
        ("disk of TMPDIR", Path(tempfile.gettempdir()), settings.MAX_IMAGE_BYTES),
    ):
        free = shutil.disk_usage(folder).free
        remedy = f"Make room, or move {name.rpartition(' ')[2]}."
        detail = f"{free / 2**30:.1f} GiB free, {least / 2**30:.1f} GiB wanted"
        yield Finding(name, free >= least, detail, remedy, is_fatal=name == "disk of DATA_DIR")


def files_at_rest() -> Iterator[Finding]:
    data_dir = Path(settings.DATA_DIR)
    found = wider_rights(data_dir)
    detail = f"other users may read {', '.join(found)}" if found else "only the service can read them"
    yield Finding("files at rest", not found, detail, f"Run: chmod -R go-rwx {data_dir}", is_fatal=False)


def models() -> Iterator[Finding]:
    """Load the models as a web process does, and wait for them."""
    if not settings.LOAD_MODEL:
        yield Finding("models", True, "off (LOAD_MODEL=0)")
        return
    service = model_service()
    service.start()
    deadline = time.monotonic() + MODELS_WITHIN_S
    try:
        while time.monotonic() < deadline:
            status = service.status()
            if status.models and not any(model.state == "starting" for model in status.models):
                break
            time.sleep(0.2)
    finally:
        service.close()
    is_ok = bool(status.models) and status.all_loaded
    yield Finding(
        "models", is_ok, parts.described(status), "Check the paths of weights and configuration.", is_fatal=False
    )


EXAMINATIONS: dict[str, Callable[[], Iterator[Finding]]] = {
    "database": database,
    "static files": static_files,
    "cache": shared_cache,
    "storage": storage,
    "mail": mail,
    "disk": disk,
    "files at rest": files_at_rest,
    "models": models,
}
