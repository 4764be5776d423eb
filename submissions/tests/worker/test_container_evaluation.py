"""From a stored archive to scores and back to an empty engine, through the real worker code."""

import contextlib
import gzip
import hashlib
import time
from threading import Thread

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import RequestFactory
from django.utils import timezone

from submissions import actions, tasks
from submissions.api.serializers import SubmissionDetailSerializer
from submissions.models import Evaluation, ModelArchive, Submission
from submissions.presenters.progress import failed_sentence
from submissions.runner.base import EngineFault
from submissions.runner.contracts.http import HttpRunner
from submissions.runner.engine.docker import DockerEngine
from submissions.tests.evaluated_images import BY_COORDINATE, SERVE, archive_of, make_lesions, run, send
from submissions.tests.image_archives import Member, tar
from submissions.worker import container_evaluation, engine_host, image_loading

pytestmark = [
    pytest.mark.engine,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("site_on_engine"),
]
BATCH = """
import json, time
given = json.load(open("/input/nodule-locations.json"))
for point in given["points"]:
    point["probability"] = point["point"][0] / 100
time.sleep(0)
json.dump(given, open("/output/lung-nodule-malginancy-likelihoods.json", "w"))
"""


def test_an_image_is_checked_tried_run_and_scored(bench, answering_image):
    submission = send(make_lesions(), answering_image)

    evaluation = run(submission)

    assert evaluation.status == "completed", (evaluation.failure_code, evaluation.staff_detail)
    assert evaluation.scores["public"]["auc"] == pytest.approx(1.0)
    assert evaluation.answered == evaluation.total == 10
    assert {"load_s", "smoke_s", "start_s", "predict_s", "latency_median_s", "peak_memory_bytes"} <= set(
        evaluation.timings
    )
    assert evaluation.timings["peak_memory_bytes"] > 1 << 20
    assert [event.stage for event in evaluation.events.all()] == [
        "received",
        "running",
        "intake",
        "load",
        "smoke",
        "run",
        "scored",
    ]
    assert bench.left_behind() == []


def test_a_second_run_of_the_same_image_loads_nothing(bench, answering_image, monkeypatch):
    submission = send(make_lesions(), answering_image)
    run(submission)
    monkeypatch.setattr(DockerEngine, "load", lambda *_: pytest.fail("loaded again"))
    monkeypatch.setattr(image_loading, "scan_archive", lambda *_: pytest.fail("scanned again"))

    again = actions.re_evaluate(submission=submission)
    actions.evaluate(evaluation_id=again.pk, worker="tests", run_image=tasks.run_image)
    again.refresh_from_db()

    assert again.status == "completed"
    assert again.timings["load_s"] == 0


def test_a_batch_image_is_scored(bench):
    data = archive_of(bench, BATCH)
    evaluation = run(send(make_lesions(), data, contract="batch"))
    assert evaluation.status == "completed", (evaluation.failure_code, evaluation.failure_note, evaluation.staff_detail)
    assert evaluation.scores["public"]["auc"] == pytest.approx(1.0)


def test_a_model_that_fails_the_smoke_run_sees_no_hidden_case(bench, monkeypatch):
    data = archive_of(bench, "import sys\nprint('my own words')\nsys.exit(3)\n")
    monkeypatch.setattr(
        container_evaluation._ContainerEvaluation, "_hidden", lambda *_: pytest.fail("hidden data touched")
    )

    evaluation = run(send(make_lesions(), data))

    assert (evaluation.status, evaluation.failure_code) == ("failed", "CONTAINER_EXITED")
    assert "exit code 3" in evaluation.failure_note
    assert "public sample cases" in evaluation.failure_note
    assert "my own words" in evaluation.smoke_log
    assert evaluation.run_log == ""


