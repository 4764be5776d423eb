"""Filters of lists offer only what occurs in the list: a choice that finds nothing is no choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import FieldListFilter, ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Field, Model
from django.http import HttpRequest


class Occurring(FieldListFilter):
    """What both filters share: it stands before Django's own class, whose __init__ reads what is chosen now."""

    lookup_val: str | None

    def __init__(
        self, field: Field[Any, Any], request: HttpRequest, params: dict[str, list[str]],
        model: type[Model], model_admin: ModelAdmin[Any], field_path: str,
    ) -> None:  # fmt: skip
        super().__init__(field, request, params, model, model_admin, field_path)
        rows = model_admin.get_queryset(request).order_by()
        self._occurring = set(rows.values_list(field_path, flat=True).distinct())

    def has_output(self) -> bool:
        return len(self._occurring) > 1 or self.lookup_val is not None


class OccurringChoicesFilter(Occurring, admin.ChoicesFieldListFilter):
    """The choices of a field that rows of the list have."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield "All", then what occurs, and what is chosen now."""
        known = [None, *(value for value, _ in self.field.flatchoices)]
        for value, choice in zip(known, super().choices(changelist), strict=False):
            if value is None or value in self._occurring or choice["selected"]:
                yield choice


class OccurringBooleanFilter(Occurring, admin.BooleanFieldListFilter):
    """Yes and no, where the list has both."""


def offer_what_occurs() -> None:
    """Let these filters stand for Django's own in every list of the admin."""
    FieldListFilter.register(lambda field: bool(field.flatchoices), OccurringChoicesFilter, take_priority=True)
    FieldListFilter.register(
        lambda field: field.get_internal_type() == "BooleanField", OccurringBooleanFilter, take_priority=True
    )
    FieldListFilter.register(
        lambda field: bool(field.remote_field), admin.RelatedOnlyFieldListFilter, take_priority=True
    )
