"""Ten thousand waiting evaluations, made as `submit` would, but in bulk."""

import uuid

from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task


def fill(template, count: int) -> None:
    from django.utils import timezone

    from submissions.actions.queue import CSV_CLUSTER, TASK
    from submissions.models import Evaluation, Submission

    now = timezone.now()
    shared = {
        field.attname: getattr(template, field.attname)
        for field in Submission._meta.concrete_fields
        if field.attname not in ("id", "idempotency_key")
    }
    made = Submission.objects.bulk_create(
        [Submission(id=uuid.uuid4(), **shared) for _ in range(count)], batch_size=1000
    )
    rows = [
        Evaluation(submission=submission, dataset_hash=template.phase.dataset.content_hash, available_at=now)
        for submission in made
    ]
    Evaluation.objects.bulk_create(rows, batch_size=1000)
    async_task(TASK, 0, cluster=CSV_CLUSTER)
    package = OrmQ.objects.latest("pk")
    payload = SignedPackage.loads(package.payload)
    messages = [
        OrmQ(key=CSV_CLUSTER, payload=SignedPackage.dumps({**payload, "id": uuid.uuid4().hex, "args": (row.pk,)}),
             lock=now)
        for row in rows
    ]  # fmt: skip
    package.delete()
    OrmQ.objects.bulk_create(messages, batch_size=1000)
