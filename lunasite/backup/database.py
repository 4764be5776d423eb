"""The database's dump and its restoration; and which stored files the rows of that very dump name."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError
from django.db import connection, connections, transaction

from submissions.models import Case, DataFile, DatasetImport, ModelArchive, Submission
from submissions.models.upload import Upload

# Postgres's custom format, and SQLite's own file.
NAMES = {"postgresql": "database.dump", "sqlite": "database.sqlite3"}
# All tables of the site's schema, with what depends on them; an extension's go with it alone.
DROP_TABLES = b"""
BEGIN;
SET LOCAL client_min_messages = warning;
DO $$
DECLARE each regclass;
BEGIN
  FOR each IN
    SELECT c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', each);
  END LOOP;
END $$;
"""


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
    handed_out = DataFile.objects.values_list("key", flat=True)
    brought = chain.from_iterable(DatasetImport.objects.with_files().values_list("truth_key", "images_key"))
    files = {("default", key) for key in (*submissions, *archives, *uploads, *handed_out, *brought) if key}
    return sorted(files | {("datasets", key) for key in images})


def is_filled() -> bool:
    """Return whether the database to restore into holds a site already."""
    from django.contrib.auth import get_user_model

    return "auth_user" in connection.introspection.table_names() and get_user_model().objects.exists()


def dump_name(vendor: str) -> str:
    """Return what the dump of a backup is called. Raises CommandError where it is of another kind of database."""
    if vendor != connection.vendor:
        raise CommandError(f"The backup is of {vendor}, this site's database is {connection.vendor}.")
    return NAMES[vendor]


def restore(path: Path) -> None:
    """Replace the database by a dump. Raises CommandError."""
    if connection.vendor == "postgresql":
        connections.close_all()
        _restore_postgres(path)
        return
    name = str(connection.settings_dict["NAME"])
    connections.close_all()
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(name)) as to:
        source.backup(to)


def _restore_postgres(path: Path) -> None:
    """Replace all tables by those of the dump, or change nothing.

    `pg_restore --clean` drops what the dump holds and no more: a table of a newer version, which refers to them, would
    end it, and just after a bad upgrade somebody restores.
    """
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as read:
        read_command = [_tool("pg_restore"), "--no-owner", "--file=-", str(path)]
        run_command = [_tool("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        reader = subprocess.Popen(read_command, stdout=subprocess.PIPE, stderr=read)
        runner = subprocess.Popen(
            run_command, env=_place(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told
        )
        assert reader.stdout is not None
        assert runner.stdin is not None
        with reader.stdout, suppress(BrokenPipeError), runner.stdin:  # psql that refuses ends first, and says why
            runner.stdin.write(DROP_TABLES)
            shutil.copyfileobj(reader.stdout, runner.stdin)
            if reader.wait() == 0:  # else what was read ends early, and without this nothing of it stays
                runner.stdin.write(b"COMMIT;\n")
        _raise_if_failed("psql", runner.wait(), told)
        _raise_if_failed("pg_restore", reader.wait(), read)


def _raise_if_failed(tool: str, code: int, told: IO[bytes]) -> None:
    if code:
        told.seek(0)
        raise CommandError(f"{tool} failed: {told.read().decode(errors='replace').strip()[-1000:]}")


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


def _place() -> dict[str, Any]:
    """Return the environment by which PostgreSQL's tools find the site's database; it holds the password."""
    settings = connection.settings_dict
    place = {"PGHOST": settings["HOST"], "PGPORT": settings["PORT"], "PGUSER": settings["USER"],
             "PGPASSWORD": settings["PASSWORD"], "PGDATABASE": settings["NAME"]}  # fmt: skip
    return {**os.environ, **{name: str(value) for name, value in place.items() if value}}


def _run(tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's tools on the site's database."""
    with tempfile.TemporaryFile() as told:
        done = subprocess.run([_tool(tool), *arguments], env=_place(), stdout=subprocess.DEVNULL, stderr=told)
        _raise_if_failed(tool, done.returncode, told)
