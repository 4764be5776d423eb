"""The organiser's home and the page of a challenge. Each view parses, calls one action, and answers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lunasite.http.errors import ApiError
from submissions.datasets.access import datasets_visible_to
from submissions.kinds import KINDS
from submissions.models import Challenge, DatasetImport, Participation, Phase
from submissions.organise import challenges
from submissions.organise.access import needs, own_challenge
from submissions.organise.checklist import checklist, may_open
from submissions.organise.forms import ChallengeForm, NewChallengeForm, OrganiserForm
from submissions.organise.participants import participants_context

VIEW, ADD, CHANGE = (f"submissions.{verb}_challenge" for verb in ("view", "add", "change"))
SHOWN = 50


@require_safe
@needs(CHANGE)
def home(request: HttpRequest) -> HttpResponse:
    """Show my challenges, datasets and imports."""
    requested = Q(participations__status=Participation.Status.REQUESTED)
    mine = Challenge.objects.managed_by(request.user, CHANGE).annotate(
        n_phases=Count("phases", distinct=True), n_requests=Count("participations", filter=requested, distinct=True)
    )
    datasets = datasets_visible_to(request.user).filter(Q(owner=request.user) | Q(phases__challenge__in=mine))
    context = {
        "challenges": mine[:SHOWN],
        "datasets": datasets.distinct().annotate(n_cases=Count("cases", distinct=True))[:SHOWN],
        "imports": DatasetImport.objects.visible_to(request.user).select_related("dataset")[:10],
    }
    return render(request, "organise/home.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADD)
def new(request: HttpRequest) -> HttpResponse:
    """Make a challenge: the first step of all."""
    form = NewChallengeForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        made = challenges.make_challenge(challenge=form.save(commit=False), user=request.user)  # type: ignore[arg-type]
        messages.success(request, f"{made.title} is made. Only its organisers see it until you open it.")
        return redirect("organise_challenge", slug=made.slug)
    return render(request, "organise/challenge_new.html", {"form": form}, status=400 if form.is_bound else 200)


@require_safe
@needs(CHANGE)
def challenge_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show how far a challenge is: what is missing, its phases, its organisers."""
    challenge = own_challenge(request, slug)
    return render(request, "organise/challenge.html", _context(challenge))


def _context(challenge: Challenge, **more: Any) -> dict[str, Any]:
    now = timezone.now()
    phases = list(challenge.phases.select_related("dataset").annotate(n_sent=Count("submissions")).order_by("opens_at"))
    prefetch_related_objects([challenge], "organisers")  # counted by the list, and shown
    items = checklist(challenge, phases)
    return {
        "challenge": challenge,
        "phases": [(phase, _state(phase, now)) for phase in phases],
        "items": items,
        "n_missing": sum(not item.is_done for item in items),
        "may_open": may_open(items),
        "people": sorted(challenge.organisers.all(), key=lambda person: person.get_username()),
        "form": OrganiserForm(),
        **participants_context(challenge),
    } | more


def _state(phase: Phase, now: Any) -> str:
    if phase.has_ended(now):
        return "ended"
    return "open" if phase.is_open(now) else "to come"


@require_http_methods(["GET", "HEAD", "POST"])
@needs(CHANGE)
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change title, tagline, forum and approval."""
    challenge = own_challenge(request, slug)
    form = ChallengeForm(request.POST if request.method == "POST" else None, instance=challenge)
    if form.is_bound and form.is_valid():
        challenges.change_challenge(challenge=form.save(commit=False), user=request.user, changed=form.changed_data)  # type: ignore[arg-type]
        messages.success(request, "Saved.")
        return redirect("organise_challenge", slug=slug)
    context = {"form": form, "challenge": challenge}
    return render(request, "organise/challenge_edit.html", context, status=400 if form.is_bound else 200)


@require_POST
@needs(CHANGE)
def publish(request: HttpRequest, slug: str) -> HttpResponse:
    """Open the challenge to everybody, or (button `hide`) hide it again."""
    challenge = own_challenge(request, slug)
    try:
        if "hide" in request.POST:
            challenges.hide_challenge(challenge=challenge, user=request.user)  # type: ignore[arg-type]
            messages.success(request, "It is hidden: only its organisers see it.")
        else:
            challenges.open_challenge(challenge=challenge, user=request.user)  # type: ignore[arg-type]
            messages.success(request, f"{challenge.title} is open to everybody.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("organise_challenge", slug=slug)


@require_POST
@needs(CHANGE)
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Add an organiser by user name, or (button `remove`) remove one."""
    challenge = own_challenge(request, slug)
    form = OrganiserForm(request.POST)
    try:
        if (removed := request.POST.get("remove", "")).isdecimal():
            challenges.remove_organiser(challenge=challenge, user=request.user, pk=int(removed[:18]))  # type: ignore[arg-type]
            messages.success(request, "Removed.")
        elif form.is_valid():
            name = form.cleaned_data["name"].strip()
            added = challenges.add_organiser(challenge=challenge, user=request.user, name=name)  # type: ignore[arg-type]
            messages.success(request, f"{added.get_username()} organises it too.")
        else:
            messages.error(request, "Write a user name.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    if not Challenge.objects.managed_by(request.user, CHANGE).filter(pk=challenge.pk).exists():
        return redirect("organise")  # who removed themselves
    return redirect("organise_challenge", slug=slug)


@require_safe
@needs(CHANGE)
def columns(request: HttpRequest) -> HttpResponse:
    """Show which columns of a table of truth each kind reads."""
    return render(request, "organise/columns.html", {"kinds": KINDS.values()})
