"""Tell people of something, each exactly once: a message, a mail where wanted, deliveries to webhooks.

The rows and the queue's messages commit together, so a crash between them loses nothing and repeats nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from submissions.mail import QUEUED_MAIL
from submissions.models.messages import Delivery, Message, Webhook
from submissions.notices.unsubscribe import refused_kinds, unsubscribe_headers, unsubscribe_url
from submissions.queues import ERRANDS_CLUSTER
from submissions.text.sanitize import single_line

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DELIVER = "submissions.webhooks.delivery.deliver"


@dataclass(frozen=True)
class Notice:
    """key: names the occasion. path: the page it is about. facts: what webhooks get beside that, as JSON values.

    teams: the numbers of those that it is about, whose webhooks hear of it. It may be about a member alone: in which
    other challenges somebody takes part is no matter of the team's owner.
    """

    kind: str
    key: str
    subject: str
    text: str
    path: str
    facts: dict[str, Any] = field(default_factory=dict)
    teams: frozenset[int] = frozenset()


def tell(notice: Notice, people: Iterable[User]) -> int:
    """Tell people who have not heard of it; return how many that were."""
    return sum(_tell_one(notice, user) for user in people)


def _tell_one(notice: Notice, user: User) -> bool:
    message = Message(
        user=user, kind=notice.kind, key=notice.key, text=notice.text, path=notice.path,
        subject=single_line(notice.subject)[:200],
    )  # fmt: skip
    try:
        with transaction.atomic():
            if Message.objects.filter(user=user, key=notice.key).exists():
                return False
            message.save()
            if user.email and notice.kind not in refused_kinds(user):
                _queue_mail(message)
            for hook in Webhook.objects.told_of(user, notice.kind, notice.teams):
                queue_delivery(hook, notice)
    except IntegrityError:  # another worker told the person at this moment
        return False
    return True


def _queue_mail(message: Message) -> None:
    user = message.user
    subject = settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + message.subject
    mail = subject, mail_body(message), settings.DEFAULT_FROM_EMAIL, user.email, 0
    async_task(QUEUED_MAIL, *mail, unsubscribe_headers(user, message.kind), cluster=ERRANDS_CLUSTER, save=False)


def mail_body(message: Message) -> str:
    """Return the text of the mail: the message, its page, and how to get no more of the kind."""
    page = f"{settings.SITE_URL}{message.path}\n\n" if message.path else ""
    return (
        f"Hello {message.user.get_username()},\n\n{message.text}\n\n{page}"
        f"You get this mail because of a setting of your account: {message.get_kind_display()}. "
        f"No more of these: {unsubscribe_url(message.user, message.kind)}\n"
    )


def queue_delivery(hook: Webhook, notice: Notice) -> Delivery | None:
    """Queue what a webhook is told; None where it has heard of it, as by another member of the team."""
    now = timezone.now()
    event = {
        "event": notice.kind, "id": notice.key, "sent_at": now.isoformat(timespec="seconds"),
        "subject": single_line(notice.subject)[:200], "url": settings.SITE_URL + notice.path, **notice.facts,
    }  # fmt: skip
    body = json.dumps(event, ensure_ascii=False)
    defaults = {"kind": notice.kind, "body": body, "created_at": now}
    delivery, is_new = Delivery.objects.get_or_create(webhook=hook, key=notice.key, defaults=defaults)
    if not is_new:
        return None
    async_task(DELIVER, str(delivery.pk), 0, cluster=ERRANDS_CLUSTER)
    return delivery
