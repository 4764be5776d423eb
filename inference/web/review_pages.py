"""Review pages: staff view feedback, accept it, reject it or mark it doubtful, and download it for retraining."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from inference import actions
from inference.feedback import export
from inference.feedback.agreement import agreement
from inference.feedback.statistics import confusion
from inference.feedback.windows import WINDOWS, windowed
from inference.models import Feedback
from inference.slice_classes import SLICE_CLASSES
from inference.web.access import for_holders
from inference.web.forms import ReviewForm, SecondReadingForm
from inference.web.picture_look import look_context
from inference.web.review_queue import Queue, progress
from inference.web.review_undo import kept_decision, remember_decision, undo_decision, undoable
from lunasite.http.errors import ApiError, come_back_later
from lunasite.http.limits.dear_work import caller_of, one_at_a_time

PAGE_SIZE = 48
VIEW = "inference.view_feedback"
DECIDED = tuple(state for state in Feedback.State.values if state != Feedback.State.WAITING)
PICTURE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
}


@for_holders(VIEW)
@require_safe
def review(request: HttpRequest) -> HttpResponse:
    """Show the queue as pictures."""
    queue = Queue(request.GET, request.user)
    page = Paginator(queue.rows(), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"queue": queue, "page": page, "progress": progress(), "first": queue.rows().first()}
    context |= {"undoable": undoable(request)}
    return render(request, "inference/review.html", context)


@for_holders(VIEW, to_post="inference.change_feedback")
@require_http_methods(["GET", "HEAD", "POST"])
def review_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one picture with the model's answer and the user's correction; on POST, record the decision."""
    feedback = get_object_or_404(Feedback.objects.select_related("user", "reviewer"), pk=pk)
    queue = Queue(request.GET, request.user)
    form = (
        SecondReadingForm(request.POST or None, initial={"note": feedback.second_note})
        if queue.is_second
        else ReviewForm(request.POST or None, initial={"note": feedback.review_note})
    )
    if request.method == "POST" and form.is_valid():
        return decided(request, queue, feedback, form.cleaned_data)
    context = one_context(queue, feedback, form) | look_context(request.GET) | {"undoable": undoable(request)}
    return render(request, "inference/review_one.html", context)


def decided(request: HttpRequest, queue: Queue, feedback: Feedback, values: dict[str, Any]) -> HttpResponse:
    """Record a decision, keep what it replaced for the undo, and go on to the next."""
    try:
        before = replaced(request, queue, feedback, values)
    except ApiError as refusal:
        messages.error(request, refusal.message)
        return redirect(f"{reverse('review_one', args=[feedback.pk])}?{queue.query}")
    remember_decision(request, feedback, before, is_second=queue.is_second)
    following = queue.after(feedback)
    if following is None:
        messages.success(request, "That was the last one of this list.")
        return redirect(f"{reverse('review')}?{queue.query}")
    return redirect(f"{reverse('review_one', args=[following.pk])}?{queue.query}")


@transaction.atomic
def replaced(request: HttpRequest, queue: Queue, feedback: Feedback, values: dict[str, Any]) -> dict[str, Any]:
    """Record a decision and return the one that it replaced, which may be newer than what the page had shown.

    Raises ApiError as the action does.
    """
    actions.hold(feedback)
    before = kept_decision(feedback, is_second=queue.is_second)
    if queue.is_second:
        actions.read_second(feedback=feedback, reader=request.user, **values)
    else:
        actions.review(feedback=feedback, reviewer=request.user, **values)
    return before


def one_context(queue: Queue, feedback: Feedback, form: ReviewForm) -> dict[str, Any]:
    same = Feedback.objects.filter(sha256=feedback.sha256).exclude(pk=feedback.pk)
    return {
        "feedback": feedback,
        "form": form,
        "queue": queue,
        "progress": progress(),
        "following": queue.after(feedback),
        "previous": queue.before(feedback),
        "same": same[:5],
    }


@for_holders(VIEW, to_post="inference.change_feedback")
@require_POST
def review_undo(request: HttpRequest) -> HttpResponse:
    """Take the reviewer's last decision back, unless somebody has decided anew since."""
    undone = undo_decision(request)
    if undone is None:
        messages.error(request, "There is no decision of yours to undo.")
        return redirect("review")
    messages.success(request, f"Your decision on feedback {undone.pk} is undone.")
    query = Queue(request.GET, request.user).query
    return redirect(f"{reverse('review_one', args=[undone.pk])}?{query}")


@for_holders(VIEW)
@require_safe
def review_picture(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Serve a re-encoded picture with headers that keep a browser from treating it as anything else.

    `window` spreads a range of its grey levels, for tissue that is nearly all dark or all bright.
    """
    feedback = get_object_or_404(Feedback, pk=pk)
    try:
        file = feedback.picture_path.open("rb")
    except OSError:
        raise Http404("The picture is gone.") from None
    name = feedback.picture_name
    if (window := request.GET.get("window", "")) in WINDOWS:
        with file:
            return HttpResponse(windowed(file, window), content_type="image/png", headers=PICTURE_HEADERS)
    return FileResponse(file, as_attachment=True, filename=name, content_type="image/png", headers=PICTURE_HEADERS)


@for_holders(VIEW)
@require_safe
def review_statistics(request: HttpRequest) -> HttpResponse:
    """Show accuracy by class and the confusion matrix of accepted feedback."""
    pairs = Feedback.objects.accepted().values_list("label", "predicted_class")
    table = confusion(pairs, SLICE_CLASSES)
    rows = [
        {"accuracy": accuracy, "counts": counts} for accuracy, counts in zip(table.classes, table.counts, strict=True)
    ]
    readings = Feedback.objects.read_twice().values_list("state", "second_state")
    context = {"table": table, "rows": rows, "names": SLICE_CLASSES, "progress": progress()}
    context |= {"agreement": agreement(readings, DECIDED), "decided": DECIDED}
    return render(request, "inference/review_statistics.html", context)


@for_holders(VIEW)
@require_safe
def review_csv(request: HttpRequest) -> HttpResponseBase:
    rows = Queue(request.GET or {"state": "all"}, request.user).rows().iterator(chunk_size=500)
    answer = StreamingHttpResponse(export.feedback_csv(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="feedback.csv"'
    return answer


@for_holders(VIEW)
@require_safe
def review_zip(request: HttpRequest) -> HttpResponseBase:
    try:
        with one_at_a_time(caller_of(request)):
            folder = export.training_folder(Feedback.objects.accepted())
    except ApiError as refusal:
        text = HttpResponse(refusal.message, status=refusal.status_code, content_type="text/plain; charset=utf-8")
        return come_back_later(text, refusal)
    return FileResponse(folder, as_attachment=True, filename="feedback.zip", content_type="application/zip")
