"""Format values for the admin's pages: ages, sizes, links, logs."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

NOTHING = "–"
UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def age(at: datetime | None) -> str:
    """Return how long ago `at` was; never negative, even if the clocks of two hosts differ."""
    return duration((timezone.now() - at).total_seconds()) if at else NOTHING


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, such as `2 h 5 min`."""
    left = max(0, round(seconds))
    parts = []
    for name, length in UNITS:
        if left >= length:
            parts.append(f"{left // length} {name}")
            left %= length
    return " ".join(parts[:2]) or "0 s"


def window(span: timedelta) -> str:
    """Return a quota's window in the form that staff type: `7d`, `12h`, `90m`."""
    seconds = round(span.total_seconds())
    for name, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{name}"
    return f"{seconds}s"


def change_link(row: Model, text: object = None) -> SafeString:
    """Return a link to the row's own admin page."""
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, str(text if text is not None else row))


def breakable(code: str) -> SafeString:
    """Return a failure code that may wrap behind each underscore, so that it fits a column."""
    return format_html_join(mark_safe("_<wbr>"), "{}", ((part,) for part in code.split("_")))


def block(text: str) -> str | SafeString:
    """Return a log as preformatted text; escaped, so that nothing in it can run."""
    return format_html('<pre class="log">{}</pre>', text) if text else NOTHING


def pretty(value: Any) -> str | SafeString:
    """Return JSON indented for reading."""
    return block(json.dumps(value, indent=2, sort_keys=True)) if value else NOTHING
