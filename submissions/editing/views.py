"""Edit a text, look at its versions, and take one back: the same pages for every text, whoever owns it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from lunasite.http.errors import ApiError
from submissions.editing.fields import TextForm
from submissions.editing.versions import Owner, difference, save_text, versions_of
from submissions.models import Challenge
from submissions.models.participation import digest_of

PER_PAGE = 30


@dataclass(frozen=True)
class EditedText:
    """A text and where it is read and edited. challenge: whose tabs the pages show, None for a page of the site."""

    owner: Owner
    name: str
    title: str
    read_url: str
    edit_url: str
    challenge: Challenge | None = None

    @property
    def body(self) -> str:
        return str(getattr(self.owner, self.name))

    @property
    def versions_url(self) -> str:
        return f"{self.edit_url}versions/"


def edit(request: HttpRequest, text: EditedText) -> HttpResponse:
    """Show the editor; `preview` shows the text as readers will see it, `save` keeps it as a new version."""
    if request.method != "POST":
        form = TextForm(initial={"body": text.body, "base": digest_of(text.body)})
        return _editor(request, text, form)
    form = TextForm(request.POST)
    if not form.is_valid() or "preview" in request.POST:
        return _editor(request, text, form, status=200 if form.is_valid() else 400)
    try:
        version = save_text(owner=text.owner, name=text.name, user=request.user, **form.cleaned_data)
    except ApiError as refusal:
        return _editor(request, text, form, status=refusal.status_code, refusal=refusal)
    done = f"Saved as version {version.number}." if version else "It reads as before: there is nothing to save."
    messages.success(request, done)
    return redirect(text.read_url)


def _editor(
    request: HttpRequest, text: EditedText, form: TextForm, status: int = 200, refusal: ApiError | None = None
) -> HttpResponse:
    preview = form.cleaned_data.get("body") if form.is_bound and form.is_valid() else None
    context = {"text": text, "form": form, "preview": preview, "refusal": refusal, "challenge": text.challenge}
    if refusal is not None:
        # The writer's text stays in the form; saving it once more replaces what was saved meanwhile.
        context["difference"] = difference(text.body, form.cleaned_data["body"])
        context["form"] = TextForm(form.cleaned_data | {"base": digest_of(text.body)})
    return render(request, "submissions/editing/edit.html", context, status=status)


def versions(request: HttpRequest, text: EditedText) -> HttpResponse:
    page = Paginator(versions_of(text.owner, text.name), PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request, "submissions/editing/versions.html", {"text": text, "page": page, "challenge": text.challenge}
    )


def version(request: HttpRequest, text: EditedText, number: int) -> HttpResponse:
    """Show one version and what it changed; a POST saves its text as the newest version."""
    found = get_object_or_404(versions_of(text.owner, text.name), number=number)
    if request.method == "POST":
        restored = save_text(owner=text.owner, name=text.name, body=found.body, user=request.user)
        done = f"is shown again, as version {restored.number}" if restored else "is shown already"
        messages.success(request, f"The text of version {number} {done}.")
        return redirect(text.read_url)
    before = versions_of(text.owner, text.name).filter(number=number - 1).first()
    context = {
        "text": text, "version": found, "difference": difference(before.body if before else "", found.body),
        "is_shown": found.body == text.body, "challenge": text.challenge,
    }  # fmt: skip
    return render(request, "submissions/editing/version.html", context)
