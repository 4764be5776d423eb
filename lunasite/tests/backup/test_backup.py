"""A backup holds the whole site, can be verified, and restored into an empty one."""

import json
import os
import shutil
import threading
import uuid
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection, connections

from lunasite.backup import sources
from lunasite.backup.places import Folder, place_at
from submissions.models import Case, DataFile, DatasetImport, Evaluation, PeriodicJob, Submission
from submissions.tests.factories import evaluated, make_member, make_phase, make_submission
from submissions.tests.stores import empty_buckets, use_s3

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def place(tmp_path):
    return tmp_path / "backups"


@pytest.fixture
def site(settings, tmp_path):
    """A site with a scored submission, a case's image, feedback and drift."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.FEEDBACK_DIR = tmp_path / "feedback"
    settings.DRIFT_CURRENT_PATH = tmp_path / "drift" / "current.csv"
    submission = evaluated()
    key = storages["datasets"].save("scan.mha", ContentFile(b"voxels"))
    case = submission.phase.dataset.cases.first()
    Case.objects.filter(pk=case.pk).update(image=key)
    (settings.FEEDBACK_DIR / "cancer").mkdir(parents=True)
    (settings.FEEDBACK_DIR / "cancer" / "a.png").write_bytes(b"png")
    settings.DRIFT_CURRENT_PATH.parent.mkdir()
    settings.DRIFT_CURRENT_PATH.write_text("mean\n0.5\n")
    return submission


def backup(*words, **options):
    out = StringIO()
    call_command("backup", *map(str, words), stdout=out, stderr=out, **options)
    return out.getvalue()


def manifest(place):
    path = sorted(place.glob("backups/*/manifest.json"))[-1]
    return json.loads(path.read_text())


def test_everything_is_in_it_and_verifies(site, place):
    assert "2 stored files, 2 of them copied now" in backup(place)
    facts = manifest(place)
    assert {"keys.json", "feedback/cancer/a.png", "drift/current.csv"} < facts["parts"].keys()
    assert sorted(facts["referenced"]) == [["datasets", site.phase.dataset.cases.first().image], ["default", site.file]]
    assert "2 files read, 2 keys" in backup("verify", place)
    assert PeriodicJob.objects.filter(name="backup").exists()
    assert oct(next(place.glob("backups/*/keys.json")).stat().st_mode)[-3:] == "600"


def test_what_organisers_sent_is_looked_for_as_well(site, place):
    """A file of the Data page and those of an import are of no team, and nobody else has them."""
    key = storages["default"].save("data.zip", ContentFile(b"zip"))
    facts = {"size_bytes": 3, "sha256": "a" * 64}
    file = DataFile.objects.create(challenge=site.phase.challenge, name="data.zip", key=key, **facts)
    brought = {"truth_name": "t.csv", "truth_key": "t.csv", "images_name": "i.zip", "images_key": "i.zip"}
    DatasetImport.objects.create(user=site.user, kind="lesion", name="n", **brought)
    with pytest.raises(CommandError, match="2 files that the database names") as told:
        backup(place)
    assert "default/i.zip" in str(told.value)
    assert "default/t.csv" in str(told.value)
    assert ["default", file.key] in manifest(place)["referenced"]


def test_a_second_backup_copies_only_what_is_new(site, place, monkeypatch):
    backup(place)
    make_submission(phase=site.phase)
    monkeypatch.setattr("lunasite.backup.create.datetime", Later)
    assert "3 stored files, 1 of them copied now" in backup(place)
    assert "3 files read" in backup("verify", place)


def test_a_file_that_the_place_has_lost_is_copied_again(site, place, monkeypatch):
    backup(place)
    (place / "files" / "default" / site.file).unlink()
    monkeypatch.setattr("lunasite.backup.create.datetime", Later)
    assert "2 stored files, 1 of them copied now" in backup(place)
    assert "2 files read" in backup("verify", place)


class Later:
    """A clock that shows another second each time."""

    count = 0

    @classmethod
    def now(cls, zone):
        from datetime import UTC, datetime, timedelta

        cls.count += 1
        return datetime(2100, 1, 1, tzinfo=UTC) + timedelta(seconds=cls.count)


def test_old_backups_go_and_take_only_their_own_files_along(site, place, monkeypatch):
    backup(place)
    monkeypatch.setattr("lunasite.backup.create.datetime", Later)
    gone = site.file
    Submission.objects.all().delete()
    Path(storages["default"].path(gone)).unlink()
    assert "1 older backups deleted" in backup(place, keep=1)
    assert not (place / "files" / "default" / gone).exists()
    assert "1 files read" in backup("verify", place)


@pytest.mark.parametrize("what", ["missing", "changed", "shortened", "dump"])
def test_damage_is_found(site, place, what):
    backup(place)
    file = place / "files" / "default" / site.file
    if what == "missing":
        file.unlink()
    elif what == "changed":
        file.write_bytes(b"x" * file.stat().st_size)
    elif what == "shortened":
        file.write_bytes(b"")
    else:
        next(path for path in place.glob("backups/*/database.*")).write_bytes(b"no database")
    with pytest.raises(CommandError, match="problem"):
        backup("verify", place)


def test_a_file_that_the_database_names_and_storage_lost_is_told(site, place):
    Path(storages["default"].path(site.file)).unlink()
    with pytest.raises(CommandError, match="1 files that the database names"):
        backup(place)
    with pytest.raises(CommandError, match="1 problems"):
        backup("verify", place)


def test_a_restored_site_has_the_same_scores_files_and_keys(site, place, settings):
    scores, content = site.latest.scores, storages["default"].open(site.file).read()
    backup(place)
    call_command("flush", interactive=False, verbosity=0)
    for folder in (storages["default"].path(""), storages["datasets"].path(""), settings.FEEDBACK_DIR):
        shutil.rmtree(folder)
    settings.DRIFT_CURRENT_PATH.unlink()

    out = StringIO()
    call_command("restore", str(place), stdout=out, stderr=StringIO())

    assert "2 of them written" in out.getvalue()
    restored = Submission.objects.get()
    assert restored.latest.scores == scores
    assert storages["default"].open(restored.file).read() == content
    assert (settings.FEEDBACK_DIR / "cancer" / "a.png").read_bytes() == b"png"
    assert settings.DRIFT_CURRENT_PATH.read_text() == "mean\n0.5\n"
    assert (settings.DATA_DIR / "record_signing_key").read_text() == settings.RECORD_SIGNING_KEY


@pytest.mark.parametrize("what", ["changed", "missing"])
def test_only_what_is_whole_is_restored(site, place, what):
    """A truncated or altered copy must not become a participant's file without a word; the rest is needed anyway."""
    case = site.phase.dataset.cases.first()
    backup(place)
    damaged = [f"files/default/{site.file}", f"backups/{manifest(place)['stamp']}/feedback/cancer/a.png"]
    for name in damaged:
        (place / name).unlink() if what == "missing" else (place / name).write_bytes(b"other")
    for name, key in (("default", site.file), ("datasets", case.image)):
        Path(storages[name].path(key)).unlink()
    with pytest.raises(CommandError, match="2 files are not restored") as told:
        call_command("restore", str(place), replace=True, stdout=StringIO(), stderr=StringIO())
    assert all(name in str(told.value) for name in damaged)
    assert not Path(storages["default"].path(site.file)).exists()
    assert Path(storages["datasets"].path(case.image)).read_bytes() == b"voxels"
    assert (sources.place_of("feedback/cancer/a.png")).read_bytes() == b"png"


