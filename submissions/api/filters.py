"""Query parameters that filter a list of submissions: `?phase=&type=&status=`."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django_filters import rest_framework as filters

from submissions.models import Evaluation, Phase, Submission


class FilterBackend(filters.DjangoFilterBackend):
    """Filter by query parameters, without the form of the browsable API, whose button has an inline style."""

    def to_html(self, request: Any, queryset: Any, view: Any) -> str:
        return ""


def one_of(choices: list[tuple[str, str]], **options: Any) -> filters.ChoiceFilter:
    """Return a filter that refuses any other value with a sentence that lists the choices."""
    sentence = f"Choose one of {', '.join(value for value, _ in choices)}."
    return filters.ChoiceFilter(choices=choices, error_messages={"invalid_choice": sentence}, **options)


class SubmissionFilter(filters.FilterSet):
    """Filters of a submission list. A missing or hidden phase has no submissions; unknown parameters are ignored."""

    phase = filters.CharFilter(method="in_phase", help_text="slug or number of the phase")
    dataset_id = filters.CharFilter(method="in_phase", help_text="the same, as older clients name it")
    type = one_of(Submission.Type.choices, field_name="submission_type")
    status = one_of(Evaluation.Status.choices, method="with_status", help_text="of the newest evaluation")

    class Meta:
        model = Submission
        fields: list[str] = []

    def in_phase(self, queryset: QuerySet[Submission], name: str, value: str) -> QuerySet[Submission]:
        return queryset.filter(phase=Phase.objects.named(value))

    def with_status(self, queryset: QuerySet[Submission], name: str, value: str) -> QuerySet[Submission]:
        newest = Evaluation.objects.filter(submission=OuterRef("pk")).order_by("-pk").values("status")[:1]
        return queryset.alias(newest_status=Subquery(newest)).filter(newest_status=value)
