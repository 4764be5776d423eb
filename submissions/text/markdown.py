"""Markdown of organisers and staff as HTML: no HTML of theirs, no scripts, pictures only from this site.

CommonMark with tables (markdown-it-py). Its own HTML is off; what it renders is cleaned once more against a list of
tags (nh3), so that a mistake in either is not enough.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p", "pre",
    "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
OWN_IMAGE = re.compile(r"/challenges/[a-z0-9A-Z_-]{1,60}/images/[0-9a-f]{16,40}\.(?:png|jpg)")
# For each [ the parser looks for its ] up to the end: 50,000 of them took six seconds, and a search shows 40 texts.
MAX_BRACKETS = 2000
KEPT_TEXTS = 64
# A page has its title; the headings of a text stand below it.
DEEPER = {f"h{level}": f"h{min(level + 1, 6)}" for level in range(1, 7)}


@lru_cache(maxsize=KEPT_TEXTS)
def render(text: str) -> SafeString:
    """Return the text as safe HTML. Pictures that this site does not serve become links to them."""
    return mark_safe(_clean(_html(text)))  # noqa: S308 — cleaned against a list of tags just before


@lru_cache(maxsize=KEPT_TEXTS)
def plain(text: str) -> str:
    """Return the words of the text without any markup, for search and one-line summaries."""
    words = nh3.clean(_html(text), tags=set(), clean_content_tags=set())
    return " ".join(unescape(words).split())


def _html(text: str) -> str:
    html: str = _parser(has_links=text.count("[") <= MAX_BRACKETS).render(text)
    return html


@lru_cache(maxsize=2)
def _parser(*, has_links: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    if not has_links:
        parser.disable(["link", "image", "reference"])
    parser.core.ruler.push("of this site", _adapt)
    return parser


def _adapt(state: Any) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = DEEPER[token.tag]
        for child in token.children or ():
            _without_foreign_picture(child)


def _without_foreign_picture(token: Token) -> None:
    """Show a foreign picture as text: a page of ours must not make a reader's browser call another site."""
    if token.type != "image" or OWN_IMAGE.fullmatch(str(token.attrs.get("src", ""))):
        return
    token.type, token.tag, token.nesting = "text", "", 0
    token.content = f"[picture not shown: {token.content or 'it is not one of this challenge'}]"
    token.children = None


def _clean(html: str) -> str:
    return nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel="noopener nofollow",
        attribute_filter=_checked,
    )  # fmt: skip


def _checked(tag: str, attribute: str, value: str) -> str | None:
    if (tag, attribute) == ("img", "src") and not OWN_IMAGE.fullmatch(value):
        return None
    return value
