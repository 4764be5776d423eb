"""Files nobody needs are deleted: cancelled and refused ones, superseded images; never one that is still needed."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.test import Client
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.actions import free_files
from submissions.models import Evaluation, Submission
from submissions.models.team import team_of
from submissions.storage import files as storage
from submissions.tests.api.test_submissions import client_of, post
from submissions.tests.factories import evaluated, make_member, make_phase, make_submission

pytestmark = pytest.mark.django_db
LATER = timedelta(hours=25)
IMAGE = b"an image's bytes"


def stored_files() -> list[Path]:
    root = Path(storages["default"].path(""))
    return [path for path in root.rglob("*") if path.is_file() and "incoming" not in path.parts]


def make_image(user, phase, score=None, **fields):
    stored = storage.stream_in(storage.new_key("image.tar"), [IMAGE])
    submission = actions.submit(
        user=user, phase=phase, submission_type="docker", stored=stored, original_name="m.tar",
        received_at=timezone.now(), **fields,
    )  # fmt: skip
    if score is not None:
        done = {"status": "completed", "is_current": True, "finished_at": timezone.now()}
        submission.evaluations.update(**done, scores={"public": {phase.ranking_metric: score}})
    return submission


@pytest.mark.slow
@pytest.mark.parametrize("times", [8, 20])
def test_submitting_and_cancelling_in_a_loop_holds_few_files(times, settings):
    client = client_of(make_member("ann"))
    make_phase(slug="p1", quotas=[(3, timedelta(days=1))])
    for _ in range(times):
        sent = post(client)
        assert sent.status_code == 201, sent.json()
        assert client.post(f"/api/v1/submissions/{sent.json()['id']}/cancel").status_code == 200
    assert Submission.objects.count() == times
    assert len(stored_files()) == settings.IDLE_FILES_KEPT < 3
    free_files.free_due_files(timezone.now() + LATER)
    assert stored_files() == []


def test_a_cancelled_file_stays_for_the_grace_time():
    submission = make_submission()
    actions.cancel(submission=submission)
    assert free_files.free_due_files(timezone.now() + timedelta(hours=23)).files == 0
    freed = free_files.free_due_files(timezone.now() + LATER)
    assert freed == free_files.Freed(1, submission.size_bytes)
    submission.refresh_from_db()
    assert submission.file == ""
    assert submission.file_deleted_at is not None
    assert free_files.free_due_files(timezone.now() + LATER).files == 0


@pytest.mark.parametrize(("code", "is_freed"), [("BAD_PREDICTION", True), ("SYSTEM_STORAGE", False)])
def test_a_refused_file_goes_one_that_failed_by_our_fault_stays(code, is_freed):
    submission = make_submission()
    submission.latest.transition_to(Evaluation.Status.RUNNING)
    actions.fail(evaluation=submission.latest, code=code)
    assert free_files.free_due_files(timezone.now() + LATER).files == is_freed


@pytest.mark.slow
def test_a_scored_csv_and_a_waiting_one_stay():
    evaluated()
    make_submission()
    assert free_files.free_due_files(timezone.now() + timedelta(days=400)).files == 0
    assert len(stored_files()) == 2


@pytest.mark.slow
def test_a_team_keeps_its_newest_its_best_and_its_baselines(settings):
    settings.IMAGES_KEPT = 2
    user, phase = make_member(), make_phase(accepts_docker=True)
    best, worse, baseline = (make_image(user, phase, score) for score in (0.9, 0.6, 0.5))
    actions.mark_baseline(submission=baseline, is_baseline=True)
    newest = [make_image(user, phase, 0.7) for _ in range(2)]
    assert free_files.free_due_files(timezone.now() + LATER).files == 1
    kept = set(Submission.objects.exclude(file="").values_list("pk", flat=True))
    assert kept == {sent.pk for sent in (best, baseline, *newest)}
    assert worse.pk not in kept


def test_with_a_ladder_the_best_shown_and_the_chosen_entry_stay(settings):
    """Not the best by the hidden full numbers: which file stays would tell it."""
    settings.IMAGES_KEPT = 1
    user, phase = make_member(), make_phase(accepts_docker=True, disclosure="competition")
    assert phase.has_ladder
    shown, hidden_best, chosen, newest = (make_image(user, phase, score) for score in (0.800, 0.804, 0.6, 0.7))
    shown.evaluations.update(shown_score=0.8)
    Submission.objects.filter(pk=chosen.pk).update(is_chosen=True)
    assert free_files.free_due_files(timezone.now() + LATER).files == 1
    kept = set(Submission.objects.exclude(file="").values_list("pk", flat=True))
    assert kept == {shown.pk, chosen.pk, newest.pk}
    assert hidden_best.pk not in kept


def test_where_lower_is_better_the_lowest_is_the_best(settings):
    settings.IMAGES_KEPT = 1
    user, phase = make_member(), make_phase(accepts_docker=True, metric="brier")
    best, worse, newest = (make_image(user, phase, score) for score in (0.1, 0.3, 0.2))
    free_files.free_due_files(timezone.now() + LATER)
    kept = set(Submission.objects.exclude(file="").values_list("pk", flat=True))
    assert kept == {best.pk, newest.pk}
    assert worse.pk not in kept


def test_a_file_that_another_submission_uses_stays():
    user, phase = make_member(), make_phase(accepts_docker=True)
    first = make_image(user, phase)
    again = actions.submit_again(user=user, phase=phase, earlier_id=first.pk, received_at=timezone.now())
    actions.cancel(submission=first)
    assert free_files.free_due_files(timezone.now() + LATER).files == 0
    again.refresh_from_db()
    assert storage.store().size(again.file) == len(IMAGE)
    actions.cancel(submission=again)
    assert free_files.free_due_files(timezone.now() + LATER).files == 1
    assert stored_files() == []


def test_what_failed_is_not_retried_once_its_file_is_deleted():
    """It would fail as our fault: the store has no such file."""
    submission = make_image(make_member("ann"), make_phase(accepts_docker=True))
    submission.evaluations.update(status="failed", failure_code="NOT_READY", finished_at=timezone.now())
    assert free_files.free_due_files(timezone.now() + LATER).files == 1
    with pytest.raises(ApiError) as refusal:
        actions.retry(evaluation=submission.latest)
    assert (refusal.value.error_code, submission.latest.status) == ("FILE_DELETED", "failed")


def test_a_deleted_file_cannot_be_run_downloaded_or_named_again():
    user, phase = make_member("ann"), make_phase(accepts_docker=True)
    submission = make_image(user, phase)
    actions.cancel(submission=submission)
    free_files.free_due_files(timezone.now() + LATER)
    with pytest.raises(ApiError) as refusal:
        actions.re_evaluate(submission=submission)
    assert refusal.value.error_code == "FILE_DELETED"
    answer = client_of(user).get(f"/api/v1/submissions/{submission.pk}/file")
    assert (answer.status_code, "deleted to make room" in answer.json()["message"]) == (404, True)
    browser = Client()
    browser.force_login(user)
    page = browser.get(f"/submissions/{submission.pk}/").content.decode()
    assert ("Id, to send the image again" in page, "to make room; to run it again" in page) == (False, True)
    with pytest.raises(ApiError, match="file was deleted to make room; send the file again"):
        actions.submit_again(user=user, phase=phase, earlier_id=submission.pk, received_at=timezone.now())


def test_a_store_that_is_away_keeps_the_row_s_key(monkeypatch):
    submission = make_submission()
    actions.cancel(submission=submission)

    def away(key):
        raise storage.StorageError("away")

    monkeypatch.setattr(free_files.storage, "delete", away)
    assert free_files.free_due_files(timezone.now() + LATER).files == 0
    monkeypatch.undo()
    assert free_files.free_due_files(timezone.now() + LATER).files == 1


def test_the_bound_is_each_team_s_own(settings):
    settings.IDLE_FILES_KEPT = 0
    phase = make_phase()
    other = make_submission(phase=phase)
    Evaluation.objects.filter(submission=other).update(status="cancelled", finished_at=timezone.now())
    mine = make_submission(phase=phase)
    actions.cancel(submission=mine)
    assert [sent.pk for sent in free_files.with_idle_file()] == [other.pk]
    assert free_files.with_idle_file(team_of(mine.user)) == []
