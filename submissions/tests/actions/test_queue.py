"""Images and CSVs in the queue: lost messages by cluster, the timeline a run leaves, workers without an engine."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.tasks import async_task

from submissions import actions
from submissions.actions import queue
from submissions.actions.submit import start_evaluation
from submissions.database_clock import database_now
from submissions.models import Evaluation, Submission, Team
from submissions.scoring import Outcome
from submissions.tests.factories import GOOD, make_member, make_phase, make_submission

pytestmark = pytest.mark.django_db


def make_image() -> Submission:
    """Return a submission of an image whose archive no test here opens."""
    user, phase = make_member(), make_phase()
    submission = Submission.objects.create(
        phase=phase, user=user, team=Team.objects.get(memberships__user=user), submission_type="docker",
        file="x/model.tar", original_name="model.tar", sha256="0" * 64, size_bytes=1, created_at=timezone.now(),
        limits=phase.limits().as_dict(),
    )  # fmt: skip
    start_evaluation(submission)
    return submission


def timeline(submission):
    return list(submission.latest.events.values_list("attempt", "stage", "note", "staff_detail"))


def message_lost_long_ago():
    Evaluation.objects.update(enqueued_at=timezone.now() - timedelta(minutes=2))


@pytest.mark.parametrize("make", [make_submission, make_image], ids=["csv", "image"])
def test_a_message_that_still_waits_is_not_sent_twice(make):
    make()
    message_lost_long_ago()
    assert actions.sweep() == (0, 0)
    assert OrmQ.objects.count() == 1


def test_only_the_cluster_that_lost_a_message_gets_it_again():
    make_submission()
    make_image()
    OrmQ.objects.filter(key=queue.DOCKER_CLUSTER).delete()
    message_lost_long_ago()
    assert actions.sweep() == (0, 1)
    assert sorted(OrmQ.objects.values_list("key", flat=True)) == [queue.DOCKER_CLUSTER, queue.CSV_CLUSTER]


@pytest.mark.slow
def test_a_csv_leaves_a_timeline():
    submission = make_submission()
    actions.evaluate(evaluation_id=submission.latest.pk, worker="host/1")
    assert timeline(submission) == [
        (0, "received", "Received and checked.", ""),
        (1, "running", "A worker has started.", "host/1"),
        (1, "scored", "Scored.", ""),
    ]


def test_an_image_is_received_and_not_yet_checked():
    assert timeline(make_image()) == [(0, "received", "Received.", "")]


def test_an_image_goes_back_from_a_worker_without_an_engine():
    submission = make_image()
    actions.evaluate(evaluation_id=submission.latest.pk, worker="host/1")
    evaluation = submission.latest
    assert (evaluation.status, evaluation.failed_attempts) == (Evaluation.Status.PENDING, 1)
    assert evaluation.staff_detail == "SYSTEM_ENGINE: this worker runs no containers"


@pytest.mark.slow
def test_an_image_is_scored_by_what_its_run_answers():
    submission = make_image()
    actions.evaluate(
        evaluation_id=submission.latest.pk, worker="w",
        run_image=lambda evaluation, heartbeat: Outcome(np.array(GOOD), {"run_s": 1.0}),
    )  # fmt: skip
    evaluation = submission.latest
    assert evaluation.scores["public"]["auc"] == pytest.approx(23 / 24)
    assert evaluation.timings["run_s"] == 1.0


def test_a_mail_that_a_lost_worker_took_is_delivered_again():
    """Only the messages of evaluations are dropped: their rows say what is to be done."""
    now = database_now()
    make_submission()
    OrmQ.objects.all().delete()
    for task in (queue.TASK, "submissions.tasks.alert_staff"):
        async_task(task, 1, cluster="evaluations")
    OrmQ.objects.update(lock=now + timedelta(seconds=Conf.RETRY) - queue.LOST_MESSAGE_AFTER)
    queue.drop_stale_messages("evaluations", now)
    assert [message.task["func"] for message in OrmQ.objects.all()] == ["submissions.tasks.alert_staff"]
