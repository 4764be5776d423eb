"""`manage.py prune`: what is old goes, what is young stays, and a dry run only counts."""

import os
import threading
import time
from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone
from django_q.models import Failure

from inference.drift import file as drift_file
from inference.models import DriftRow, Prediction
from lunasite.pruning import BATCH, RULES
from submissions import actions
from submissions.accounts.tokens import create_token
from submissions.models import ApiToken, Message, Submission, Upload, Webhook
from submissions.tests.factories import make_submission, make_user
from submissions.worker.periodic_jobs import run_due_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NEEDED = {AccessAttempt: {"failures_since_start": 1}}
OLD, YOUNG = timedelta(days=400), timedelta(minutes=1)


def drift_row(at):
    numbers = dict.fromkeys(("mean", "std", "min", "max", "p01", "p50", "p99", "pred_conf"), 1.0)
    return DriftRow(timestamp=at, **numbers, height=1, width=1, pred_index=0, pred_class="normal")


def grow_leftovers(data, n, age):
    """A decoded volume, and an archive that a killed import had begun to unpack."""
    scratch, volumes = data / "scratch" / f"import-{n}", data / "cache" / "volumes"
    (scratch / "images").mkdir(parents=True)
    volumes.mkdir(parents=True, exist_ok=True)
    kept = [volumes / f"{n}{suffix}" for suffix in (".npz", ".npy", ".lock")]
    for path in (*kept, scratch / "images" / "1.mha"):
        path.write_bytes(b"x")
    for path in (*kept, scratch):
        os.utime(path, (time.time() - age.total_seconds(),) * 2)


@pytest.fixture
def grown(settings, tmp_path):
    """Of every sort an old piece and a young one."""
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    settings.DRIFT_CURRENT_PATH = tmp_path / "drift.csv"
    settings.EMAIL_FILE_PATH.mkdir()
    settings.DATA_DIR = tmp_path
    user = make_user()
    for n, age in enumerate((OLD, YOUNG)):
        at = timezone.now() - age
        Session.objects.create(session_key=str(n), session_data="", expire_date=at + timedelta(hours=1))
        token, _ = create_token(user=make_user(), name=str(n))
        ApiToken.objects.filter(pk=token.pk).update(expiry=at + timedelta(hours=1))
        Prediction.objects.create(request_id=str(n), at=at, caller="c", endpoint="slice", status=200, milliseconds=1)
        drift_row(at).save()
        drift_file.append(settings.DRIFT_CURRENT_PATH, [at.isoformat(timespec="milliseconds"), *[1] * 10, "normal", 1])
        for model in (AccessAttempt, AccessLog, AccessFailureLog):
            made = model.objects.create(username=f"u{n}", ip_address="192.0.2.1", **NEEDED.get(model, {}))
            model.objects.filter(pk=made.pk).update(attempt_time=at)
        Failure.objects.create(id=str(n), name="t", func="f", started=at, stopped=at, success=False)
        grow_leftovers(tmp_path, n, age)
        mail = settings.EMAIL_FILE_PATH / f"{n}.log"
        mail.write_text("a reset link")
        os.utime(mail, (time.time() - age.total_seconds(),) * 2)
        upload = Upload.objects.create(
            user=user, original_name="m", size_bytes=1, part_bytes=1, key=f"k{n}", handle=f"h{n}"
        )
        Upload.objects.filter(pk=upload.pk).update(expires_at=at + timedelta(hours=1))
        Message.objects.create(user=user, kind="team", key=str(n), subject="s", text="t", created_at=at)
        hook = Webhook.objects.create(user=user, url="https://example.org/", kinds=[])
        hook.deliveries.create(kind="team", key=str(n), body="{}", created_at=at)
        submission = make_submission()
        actions.cancel(submission=submission)
        submission.evaluations.update(finished_at=at)
    return settings


def counts():
    return {rule.name: rule.find(timezone.now()) for rule in RULES}


def test_old_pieces_go_and_young_ones_stay(grown):
    assert set(counts().values()) == {1}
    call_command("prune", verbosity=0)
    assert set(counts().values()) == {0}
    for model in (Session, ApiToken, Prediction, DriftRow, AccessAttempt, AccessLog, AccessFailureLog, Failure, Upload):
        assert model.objects.count() == 1, model
    assert [path.name for path in grown.EMAIL_FILE_PATH.iterdir()] == ["1.log"]
    assert [path.name for path in (grown.DATA_DIR / "scratch").iterdir()] == ["import-1"]
    assert {path.stem for path in (grown.DATA_DIR / "cache" / "volumes").iterdir()} == {"1"}
    assert len(drift_file.read(grown.DRIFT_CURRENT_PATH)["mean"]) == 1
    assert Submission.objects.count() == 2
    assert Submission.objects.exclude(file="").count() == 1


def test_a_dry_run_counts_and_deletes_nothing(grown, capsys):
    call_command("prune", "--dry-run")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "would be deleted"
    assert {line.split(maxsplit=1)[1]: line.split()[0] for line in told[1:]} == {rule.name: "1" for rule in RULES}
    assert set(counts().values()) == {1}


def test_more_than_a_batch_goes(grown):
    at = timezone.now() - OLD
    DriftRow.objects.bulk_create(drift_row(at) for _ in range(BATCH + 1))
    call_command("prune", verbosity=0)
    assert DriftRow.objects.count() == 1


def test_the_worker_prunes_once_a_day(grown):
    run_due_jobs(threading.Event())
    assert set(counts().values()) == {0}
    drift_row(timezone.now() - OLD).save()
    run_due_jobs(threading.Event())
    assert DriftRow.objects.count() == 2


def test_without_any_data_nothing_fails(settings, tmp_path):
    settings.EMAIL_FILE_PATH = settings.DATA_DIR = tmp_path / "none"
    settings.DRIFT_CURRENT_PATH = tmp_path / "none.csv"
    call_command("prune", verbosity=0)


def test_rows_appended_beside_a_drop_are_kept(tmp_path):
    path = tmp_path / "drift.csv"
    for day in (1, 2, 3):
        drift_file.append(path, [f"2026-01-0{day}T00:00:00.000+00:00", *[day] * 10, "normal", 1])
    assert drift_file.rows_before(path, "2026-01-03") == drift_file.drop_before(path, "2026-01-03") == 2
    drift_file.append(path, ["2026-01-04T00:00:00.000+00:00", *[4] * 10, "normal", 1])
    assert drift_file.read(path)["mean"] == [3.0, 4.0]
