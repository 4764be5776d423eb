"""The two steps before a first submission: ask the organisers, accept the rules."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from lunasite.http.errors import ApiError
from submissions.models import Phase
from submissions.participation.forms import RequestForm
from submissions.participation.requests import accept_rules, ask_to_take_part


def _phase_of(request: HttpRequest, slug: str) -> Phase:
    return get_object_or_404(Phase.objects.visible_to(request.user), slug=slug)


@login_required
@require_POST
def ask(request: HttpRequest, slug: str) -> HttpResponse:
    phase = _phase_of(request, slug)
    if not phase.needs_approval:
        raise Http404
    form = RequestForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Write a sentence of at most 1,000 characters to the organisers.")
        return redirect("phase", slug=slug)
    try:
        ask_to_take_part(phase=phase, user=request.user, sentence=form.cleaned_data["sentence"])  # type: ignore[arg-type]
        messages.success(request, "Sent. The organisers decide, and you get a mail.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("phase", slug=slug)


@login_required
@require_POST
def rules(request: HttpRequest, slug: str) -> HttpResponse:
    phase = _phase_of(request, slug)
    if not phase.rules.strip():
        raise Http404
    try:
        accept_rules(challenge=phase.challenge, user=request.user, digest=request.POST.get("digest", ""))  # type: ignore[arg-type]
        messages.success(request, "You accepted the rules.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("phase", slug=slug)
