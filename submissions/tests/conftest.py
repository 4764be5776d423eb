"""Fixtures of this app's tests."""

import gzip
import time

import pytest
from django.core.management import call_command

from submissions.tests.containers import bench_at
from submissions.tests.evaluated_images import BY_COORDINATE, SERVE, archive_of
from submissions.tests.stores import empty_buckets, use_s3
from submissions.worker import engine_host

LOCAL_AND_S3 = [pytest.param("local"), pytest.param("s3", marks=pytest.mark.s3)]


@pytest.fixture
def on_s3(settings):
    """Files lie in fresh buckets of the real server, which are removed afterwards."""
    use_s3(settings)
    call_command("provision_storage", verbosity=0)
    yield settings
    empty_buckets(settings)


@pytest.fixture(params=LOCAL_AND_S3)
def anywhere(request):
    """Run the test twice: files local, and files on S3."""
    if request.param == "s3":
        request.getfixturevalue("on_s3")
    return request.param


@pytest.fixture(scope="module")
def bench(request, tmp_path_factory):
    """A real engine for one test module; what the module makes on it is gone afterwards.

    It is Docker, or what `on_each_engine` says.
    """
    with bench_at(tmp_path_factory.mktemp("containers"), getattr(request, "param", "docker")) as bench:
        yield bench


@pytest.fixture
def site_on_engine(bench, settings):
    """Point the site at the test's engine, under an instance name that only this module uses."""
    settings.INSTANCE = bench.instance
    settings.EVALUATION_ENGINE = "podman" if bench.is_podman else "docker"
    settings.DOCKER_HOST = bench.address
    settings.DATA_DIR = bench.folder / "data"
    settings.EVALUATION_CASES_DIR = bench.folder / "site-cases"
    settings.EVALUATION_LEASE_SECONDS = 5
    engine_host._tested_at.setdefault(bench.host.driver_image, time.monotonic())
    yield
    engine = engine_host.connect()
    for image_id in engine_host.image_cache(engine).least_recently_used():
        engine_host.image_cache(engine).forget(image_id)
    engine.remove_image(f"{engine_host.driver_repository()}:pinned")
    engine_host._pin_path(engine).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def answering_image(bench):
    """The archive of an image that answers the x coordinate as the probability."""
    return gzip.compress(archive_of(bench, SERVE.format(BY_COORDINATE)), 1)
