"""Publish, edit and remove news of a challenge."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from submissions.models import Challenge, NewsPost
from submissions.models.audit import record
from submissions.signals import news_published


def publish(*, challenge: Challenge, title: str, body: str, author: Any) -> NewsPost:
    """Publish a post, and tell the receivers of `news_published`, which mail it to those who want it."""
    with transaction.atomic():
        post = NewsPost.objects.create(
            challenge=challenge, title=title, body=body, author=author, author_name=author.get_username()
        )
        record(author, "publish", post)
        news_published.send(NewsPost, post=post)
    return post


def edit(*, post: NewsPost, title: str, body: str, editor: Any) -> None:
    """Change a post; nobody is told a second time."""
    with transaction.atomic():
        post.title, post.body, post.edited_at = title, body, timezone.now()
        post.save(update_fields=["title", "body", "edited_at"])
        record(editor, "edit", post)


def remove(*, post: NewsPost, editor: Any) -> None:
    with transaction.atomic():
        record(editor, "delete", post)
        post.delete()
