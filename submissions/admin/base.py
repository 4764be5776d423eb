"""Admin pages for rows that the site writes and nobody edits."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from submissions.models import Challenge, Evaluation, Submission
from submissions.models.access import holds_everywhere, may


class OwnChallengesAdmin(admin.ModelAdmin):
    """Rows of challenges: an organiser sees and decides about those of the own challenges only.

    challenge_path: the lookup from a row to its challenge, "" where the row is the challenge.
    """

    challenge_path = "phase__challenge"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if self._holds_everywhere(request):
            return rows
        organised = Challenge.objects.filter(organisers=request.user)  # type: ignore[misc]
        return rows.filter(**{f"{self.challenge_path or 'pk'}__in": organised})

    def _holds_everywhere(self, request: HttpRequest) -> bool:
        names = (f"{self.opts.app_label}.{verb}_{self.opts.model_name}" for verb in ("view", "change"))
        return any(holds_everywhere(request.user, name) for name in names)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and self._is_own(request, obj, "view", "change")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_own(request, obj, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_own(request, obj, "delete")

    def _is_own(self, request: HttpRequest, row: Any, *verbs: str) -> bool:
        if row is None or row.pk is None:
            return True
        challenge = row
        for step in filter(None, self.challenge_path.split("__")):
            challenge = getattr(challenge, step)
        names = (f"{self.opts.app_label}.{verb}_{self.opts.model_name}" for verb in verbs)
        return challenge is not None and any(may(request.user, name, challenge) for name in names)


class NoDeleteAdmin(admin.ModelAdmin):
    """Rows that are neither added nor deleted by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ActionOnlyAdmin(NoDeleteAdmin):
    """Rows with read-only fields, which staff change only through actions.

    The actions need the change permission, so this class keeps it and makes each field read-only instead.
    """

    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = [field for _, options in self.get_fieldsets(request, obj) for field in options["fields"] or ()]
        return [name for names in shown for name in ([names] if isinstance(names, str) else names)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {
            "show_save": False,
            "show_save_and_continue": False,
            "show_close": True,
            "decisions": self.decisions(request, row) if row else [],
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def decisions(self, request: HttpRequest, row: Any) -> list[tuple[str, str]]:
        """Return (name, title) of each action that applies to the row: one button each."""
        known = [action for action in self.get_actions(request).values() if action]
        return [(name, title) for _, name, title in known if name != "export_csv" and self.fits(name, row)]

    def fits(self, action: str, row: Any) -> bool:
        """Return whether an action can change the row as it is now; a lost race is reported when the action runs."""
        return True


def fits(action: str, submission: Submission, evaluation: Evaluation) -> bool:
    """Return the same for actions on a submission and one of its evaluations."""
    sensible = {
        "retry": evaluation.status == Evaluation.Status.FAILED,
        "cancel": not evaluation.is_finished,
        "re_evaluate": evaluation.is_finished,
        "refund": submission.try_counts,
        "mark_baseline": not submission.is_baseline,
        "unmark_baseline": submission.is_baseline,
        "hide": not submission.is_hidden,
        "unhide": submission.is_hidden,
    }
    return sensible.get(action, True)


class ReadOnly(NoDeleteAdmin):
    """Rows that staff may only view."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):
    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
