"""On PostgreSQL a backup is restored over whatever the database holds, as a whole or not at all."""

import pytest
from django.core.management import CommandError
from django.db import connection

from lunasite.backup import database
from submissions.models import Submission
from submissions.tests.factories import evaluated

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def dump(tmp_path):
    """A dump of a site with one submission, which is gone since."""
    submission = evaluated()
    database.dump(tmp_path / "database.dump")
    Submission.objects.filter(pk=submission.pk).delete()
    return tmp_path / "database.dump"


@pytest.fixture
def newer_table():
    """What a newer version has made and an older dump does not know."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE newer (id serial PRIMARY KEY, submission uuid REFERENCES submissions_submission)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS newer")


def tables():
    return connection.introspection.table_names()


def test_tables_of_a_newer_version_go(dump, newer_table):
    assert not Submission.objects.exists()
    before = set(tables())
    database.restore(dump)
    assert Submission.objects.get().latest.status == "completed"
    assert before - set(tables()) == {"newer"}


def test_a_dump_that_ends_early_changes_nothing(dump, newer_table):
    whole = dump.read_bytes()
    dump.write_bytes(whole[: len(whole) * 9 // 10])
    before = set(tables())
    with pytest.raises(CommandError, match="failed"):
        database.restore(dump)
    assert set(tables()) == before
    assert not Submission.objects.exists()


def test_what_the_server_refuses_is_said_and_changes_nothing(dump):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE submissions_quota RENAME TO aside")
        cursor.execute("CREATE VIEW submissions_quota AS SELECT 1")  # no table, so it is in the way
    try:
        with pytest.raises(CommandError, match=r'psql failed: .*"submissions_quota" already exists'):
            database.restore(dump)
        assert "aside" in tables()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP VIEW submissions_quota")
            cursor.execute("ALTER TABLE aside RENAME TO submissions_quota")
