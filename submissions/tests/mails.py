"""What waits for the workers that send mail."""

from __future__ import annotations

from django.core import mail
from django.core.mail import EmailMessage
from django_q.models import OrmQ

from submissions.mail import QUEUED_MAIL, deliver


def sent_mails() -> list[EmailMessage]:
    """Send the mails that wait, as a worker for errands does; return all that were sent so far."""
    for message in OrmQ.objects.order_by("pk"):
        if message.task["func"] == QUEUED_MAIL:
            deliver(*message.task["args"])
            message.delete()
    return list(mail.outbox)
