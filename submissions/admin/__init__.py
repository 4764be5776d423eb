"""The challenge in Django admin, one concept per file. Evaluated data is read and decided about, never deleted."""

from submissions.admin.audit import AuditEventAdmin
from submissions.admin.challenge import ChallengeAdmin
from submissions.admin.dataset import CaseAdmin, DatasetAdmin
from submissions.admin.evaluation import EvaluationAdmin
from submissions.admin.lists.occurring import offer_what_occurs
from submissions.admin.lists.shown_lookups import filter_by_what_is_shown
from submissions.admin.other_apps.authenticator import AuthenticatorAdmin
from submissions.admin.other_apps.task_queue import FailureAdmin, PlannedAdmin, SuccessAdmin, WaitingAdmin
from submissions.admin.outage import HostAdmin, IncidentAdmin, PauseAdmin
from submissions.admin.participation import ParticipationAdmin
from submissions.admin.phase import PhaseAdmin
from submissions.admin.submission import SubmissionAdmin
from submissions.admin.team import TeamAdmin
from submissions.admin.worker import WorkerAdmin

offer_what_occurs()
filter_by_what_is_shown()

__all__ = [
    "AuditEventAdmin",
    "AuthenticatorAdmin",
    "CaseAdmin",
    "ChallengeAdmin",
    "DatasetAdmin",
    "EvaluationAdmin",
    "FailureAdmin",
    "HostAdmin",
    "IncidentAdmin",
    "ParticipationAdmin",
    "PauseAdmin",
    "PhaseAdmin",
    "PlannedAdmin",
    "SubmissionAdmin",
    "SuccessAdmin",
    "TeamAdmin",
    "WaitingAdmin",
    "WorkerAdmin",
]
