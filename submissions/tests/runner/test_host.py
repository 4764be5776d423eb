"""A host of containers among others: its driver image, its leftovers, what it tells of itself."""

import time
from datetime import timedelta
from threading import Event, Thread

import pytest
from django.core.management import call_command
from django.utils import timezone

from submissions import actions, tasks
from submissions.models import Evaluation, Worker
from submissions.runner.sandbox import Labels, holder_spec
from submissions.tests.evaluated_images import make_lesions, run, send
from submissions.worker import container_evaluation, engine_host, reaping

pytestmark = [
    pytest.mark.engine,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("site_on_engine"),
]


def test_an_engine_that_is_down_costs_nothing_and_its_host_goes_on_when_it_answers(answering_image, settings):
    submission = send(make_lesions(), answering_image)
    address, settings.DOCKER_HOST = settings.DOCKER_HOST, "unix:///nowhere/docker.sock"
    for _ in range(settings.EVALUATION_MAX_ATTEMPTS + 1):
        Evaluation.objects.filter(submission=submission).update(available_at=timezone.now())
        evaluation = run(submission)
        assert (evaluation.status, evaluation.failed_attempts) == ("pending", 0)
    assert "nowhere" not in evaluation.failure_note
    settings.DOCKER_HOST = address
    Evaluation.objects.filter(submission=submission).update(available_at=timezone.now())
    assert run(submission).status == "completed"


def test_a_replaced_driver_image_stops_container_work(bench, answering_image):
    engine = engine_host.connect()
    engine_host.build_driver(engine)
    busybox = engine.image("busybox:static").image_id
    engine.tag(busybox, engine_host.driver_repository(), "pinned")

    evaluation = run(send(make_lesions(), answering_image))

    assert evaluation.status == "pending"
    assert f"{engine_host.driver_repository()}:pinned" in evaluation.staff_detail
    assert "run manage.py build_driver" in evaluation.staff_detail


def test_a_task_delivered_twice_at_once_runs_once(bench, answering_image, monkeypatch):
    submission = send(make_lesions(samples=0), answering_image)
    runs = []
    original = container_evaluation.run_containers
    monkeypatch.setattr(
        container_evaluation, "run_containers", lambda *given: (runs.append(given), original(*given))[1]
    )
    workers = [
        Thread(
            target=actions.evaluate,
            kwargs={"evaluation_id": submission.latest.pk, "worker": name, "run_image": tasks.run_image},
        )
        for name in ("host-a", "host-b")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="host-c", run_image=tasks.run_image)

    assert (submission.latest.status, submission.latest.attempt, len(runs)) == ("completed", 1, 1)
    assert bench.left_behind() == []


def test_two_hosts_with_folders_of_their_own_work_side_by_side(bench, answering_image):
    """Only the database, the storage and the secret are shared: each worker process has its own folders."""
    phase = make_lesions(samples=0)
    sent = [send(phase, answering_image) for _ in range(2)]
    workers = [
        Thread(
            target=actions.evaluate,
            kwargs={"evaluation_id": item.latest.pk, "worker": f"host-{number}", "run_image": tasks.run_image},
        )
        for number, item in enumerate(sent)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert [item.latest.status for item in sent] == ["completed", "completed"]
    assert {item.latest.worker for item in sent} == {"host-0", "host-1"}


def test_leftovers_of_a_lost_attempt_go_and_those_of_a_live_one_stay(bench, answering_image):
    submission = send(make_lesions(), answering_image)
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
    assert engine_host.image_cache(engine).engine_id_of(image_id)
    assert not mark.exists()
    bench.drop()


def test_the_doctor_says_what_is_wrong_and_refuses(bench, settings, capsys):
    call_command("doctor", "--engine")
    told = capsys.readouterr().out
    assert "FAIL" not in told
    assert "runs no images" not in told  # a warning keeps none from running
    settings.EVALUATION_RUNTIME = "no-such-runtime"
    with pytest.raises(SystemExit):
        call_command("doctor", "--engine")
    assert "This host runs no images until then" in capsys.readouterr().out


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
