"""The database's dump and its restoration; and which stored files the rows of that very dump name."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection, connections, transaction

from submissions.models import Case, ModelArchive, Submission
from submissions.models.upload import Upload

# Postgres's custom format, and SQLite's own file.
NAMES = {"postgresql": "database.dump", "sqlite": "database.sqlite3"}


def dump(path: Path) -> list[tuple[str, str]]:
    """Write the database to `path`; return (store, key) of every stored file that it names, as of the same moment."""
    if connection.vendor == "postgresql":
        return _dump_postgres(path)
    with (
        closing(sqlite3.connect(str(connection.settings_dict["NAME"]))) as source,
        closing(sqlite3.connect(path)) as to,
        transaction.atomic(),
    ):  # a writer's transaction: what it reads and what is copied are the same
        keys = referenced()
        source.backup(to)
    return keys


def _dump_postgres(path: Path) -> list[tuple[str, str]]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
        keys = referenced()
        _run("pg_dump", "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={path}")
    return keys


def referenced() -> list[tuple[str, str]]:
    """Return (store, key) of every stored file that a row names."""
    submissions = Submission.objects.exclude(file="").values_list("file", flat=True)
    archives = ModelArchive.objects.exclude(file="").values_list("file", flat=True)
    uploads = [upload.key for upload in Upload.objects.all() if upload.is_complete]
    images = Case.objects.exclude(image="").values_list("image", flat=True)
    files = {("default", key) for key in (*submissions, *archives, *uploads)}
    return sorted(files | {("datasets", key) for key in images})


def is_filled() -> bool:
    """Return whether the database to restore into holds a site already."""
    from django.contrib.auth import get_user_model

    return "auth_user" in connection.introspection.table_names() and get_user_model().objects.exists()


def restore(path: Path, vendor: str) -> None:
    """Replace the database by a dump. Raises CommandError where it was made by another kind of database."""
    if vendor != connection.vendor:
        raise CommandError(f"The backup is of {vendor}, this site's database is {connection.vendor}.")
    if vendor == "postgresql":
        connections.close_all()
        _run("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", "--dbname=", str(path))
        return
    name = str(connection.settings_dict["NAME"])
    connections.close_all()
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(name)) as to:
        source.backup(to)


def problem(path: Path, vendor: str) -> str:
    """Return why a dump cannot be read, or ""."""
    if vendor == "postgresql":
        done = subprocess.run([_tool("pg_restore"), "--list", str(path)], capture_output=True, text=True)
        return "" if done.returncode == 0 else f"pg_restore cannot read the dump: {done.stderr.strip()[-300:]}"
    try:
        with closing(sqlite3.connect(path)) as database:
            answer = database.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return f"SQLite cannot read the copy: {error}"
    return "" if answer == "ok" else f"SQLite finds the copy damaged: {answer[:300]}"


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise CommandError(f"{name} is missing; install the client of your PostgreSQL's version.")
    return found


def _run(tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's tools on the site's database; the password is passed by the environment."""
    settings = connection.settings_dict
    place = {"PGHOST": settings["HOST"], "PGPORT": settings["PORT"], "PGUSER": settings["USER"],
             "PGPASSWORD": settings["PASSWORD"], "PGDATABASE": settings["NAME"]}  # fmt: skip
    env: dict[str, Any] = {**os.environ, **{name: str(value) for name, value in place.items() if value}}
    words = [word if word != "--dbname=" else f"--dbname={settings['NAME']}" for word in arguments]
    done = subprocess.run([_tool(tool), *words], env=env, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(f"{tool} failed: {done.stderr.strip()[-1000:]}")
