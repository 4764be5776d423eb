"""Two attempts at the same dataset at once: neither removes an image that the other has counted on."""

from pathlib import Path

import pytest
from django.core.files.storage import storages

from submissions.datasets.importing import judged, keep
from submissions.datasets.progress import Progress
from submissions.models import Case
from submissions.tests.datasets.test_import import ROWS, images, table  # noqa: F401  fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


class Stopped(Exception):
    pass


class Interrupted(Progress):
    """Calls `then` once all images are stored, as a worker does that slept meanwhile."""

    def __init__(self, then):
        self.then, self.left = then, len(ROWS) // 2

    def step(self, name, total):
        pass

    def advance(self, count=1):
        self.left -= 1
        if not self.left:
            self.then()


def given(table, images):  # noqa: F811
    return {"kind": "lesion", "name": "d", "truth": Path(table()), "images": images, "is_practice": True}


def images_are_there():
    keys = set(Case.objects.values_list("image", flat=True))
    return len(keys) == 5 and all(storages["datasets"].exists(key) for key in keys)


def test_a_stopped_attempt_leaves_the_images_of_the_one_that_ended(table, images, own_files):  # noqa: F811
    def other_ends_first():
        with judged(**given(table, images)) as second:
            keep(second)
        raise Stopped

    with judged(**given(table, images)) as first, pytest.raises(Stopped):
        keep(first, Interrupted(other_ends_first))
    assert images_are_there()


def test_images_that_another_attempt_removes_meanwhile_are_stored_again(table, images, own_files):  # noqa: F811
    """The first has stored everything and is stopped, while the second, which found the images there, commits."""

    def second_commits():
        with judged(**given(table, images)) as second:
            keep(second, stored_with=lambda dataset: remove_all())
        raise Stopped

    def remove_all():
        for path in (own_files / "datasets").rglob("*.mha"):
            path.unlink()

    with judged(**given(table, images)) as first, pytest.raises(Stopped):
        keep(first, Interrupted(second_commits))
    assert images_are_there()


def test_an_attempt_that_fails_alone_leaves_no_image(table, images, own_files):  # noqa: F811
    def fail():
        raise Stopped

    with judged(**given(table, images)) as found, pytest.raises(Stopped):
        keep(found, Interrupted(fail))
    assert not list((own_files / "datasets").rglob("*.mha"))
