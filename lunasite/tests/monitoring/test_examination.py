"""`manage.py doctor` names what is broken and the remedy, and nothing else."""

import io
import socket

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError

from lunasite.database import migrated
from lunasite.monitoring import examination
from lunasite.monitoring.examination import clock, examine, public_endpoint
from submissions.storage.address import parse_address, s3_storage
from submissions.tests.stores import empty_buckets, use_s3


@pytest.fixture
def healthy(settings, tmp_path):
    """A site of which nothing is broken: static files collected, no models, files in a folder."""
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    (settings.STATIC_ROOT / "staticfiles.json").write_text('{"paths": {}}')
    settings.LOAD_MODEL = False
    settings.MAX_IMAGE_BYTES = 2**20
    return settings


@pytest.fixture
def bucket_site(healthy):
    """The same on the tests' S3 server, set up as provision_storage does."""
    use_s3(healthy)
    call_command("provision_storage", stdout=io.StringIO())
    yield healthy
    empty_buckets(healthy)


def broken():
    return {finding.name: finding for finding in examine() if not finding.is_ok}


@pytest.mark.django_db
def test_a_healthy_site_has_only_advice(healthy, capsys):
    call_command("doctor", "--no-engine")
    told = capsys.readouterr().out
    assert "FAIL" not in told
    assert "warn  mail: no mail server" in told


@pytest.mark.django_db
def test_what_is_broken_is_named_with_its_remedy_and_exit_code_1(healthy, tmp_path, capsys):
    healthy.STATIC_ROOT = tmp_path / "nowhere"
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--no-engine")
    assert ended.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("FAIL  static files: not collected")
    assert lines[at + 1].strip() == "Run `manage.py collectstatic --noinput`."


def lose(monkeypatch):
    monkeypatch.setattr(type(cache._connections["default"]), "get", lambda *args, **options: None)


def refuse_storage(monkeypatch):
    def fail(*args):
        raise examination.StorageError("No space left on device")

    monkeypatch.setattr(examination, "store", fail)


def unplug_database(monkeypatch):
    def fail():
        raise OperationalError("connection refused")

    monkeypatch.setattr(examination.connection, "cursor", fail)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "breaking", "is_fatal"),
    [("cache", lose, False), ("storage", refuse_storage, True), ("database", unplug_database, True)],
)
def test_a_part_that_fails_is_named(healthy, monkeypatch, name, breaking, is_fatal):
    breaking(monkeypatch)
    finding = broken()[name]
    assert (finding.is_fatal, bool(finding.remedy)) == (is_fatal, True)


@pytest.mark.django_db
def test_a_mail_server_that_does_not_answer_is_named(healthy):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        healthy.EMAIL_HOST, healthy.EMAIL_PORT = "127.0.0.1", closed.getsockname()[1]
        healthy.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        finding = broken()["mail"]
    assert "127.0.0.1: ConnectionRefusedError" in finding.detail
    assert "EMAIL_PORT" in finding.remedy


@pytest.mark.django_db
def test_a_disk_too_small_for_an_image_is_told(healthy):
    healthy.MAX_IMAGE_BYTES = 2**60
    assert set(broken()) == {"mail", "disk of TMPDIR"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_not_applied_is_named(healthy, monkeypatch):
    waiting = [(type("Migration", (), {"app_label": "submissions", "name": "0099_new"}), False)]
    monkeypatch.setattr(migrated.MigrationExecutor, "migration_plan", lambda *args: waiting)
    assert broken()["migrations"].detail == "1 not applied: submissions 0099_new"


@pytest.mark.parametrize(("difference_s", "is_ok"), [(0.2, True), (-4.9, True), (5.1, False), (-3600.0, False)])
def test_a_clock_that_differs_from_the_database_s_is_named(difference_s, is_ok):
    finding = clock(difference_s)
    assert finding.is_ok == is_ok
    assert f"{difference_s:+.1f} s" in finding.detail


def test_engine_and_no_engine_exclude_each_other():
    with pytest.raises(CommandError):
        call_command("doctor", "--engine", "--no-engine")


@pytest.mark.parametrize(("address", "is_fatal"), [("http://127.0.0.2:1", True), ("http://localhost:1", False)])
@pytest.mark.slow
def test_an_endpoint_of_browsers_that_is_away_is_broken_unless_it_is_this_machine_s_own(healthy, address, is_fatal):
    server = parse_address("MINIO_PUBLIC_ENDPOINT", address, False)
    for name in ("MINIO", "MINIO_PUBLIC"):
        setattr(healthy, name, server)
    healthy.STORAGES = healthy.STORAGES | {"default": s3_storage(server, "submissions", "key", "secret", "us-east-1")}
    (finding,) = public_endpoint(server)
    assert (finding.is_ok, finding.is_fatal) == (False, is_fatal), finding


@pytest.mark.s3
@pytest.mark.django_db
@pytest.mark.parametrize(("public", "is_ok"), [("", True), ("http://127.0.0.1:1", False)])
def test_the_endpoint_of_browsers_is_asked_as_they_ask(healthy, bucket_site, public, is_ok):
    if public:
        healthy.MINIO_PUBLIC = parse_address("MINIO_PUBLIC_ENDPOINT", public, False)
    found = {finding.name: finding for finding in examine()}
    assert found["storage"].is_ok, found["storage"]
    assert found["storage for browsers"].is_ok == is_ok, found["storage for browsers"]
    # As .env.example has it: in the web's container, localhost is another than the browser's.
    assert not found["storage for browsers"].is_fatal
