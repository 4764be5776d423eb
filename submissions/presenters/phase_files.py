"""Files of a phase, the same on the page and in the API: template, samples, published truth, wrong ids of a CSV."""

from __future__ import annotations

import base64
import json

from django.http import HttpResponse

from lunasite.http.errors import ApiError
from lunasite.http.files.csv_export import as_csv
from submissions.actions.staff.reveal import truth_of
from submissions.intake.csv.predictions import CsvProblems, template
from submissions.models import Phase
from submissions.presenters.score_table import truth_text

MAX_ID_LENGTH = 200  # the longest id that a phase can have


def template_file(phase: Phase) -> HttpResponse:
    """Return a CSV with every id of the phase, samples included. Raises ApiError (404) where no CSV is accepted."""
    if not phase.accepts_csv:
        raise ApiError(404, "NOT_FOUND", "This phase takes no CSV.")
    response = HttpResponse(
        template(phase.kind, phase.dataset.handed_out_ids()), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{phase.slug}-template.csv"'
    return response


def truth_file(phase: Phase) -> HttpResponse:
    """Return the data that open the dataset's commitment. Raises ApiError (404) before staff have published them."""
    if phase.dataset.revealed_at is None:
        message = "The truth of this phase is not published; organisers may publish it when the phase has ended."
        raise ApiError(404, "NOT_REVEALED", message)
    response = HttpResponse(json.dumps(truth_of(phase.dataset)), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{phase.slug}-truth.json"'
    return response


def samples_file(phase: Phase) -> HttpResponse:
    """Return a CSV with the sample cases and their truth, which is no secret."""
    rows = [(case.public_id, truth_text(phase, case.truth)) for case in phase.dataset.sample_cases()]
    response = HttpResponse(as_csv(["id", "truth"], rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{phase.slug}-samples.csv"'
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
