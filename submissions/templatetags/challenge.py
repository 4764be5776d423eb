"""Tags of a challenge's pages: its head with the tabs, and Markdown."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from submissions.challenges.tabs import tabs_of
from submissions.models import Challenge
from submissions.text.markdown import render

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Return Markdown as safe HTML."""
    return render(text)


@register.inclusion_tag("submissions/challenge/_tabs.html", takes_context=True)
def challenge_tabs(context: dict[str, Any], challenge: Challenge, active: str = "") -> dict[str, Any]:
    """Show the tabs of the challenge. active: the name of the tab that the page belongs to.

    A page that has read the challenge's phases passes them as `challenge_phases`.
    """
    tabs = tabs_of(challenge, context["user"], context.get("challenge_phases"))
    return {"challenge": challenge, "tabs": tabs, "active": active}


@register.simple_tag
def challenge_logo(challenge: Challenge) -> str | SafeString:
    """Return the challenge's logo as a picture, nothing where it has none."""
    if (logo := challenge.images.filter(is_logo=True).first()) is None:
        return ""
    # Its title stands beside it, so that the picture needs no words.
    return format_html('<img class="logo" src="{}" alt="" width="64" height="64">', picture_url(challenge, logo.name))


def picture_url(challenge: Challenge, name: str) -> str:
    return reverse("challenge_image", kwargs={"slug": challenge.slug, "name": name})
