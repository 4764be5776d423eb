"""The review queue: filter and order of the feedback to review."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q

from inference.models import Feedback, FeedbackQuerySet
from inference.web.forms import QueueForm


class Queue:
    """The feedback that matches a filter; by default the feedback that waits for review."""

    def __init__(self, query: Mapping[str, Any], user: Any = None) -> None:
        """user: who reads; a second reading leaves out what that person decided first."""
        self.user = user
        self.form = QueueForm(query or {"state": Feedback.State.WAITING})
        self.form.is_valid()
        values = self.form.cleaned_data
        self.state = values.get("state") or Feedback.State.WAITING
        self.others = {name: values[name] for name in ("label", "predicted", "verdict", "reading") if values.get(name)}

    @property
    def is_second(self) -> bool:
        return self.others.get("reading") == "second"

    @property
    def query(self) -> str:
        """Return the filter as a query string."""
        return urlencode({"state": self.state, **self.others})

    def in_any_state(self) -> FeedbackQuerySet:
        rows = Feedback.objects.all()
        if "label" in self.others:
            rows = rows.filter(label=self.others["label"])
        if "predicted" in self.others:
            rows = rows.filter(predicted_class=self.others["predicted"])
        if "verdict" in self.others:
            rows = rows.filter(is_correct=self.others["verdict"] == "right")
        return rows

    def rows(self) -> FeedbackQuerySet:
        rows = self.in_any_state()
        if self.is_second:
            return rows.for_second_reader(self.user)
        if "reading" in self.others:
            return rows.disputed()
        return rows if self.state == "all" else rows.filter(state=self.state)

    def after(self, feedback: Feedback) -> Feedback | None:
        """Return the next entry after `feedback`, or else the first of the queue."""
        others = self.rows().exclude(pk=feedback.pk)
        return others.filter(pk__gt=feedback.pk).order_by("pk").first() or others.order_by("pk").first()

    def before(self, feedback: Feedback) -> Feedback | None:
        """Return the previous entry, whatever its state is now, so that a reviewer can return to the last decision."""
        return self.in_any_state().filter(pk__lt=feedback.pk).order_by("-pk").first()


def progress() -> dict[str, int]:
    """Return the progress of the review: done, total, and the count of each state."""
    states = {state: Count("pk", filter=Q(state=state)) for state in Feedback.State.values}
    counts = Feedback.objects.aggregate(total=Count("pk"), **states)
    return {**counts, "done": counts["total"] - counts[Feedback.State.WAITING]}
