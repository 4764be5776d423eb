"""The pages of a challenge that everybody may read who may see it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from lunasite.http.errors import ApiError
from lunasite.http.page_cache.views import kept_for_visitors
from submissions.challenges.images import read_image
from submissions.challenges.tabs import phases_of
from submissions.models import Challenge, ChallengeImage
from submissions.models.access import may
from submissions.participation.requests import accept_rules
from submissions.participation.terms import terms_of
from submissions.phases.next_change import next_change
from submissions.storage.base import MissingFile, StorageError

POSTS_PER_PAGE = 20
LATEST_NEWS = 3
CACHE_IMAGE = "private, max-age=86400, immutable"
PICTURE_TYPES = {"png": "image/png", "jpg": "image/jpeg"}


def challenge_of(request: HttpRequest, slug: str) -> Challenge:
    """Return the challenge, if the visitor may see it. Raises Http404 otherwise."""
    return get_object_or_404(Challenge.objects.visible_to(request.user), slug=slug)


def context_of(request: HttpRequest, challenge: Challenge, **more: Any) -> dict[str, Any]:
    """Return what every page of a challenge shows. can_edit: offer the reader to change it."""
    return {"challenge": challenge, "can_edit": may(request.user, "submissions.change_challenge", challenge), **more}


@require_safe
@kept_for_visitors(next_change)
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    challenge = challenge_of(request, slug)
    shown = {
        "phases": phases_of(challenge, request.user).select_related("dataset"),
        "people": challenge.organisers.filter(is_active=True).select_related("profile").order_by("username"),
        "news": challenge.news.all()[:LATEST_NEWS],
        "now": timezone.now(),
    }
    return render(request, "submissions/challenge/overview.html", context_of(request, challenge, **shown))


@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the rules and whether the reader accepted them; a POST accepts the version that was read."""
    challenge = challenge_of(request, slug)
    if not challenge.rules.strip():
        raise Http404("This challenge has no rules.")
    if request.method == "POST":
        return _accept(request, challenge)
    shown = {
        "terms": terms_of(challenge, request.user),
        "version": challenge.text_versions.filter(name="rules").first(),
    }
    return render(request, "submissions/challenge/rules.html", context_of(request, challenge, **shown))


def _accept(request: HttpRequest, challenge: Challenge) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect("account_login")
    try:
        accept_rules(challenge=challenge, user=request.user, digest=request.POST.get("digest", ""))
        messages.success(request, "You accepted the rules.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("challenge_rules", slug=challenge.slug)


@require_safe
def news(request: HttpRequest, slug: str) -> HttpResponse:
    challenge = challenge_of(request, slug)
    page = Paginator(challenge.news.all(), POSTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "submissions/challenge/news.html", context_of(request, challenge, page=page))


@require_safe
def news_post(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    challenge = challenge_of(request, slug)
    post = get_object_or_404(challenge.news.all(), pk=number)
    return render(request, "submissions/challenge/news_post.html", context_of(request, challenge, post=post))


@require_safe
def submit(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead to the only phase, or list them."""
    return _phases(request, slug, "submit", "phase", Q())


@require_safe
def boards(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead to the only leaderboard, or list them."""
    return _phases(request, slug, "leaderboard", "leaderboard", Q(board_is_public=True))


def _phases(request: HttpRequest, slug: str, tab: str, view: str, wanted: Q) -> HttpResponse:
    challenge = challenge_of(request, slug)
    phases = list(phases_of(challenge, request.user).filter(wanted).select_related("dataset"))
    if not phases:
        raise Http404("This challenge has no phase yet.")
    if len(phases) == 1:
        return redirect(view, slug=phases[0].slug)
    context: dict[str, Any] = {
        "challenge": challenge,
        "phases": phases,
        "tab": tab,
        "view": view,
        "now": timezone.now(),
    }
    return render(request, "submissions/challenge/phases.html", context)


@require_safe
def image(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Send a picture of the challenge. Its name is the digest of its bytes, so that a browser may keep it."""
    challenge = challenge_of(request, slug)
    found = get_object_or_404(ChallengeImage, challenge=challenge, name=name)
    try:
        content = read_image(found)
    except MissingFile as error:
        raise Http404("The picture is gone.") from error
    except StorageError as away:
        return HttpResponse(status=away.status_code, headers={"Retry-After": str(away.wait)})
    response = HttpResponse(content, content_type=PICTURE_TYPES[name.rpartition(".")[2]])
    response["Cache-Control"] = CACHE_IMAGE
    response["X-Content-Type-Options"] = "nosniff"
    return response
