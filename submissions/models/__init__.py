"""The models of the challenge: dataset, phase, team, submission, evaluation, upload, worker (docs/glossary.md)."""

from submissions.models.audit import AuditEvent
from submissions.models.challenges.challenge import Challenge
from submissions.models.challenges.images import ChallengeImage
from submissions.models.challenges.news import NewsPost
from submissions.models.challenges.texts import Acceptance, SitePage, TextVersion
from submissions.models.data.file import DataFile
from submissions.models.dataset import Case, Dataset, Split
from submissions.models.evaluation import Evaluation, EvaluationEvent, StatusConflict
from submissions.models.imports.dataset_import import DatasetImport
from submissions.models.messages import Delivery, MailChoice, Message, Webhook
from submissions.models.model_archive import ModelArchive
from submissions.models.outage import Host, Incident, Pause
from submissions.models.participation import Participation
from submissions.models.people import Profile
from submissions.models.phase import Phase, Quota
from submissions.models.registry_credential import RegistryCredential
from submissions.models.submission import Submission
from submissions.models.team import Membership, Team, TeamInvitation
from submissions.models.token import ApiToken
from submissions.models.upload import Upload
from submissions.models.username import UsernameSkeleton
from submissions.models.worker import PeriodicJob, Worker

__all__ = [
    "Acceptance",
    "ApiToken",
    "AuditEvent",
    "Case",
    "Challenge",
    "ChallengeImage",
    "DataFile",
    "Dataset",
    "DatasetImport",
    "Delivery",
    "Evaluation",
    "EvaluationEvent",
    "Host",
    "Incident",
    "MailChoice",
    "Membership",
    "Message",
    "ModelArchive",
    "NewsPost",
    "Participation",
    "Pause",
    "PeriodicJob",
    "Phase",
    "Profile",
    "Quota",
    "RegistryCredential",
    "SitePage",
    "Split",
    "StatusConflict",
    "Submission",
    "Team",
    "TeamInvitation",
    "TextVersion",
    "Upload",
    "UsernameSkeleton",
    "Webhook",
    "Worker",
]
