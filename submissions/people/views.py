"""The profile, the export and closing the account."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lunasite.http.errors import ApiError, come_back_later
from lunasite.http.limits.dear_work import one_at_a_time
from submissions.models import Profile, Submission
from submissions.models.audit import record
from submissions.people.closing import close_account, teams_left_empty
from submissions.people.export import MAX_FILE_BYTES, export_of
from submissions.people.forms import CloseForm, ProfileForm
from submissions.storage.base import StorageError


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Say what others may read of me."""
    row = Profile.objects.filter(user=request.user).first() or Profile(user=request.user)  # type: ignore[misc]
    if request.method != "POST":
        return render(request, "people/profile_form.html", {"form": ProfileForm(instance=row)})
    form = ProfileForm(request.POST, instance=row)
    if not form.is_valid():
        return render(request, "people/profile_form.html", {"form": form}, status=400)
    form.save()
    shown = "Everybody can read it now." if form.cleaned_data["is_public"] else "Nobody but you sees it."
    messages.success(request, f"Stored. {shown}")
    return redirect("profile")


def _page(request: HttpRequest, form: CloseForm, status: int = 200, **more: Any) -> HttpResponse:
    user: Any = request.user
    context = {
        "form": form,
        "submissions": Submission.objects.filter(user=user).count(),
        "alone": teams_left_empty(user),
        "file_limit": MAX_FILE_BYTES,
        **more,
    }
    return render(request, "people/own_data.html", context, status=status)


@login_required
@never_cache
@require_safe
def own_data(request: HttpRequest) -> HttpResponse:
    """Say what is stored, and offer to take it along or to close the account."""
    return _page(request, CloseForm(request=request))


@login_required
@require_POST
def export(request: HttpRequest) -> HttpResponse | FileResponse:
    """Send the zip of everything about me."""
    user: Any = request.user
    try:
        with one_at_a_time(f"export:{user.pk}"):
            archive = export_of(user)
    except ApiError as refusal:
        answer = _page(request, CloseForm(request=request), refusal.status_code, refusal=refusal)
        return come_back_later(answer, refusal)
    record(user, "export account", user)
    name = f"lunasite-{user.get_username()}-{timezone.now():%Y%m%d}.zip"
    return FileResponse(archive, as_attachment=True, filename=name)


@sensitive_post_parameters("password")
@login_required
@require_POST
def close(request: HttpRequest) -> HttpResponse:
    """Close the account, and end the session."""
    form = CloseForm(request.POST, request=request)
    if not form.is_valid():
        return _page(request, form, 400)
    try:
        close_account(request.user)  # type: ignore[arg-type]
    except (ApiError, StorageError) as refusal:
        return _page(request, CloseForm(request=request), refusal.status_code, refusal=refusal)
    logout(request)
    messages.success(request, "Your account is closed.")
    return redirect("home")
