"""From a stored archive to scores and back to an empty engine, through the real worker code."""

import gzip
import hashlib
import subprocess
import time
from datetime import timedelta
from threading import Event, Thread

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.core.management import call_command
from django.utils import timezone

from submissions import actions
from submissions.actions.submit import StoredFile
from submissions.models import Case, Evaluation, Submission, Worker
from submissions.runner.base import EngineFault
from submissions.runner.docker import Engine
from submissions.tests.containers import (
    HOSTILE,
)
from submissions.tests.factories import make_member, make_phase
from submissions.worker import container_evaluation, engine_host, image_loading, reaping

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]
SERVE = "from serving import good, serve, field\nserve(lambda body, number: (200, good(body, {})))\n"
BATCH = """
import json, time
given = json.load(open("/input/nodule-locations.json"))
for point in given["points"]:
    point["probability"] = point["point"][0] / 100
time.sleep(0)
json.dump(given, open("/output/lung-nodule-malginancy-likelihoods.json", "w"))
"""
BY_COORDINATE = "float(field(body, 'coordX')) / 100"


@pytest.fixture(autouse=True)
def this_host(bench, settings, tmp_path):
    """Point the site at the test's engine, under an instance name that only this module uses."""
    settings.INSTANCE = bench.instance
    settings.DATA_DIR = bench.folder / "data"
    settings.EVALUATION_CASES_DIR = bench.folder / "site-cases"
    settings.EVALUATION_LEASE_SECONDS = 5
    engine_host._tested_at.setdefault(bench.host.driver_image, time.monotonic())
    yield
    engine = engine_host.connect()
    for image_id in engine_host.keeper(engine).least_recently_used():
        engine_host.keeper(engine).forget(image_id)
    engine.remove_image(f"{engine_host.driver_repository()}:pinned")
    (engine_host._pin_path(engine)).unlink(missing_ok=True)


def archive_of(bench, program, extra=""):
    """Return the bytes of `docker save` of an image that runs `program`, the image itself removed again."""
    context = bench.folder / f"context-{hashlib.sha256(program.encode()).hexdigest()[:8]}"
    context.mkdir(exist_ok=True)
    (context / "program.py").write_text(program)
    (context / "serving.py").write_text((HOSTILE / "serving.py").read_text())
    # The driver's image is a Python of 30 MB: saved, checked and loaded in a moment.
    command = 'CMD ["/usr/bin/python3", "-S", "-u", "/model/program.py"]'
    lines = [f"FROM {bench.host.driver_image}", "COPY . /model", extra, "ENTRYPOINT []", command]
    bench.build("\n".join(lines), context)
    data = subprocess.run(["docker", "save", bench.built[-1]], capture_output=True, check=True).stdout
    bench.drop()
    return data


@pytest.fixture(scope="module")
def archive(bench):
    """An image that answers the x coordinate as the probability."""
    return gzip.compress(archive_of(bench, SERVE.format(BY_COORDINATE)), 1)


def make_lesions(samples=2, **fields):
    """Return a phase over ten lesions (and a few samples) whose x coordinate is the right answer."""
    phase = make_phase(**fields)
    dataset = phase.dataset
    for number in range(samples):
        Case.objects.create(
            dataset=dataset,
            position=100 + number,
            public_id=f"sample{number}",
            truth=0,
            split="sample",
            x_mm=1,
            y_mm=0,
            z_mm=0,
        )
    key = storages["datasets"].save(
        "scan.mha", ContentFile(b"ObjectType = Image\nPatientName = Eve\nElementDataFile = LOCAL\nvoxels")
    )
    for case in dataset.cases.all():
        Case.objects.filter(pk=case.pk).update(
            image=key, series_uid=f"1.{case.position // 3}", x_mm=10 + 5 * case.position % 90
        )
    return phase


def send(phase, data, **fields):
    """Submit an archive that lies in the storage already."""
    key = default_storage.save(f"submissions/{time.monotonic_ns()}/image.tar", ContentFile(data))
    stored = StoredFile(key, "image.tar", hashlib.sha256(data).hexdigest(), len(data))
    return actions.submit(
        user=make_member(),
        phase=phase,
        submission_type=Submission.Type.DOCKER,
        stored=stored,
        received_at=timezone.now(),
        **fields,
    )


def run(submission):
    actions.evaluate(evaluation_id=submission.latest.pk, worker="tests")
    return submission.evaluations.order_by("-pk")[0]


