"""The version of the public content: a random token in one row, changed after every commit that changed the content.

Random, and not a count: a restored or emptied database must never reach a version again that it had before.
"""

from __future__ import annotations

import secrets
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from lunasite.http.page_cache.written_tables import watch

log = structlog.get_logger(__name__)
READ = "SELECT token FROM http_contentversion WHERE id = 1"


def content_version() -> str | None:
    """Return the current version; None where nothing may be kept: in a transaction, or before the first version.

    A transaction sees its own writes before they have a version.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.in_atomic_block:
        return None
    with connection.cursor() as cursor:
        cursor.execute(READ)
        row = cursor.fetchone()
    return row[0] if row else None


def content_changed() -> None:
    """Give the content a new version once the current transaction is committed, once for all its statements."""
    connection = connections[DEFAULT_DB_ALIAS]
    if not any(entry[1] is renew for entry in connection.run_on_commit):
        transaction.on_commit(renew, robust=True)


def renew() -> None:
    """Write a new version. Where that fails, pages stay as they are for as long as they may be kept."""
    from lunasite.http.models import ContentVersion

    token = secrets.token_hex(8)
    try:
        if not ContentVersion.objects.filter(pk=1).update(token=token):
            ContentVersion.objects.bulk_create([ContentVersion(pk=1, token=token)], ignore_conflicts=True)
    except DatabaseError as error:  # before its table is migrated, or the database went away after the commit
        log.debug("no new content version", error=type(error).__name__)


_watched = watch(content_changed)


def watch_connection(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Receiver of `connection_created`: watch what the connection writes."""
    if connection.alias == DEFAULT_DB_ALIAS and _watched not in connection.execute_wrappers:
        connection.execute_wrappers.append(_watched)
