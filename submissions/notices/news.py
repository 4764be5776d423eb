"""Tell those who take part in a challenge of its news."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.dispatch import receiver
from django_q.tasks import async_task

from submissions.models import NewsPost
from submissions.models.messages import Kind
from submissions.notices.people import taking_part, teams_taking_part
from submissions.notices.sending import Notice, tell
from submissions.queues import ERRANDS_CLUSTER
from submissions.signals import news_published

TELL = "submissions.tasks.tell_of_news"


@receiver(news_published, dispatch_uid="tell of news")
def queue_news(sender: Any, post: NewsPost, **options: Any) -> None:
    """Queue the notices inside the publishing transaction: a thousand mails would hold up the organiser's page."""
    async_task(TELL, post.pk, cluster=ERRANDS_CLUSTER)


def tell_of_news(post_id: int) -> int:
    """Tell the people who take part; return how many were told.

    Nobody is told of a post that was removed meanwhile, or that a visitor may not read: what the organisers of a hidden
    challenge prepare stays with them.
    """
    post = NewsPost.objects.visible_to(AnonymousUser()).select_related("challenge").filter(pk=post_id).first()
    if post is None:
        return 0
    challenge = post.challenge
    phases = challenge.phases.all()
    notice = Notice(
        Kind.NEWS, f"news {post.pk}", f"{challenge}: {post.title}", post.body, post.get_absolute_url(),
        {"challenge": challenge.slug, "title": post.title}, teams_taking_part(phases),
    )  # fmt: skip
    return tell(notice, taking_part(challenge, phases))