def test_a_damaged_dump_replaces_nothing(site, place):
    backup(place)
    dump = next(place.glob("backups/*/database.*"))
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
    with pytest.raises(CommandError, match="its content changed"):
        call_command("restore", str(place), replace=True)
    assert Submission.objects.get() == site


def test_a_filled_site_is_not_replaced_by_accident(site, place):
    backup(place)
    with pytest.raises(CommandError, match="--replace"):
        call_command("restore", str(place))


def test_under_load_every_backup_verifies(site, place, monkeypatch):
    monkeypatch.setattr("lunasite.backup.create.datetime", Later)
    user, phase, stop = make_member(), make_phase(), threading.Event()

    def send():
        while not stop.is_set():
            make_submission(user=user, phase=phase)
        connections.close_all()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(3):
            backup(place)
            assert "problems" not in backup("verify", place)
    finally:
        stop.set()
        sender.join()
    assert Evaluation.objects.count() > 3


def feedback_dir():
    return Path(settings.FEEDBACK_DIR)


def test_folders_that_go_meanwhile_end_no_backup(site, place, monkeypatch):
    """While the store is listed, an upload is joined, and a submission and feedback are deleted."""
    root = Path(storages["default"].path(""))
    goes = [root / "incoming" / "parts-1", root / "submissions" / "b", feedback_dir() / "gone"]
    for folder in goes:
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x")
    scandir = os.scandir

    def listed_late(path="."):
        if str(path) in map(str, goes):
            shutil.rmtree(path, ignore_errors=True)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listed_late)
    assert "2 stored files" in backup(place)