def test_an_image_is_checked_tried_run_and_scored(bench, archive):
    submission = send(make_lesions(), archive)

    evaluation = run(submission)

    assert evaluation.status == "completed", (evaluation.failure_code, evaluation.staff_note)
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


def test_a_second_run_of_the_same_image_loads_nothing(bench, archive, monkeypatch):
    submission = send(make_lesions(), archive)
    run(submission)
    monkeypatch.setattr(Engine, "load", lambda *_: pytest.fail("loaded again"))
    monkeypatch.setattr(image_loading, "scan_archive", lambda *_: pytest.fail("scanned again"))

    again = actions.re_evaluate(submission=submission)
    actions.evaluate(evaluation_id=again.pk, worker="tests")
    again.refresh_from_db()

    assert again.status == "completed"
    assert again.timings["load_s"] == 0


def test_a_batch_image_is_scored(bench):
    data = archive_of(bench, BATCH)
    evaluation = run(send(make_lesions(), data, contract="batch"))
    assert evaluation.status == "completed", (evaluation.failure_code, evaluation.failure_note, evaluation.staff_note)
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


def test_a_stored_archive_that_changed_is_never_run(bench, archive):
    submission = send(make_lesions(), archive)
    Submission.objects.filter(pk=submission.pk).update(sha256="0" * 64)
    evaluation = run(submission)
    assert evaluation.status == "pending"
    assert "SYSTEM_STORAGE" in evaluation.staff_note


def test_a_retry_for_our_fault_goes_on_where_it_stopped(bench, archive, monkeypatch):
    submission = send(make_lesions(samples=0), archive)
    asked = []
    original = Engine.attached

    class Breaks:
        """An engine whose stream breaks after four answers."""

        ended = False

        def __init__(self, stream):
            self.stream, self.answers = stream, 0

        def lines(self, wait_s):
            lines = self.stream.lines(wait_s)
            self.answers += sum(b'"answer"' in line for line in lines)
            if self.answers >= 4:
                raise EngineFault("broken", staff_detail="stream")
            return lines[:4]

    def broken(self, container_id):
        from contextlib import contextmanager

        @contextmanager
        def attached():
            with original(self, container_id) as stream:
                yield Breaks(stream)

        return attached()

    slow = archive_of(
        bench,
        "import time\nfrom serving import good, serve, field\n"
        + f"serve(lambda body, n: (time.sleep(0.15), (200, good(body, {BY_COORDINATE})))[1])\n",
    )
    submission = send(make_lesions(samples=0), slow)
    monkeypatch.setattr(Engine, "attached", broken)
    first = run(submission)
    assert (first.status, first.setbacks) == ("pending", 1), first.failure_code
    answered = len(first.partial_answers)
    assert 0 < answered < 10
    assert bench.left_behind() == []

    monkeypatch.setattr(Engine, "attached", original)
    plan = container_evaluation.HttpRunner.run
    monkeypatch.setattr(
        container_evaluation.HttpRunner,
        "run",
        lambda self, request, watcher: (asked.append(request), plan(self, request, watcher))[1],
    )
    Evaluation.objects.filter(pk=first.pk).update(available_at=timezone.now())
    second = run(submission)

    assert second.status == "completed", (second.failure_code, second.staff_note)
    assert len(asked[0].done) == answered
    assert second.scores["public"]["auc"] == pytest.approx(1.0)


def test_cancel_ends_the_container_within_two_seconds(bench):
    data = archive_of(bench, "import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(3600)\n")
    submission = send(make_lesions(samples=0), data)
    worker = Thread(target=actions.evaluate, kwargs={"evaluation_id": submission.latest.pk, "worker": "tests"})
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

    assert seconds < 2
    assert submission.latest.status == "cancelled"
    assert bench.left_behind() == []


def test_an_engine_that_is_down_is_our_fault_and_gives_the_try_back(archive, settings):
    submission = send(make_lesions(), archive)
    settings.DOCKER_HOST = "unix:///nowhere/docker.sock"
    for _ in range(settings.EVALUATION_MAX_ATTEMPTS):
        Evaluation.objects.filter(submission=submission).update(available_at=timezone.now())
        evaluation = run(submission)
    submission.refresh_from_db()
    settings.DOCKER_HOST = ""
    assert (evaluation.status, evaluation.failure_code) == ("failed", "SYSTEM_ENGINE")
    assert not submission.try_counts
    assert "nowhere" not in evaluation.failure_note


