"""The CSV to fill in, as a file: the same from the page and from the API."""

from __future__ import annotations

from django.http import HttpResponse

from lunasite.http.errors import ApiError
from submissions.intake.csv.predictions import template
from submissions.models import Phase


def template_file(phase: Phase) -> HttpResponse:
    """Return a CSV with every id of the phase. Raises ApiError (404) where no CSV is taken."""
    if not phase.accepts_csv:
        raise ApiError(404, "NOT_FOUND", "This phase takes no CSV.")
    response = HttpResponse(template(phase.kind, phase.case_ids()), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{phase.slug}-template.csv"'
    return response
