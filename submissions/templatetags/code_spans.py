"""Render sentences of kinds and contracts as HTML: text in `backticks` becomes code."""

from __future__ import annotations

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from submissions.presenters import waiting

register = template.Library()


@register.filter
def code_spans(text: str) -> SafeString:
    """Return the text escaped, with each `name` in <code>."""
    return mark_safe(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S308 — escaped just before


@register.filter
def in_words(seconds: int) -> str:
    """Return a duration as a person reads it: seconds, or whole minutes or hours of a long one."""
    return waiting.in_words(seconds)
