"""Send mail reliably, even when the mail server is down (F21), as text and HTML (multipart/alternative).

Workers for errands send. A page only queues: a mail server that is slow, or answers nothing, would hold its thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django_q.models import Schedule
from django_q.tasks import async_task

from submissions.queues import ERRANDS_CLUSTER

log = structlog.get_logger(__name__)
SITE_NAME = "lunasite"
PAUSES_MINUTES = (1, 5, 30, 120, 720)
QUEUED_MAIL = "submissions.mail.deliver"


def queue_mail(message: EmailMessage) -> None:
    """Leave a mail to the workers, one for each recipient.

    Nothing of it is kept once it is sent, as of other tasks: it may hold a link that resets a password.
    """
    for recipient in message.to:
        mail = str(message.subject), str(message.body), message.from_email, recipient
        async_task(QUEUED_MAIL, *mail, cluster=ERRANDS_CLUSTER, save=False)


def deliver(
    subject: str, body: str, sender: str, recipient: str, tries: int = 0, headers: Mapping[str, str] | None = None
) -> None:
    """Send one mail; if the server does not accept it, the queue tries again later. Never raises if it is down.

    headers: such as List-Unsubscribe. The first five are also in queues of earlier versions.
    """
    try:
        send_mail(subject, body, sender, recipient, headers or {})
    except OSError as error:  # smtplib's errors are OSErrors
        log.warning("mail not sent", error=type(error).__name__, tries=tries + 1)
        if tries < len(PAUSES_MINUTES):
            _later(tries, (subject, body, sender, recipient, tries + 1, dict(headers or {})))


def send_mail(subject: str, body: str, sender: str, recipient: str, headers: Mapping[str, str]) -> None:
    mail = EmailMultiAlternatives(subject, body, sender, [recipient], headers=dict(headers))
    mail.attach_alternative(html_of(subject, body), "text/html")
    mail.send()


def html_of(subject: str, body: str) -> str:
    """Return the HTML part: the text's own paragraphs.

    Only addresses of this site become links: a name that a stranger chose, such as a team's, must not become one.
    """
    paragraphs = [_paragraph(part) for part in re.split(r"\n\s*\n", body.strip()) if part.strip()]
    context = {"subject": subject, "site_name": SITE_NAME, "paragraphs": paragraphs}
    return render_to_string("mail/page.html", context)


def _paragraph(text: str) -> SafeString:
    own = re.compile(rf"({re.escape(escape(settings.SITE_URL))}(?:/[^\s<>]*[^\s<>.,;)])?)(?=[\s,;)]|\.(?:\s|$)|$)")
    linked = own.sub(r'<a href="\1" style="color:#0b5f7d">\1</a>', escape(text.strip()))
    return mark_safe(linked.replace("\n", "<br>\n"))  # noqa: S308  escaped above


def _later(tries: int, arguments: tuple[object, ...]) -> None:
    Schedule.objects.create(
        func=QUEUED_MAIL,
        args=repr(arguments),
        kwargs=repr({"q_options": {"save": False}}),
        schedule_type=Schedule.ONCE,
        next_run=timezone.now() + timedelta(minutes=PAUSES_MINUTES[tries]),
        repeats=-1,
        cluster=ERRANDS_CLUSTER,
    )
