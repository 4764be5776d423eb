"""Send mail reliably, even when the mail server is down (F21)."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.core.mail import EmailMessage, send_mail
from django.utils import timezone
from django_q.models import Schedule

log = structlog.get_logger(__name__)
PAUSES_MINUTES = (1, 5, 30, 120, 720)
RETRIED_MAIL = "submissions.mail.deliver"


def send_or_retry(message: EmailMessage) -> None:
    """Send now; if the server does not accept the mail, the queue retries later. Never raises if the server is down."""
    for recipient in message.to:
        deliver(str(message.subject), str(message.body), message.from_email, recipient)


def deliver(subject: str, body: str, sender: str, recipient: str, tries: int = 0) -> None:
    try:
        send_mail(subject, body, sender, [recipient])
    except OSError as error:  # smtplib's errors are OSErrors
        log.warning("mail not sent", error=type(error).__name__, tries=tries + 1)
        if tries < len(PAUSES_MINUTES):
            _later(tries, (subject, body, sender, recipient, tries + 1))


def _later(tries: int, arguments: tuple[object, ...]) -> None:
    Schedule.objects.create(
        func=RETRIED_MAIL,
        args=repr(arguments),
        schedule_type=Schedule.ONCE,
        next_run=timezone.now() + timedelta(minutes=PAUSES_MINUTES[tries]),
        repeats=-1,
    )
