"""Search over challenges, news and the guide: plain text in the database, every word must occur."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from lunasite.http.limits.dear_work import paced
from submissions.models import Challenge, NewsPost
from submissions.presenters.guide import guide_context
from submissions.text.markdown import plain

MAX_QUERY = 100
MAX_WORDS = 6
MAX_HITS = 20
AROUND = 90


@dataclass(frozen=True)
class Hit:
    """One result; title and excerpt are safe HTML with the found words marked. kind: such as `challenge`."""

    kind: str
    title: SafeString
    url: str
    excerpt: SafeString


@require_safe
@paced
def search(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY]
    words = list(dict.fromkeys(word for word in query.split() if len(word) > 1))[:MAX_WORDS]
    hits = find(words, request.user) if words else []
    return render(request, "submissions/search.html", {"query": query, "words": words, "hits": hits})


def find(words: list[str], user: Any) -> list[Hit]:
    """Return what `user` may see and holds every word, challenges first. Two queries."""
    challenges = _holding(Challenge.objects.visible_to(user), words, "title", "tagline", "overview")
    news = _holding(NewsPost.objects.visible_to(user), words, "title", "body").select_related("challenge")
    return [
        *(_hit("challenge", row.title, row.get_absolute_url(), f"{row.tagline}\n\n{row.overview}", words)
          for row in challenges[:MAX_HITS]),
        *(_hit("news", row.title, row.get_absolute_url(), row.body, words) for row in news[:MAX_HITS]),
        *(Hit("guide", marked(section.title, words), f"{reverse('guide')}#{section.anchor}",
              excerpt(section.text, words)) for section in guide_sections() if _holds(section, words)),
    ]  # fmt: skip


def _holding(rows: QuerySet[Any], words: list[str], *fields: str) -> QuerySet[Any]:
    for word in words:
        found = Q()
        for field in fields:
            found |= Q(**{f"{field}__icontains": word})
        rows = rows.filter(found)
    return rows


def _hit(kind: str, title: str, url: str, text: str, words: list[str]) -> Hit:
    return Hit(kind, marked(title, words), url, excerpt(plain(text), words))


def marked(text: str, words: list[str]) -> SafeString:
    """Return the text escaped, each word in <mark>."""
    parts = re.split(f"({'|'.join(map(re.escape, words))})", text, flags=re.IGNORECASE)
    # Every second part is a found word.
    return format_html_join("", "{}", ((_mark(part) if i % 2 else part,) for i, part in enumerate(parts)))


def _mark(word: str) -> SafeString:
    return format_html("<mark>{}</mark>", word)


def excerpt(text: str, words: list[str]) -> SafeString:
    """Return the surroundings of the first found word, escaped, each word in <mark>."""
    found = [at for word in words if (at := text.lower().find(word.lower())) >= 0]
    start = max(0, min(found, default=0) - AROUND)
    end = start + 3 * AROUND
    cut = text[start:end]
    return marked(f"{'…' if start else ''}{cut}{'…' if end < len(text) else ''}", words)


@dataclass(frozen=True)
class Section:
    anchor: str
    title: str
    text: str


def _holds(section: Section, words: list[str]) -> bool:
    text = f"{section.title} {section.text}".lower()
    return all(word.lower() in text for word in words)


@lru_cache(maxsize=1)
def guide_sections() -> list[Section]:
    """Return the sections of the site's guide; it changes only with the program."""
    reader = _Sections()
    reader.feed(render_to_string("submissions/guide.html", guide_context()))
    return [Section(anchor, " ".join(title.split()), " ".join(text.split())) for anchor, title, text in reader.found]


class _Sections(HTMLParser):
    """Collect the text of each <section id> with its <h2>."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self.depth = 0
        self.is_title = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        anchor = dict(attributes).get("id")
        if tag == "section" and anchor:
            self.found.append([anchor, "", ""])
        self.depth += tag == "section"
        self.is_title = self.is_title or tag == "h2"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "section"
        if tag == "h2":
            self.is_title = False

    def handle_data(self, data: str) -> None:
        if self.depth and self.found:
            self.found[-1][1 if self.is_title else 2] += f"{data} "
