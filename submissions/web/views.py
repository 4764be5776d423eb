"""The participant's pages. Each view parses, calls one action or query, and answers."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST, require_safe

from lunasite.http.errors import ApiError
from lunasite.http.files.sizes import size_in_words
from lunasite.http.limits.dear_work import one_at_a_time, paced
from lunasite.http.limits.upload_limits import refuse_large_body
from lunasite.http.page_cache.views import kept_for_visitors
from submissions import actions
from submissions.actions.submit import read_csv
from submissions.intake.csv.predictions import CsvProblems
from submissions.models import Evaluation, Phase, Split, Submission
from submissions.models.access import holds, may
from submissions.models.team import team_of
from submissions.models.upload import OF_A_SUBMISSION
from submissions.participation.page import participation_context
from submissions.phases import quota
from submissions.phases.next_change import next_change
from submissions.phases.storage_budget import budget_of
from submissions.presenters import waiting
from submissions.presenters.charts import charts_of
from submissions.presenters.phase_files import ids_file, samples_file, template_file, truth_file
from submissions.presenters.progress import answered_shown, events_shown, progress_of, run_seconds
from submissions.presenters.report import report_of
from submissions.presenters.score_table import listed_score, sample_rows, score_rows, step_states
from submissions.scoring import METRICS, metrics_of
from submissions.storage.base import StorageError
from submissions.uploads.listing import uploads_of
from submissions.web.forms import CsvForm
from submissions.web.guide import contract_texts
from submissions.web.image_forms import ImageForm
from submissions.web.method_form import METHOD_FIELDS, MethodForm
from submissions.web.polling import digest_of, poll_seconds
from submissions.web.same_file import SameFile, ask_about_csv, forget_kept, sent_csv
from submissions.web.send_again import can_send_again, earlier_of, initial_of

PER_PAGE = 20
CSV_OR_IMAGE = "send a smaller CSV, or an image by the form under Docker image"
# What no page of a submission shows of its evaluations.
NOT_ON_A_PAGE = ("predictions", "partial_answers", "run_log")


def phase_of(request: HttpRequest, slug: str) -> Phase:
    return get_object_or_404(Phase.objects.visible_to(request.user).select_related("dataset", "challenge"), slug=slug)


def phase_context(request: HttpRequest, phase: Phase, **more: Any) -> dict[str, Any]:
    """Return what the phase page shows: the task, the tries left, the forms."""
    now, user = timezone.now(), request.user
    team = team_of(user)  # type: ignore[arg-type]
    is_in = user.is_authenticated
    tries = quota.allowances(phase, team, user, now) if is_in else []  # type: ignore[arg-type]
    counts = phase.dataset.case_counts()
    earlier = earlier_of(request, team)
    return {
        **participation_context(phase, user, team),
        "phase": phase,
        "now": now,
        "is_open": phase.is_open(now),
        "has_ended": phase.has_ended(now),
        "allowances": tries,
        "storage": budget_of(team) if is_in else None,
        "used_up": quota.first_used_up(tries),
        "has_private": counts[Split.PRIVATE] > 0,
        "state": phase.state(now),
        "step": f"{phase.step_of_ladder:g}",
        "n_cases": sum(counts.values()) - counts[Split.SAMPLE],
        "n_samples": counts[Split.SAMPLE],
        "ranking": METRICS[phase.ranking_metric],
        "metrics": metrics_of(phase.kind.name),
        "limits": phase.limits(),
        "max_csv": size_in_words(settings.MAX_CSV_BYTES),
        "contracts": contract_texts(phase) if phase.accepts_docker else [],
        "csv_sentences": phase.kind.csv_sentences(),
        "form": CsvForm(),
        "again": earlier,
        "image_form": ImageForm(phase=phase, initial=initial_of(request, earlier)),
        "send_docker": request.GET.get("send") == Submission.Type.DOCKER,
        # Asked for by one of the two forms.
        "uploads": SimpleLazyObject(
            lambda: uploads_of(user, *OF_A_SUBMISSION) if is_in and phase.accepts_docker else []
        ),
        "halted": {kind: SimpleLazyObject(partial(waiting.halted, kind)) for kind in Submission.Type.values},
    } | more


@require_GET
@kept_for_visitors(next_change)
def phase_page(request: HttpRequest, slug: str) -> HttpResponse:
    visible = Phase.objects.visible_to(request.user).beside(slug)
    phases = list(visible.select_related("dataset", "challenge"))
    phase = next((phase for phase in phases if phase.slug == slug), None)
    if phase is None:
        raise Http404("There is no such phase.")
    return render(request, "submissions/phase.html", phase_context(request, phase, challenge_phases=phases))


@require_GET
@paced
def csv_template(request: HttpRequest, slug: str) -> HttpResponse:
    """Send a CSV with every id of the phase, to fill in."""
    try:
        return template_file(phase_of(request, slug))
    except ApiError as refusal:
        raise Http404(refusal.message) from refusal


@require_GET
@paced
def phase_file(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Send the sample cases with their truth, or the truth of all once it is published."""
    try:
        return {"samples": samples_file, "truth": truth_file}[name](phase_of(request, slug))
    except ApiError as refusal:
        raise Http404(refusal.message) from refusal


