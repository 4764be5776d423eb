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

from lunasite.http.limits.only_reading import only_reading
from submissions.models import Challenge, NewsPost, Phase, SitePage

# What belongs to one person, costs work, or exists once for every row.
DISALLOWED = (
    "/admin/", "/accounts/", "/account/", "/api/", "/submissions/", "/team/", "/review/", "/drift/", "/embed/",
    "/leaderboards/*/compare/", "/leaderboards/*/history/", "/*?*sort=", "/*?*columns=", "/*?*q=",
)  # fmt: skip


@only_reading
def robots(request: HttpRequest) -> HttpResponse:
    """Tell crawlers what to leave out, and where the list of pages is."""
    lines = ["User-agent: *", *(f"Disallow: {place}" for place in DISALLOWED)]
    lines += ["", f"Sitemap: {settings.SITE_URL}{reverse('sitemap')}", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


@only_reading
def favicon(request: HttpRequest) -> HttpResponse:
    """Redirect to the icon; pages name the SVG themselves."""
    return redirect(static("favicon.ico"))


class Pages(Sitemap):
    """The pages that every site has."""

    def items(self) -> list[str]:
        own = [reverse("site_page", kwargs={"name": name}) for name in SitePage.Name.values]
        return [*map(reverse, ("home", "leaderboards", "guide", "try_it")), *own]

    def location(self, item: str) -> str:
        return item


class ChallengeSitemap(Sitemap):
    """The tabs of the challenges that anybody may see; rules exist where they are written."""

    def items(self) -> list[str]:
        """Return the addresses, from one query: a list is counted without another."""
        seen = Challenge.objects.visible_to(AnonymousUser()).order_by("pk").values_list("slug", "rules")
        return [
            reverse(name, args=[slug])
            for slug, rules in seen
            for name in ("challenge", "challenge_data", "challenge_news", "challenge_rules")
            if rules.strip() or name != "challenge_rules"
        ]

    def location(self, item: str) -> str:
        return item


class NewsSitemap(Sitemap):
    """The posts that anybody may read."""

    def items(self) -> list[NewsPost]:
        return list(NewsPost.objects.visible_to(AnonymousUser()).select_related("challenge").order_by("pk"))


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


SITEMAPS: dict[str, Sitemap] = {
    "pages": Pages(), "challenges": ChallengeSitemap(), "news": NewsSitemap(), "phases": PhaseSitemap("phase"),
    "boards": PhaseSitemap("leaderboard"),
}  # fmt: skip

crawler_urls = [
    path("robots.txt", robots, name="robots"),
    path("sitemap.xml", only_reading(sitemap), {"sitemaps": SITEMAPS}, name="sitemap"),
    path("favicon.ico", favicon, name="favicon"),
]
