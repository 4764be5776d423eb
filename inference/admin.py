"""Django admin of inference: the logs are read-only, and feedback is reviewed at /review/."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from inference import actions
from inference.models import DriftRow, Feedback, Prediction


class ReadOnlyAdmin(admin.ModelAdmin):
    """Read-only rows that the site writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyAdmin):
    list_display = [
        "at",
        "endpoint",
        "status",
        "error_code",
        "reason",
        "milliseconds",
        "user",
        "model_version",
    ]
    list_filter = ["endpoint", "status", "error_code", "reason", "model_version"]
    search_fields = ["request_id", "user__username"]
    list_select_related = ["user"]
    date_hierarchy = "at"


@admin.register(DriftRow)
class DriftRowAdmin(ReadOnlyAdmin):
    list_display = ["timestamp", "pred_class", "pred_conf", "mean", "std", "width", "height"]
    list_filter = ["pred_class"]
    date_hierarchy = "timestamp"


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    list_display = ["at", "state", "predicted_class", "is_correct", "label", "confidence", "user", "reviewer"]
    list_filter = ["state", "is_correct", "predicted_class", "label"]
    search_fields = ["user__username", "note"]
    list_select_related = ["user", "reviewer"]
    date_hierarchy = "at"

    def delete_model(self, request: HttpRequest, obj: Feedback) -> None:
        actions.forget(feedback=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Feedback]) -> None:
        for feedback in queryset:
            actions.forget(feedback=feedback)
