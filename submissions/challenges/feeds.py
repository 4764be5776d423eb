"""News as Atom: of one challenge, and of all that everybody may see."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.syndication.views import Feed
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed

from submissions.models import Challenge, NewsPost
from submissions.text.markdown import render

POSTS = 30


class SiteFeed(Feed):
    """The newest posts of every challenge. A feed reader has no account: it sees what everybody sees."""

    feed_type = Atom1Feed
    title: Any = "lunasite: news"
    subtitle: Any = "News of the challenges on this site."

    def link(self, place: Challenge | None = None) -> str:
        return reverse("home")

    def feed_url(self, place: Challenge | None = None) -> str:
        return reverse("news_feed")

    def items(self, place: Challenge | None = None) -> QuerySet[NewsPost]:
        return NewsPost.objects.visible_to(AnonymousUser()).select_related("challenge")[:POSTS]

    def item_title(self, item: NewsPost) -> str:  # type: ignore[override]
        return item.title

    def item_description(self, item: NewsPost) -> str:  # type: ignore[override]
        return render(item.body)

    def item_author_name(self, item: NewsPost) -> str:
        return item.author_name

    def item_pubdate(self, item: NewsPost) -> datetime:
        return item.published_at

    def item_updateddate(self, item: NewsPost) -> datetime:
        return item.edited_at or item.published_at

    def item_categories(self, item: NewsPost) -> list[str]:
        return [item.challenge.title]


class ChallengeFeed(SiteFeed):
    """The newest posts of one challenge."""

    def get_object(self, request: HttpRequest, slug: str) -> Challenge:  # type: ignore[override]
        return get_object_or_404(Challenge.objects.visible_to(AnonymousUser()), slug=slug)

    def title(self, place: Challenge) -> str:
        return f"{place.title}: news"

    def subtitle(self, place: Challenge) -> str:
        return place.tagline

    def link(self, place: Challenge | None = None) -> str:
        assert place is not None
        return place.get_absolute_url()

    def feed_url(self, place: Challenge | None = None) -> str:
        assert place is not None
        return reverse("challenge_feed", kwargs={"slug": place.slug})

    def items(self, place: Challenge | None = None) -> QuerySet[NewsPost]:
        return NewsPost.objects.filter(challenge=place).select_related("challenge")[:POSTS]
