"""The models of the challenge: dataset, phase, team, submission, evaluation, upload, worker (docs/glossary.md)."""

from submissions.models.audit import AuditEvent
from submissions.models.challenges.challenge import Challenge
from submissions.models.data.file import DataFile
from submissions.models.dataset import Case, Dataset, Split
from submissions.models.evaluation import Evaluation, EvaluationEvent, StatusConflict
from submissions.models.model_archive import ModelArchive
from submissions.models.outage import Host, Incident, Pause
from submissions.models.participation import Participation
from submissions.models.phase import Phase, Quota
from submissions.models.registry_credential import RegistryCredential
from submissions.models.submission import Submission
from submissions.models.team import Membership, Team, TeamInvitation
from submissions.models.token import ApiToken
from submissions.models.upload import Upload
from submissions.models.username import UsernameSkeleton
from submissions.models.worker import PeriodicJob, Worker

__all__ = [
    "ApiToken",
    "AuditEvent",
    "Case",
    "Challenge",
    "DataFile",
    "Dataset",
    "Evaluation",
    "EvaluationEvent",
    "Host",
    "Incident",
    "Membership",
    "ModelArchive",
    "Participation",
    "Pause",
    "PeriodicJob",
    "Phase",
    "Quota",
    "RegistryCredential",
    "Split",
    "StatusConflict",
    "Submission",
    "Team",
    "TeamInvitation",
    "Upload",
    "UsernameSkeleton",
    "Worker",
]
