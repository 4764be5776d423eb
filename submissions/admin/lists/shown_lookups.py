"""A list is filtered by what its pages show, nothing else.

Django lets whoever may open a list filter it by any field of its own, in the address: `?secret_key__startswith=a`
answers a question about a field that no page shows, and sixty-four of them read a key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.widgets import url_params_from_lookup_dict
from django.core.exceptions import FieldDoesNotExist
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest


def filter_by_what_is_shown() -> None:
    """Hold every list of the admin to it, those of other apps too."""
    by_django = admin.ModelAdmin.lookup_allowed

    def lookup_allowed(self: admin.ModelAdmin, lookup: str, value: str, request: HttpRequest) -> bool:
        is_known = _is_a_choice_of_a_form(self, lookup, value) or _is_shown(self, lookup, request)
        return is_known and by_django(self, lookup, value, request)

    admin.ModelAdmin.lookup_allowed = lookup_allowed  # type: ignore[method-assign,assignment]


def _is_shown(of: admin.ModelAdmin, lookup: str, request: HttpRequest) -> bool:
    if lookup in {getattr(item, "parameter_name", None) for item in of.get_list_filter(request)}:
        return True  # of a filter with choices of its own, which reads it before any field does
    name = lookup.split(LOOKUP_SEP)[0]
    try:
        field = of.opts.get_field(name)
    except FieldDoesNotExist:
        return True  # `pk`, and what is no field at all, which Django refuses by itself
    return bool(getattr(field, "primary_key", False)) or field.name in _shown_names(of, request)


def _shown_names(of: admin.ModelAdmin, request: HttpRequest) -> set[str]:
    """Return the fields of the list's columns and filters and of a row's page, as this person sees them."""
    filters = [item[0] if isinstance(item, tuple) else item for item in of.get_list_filter(request)]
    pages: Iterable[Any] = [*flatten_fieldsets(of.get_fieldsets(request)), *flatten_fieldsets(of.fieldsets or ())]
    named = [*of.get_list_display(request), *filters, *pages, of.date_hierarchy]
    return {str(name).split(LOOKUP_SEP)[0] for name in named if isinstance(name, str)}


def _is_a_choice_of_a_form(of: admin.ModelAdmin, lookup: str, value: Any) -> bool:
    """Return whether a relation's `limit_choices_to` asks for it, as the windows in which a form chooses a row do."""
    limits = (limit() if callable(limit) else limit for limit in of.opts.related_fkey_lookups)  # type: ignore[attr-defined]
    return any((lookup, value) in url_params_from_lookup_dict(limit).items() for limit in limits)
