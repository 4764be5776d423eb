"""Who asks to take part in a challenge, and the organiser's answer; the mail to the person comes from the action."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from lunasite.http.errors import ApiError
from submissions.models import Challenge, Participation
from submissions.organise.access import needs, own_challenge
from submissions.participation.requests import decide

SHOWN = 50
Status = Participation.Status


def participants_context(challenge: Challenge) -> dict[str, Any]:
    """Return who asks, longest waiting first, and how many take part."""
    rows = Participation.objects.filter(challenge=challenge)
    return {
        "requests": rows.filter(status=Status.REQUESTED).select_related("user").order_by("requested_at", "pk")[:SHOWN],
        "n_accepted": rows.filter(status=Status.ACCEPTED).count() if challenge.needs_approval else 0,
    }


@require_POST
@needs("submissions.change_participation")
def answer_request(request: HttpRequest, slug: str) -> HttpResponse:
    """Accept a request to take part (button `accept`, its number), or decline it (button `decline`)."""
    challenge = own_challenge(request, slug)
    is_accepted = "accept" in request.POST
    number = request.POST.get("accept" if is_accepted else "decline", "")
    pk = int(number[:18]) if number.isascii() and number.isdigit() else 0
    row = get_object_or_404(Participation.objects.select_related("user"), challenge=challenge, pk=pk)
    try:
        decide(participation=row, organiser=request.user, is_accepted=is_accepted)
        messages.success(request, f"{row.user} is {'accepted' if is_accepted else 'declined'}, and gets a mail.")
    except ApiError as refusal:
        messages.info(request, refusal.message)
    return redirect("organise_challenge", slug=slug)
