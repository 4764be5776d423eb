"""Faults of the engine under images that run: it is killed, it is restarted, its disk fills."""

import time
from collections.abc import Callable

from benchmarks.outages.faults import HEALS_WITHIN_S, Stage, counted_attempts, fault
from benchmarks.outages.images import archive_for, make_image_phase
from benchmarks.outages.site import wait_until

IMAGES = 3
STARTS_WITHIN_S = 600.0


@fault("engine killed under a running container")
def engine_killed(stage: Stage) -> float:
    return _under_images(stage, stage.engine.kill, stage.engine.start)


@fault("engine restarted under a running container, as an update of it does")
def engine_restarted(stage: Stage) -> float:
    def restart() -> None:
        assert stage.engine.daemon is not None
        stage.engine.daemon.terminate()
        stage.engine.daemon.wait(60)

    return _under_images(stage, restart, stage.engine.start)


@fault("engine's disk full under waiting images")
def engine_disk_full(stage: Stage) -> float:
    return _under_images(stage, stage.engine.fill, stage.engine.make_room)


def _under_images(stage: Stage, break_it: Callable[[], None], mend: Callable[[], None]) -> float:
    site, engine = stage.site, stage.engine
    if not engine.answers():
        engine.start()
    if not stage.image_phase:
        stage.image_phase, stage.archive = make_image_phase(), archive_for(engine, site.folder)
    for _ in range(IMAGES):
        site.submit_image(stage.image_phase, stage.archive)
    site.start_worker(cluster="containers")
    wait_until(_is_predicting, STARTS_WITHIN_S, "no image came to run")
    break_it()
    time.sleep(stage.away_s / 2)
    mend()
    seconds = site.wait_until_done(HEALS_WITHIN_S)
    site.stop_workers()
    left = engine.containers()
    stage.notes.append(f"{counted_attempts(stage)} attempts counted, {len(left)} containers left")
    assert not left, left
    return seconds


def _is_predicting() -> bool:
    from submissions.models import Evaluation

    return Evaluation.objects.filter(status="running", answered__gt=0).exists()
