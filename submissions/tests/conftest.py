"""Fixtures of this app's tests."""

import pytest
from django.core.management import call_command

from submissions.tests.containers import bench_at
from submissions.tests.stores import empty_buckets, use_s3

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
def bench(tmp_path_factory):
    """A real engine for one test module; what the module makes on it is gone afterwards."""
    with bench_at(tmp_path_factory.mktemp("containers")) as bench:
        yield bench
