"""What the organisers of a challenge edit in the browser: its texts, its news and its pictures."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from lunasite.http.errors import ApiError
from submissions.challenges import images
from submissions.challenges import news as news_actions
from submissions.challenges.forms import NewsForm, PictureForm
from submissions.editing import views
from submissions.models import Challenge, NewsPost
from submissions.storage.base import StorageError

TEXTS = {"overview": ("Overview", "challenge"), "rules": ("Rules", "challenge_rules")}
CHANGE = "submissions.change_challenge"


def own_challenge(request: HttpRequest, slug: str) -> Challenge:
    """Return the challenge, if the visitor may change it. Raises Http404 otherwise."""
    return get_object_or_404(Challenge.objects.managed_by(request.user, CHANGE), slug=slug)


def _edited(request: HttpRequest, slug: str, name: str) -> views.EditedText:
    challenge = own_challenge(request, slug)
    if name not in TEXTS:
        raise Http404("There is no such text.")
    title, page = TEXTS[name]
    # The page of empty rules does not exist, and a saved text may be empty.
    read_url = reverse(page if getattr(challenge, name).strip() else "challenge", kwargs={"slug": slug})
    edit_url = reverse("challenge_edit", kwargs={"slug": slug, "name": name})
    return views.EditedText(challenge, name, title, read_url, edit_url, challenge)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_text(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    return views.edit(request, _edited(request, slug, name))


@login_required
@require_safe
def text_versions(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    return views.versions(request, _edited(request, slug, name))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def text_version(request: HttpRequest, slug: str, name: str, number: int) -> HttpResponse:
    return views.version(request, _edited(request, slug, name), number)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def write_news(request: HttpRequest, slug: str) -> HttpResponse:
    return _news_editor(request, own_challenge(request, slug), None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_news(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    challenge = own_challenge(request, slug)
    post = get_object_or_404(challenge.news.all(), pk=number)
    if request.method == "POST" and "delete" in request.POST:
        news_actions.remove(post=post, editor=request.user)
        messages.success(request, "The post is deleted.")
        return redirect("challenge_news", slug=slug)
    return _news_editor(request, challenge, post)


def _news_editor(request: HttpRequest, challenge: Challenge, post: NewsPost | None) -> HttpResponse:
    initial = {"title": post.title, "body": post.body} if post else {}
    form = NewsForm(request.POST) if request.method == "POST" else NewsForm(initial=initial)
    is_ready = form.is_bound and form.is_valid()
    if is_ready and "preview" not in request.POST:
        return redirect(_save_news(request, challenge, post, form))
    context = {"challenge": challenge, "post": post, "form": form, "preview": form.cleaned_data if is_ready else None}
    status = 400 if form.is_bound and not is_ready else 200
    return render(request, "submissions/challenge/news_edit.html", context, status=status)


def _save_news(request: HttpRequest, challenge: Challenge, post: NewsPost | None, form: NewsForm) -> str:
    if post is None:
        post = news_actions.publish(challenge=challenge, author=request.user, **form.cleaned_data)
        messages.success(request, "Published.")
    else:
        news_actions.edit(post=post, editor=request.user, **form.cleaned_data)
        messages.success(request, "Changed; nobody is mailed a second time.")
    return post.get_absolute_url()


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pictures(request: HttpRequest, slug: str) -> HttpResponse:
    """List the challenge's pictures with the line that shows each, take a new one, delete one."""
    challenge = own_challenge(request, slug)
    form, refusal = PictureForm(), None
    if request.method == "POST":
        if "delete" in request.POST:
            return _delete_picture(request, challenge)
        form = PictureForm(request.POST, request.FILES)
        if form.is_valid():
            try:
                _take_picture(request, challenge, form)
                return redirect("challenge_pictures", slug=slug)
            except (ApiError, StorageError) as error:
                refusal = error
    context = {"challenge": challenge, "form": form, "refusal": refusal, "pictures": challenge.images.all()}
    status = 200 if request.method != "POST" else (refusal.status_code if refusal else 400)
    return render(request, "submissions/challenge/pictures.html", context, status=status)


def _take_picture(request: HttpRequest, challenge: Challenge, form: PictureForm) -> None:
    file = form.cleaned_data["file"]
    images.add_image(
        challenge=challenge, data=file.read(images.MAX_BYTES + 1), name=file.name, user=request.user,
        is_logo=form.cleaned_data["is_logo"],
    )  # fmt: skip
    messages.success(request, "The picture is kept.")


def _delete_picture(request: HttpRequest, challenge: Challenge) -> HttpResponse:
    image = get_object_or_404(challenge.images.all(), name=request.POST["delete"])
    images.remove_image(image=image, user=request.user)
    messages.success(request, "The picture is deleted; texts that show it show its description.")
    return redirect("challenge_pictures", slug=challenge.slug)
