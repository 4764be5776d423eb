"""Filters for evaluations, beside their plain columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from submissions.failures import FAILURES, OURS, PARTICIPANT
from submissions.models import Evaluation, Worker

Rows = QuerySet[Evaluation]
NEWEST_FAILURES = 5_000


class FaultFilter(admin.SimpleListFilter):
    title = "whose fault"
    parameter_name = "fault"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, str]]:
        return [(OURS, "ours"), (PARTICIPANT, "participant's")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        codes = [code for code, failure in FAILURES.items() if failure.fault == self.value()]
        return queryset.filter(failure_code__in=codes) if self.value() else queryset


class FailureCodeFilter(admin.SimpleListFilter):
    """Failure codes that occur, our faults first; of a large table the newest failures tell which."""

    title = "failure code"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, str]]:
        failed = model_admin.get_queryset(request).exclude(failure_code="").order_by("-pk")
        occurring = {*failed.values_list("failure_code", flat=True)[:NEWEST_FAILURES], request.GET.get("code")}
        known = [code for code in FAILURES if code in occurring]
        return [(code, code) for code in sorted(known, key=lambda code: (not FAILURES[code].is_ours, code))]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return queryset.filter(failure_code=self.value()) if self.value() else queryset


class AgeFilter(admin.SimpleListFilter):
    title = "age"
    parameter_name = "age"
    AGES = {
        "hour": ("under an hour", timedelta(hours=1), True),
        "day": ("under a day", timedelta(days=1), True),
        "week": ("under a week", timedelta(days=7), True),
        "older-hour": ("over an hour", timedelta(hours=1), False),
        "older-day": ("over a day", timedelta(days=1), False),
    }

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, str]]:
        return [(name, title) for name, (title, _, _) in self.AGES.items()]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if (chosen := self.AGES.get(self.value() or "")) is None:
            return queryset
        _, span, is_younger = chosen
        since = timezone.now() - span
        return queryset.filter(created_at__gte=since) if is_younger else queryset.filter(created_at__lt=since)


class AttemptFilter(admin.SimpleListFilter):
    title = "attempt"
    parameter_name = "attempts"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, str]]:
        return [("0", "not started"), ("1", "first"), ("2", "second"), ("more", "third or later")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if self.value() == "more":
            return queryset.filter(attempt__gte=3)
        return queryset.filter(attempt=int(self.value() or 0)) if self.value() in ("0", "1", "2") else queryset


class WorkerFilter(admin.SimpleListFilter):
    """Workers seen alive since yesterday; the search box finds older ones."""

    title = "worker"
    parameter_name = "by_worker"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, str]]:
        return [(name, name) for name in Worker.objects.values_list("name", flat=True)]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return queryset.filter(worker__startswith=f"{self.value()}:") if self.value() else queryset
