"""The short participant's guide on the site; the long version is docs/participant-guide.md."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lunasite.http.page_cache.views import kept_for_visitors
from submissions.models import Phase
from submissions.presenters.guide import guide_context
from submissions.runner.base import limits_with
from submissions.runner.contracts import contracts_for
from submissions.runner.docker_run_command import docker_run_command


@require_safe
@kept_for_visitors(lambda now: None)
def guide(request: HttpRequest) -> HttpResponse:
    return render(request, "submissions/guide.html", guide_context())


def contract_texts(phase: Phase) -> list[tuple[str, str, str]]:
    """Return (contract, what it requires, command); the command runs a container at home under this phase's limits."""
    limits = limits_with(**phase.limits().as_dict())
    return [
        (contract.label, contract.summary(phase.kind), docker_run_command(limits, contract))
        for contract in contracts_for(phase.kind)
    ]
