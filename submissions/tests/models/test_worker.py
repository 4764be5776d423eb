"""Workers in the database."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from submissions.models import Worker
from submissions.models.outage import Host

pytestmark = pytest.mark.django_db


def test_two_workers_cannot_have_one_name():
    now = timezone.now()
    fields = {"name": "host/1", "host": "host", "cluster": "evaluations", "pid": 1, "started_at": now, "seen_at": now}
    Worker.objects.create(**fields)
    with pytest.raises(IntegrityError):
        Worker.objects.create(**fields)


@pytest.mark.parametrize(("silent", "is_alive"), [(timedelta(seconds=30), True), (timedelta(seconds=30.000001), False)])
def test_a_worker_and_a_host_are_there_until_thirty_seconds_after_they_were_seen(silent, is_alive):
    now = timezone.now()
    fields = {"host": "host", "cluster": "evaluations", "pid": 1, "started_at": now, "seen_at": now - silent}
    Worker.objects.create(name="host/1", **fields)
    assert Worker.objects.alive(now).exists() is is_alive
    assert Host(name="host", seen_at=now - silent).is_seen(now) is is_alive
