"""The site's own pages: terms, privacy, imprint. Staff with `change_sitepage` edit them in the browser."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from submissions.editing import views
from submissions.editing.versions import accept, current_version
from submissions.models import SitePage, TextVersion
from submissions.models.access import holds

CHANGE = "submissions.change_sitepage"


def site_page_of(name: str) -> SitePage:
    """Return the page, not yet stored where nobody has written it. Raises Http404 for an unknown name."""
    if name not in SitePage.Name.values:
        raise Http404("There is no such page.")
    return SitePage.objects.filter(name=name).first() or SitePage(name=name)


def current_terms() -> TextVersion | None:
    """Return the version of the terms that a new account accepts, None where the site has none."""
    page = site_page_of(SitePage.Name.TERMS)
    return current_version(page, "body") if page.body.strip() else None


def accept_terms(user: Any) -> None:
    """Note that the person accepted the terms as they read now."""
    if (version := current_terms()) is not None:
        accept(version=version, user=user)


@require_safe
def show(request: HttpRequest, name: str) -> HttpResponse:
    page = site_page_of(name)
    newest = page.text_versions.first() if page.pk else None
    context = {"site_page": page, "version": newest, "can_edit": holds(request.user, CHANGE)}
    return render(request, "submissions/editing/site_page.html", context)


def _edited(request: HttpRequest, name: str) -> views.EditedText:
    if not holds(request.user, CHANGE):
        raise Http404("There is no such page.")
    page = site_page_of(name)
    if page.pk is None and request.method == "POST":
        page, _ = SitePage.objects.get_or_create(name=name)
    return views.EditedText(
        page, "body", str(page), reverse("site_page", kwargs={"name": name}),
        reverse("site_page_edit", kwargs={"name": name}),
    )  # fmt: skip


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, name: str) -> HttpResponse:
    return views.edit(request, _edited(request, name))


@login_required
@require_safe
def versions(request: HttpRequest, name: str) -> HttpResponse:
    return views.versions(request, _stored(request, name))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    return views.version(request, _stored(request, name), number)


def _stored(request: HttpRequest, name: str) -> views.EditedText:
    text = _edited(request, name)
    if text.owner.pk is None:
        raise Http404("Nobody has written this page yet.")
    return text
