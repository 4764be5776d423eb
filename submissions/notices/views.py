"""The inbox, the choice of mails, and the unsubscribe link."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from submissions.models.messages import Kind, Message
from submissions.notices.unsubscribe import person_and_kind, refuse, refused_kinds, set_refused

PER_PAGE = 20


class MailForm(forms.Form):
    """Which kinds are mailed; the inbox has them all."""

    kinds = forms.MultipleChoiceField(
        label="Mail me when", choices=Kind.choices, required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "lines"}),
    )  # fmt: skip

    def refused(self) -> list[str]:
        return [kind for kind in Kind.values if kind not in self.cleaned_data["kinds"]]


@login_required
@never_cache
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    own = Message.objects.visible_to(request.user)
    page = Paginator(own, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "messages/inbox.html", {"page": page, "has_unread": own.unread().exists()})


@login_required
@never_cache
@require_safe
def message(request: HttpRequest, number: int) -> HttpResponse:
    """Show one message, which is read by this."""
    found = get_object_or_404(Message.objects.visible_to(request.user), pk=number)
    if found.read_at is None:
        Message.objects.filter(pk=found.pk, read_at=None).update(read_at=timezone.now())
    return render(request, "messages/message.html", {"note": found})


@login_required
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    Message.objects.visible_to(request.user).unread().update(read_at=timezone.now())
    return redirect("inbox")


@login_required
@require_POST
def unread(request: HttpRequest, number: int) -> HttpResponse:
    """Mark one message as unread again."""
    if not Message.objects.visible_to(request.user).filter(pk=number).update(read_at=None):
        raise Http404
    return redirect("inbox")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def mails(request: HttpRequest) -> HttpResponse:
    """Choose which kinds are mailed."""
    user: Any = request.user
    if request.method == "POST":
        form = MailForm(request.POST)
        if form.is_valid():
            set_refused(user, form.refused())
            messages.success(request, "Stored.")
            return redirect("mails")
        return render(request, "messages/mails.html", {"form": form}, status=400)
    refused = refused_kinds(user)
    form = MailForm(initial={"kinds": [kind for kind in Kind.values if kind not in refused]})
    return render(request, "messages/mails.html", {"form": form})


@csrf_exempt  # RFC 8058: a mail program sends the POST, without cookies; the signed address is the proof
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, secret: str) -> HttpResponse:
    """Stop mails of one kind on POST. A GET only asks, for scanners of mail open every link."""
    found = person_and_kind(secret)
    if found is None:
        raise Http404
    user, kind = found
    if request.method == "POST":
        refuse(user, kind)
    context = {"person": user, "kind": kind, "is_done": kind in refused_kinds(user)}
    return render(request, "messages/unsubscribe.html", context)
