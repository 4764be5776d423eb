"""The models of the challenge: dataset, phase, team, submission, evaluation, upload, worker (docs/glossary.md)."""

from submissions.models.dataset import Case, Dataset, Split
from submissions.models.evaluation import Evaluation, EvaluationEvent, StatusConflict
from submissions.models.model_archive import ModelArchive
from submissions.models.outage import Host, Incident, Pause
from submissions.models.phase import Phase, Quota
from submissions.models.registry_credential import RegistryCredential
from submissions.models.submission import Submission
from submissions.models.team import Membership, Team
from submissions.models.token import ApiToken
from submissions.models.upload import Upload
from submissions.models.username import UsernameSkeleton
from submissions.models.worker import PeriodicJob, Worker

__all__ = [
    "ApiToken",
    "Case",
    "Dataset",
    "Evaluation",
    "EvaluationEvent",
    "Host",
    "Incident",
    "Membership",
    "ModelArchive",
    "Pause",
    "PeriodicJob",
    "Phase",
    "Quota",
    "RegistryCredential",
    "Split",
    "StatusConflict",
    "Submission",
    "Team",
    "Upload",
    "UsernameSkeleton",
    "Worker",
]
