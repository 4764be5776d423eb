"""The page of webhooks: make, switch, delete, test; and the log of deliveries with resending."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from submissions.models import Membership, Team
from submissions.models.messages import Delivery, Webhook
from submissions.notices.sending import Notice, queue_delivery
from submissions.webhooks.delivery import resend
from submissions.webhooks.forms import WebhookForm

MAX_HOOKS = 5
# Waiting deliveries of one webhook, beyond which no test is sent and nothing is sent again.
MAX_WAITING = 20
SHOWN_DELIVERIES = 50


def owned_team_of(user: Any) -> Team | None:
    membership = Membership.objects.select_related("team").filter(user=user, is_owner=True).first()
    return membership.team if membership else None


def _page(request: HttpRequest, form: WebhookForm, status: int = 200, new: Webhook | None = None) -> HttpResponse:
    hooks = Webhook.objects.managed_by(request.user).select_related("team")
    context = {"form": form, "hooks": hooks, "new_hook": new, "is_full": len(hooks) >= MAX_HOOKS}
    return render(request, "messages/webhooks.html", context, status=status)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """List the webhooks; on POST make one, whose signing key is shown this once."""
    team = owned_team_of(request.user)
    name = team.name if team else ""
    if request.method != "POST":
        return _page(request, WebhookForm(team_name=name))
    form = WebhookForm(request.POST, team_name=name)
    if not form.is_valid():
        return _page(request, form, 400)
    with transaction.atomic():
        get_user_model().objects.select_for_update().get(pk=request.user.pk)  # type: ignore[misc]  # count and add at once
        if Webhook.objects.managed_by(request.user).count() >= MAX_HOOKS:
            form.add_error("url", f"You have {MAX_HOOKS} webhooks; delete one first.")
            return _page(request, form, 400)
        is_teams = form.cleaned_data["owner"] == "team"
        owner: dict[str, Any] = {"team" if is_teams else "user": team if is_teams else request.user}
        given = {name: form.cleaned_data[name] for name in ("url", "kinds")}
        hook = Webhook.objects.create(made_by_id=request.user.pk, **given, **owner)
    return _page(request, WebhookForm(team_name=name), 201, hook)


def _own(request: HttpRequest, number: int) -> Webhook:
    return get_object_or_404(Webhook.objects.managed_by(request.user).select_related("team"), pk=number)


@login_required
@never_cache
@require_safe
def deliveries(request: HttpRequest, number: int) -> HttpResponse:
    hook = _own(request, number)
    context = {"hook": hook, "deliveries": hook.deliveries.all()[:SHOWN_DELIVERIES], "most": SHOWN_DELIVERIES}
    return render(request, "messages/deliveries.html", context)


@login_required
@require_POST
def switch(request: HttpRequest, number: int) -> HttpResponse:
    """Switch a webhook off, or on again."""
    hook = _own(request, number)
    Webhook.objects.filter(pk=hook.pk).update(is_active=not hook.is_active, failures=0)
    messages.success(request, "The webhook is switched off." if hook.is_active else "The webhook is switched on.")
    return redirect("webhook_deliveries", number=number)


@login_required
@require_POST
def delete(request: HttpRequest, number: int) -> HttpResponse:
    _own(request, number).delete()
    messages.success(request, "The webhook and its log are deleted.")
    return redirect("webhooks")


def _is_busy(request: HttpRequest, hook: Webhook) -> bool:
    if hook.deliveries.filter(status=Delivery.Status.PENDING).count() < MAX_WAITING:
        return False
    messages.error(request, "Too many deliveries are waiting; try again later.")
    return True


@login_required
@require_POST
def test(request: HttpRequest, number: int) -> HttpResponse:
    """Send an event that says nothing."""
    hook = _own(request, number)
    if not _is_busy(request, hook):
        queue_delivery(hook, Notice("test", f"test {uuid4()}", "A test of this webhook", "", "/webhooks/"))
        messages.success(request, "A test is on its way; load this page again in a moment.")
    return redirect("webhook_deliveries", number=number)


@login_required
@require_POST
def send_again(request: HttpRequest, number: int, delivery: Any) -> HttpResponse:
    hook = _own(request, number)
    found = get_object_or_404(hook.deliveries, pk=delivery)
    if not _is_busy(request, hook):
        resend(found)
        messages.success(request, "It is on its way again.")
    return redirect("webhook_deliveries", number=number)