def test_a_replaced_driver_image_stops_container_work(bench, archive):
    engine = engine_host.connect()
    engine_host.build_driver(engine)
    busybox = engine.image("busybox:static").image_id
    engine.tag(busybox, engine_host.driver_repository(), "pinned")

    evaluation = run(send(make_lesions(), archive))

    assert evaluation.status == "pending"
    assert f"{engine_host.driver_repository()}:pinned" in evaluation.staff_note
    assert "run manage.py build_driver" in evaluation.staff_note


def test_nothing_of_the_patient_is_in_the_files_a_container_gets(bench, archive):
    phase = make_lesions()
    laid_out = container_evaluation.run_cases(
        phase.dataset, list(phase.dataset.scored_cases()), engine_host.cases_dir()
    )
    contents = {case.image_path.read_bytes() for case in laid_out}
    assert contents == {b"ObjectType = Image\nElementDataFile = LOCAL\nvoxels"}
    assert not any("case" in case.image_path.name for case in laid_out)


def test_a_task_delivered_twice_at_once_runs_once(bench, archive, monkeypatch):
    submission = send(make_lesions(samples=0), archive)
    runs = []
    original = container_evaluation.run_containers
    monkeypatch.setattr(
        container_evaluation, "run_containers", lambda *given: (runs.append(given), original(*given))[1]
    )
    workers = [
        Thread(target=actions.evaluate, kwargs={"evaluation_id": submission.latest.pk, "worker": name})
        for name in ("host-a", "host-b")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="host-c")

    assert (submission.latest.status, submission.latest.attempt, len(runs)) == ("completed", 1, 1)
    assert bench.left_behind() == []


def test_two_hosts_with_folders_of_their_own_work_side_by_side(bench, archive):
    """Only the database, the storage and the secret are shared: each worker process has its own folders."""
    phase = make_lesions(samples=0)
    sent = [send(phase, archive) for _ in range(2)]
    workers = [
        Thread(target=actions.evaluate, kwargs={"evaluation_id": one.latest.pk, "worker": f"host-{number}"})
        for number, one in enumerate(sent)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert [one.latest.status for one in sent] == ["completed", "completed"]
    assert {one.latest.worker for one in sent} == {"host-0", "host-1"}


def test_leftovers_of_a_lost_attempt_go_and_those_of_a_live_one_stay(bench, archive):
    from submissions.runner.sandbox import Labels, holder_spec

    submission = send(make_lesions(), archive)
    evaluation = submission.latest
    engine = engine_host.connect()
    labels = Labels("luna", bench.instance, str(evaluation.pk), 1, int(time.time()) + 600)
    container = engine.create(holder_spec(labels, bench.host.driver_image))
    Evaluation.objects.filter(pk=evaluation.pk).update(
        status="running", attempt=1, lease_until=timezone.now() + timedelta(seconds=60)
    )
    assert engine_host.reap_once(engine) == []
    Evaluation.objects.filter(pk=evaluation.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert engine_host.reap_once(engine) == [labels.name("holder")]
    engine.remove(container)


def test_an_image_whose_worker_died_while_loading_is_adopted(bench):
    engine = engine_host.connect()
    image_id = bench.build(f"FROM {bench.host.driver_image}\nLABEL orphan=yes\n")
    mark = engine_host.state_dir() / f"loading-{image_id.removeprefix('sha256:')}"
    mark.touch()
    engine_host.reap_once(engine)
    assert engine_host.keeper(engine).engine_id_of(image_id)
    assert not mark.exists()
    bench.drop()


def test_the_doctor_says_what_is_wrong_and_refuses(bench, settings, capsys):
    call_command("doctor")
    assert "FAIL" not in capsys.readouterr().out
    settings.EVALUATION_RUNTIME = "no-such-runtime"
    with pytest.raises(SystemExit):
        call_command("doctor")
    assert "Containers are refused on this host" in capsys.readouterr().out


def test_a_worker_tells_of_its_engine_and_why_it_refuses(bench, settings, monkeypatch):
    now = timezone.now()
    row = Worker.objects.create(name="w", host="h", cluster="containers", pid=1, started_at=now, seen_at=now)
    monkeypatch.setenv("LUNASITE_WORKER", "w")
    reaping._look_after_engine()
    row.refresh_from_db()
    assert row.takes_containers
    assert row.engine_version
    assert row.engine_free_bytes > 1 << 20

    settings.DOCKER_HOST = "unix:///nowhere/docker.sock"
    stop = Event()
    Thread(target=lambda: (time.sleep(0.5), stop.set())).start()
    reaping.reap_for_ever(stop, 0.1)
    row.refresh_from_db()
    settings.DOCKER_HOST = ""
    assert not row.takes_containers
    assert "engine" in row.refusal
