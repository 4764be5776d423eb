"""What lost workers leave is taken away, and nothing else; images leave by age."""

import secrets
import time

import pytest

from submissions.runner.host.image_cache import ImageCache
from submissions.runner.host.reaper import reap
from submissions.runner.sandbox import Labels, holder_spec
from submissions.runner.values import OutputVolume
from submissions.tests.containers import on_each_engine

pytestmark = pytest.mark.engine
NOW = 1_000_000.0


def leave_behind(bench, evaluation="17", *, instance=None, prefix="luna", deadline=NOW + 60):
    """Make a running holder with a volume, as a worker that died leaves them."""
    labels = Labels(prefix, instance or bench.instance, evaluation, 1, int(deadline))
    volume = OutputVolume(labels.name("output-0"), "/out/0", read_only=True)
    bench.engine.create_volume(volume, labels.of("output"), 1, 100)
    container = bench.engine.create(holder_spec(labels, bench.host.driver_image, (volume,)))
    bench.engine.start(container)
    return labels.name("holder"), volume.name


def reaped(bench, is_live):
    return set(reap(bench.engine, "luna", bench.instance, is_live=is_live, now=NOW))


@on_each_engine
def test_a_lost_attempt_is_removed_and_a_live_one_stays(bench):
    lost, live = leave_behind(bench, "17"), leave_behind(bench, "18")
    assert reaped(bench, lambda evaluation, attempt: (evaluation, attempt) == ("18", 1)) == set(lost)
    assert set(bench.left_behind()) == set(live)
    assert reaped(bench, lambda *_: False) == set(live)
    assert bench.left_behind() == []


def test_a_deadline_ends_even_what_claims_to_live(bench):
    late = leave_behind(bench, "17", deadline=NOW - 1)
    assert reaped(bench, lambda *_: True) == set(late)


def test_a_self_test_lives_until_its_deadline(bench):
    names = leave_behind(bench, "selftest-1")
    assert reaped(bench, lambda *_: False) == set()
    bench.engine.remove(names[0])
    bench.engine.remove_volume(names[1])


@on_each_engine
def test_other_sites_and_other_labels_are_left_alone(bench):
    other_site = leave_behind(bench, instance=f"{bench.instance}x")
    similar = f"luna-{bench.instance}-17-1-model"
    bench.docker("run", "-d", "--name", similar, "--network", "none", bench.host.driver_image, "hold")
    try:
        assert reaped(bench, lambda *_: False) == set()
        assert bench.docker("inspect", "-f", "{{.State.Running}}", similar, other_site[0]).split() == ["true", "true"]
    finally:
        bench.docker("rm", "-f", similar, other_site[0])
        bench.docker("volume", "rm", other_site[1])


@pytest.fixture
def image_cache(bench):
    image_cache = ImageCache(bench.engine, f"keep{secrets.token_hex(4)}")
    yield image_cache
    for image_id in image_cache.least_recently_used():
        image_cache.forget(image_id)


def images(bench, count):
    """Build images that only our marks keep."""
    return [bench.build(f"FROM {bench.host.driver_image}\nLABEL n={secrets.token_hex(4)}\n") for _ in range(count)]


@on_each_engine
def test_the_least_recently_used_image_leaves_first(bench, image_cache):
    first, second, third = images(bench, 3)
    for moment, image_id in enumerate((first, second, third)):
        image_cache.mark_used(image_id, NOW + moment)
    image_cache.mark_used(first, NOW + 10)
    bench.drop(3)
    free = iter([0, 50, 100])

    left = image_cache.make_room(100, lambda: next(free))

    assert left == [second, third]
    assert image_cache.engine_id_of(first) == first
    assert bench.engine.image(second) is None


def test_an_image_in_use_stays_and_a_foreign_one_is_no_candidate(bench, image_cache):
    (mine,) = images(bench, 1)
    image_cache.mark_used(mine, NOW)
    bench.drop()
    labels = Labels("luna", bench.instance, "17", 1, int(time.time()) + 60)
    container = bench.engine.create(holder_spec(labels, mine))
    assert image_cache.make_room(1, lambda: 0) == [mine]
    bench.engine.remove(container)
    assert image_cache.least_recently_used() in ([], [mine])
    assert bench.engine.image(bench.host.driver_image) is not None
    image_cache.mark_used(mine, NOW) if bench.engine.image(mine) else None


def test_marks_of_one_image_do_not_pile_up(bench, image_cache):
    (image_id,) = images(bench, 1)
    for moment in range(3):
        image_cache.mark_used(image_id, NOW + moment)
    assert bench.engine.tags(image_cache.repository)[image_id] == [
        f"{image_cache.repository}:{image_id[7:27]}-{int(NOW) + 2}"
    ]
    bench.drop()