def test_a_failed_trial_costs_no_try_and_hides_nothing(bench):
    answer = b'{"detail":[{"loc":["body","image"],"msg":"field required"}]}'
    program = f"print('loading')\nfrom serving import serve\nserve(lambda b, n: (422, {answer!r}))\n"
    submission = send(make_lesions(samples=2), archive_of(bench, program))

    evaluation = run(submission)

    submission.refresh_from_db()
    assert (evaluation.status, evaluation.failure_code, evaluation.failure_stage) == ("failed", "BAD_RESPONSE", "smoke")
    assert (evaluation.answered, evaluation.total) == (0, 2)
    assert not submission.try_counts
    assert evaluation.trial["status"] == 422
    assert evaluation.trial["answer"] == answer.decode()
    assert '{"file_field": "image"}' in evaluation.trial["diagnosis"]
    assert "loading" in evaluation.smoke_log
    shown = SubmissionDetailSerializer(submission, context={"request": a_request(submission.user)}).data
    assert shown["failure"]["stage"] == "smoke"
    assert shown["failure"]["try_counted"] is False
    assert shown["trial"] == evaluation.trial
    assert "the try was given back" in failed_sentence(evaluation)


def test_the_page_of_a_failed_trial_says_what_to_change(bench, client):
    submission = send(make_lesions(samples=1), archive_of(bench, "import absent_package\n"))
    run(submission)
    client.force_login(submission.user)
    page = client.get(f"/submissions/{submission.pk}/").content.decode()
    assert "What to change" in page
    assert "pip install absent_package" in page


def test_a_folder_from_the_form_is_writable(bench):
    program = "open('/data/x', 'w').write('x')\n" + SERVE.format(BY_COORDINATE)
    evaluation = run(send(make_lesions(samples=0), archive_of(bench, program), writable_folders=["/data"]))
    assert evaluation.status == "completed", (evaluation.failure_note, evaluation.staff_detail, evaluation.run_log)


def test_a_model_archive_is_laid_out_for_trial_and_run(bench):
    program = """
from serving import good, serve
weight = float(open("/opt/ml/model/weight.txt").read())
serve(lambda body, number: (200, good(body, weight)))
"""
    submission = send(make_lesions(samples=1), archive_of(bench, program))
    data = gzip.compress(tar([Member("./weight.txt", b"0.5")]))
    key = default_storage.save("submissions/model.tar.gz", ContentFile(data))
    archive = ModelArchive.objects.create(
        team=submission.team, user=submission.user, file=key, original_name="model.tar.gz",
        sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data),
    )  # fmt: skip
    Submission.objects.filter(pk=submission.pk).update(model_archive=archive)
    evaluation = run(submission)
    assert evaluation.status == "completed", (evaluation.failure_note, evaluation.smoke_log, evaluation.staff_detail)

    default_storage.delete(key)
    default_storage.save(key, ContentFile(gzip.compress(tar([Member("../weight.txt", b"0.5")]))))
    again = actions.re_evaluate(submission=submission)
    actions.evaluate(evaluation_id=again.pk, worker="tests", run_image=tasks.run_image)
    again.refresh_from_db()
    assert (again.status, again.failure_code) == ("failed", "MODEL_ARCHIVE")


def a_request(user):
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_words_of_the_hidden_run_reach_staff_only(bench):
    data = archive_of(
        bench, "print('secret voxels')\nfrom serving import serve\nserve(lambda b, n: (500, b'secret voxels'))\n"
    )
    evaluation = run(send(make_lesions(samples=0), data))
    shown = evaluation.failure_note + evaluation.smoke_log + "".join(event.note for event in evaluation.events.all())
    assert evaluation.failure_code == "BAD_RESPONSE"
    assert "0 of 10 cases" in evaluation.failure_note
    assert "secret voxels" not in shown
    assert "secret voxels" in evaluation.run_log


def test_a_bad_archive_costs_no_try(bench):
    submission = send(make_lesions(), b"not an archive at all")
    evaluation = run(submission)
    submission.refresh_from_db()
    assert (evaluation.status, evaluation.failure_code) == ("failed", "UPLOAD_NOT_ARCHIVE")
    assert not submission.try_counts


