"""Before a model starts its image is read and its folders are copied, which may take minutes on a slow disk."""

import time
from types import SimpleNamespace

import pytest

from submissions.runner.attempt import Host
from submissions.runner.base import EngineFault, RunCallbacks, RunResult
from submissions.runner.contracts import http
from submissions.runner.sandbox import ModelBody
from submissions.runner.values import ContainerState, EngineImage
from submissions.runner.writable.folders import Choice
from submissions.tests.run_requests import run_request

IMAGE = EngineImage("sha256:abc", {}, (), (8000,))


class Engine:
    """An engine that keeps what it is given; a model must not be made on it."""

    def __init__(self):
        self.labels = []

    def create(self, spec, *, is_untrusted=False):
        assert not is_untrusted, "the model is made"
        self.labels.append(spec.labels)
        return spec.name

    def start(self, container_id, **more): ...

    def remove(self, container_id): ...

    def state(self, container_id):
        return ContainerState(True, 0, False)


@pytest.fixture
def engine(monkeypatch):
    reading = SimpleNamespace(volumes=(), filled=lambda attempt, holder: ModelBody())
    monkeypatch.setattr(http, "read_image", lambda *args: reading)
    monkeypatch.setattr(http, "with_volume", lambda reading, *args: reading)
    monkeypatch.setattr(http, "tell_read_only", lambda *args: None)
    return Engine()


def run(engine):
    host = Host(engine, "sha256:driver", "luna", "test")
    http._HttpRun(host, run_request(), RunCallbacks(), [], RunResult(), IMAGE).run(IMAGE)


def test_it_takes_none_of_the_time_until_the_reaper_comes(engine, monkeypatch):
    """A run whose preparation took a minute was ended by the reaper before its own time was over."""
    with pytest.raises(AssertionError, match="the model is made"):
        run(engine)
    (labels,) = engine.labels
    left_s = int(labels["luna.deadline"]) - time.time()
    assert left_s > run_request().limits.timeout_s + 10 * 60


def test_it_ends_before_the_reaper_would_come_too_early(engine, monkeypatch):
    monkeypatch.setattr(http, "PREPARE_S", -1.0)
    with pytest.raises(EngineFault, match="not laid out in time"):
        run(engine)


def test_a_folder_whose_name_is_not_utf8_is_told_as_text():
    sentence = Choice((), ("/opt/caf\udce9",)).left_read_only(2048)
    assert "/opt/caf\N{REPLACEMENT CHARACTER}. If your" in sentence
    assert sentence.encode()
