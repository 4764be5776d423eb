"""Send a delivery, sign it, and try again later where it did not arrive."""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django_q.models import Schedule
from django_q.tasks import async_task

from submissions.models.messages import Delivery, Webhook
from submissions.notices.sending import DELIVER
from submissions.queues import ERRANDS_CLUSTER
from submissions.webhooks.connection import NOT_IN_TIME, NoAnswer, NotAllowed, post

log = structlog.get_logger(__name__)
PAUSES_MINUTES = (1, 5, 30, 120, 720)
# So many deliveries in a row were given up: nobody listens any more.
MAX_FAILURES = 20
# How long a webhook that did not answer in time is left alone; the third pause is longer, so nothing is lost by it.
REST = timedelta(minutes=5)
Status = Delivery.Status


def deliver(delivery_id: str, tries: int) -> None:
    """Try once. tries: how often it was tried before; a repeated message of the queue with an old number does nothing.

    The next try is scheduled before this one begins, so that a worker that dies in between loses nothing.
    """
    with transaction.atomic():
        row = Delivery.objects.filter(pk=delivery_id, tries=tries, status=Status.PENDING)
        if not row.update(tries=F("tries") + 1, tried_at=timezone.now()):
            return
        next_try = _schedule(delivery_id, tries + 1)
    delivery = Delivery.objects.select_related("webhook").get(pk=delivery_id)
    is_there, answer = _try(delivery)
    if is_there:
        _finish(delivery, Status.DELIVERED, answer, next_try)
    elif tries >= len(PAUSES_MINUTES) or not delivery.webhook.is_active:
        _finish(delivery, Status.FAILED, answer, next_try)
    else:
        Delivery.objects.filter(pk=delivery_id).update(answer=answer[:120])


def _try(delivery: Delivery) -> tuple[bool, str]:
    """Return whether it arrived, and the answer or why nothing was sent."""
    if not delivery.webhook.is_active:
        return False, "the webhook is switched off"
    if _is_resting(delivery):
        return False, "not sent: another delivery got no answer just now"
    return _send(delivery)


def _is_resting(delivery: Delivery) -> bool:
    """Return whether the webhook let another delivery wait in vain: a queue of them would hold the workers for long."""
    waited = {"answer": NOT_IN_TIME, "tried_at__gt": timezone.now() - REST}
    return Delivery.objects.filter(webhook=delivery.webhook_id, **waited).exclude(pk=delivery.pk).exists()


def _schedule(delivery_id: str, tries: int) -> Schedule:
    pause = timedelta(minutes=PAUSES_MINUTES[min(tries, len(PAUSES_MINUTES)) - 1])
    return Schedule.objects.create(
        func=DELIVER, args=repr((str(delivery_id), tries)), schedule_type=Schedule.ONCE,
        next_run=timezone.now() + pause, repeats=-1, cluster=ERRANDS_CLUSTER,
    )  # fmt: skip


def _send(delivery: Delivery) -> tuple[bool, str]:
    """POST it; return whether it arrived (any 2xx) and the answer as a short text."""
    body, now = delivery.body.encode(), int(time.time())
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "lunasite-webhook/1",
        "X-Lunasite-Event": delivery.kind,
        "X-Lunasite-Delivery": str(delivery.pk),
        "X-Lunasite-Timestamp": str(now),
        "X-Lunasite-Signature": f"v1={signature(delivery.webhook.key, now, body)}",
    }
    try:
        status = post(delivery.webhook.url, body, headers, settings.WEBHOOK_PRIVATE_HOSTS)
    except (NotAllowed, NoAnswer) as error:
        return False, str(error)
    if 300 <= status < 400:
        return False, f"HTTP {status}: redirects are not followed"
    return 200 <= status < 300, f"HTTP {status}"


def signature(key: str, timestamp: int, body: bytes) -> str:
    """Return HMAC-SHA256 in hex of `timestamp.body`; the time inside keeps a recorded delivery from being replayed."""
    return hmac.new(key.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


@transaction.atomic
def _finish(delivery: Delivery, status: str, answer: str, next_try: Schedule) -> None:
    next_try.delete()
    Delivery.objects.filter(pk=delivery.pk).update(status=status, answer=answer[:120])
    hook = Webhook.objects.filter(pk=delivery.webhook_id)
    if status == Status.DELIVERED:
        hook.update(failures=0)
        return
    hook.update(failures=F("failures") + 1)
    if hook.filter(failures__gte=MAX_FAILURES, is_active=True).update(is_active=False):
        log.info("webhook switched off", webhook=delivery.webhook_id)


def resend(delivery: Delivery) -> None:
    """Send a finished delivery once more, with the same id and body. A waiting one is left alone."""
    with transaction.atomic():
        row = Delivery.objects.filter(pk=delivery.pk).exclude(status=Status.PENDING)
        if row.update(status=Status.PENDING, tries=0, answer=""):
            async_task(DELIVER, str(delivery.pk), 0, cluster=ERRANDS_CLUSTER)
