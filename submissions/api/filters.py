"""What a list of submissions can be asked for: `?phase=&type=&status=`."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django_filters import rest_framework as filters

from submissions.models import Evaluation, Submission


def one_of(choices: list[tuple[str, str]], **options: Any) -> filters.ChoiceFilter:
    """Return a filter that refuses any other value with a sentence that names the choices."""
    sentence = f"Choose one of {', '.join(value for value, _ in choices)}."
    return filters.ChoiceFilter(choices=choices, error_messages={"invalid_choice": sentence}, **options)


class SubmissionFilter(filters.FilterSet):
    """A phase that is not there, or not yet to be seen, has no submissions; other names are ignored."""

    phase = filters.CharFilter(field_name="phase__slug", help_text="slug of the phase")
    type = one_of(Submission.Type.choices, field_name="submission_type")
    status = one_of(Evaluation.Status.choices, method="with_status", help_text="of the newest evaluation")

    class Meta:
        model = Submission
        fields: list[str] = []

    def with_status(self, queryset: QuerySet[Submission], name: str, value: str) -> QuerySet[Submission]:
        newest = Evaluation.objects.filter(submission=OuterRef("pk")).order_by("-pk").values("status")[:1]
        return queryset.alias(newest_status=Subquery(newest)).filter(newest_status=value)
