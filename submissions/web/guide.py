"""The participant's guide on the site: the long version is docs/participant-guide.md."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from submissions.failures import FAILURES
from submissions.models import Phase, Submission
from submissions.runner.base import limits_with
from submissions.runner.docker_run_command import docker_run_command


@require_safe
def guide(request: HttpRequest) -> HttpResponse:
    return render(request, "submissions/guide.html", {"failures": FAILURES.values()})


def docker_run_commands(phase: Phase) -> list[tuple[str, str]]:
    """Return (contract, line): a container at home under the limits of this phase."""
    limits = limits_with(**phase.limits().as_dict())
    return [
        (Submission.Contract(name).label, docker_run_command(limits, contract=name)) for name in phase.kind.contracts
    ]
