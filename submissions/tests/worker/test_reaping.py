"""The reaper goes on whatever happens; a driver image that is built twice at once is pinned once."""

from threading import Barrier, Event, Thread
from types import SimpleNamespace

import pytest
from django.db import InterfaceError
from django.utils import timezone

from submissions.models import Worker
from submissions.runner.values import EngineImage
from submissions.worker import engine_host, reaping


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("no JSON"), KeyError("Labels")])
@pytest.mark.slow
def test_the_reaper_outlives_what_nobody_thought_of(monkeypatch, error):
    now, stop, seen = timezone.now(), Event(), []
    row = Worker.objects.create(name="w", host="h", cluster="containers", pid=1, started_at=now, seen_at=now)
    monkeypatch.setenv("LUNASITE_WORKER", "w")

    def connect():
        seen.append(1)
        if len(seen) == 2:
            stop.set()
        raise error

    monkeypatch.setattr(engine_host, "connect", connect)
    reaping.reap_for_ever(stop, 0.0)

    row.refresh_from_db()
    assert len(seen) == 2
    assert not row.takes_containers
    assert type(error).__name__ in row.refusal


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_the_reaper_outlives_a_connection_that_broke(monkeypatch):
    stop = Event()

    def broken(**facts):
        stop.set()
        raise InterfaceError("connection already closed")

    monkeypatch.setattr(engine_host, "connect", lambda: 1 / 0)
    monkeypatch.setattr(reaping, "_report", broken)
    reaping.reap_for_ever(stop, 0.0)
    assert stop.is_set()


class EngineOfTwo:
    """An engine that has the driver image already."""

    def facts(self):
        return SimpleNamespace(engine_id="one")

    def image(self, reference):
        return EngineImage(reference, {}, (), ())

    def tags(self, repository):
        return {}

    def tag(self, image_id, repository, version): ...


def test_a_load_that_takes_long_does_not_hold_up_the_reaper(settings, tmp_path, monkeypatch):
    """Its mark is no leftover yet; an image of 20 GB takes minutes, in which containers of lost attempts would stay."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(engine_host, "reap", lambda *args, **more: ["luna-1"])
    with engine_host.one_load_at_a_time(), engine_host.marked_as_loading("sha256:abc"):
        reaper = Thread(target=engine_host.reap_once, args=(EngineOfTwo(),), daemon=True)
        reaper.start()
        reaper.join(10)
        assert not reaper.is_alive()
        assert [*tmp_path.glob("engine/loading-*")]


@pytest.mark.slow
def test_two_builds_at_once_pin_one_driver_image(settings, tmp_path, monkeypatch):
    settings.DATA_DIR = tmp_path
    write, errors, have_written = engine_host.Path.write_text, [], Barrier(2)

    def write_and_wait(path, text):
        written = write(path, text)
        have_written.wait(10)
        return written

    monkeypatch.setattr(engine_host.Path, "write_text", write_and_wait)

    def build():
        try:
            engine_host.build_driver(EngineOfTwo())
        except OSError as error:
            errors.append(error)

    builds = [Thread(target=build) for _ in range(2)]
    for each in builds:
        each.start()
    for each in builds:
        each.join()
    assert errors == []
    assert [path.suffix for path in (tmp_path / "engine").iterdir()] == [".json"]