def test_feedback_that_is_deleted_meanwhile_ends_no_backup(site, place, monkeypatch):
    listed = sources.changing_files
    gone = {"feedback/cancer/gone.png": feedback_dir() / "cancer" / "gone.png"}
    monkeypatch.setattr(sources, "changing_files", lambda: gone | listed())
    backup(place)
    assert {"feedback/cancer/a.png"} == {name for name in manifest(place)["parts"] if name.startswith("feedback/")}


@pytest.mark.s3
def test_from_buckets_to_a_bucket(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.FEEDBACK_DIR, settings.DRIFT_CURRENT_PATH = tmp_path / "feedback", tmp_path / "drift.csv"
    use_s3(settings)
    call_command("provision_storage", verbosity=0)
    own_bucket = f"backups-{uuid.uuid4().hex[:12]}"
    client = storages["default"].connection.meta.client
    client.create_bucket(Bucket=own_bucket)
    try:
        submission = make_submission()
        with pytest.raises(CommandError, match="a bucket of its own"):
            backup(f"s3://{settings.MINIO_DATASETS_BUCKET}/x")
        address = f"s3://{own_bucket}/backups-of-tests"
        assert "1 stored files" in backup(address)
        assert "1 files read" in backup("verify", address)
        place_at(address).delete(f"files/default/{submission.file}")
        with pytest.raises(CommandError, match="1 problems"):
            backup("verify", address)
    finally:
        for item in client.list_objects_v2(Bucket=own_bucket).get("Contents", ()):
            client.delete_object(Bucket=own_bucket, Key=item["Key"])
        client.delete_bucket(Bucket=own_bucket)
        empty_buckets(settings)


def test_a_place_keeps_no_half_written_file(tmp_path):
    def breaks():
        yield b"half"
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        Folder(tmp_path).put("a/b", breaks())
    assert Folder(tmp_path).names("") == []


def test_feedback_stays_in_its_folder(settings, tmp_path):
    settings.FEEDBACK_DIR = tmp_path
    with pytest.raises(ValueError, match="leaves"):
        sources.place_of("feedback/../../etc/passwd")


def test_the_vendor_must_match(site, place):
    backup(place)
    path = next(place.glob("backups/*/manifest.json"))
    other = "sqlite" if connection.vendor == "postgresql" else "postgresql"
    path.write_text(path.read_text().replace(f'"{connection.vendor}"', f'"{other}"'))
    with pytest.raises(CommandError, match="The backup is of"):
        call_command("restore", str(place), replace=True)
