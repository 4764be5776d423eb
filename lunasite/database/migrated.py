"""Whether the database has the tables of this version."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor


def waiting_migrations() -> list[str]:
    """Return the migrations that the database lacks, as "app name". Raises DatabaseError."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label} {migration.name}" for migration, _ in plan]


def why_it_failed(error: DatabaseError) -> str:
    """Return what a command that ended in this error should say where migrations wait, or "" where none does."""
    try:
        waiting = waiting_migrations()
    except DatabaseError:  # the database does not answer at all
        return ""
    if not waiting:
        return ""
    remedy = "run manage.py migrate, or start the site once"
    return f"The database lacks {len(waiting)} migrations of this version: {remedy}. ({error})"
