"""What web processes do when they begin."""

from inference.tests.fake_engine import FakeEngine
from lunasite.serving import gunicorn


class Engine(FakeEngine):
    is_started = False

    def start(self) -> None:
        self.is_started = True


class Exhausted(FakeEngine):
    def start(self) -> None:
        raise BlockingIOError


def test_a_new_web_process_begins_to_warm_the_models_up(monkeypatch):
    engine = Engine()
    monkeypatch.setattr("inference.model_service.engine", lambda: engine)
    gunicorn.post_worker_init(None)
    assert engine.is_started


def test_a_machine_that_can_start_no_process_still_serves_pages(monkeypatch):
    monkeypatch.setattr("inference.model_service.engine", Exhausted)
    gunicorn.post_worker_init(None)
