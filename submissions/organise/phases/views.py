"""The organiser's pages of a phase. Each view parses, calls one action, and answers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lunasite.http.errors import ApiError
from submissions.models import Challenge, Phase
from submissions.organise.access import needs
from submissions.organise.phases.forms import OrganiserPhaseForm
from submissions.phases.opening import end_phase, freeze_board, quota_text, save_phase
from submissions.phases.warnings import people_warnings, phase_warnings
from submissions.web.views import phase_context

# What a copy begins anew: it needs an address and dates of its own, its board is not final, and what was put before
# others was that phase alone.
NOT_COPIED = ("id", "challenge", "slug", "title", "opens_at", "closes_at", "frozen_at", "priority")
ZONE = "time_zone"


def own_phase(request: HttpRequest, slug: str) -> Phase:
    """Return a phase that the user may change; for anybody else it does not exist here (404)."""
    rows = Phase.objects.managed_by(request.user, "submissions.change_phase").select_related("dataset", "challenge")
    return get_object_or_404(rows, slug=slug)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("submissions.add_phase")
def new_phase(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a phase to an own challenge; `?copy=` begins with the settings of another own phase."""
    challenge = get_object_or_404(Challenge.objects.managed_by(request.user, "submissions.change_challenge"), slug=slug)
    phase = Phase(challenge=challenge)
    initial: dict[str, Any] = {}
    if copied := request.GET.get("copy"):
        initial = _copy_of(own_phase(request, copied), phase)
    form = _form(request, phase, initial)
    if request.method == "POST" and (answer := _saved(request, form)):
        return answer
    return _page(request, form, challenge, status=400 if request.method == "POST" else 200)


def _copy_of(source: Phase, phase: Phase) -> dict[str, Any]:
    """Give the new phase the settings of another; return what the form begins with beside them."""
    for field in Phase._meta.concrete_fields:
        if field.name not in NOT_COPIED:
            setattr(phase, field.attname, getattr(source, field.attname))
    return {"title": f"{source.title} (copy)"[:120], "quotas": "\n".join(map(quota_text, source.quotas.all()))}


@require_http_methods(["GET", "HEAD", "POST"])
@needs("submissions.change_phase")
def edit_phase(request: HttpRequest, slug: str) -> HttpResponse:
    phase = own_phase(request, slug)
    form = _form(request, phase, {})
    if request.method == "POST" and (answer := _saved(request, form)):
        return answer
    return _page(request, form, phase.challenge, status=400 if request.method == "POST" else 200)


def _form(request: HttpRequest, phase: Phase, initial: dict[str, Any]) -> OrganiserPhaseForm:
    data = request.POST if request.method == "POST" else None
    zone = request.session.get(ZONE, "")
    return OrganiserPhaseForm(data, instance=phase, user=request.user, zone=zone, initial=initial)


def _saved(request: HttpRequest, form: OrganiserPhaseForm) -> HttpResponse | None:
    """Store a valid form and lead on; None where it must be shown again."""
    if not form.is_valid():
        return None
    changed = [name for name in form.changed_data if name != ZONE]
    try:
        sentences = save_phase(
            phase=form.instance, windows=form.cleaned_data["quotas"], user=request.user, changed=changed
        )
    except ValidationError as error:
        form.add_error(None, error)
        return None
    request.session[ZONE] = form.cleaned_data[ZONE]
    messages.success(request, " ".join([f"{form.instance.title} is saved.", *sentences]))
    return redirect("organise_challenge", slug=form.instance.challenge.slug)


def _page(request: HttpRequest, form: OrganiserPhaseForm, challenge: Challenge, *, status: int) -> HttpResponse:
    phase = form.instance if form.instance.pk else None
    context = {
        "form": form,
        "challenge": challenge,
        "phase": phase,
        "advice": (phase_warnings(phase) if phase else people_warnings(challenge)) if status == 200 else [],
    }
    return render(request, "organise/phase.html", context, status=status)


@require_POST
@needs("submissions.change_phase")
def end(request: HttpRequest, slug: str) -> HttpResponse:
    """Close the phase now, or (button `freeze`) freeze the board of one that has ended."""
    phase = own_phase(request, slug)
    try:
        if "freeze" in request.POST:
            freeze_board(phase=phase, user=request.user, now=timezone.now())
            messages.success(request, f"The final board of {phase.title} is frozen: it changes no more.")
            return redirect("organise_challenge", slug=phase.challenge.slug)
        end_phase(phase=phase, user=request.user, now=timezone.now())
        messages.success(request, f"{phase.title} is closed. Its board ranks by the private cases, if it has any.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("organise_challenge", slug=phase.challenge.slug)


@require_safe
@needs("submissions.change_phase")
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the phase as a participant without a team sees it."""
    phase = own_phase(request, slug)
    # A participant of no rights who is stored nowhere: what the page asks of the database finds nothing of theirs.
    request.user = get_user_model()(pk=0, username="participant")
    if phase.is_hidden or phase.challenge.is_hidden:
        messages.info(request, "It is hidden: participants do not see it yet.")
    messages.info(request, "This is a preview. What you send from here is sent under your own name.")
    return render(request, "submissions/phase.html", phase_context(request, phase) | {"is_preview": True})