def test_a_stored_archive_that_changed_is_never_run(bench, answering_image):
    submission = send(make_lesions(), answering_image)
    Submission.objects.filter(pk=submission.pk).update(sha256="0" * 64)
    evaluation = run(submission)
    assert evaluation.status == "pending"
    assert "SYSTEM_STORAGE" in evaluation.staff_detail


class BreakingStream:
    """The output of a driver, of which the connection breaks once so many answers were read."""

    ended = False

    def __init__(self, stream, after):
        self.stream, self.left = stream, after

    def lines(self, wait_s):
        lines = self.stream.lines(wait_s)
        self.left -= sum(b'"answer"' in line for line in lines)
        if self.left <= 0:
            raise EngineFault("broken", staff_detail="stream")
        return lines


@pytest.fixture
def mend_engine(monkeypatch):
    """Let the engine's stream break after four answers; calling it mends the engine."""
    whole = DockerEngine.attached

    @contextlib.contextmanager
    def attached(self, container_id):
        with whole(self, container_id) as stream:
            yield BreakingStream(stream, after=4)

    monkeypatch.setattr(DockerEngine, "attached", attached)
    return lambda: monkeypatch.setattr(DockerEngine, "attached", whole)


@pytest.fixture
def requested(monkeypatch):
    """The requests of the HTTP runner, as they are made."""
    requests, run = [], HttpRunner.run
    monkeypatch.setattr(
        HttpRunner, "run", lambda self, request, watcher: (requests.append(request), run(self, request, watcher))[1]
    )
    return requests


SLOW = f"""
import time
from serving import good, serve, field
serve(lambda body, number: (time.sleep(0.15), (200, good(body, {BY_COORDINATE})))[1])
"""


def test_a_retry_for_our_fault_goes_on_where_it_stopped(bench, mend_engine, requested):
    submission = send(make_lesions(samples=0), archive_of(bench, SLOW))

    first = run(submission)

    answered = len(first.partial_answers)
    assert (first.status, first.failed_attempts) == ("pending", 1), first.failure_code
    assert 0 < answered < 10
    assert bench.left_behind() == []

    mend_engine()
    Evaluation.objects.filter(pk=first.pk).update(available_at=timezone.now())
    second = run(submission)

    assert second.status == "completed", (second.failure_code, second.staff_detail)
    assert [len(request.done) for request in requested] == [0, answered]
    assert second.scores["public"]["auc"] == pytest.approx(1.0)


def test_cancel_ends_the_container_without_waiting_for_its_program(bench):
    data = archive_of(bench, "import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(3600)\n")
    submission = send(make_lesions(samples=0), data)
    attempt = {"evaluation_id": submission.latest.pk, "worker": "tests", "run_image": tasks.run_image}
    worker = Thread(target=actions.evaluate, kwargs=attempt)
    worker.start()
    while not any(name.endswith("-driver") for name in bench.left_behind()):
        time.sleep(0.05)
        assert worker.is_alive()
    time.sleep(0.3)

    actions.cancel(submission=submission)
    cancelled = time.monotonic()
    while any("-model" in name for name in bench.left_behind()):
        time.sleep(0.02)
    seconds = time.monotonic() - cancelled
    worker.join(timeout=20)

    assert seconds < 8  # an engine asked to stop it gives the program 10 s
    assert submission.latest.status == "cancelled"
    assert bench.left_behind() == []


def test_nothing_of_the_patient_is_in_the_files_a_container_gets(bench, answering_image):
    phase = make_lesions()
    laid_out = container_evaluation.run_cases(
        phase.dataset, list(phase.dataset.scored_cases()), engine_host.cases_dir()
    )
    contents = {case.image_path.read_bytes() for case in laid_out}
    assert contents == {b"ObjectType = Image\nElementDataFile = LOCAL\nvoxels"}
    assert not any("case" in case.image_path.name for case in laid_out)
