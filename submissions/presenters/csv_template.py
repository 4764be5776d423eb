"""The CSV template as a file, the same on the page and in the API; and the ids that a CSV got wrong."""

from __future__ import annotations

import base64

from django.http import HttpResponse

from lunasite.http.csv_export import as_csv
from lunasite.http.errors import ApiError
from submissions.intake.csv.predictions import CsvProblems, template
from submissions.models import Phase

MAX_ID_LENGTH = 200  # the longest id that a phase can have


def template_file(phase: Phase) -> HttpResponse:
    """Return a CSV with every id of the phase. Raises ApiError (404) where no CSV is accepted."""
    if not phase.accepts_csv:
        raise ApiError(404, "NOT_FOUND", "This phase takes no CSV.")
    response = HttpResponse(template(phase.kind, phase.case_ids()), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{phase.slug}-template.csv"'
    return response


def ids_file(problems: CsvProblems) -> str:
    """Return a data URL with all missing and unknown ids as a CSV, or "" if there are none.

    The refused file is not stored, so the page itself carries the download.
    """
    if not problems.has_ids:
        return ""
    rows = [("missing", public_id) for public_id in problems.missing_ids]
    rows += [("unknown", public_id[:MAX_ID_LENGTH]) for public_id in problems.unknown_ids]
    content = base64.b64encode(as_csv(["problem", "id"], rows).encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"
