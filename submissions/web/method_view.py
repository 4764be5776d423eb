"""Change what the leaderboard says about the method of an entry."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from submissions.web.method_form import MethodForm
from submissions.web.views import show_submission, submission_of


@login_required
@require_POST
def change_method(request: HttpRequest, pk: Any) -> HttpResponse:
    """Change what the leaderboard says about the method of an entry; the paper often comes after the score."""
    submission = submission_of(request, pk)
    form = MethodForm(request.POST)
    if not form.is_valid():
        problem = next(iter(form.errors.items()))
        messages.error(request, f"Nothing was changed. {form.fields[problem[0]].label or 'The form'}: {problem[1][0]}")
        return show_submission(request, pk, refused=form)
    if submission.describe_method(by=request.user, **form.cleaned_data):
        messages.success(request, "The leaderboard shows the method as given here.")
    else:
        messages.error(request, "Only the entry's own team describes its method.")
    return redirect("submission", pk=submission.pk)
