"""The queue's status on the admin's first page."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings

from submissions.admin.dashboard import QueueState, queue_state

register = template.Library()


@register.simple_tag(name="queue_state")
def queue_state_now() -> QueueState:
    return queue_state()


@register.simple_tag
def mail_warning() -> str:
    """Return what an operator should know where no mail server confirms addresses, else nothing."""
    if settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory":
        return ""
    return (
        "No mail server confirms addresses: one person can open many accounts, each with tries of its own. "
        "Set EMAIL_HOST, or let the participants of each phase need approval."
    )


@register.filter
def challenge_first(app_list: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the admin's apps with the challenge first, before accounts and technical apps."""
    order = {"submissions": 0, "inference": 1}
    return sorted(app_list, key=lambda app: order.get(app["app_label"], len(order)))