@csrf_exempt  # checked in _take_csv: Django's check would store the whole body first, however long
@login_required
def submit_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """Check a CSV (button `check`) or submit it; problems are shown on the phase page and cost no try."""
    request.received_at = timezone.now()  # type: ignore[attr-defined]
    phase = phase_of(request, slug)
    if request.method != "POST":  # the URL of a refused file, opened again with GET
        return redirect("phase", slug=slug)
    try:
        refuse_large_body(request, settings.MAX_CSV_BYTES, CSV_OR_IMAGE)
    except ApiError as refusal:
        return _phase_again(request, phase, CsvForm(), status=413, refusal=refusal)
    return _take_csv(request, phase)


@csrf_protect
def _take_csv(request: HttpRequest, phase: Phase) -> HttpResponse:
    received_at = request.received_at  # type: ignore[attr-defined]
    form = CsvForm(request.POST, request.FILES)
    if not form.is_valid():
        return _phase_again(request, phase, form)
    try:
        file = sent_csv(request.user, form)
        if "check" in request.POST:
            with one_at_a_time(f"user:{request.user.pk}"):
                table = read_csv(phase, file.read(settings.MAX_CSV_BYTES + 1))
            return _phase_again(request, phase, CsvForm(initial=form.to_submit()), status=200, checked=table)
        ask_about_csv(request, phase, form, file)
        fields = form.to_submit() | {"file": file}
        submission = actions.submit_csv(user=request.user, phase=phase, received_at=received_at, **fields)  # type: ignore[arg-type]
        forget_kept(request.user, form)
    except SameFile as same:
        asked = CsvForm(same.form_data(request, "kept"))
        return _phase_again(request, phase, asked, status=409, same_file=same.earlier)
    except CsvProblems as problems:
        return _phase_again(request, phase, form, problems=problems, ids_file=ids_file(problems))
    except (ApiError, StorageError) as refusal:
        return _phase_again(request, phase, form, status=refusal.status_code, refusal=refusal)
    return redirect("submission", pk=submission.pk)


def _phase_again(request: HttpRequest, phase: Phase, form: CsvForm, *, status: int = 400, **more: Any) -> HttpResponse:
    context = phase_context(request, phase, form=form, **more)
    return render(request, "submissions/phase.html", context, status=status)


