"""Room for an image is not made at the cost of one whose evaluation goes on, and no mark costs a verdict."""

from types import SimpleNamespace

import pytest

from submissions.faults import ParticipantError
from submissions.models import Evaluation, Submission
from submissions.outages.hosts import this_host
from submissions.runner.base import EngineFault
from submissions.runner.host.image_cache import ImageCache
from submissions.tests.evaluated_images import make_lesions, send
from submissions.worker import container_evaluation, engine_host

OLD, RUNNING, NEW = (f"sha256:{letter * 64}" for letter in "abc")


class EngineWithTags:
    """An engine that knows tags alone; an image goes with its last tag."""

    def __init__(self):
        self.names: dict[str, str] = {}

    def tags(self, repository):
        found: dict[str, list[str]] = {}
        for name, image_id in self.names.items():
            found.setdefault(image_id, []).append(name)
        return found

    def tag(self, image_id, repository, version):
        self.names[f"{repository}:{version}"] = image_id

    def remove_image(self, reference):
        return bool(self.names.pop(reference, ""))


@pytest.fixture
def engine(settings):
    engine = EngineWithTags()
    cache = ImageCache(engine, settings.INSTANCE)
    for moment, image_id in enumerate((RUNNING, OLD, NEW)):
        cache.mark_used(image_id, moment, engine_id=image_id)
    return engine


def evaluation_of(image_id, status="running"):
    submission = send(make_lesions(), b"an image")
    Submission.objects.filter(pk=submission.pk).update(image_id=image_id)
    Evaluation.objects.filter(submission=submission).update(status=status, worker=f"{this_host()}/containers/1:2")
    return submission.latest


@pytest.mark.django_db
def test_an_image_stays_while_its_evaluation_runs_though_no_container_has_it(engine, monkeypatch):
    """As between its trial and its hidden run: the oldest of all, since a run marks its image at its end."""
    evaluation_of(RUNNING)
    evaluation_of(OLD, "completed")
    monkeypatch.setattr(engine_host, "engine_free_bytes", lambda host: 100 if len(engine.names) == 2 else 0)

    engine_host.make_room(SimpleNamespace(engine=engine), 100)

    assert set(engine.names.values()) == {RUNNING, NEW}


@pytest.mark.django_db
@pytest.mark.parametrize("fault", [None, ParticipantError("CONTAINER_EXITED", "It ended.")])
def test_a_mark_that_fails_costs_no_verdict(settings, tmp_path, monkeypatch, fault):
    settings.EVALUATION_CASES_DIR = tmp_path
    evaluation = evaluation_of(RUNNING)

    def end(*args):
        if fault:
            raise fault
        return "outcome"

    def refuse(*args, **more):
        raise EngineFault("The engine has no such image.")

    monkeypatch.setattr(engine_host, "container_host", lambda engine: None)
    monkeypatch.setattr(container_evaluation, "image_on", lambda *args: RUNNING)
    monkeypatch.setattr(ImageCache, "mark_used", refuse)
    for name in ("_smoke", "_hidden"):
        monkeypatch.setattr(container_evaluation._ContainerEvaluation, name, end)
    monkeypatch.setattr(container_evaluation._ContainerEvaluation, "_outcome", lambda self, result: result)
    heartbeat = SimpleNamespace(check=lambda: None, is_lost=False)
    run = container_evaluation._ContainerEvaluation(
        evaluation, heartbeat, SimpleNamespace(facts=lambda: SimpleNamespace(cpus=1))
    )

    if fault:
        with pytest.raises(ParticipantError):
            run.run()
    else:
        assert run.run() == "outcome"
