"""A whole evaluation on each engine: an image is uploaded, a worker takes its message, the board has its score."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django_q.models import OrmQ

from submissions import actions, tasks
from submissions.actions.queue import DOCKER_CLUSTER
from submissions.models import Submission
from submissions.tests.containers import on_each_engine
from submissions.tests.evaluated_images import BY_COORDINATE, SERVE, archive_of, make_lesions
from submissions.tests.factories import make_member

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site_on_engine")]
BATCH = """
import json
given = json.load(open("/input/nodule-locations.json"))
for point in given["points"]:
    point["probability"] = point["point"][0] / 100
json.dump(given, open("/output/lung-nodule-malginancy-likelihoods.json", "w"))
"""
FAILING_BATCH = "import sys\nprint('no weights here', flush=True)\nsys.exit(3)\n"


def uploaded(phase, member, archive, contract):
    """Send an image as its participant does; return the submission."""
    client = Client()
    client.force_login(member)
    file = SimpleUploadedFile("model.tar", archive)
    answer = client.post("/api/v1/submissions/docker", {"phase": phase.slug, "contract": contract, "file": file})
    assert answer.status_code == 201, answer.content
    return Submission.objects.get(pk=answer.json()["id"])


def worked(submission):
    """Do what a worker does with the message; return the evaluation."""
    assert OrmQ.objects.filter(key=DOCKER_CLUSTER).count() == 1
    done = actions.work_without_messages(
        cluster=DOCKER_CLUSTER, worker="tests/containers/1:1", run_image=tasks.run_image, probes=tasks.engine_probes,
        room=tasks.host_room,
    )  # fmt: skip
    assert done
    assert not OrmQ.objects.filter(key=DOCKER_CLUSTER).exists()
    return submission.evaluations.get()


@on_each_engine
@pytest.mark.parametrize(("contract", "program"), [("http", SERVE.format(BY_COORDINATE)), ("batch", BATCH)])
def test_an_uploaded_image_reaches_the_board(bench, contract, program):
    phase, member = make_lesions(), make_member()
    evaluation = worked(uploaded(phase, member, archive_of(bench, program), contract))
    told = evaluation.failure_code, evaluation.failure_note, evaluation.staff_detail
    assert (evaluation.status, evaluation.answered, evaluation.attempt) == ("completed", 10, 1), told
    assert evaluation.scores["public"]["auc"] == pytest.approx(1.0)
    board = json.loads(Client().get(f"/api/v1/leaderboard?phase={phase.slug}").content)
    assert len(board["rows"]) == 1
    assert bench.left_behind() == []


@on_each_engine
def test_a_batch_image_that_fails_is_told_its_exit_code_and_log_at_no_cost(bench):
    submission = uploaded(make_lesions(), make_member(), archive_of(bench, FAILING_BATCH), "batch")
    evaluation = worked(submission)
    assert (evaluation.status, evaluation.failure_code) == ("failed", "CONTAINER_EXITED"), evaluation.staff_detail
    assert "no weights here" in evaluation.smoke_log
    submission.refresh_from_db()
    assert not submission.try_counts
    assert bench.left_behind() == []
