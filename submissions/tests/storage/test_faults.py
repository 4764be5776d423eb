"""What becomes of a submission when its stored file is gone, changed or out of reach: rows F15, F16."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from submissions import actions
from submissions.storage import files as storage
from submissions.tests.factories import csv_file, make_member, make_phase, make_submission
from submissions.tests.image_archives import docker_archive
from submissions.tests.stores import use_s3

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def run(submission):
    """Let a worker try once; return the evaluation."""
    actions.evaluate(evaluation_id=submission.latest.pk, worker="tests")
    submission.refresh_from_db()
    return submission.latest


def test_a_csv_is_scored_wherever_it_lies(anywhere):
    evaluation = run(make_submission())
    assert evaluation.status == "completed"
    assert evaluation.scores["public"]["auc"] == pytest.approx(23 / 24)


def test_a_file_that_is_gone_is_tried_again_and_then_ours(anywhere, settings):
    settings.EVALUATION_MAX_ATTEMPTS = 2
    submission = make_submission()
    storage.delete(submission.file)

    first = run(submission)
    assert (first.status, first.failed_attempts) == ("pending", 1)
    submission.evaluations.update(available_at=timezone.now())
    last = run(submission)

    assert (last.status, last.failure_code) == ("failed", "SYSTEM_STORAGE")
    assert not submission.try_counts


def test_a_file_that_changed_is_never_scored(anywhere):
    submission = make_submission()
    storage.delete(submission.file)
    storage.stream_in(submission.file, [b"AnnotationID,probability\n"])

    evaluation = run(submission)

    assert evaluation.status == "pending"
    assert evaluation.scores == {}


def test_a_store_that_is_down_refuses_the_csv_and_keeps_the_try(settings):
    phase, client = make_phase(quotas=[(1, None)]), Client()
    client.force_login(make_member())
    local = settings.STORAGES
    use_s3(settings, "http://127.0.0.1:9")  # the discard port: nobody answers

    answer = client.post("/api/v1/submissions", {"phase": phase.slug, "file": csv_file()})

    assert (answer.status_code, answer.json()["error_code"]) == (503, "SYSTEM_STORAGE")
    assert int(answer["Retry-After"]) > 0
    assert "127.0.0.1" not in answer.content.decode()
    settings.STORAGES = local
    assert client.post("/api/v1/submissions", {"phase": phase.slug, "file": csv_file()}).status_code == 201


def test_a_store_that_is_down_brings_the_page_back_with_a_sentence(settings):
    phase, client = make_phase(), Client()
    client.force_login(make_member())
    use_s3(settings, "http://127.0.0.1:9")

    csv = client.post(f"/phases/{phase.slug}/submit/", {"file": csv_file()})
    image = SimpleUploadedFile("model.tar", docker_archive())
    docker = client.post(f"/phases/{phase.slug}/submit-image/", {"file": image, "contract": "http"})

    assert (csv.status_code, docker.status_code) == (503, 503)
    for answer in (csv, docker):
        assert "file storage has a problem" in answer.content.decode()


def test_a_store_that_is_down_sets_a_running_evaluation_back_and_counts_no_attempt(settings):
    submission = make_submission()
    use_s3(settings, "http://127.0.0.1:9")

    evaluation = run(submission)

    assert (evaluation.status, evaluation.failed_attempts) == ("pending", 0)
    assert "MINIO_ENDPOINT" in evaluation.staff_detail
