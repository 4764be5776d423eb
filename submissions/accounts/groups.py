"""The ready-made groups. Every migrate sets their permissions anew; for others, make a group of another name."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q
from django.db.models.signals import post_migrate
from django.dispatch import receiver

ORGANISER, REVIEWER, OPERATOR = "organiser", "reviewer", "operator"
OUR_APPS = ("submissions", "inference", "leaderboard")
ADMITTED_APPS = (*OUR_APPS, "axes", "mfa", "django_q")

# No group sees labels (view_case) or edits accounts: whoever edits accounts can make himself a superuser.
GROUPS: dict[str, tuple[str, ...]] = {
    # Without all_phases, each of these holds only for the challenges of which the person is an organiser.
    ORGANISER: (
        "submissions.view_challenge", "submissions.add_challenge", "submissions.change_challenge",
        "submissions.view_phase", "submissions.add_phase", "submissions.change_phase",
        "submissions.view_quota", "submissions.add_quota", "submissions.change_quota", "submissions.delete_quota",
        "submissions.view_submission", "submissions.change_submission",
        "submissions.view_evaluation", "submissions.change_evaluation", "submissions.view_evaluationevent",
        "submissions.view_participation", "submissions.change_participation",
        "submissions.view_auditevent", "submissions.view_dataset", "submissions.add_dataset",
    ),
    REVIEWER: ("inference.view_feedback", "inference.change_feedback"),
    OPERATOR: (
        "submissions.all_phases", "submissions.view_challenge", "submissions.change_sitepage",
        "submissions.view_phase",
        "submissions.view_quota", "submissions.view_dataset",
        "submissions.view_submission", "submissions.change_submission",
        "submissions.view_evaluation", "submissions.change_evaluation", "submissions.view_evaluationevent",
        "submissions.view_team", "submissions.change_team", "submissions.view_membership",
        "submissions.view_participation", "submissions.view_auditevent", "submissions.view_worker",
        "submissions.view_host", "submissions.view_incident",
        "submissions.view_pause", "submissions.add_pause", "submissions.delete_pause",
        "inference.view_prediction", "inference.view_driftrow",
        "axes.view_accessattempt", "axes.delete_accessattempt",
        "mfa.view_authenticator", "mfa.delete_authenticator",
        "django_q.view_schedule", "django_q.view_success", "django_q.view_failure", "django_q.view_ormq",
    ),
}  # fmt: skip


@receiver(post_migrate, dispatch_uid="make the groups")
def make_groups(sender: AppConfig, **options: Any) -> None:
    """Make the groups, with the permissions of the app that was just migrated."""
    if sender.label not in ADMITTED_APPS or not apps.is_installed("django.contrib.auth"):
        return
    if sender.label == "submissions" and not Group.objects.filter(name=ORGANISER).exists():
        keep_rights_of_earlier_staff()
    for name, permissions in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        wanted = [codename for app, codename in (text.split(".") for text in permissions) if app == sender.label]
        present = Permission.objects.filter(content_type__app_label=sender.label)
        group.permissions.remove(*present.exclude(codename__in=wanted))
        group.permissions.add(*present.filter(codename__in=wanted))


def keep_rights_of_earlier_staff() -> None:
    """Give the permission for all phases to whoever held one for submissions before there were groups."""
    everything = Permission.objects.filter(content_type__app_label="submissions", codename="all_phases").first()
    if everything is None:
        return
    held = Q(content_type__app_label="submissions", codename__regex="^(view|change)_(phase|submission|evaluation)$")
    earlier = Permission.objects.filter(held)
    for holder in User.objects.filter(user_permissions__in=earlier).distinct():
        holder.user_permissions.add(everything)
    for group in Group.objects.filter(permissions__in=earlier).distinct():
        group.permissions.add(everything)
