"""Which feedback a reviewer looks at, in which order."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q

from inference.models import Feedback, FeedbackQuerySet
from inference.web.forms import QueueForm


class Queue:
    """The feedback that passes a filter; by default what waits."""

    def __init__(self, query: Mapping[str, Any]) -> None:
        self.form = QueueForm(query or {"state": Feedback.State.WAITING})
        self.form.is_valid()
        values = self.form.cleaned_data
        self.state = values.get("state") or Feedback.State.WAITING
        self.others = {name: values[name] for name in ("label", "predicted", "verdict") if values.get(name)}

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
        return rows if self.state == "all" else rows.filter(state=self.state)

    def after(self, feedback: Feedback) -> Feedback | None:
        """Return the next to look at: after this one, else from the start."""
        others = self.rows().exclude(pk=feedback.pk)
        return others.filter(pk__gt=feedback.pk).order_by("pk").first() or others.order_by("pk").first()

    def before(self, feedback: Feedback) -> Feedback | None:
        """Return the one before, in whatever state it is by now: the way back to a decision just made."""
        return self.in_any_state().filter(pk__lt=feedback.pk).order_by("-pk").first()


def progress() -> dict[str, int]:
    """Return how much has been looked at: done, total, and the count of each state."""
    states = {state: Count("pk", filter=Q(state=state)) for state in Feedback.State.values}
    counts = Feedback.objects.aggregate(total=Count("pk"), **states)
    return {**counts, "done": counts["total"] - counts[Feedback.State.WAITING]}
