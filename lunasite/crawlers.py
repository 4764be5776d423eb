"""What a search engine or a browser asks for by fixed names: robots.txt, sitemap.xml, favicon.ico."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sitemaps import Sitemap
from django.contrib.sitemaps.views import sitemap
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from submissions.models import Phase

# What belongs to one person, costs work, or exists once for every row.
DISALLOWED = (
    "/admin/", "/accounts/", "/account/", "/api/", "/submissions/", "/team/", "/review/", "/drift/", "/embed/",
    "/leaderboards/*/compare/", "/leaderboards/*/history/", "/*?*sort=", "/*?*columns=", "/*?*q=",
)  # fmt: skip


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Tell crawlers what to leave out, and where the list of pages is."""
    lines = ["User-agent: *", *(f"Disallow: {place}" for place in DISALLOWED)]
    lines += ["", f"Sitemap: {settings.SITE_URL}{reverse('sitemap')}", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Redirect to the icon; pages name the SVG themselves."""
    return redirect(static("favicon.ico"))


class Pages(Sitemap):
    """The pages that every site has."""

    def items(self) -> list[str]:
        return ["home", "leaderboards", "guide", "try_it"]

    def location(self, item: str) -> str:
        return reverse(item)


class PhaseSitemap(Sitemap):
    """Pages of phases, those that anybody may see. name: of their address."""

    def __init__(self, name: str) -> None:
        self.name = name

    def items(self) -> Any:
        nobody = AnonymousUser()
        seen = Phase.objects.visible_to(nobody) if self.name == "phase" else Phase.objects.boards_visible_to(nobody)
        return seen.order_by("pk")

    def location(self, item: Any) -> str:
        return reverse(self.name, args=[item.slug])


SITEMAPS = {"pages": Pages(), "phases": PhaseSitemap("phase"), "boards": PhaseSitemap("leaderboard")}

crawler_urls = [
    path("robots.txt", robots, name="robots"),
    path("sitemap.xml", require_safe(sitemap), {"sitemaps": SITEMAPS}, name="sitemap"),
    path("favicon.ico", favicon, name="favicon"),
]