@login_required
@require_safe
def submission_list(request: HttpRequest) -> HttpResponse:
    rows = Submission.objects.visible_to(request.user).select_related("phase__dataset", "team", "user")
    if named := request.GET.get("phase") or request.GET.get("dataset_id"):
        rows = rows.filter(phase=Phase.objects.named(named))
    light = Prefetch("evaluations", Evaluation.objects.without_blobs())
    page = Paginator(rows.prefetch_related(light), PER_PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    listed = [
        {"submission": item, "evaluation": item.latest, "score": listed_score(item, request.user, now)} for item in page
    ]
    context: dict[str, Any] = {"page": page, "rows": listed, "team": team_of(request.user)}  # type: ignore[arg-type]
    context["sees_others"] = holds(request.user, "submissions.view_submission")
    return render(request, "submissions/list.html", context)


def submission_of(request: HttpRequest, pk: Any, *, with_evaluations: bool = False) -> Submission:
    """Return a submission that the user may see; for anybody else it does not exist (404).

    with_evaluations: read them at once, for a page that asks for the current and the latest one again and again.
    """
    rows = Submission.objects.visible_to(request.user).select_related("phase__dataset", "team", "user")
    if with_evaluations:
        rows = rows.prefetch_related(Prefetch("evaluations", Evaluation.objects.defer(*NOT_ON_A_PAGE)))
    return get_object_or_404(rows, pk=pk)


def submission_context(request: HttpRequest, submission: Submission) -> dict[str, Any]:
    """Return the context of the page and of its updated fragment."""
    evaluation, now, user = submission.latest, timezone.now(), request.user
    progress = progress_of(evaluation, now, user)
    view = submission.phase.view_of(user, now)
    report = report_of(submission, request.user)
    # What is one number is no column of a table.
    limited = {Split.PUBLIC} if view.has_ladder else set()
    in_full = {split: scores for split, scores in report["scores"].items() if split not in limited}
    context = {
        "submission": submission,
        "evaluation": evaluation,
        "can_choose": _can_choose(submission, now),
        "can_compare": view.is_full("comparison"),
        "can_send_again": can_send_again(submission, user, now),
        "progress": progress,
        "steps": step_states(evaluation, progress),
        "failure": evaluation.failure,
        "answered": answered_shown(evaluation, now, user),
        "events": events_shown(evaluation, now, user),
        "splits": [split for split in report["scores"] if split not in limited],
        "score_rows": score_rows(submission.phase, report["scores"], view),
        "table_rows": score_rows(submission.phase, in_full, view),
        "curves_on_samples": set(report["curves"]) == {Split.SAMPLE},
        "score_note": report["score_note"],
        "sample_cases": sample_rows(submission.phase, report.get("sample_cases", [])),
        "charts": charts_of(report["curves"]),
        "sees_staff_detail": may(user, "submissions.view_evaluation", submission.phase),
        "seconds": run_seconds(evaluation, now, user),
        "seconds_are_exact": view.is_full("run_time"),
        "memory_quarters": report["timings"].get("peak_memory_quarters"),
        "poll_s": poll_seconds(evaluation.created_at, now),
    }
    return context | {"seen": _seen(context)}


def _seen(context: dict[str, Any]) -> str:
    evaluation, progress = context["evaluation"], context["progress"]
    return digest_of(
        evaluation.pk, evaluation.status, evaluation.failure_code, progress.sentence, progress.answered,
        progress.total, context["steps"], len(context["events"]), len(evaluation.smoke_log), context["poll_s"],
    )  # fmt: skip


def _can_choose(submission: Submission, now: datetime) -> bool:
    phase = submission.phase
    if not phase.has_ladder or phase.has_ended(now) or submission.is_hidden or submission.is_baseline:
        return False
    return submission.current_evaluation is not None


@login_required
@require_GET
def submission_page(request: HttpRequest, pk: Any) -> HttpResponse:
    return show_submission(request, pk)


def show_submission(request: HttpRequest, pk: Any, refused: MethodForm | None = None) -> HttpResponse:
    """Show the page of a submission. refused: the form of its method as it was sent, with what is wrong in it."""
    submission = submission_of(request, pk, with_evaluations=True)
    context = submission_context(request, submission)
    # Who may not look at others' submissions sees this one because it is the own team's.
    sees_others = holds(request.user, "submissions.view_submission")
    if not sees_others or submission.team == team_of(request.user):  # type: ignore[arg-type]
        method = {name: getattr(submission, name) for name in METHOD_FIELDS}
        context["method_form"] = refused or MethodForm(initial=method)
    return render(request, "submissions/submission.html", context, status=400 if refused else 200)


@login_required
@require_GET
def submission_progress(request: HttpRequest, pk: Any) -> HttpResponse:
    """Render the fragment that htmx polls while an evaluation is running; status 286 stops the polling.

    `seen` names what the reader's card shows; 204 if it shows the same as now, so that it stays as it is.
    """
    submission = submission_of(request, pk, with_evaluations=True)
    context = submission_context(request, submission)
    is_finished = context["evaluation"].is_finished
    if not is_finished and request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    context["is_fragment"] = True
    return render(request, "submissions/_evaluation.html", context, status=286 if is_finished else 200)


@login_required
@require_POST
def cancel(request: HttpRequest, pk: Any) -> HttpResponse:
    submission = submission_of(request, pk)
    try:
        actions.cancel_for(submission=submission, user=request.user)
        messages.success(request, "The evaluation was cancelled.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("submission", pk=submission.pk)


@login_required
@require_POST
def choose(request: HttpRequest, pk: Any) -> HttpResponse:
    """Let this entry count at the end, or (button `undo`) the best shown one again."""
    submission = submission_of(request, pk)
    is_chosen = "undo" not in request.POST
    try:
        actions.choose(user=request.user, submission=submission, is_chosen=is_chosen, now=timezone.now())  # type: ignore[arg-type]
        counted = "This entry" if is_chosen else "Your best shown entry"
        messages.success(request, f"{counted} counts when the phase ends.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("submission", pk=submission.pk)
