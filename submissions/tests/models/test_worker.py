"""Workers in the database."""

import pytest
from django.db import IntegrityError
from django.utils import timezone

from submissions.models import Worker

pytestmark = pytest.mark.django_db


def test_two_workers_cannot_have_one_name():
    now = timezone.now()
    fields = {"name": "host/1", "host": "host", "cluster": "evaluations", "pid": 1, "started_at": now, "seen_at": now}
    Worker.objects.create(**fields)
    with pytest.raises(IntegrityError):
        Worker.objects.create(**fields)
